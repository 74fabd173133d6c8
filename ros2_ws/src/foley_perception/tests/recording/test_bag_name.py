"""What bags are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from foley_perception.recording.bag_name import bag_name, distinct_names, safe_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("run.1/", "run.1"),
        ("x.mcap/", "x.mcap"),  # a folder is called as it is
        ("x.mcap", "x"),
        ("x.0.mcap.zstd", "x.0"),
        ("x.db3", "x"),
        ("2026.11.29-taps", "2026.11.29-taps"),
        (".mcap", ".mcap"),
    ],
)
def test_names(path: str, name: str, tmp_path: Path) -> None:
    if path.endswith("/"):
        (tmp_path / path).mkdir()
    assert bag_name(tmp_path / path) == name


def test_the_folder_one_is_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.1").mkdir()
    monkeypatch.chdir(tmp_path / "run.1")
    assert bag_name(Path()) == bag_name(Path("../run.1/")) == "run.1"


def test_bags_that_are_called_alike_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a/monday/run", "b/monday/run", "tuesday/run", "other")]
    assert distinct_names(paths) == ["a/monday/run", "b/monday/run", "tuesday/run", "other"]
    assert distinct_names([paths[0], paths[2]]) == ["monday/run", "tuesday/run"]
    assert distinct_names(paths[:1]) == ["run"] and distinct_names([]) == []


def test_names_that_files_can_have() -> None:
    assert safe_name("run.1_a-b") == "run.1_a-b"
    assert (
        safe_name("a b").startswith("a_b-")
        and len({safe_name(n) for n in ("a b", "a/b", "a_b", "a\tb")}) == 4
    )
