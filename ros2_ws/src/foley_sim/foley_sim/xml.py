"""Small helps to write MJCF and URDF."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

VISUAL = {"contype": "0", "conaffinity": "0", "mass": "0"}
"""Of a geom that is only looked at."""


def add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, attributes)


def text(values: Sequence[float] | NDArray[np.float64]) -> str:
    return " ".join(f"{float(v):.9g}" for v in values)
