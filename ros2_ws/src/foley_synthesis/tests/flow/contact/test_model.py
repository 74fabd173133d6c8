"""From sets of sessions to a checkpoint, its sounds and its scores, as a user runs it."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from foley_common.session_file import read_session, write_session
from foley_perception.action.contact_motion import GROUPS
from foley_perception.action.gripper import GripperHand
from foley_synthesis.checkpoint import CorruptCheckpoint, read_yaml, sha256_of, write_yaml
from foley_synthesis.commands import flow
from foley_synthesis.evaluation.windows.models import load_window_model
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.model_file import load_codec, save_codec
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact import build, latents
from foley_synthesis.flow.contact.build import FlowData
from foley_synthesis.flow.contact.items import ContactItem, ContactItems
from foley_synthesis.flow.contact.latents import cached_latent, latent_of, stands_out
from foley_synthesis.flow.contact.model import ContactFlowModel, load_model
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.contact.tuning import tune
from foley_synthesis.flow.contact.validation import foreground_errors, validation_loss
from foley_synthesis.flow.inference.contact_stream import ContactStream
from foley_synthesis.flow.networks.contact_field import ContactField
from foley_synthesis.flow.networks.motion_taken import held
from foley_synthesis.flow.session_items import read_item
from foley_synthesis.flow.window_model import EvaluationWindow


def _world() -> Any:
    place = Path(__file__).parents[1] / "session_files.py"
    spec = importlib.util.spec_from_file_location("session_files", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


WORLD = _world()
FEW = ContactSampling(steps=2)


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    return flow.run(parser.parse_args([str(word) for word in words]))


@dataclasses.dataclass(frozen=True)
class World:
    train: Path
    validation: Path
    codec: Path
    out: Path

    @property
    def data(self) -> tuple[object, ...]:
        return "--train", self.train, "--validation", self.validation, "--codec", self.codec


@pytest.fixture(scope="module", autouse=True)
def few_windows() -> Iterator[None]:
    """A training is validated by a few crops, and listened to in two windows: most of the time went there."""

    def listened(items: Any, codec: Any, config: Any, *more: Any) -> Any:
        return foreground_errors(items, codec, dataclasses.replace(config, listen_windows=2), *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "validation_loss", functools.partial(validation_loss, windows=8, draws=2))
        patch.setattr(build, "foreground_errors", listened)
        patch.setattr(build, "_VALIDATION_BATCHES", 1)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two sets, a codec, and a flow that was trained for two steps."""
    root = tmp_path_factory.mktemp("contact_flow")
    made = World(
        WORLD.write_falling(root / "train", 2),
        WORLD.write_falling(root / "validation", 1, "validation", first=7),
        root / "codec",
        root / "flow",
    )
    torch.manual_seed(0)
    codec = Codec(
        CodecConfig(
            latent=4, width=16, hidden=16, blocks=1, fine_width=16, fine_hidden=16, fine_blocks=1, rounds=0
        )
    )
    sound = torch.from_numpy(WORLD.falling_session().sound.astype(np.float32))[None, : 512 * 300] / 2**15
    content, _ = codec.split(sound)
    codec.set_components(content)
    codec.set_scale(content)
    save_codec(codec, {}, made.codec, {})
    steps = ("--size", "tiny", "--steps", 2, "--batch", 4, "--threads", 1)
    assert command("fit", *made.data, "--out", made.out, *steps) == 0
    return made


@pytest.fixture(scope="module")
def window(world: World) -> EvaluationWindow:
    return EvaluationWindow(read_session(next(world.validation.glob("*.npz"))), 4.0)


def loud(model: ContactFlowModel) -> ContactFlowModel:
    """A model that says something: two steps leave its last layer near 0."""
    with torch.no_grad():
        for value in model.field.parameters():
            if float(value.abs().max()) < 0.05:
                value.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return model


def test_a_checkpoint_says_what_it_was_trained_on_and_is_read_by_its_schema(world: World) -> None:
    model = load_window_model(world.out)
    assert isinstance(model, ContactFlowModel)
    assert model.given == "plan"
    assert model.train_scenes == {"train-00000", "train-00001"}
    metrics = json.loads((world.out / "metrics.json").read_text())
    assert metrics["steps"] == 2 and metrics["sessions"] == {"train": 2, "validation": 1}
    assert metrics["history"][-1]["validation"] == metrics["best_validation"]
    assert metrics["history"][-1]["foreground_db"] > 0
    assert model.model_id == sha256_of(world.out / "manifest.yaml")
    assert load_model(world.out, executed=True).given == "motion and force"


