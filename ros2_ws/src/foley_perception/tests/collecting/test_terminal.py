"""The keyboard of a pseudo terminal, and that it is given back."""

from __future__ import annotations

import io
import os
import pty
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from foley_perception.collecting.terminal import Keyboard


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as source:
        yield master, source
    os.close(master)


def test_keys_come_one_by_one_and_the_terminal_is_restored(terminal: tuple[int, TextIO]) -> None:
    master, source = terminal
    before = termios.tcgetattr(source)
    with pytest.raises(RuntimeError, match="whatever"), Keyboard(source) as keyboard:
        assert termios.tcgetattr(source) != before and keyboard.read(0.0) == []
        os.write(master, b"b\x1b[6~\x1a")
        assert keyboard.read(0.1) == ["b", "PageDown", "Ctrl-z"], (
            "no Enter is needed, and Ctrl-Z stops nothing"
        )
        assert os.get_blocking(source.fileno()), "its output is the same file, and must not be cut"
        raise RuntimeError("whatever")
    assert termios.tcgetattr(source) == before
    keyboard.restore()
    assert keyboard.read(1.0) == []


def test_a_terminal_that_is_closed(terminal: tuple[int, TextIO]) -> None:
    master, source = terminal
    with Keyboard(source) as keyboard:
        assert not keyboard.gone
        copy = os.dup(master)
        os.close(master)
        os.close(copy)
        assert keyboard.read(0.0) == [] and keyboard.gone
        os.dup2(os.open(os.devnull, os.O_RDONLY), master)  # for the fixture


def test_what_is_no_terminal_has_no_keys() -> None:
    with Keyboard(io.StringIO("b")) as keyboard:
        assert not keyboard.is_terminal and keyboard.read(0.0) == [] and not keyboard.gone
