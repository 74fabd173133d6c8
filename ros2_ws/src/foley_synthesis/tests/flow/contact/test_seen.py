import argparse
import dataclasses
import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, read_session, write_session
from foley_perception.action.contact_motion import NAMES
from foley_synthesis.commands import flow, flow_table
from foley_synthesis.evaluation.windows.sets import windows_of
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.model_file import save_codec
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact import build
from foley_synthesis.flow.contact.build import FlowData, open_data
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.model import ContactFlowModel, load_model, save_model
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.contact.seen import SeenConditions, SeenContactFlow, told
from foley_synthesis.flow.contact.seen_things import Eyes
from foley_synthesis.flow.contact.synthetic import CONTENT, synthetic_field
from foley_synthesis.flow.contact.ways import Way, takes_views
from foley_synthesis.flow.contact.window_conditions import WindowConditions
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.flow.regression.model import load_model as load_model_of_regression
from foley_synthesis.flow.regression.window_model import load_window_model as load_regression
from foley_synthesis.flow.session_items import SessionItem
from foley_synthesis.flow.sight.examples import examples
from foley_synthesis.flow.sight.inference import Sight, open_sight
from foley_synthesis.flow.sight.model_file import save_sight
from foley_synthesis.flow.sight.training import SightTrainConfig, train_sight
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.what import WHAT_DIMS
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.vision.coarse_colour import ColourEncoder

FRAMES = 250
WINDOW = SimpleNamespace(window_id="a-000000", noise_seed=lambda seed: 10 * seed)


class FixedConditions(WindowConditions):
    """The same motion for every window; nothing is known of what is touched."""

    def of(self, window: object, codec: Codec) -> ContactCondition:  # type: ignore[override]
        motion = torch.zeros(1, 4 * FRAMES, len(NAMES))
        return ContactCondition(motion, torch.tensor([False]), torch.zeros(1, 80))


class OneOfTwo:
    """Sight that is sure of nothing: wood or metal, by the seed."""

    train_scenes = frozenset({"seen-scene"})

    def draw(self, window: object, seed: int) -> NDArray[np.float32]:
        return self.rows(seed % 2)

    def expected(self, window: object) -> NDArray[np.float32]:
        return (self.rows(0) + self.rows(1)) / 2

    @staticmethod
    def rows(column: int) -> NDArray[np.float32]:
        what = np.zeros((FRAMES, WHAT_DIMS), np.float32)
        what[:, column] = 1.0
        return what


@pytest.fixture(scope="module")
def model() -> ContactFlowModel:
    torch.manual_seed(0)
    field = synthetic_field()
    with torch.no_grad():
        for value in field.parameters():
            value.add_(0.2 * torch.randn(value.shape))  # its last layer begins at 0
    fine = {"fine_width": 16, "fine_hidden": 16, "fine_blocks": 1}
    codec = Codec(CodecConfig(latent=CONTENT, width=16, hidden=16, blocks=1, rounds=0, **fine)).eval()
    return ContactFlowModel(
        field, codec, {"train_scenes": ["flow-scene"]}, "id", ContactSampling(steps=2), FixedConditions()
    )


def test_each_sound_is_of_one_draw_of_what_is_touched(model: ContactFlowModel) -> None:
    seen = OneOfTwo()
    flow = SeenContactFlow(model, seen)  # type: ignore[arg-type]
    first = flow.draw([WINDOW], 2, 3)  # type: ignore[list-item]
    assert first.shape == (1, 2, 512 * FRAMES) and np.isfinite(first).all()
    assert np.array_equal(first, flow.draw([WINDOW], 2, 3))  # type: ignore[list-item]
    condition = model.conditions.of(WINDOW, model.codec)  # type: ignore[arg-type]
    latent = model.draw([WINDOW], 2, 3)  # type: ignore[list-item]
    assert np.abs(latent - first).max() > 1e-4  # told nothing, it says something else
    wood, metal = (told(condition, seen.rows(k)) for k in range(2))
    noise = torch.randn(1, CONTENT + 1, FRAMES)[:, : model.field.config.latent]
    assert float((model.sounds(wood, noise) - model.sounds(metal, noise)).abs().max()) > 1e-4
    assert flow.train_scenes == {"flow-scene", "seen-scene"} and flow.given == "plan"


