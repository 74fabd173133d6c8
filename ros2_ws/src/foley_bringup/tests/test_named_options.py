"""What a sentence of the source tells the user to type exists: options, commands and subcommands of `foley`."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

import pytest

from foley_bringup import cli

SOURCE = Path(__file__).resolve().parents[2]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*+(?!\.py)")  # `--reader.py-->` is an arrow
FOREIGN = re.compile(r"`ros2 [^`]*`")
# In backticks, or a line of an epilog: as much of it as is typed.
TYPED = re.compile(r"`foley ([^`]+)`|^ *foley ([^\n#]+)", re.M)
OTHERS = {
    *("--ros-args", "--params-file"),  # of every node
    *("--frame-id", "--child-frame-id", "--q"),  # of static_transform_publisher; the last is --qx and so on
    "--shm-size",  # of docker
    "--nproc-per-node",  # of torchrun
}
PLACE = "\N{WHITE SQUARE}"  # stands for what an f-string fills in


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of every command and subcommand, by what is typed after `foley`."""
    found: dict[str, argparse.ArgumentParser] = {}
    for name, entry in cli.find_commands().items():
        parser = argparse.ArgumentParser(name)
        cli.load(entry).configure(parser)
        found[name] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found |= {f"{name} {sub}": inner for sub, inner in action.choices.items()}
    return found


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def ours() -> set[str]:
    """Options of all commands."""
    return {option for parser in parsers().values() for option in options(parser)} | {"--version", "--help"}


def text_of(node: ast.AST) -> str:
    """A string with a mark for each value that is filled in; empty for what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or PLACE for part in node.values)
    return ""


def sentences() -> Iterator[tuple[str, str, set[str]]]:
    """Strings with more than one word, where they stand, and options that their file itself gives to a program, or
    takes where it is run as one."""
    for package in ("foley_msgs", "foley_perception", "foley_synthesis", "foley_sim", "foley_bringup"):
        for path in sorted((SOURCE / package).glob("foley_*/**/*.py")):
            tree = ast.parse(path.read_text(), str(path))
            parts = {
                part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
            }
            texts = [(node, text_of(node)) for node in ast.walk(tree) if node not in parts]
            own = {text.partition("=")[0] for _, text in texts if OPTION.match(text) and " " not in text}
            for node, text in texts:
                if " " in text.strip():
                    yield f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}", text, own


def wrong_in(text: str, allowed: Set[str] = frozenset()) -> list[str]:
    """What a sentence names and `foley` does not have."""
    known, text = ours() | OTHERS | allowed, FOREIGN.sub("", text)
    wrong = [f"no command has {option}" for option in OPTION.findall(text) if option not in known]
    for match in TYPED.finditer(text):
        words = (match[1] or match[2]).split()
        if not re.fullmatch(r"[a-z]+", words[0]):
            continue  # `foley COMMAND`, `foley --help`
        if words[0] not in parsers():
            wrong.append(f"no command `foley {words[0]}`")
            continue
        name, subs = words[0], [key.split()[1] for key in parsers() if key.startswith(words[0] + " ")]
        if subs and len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]):
            if words[1] not in subs:
                wrong.append(f"no command `foley {name} {words[1]}`")
                continue
            name = f"{name} {words[1]}"
        has = options(parsers()[name])
        typed = OPTION.findall(" ".join(words).split("&&")[0])
        wrong += [f"`foley {name}` has no {option}" for option in typed if option not in has]
    return wrong


def test_what_is_told_to_be_typed_exists() -> None:
    wrong = [f"{place}: {what}" for place, text, own in sentences() for what in wrong_in(text, own)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("give it with --nonsense", "no command has --nonsense"),
        ("call `foley recover X`", "no command `foley recover`"),
        ("call `foley bag mend X`", "no command `foley bag mend`"),
        (f"`foley bag info {PLACE} --windows` tells", "`foley bag info` has no --windows"),
        ("examples:\n  foley dataset check d --map mic/audio=/m", "`foley dataset check` has no --map"),
    ],
)
def test_what_does_not_exist_is_found(text: str, said: str) -> None:
    assert wrong_in(text) == [said] or said in wrong_in(text)


def test_readers_of_recordings_take_names() -> None:
    """Wherever a bag is read whose topics may bear other names, the same options say so."""
    reading = (
        "bag info",
        "bag check",
        "dataset build",
        "replay",
        "impacts",
        "scene views",
        "scene reconstruct",
    )
    reading += ("scene register", "calibrate hand-eye", "hands track", "hands pictures", "flow play")
    for name in reading:
        assert {"--map", "--map-file", "--robot", "--namespace"} <= options(parsers()[name]), name
    assert {"--map", "--map-file", "--robot"} <= options(parsers()["record"])
