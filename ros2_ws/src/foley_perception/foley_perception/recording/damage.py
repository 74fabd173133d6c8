"""A place in a bag that cannot be read, and what was lost with it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Damage:
    """Bytes of a file that are not what was written.

    Attributes:
        stop: behind the last byte; 0: it is no place, but all of the file or messages everywhere in it.
        what: it is, and why it cannot be read.
        messages: that are lost; None where nothing tells how many.
        first_ns, last_ns: log times of the first and the last of them; 0 unknown.
    """

    file: str
    at: int
    stop: int
    what: str
    messages: int | None = None
    first_ns: int = 0
    last_ns: int = 0

    def sentence(self, start_ns: int) -> str:
        """In words, with times [s] from the start of the recording."""
        place = f"bytes {self.at} to {self.stop}: " if self.stop else ""
        where = f"{self.file}: {place}{self.what}"
        if self.messages == 0:
            return f"{where}; no message is lost"
        lost = "messages" if self.messages is None else f"{self.messages} messages"
        if self.messages is None and not self.last_ns:
            return f"{where}; what was there is lost, it is unknown how many messages"
        if 0 < self.first_ns <= self.last_ns:
            span = (self.first_ns - start_ns) * 1e-9, (self.last_ns - start_ns) * 1e-9
            lost = f"{lost} from {span[0]:.3f} to {span[1]:.3f} s"
        unknown = ", it is unknown how many" if self.messages is None else ""
        return f"{where}; {lost} are lost{unknown}"