def test_what_is_expected_is_told_where_nothing_is_drawn(
    model: ContactFlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = OneOfTwo()

    class Told(FixedConditions):
        def of(self, window: object, codec: Codec) -> ContactCondition:
            return told(super().of(window, codec), seen.expected(window))

    expecting = dataclasses.replace(model, conditions=Told()).draw([WINDOW], 1, 0)  # type: ignore[list-item]
    monkeypatch.setattr(WindowConditions, "of", FixedConditions.of)
    flow = SeenContactFlow(model, seen, drawn=False)  # type: ignore[arg-type]
    assert np.array_equal(flow.draw([WINDOW], 1, 0), expecting)  # type: ignore[list-item]
    assert np.abs(SeenContactFlow(model, seen).draw([WINDOW], 1, 0) - expecting).max() > 1e-4  # type: ignore[arg-type, list-item]


def test_sight_does_not_stand_beside_the_truth() -> None:
    with pytest.raises(ValueError, match="in place of the truth"):
        SeenConditions(told="true", seen=OneOfTwo())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="in place of the truth"):
        SeenConditions()
    with pytest.raises(ValueError, match="nothing to see"):
        Way.of("told+seen")


def test_ways_to_be_given_more_are_named(model: ContactFlowModel) -> None:
    assert Way.of("executed+context3") == Way(executed=True, context=3)
    assert Way.of("executed+context3").title == "motion and force, last 3 sounds"
    assert Way.of("context1+told").title == "told what is touched, last sound"
    for text in ("context6", "context", "seen+seen", "context1+context2", "", "touched"):
        with pytest.raises(ValueError, match="is not known; name executed"):
            Way.of(text)
    given = Way.of("executed+told+context2").given_to(model)
    assert isinstance(given, ContactFlowModel) and given.given == "motion and force"
    own = given.conditions
    assert (own.executed, own.told, own.context) == (True, "true", 2) and given.field is model.field
    guided = Way.of("guidance4.5+told")
    assert guided == Way(told=True, guidance=4.5) and guided.title == "told what is touched, guidance 4.5"
    assert guided.given_to(model).sampling == dataclasses.replace(model.sampling, guidance=4.5)  # type: ignore[attr-defined]
    assert given.sampling == model.sampling
    for text in ("guidance", "guidance101", "guidance1+guidance2"):
        with pytest.raises(ValueError, match=r"or guidance4\.5"):
            Way.of(text)
    seeing = Way.of("seen+context1").given_to(model, OneOfTwo())  # type: ignore[arg-type]
    assert isinstance(seeing, SeenContactFlow) and seeing.model.conditions.context == 1
    with pytest.raises(ValueError, match="`seen` and `views` need sight"):
        Way.of("seen").given_to(model)
    with pytest.raises(ValueError, match="has no measured motion"):
        Way.of("executed+handless")


def test_a_flow_without_hands_says_the_same_whatever_they_do(model: ContactFlowModel) -> None:
    class Moved(FixedConditions):
        def of(self, window: object, codec: Codec) -> ContactCondition:
            known = super().of(window, codec)
            return dataclasses.replace(known, motion=known.motion + 1.0)

    moved = dataclasses.replace(model, conditions=Moved())
    blind = [
        dataclasses.replace(one, conditions=dataclasses.replace(one.conditions, handless=True))
        for one in (model, moved)
    ]
    sounds = [one.draw([WINDOW], 1, 0) for one in (model, moved, *blind)]  # type: ignore[list-item]
    assert np.abs(sounds[0] - sounds[1]).max() > 1e-4  # the hand matters
    assert np.array_equal(sounds[2], sounds[3]) and np.abs(sounds[0] - sounds[2]).max() > 1e-4
    assert [one.given for one in (moved, *blind)] == ["plan", "nothing", "nothing"]
    # What is said of the thing under the tip says where the hand is.
    assert Way.of("handless").given_to(model).given == "nothing"
    assert Way.of("handless").title == "without hands"
    seeing = Way.of("seen+handless").given_to(model, OneOfTwo())  # type: ignore[arg-type]
    assert seeing.given == "place" and Way.of("told+handless").given_to(model).given == "place"
    trained = dataclasses.replace(model, facts={**model.facts, "without": ["motion"]})
    assert trained.given == "nothing" and Way.of("context1").given_to(trained).given == "place"


