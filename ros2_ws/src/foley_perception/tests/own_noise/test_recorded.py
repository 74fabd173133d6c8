"""From bags: `foley calibrate noise`, and data sets whose sound is without own noise."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_common.robot_file import RobotFile
from foley_perception.commands import calibrate
from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.survey import survey_episode, survey_outline
from foley_perception.episodes.outline import Outline
from foley_perception.episodes.reader import read_episode
from foley_perception.own_noise.bands import band_edges
from foley_perception.own_noise.file import OwnNoiseError, read_own_noise, write_own_noise
from foley_perception.own_noise.model import OwnNoise

RATE, SECONDS = 8_000, 22.0
START_NS = 1_800_000_000_000_000_000  # of a made bag
TURNS = tuple(
    np.arange(0.6, SECONDS, 1.1).tolist()
)  # of the tip, which moves at 0.4 m/s for a quarter second each way


def only_noise(at: float) -> Callable[..., list[Any]]:
    """Of a bag's messages: sound whose power follows the motion, and joints."""
    rng = np.random.default_rng(0)

    def edit(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic == "mic/audio":
            t = (message.first_sample + np.arange(len(message.samples))) / RATE
            moving = np.abs(t[:, None] - np.array(TURNS)).min(axis=1) < 0.25
            white = rng.standard_normal(len(t))
            sound = np.where(moving, 10.0, 1.0) * 1e-3 * at * white
            message.samples = np.clip(sound, -1.0, 1.0).astype(np.float32)
        return [(time_ns, topic, kind, message)] if topic in ("mic/audio", "joint_states") else []

    return edit


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    calibrate.configure(parser)
    return calibrate.run(parser.parse_args(list(words)))


def test_a_bag_is_learnt_named_in_the_robots_file_and_refused_with_contacts(
    make_bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = make_bag("sweep", seconds=SECONDS, sample_rate=RATE, contact_times=TURNS, edit=only_noise(1.0))
    robot, out = tmp_path / "robot.yaml", tmp_path / "noise"
    robot.write_text("name: post\nsound: {microphone: {channel: 0}}  # mine\n")
    assert run("noise", str(bag), "--out", str(out), "--robot", str(robot), "--write") == 0
    named = RobotFile.read(robot)
    assert named.sound["microphone"].own_noise == "noise/own_noise.npz"
    model = read_own_noise(named.own_noise_path("microphone"), robot="post", sample_rate=RATE)
    assert model.joints == ("z",) and (out / "own_noise.png").stat().st_size > 10_000
    rest, moves = model.expect(np.array([[0.0], [0.4]])).density.mean(axis=1)
    assert 10 * np.log10(moves / rest) == pytest.approx(20.0, abs=1.5)
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["explained_db"] > 3.0 and figures["joints"]["gripper_width"]["moved_s"] == 0.0
    capsys.readouterr()
    assert run("noise", str(make_bag("taps")), "--out", str(out)) == 2
    assert "3 contacts were recorded (at 1.0 s, 2.0 s, 3.0 s)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("samples", "said"), [(1e3, "of the samples are clipped"), (1e-5, "is the microphone muted?")]
)
def test_clipped_and_silent_sweeps_are_refused(
    make_bag: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    samples: float,
    said: str,
) -> None:
    bag = make_bag("bad", seconds=2.0, sample_rate=RATE, edit=only_noise(samples))
    assert run("noise", str(bag), "--out", str(tmp_path / "out")) == 2
    assert said in capsys.readouterr().err


def constant(joint: str) -> OwnNoise:
    """Noise of 1e-4 (mean square) whatever moves."""
    edges = band_edges(48_000)
    return OwnNoise(
        (joint,), edges, np.array([[1.0]]), np.full(len(edges) - 1, 1e-4 / 24_000), np.zeros((1, 1, 1, len(edges) - 1)),
        np.ones(len(edges) - 1), 48_000,
    )  # fmt: skip


def test_a_data_set_is_built_without_own_noise(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    bag, path = make_bag("taps"), write_own_noise(tmp_path, constant("z"))
    plain = build_dataset([bag], tmp_path / "plain", workers=1)
    assert "own_noise" not in plain.manifest and "own_noise" not in repr(CutConfig(own_noise=str(path)))
    cleaned = build_dataset([bag], tmp_path / "cleaned", config=CutConfig(own_noise=str(path)), workers=1)
    assert cleaned.manifest["own_noise"]["file"] == "own_noise.npz" and not cleaned.parts[0].problems
    before, after = (ClipDataset(tmp_path / name).audio(0) for name in ("plain", "cleaned"))
    quiet, loud = slice(0, 10_000), slice(12_000, 14_000)
    assert np.mean(after[quiet] ** 2) < 0.3 * np.mean(before[quiet] ** 2)
    np.testing.assert_allclose(np.mean(after[loud] ** 2), np.mean(before[loud] ** 2), rtol=0.05)
    # Built again into the same folder: other noise is another cut, the same is none.
    again = build_dataset([bag], tmp_path / "cleaned", config=CutConfig(own_noise=str(path)), workers=1)
    assert (cleaned.cut, again.cut) == (1, 0)
    write_own_noise(path, constant("elbow"))
    other = build_dataset([bag], tmp_path / "cleaned", config=CutConfig(own_noise=str(path)), workers=1)
    assert other.cut == 1 and "own noise is still in the sound of 3 clips" in " ".join(
        other.parts[0].problems
    )
    with pytest.raises(OwnNoiseError, match="cannot be read"):
        build_dataset(
            [bag], tmp_path / "x", config=CutConfig(own_noise=str(tmp_path / "gone.npz")), workers=1
        )


def test_by_ear_only_what_stands_out_of_own_noise_is_a_contact(
    make_bag: Callable[..., Path], tmp_path: Path
) -> None:
    """Bursts fainter than the motion is known to be are its own; where joints are not told they count, as without."""

    def with_bursts(joints: bool) -> Callable[..., list[Any]]:
        rng = np.random.default_rng(3)

        def edit(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
            if topic == "mic/audio":
                t = (message.first_sample + np.arange(len(message.samples))) / 48_000
                burst = np.abs(t[:, None] - np.array([0.6, 1.55, 2.6]) - 0.01).min(axis=1) < 0.01
                loud = message.samples + burst * 3e-3 * rng.standard_normal(len(t))
                message.samples = loud.astype(np.float32)
            return [(time_ns, topic, kind, message)] if joints or topic != "joint_states" else []

        return edit

    path = str(write_own_noise(tmp_path, constant("z")))
    for joints, wanted in ((True, [1.0, 2.0, 3.0]), (False, [0.6, 1.0, 1.55, 2.0, 2.6, 3.0])):
        bag = make_bag(f"ear_{joints}", truth=False, plans=False, edit=with_bursts(joints))
        found = []
        for own_noise in ("", path):
            surveys = (
                survey_outline(Outline(bag), merge_s=0.1, onsets=True, own_noise=own_noise),
                survey_episode(read_episode(bag), merge_s=0.1, onsets=True, own_noise=own_noise),
            )
            one, other = ([(m.contact.time_ns - START_NS) / 1e9 for m in s.contacts] for s in surveys)
            assert one == other and all(s.by_ear for s in surveys)
            found.append(one)
        assert found[0] == pytest.approx([0.6, 1.0, 1.55, 2.0, 2.6, 3.0], abs=0.02)
        assert found[1] == pytest.approx(wanted, abs=0.02)
    with pytest.raises(OwnNoiseError, match="learnt at 48000 Hz, the microphone gives 44100 Hz"):
        other_rate = make_bag("rate", truth=False, plans=False, sample_rate=44_100)
        survey_outline(Outline(other_rate), merge_s=0.1, onsets=True, own_noise=path)
