"""Bytes of terminals and records of input devices to names of keys, and keys to commands."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from foley_perception.collecting import commands
from foley_perception.collecting.commands import Command, OptionError, parse_pedals
from foley_perception.collecting.evdev import EvdevReader, PedalDevice
from foley_perception.collecting.keys import KeyReader, key_name
from foley_perception.collecting.machine import ASKED_S, Action, KeyMachine


def read(data: bytes, late: bool = True) -> list[str]:
    reader = KeyReader()
    return reader.feed(data, 0.0) + (reader.feed(b"", 1.0) if late else [])


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"bQ?", ["b", "Q", "?"]),
        (b" \r\t\x7f", ["Space", "Enter", "Tab", "Backspace"]),
        ("äß€😀".encode(), ["ä", "ß", "€", "😀"]),
        (b"\x1b", ["Esc"]),
        (b"\x1b\x1b", ["Esc", "Esc"]),
        (b"\x1bx", ["Alt-x"]),
        (b"\x1b[", ["Alt-["]),
        (b"\x15\x00", ["Ctrl-u", "Ctrl-Space"]),
        (b"\x1b[A\x1bOB", ["Up", "Down"]),
        (b"\x1b[5~\x1b[6~q", ["PageUp", "PageDown", "q"]),
        (b"\x1bOP\x1b[11~\x1b[[A\x1b[P", ["F1"] * 4),
        (b"\x1b[24~\x1b[25~\x1b[1;2P\x1b[25;2~", ["F12", "F13", "F13", "Shift-F13"]),
        (b"\x1b[24;2~\x1b[57376u\x1b[57387u", ["F24", "F13", "F24"]),
        (b"\x1b[1;5C\x1b[6;3~\x1b[98;5u\x1b[98u", ["Ctrl-Right", "Alt-PageDown", "Ctrl-b", "b"]),
        (b"\x1b[200~\x1b[?62c\xff\x80b", ["b"]),  # what is no key is none
    ],
)
def test_keys_of_terminals(data: bytes, keys: list[str]) -> None:
    assert read(data) == keys
    cut = KeyReader()
    assert [key for i in range(len(data)) for key in cut.feed(data[i : i + 1], 0.0)] + cut.feed(
        b"", 1.0
    ) == keys


def test_an_escape_waits_for_what_follows_it() -> None:
    reader = KeyReader()
    assert reader.feed(b"\x1b", 0.0) == [] and reader.feed(b"", 0.04) == []
    assert reader.feed(b"[5", 0.045) == [] and reader.feed(b"~", 0.06) == ["PageUp"]
    assert reader.feed(b"\x1b", 1.0) == [] and reader.feed(b"", 1.06) == ["Esc"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("pagedown", "PageDown"), ("F13", "F13"), ("f1", "F1"), ("shift-f1", "F13"), ("ctrl+B", "Ctrl-b"), (" ", "Space"),
     ("space", "Space"), ("B", "B"), ("escape", "Esc"), ("key256", "Key256"), ("-", "-")],
)  # fmt: skip
def test_names_of_keys(text: str, name: str) -> None:
    assert key_name(text) == name


def test_names_that_are_none() -> None:
    for text in ("", "pedal", "F25", "ctrl-"):
        with pytest.raises(ValueError, match="is no key"):
            key_name(text)


# ---- pedals ------------------------------------------------------------------------------------------------
def test_pedals() -> None:
    assert parse_pedals(["b=take", "PageDown=discard", "==quit"]) == {
        "b": Command.TAKE,
        "PageDown": Command.DISCARD,
        "=": Command.QUIT,
    }
    for entry, told in (
        ("b", "expected KEY=COMMAND"),
        ("b=dance", "`dance` is no command: take, pause"),
        ("foot=take", "`foot` is no key"),
    ):
        with pytest.raises(OptionError, match=told):
            parse_pedals([entry])
    with pytest.raises(OptionError, match="means `take` already"):
        parse_pedals(["F13=take", "shift-F1=pause"])


def test_the_table_tells_what_keys_mean_now() -> None:
    rows = {command: keys for keys, command, _ in commands.table(parse_pedals(["b=take", "d=snapshot"]))}
    assert rows["take"] == "Space, b" and rows["snapshot"] == "s, d" and rows["discard"] == "-"
    assert set(rows) == {command.value for command in Command}


def record(code: int, value: int = 1, kind: int = 1) -> bytes:
    return struct.pack("llHHi", 1_700_000_000, 123_456, kind, code, value)


def test_records_of_an_input_device() -> None:
    """F13, its release and its repeats, b, PageDown, a pedal's own button; reports between them; cut anywhere."""
    data = b"".join(
        [record(4, 0x70068, 4), record(183), record(0, 0, 0), record(183, 2), record(183, 0), record(48), record(109),
         record(256)]
    )  # fmt: skip
    keys = ["F13", "b", "PageDown", "Key256"]
    assert EvdevReader().feed(data) == keys
    reader = EvdevReader()
    assert [key for i in range(0, len(data), 7) for key in reader.feed(data[i : i + 7])] == keys