# ---- as a user runs it -------------------------------------------------------------------------------------
def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    return flow.run(parser.parse_args([str(word) for word in words]))


def seen_sessions() -> ModuleType:
    place = Path(__file__).parents[1] / "sight" / "seen_sessions.py"
    spec = importlib.util.spec_from_file_location("seen_sessions_of_flows", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folders(model: ContactFlowModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sets of sessions of 12 s with views of things that click when they are touched, and trained sight and flow."""
    root, made = tmp_path_factory.mktemp("seen"), seen_sessions()
    found = {name: root / name for name in ("train", "validation", "test", "codec", "sight", "flow")}
    for split, scenes in (("train", 2), ("validation", 1), ("test", 1)):
        found[split].mkdir()
        for seed in range(scenes):
            session = made.hopping_session(seed=seed, split=split, moments=48)
            sound = np.random.default_rng(seed).normal(0, 30, 12 * 16_000)
            touched = np.arange(1, 11, dtype=np.float32)
            sound[(touched * 16_000).astype(int)[:, None] + np.arange(200)] = 9000
            contacts = {"contact_s": touched, "contact_planned_s": touched, "contact_impulse": touched}
            session = dataclasses.replace(
                session,
                facts={**session.facts, "sound_rate": 16_000, "contact_actions": ["tap"] * 10},
                sound=sound.astype(np.int16),
                contact_object=(touched > 6).astype(np.int16),
                **contacts,
            )
            assert len(session.planned_pose) == 12 * MOTION_RATE
            write_session(found[split] / f"{split}-{seed}-p0.npz", session)
    encoder = ColourEncoder()
    blind = made.hopping_session(seed=7, moments=48)
    blind = dataclasses.replace(
        blind,
        facts={**blind.facts, "sound_rate": 16_000, "view_names": []},
        sound=np.zeros(12 * 16_000, np.int16),
        view_bytes=np.zeros(0, np.uint8),
        view_offsets=np.zeros(1, np.int64),
    )
    write_session(found["train"] / "train-7-p0.npz", blind)
    facts = {"encoder": {"name": "colour", "identity": encoder.identity}, "train_scenes": ["train-0"]}
    few = SightTrainConfig(epochs=2, least_steps=2, members=1, hidden=16)
    save_sight(train_sight(examples([found["train"]], "train", encoder), few, facts), found["sight"], {})
    facts = {"train_scenes": ["train-1"], "codec_id": save_codec(model.codec, {}, found["codec"], {})}
    save_model(dataclasses.replace(model, facts=facts), found["flow"], {})
    return found


def test_sounds_of_what_is_seen_are_written(folders: dict[str, Path], tmp_path: Path) -> None:
    words = ("draw", folders["flow"], folders["test"], "--draws", 2, "--threads", 1, "--sample-steps", 1)
    assert command(*words, "--to", tmp_path / "blind") == 0
    assert command(*words, "--to", tmp_path / "seen", "--sight", folders["sight"]) == 0
    names = [f"test-0-p0-000000-{which}.flac" for which in ("true", "0", "1")]
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == sorted(names)
    same = [(tmp_path / "blind" / n).read_bytes() == (tmp_path / "seen" / n).read_bytes() for n in names]
    assert same == [True, False, False]


def test_a_table_has_a_row_of_each_way(model: ContactFlowModel) -> None:
    models: dict[str, list[object]] = {"mine": [model, model], "other": [SimpleNamespace()]}
    rows = flow_table.given_more(models, ["seen", "executed+told"], OneOfTwo())
    names = ["mine", "mine, seen", "mine, motion and force, told what is touched", "other"]
    assert list(rows) == names
    assert [len(rows[name]) for name in names] == [2, 2, 2, 1] and rows["mine"][0] is model
    assert isinstance(rows[names[1]][0], SeenContactFlow)
    assert [one.given for one in rows[names[2]]] == ["motion and force"] * 2


def opened(folders: dict[str, Path], eyes: Eyes | None) -> FlowData:
    return open_data([folders["train"]], [folders["validation"]], folders["codec"], eyes=eyes)


def test_sessions_are_given_what_their_views_show(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sight = open_sight(folders["sight"])
    data = opened(folders, Eyes(sight))
    assert (data.train.seen, data.validation.seen, data.sight_id) == (2, 1, sight.model.model_id)
    item = data.train.sessions[0]
    session = read_session(folders["train"] / "train-0-p0.npz")
    windows = SeenWindows(sight)
    shown = windows.features(EvaluationWindow(session, 3.2))
    assert item.views is not None and len(item.views.under) == item.frames
    np.testing.assert_allclose(item.views.rows(100, FRAMES), shown, rtol=2e-3, atol=2e-3)
    assert 0.05 < np.isnan(shown).all(axis=1).mean() < 0.4  # over the table between two things
    assert float(np.nanstd(shown, axis=0).max()) > 0.1
    # Stills of its scene show what its own file does not.
    stills = seen_sessions().hopping_session(seed=7)
    write_session(tmp_path / "train-7-stills.npz", stills)
    assert opened(folders, Eyes(sight, [tmp_path])).train.seen == 3
    # Once is enough, and another look is another run.
    monkeypatch.setattr(Sight, "look", lambda *more: pytest.fail("looked again"))
    again = opened(folders, Eyes(sight))
    assert again.fingerprint() == data.fingerprint() != opened(folders, None).fingerprint()


def test_a_training_goes_on_with_views_from_a_flow_without(
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(build, "validation_loss", lambda items, config: lambda field: 1.0)
    monkeypatch.setattr(build, "foreground_errors", lambda items, codec, config: None)
    sets = ("--train", folders["train"], "--validation", folders["validation"], "--codec", folders["codec"])
    words = ("fit", *sets, "--size", "tiny", "--steps", 1, "--batch", 2, "--threads", 1)
    sight = ("--sight", folders["sight"])
    assert command(*words, *sight, "--start", folders["flow"], "--out", tmp_path / "seeing") == 0
    blind, seeing = load_model(folders["flow"]), load_model(tmp_path / "seeing")
    eyes = SeenWindows(open_sight(folders["sight"]))
    assert takes_views(seeing, eyes) and not takes_views(blind, eyes)
    assert seeing.field.config == dataclasses.replace(blind.field.config, views=seeing.field.config.views)
    metrics = json.loads((tmp_path / "seeing" / "metrics.json").read_text())
    assert metrics["with_views"] == {"train": 2, "validation": 1}
    (window,) = windows_of(read_session(folders["test"] / "test-0-p0.npz"))
    with torch.no_grad():
        seeing.field._views[-1].weight.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    made = [dataclasses.replace(way.given_to(seeing, eyes), sampling=ContactSampling(steps=1))  # type: ignore[type-var]
            for way in (Way(), Way.of("views"))]  # fmt: skip
    assert np.abs(made[0].draw([window], 1, 0) - made[1].draw([window], 1, 0)).max() > 1e-4
    assert made[1].train_scenes > seeing.train_scenes - {"train-0"}
    with pytest.raises(ValueError, match="is for a flow that was trained with the views"):
        Way.of("views").given_to(blind, eyes)
    capsys.readouterr()
    out = ("--out", tmp_path / "other")
    assert command(*words, "--without", "views", *out) == 2
    assert "name sight with --sight" in capsys.readouterr().err
    # Whoever has no sight goes on without views, and no sight is that of the flow any more.
    assert command(*words, "--start", tmp_path / "seeing", "--out", tmp_path / "on") == 0
    on = load_model(tmp_path / "on")
    assert on.field.config == seeing.field.config and not takes_views(on, eyes)
    assert command(*words, *sight, "--without", "views", *out) == 0
    assert load_model(tmp_path / "other").field.config.views == 0
    data = dataclasses.replace(opened(folders, Eyes(open_sight(folders["sight"]))), sight_id="another")
    with pytest.raises(ValueError, match="with the views of another sight"):
        build.begun(data, ContactTrainConfig(size="tiny"), tmp_path / "seeing")


def test_nothing_to_look_at_and_sight_that_knows_validation_are_told(folders: dict[str, Path]) -> None:
    sight = open_sight(folders["sight"])
    with pytest.raises(ValueError, match="no session of training has views"):
        open_data([folders["train"]], [folders["validation"]], folders["codec"], eyes=Blind(sight))
    facts = {**sight.model.facts, "train_scenes": ["validation-0"]}
    knowing = Sight(dataclasses.replace(sight.model, facts=facts), sight.encoder)
    with pytest.raises(ValueError, match="sight was trained in 1 scenes of validation"):
        opened(folders, Eyes(knowing))


def test_a_regression_of_views_alone_looks_and_does_not_move(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets, out = (folders["train"], folders["validation"]), tmp_path / "regnet"
    words = ("--groups", "what", "--steps", 2, "--sight", folders["sight"], "--out", out)
    assert command("regress", *sets, *words) == 0
    sight = SeenWindows(open_sight(folders["sight"]))
    model = load_regression(out)
    assert model.looks and load_regression_facts(out)["sight_id"] == sight.model_id
    assert len(load_regression_facts(out)["dataset"]["train_scenes"]) == 2, "of the third nothing was seen"
    (window,) = windows_of(read_session(folders["test"] / "test-0-p0.npz"))
    looking = model.looking(sight)
    levels = looking.levels(window, 1, 0)[0]
    still = dataclasses.replace(
        window.session,
        executed_width=window.session.executed_width + 0.02,
        planned_width=window.session.planned_width + 0.02,
    )
    assert torch.equal(levels, looking.levels(EvaluationWindow(still, window.start_s), 1, 0)[0])
    dark = dataclasses.replace(
        window.session, view_bytes=np.zeros(0, np.uint8), view_offsets=np.zeros(1, np.int64)
    )
    with pytest.raises(ValueError, match="has no views"):
        looking.levels(EvaluationWindow(dark, window.start_s), 1, 0)
    with pytest.raises(ValueError, match="looks at views: name the sight"):
        flow_table.given_more({"regnet": [model]}, [], None)
    (row,) = flow_table.given_more({"regnet": [model]}, [], sight)["regnet"]
    assert row.model_id == model.model_id and row is not model
    capsys.readouterr()
    assert command("regress", *sets, *words, "--variant", "template") == 2
    assert "--sight is for training a network" in capsys.readouterr().err


def load_regression_facts(folder: Path) -> dict[str, object]:
    return load_model_of_regression(folder).facts


class Blind(Eyes):
    """Sees nothing."""

    def of(self, item: SessionItem) -> None:
        return None


def test_ways_that_cannot_be_are_told(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = ("table", "--test", folders["test"], "--train", folders["train"])
    mine = ("--model", f"mine={folders['flow']}")
    draw = ("draw", folders["flow"], folders["test"], "--to", tmp_path / "a")
    for words, message in (
        ((*sets, *mine, "--also", "seen"), "name a folder of `foley flow sight` with --sight"),
        ((*sets, *mine, "--also", "told", "--sight", folders["sight"]), "is for rows that see"),
        ((*sets, *mine, "--also", "told", "told"), "names one way twice"),
        ((*sets, "--also", "told"), "--model names none"),
        ((*draw, "--sight", folders["sight"], "--told", "true"), "in place of the truth"),
        ((*draw, "--sight", folders["flow"]), "must be `foley-sight-2`"),
        ((*draw, "--stills", folders["train"]), "name it with --sight"),
    ):
        assert command(*words) == 2
        assert message in capsys.readouterr().err
