"""Messages that are valid and extreme, and bytes that are no message, of any type: by reflection over its fields.

Values are drawn from what drivers, networks and mistakes make of a field: NaN, infinities, the ends of integers, times
before 1970 and in 2106, names of no character and of millions, lengths that do not agree. Names and encodings that
nodes know are among them, so that what is extreme also comes past their first look. The same seed makes the same
messages.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message

from foley_ros.topics import message_class

DOUBLES = (
    *(
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        0.3,
        0.125,
        100.0,
        1e-12,
        -1e-12,
        1e-300,
        5e-324,
        1e6,
        1e30,
        -1e30,
        1e308,
        -1e308,
    ),
    *(float("nan"), float("inf"), float("-inf")),
)
FLOATS = (
    tuple(v if v != v or abs(v) < 1e38 else (3.4e38 if v > 0 else -3.4e38) for v in DOUBLES[:-2])
    + DOUBLES[-2:]
)
INTEGERS = {
    name: (low, high)
    for bits in (8, 16, 32, 64)
    for name, low, high in (
        (f"int{bits}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
        (f"uint{bits}", 0, 2**bits - 1),
    )
} | {"octet": (0, 255), "char": (0, 255), "byte": (0, 255)}
WORDS = (
    *(
        "",
        " ",
        "/",
        "world",
        "tool",
        "tip",
        "camera_optical",
        "rgb8",
        "bgr8",
        "mono8",
        "16UC1",
        "32FC1",
        "jpeg",
        "png",
    ),
    *(
        "bgr8; jpeg compressed bgr8",
        "16UC1; compressedDepth",
        "left_driver_joint",
        "robotiq_85_left_knuckle_joint",
    ),
    *(
        "plumb_bob",
        "rational_polynomial",
        "<robot name='r'/>",
        "<robot><link name='a'/></robot>",
        "<robot",
        "\u4e16\u754c",
    ),
    *("object_1", "mug", "stream", "plan_1", "../../etc/passwd", "a\nb", "%s%n", "x" * 300),
)
LENGTHS = (0, 0, 1, 1, 2, 3, 7, 8, 8, 42, 480, 481, 4000)
_SEQUENCE = re.compile(r"sequence<(?P<of>[^,>]+)(?:,\s*(?P<most>\d+))?>")
_ARRAY = re.compile(r"(?P<of>[^\[]+)\[(?P<count>\d+)\]")
_DTYPES = {"double": "d", "float": "f", "uint8": "B", "int8": "b", "uint16": "H", "int16": "h"} | {
    "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
}  # fmt: skip
_USUAL: dict[str, dict[str, Any]] = {
    "AudioChunk": {"stream_id": "stream", "sample_rate": 48_000, "channels": 1, "samples": [0.0] * 480},
    "Quaternion": {"w": 1.0},
    "Header": {"frame_id": "world"},
    "MaterialEstimate": {"probabilities": [0.125] * 8, "log10_youngs_modulus_std": 0.5},
    "JointState": {"name": ["left_driver_joint"], "position": [0.1]},
}


class Hostile:
    """Makes messages.

    Args:
        words: texts beside :data:`WORDS` that a node looks for, such as the name of its vocabulary.
    """

    def __init__(self, seed: int, words: Sequence[str] = ()) -> None:
        self._words = (*WORDS, *words, *words, *words, *words)
        self._random = random.Random(seed)
        self._numpy = np.random.default_rng(seed)
        self._large = False  # whether the next text is one of millions of characters

    def message(self, kind: type[Any], *, depth: int = 0) -> Any:
        """A message of this class that its own checks allow."""
        made = kind()
        for field, value in _USUAL.get(kind.__name__, {}).items():
            setattr(made, field, value)
        if kind.__name__ == "Header":
            made.stamp.sec = int(time.time()) - 1
        if kind.__name__ == "MaterialEstimate" and len(self._words) > len(WORDS):
            made.vocabulary = self._words[-1]
        if kind.__name__ == "ContactEvent":
            made.contact_id = f"c{self._random.randrange(10**9)}"
        if kind.__name__ == "Time" and self._random.random() < 0.7:
            made.sec = int(time.time()) + self._random.choice((-2, -1, -1, 0, 0, 1, 30))
            return made
        # Half of them keep most fields as they usually are: one extreme field in a good message comes farther.
        rate = self._random.choice((0.15, 1.0))
        for field, text in kind.get_fields_and_field_types().items():
            if self._random.random() < rate:
                setattr(made, field, self._value(text, depth))
        if kind.__name__ == "TransformStamped":
            _apart(made)
        return made

    def data(self, kind: type[Any]) -> bytes:
        """What comes over the wire: a whole message, one cut off, with bits flipped, with a wrong length, or noise."""
        self._large = self._random.random() < 0.002
        whole = bytes(serialize_message(self.message(kind)))
        how, rnd = self._random.random(), self._random
        if how < 0.4:
            return whole
        broken = bytearray(whole)
        if how < 0.65:
            return whole[: max(4, rnd.randrange(len(whole) + 1))]
        if how < 0.85:
            for _ in range(rnd.randint(1, 8)):
                broken[rnd.randrange(4, len(broken)) if len(broken) > 4 else 0] ^= 1 << rnd.randrange(8)
            return bytes(broken)
        if how < 0.97 and len(broken) >= 12:
            at = 4 + 4 * rnd.randrange((len(broken) - 4) // 4)
            broken[at : at + 4] = rnd.choice(
                (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00" * 4)
            )
            return bytes(broken)
        return whole[:4] + rnd.randbytes(rnd.choice((0, 1, 3, 64, 5000)))

    # ---- fields ------------------------------------------------------------------------------------------
    def _value(self, text: str, depth: int) -> Any:
        if found := _SEQUENCE.fullmatch(text):
            most = int(found["most"] or 10**9)
            return self._many(found["of"], min(self._random.choice(LENGTHS), most), depth)
        if found := _ARRAY.fullmatch(text):
            return self._many(found["of"], int(found["count"]), depth, fixed=True)
        return self._one(text, depth)

    def _many(self, of: str, count: int, depth: int, *, fixed: bool = False) -> Any:
        if of in _DTYPES:
            values = self._numbers(of, count)
            return values if fixed else values.tolist()
        if "/" in of:
            count = count if fixed else min(count, 12 if depth else 40)
        return [self._one(of, depth) for _ in range(count)]

    def _numbers(self, of: str, count: int) -> Any:
        """Mostly one kind of number: a whole picture of zeros, a sound of NaN; sometimes all mixed."""
        pool = DOUBLES if of == "double" else FLOATS if of == "float" else INTEGERS[of]
        if of in ("double", "float") and self._random.random() < 0.3:
            return self._numpy.standard_normal(count).astype(_DTYPES[of])
        chosen = pool if self._random.random() < 0.3 else (self._random.choice(pool),)
        return np.array([self._random.choice(chosen) for _ in range(count)], dtype=_DTYPES[of])

    def _one(self, text: str, depth: int) -> Any:
        rnd = self._random
        if text in ("double", "float"):
            return rnd.choice(DOUBLES if text == "double" else FLOATS)
        if text == "boolean":
            return rnd.random() < 0.5
        if text in INTEGERS:
            low, high = INTEGERS[text]
            small = rnd.choice((low, high, high - 1, 0, 1, 2, 3, 7, 100, 480, 48_000, high // 2 + 1))
            made = min(max(small, low), high)
            return bytes([made]) if text in ("octet", "byte") else made
        if text.startswith(("string", "wstring")):
            if self._large:
                self._large = False
                return "y" * rnd.choice((1_000_000, 10_000_000))
            return rnd.choice(self._words)
        package, name = text.split("/")
        return self.message(message_class(f"{package}/msg/{name}"), depth=depth + 1)


def _apart(transform: Any) -> None:
    """A transform that could be true moves no frame of the robot: nobody could tell it from a true one."""
    q = transform.transform.rotation
    with np.errstate(all="ignore"):
        length = float(
            np.sqrt(np.float64(q.x) ** 2 + np.float64(q.y) ** 2 + np.float64(q.z) ** 2 + np.float64(q.w) ** 2)
        )
    if 0.5 < length < 2.0 and len(transform.child_frame_id) < 1000:
        transform.child_frame_id = f"odd_{transform.child_frame_id}"
