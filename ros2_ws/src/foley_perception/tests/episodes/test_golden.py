"""Bags as earlier releases wrote them are read as they were then: golden/README.md."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from foley_common import topics
from foley_perception.episodes.figures import figures_of
from foley_perception.recording.bag import Bag
from foley_perception.recording.migrate import migrate_bag
from foley_perception.recording.versions import BAG_VERSION

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TOLD = sorted(GOLDEN.glob("*/*.json"))
NAMES = [f"{file.parent.name}/{file.stem}" for file in TOLD]


def digests(bag: Path) -> dict[str, str]:
    files = sorted(file for file in bag.rglob("*") if file.is_file())
    return {f.relative_to(bag).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def differences(found: Any, told: Any, where: str = "") -> list[str]:
    """Where figures are not those that are told; floats may differ by rounding."""
    if isinstance(told, dict) and isinstance(found, dict):
        missing = [f"{where}.{key}" for key in told.keys() ^ found.keys()]
        return missing + [
            d
            for key in told.keys() & found.keys()
            for d in differences(found[key], told[key], f"{where}.{key}")
        ]
    if isinstance(told, list) and isinstance(found, list) and len(told) == len(found):
        return [
            d
            for k, pair in enumerate(zip(found, told, strict=True))
            for d in differences(*pair, f"{where}[{k}]")
        ]
    if isinstance(told, float) and isinstance(found, float | int):
        return (
            [] if math.isclose(found, told, rel_tol=1e-6, abs_tol=1e-8) else [f"{where}: {found}, was {told}"]
        )
    return [] if found == told and type(found) is type(told) else [f"{where}: {found}, was {told}"]


def test_each_version_has_bags_and_they_are_small() -> None:
    assert {int(file.parent.name) for file in TOLD} == set(range(BAG_VERSION + 1))
    for version in range(BAG_VERSION + 1):
        files = [file for file in (GOLDEN / str(version)).rglob("*") if file.is_file()]
        assert sum(file.stat().st_size for file in files) < 1_000_000


def test_every_type_of_ours_that_is_recorded_is_in_a_bag_of_today() -> None:
    """A definition that changes without a new bag version is seen: test_migrate.py finds a field without a rule."""
    recorded = {t.type for t in topics.TOPICS if t.recorded and t.type.startswith("foley_msgs/")}
    bag = Bag(GOLDEN / str(BAG_VERSION) / "every_type")
    list(bag.messages())
    assert recorded <= {topic.type for topic in bag.topics.values()}


@pytest.mark.parametrize("told", TOLD, ids=NAMES)
def test_a_golden_bag_is_read_as_it_was(told: Path, tmp_path: Path) -> None:
    bag, known = told.with_suffix(""), json.loads(told.read_text())
    assert digests(bag) == known["files"], "golden bags are never made anew: add one"
    copy = Path(shutil.copytree(bag, tmp_path / bag.name))
    assert differences(figures_of(copy), known["figures"]) == []


@pytest.mark.parametrize("told", [f for f in TOLD if int(f.parent.name) < BAG_VERSION], ids=lambda f: f.stem)
def test_a_migrated_bag_says_the_same(told: Path, tmp_path: Path) -> None:
    done = migrate_bag(told.with_suffix(""), to=tmp_path / "new")
    assert done.changes and not done.problems
    figures = json.loads(told.read_text())["figures"] | {"bag_version": BAG_VERSION}
    assert differences(figures_of(tmp_path / "new"), figures) == []


def test_the_comparison_sees_what_differs() -> None:
    assert differences({"a": [1.0, "x"]}, {"a": [1.0 + 1e-9, "x"]}) == []
    assert differences({"a": [1.0, "x"]}, {"a": [1.1, "y"]}) == [".a[0]: 1.0, was 1.1", ".a[1]: x, was y"]
    assert differences({"a": None}, {"b": 1}) and differences([1], [1, 2]) and differences(True, 1)
