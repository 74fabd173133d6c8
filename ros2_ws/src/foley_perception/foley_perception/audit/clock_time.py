"""How findings say when something was."""

from __future__ import annotations

from foley_common.times import NS_PER_S


def moment(time_ns: int | None, start_ns: int | None) -> str:
    """``12.345 s``, counted from the recording's start."""
    if time_ns is None or start_ns is None:
        return "an unknown time"
    return f"{(time_ns - start_ns) / NS_PER_S:.3f} s"