def test_a_flow_is_its_own_codec_for_whoever_goes_on_from_it(world: World) -> None:
    (codec, _, codec_id), (whole, _, whole_id) = load_codec(world.out), load_codec(world.codec)
    assert (codec_id, codec.config) == (whole_id, whole.config)
    halved = codec.state_dict()
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(halved[name], value, rtol=1e-3, atol=1e-3)


def test_draws_are_a_function_of_window_and_seed(world: World, window: EvaluationWindow) -> None:
    model = dataclasses.replace(loud(load_model(world.out)), sampling=FEW)
    steps: list[int] = []
    made = model.draw([window], 2, 5, lambda: steps.append(1))
    assert made.shape == (1, 2, 128_000) and made.dtype == np.float32
    assert np.isfinite(made).all() and made.std() > 0 and len(steps) == 1
    other = EvaluationWindow(window.session, 0.0)
    np.testing.assert_array_equal(model.draw([other, window], 2, 5)[1], made[0])
    assert np.abs(made[0, 0] - made[0, 1]).max() > 1e-4
    assert np.abs(model.draw([window], 2, 6) - made).max() > 1e-4


def test_what_it_is_told_changes_its_sounds_and_the_window_itself_is_not_looked_at(
    world: World, window: EvaluationWindow
) -> None:
    plain = dataclasses.replace(loud(load_model(world.out)), sampling=FEW)
    begun = plain.draw([window], 1, 0)
    session = window.session
    otherwise = dataclasses.replace(
        session,
        executed_pose=np.ascontiguousarray(session.executed_pose[::-1]),
        executed_width=session.executed_width + np.float32(0.01),
        wrench=-2 * session.wrench,
        contact_s=session.contact_s + np.float32(0.2),
        contact_object=session.contact_object[::-1].copy(),
        contact_impulse=2 * session.contact_impulse,
    )
    np.testing.assert_array_equal(plain.draw([EvaluationWindow(otherwise, 4.0)], 1, 0), begun)
    for told in ({"executed": True}, {"told": "true"}, {"context": 2}):
        model = dataclasses.replace(loud(load_model(world.out, **told)), sampling=FEW)  # type: ignore[arg-type]
        found = model.draw([window], 1, 0)
        assert np.abs(found - begun).max() > 1e-4, told
        rate = window.session.sound_rate
        sound = window.session.sound.copy()
        sound[round(window.start_s * rate) :] = 0
        silenced = dataclasses.replace(window.session, sound=sound)
        np.testing.assert_allclose(
            model.draw([EvaluationWindow(silenced, window.start_s)], 1, 0), found, atol=1e-5
        )


