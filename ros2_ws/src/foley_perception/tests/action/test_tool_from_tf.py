"""Poses of the tool from transforms, message by message."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from foley_perception.action.tool_from_tf import ToolFromTf
from foley_perception.geometry.rigid import Rigid
from foley_perception.recording.cdr import Transform

S = 1_000_000_000
MS = S // 1000


def told(time_ns: int, parent: str, child: str, x: float, w: float = 1.0) -> Transform:
    data = b"\0\1\0\0" + struct.pack("<7d", x, 0.0, 0.0, 0.0, 0.0, np.sqrt(1 - w * w), w)
    return Transform(time_ns, parent, child, data, 4)


def make(static: bool = True) -> ToolFromTf:
    tool = ToolFromTf("world", "tool", 250.0)
    if static:
        tool.add_static([told(0, "hand", "tool", 0.1)])
    return tool


def positions(found: list[tuple[int, Rigid]]) -> dict[int, float]:
    return {time_ns // MS: round(pose[0], 9) for time_ns, pose in found}


def test_one_that_is_told_less_often_is_interpolated() -> None:
    tool, found = make(), []
    for i in range(21):
        batch = [told(S + 10 * i * MS, "base", "hand", 0.01 * i)]
        if i % 4 == 0:
            batch.append(told(S + 10 * i * MS, "world", "base", 0.02 * i))
        found += tool.add(batch)
    # 0.03 a step in all, though the base is told at every fourth alone.
    assert positions(found) == {1000 + 10 * i: round(0.1 + 0.03 * i, 9) for i in range(21)}
    assert tool.problem == "" and tool.connected


def test_one_that_falls_silent_holds_for_a_quarter_of_a_second_and_is_named() -> None:
    tool = make()
    list(tool.add([told(S, "world", "base", 1.0), told(S, "base", "hand", 0.0)]))
    found = [p for i in range(1, 61) for p in tool.add([told(S + 10 * i * MS, "base", "hand", 0.0)])]
    assert max(positions(found)) == 1250 and set(positions(found).values()) == {1.1}
    assert "tf has not told `world` -> `base` for more than 0.25 s" in tool.problem
    late = list(tool.add([told(S + 700 * MS, "world", "base", 2.0), told(S + 700 * MS, "base", "hand", 0.0)]))
    assert positions(late)[1700] == 2.1 and tool.problem == ""


def test_the_rate_is_limited_and_time_may_be_set_back() -> None:
    tool = make()
    found = [p for i in range(1000) for p in tool.add([told(S + i * MS, "world", "hand", 0.0)])]
    assert len(found) == pytest.approx(250, abs=1)
    again = list(tool.add([told(1, "world", "hand", 0.5)]))
    assert positions(again) == {0: 0.6}


def test_frames_that_are_not_connected_and_what_cannot_be_a_transform() -> None:
    tool = make()
    assert not list(tool.add([told(S, "map", "hand", 0.0)]))
    assert "does not connect `tool` with `world`; it has hand, map, tool" in tool.problem
    still = make(static=False)
    still.add_static([told(0, "world", "tool", 0.0)])
    assert "on /tf_static alone: it does not move" in still.problem and not still.connected
    good = make()
    assert not list(good.add([told(S, "world", "hand", np.nan)])) and good.refused == 1
    assert len(list(good.add([told(S + 1, "world", "hand", 0.0)]))) == 1
    assert len(list(good.add([told(S + 2, "world", "hand", 0.0)]))) == 0, "of the same period"


def test_two_robots_of_the_same_names_are_told() -> None:
    tool = make()
    for i in range(20):
        list(tool.add([told(S + 10 * i * MS, "world" if i % 2 else "map", "hand", 0.0)]))
    assert tool.doubled.startswith("tf tells of `hand` both in ") and "two robots" in tool.doubled


@pytest.mark.parametrize("turned", [1.0, 0.8])
def test_the_fixed_frame_may_be_the_one_that_moves(turned: float) -> None:
    tool = ToolFromTf("tool", "world", 250.0)
    ((_, pose),) = tool.add([told(S, "world", "tool", 1.0, w=turned)])
    cosine, sine = 2 * turned**2 - 1, 2 * turned * np.sqrt(1 - turned**2)
    np.testing.assert_allclose(pose[:3], [-cosine, sine, 0.0], atol=1e-12)
