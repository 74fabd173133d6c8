"""A foot pedal, or any keyboard, read from the kernel's input device, whatever window has the focus.

`/dev/input/eventN` gives records of one layout: time (two longs), type and code (two unsigned shorts), value (an int).
Linux alone has such devices.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from pathlib import Path

RECORD = struct.Struct("llHHi")
_EV_KEY = 1
_PRESSED = 1  # 0: released, 2: held down, which repeats it
_GRAB = (
    0x40044590  # EVIOCGRAB: what the device says goes to us alone, and is not typed into the window beside it
)
_AGAIN_S = 1.0  # between two tries to find an unplugged device again

_ROWS = {2: "1234567890-=", 16: "qwertyuiop[]", 30: "asdfghjkl;'`", 43: "\\zxcvbnm,./"}
CODES: dict[int, str] = {
    **{first + i: character for first, row in _ROWS.items() for i, character in enumerate(row)},
    **{59 + i: f"F{1 + i}" for i in range(10)},
    **{183 + i: f"F{13 + i}" for i in range(12)},
    **{1: "Esc", 14: "Backspace", 15: "Tab", 28: "Enter", 57: "Space", 87: "F11", 88: "F12", 96: "Enter"},
    **{
        102: "Home",
        103: "Up",
        104: "PageUp",
        105: "Left",
        106: "Right",
        107: "End",
        108: "Down",
        109: "PageDown",
    },
    **{110: "Insert", 111: "Delete"},
}
"""Codes of a keyboard by the place of the key on one of the United States, as the kernel numbers them."""


class EvdevReader:
    """Bytes of an input device, cut anywhere, to names of keys that were pressed."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Keys of the records that are complete. One without a name here is `KeyN`, by its code."""
        data = self._rest + data
        whole = len(data) - len(data) % RECORD.size
        self._rest = data[whole:]
        return [
            CODES.get(code, f"Key{code}")
            for _, _, kind, code, value in RECORD.iter_unpack(data[:whole])
            if kind == _EV_KEY and value == _PRESSED
        ]


class PedalDevice:
    """The device itself. One that is unplugged is looked for again.

    Raises:
        OSError: it cannot be opened; the message says why, and what to do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = EvdevReader()
        self._looked = 0.0
        self._file = -1
        self.alone = False  # nobody else gets its keys
        self._open()

    def _open(self) -> None:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        except PermissionError as error:
            cure = "belong to the group of the device (`sudo usermod -aG input $USER`, then log in anew)"
            raise OSError(error.errno, f"--pedal-device {self._path} may not be read: {cure}") from error
        except OSError as error:
            cure = "`ls -l /dev/input/by-id` names what is plugged in"
            raise OSError(error.errno, f"--pedal-device {self._path}: {error.strerror}; {cure}") from error
        self._reader = EvdevReader()
        self.alone = _grab(self._file)

    def read(self, now: float) -> tuple[list[str], str]:
        """Keys that were pressed since the last call, and what is to be told of the device."""
        if self._file < 0:
            return [], self._look_again(now)
        data, why = b"", "was unplugged"
        try:
            data = os.read(self._file, 64 * RECORD.size)
        except BlockingIOError:
            return [], ""
        except OSError as error:
            if error.errno not in (errno.ENODEV, errno.EIO):
                why = f"cannot be read any more ({error.strerror})"
        if data:
            return self._reader.feed(data), ""
        self.close()
        self._looked = now
        return [], f"the pedal {self._path} {why}; the keyboard works on"

    def _look_again(self, now: float) -> str:
        if now - self._looked < _AGAIN_S:
            return ""
        self._looked = now
        with contextlib.suppress(OSError):
            self._open()
            return f"the pedal {self._path} is back"
        return ""

    def close(self) -> None:
        """Give it back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _grab(file: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(file, _GRAB, 1)
    except OSError:  # a pipe or a file, or somebody else has it
        return False
    return True
