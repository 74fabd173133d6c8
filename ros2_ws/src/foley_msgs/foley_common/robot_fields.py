"""Values out of a YAML file, checked: every error names file, line, field, value and cure."""

from __future__ import annotations

import math
import reprlib
from typing import Any

import yaml

from foley_common import topic_map

At = tuple[str, ...]
"""Where a value stands: the keys that lead to it."""


class RobotFileError(ValueError):
    """A robot file was refused; the message names file, line, field, value and cure."""


class FieldReader:
    """Values out of YAML, checked; errors name where they stand."""

    def __init__(self, where: str, tree: yaml.Node | None) -> None:
        self.where = where
        self._lines: dict[At, int] = {}
        self._walk(tree, ())

    def _walk(self, node: yaml.Node | None, at: At) -> None:
        """Where every key stands. YAML's reader would keep the last of two keys without a word."""
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            here = (*at, str(key.value))
            line = key.start_mark.line + 1
            if here in self._lines:
                raise RobotFileError(
                    f"{self.where}:{line}: `{'.'.join(here)}` stands in line {self._lines[here]} too; leave one out"
                )
            self._lines[here] = line
            self._walk(value, here)

    def error(self, at: At, wrong: str) -> RobotFileError:
        line = self._lines.get(at)
        place = f"{self.where}:{line}" if line else self.where
        return RobotFileError(f"{place}: {f'`{chr(46).join(at)}` ' if at else ''}{wrong}")

    def mapping(self, value: Any, at: At, known: tuple[str, ...]) -> dict[str, Any]:
        """A mapping of known keys; empty where nothing stands."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error(at, f"is {_shown(value)}, expected a mapping of {', '.join(known)}")
        for key in value:
            if key not in known:
                alike = [k for k in topic_map.near(str(key), known) if k[:1] == str(key)[:1]][:2]
                meant = f"; is {' or '.join(alike)} meant?" if alike else f"; known are {', '.join(known)}"
                raise self.error((*at, str(key)), f"is not known{meant}")
        return value

    def text(self, value: Any, at: At) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.error(at, f"is {_shown(value)}, expected a text; put it in quotes")
        return value

    def choice(self, value: Any, at: At, known: tuple[str, ...]) -> str:
        text = self.text(value, at)
        if text not in known:
            raise self.error(at, f"is `{text}`, known are {', '.join(known)}")
        return text

    def integer(self, value: Any, at: At, least: int, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(at, f"is {_shown(value)}, expected a whole number")
        if not least <= value <= most:
            raise self.error(at, f"is {value}, must lie in [{least}, {most}]")
        return value

    def number(self, value: Any, at: At) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(at, f"is {_shown(value)}, expected a finite number")
        try:
            number = float(value)
        except OverflowError:  # of a whole number with hundreds of digits
            number = math.inf
        if not math.isfinite(number):
            raise self.error(at, f"is {_shown(value)}, expected a finite number")
        return number


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__}"
    return f"{reprlib.repr(value)} ({type(value).__name__})"
