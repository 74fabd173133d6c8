"""Which files a bag has: those that are missing are told, whoever tells of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from foley_perception.dataset.build import find_bags
from foley_perception.recording.bag import Bag
from foley_perception.recording.bag_files import find_files, is_bag
from foley_perception.recording.recovery import recover_bag

from .damaged import numbers, write_split


@pytest.mark.parametrize(
    ("missing", "metadata"), [((1,), False), ((0,), False), ((0, 1), False), ((1, 2), False), ((1,), True)]
)
def test_a_hole_in_the_numbers_of_files(tmp_path: Path, missing: tuple[int, ...], metadata: bool) -> None:
    bag = write_split(tmp_path / "bag", files=4)
    for number in missing:
        (bag / f"bag_{number}.mcap").unlink()
    if not metadata:
        (bag / "metadata.yaml").unlink()
    left = [n for n in range(160) if n // 40 not in missing]
    opened = Bag(bag)
    assert numbers(opened) == left
    (problem,) = opened.problems
    first, after = missing[0], f"bag_{missing[-1] + 1}.mcap"
    done = recover_bag(bag)
    assert numbers(done.path) == left
    if metadata:  # which knows how many
        assert "metadata.yaml names this file, which is missing" in problem
        assert (done.lost, done.lost_more) == (40, False)
        return
    assert problem.startswith(f"bag_{first}.mcap: this file is missing")
    assert f"as {after} tells by its number" in problem and "it is unknown how many" in problem
    assert ("like the next 1" in problem) == (len(missing) == 2)
    assert (done.lost, done.lost_more) == (0, True)


def test_a_last_file_alone(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag")
    for name in ("bag_0.mcap", "bag_1.mcap", "metadata.yaml"):
        (bag / name).unlink()
    assert "bag_0.mcap: this file is missing, like the next 1" in find_files(bag, {})[1][0].sentence(0)


def test_numbers_that_are_none_of_a_split(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag")
    (bag / "metadata.yaml").unlink()
    assert find_files(bag, {})[1] == []
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(bag / "bag_0.mcap", other / "kitchen_7.mcap")
    assert find_files(other, {})[1] == []
    for day in ("rec_20260101.mcap", "rec_20260105.mcap"):
        shutil.copy(bag / "bag_0.mcap", other / day)
    assert find_files(other, {})[1] == []


def test_a_recorder_that_dropped_its_oldest_files(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag", files=4)
    (bag / "bag_0.mcap").unlink()
    kept = {"relative_file_paths": ["bag_1.mcap", "bag_2.mcap", "bag_3.mcap"]}
    assert find_files(bag, kept)[1] == []
    (bag / "bag_2.mcap").unlink()
    (damage,) = find_files(bag, {"relative_file_paths": ["bag_1.mcap", "bag_3.mcap"]})[1]
    assert damage.file == "bag_2.mcap" and damage.messages is None


@pytest.mark.parametrize(
    ("names", "one"),
    [
        (("x_0.mcap", "x_1.mcap"), True),
        (("x_0.db3", "x_1.db3"), True),
        (("x_0.mcap.zstd",), True),
        (("lab_1.mcap", "lab_2.mcap"), True),
        (("lab_3.db3",), True),
        (("monday_1.mcap", "monday_2.mcap"), False),
        (("a.mcap", "b.db3", "c.mcap.zstd"), False),
    ],
)
def test_one_bag_or_a_folder_of_bags(tmp_path: Path, names: tuple[str, ...], one: bool) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    for name in (*names, "notes.txt"):
        (folder / name).write_bytes(b"")
    assert is_bag(folder) == one
    assert find_bags([folder]) == ([folder] if one else [folder / name for name in names])
    assert find_bags([tmp_path] if one else [folder]) == ([folder] if one else [folder / n for n in names])
    (folder / "metadata.yaml").write_text("")
    assert find_bags([tmp_path]) == [folder]
