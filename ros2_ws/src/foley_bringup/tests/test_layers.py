"""No circle between files, and no arrow from a lower folder to a higher one: the order stands in pyproject.toml."""

from __future__ import annotations

import ast
import graphlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
LAYERS: dict[str, list[str]] = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["tool"][
    "foley"
]["layers"]
HOMES = {"foley_ros": "foley_msgs", "foley_common": "foley_msgs"}


def modules(folder: Path, package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((folder / package).rglob("*.py"))
    }


def imports(importer: str, known: dict[str, Path]) -> Iterator[str]:
    """Modules of the same package that a module imports, wherever in it."""
    path = known[importer]
    here = importer.split(".") if path.name == "__init__.py" else importer.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            inner = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if name in known else module for name in inner]
        else:
            continue
        yield from (name for name in names if name in known)


def graph(folder: Path, package: str) -> dict[str, set[str]]:
    """What each module imports of its own package."""
    known = modules(folder, package)
    return {name: set(imports(name, known)) - {name} for name in known}


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """The modules of a circle; empty if there is none."""
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def place(name: str) -> str:
    """The folder of a module below its package, or the module itself where it stands in the package's root."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def levels(arrows: dict[str, set[str]], order: list[str]) -> dict[str, int]:
    """The level of each folder. Those that no row names stand where `*` does; without one they are refused."""
    named = {folder: i for i, row in enumerate(order) for folder in row.split()}
    there = {place(name) for name in arrows} - {""}
    gone, new = named.keys() - there - {"*"}, there - named.keys()
    assert not gone, f"pyproject.toml names {sorted(gone)}, which are not there"
    assert not new or "*" in named, f"pyproject.toml does not name {sorted(new)}"
    return {folder: named.get(folder, named.get("*", 0)) for folder in there}


def upward(arrows: dict[str, set[str]], order: list[str]) -> list[str]:
    """Arrows that run from a lower folder to a higher one, of two or more levels. The package's own `__init__`, which
    every import runs, is below all."""
    level = {**levels(arrows, order), "": -1}
    return [
        f"{start} imports {end}"
        for start, ends in arrows.items()
        for end in sorted(ends)
        if place(start) != place(end) and level[place(end)] >= level[place(start)]
    ]


@pytest.mark.parametrize("package", LAYERS)
def test_no_circle_between_files(package: str) -> None:
    found = circle(graph(SOURCE / HOMES.get(package, package), package))
    assert not found, f"a circle: {' -> '.join(found)}"


@pytest.mark.parametrize("package", LAYERS)
def test_no_arrow_runs_up(package: str) -> None:
    arrows = graph(SOURCE / HOMES.get(package, package), package)
    found = upward(arrows, LAYERS[package])
    assert not found, "\n".join(found)


def test_a_new_circle_and_a_new_arrow_are_found(tmp_path: Path) -> None:
    for name, text in {
        "__init__": "",
        "high/__init__": "",
        "high/a": "from p.low import b\n",
        "low/__init__": "",
        "low/b": "def f():\n    import p.high.a\n",
    }.items():
        file = tmp_path / "p" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    arrows = graph(tmp_path, "p")
    assert set(circle(arrows)) == {"p.high.a", "p.low.b"}
    assert upward(arrows, ["low", "high"]) == ["p.low.b imports p.high.a"]
    for relative in ("from ..high import a", "from ..high.a import f"):
        (tmp_path / "p/low/b.py").write_text(f"def f():\n    {relative}\n")
        assert graph(tmp_path, "p") == arrows
    (tmp_path / "p/low/b.py").write_text("")
    arrows = graph(tmp_path, "p")
    assert not circle(arrows) and not upward(arrows, ["low", "high"])
    (tmp_path / "p/__init__.py").write_text("from .low import b\n")
    assert upward(graph(tmp_path, "p"), ["low", "high"]) == ["p imports p.low.b"]


def test_a_folder_that_no_row_names_stands_at_the_star() -> None:
    arrows = {"p.low": set(), "p.new.a": {"p.low"}, "p.high": {"p.new.a"}}
    assert upward(arrows, ["low", "*", "high"]) == []
    assert upward({**arrows, "p.new.a": {"p.high"}}, ["low", "*", "high"]) == ["p.new.a imports p.high"]
    assert upward({**arrows, "p.low": {"p.new.a"}}, ["low", "*", "high"]) == ["p.low imports p.new.a"]
    with pytest.raises(AssertionError, match="does not name \\['new'\\]"):
        upward(arrows, ["low", "high"])
    with pytest.raises(AssertionError, match="names \\['old'\\], which are not there"):
        upward(arrows, ["low old", "*", "high"])
