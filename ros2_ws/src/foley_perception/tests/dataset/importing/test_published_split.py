"""The leak of a published split: which sessions stand in two splits, and how many stretches, by numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foley_perception.dataset.importing.published_split import find_leaks, leak_lines, parse_item, read_split
from foley_perception.dataset.schema import DatasetError


def name(recording: str, view: int, start: int, end: int = 0) -> str:
    return f"video_{recording}_{view}_with_audio_fps_4_truncate_{start}_{end or start + 8}"


def write(path: Path, **splits: list[list[str]]) -> Path:
    path.write_text(json.dumps(splits))
    return path


def test_what_a_name_says() -> None:
    item = parse_item("cement", "video_A001_02141504_C361_1_with_audio_fps_4_truncate_40_48")
    assert item is not None
    assert (item.recording, item.view, item.start_s, item.end_s) == ("video_A001_02141504_C361", 1, 40, 48)
    assert parse_item("cement", "video_A001_1_with_audio_fps_4_truncate_48_40") is None
    assert parse_item("cement", "notes") is None


def test_each_kind_of_leak_is_counted(tmp_path: Path) -> None:
    split = write(
        tmp_path / "split.json",
        train=[["room", name("A", 0, 0)], ["room", name("A", 1, 8)], ["park", name("C", 0, 0)]],
        val=[["room", name("A", 2, 0)], ["room", name("A", 0, 4)]],
        test=[["room", name("B", 0, 0)]],
    )
    found = find_leaks(read_split(split))
    assert found["scenes"] == {"of": 2, "test+train+validation": 1, "which": ["room"]}
    assert found["recordings"] == {"of": 3, "train+validation": 1, "which": ["room/video_A"]}
    assert found["same_sound"] == {"of": 5, "train+validation": 1, "which": ["room/video_A 0-8 s"]}
    assert found["overlap"] == 2  # 4-12 s of validation with 0-8 s and 8-16 s of train
    lines = leak_lines(found)
    assert lines[1] == "1 of 3 recordings are cut between splits (train+validation: 1), such as room/video_A"
    assert len(lines) == 4 and lines[3].startswith("2 pairs")


def test_a_split_by_scene_does_not_leak(tmp_path: Path) -> None:
    whole = write(
        tmp_path / "a.json", train=[["x", name("A", v, 0)] for v in range(3)], test=[["y", name("B", 0, 0)]]
    )
    assert find_leaks(read_split(whole)) == {} and leak_lines({}) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ('{"training": []}', "must hold lists train, val, test"),
        ('{"train": [["room"]]}', r"train\[0\] is `\['room'\]`"),
        ('{"val": [["room", "a.mp4"]]}', r"val\[0\] is"),
        ('{"test": "none"}', r"test\[0\] is `none`"),
    ],
)
def test_what_is_no_split_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(DatasetError, match=told):
        read_split(tmp_path / "split.json")
