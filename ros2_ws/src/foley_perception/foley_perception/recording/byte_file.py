"""A file of which pieces are read, none of which stays in memory."""

from __future__ import annotations

import errno
import os
import weakref
from pathlib import Path

from foley_perception.recording.errors import BagError

_WINDOW = 1 << 16  # [bytes] read at once, for the many small records


class ByteFile:
    """Reads at any place; short at the end of the file, never an error for that.

    A mapped file would be simpler, but the pages of it that were read count as memory of the process.

    Raises:
        BagError: the file cannot be opened or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise BagError(f"{path}: cannot be read ({error.strerror})") from error
        weakref.finalize(self, self._file.close)
        self.size = os.fstat(self._file.fileno()).st_size
        self._window, self._window_at = b"", 0

    def read(self, at: int, count: int) -> bytes:
        """``count`` bytes from ``at`` on, fewer at the end."""
        start = at - self._window_at
        if start >= 0 and start + count <= len(self._window):
            return self._window[start : start + count]
        if count > _WINDOW // 4:
            return self._pread(at, count)
        self._window, self._window_at = self._pread(at, _WINDOW), at
        return self._window[:count]

    def _pread(self, at: int, count: int) -> bytes:
        parts = []
        count = min(count, max(self.size - at, 0))
        while count > 0:
            try:
                part = os.pread(self._file.fileno(), min(count, 1 << 30), at)
            except OSError as error:
                # A sector that the disk cannot give: what stands there is as good as zeros, and told as damage.
                part = bytes(min(count, 512 - at % 512)) if error.errno == errno.EIO else b""
                if not part:
                    raise BagError(f"{self.path}: cannot be read ({error.strerror})") from error
            if not part:
                break
            parts.append(part)
            at, count = at + len(part), count - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
