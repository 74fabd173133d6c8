"""What a generated recording can be: the names behind the numbers in a shard, in their order."""

from __future__ import annotations

RATE = 24_000  # [Hz]
SAMPLES = 28_800  # of every clip: 1.2 s
ONSET_S = 0.2
"""About where a contact begins."""

CONTACT = "contact"
KINDS: tuple[str, ...] = (
    CONTACT, "speech", "music", "tone", "sweep", "hum", "noise", "silence", "wind", "water", "birds", "clicks",
)  # fmt: skip
"""Kind 0 is a contact. The others hold none, only what could be taken for one."""

DRAWN_ACTIONS: tuple[str, ...] = (
    "hit", "bounce", "chatter", "scratch", "rub", "roll", "footstep", "dig", "break", "press",
)  # fmt: skip
ACTIONS: tuple[str, ...] = (*DRAWN_ACTIONS, "tap", "knock", "pat")
"""The last three are only in what a robot did (from_sessions.py)."""
STRIKERS: tuple[str, ...] = (
    "metal",
    "rubber",
    "plastic",
    "wood",
    "fingernail",
    "shoe",
    "felt",
    "stone",
    "same",
)
"""`same`: of the object's own material."""
SUPPORTS: tuple[str, ...] = ("free", "held", "gripped", "foam", "table", "clamped", "bedded")
"""Hanging or thrown; held lightly; in a firm hand; on foam; on a table; clamped; let into a floor, wall or ground."""
MICROPHONES: tuple[str, ...] = ("flat", "mems", "phone", "contact", "narrow", "produced")
"""`narrow`: a band within 4 to 12 kHz. `produced`: equalised and compressed, as sound effects are."""
SHAPES: tuple[str, ...] = (
    "plate", "bar", "box", "shell", "block", "tube", "rod", "dish", "sheet", "slab", "heap", "loose",
)  # fmt: skip
"""What a body can be; `loose`: many small pieces."""
