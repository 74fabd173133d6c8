"""What pages point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SOURCE = ROOT / "ros2_ws/src"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *SOURCE.glob("*/README.md")]
TESTS = {path.relative_to(SOURCE).as_posix() for path in SOURCE.glob("*/tests/**/test_*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_names_of_tests(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]
    named = re.findall(r"`([\w/]*\btest_\w+\.py)`", text)
    assert not [name for name in named if not any(f"/{test}".endswith(f"/{name}") for test in TESTS)]


def test_every_package_has_a_page_that_is_short() -> None:
    for package in SOURCE.glob("foley_*"):
        lines = (package / "README.md").read_text(encoding="utf-8").splitlines()
        assert lines[0] == f"# {package.name}" and 8 <= len(lines) <= 25, package.name
