"""The rules of the audit, their table and the code that finds."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from foley_perception.audit.rules import RULES

ROOT = Path(__file__).resolve().parents[4]
CODE = ROOT / "ros2_ws/src/foley_perception/foley_perception"


_FINDS = ("Finding", "Wrong", "_problem", "tell")


def found_by_the_code() -> dict[str, str]:
    """Rule -> file, of every `Finding("rule", ...)`, `Wrong("rule", ...)` and of what is short for them."""
    found = {}
    for path in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _FINDS:
                if isinstance(node.args[0], ast.Constant):
                    found[str(node.args[0].value)] = path.name
                elif node.func.id in ("Finding", "Wrong"):  # type: ignore[attr-defined]
                    assert ast.unparse(node.args[0]) in ("wrong.rule", "rule"), (
                        f"{path}: write the rule's name as it is"
                    )
    return found


def test_every_rule_of_the_code_is_in_the_table_and_only_those() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert set(names) == set(found_by_the_code())


def test_docs_hold_the_table() -> None:
    script = ROOT / "scripts" / "write_rules.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
