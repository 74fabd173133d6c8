"""A session where the output is no terminal: a line every few seconds, of the same view."""

from __future__ import annotations

import math

from foley_perception.collecting.session import Phase
from foley_perception.collecting.view import View, clock

PERIOD_S = 5.0


def line(view: View) -> str:
    """All that matters in one line."""
    parts = [view.phase.value if view.present else "waiting for a recorder"]
    if view.phase in (Phase.RECORDING, Phase.PAUSED):
        parts = [f"{view.phase.value} {view.title} {clock(view.elapsed)}"]
    parts += [
        f"{c.topic} {c.channel}: {_level(c.held_dbfs)}{' CLIPS' if c.clips else ''}" for c in view.channels
    ]
    parts += [f"{row.topic} {row.rate:.1f} Hz, {row.lost} lost" for row in view.rows if row.bad]
    parts += [view.disk] if view.disk else []
    parts.append(", ".join(f"{count} {name}" for name, count in view.counts.items()))
    parts += [f"WRONG: {text}" for text in view.wrong[:1]]
    if len(view.wrong) > 1:
        parts.append(f"and {len(view.wrong) - 1} more")
    return "; ".join(parts)


def _level(dbfs: float) -> str:
    return f"{dbfs:.0f} dBFS" if math.isfinite(dbfs) and dbfs > -100.0 else "silent"
