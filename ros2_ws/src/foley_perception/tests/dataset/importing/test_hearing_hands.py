"""Hearing Hands: a small copy in its released layout, imported by our split and by theirs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
import yaml

from foley_perception.commands import dataset as command
from foley_perception.commands.opened_dataset import open_complete
from foley_perception.dataset.export.export import export_dataset
from foley_perception.dataset.importing.hearing_hands import find_items, import_hearing_hands, read_hands
from foley_perception.dataset.importing.importer import ImportOptions
from foley_perception.dataset.importing.video_sound import read_video_sound
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError

ITEMS = {  # split: (scene, recording, view, start)
    "train": [("room", "A", 0, 0), ("room", "A", 1, 0), ("room", "A", 0, 8), ("park", "C", 0, 0)],
    "val": [("room", "A", 2, 0)],
    "test": [("room", "B", 0, 16), ("park", "D", 0, 0)],
}
CLICK_S = 2.0


def item_name(recording: str, view: int, start: int) -> str:
    return f"video_{recording}_{view}_with_audio_fps_4_truncate_{start}_{start + 8}"


def write_item(root: Path, scene: str, recording: str, view: int, start: int) -> None:
    """Frame k is 7 k bright, blue by its view; a click at 2 s; the first hand is seen from 4 s on."""
    name = item_name(recording, view, start)
    videos, hands = root / scene / "hamer_videos_truncated", root / scene / "hamer_hand_keypoints"
    videos.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(videos / f"{name}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 4.0, (64, 48))
    for k in range(32):
        writer.write(np.full((48, 64, 3), (60 * view + 60, 7 * k, 7 * k), np.uint8))
    writer.release()
    sound = np.zeros(8 * 16_000)
    sound[round(CLICK_S * 16_000) :][:160] = 0.5
    soundfile.write(videos / f"{name}.wav", sound, 16_000)
    points = np.zeros((240, 2, 21, 3), np.float32)
    points[120:, 0] = np.arange(21)[:, None] + 1
    folder = hands / f"video_{recording}_{view}"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.npy", points.reshape(240, 42, 3))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hands") / "data" / "dataset"
    for items in ITEMS.values():
        for item in items:
            write_item(root, *item)
    (root.parent / "split").mkdir()
    lines = {split: [[i[0], item_name(*i[1:])] for i in items] for split, items in ITEMS.items()}
    lines["test"] += [
        ["room", item_name("gone", 0, 0)],
        ["cellar", item_name("E", 0, 0)],
        ["cellar", item_name("E", 1, 0)],
    ]
    (root.parent / "split" / "split.json").write_text(json.dumps(lines))
    return root


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def imported(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    out = tmp_path_factory.mktemp("imported") / "dataset"
    assert run("import", "--from", "hearing-hands", copy, "--out", out, "--workers", 1) == 0
    assert run("check", out) == 0
    return ClipDataset(out)


def test_windows_are_split_by_scene_and_hold_what_was_seen(imported: ClipDataset) -> None:
    assert [(w.window_id, w.scene_id, w.cameras) for w in imported.windows] == [
        ("park_video_C_00000", "park", ()),
        ("park_video_D_00000", "park", ()),
        ("room_video_A_00000", "room", ("view_1", "view_2")),
        ("room_video_A_00008", "room", ()),
        ("room_video_B_00016", "room", ()),
    ]
    sides = {(w.scene_id, w.split) for w in imported.windows}
    assert len(sides) == 2, "a scene stands in one split"
    assert imported.leaks == () and imported.windows[3].start_ns == 8_000_000_000


def test_sound_frames_and_hands_lie_where_they_were(imported: ClipDataset) -> None:
    sound = imported.window_audio(2)
    assert sound.shape == (384_000,) and abs(int((np.abs(sound) > 0.2).argmax()) / 48_000 - CLICK_S) < 1e-3
    frames = imported.window_frames(2).astype(int)
    assert frames.shape == (32, 48, 64, 3)
    # Frame i is the newest at (i + 1) / 4 s: theirs of that time, and the last one twice.
    assert np.abs(frames[:, 24, 32, 0] - 7 * np.minimum(np.arange(32) + 1, 31)).max() <= 6
    assert abs(frames[0, 0, 0, 2] - 60) < 12
    assert abs(int(imported.window_frames(2, camera="view_2")[0, 0, 0, 2]) - 180) < 12
    hands = imported.window_array("keypoints")[2]
    assert np.isnan(hands[:120]).all() and np.isnan(hands[:, 1]).all()
    assert (hands[120:, 0, 20] == 21).all()


def test_windows_alone_are_a_configuration_of_their_own(imported: ClipDataset, tmp_path: Path) -> None:
    export_dataset(imported, "huggingface", tmp_path / "out")
    card = yaml.safe_load((tmp_path / "out/README.md").read_text().split("---")[1])
    assert [(c["config_name"], c["default"]) for c in card["configs"]] == [("windows", True)]
    assert all(c["data_files"] for c in card["configs"])


def test_the_leak_is_named_with_numbers(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run("import", "--from", "hearing-hands", copy, "--out", tmp_path / "d", "--limit", 1, "--workers", 1)
        == 0
    )
    told = capsys.readouterr().out
    assert "2 of 3 scenes are in more than one split (test+train: 1, test+train+validation: 1)" in told
    assert "1 of 7 stretches are in two splits, as two views of one interaction with the same sound" in told
    assert "room/video_A 0-8 s" in told and "not used: splits are by scene" in told
    assert "left out cellar: is not there, 2 items" in told
    assert "left out room/video_gone_0_with_audio" in told and "unproven without the data: " in told
    manifest = ClipDataset(tmp_path / "d").manifest
    assert manifest["published_split"]["leaks"]["recordings"]["train+validation"] == 1
    assert not manifest["published_split"]["used"] and "leaks" not in manifest


def test_their_split_is_taken_and_marked(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "theirs"
    assert run("import", "--from", "hearing-hands", copy, "--out", out, "--their-split", "--workers", 1) == 0
    assert run("check", out) == 1 and "LEAKS" in capsys.readouterr().out
    data = ClipDataset(out)
    assert {(w.window_id, w.split) for w in data.windows if "_A_" in w.window_id} == {
        ("room_video_A_train_00000_0", "train"),
        ("room_video_A_train_00000_1", "train"),
        ("room_video_A_train_00008_0", "train"),
        ("room_video_A_validation_00000_2", "validation"),
    }
    assert len(data.leaks) == 3 and data.manifest["published_split"]["used"]
    assert export_dataset(data, "webdataset", tmp_path / "shards")["leaks"] == list(data.leaks)
    open_complete(out)
    assert "its splits leak: 2 of 3 scenes" in capsys.readouterr().err


def test_an_import_goes_on(copy: Path, tmp_path: Path) -> None:
    first = import_hearing_hands(copy, tmp_path / "d", ImportOptions(limit=2, workers=1))
    again = import_hearing_hands(copy, tmp_path / "d", ImportOptions(workers=1))
    assert (first.cut, again.cut) == (2, 2) and len(again.parts) == 4
    assert import_hearing_hands(copy, tmp_path / "d", ImportOptions(workers=1)).cut == 0


def _without(root: Path, suffixes: Iterable[str]) -> Path:
    write_item(root, "room", "A", 0, 0)
    for path in [p for p in root.rglob("*") if p.suffix in suffixes]:
        path.unlink()
    return root


def test_what_is_wrong_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=r"holds neither split.json nor <scene>/hamer_videos_truncated"):
        find_items(tmp_path)
    with pytest.raises(DatasetError, match=r"none is there; .*no room/hamer_hand_keypoints"):
        import_hearing_hands(_without(tmp_path / "a", [".npy"]), tmp_path / "o", ImportOptions())
    with pytest.raises(DatasetError, match=r"no split\.json is there"):
        import_hearing_hands(_without(tmp_path / "b", []), tmp_path / "o", ImportOptions(their_split=True))
    monkeypatch.setattr("foley_perception.dataset.importing.hearing_hands.can_decode", lambda: False)
    with pytest.raises(DatasetError, match="install PyAV"):
        import_hearing_hands(_without(tmp_path / "c", [".wav"]), tmp_path / "o", ImportOptions())
    np.save(tmp_path / "hands.npy", np.zeros((240, 63), np.float32))
    with pytest.raises(DatasetError, match=r"shape \(240, 63\), expected \[240, 2, 21, 3\]"):
        read_hands(tmp_path / "hands.npy")


def test_sound_comes_out_of_a_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="stereo")
        tone = np.sin(np.arange(16_000) * 0.2).astype(np.float32)
        for first in range(0, 15_360, 1024):
            block = np.stack([0.1 * tone[first : first + 1024], 0.5 * tone[first : first + 1024]])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 16_000, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    read = read_video_sound(path)
    assert read is not None
    assert read[1] == 16_000 and abs(np.abs(read[0][4000:12_000]).max() - 0.5) < 0.05, "the loudest channel"
