"""Where the tip was over the last seconds, from measured poses of the tool.

Poses are kept, and the tip is applied when they are read: where it becomes known late, no step is left in the motion,
as there is none in a recording, which is read with one tip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.se3 import SE3, stack
from foley_perception.stamped_history import History, VectorHistory

Array = NDArray[np.float64]
Times = NDArray[np.int64]


class _Tool:
    """A pose of the tool with its tip, by the transform that the tip was last computed with."""

    __slots__ = ("pose", "tip", "tx_tool_tip")

    def __init__(self, pose: SE3) -> None:
        self.pose = pose
        self.tx_tool_tip: SE3 | None = None
        self.tip: Array | None = None


class TipHistory(VectorHistory):
    """Positions [3] of the tip in the frame of the poses.

    Args:
        tool_pose: one pose of the tool of an item, None if it has none; may raise ``NotYet``.
        tx_tool_tip: where the tip is seen from the tool. While it gives the same object, nothing is computed again.
        known: see :class:`~foley_perception.stamped_history.History`.
    """

    def __init__(
        self,
        tool_pose: Callable[[Any], SE3 | None],
        tx_tool_tip: Callable[[], SE3],
        *,
        known: Callable[[], int] = lambda: 0,
    ) -> None:
        def decode(item: Any) -> Any:
            pose = tool_pose(item)
            return None if pose is None else _Tool(pose)

        super().__init__(decode, known=known)
        self._find_tip = tx_tool_tip
        self._tx_tool_tip = SE3.identity()

    def tools(self, start_ns: int, end_ns: int) -> tuple[Times, SE3]:
        """Stamps [n] within [start, end] and poses [n] of the tool, where its tip is known."""
        with self._lock:
            self._begin_reading()
            found = [
                (item.time_ns, item.value.pose)
                for item in self._items
                if start_ns <= item.time_ns <= end_ns and self._value(item) is not None
            ]
        times = np.array([time_ns for time_ns, _ in found], dtype=np.int64)
        return times, stack([pose for _, pose in found]) if found else SE3.identity(0)

    def _begin_reading(self) -> None:
        self._tx_tool_tip = self._find_tip()

    def _value(self, item: Any) -> Array | None:
        tool: Any = History._value(self, item)
        if tool is None:
            return None
        if tool.tx_tool_tip is not self._tx_tool_tip:
            tip = np.asarray(tool.pose.apply(self._tx_tool_tip.translation))
            tool.tip = tip if bool(np.isfinite(tip).all()) else None
            tool.tx_tool_tip = self._tx_tool_tip
        vector: Array | None = tool.tip
        return vector