def test_a_flow_that_takes_less_of_the_motion_is_told_no_more_of_it_wherever_it_is_asked(
    world: World, window: EvaluationWindow, tmp_path: Path
) -> None:
    less = ("--without", "height", "--without", "keypoints", "--without", "hits", "--motion-rate", 30)
    steps = ("--size", "tiny", "--steps", 1, "--batch", 2, "--threads", 1)
    assert command("fit", *world.data, "--out", tmp_path / "less", *less, *steps) == 0
    model, whole = (
        dataclasses.replace(loud(load_model(path)), sampling=FEW) for path in (tmp_path / "less", world.out)
    )
    motion = model.field.config.motion
    assert (motion.without, motion.rate_hz) == (("height", "keypoints"), 30.0)
    assert model.facts["without"] == ["hits"] and model.given == "plan"
    known = model.conditions.of(window, model.codec)
    changed = known.motion.clone()
    for group in ("height", "keypoints"):
        changed[..., GROUPS[group]] += 1.0
    kept = held(torch.arange(changed.shape[1], dtype=torch.float32)[None, :, None], 30.0).long().flatten()
    between = sorted(set(range(changed.shape[1])) - set(kept.tolist()))
    changed[:, between, GROUPS["place"]] += 1.0
    other = dataclasses.replace(known, motion=changed)
    noise = torch.randn(
        1, model.field.config.latent, known.frames, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(model.sounds(other, noise), model.sounds(known, noise), rtol=0, atol=0)
    assert not torch.allclose(whole.sounds(other, noise), whole.sounds(known, noise), atol=1e-4)
    # Live, by windows that slide.
    for one, same in ((model, True), (whole, False)):
        chunks = []
        for told in (known, other):
            stream = ContactStream(one)
            begin, end = stream.rows
            chunks.append(stream.next(dataclasses.replace(told, motion=told.motion[:, : end - begin])))
        assert (np.abs(chunks[0] - chunks[1]).max() == 0.0) == same


def test_a_checkpoint_from_before_there_were_such_ablations_takes_all_of_the_motion(
    world: World, window: EvaluationWindow, tmp_path: Path
) -> None:
    shutil.copytree(world.out, tmp_path / "flow")
    config = read_yaml(tmp_path / "flow" / "config.yaml")
    for name in ("without", "rate_hz"):
        del config["field"]["motion"][name]
    write_yaml(tmp_path / "flow" / "config.yaml", config)
    names = ("model.safetensors", "config.yaml")
    write_yaml(tmp_path / "flow" / "manifest.yaml", {n: sha256_of(tmp_path / "flow" / n) for n in names})
    old, new = (
        dataclasses.replace(load_model(path), sampling=FEW) for path in (tmp_path / "flow", world.out)
    )
    assert old.field.config == new.field.config and old.field.config.motion.taken == tuple(range(6))
    np.testing.assert_array_equal(old.draw([window], 1, 0), new.draw([window], 1, 0))


def test_scores_are_higher_for_what_the_flow_would_say(world: World, window: EvaluationWindow) -> None:
    """The field whose paths all end at the true latent finds the true sound likeliest, and a late one less."""
    model = load_model(world.out)
    truth = model.field.normalise(latent_of(torch.from_numpy(window.sound())[None], model.codec))

    class Knowing(ContactField):
        def forward(self, x: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            return (truth - x) / (1.0 - t[:, None, None])

    field = Knowing(model.field.config)
    field.load_state_dict(model.field.state_dict())
    candidates = np.stack([np.roll(window.sound(), shift * 1600) for shift in (3, 0, 1, 5)])
    scores = dataclasses.replace(model, field=field).score(window, candidates)
    assert scores.shape == (4,)
    assert int(scores.argmax()) == 1 and scores[1] == pytest.approx(0.0, abs=1e-3)
    plain = model.score(window, candidates)
    np.testing.assert_allclose(model.score(window, candidates[[1, 0]]), plain[[1, 0]], rtol=1e-4)


def test_latents_do_not_depend_on_where_a_session_is_cut(world: World) -> None:
    codec = load_model(world.out).codec
    sound = torch.from_numpy(WORLD.falling_session(12.0).sound.astype(np.float32))[None] / 2**15
    parts = latent_of(sound, codec)
    frames = sound.shape[1] // 512
    coded = codec.encode(sound[:, : 512 * frames])
    whole = torch.cat([coded.content, coded.level], dim=1)
    assert parts.shape == (1, 5, frames)
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-3)


def test_latents_are_made_anew_by_other_code_and_a_run_does_not_go_on_with_other_sound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, _, codec_id = load_codec(world.codec)
    item = read_item(next(world.validation.glob("*.npz")), GripperHand.from_yaml("parallel_gripper"))
    latent, stands = cached_latent(item, codec, codec_id)
    softer = dataclasses.replace(item, sound=item.sound // 2)
    assert torch.equal(cached_latent(softer, codec, codec_id)[0], latent)  # by the file, which is the same
    monkeypatch.setattr(latents, "_sources", lambda: "other code")
    other = cached_latent(softer, codec, codec_id)[0]
    assert not torch.equal(other, latent)
    one, two = (ContactItems((ContactItem.of(item, coded, stands),)) for coded in (latent, other))
    marks = {FlowData(items, one, codec, codec_id, ()).fingerprint() for items in (one, one, two)}
    assert len(marks) == 2


def test_frames_stand_out_where_something_sounds() -> None:
    session = WORLD.falling_session(8.0)
    stands = stands_out(torch.from_numpy(session.sound.astype(np.float32)) / 2**15)
    struck = (session.contact_s * 31.25).astype(int)
    assert float(stands[struck].min()) > 0.9
    quiet = np.setdiff1d(np.arange(len(stands)), np.concatenate([struck - 1, struck, struck + 1]))
    assert float(stands[quiet].max()) < 0.25


def test_sounds_are_written_beside_the_true_ones(world: World, tmp_path: Path) -> None:
    words = ("draw", world.out, world.validation, "--to", tmp_path, "--draws", 2, "--sample-steps", 1)
    assert command(*words, "--windows", 1, "--threads", 1) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"validation-00007-p0-000000-{which}.flac" for which in ("0", "1", "true")]
    sound, rate = soundfile.read(tmp_path / names[-1], dtype="float32")
    assert (len(sound), rate) == (128_000, 16_000)


def test_tuning_puts_the_best_way_first_and_into_the_checkpoint(
    world: World, tmp_path: Path, window: EvaluationWindow
) -> None:
    out = tmp_path / "flow"
    words = ("fit", *world.data, "--out", out, "--size", "tiny", "--steps", 1, "--batch", 4, "--threads", 1)
    assert command(*words, "--start", world.out, "--limit", 1) == 0
    assert load_model(out).train_scenes == {"train-00000", "train-00001"}  # as it began
    words = ("tune", out, world.validation, "--out", tmp_path / "tuned", "--steps", 1, 3, "--guidance", 1, 2)
    assert command(*words, "--draws", 2, "--windows", 1, "--threads", 1) == 0
    ways = json.loads((tmp_path / "tuned" / "metrics.json").read_text())["ways"]
    assert [way["energy_score"] for way in ways] == sorted(way["energy_score"] for way in ways)
    assert len(ways) == 4
    tuned = load_model(out)
    assert dataclasses.asdict(tuned.sampling) == {
        **ways[0]["sampling"],
        "interval": tuple(ways[0]["sampling"]["interval"]),
    }
    # A model that says the truth has an energy score of 0.
    truth = window.sound()[None]

    @dataclasses.dataclass(frozen=True, eq=False)
    class Knowing(ContactFlowModel):
        def draw(self, windows: Any, draws: int, seed: int, step: Any = lambda: None) -> Any:
            return np.stack([np.repeat(truth, draws, axis=0) for _ in windows])

    parts = {field.name: getattr(tuned, field.name) for field in dataclasses.fields(tuned)}
    (result,) = tune(Knowing(**parts), [window], [FEW], draws=2)
    assert result.energy_score == result.foreground_db == 0.0


def test_reflow_takes_four_steps_from_then_on(world: World, tmp_path: Path) -> None:
    words = ("reflow", world.out, *world.data, "--out", tmp_path / "few", "--pairs", 8, "--batch", 4)
    assert command(*words, "--steps", 1, "--threads", 1, "--sample-steps", 2, "--limit", 1) == 0
    few = load_model(tmp_path / "few")
    assert few.train_scenes == {"train-00000", "train-00001"}  # what it learned from knows both
    assert few.sampling.steps == 4 and few.sampling.guidance == 1.0
    assert not list(tmp_path.glob(".few.training"))


def test_what_cannot_be_is_told(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = ("--size", "tiny", "--steps", 1, "--threads", 1)
    both = tmp_path / "both"
    both.mkdir()
    twice = WORLD.falling_session(split="validation", scene_id="train-00000", policy_seed=1)
    write_session(both / "train-00000-p1.npz", twice)
    shared = ("--train", world.train, "--validation", both, "--codec", world.codec)
    swapped = ("--train", world.validation, "--validation", world.train, "--codec", world.codec)
    for words, message in (
        (("fit", *swapped, "--out", tmp_path / "a", *steps), "is of split `train`"),
        (("fit", *shared, "--out", tmp_path / "a", *steps), "scenes are in training and in validation"),
        (("fit", *world.data, "--out", tmp_path / "a", "--without", "touch", *steps), "without is `touch`"),
        (
            ("fit", *world.data, "--out", tmp_path / "a", "--motion-rate", 250, *steps),
            "motion_rate_hz is 250",
        ),
        (
            ("fit", *world.data, "--out", tmp_path / "a", "--without", "views", *steps),
            "name sight with --sight",
        ),
        (("fit", *world.data, "--out", world.codec, *steps), "holds no flow of contacts"),
        (("draw", world.out, world.train, "--to", tmp_path / "b"), "was trained in"),
        (("draw", world.codec, world.validation, "--to", tmp_path / "b"), "must be `foley-contact-flow-2`"),
        (("draw", world.out, world.validation, "--to", tmp_path / "b", "--context", 6), "context is 6"),
        (("draw", world.out, world.validation, "--to", tmp_path / "b", "--told", "all"), "told is `all`"),
        (("tune", world.out, world.validation, "--draws", 0), "--draws is 0"),
        (("tune", world.out, world.validation, "--windows", 0), "--windows is 0"),
    ):
        assert command(*words) == 2
        assert message in capsys.readouterr().err


def test_a_damaged_checkpoint_is_told(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.out, tmp_path / "flow")
    config = read_yaml(tmp_path / "flow" / "config.yaml")
    write_yaml(tmp_path / "flow" / "config.yaml", {**config, "hours": 3.0})
    with pytest.raises(CorruptCheckpoint, match="does not match"):
        load_model(tmp_path / "flow")
    config["field"]["width"] = 64
    write_yaml(tmp_path / "flow" / "config.yaml", config)
    names = ("model.safetensors", "config.yaml")
    write_yaml(tmp_path / "flow" / "manifest.yaml", {n: sha256_of(tmp_path / "flow" / n) for n in names})
    with pytest.raises(CorruptCheckpoint, match="do not fit"):
        load_model(tmp_path / "flow")