def test_a_pedal_that_is_unplugged_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "event5"
    os.mkfifo(path)
    with pytest.raises(OSError, match="names what is plugged in"):
        PedalDevice(tmp_path / "event6")
    pedal = PedalDevice(path)
    assert not pedal.alone  # of a pipe nobody can be shut out
    writer = os.open(path, os.O_WRONLY)
    assert pedal.read(0.0) == ([], "")
    os.write(writer, record(183) + record(48)[:10])
    assert pedal.read(0.1) == (["F13"], "")
    os.close(writer)
    keys, told = pedal.read(0.2)
    assert not keys and "was unplugged" in told
    assert pedal.read(0.5) == ([], "")
    writer = os.open(path, os.O_RDWR)
    assert pedal.read(1.3)[1].endswith("is back")
    os.write(writer, record(48))  # half a record of before is not held against it
    assert pedal.read(1.4) == (["b"], "")
    pedal.close()
    os.close(writer)


def test_a_pedal_that_cannot_be_read_ends_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "event5"
    os.mkfifo(path)
    pedal = PedalDevice(path)

    def failing(file: int, size: int) -> bytes:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "read", failing)
    assert pedal.read(0.0) == (
        [],
        f"the pedal {path} cannot be read any more (Invalid argument); the keyboard works on",
    )
    assert pedal.read(2.0) == ([], f"the pedal {path} is back")
    pedal.close()


# ---- the machine -------------------------------------------------------------------------------------------
def type_all(machine: KeyMachine, keys: list[str], now: float = 5.0) -> list[Action]:
    return [action for key in keys for action in machine.press(key, now, recording=True)]


def test_keys_mean_commands() -> None:
    machine = KeyMachine(parse_pedals(["F13=take"]))
    for key, command in commands.KEYS.items():
        assert machine.press(key, 1.0, recording=False) == [Action(command, 1.0)]
    assert machine.press("F13", 2.0, recording=True) == [Action(Command.TAKE, 2.0)]
    assert machine.press("j", 2.0, recording=True) == []


def test_a_take_is_discarded_only_when_asked_twice() -> None:
    machine = KeyMachine(parse_pedals(["PageDown=discard"]))
    for yes in ("d", "y", "Enter", "PageDown"):
        assert machine.press("d", 1.0, recording=True) == [] and "discard this take" in machine.prompt
        assert machine.press(yes, 2.0, recording=True) == [Action(Command.DISCARD, 2.0)]
        assert machine.prompt == ""
    assert machine.press("d", 1.0, recording=True) == []
    assert machine.press("Space", 2.0, recording=True) == [], "it was an answer, and does not end the take"
    assert machine.press("Space", 2.1, recording=True) == [Action(Command.TAKE, 2.1)]
    assert machine.press("d", 3.0, recording=True) == []
    assert machine.press("d", 3.1 + ASKED_S, recording=True) == [], "nobody answered: it is asked anew"
    machine.tick(4.0, recording=False)
    assert machine.prompt == "", "the take is over"


def test_typed_lines() -> None:
    machine = KeyMachine(parse_pedals(["F13=take", "b=pause"]))
    assert machine.press("t", 1.0, recording=True) == [] and machine.prompt == "note: "
    assert type_all(machine, ["s", "Space", "q", "x", "Backspace"]) == [] and machine.prompt == "note: s q"
    assert machine.press("b", 5.0, recording=True) == [], "a character is text, a pedal's key is none"
    assert machine.press("F13", 5.5, recording=True) == [Action(Command.TAKE, 5.5)] and machine.typing
    assert machine.press("b", 5.6, recording=True, device=True) == [Action(Command.PAUSE, 5.6)]
    assert machine.press("Enter", 6.0, recording=True) == [Action(Command.NOTE, 1.0, "s qb")]
    assert type_all(machine, ["t", "Enter", "t", "z", "Esc"]) == [] and not machine.typing
    assert type_all(machine, ["m", "o", "a", "k", "Enter"]) == [Action(Command.MATERIAL, 5.0, "oak")]
    machine.press("m", 7.0, recording=True)
    assert machine.prompt == "material (Enter: oak): "
    assert machine.press("Enter", 8.0, recording=True) == [Action(Command.MATERIAL, 7.0, "oak")]
    machine.press("a", 9.0, recording=True)
    machine.tick(9.5, recording=False)
    assert not machine.typing, "its take is over"
