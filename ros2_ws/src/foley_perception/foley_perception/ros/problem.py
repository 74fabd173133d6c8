"""What went wrong lately, for a node's log and its diagnostics."""

from __future__ import annotations

from rclpy.node import Node

_SHOWN_NS = 10_000_000_000


class RecentProblem:
    """Logs a problem when it is new, and shows it for ten seconds after it was last seen. Any thread may report."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen = (0, "")

    def report(self, text: str) -> None:
        if self._seen[1] != text:
            self._node.get_logger().warning(text)
        self._seen = (self._now_ns(), text)

    @property
    def text(self) -> str:
        """Empty if there was none lately."""
        time_ns, text = self._seen
        return text if self._now_ns() - time_ns < _SHOWN_NS else ""

    def clear(self) -> None:
        self._seen = (0, "")

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
