"""The vertices of a PLY file as a table (the format: Turk 1994), as far as scenes of Gaussians need it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
_HEADER_MAX = 65_536
_VERTEX = "vertex"


@dataclasses.dataclass(frozen=True)
class _Element:
    """One table of the file: its rows, and each column's name and type, which is None for a list."""

    name: str
    count: int
    columns: list[tuple[str, str | None]]

    def dtype(self, order: str) -> np.dtype[Any]:
        """
        Raises:
            ValueError: it holds a list, or a name twice.
        """
        if any(kind is None for _, kind in self.columns):
            raise ValueError(f"a {self.name} holds a list")
        return np.dtype([(name, f"{order}{kind}") for name, kind in self.columns])


def read_vertices(data: bytes) -> NDArray[Any]:
    """The element `vertex`, [n] rows with a field for each property.

    Raises:
        ValueError: no PLY, of a layout that is not read, or cut short; the message names the cure where there is one.
    """
    layout, elements, begin = _header(data)
    _refuse_packed(elements)
    body = memoryview(data)[begin:]
    if layout == "ascii":
        return _ascii_vertices(bytes(body), elements)
    for element in elements:
        dtype = element.dtype(_ORDERS[layout])
        size = element.count * dtype.itemsize
        if element.name != _VERTEX:
            body = body[size:]
            continue
        if len(body) < size:
            raise ValueError(
                f"{len(body) // max(dtype.itemsize, 1)} of the {element.count} vertices that the header names are "
                "there; copy it again"
            )
        return np.frombuffer(body, dtype=dtype, count=element.count)
    raise ValueError("it has no vertices")


def _ascii_vertices(body: bytes, elements: list[_Element]) -> NDArray[Any]:
    """One row a line, whatever it holds."""
    lines = body.decode("ascii").splitlines()
    for element in elements:
        if element.name != _VERTEX:
            lines = lines[element.count :]
            continue
        names = element.dtype("=").names or ()
        rows = [tuple(map(float, line.split())) for line in lines[: element.count]]
        if len(rows) < element.count or any(len(row) != len(names) for row in rows):
            raise ValueError(
                f"fewer than the {element.count} vertices that the header names, or rows too short"
            )
        return np.array(rows, dtype=[(name, "f8") for name in names])
    raise ValueError("it has no vertices")


def _header(data: bytes) -> tuple[str, list[_Element], int]:
    """Layout, elements and where the body begins. Lines end as Unix, Windows or old Macs end them."""
    if data[:2] == b"\x1f\x8b":
        raise ValueError("no PLY header: it is packed with gzip; unpack it, or export .spz as PLY")
    if data[:3] != b"ply" or data[3:4] not in (b"\n", b"\r"):
        raise ValueError("no PLY header: it does not begin with `ply`")
    end = b"\n" if b"\n" in data[3:5] else b"\r"
    layout, elements, at, number = "", list[_Element](), 0, 0
    while True:
        stop = data.find(end, at, _HEADER_MAX)
        if stop < 0:
            raise ValueError("no PLY header: its `end_header` is missing")
        text = data[at:stop].decode("utf-8", "replace")  # comments may hold anything
        at, number = stop + 1, number + 1
        words = text.split()
        try:
            match words:
                case ["end_header", *_]:
                    break
                case ["format", layout, _]:
                    if layout not in _ORDERS:
                        raise ValueError(f"format `{layout}` is not known")
                case ["element", name, count]:
                    elements.append(_Element(name, _count(count), []))
                case ["property", "list", _, _, name]:
                    elements[-1].columns.append((name, None))
                case ["property", kind, name]:
                    elements[-1].columns.append((name, _TYPES[kind]))
                case ["format" | "element" | "property", *_]:
                    raise ValueError("it is malformed")
        except (ValueError, LookupError) as error:
            why = error if isinstance(error, ValueError) else "its type is not known, or it is of no element"
            raise ValueError(
                f"no PLY header that can be read: line {number}, `{text[:60].strip()}`: {why}"
            ) from error
    if not layout:
        raise ValueError("no PLY header that can be read: it names no format")
    return layout, elements, at


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError("its number of rows is no count")
    return int(text)


def _refuse_packed(elements: list[_Element]) -> None:
    vertex = next((element for element in elements if element.name == _VERTEX), None)
    if vertex is None:
        raise ValueError("it has no vertices")
    if any(name.startswith("packed_") for name, _ in vertex.columns):
        raise ValueError(
            "it is PlayCanvas' compressed layout; export it as plain PLY, as with "
            "`splat-transform x.compressed.ply x.ply`"
        )
