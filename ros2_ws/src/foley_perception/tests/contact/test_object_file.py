"""Names of objects that outlive the process that gave them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from foley_perception.contact.object_file import ObjectFile
from foley_perception.contact.objects import ObjectMap


def touched() -> ObjectMap:
    """Two objects, of one of which the face was seen."""
    u, v = np.meshgrid(np.arange(0.0, 0.3, 0.002), np.arange(-0.04, 0.04, 0.002))
    objects = ObjectMap(prefix="object_aa")
    objects.assign([0.02, 0.0, 0.05], np.stack([u.ravel(), v.ravel(), np.full(u.size, 0.05)], axis=1))
    objects.assign([0.6, 0.0, 0.05])
    return objects


def test_a_successor_calls_the_same_things_by_the_same_names(tmp_path: Path) -> None:
    file = ObjectFile(str(tmp_path / "run" / "objects.json"), frame="world")
    objects, successor = touched(), ObjectMap(prefix="object_bb")
    assert file.save(objects) == ""
    well, said = file.restore(successor)
    assert well and said.startswith("2 objects restored")
    assert successor.assign([0.29, 0.0, 0.05]) == "object_aa_1", (
        "far from what was touched, on the face that was seen"
    )
    assert successor.assign([0.61, 0.02, 0.05]) == "object_aa_2"
    assert successor.assign([0.9, 0.0, 0.05]) == "object_bb_1", (
        "what is new has a name that nobody had before"
    )
    assert (tmp_path / "run" / "objects.json").stat().st_size < 50_000
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["objects.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2}, {"frame": "base_link"}, {"objects": {"object_aa_1": {"contacts": [[float("inf"), 0, 0]]}}},
        {"objects": {"object_aa_1": {"contacts": [], "face_mm": None}}}, {"objects": 3},
        {"objects": {"object_aa_1": {"contacts": [[0, 0]], "face_mm": None}}},
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_told_and_gives_new_names(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "objects.json"
    file, successor = ObjectFile(str(path), frame="world"), ObjectMap(prefix="object_bb")
    file.save(touched())
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    well, said = file.restore(successor)
    assert not well and "all get new names" in said and str(path) in said
    assert successor.assign([0.02, 0.0, 0.05]) == "object_bb_1"


def test_a_damaged_file_a_full_disk_and_none_at_all_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"schema": 1, "obj')
    assert not ObjectFile(str(tmp_path / "half.json"), frame="world").restore(ObjectMap())[0]
    told = ObjectFile(str(tmp_path / "half.json" / "below.json"), frame="world").save(touched())
    assert "new names after the next restart" in told
    nowhere = ObjectFile("", frame="world")
    assert nowhere.save(touched()) == "" and nowhere.restore(ObjectMap()) == (True, "")


def test_objects_that_were_touched_long_ago_are_forgotten() -> None:
    objects = ObjectMap(most=2)
    for x in (0.0, 1.0, 0.0, 2.0):
        objects.assign([x, 0.0, 0.0])
    assert objects.names == ["object_1", "object_3"]
    assert objects.assign([1.0, 0.0, 0.0]) == "object_4", "no name is given twice"
