"""Poses of the tool from /tf, for a node that has them from nowhere else.

/tf comes at the robot's control rate and holds every link: it is subscribed to when it is first wanted, taken in
batches, and read no further than to what lies between the two frames.
"""

from __future__ import annotations

from collections.abc import Callable

from foley_common import topics
from foley_perception.action.tool_from_tf import ToolFromTf
from foley_perception.geometry.rigid import Rigid
from foley_perception.recording import cdr
from foley_ros.entities import Entities
from foley_ros.polling import Poller


class ToolInTf:
    """Make it in ``setup``; everything runs in the executor's thread.

    Args:
        wanted: whether poses are needed at the moment; while they are not, messages are dropped unread.
        found: is handed a stamp [ns] and a pose of the tool in the fixed frame.
    """

    def __init__(
        self,
        entities: Entities,
        poller: Poller,
        fixed_frame: str,
        tool_frame: str,
        rate_hz: float,
        *,
        wanted: Callable[[], bool],
        found: Callable[[int, Rigid], None],
    ) -> None:
        self._tool = ToolFromTf(fixed_frame, tool_frame, rate_hz)
        self._poller, self._wanted, self._found, self._listening = poller, wanted, found, False
        entities.subscribe(topics.TF_STATIC, self._on_static, raw=True)

    def listen(self) -> None:
        """Subscribe to /tf."""
        if not self._listening:
            self._listening = True
            self._poller.subscribe(topics.TF, self._on_moving, raw=True)

    @property
    def connected(self) -> bool:
        """Whether /tf moves the tool in the fixed frame."""
        return self._tool.connected

    @property
    def problem(self) -> str:
        """Why there are no poses."""
        return self._tool.problem

    @property
    def doubled(self) -> str:
        """Of which frame two robots tell."""
        return self._tool.doubled

    def _on_static(self, data: bytes) -> None:
        self._tool.add_static(cdr.read_transforms(data))

    def _on_moving(self, data: bytes) -> None:
        if self._wanted():
            for time_ns, pose in self._tool.add(cdr.read_transforms(data)):
                self._found(time_ns, pose)
