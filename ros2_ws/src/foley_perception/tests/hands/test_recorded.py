"""The hands of a person in a recording: a copy of the bag that says where they were, and nothing else is changed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader

from foley_perception.commands import hands as command
from foley_perception.episodes.reader import read_episode
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.geometry.se3 import SE3
from foley_perception.hands.analytic import DrawnHand
from foley_perception.hands.detect import HandDetector, Region, SeenHand
from foley_perception.hands.hamer import HamerError
from foley_perception.hands.models import HandModelError
from foley_perception.hands.recorded import by_hamer, follow_recording
from foley_perception.recording.bag import Bag
from foley_perception.scene.analytic import BOXES, bench_camera, render_depth
from foley_perception.scene.recorded import read_pictures

CAMERA = bench_camera()
HAND = DrawnHand(right=True, curl=0.3)


def pose_at(k: int) -> SE3:
    return SE3.from_rotation([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]], (0.16 - 0.01 * k, -0.06, 0.1))


@pytest.fixture(scope="module")
def demo(film: Callable[..., Path]) -> Path:
    """Eight pictures of a hand that moves, with depth in all but the last two."""
    table, far = np.full((240, 320, 3), 130, np.uint8), render_depth(CAMERA, BOXES)
    drawn = [HAND.draw(CAMERA, pose_at(k), table, far) for k in range(8)]
    depths = [depth if k < 6 else None for k, (_, depth) in enumerate(drawn)]
    session = {"session_id": "demo", "split": "test", "notes": "5", "rank": "7"}
    return film([rgb for rgb, _ in drawn], CAMERA, depths=depths, session=session)


def told(index: int, rgb: NDArray[np.uint8]) -> Sequence[SeenHand]:
    """What is known of the hand; nothing in the picture of number 3."""
    if index == 3:
        return []
    truth = HAND.joints(pose_at(index))
    return [SeenHand(CAMERA.project(truth)[0] + 0.5, truth, 0.9, 0.8, Region(np.zeros(2), 1.0, 0.0))]


def test_hands_are_followed_and_gaps_stay_gaps(demo: Path) -> None:
    hands = follow_recording(read_pictures(demo), told, palm_m=0.0)
    assert hands.keypoints.shape == (8, 2, 21, 3) and np.isnan(hands.keypoints[:, 0]).all()
    present = np.isfinite(hands.keypoints[:, 1]).all(axis=(1, 2))
    assert present.tolist() == [True, True, True, False, True, True, True, True]
    for k in (0, 2, 5):
        off = np.linalg.norm(hands.keypoints[k, 1] - HAND.joints(pose_at(k)), axis=1)
        assert off.mean() < 0.03
    np.testing.assert_allclose(hands.confidence[0], [0.0, 0.8])
    np.testing.assert_allclose(hands.confidence[7], [0.0, 0.4])
    assert hands.counts.without_depth == 1 or hands.counts.without_depth == 2
    assert any("pictures have no depth of their time" in problem for problem in hands.problems)
    assert len(follow_recording(read_pictures(demo), told, every=3).times_ns) == 3
    with pytest.raises(EpisodeError, match=r"no picture has a pose .*foley scene register"):
        follow_recording(read_pictures(demo), told, world_frame="map")


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return parser.parse_args(list(words))


def test_a_copy_says_where_the_hands_were(
    demo: Path,
    hamer_of: Callable[..., dict[str, np.ndarray]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.run(arguments("pictures", str(demo), "--to", str(tmp_path / "pictures"))) == 0
    names = sorted(p.name for p in (tmp_path / "pictures").iterdir())
    assert names == [f"{k:05d}.png" for k in range(8)]
    assert cv2.imread(str(tmp_path / "pictures" / names[0])).shape == (240, 320, 3)
    (tmp_path / "hamer").mkdir()
    for k in range(8):
        if k != 3:
            np.savez(tmp_path / "hamer" / f"{k:05d}.npz", **hamer_of(CAMERA, HAND.joints(pose_at(k))))
    words = ["track", str(demo), "--to", str(tmp_path / "copy"), "--out", str(tmp_path / "out")]
    assert command.run(arguments(*words, "--hamer", str(tmp_path / "hamer"))) == 0, capsys.readouterr().err
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["right_seen"] == 7 / 8 and figures["left_seen"] == 0.0 and figures["pictures"] == 8

    episode = read_episode(tmp_path / "copy")
    assert episode.session_id == "demo" and episode.split == "test" and episode.keypoints is not None
    assert episode.session["notes"] == "5" and episode.session["rank"] == 7
    assert episode.session["hands"] == "HaMeR"
    for k in (0, 5):
        off = np.linalg.norm(episode.keypoints.keypoints[k, 1] - HAND.joints(pose_at(k)), axis=1)
        assert off.mean() < 0.03
    assert np.isnan(episode.keypoints.keypoints[3]).all()
    # Everything else is as it was, byte for byte, also for another reader.
    before = [(m.topic, m.log_time, bytes(m.data)) for m in Bag(demo).messages()]
    after = [(m.topic, m.log_time, bytes(m.data)) for m in Bag(tmp_path / "copy").messages()]
    assert [m for m in after if m[0] != "/hand_keypoints"] == before
    assert [m[1] for m in after] == sorted(m[1] for m in after)
    with Reader(tmp_path / "copy") as reader:
        assert {c.topic: c.msgcount for c in reader.connections}["/hand_keypoints"] == 8
    # Again, from the copy: the old hands are replaced. Over something that is there: refused before the work.
    words[1], words[3] = str(tmp_path / "copy"), str(tmp_path / "again")
    assert command.run(arguments(*words, "--hamer", str(tmp_path / "hamer"))) == 0
    assert len([m for m in Bag(tmp_path / "again").messages() if m.topic == "/hand_keypoints"]) == 8
    assert command.run(arguments(*words, "--hamer", str(tmp_path / "hamer"))) == 2
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(HamerError, match=r"no file such as 00012\.npz"):
        by_hamer(tmp_path, (320, 240), 8)


def test_hamers_files_belong_to_the_pictures(
    demo: Path,
    hamer_of: Callable[..., dict[str, np.ndarray]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "hamer"
    folder.mkdir()
    arrays = hamer_of(CAMERA, HAND.joints(pose_at(2)))
    two = {name: np.concatenate([value, value]) for name, value in arrays.items()}
    two["pred_cam"][1] = np.nan
    np.savez(folder / "2.npz", **two)  # a name without zeros, and a hand without numbers
    np.savez(folder / "00031.npz", **arrays)
    np.savez(folder / "notes.npz", anything=np.zeros(1))
    find, problems = by_hamer(folder, (320, 240), 8)
    assert [len(find(k, np.zeros((240, 320, 3), np.uint8))) for k in range(8)] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert problems == [
        "1 of 2 files of HaMeR are of pictures that the recording lacks, as 00031.npz",
        "1 hands of HaMeR were left out, as in 2.npz, hand 1: `pred_cam` is not finite",
    ]
    words = [
        "track",
        str(demo),
        "--to",
        str(tmp_path / "copy"),
        "--out",
        str(tmp_path / "out"),
        "--hamer",
        str(folder),
    ]
    assert command.run(arguments(*words)) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["problems"][-2:] == problems
    assert "00031.npz" in capsys.readouterr().err
    np.savez(folder / "00002.npz", **arrays)
    with pytest.raises(HamerError, match=r"2\.npz: is of the same picture as 00002\.npz"):
        by_hamer(folder, (320, 240), 8)
    with pytest.raises(
        HamerError, match=r"00002\.npz and all others are of pictures that the recording lacks"
    ):
        (folder / "2.npz").unlink()
        by_hamer(folder, (320, 240), 2)
    np.savez(folder / "00005.npz", **{**arrays, "pred_keypoints_3d": 1000 * arrays["pred_keypoints_3d"]})
    words[3] = str(tmp_path / "second")
    assert command.run(arguments(*words)) == 2 and not (tmp_path / "second").exists()
    assert "00005.npz: `pred_keypoints_3d` has a palm of" in capsys.readouterr().err


def test_with_the_real_networks(demo: Path, tmp_path: Path) -> None:
    try:
        HandDetector()
    except HandModelError as error:
        pytest.skip(str(error))
    words = ["track", str(demo), "--to", str(tmp_path / "copy"), "--out", str(tmp_path / "out")]
    assert command.run(arguments(*words)) == 0
    episode = read_episode(tmp_path / "copy")
    assert episode.keypoints is not None
    off = np.linalg.norm(episode.keypoints.keypoints[4, 1] - HAND.joints(pose_at(4)), axis=1)
    assert off.mean() < 0.03
