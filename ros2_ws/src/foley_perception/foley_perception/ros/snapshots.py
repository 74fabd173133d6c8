"""`~/snapshot`: the last seconds into a bag of their own, while the executor goes on."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Awaitable
from typing import Any

from rclpy.executors import Executor
from rclpy.task import Future

from foley_msgs.srv import SaveSnapshot
from foley_perception.recording.disk import check_folder
from foley_perception.recording.errors import BagError, NoSpaceError, NotWritableError
from foley_perception.recording.recording import RecordingResult
from foley_perception.recording.ring import Kept, MessageRing
from foley_perception.ros.recording import Ground, Plan, planned, statistics_message

_CODES: dict[type[BagError], int] = {
    NoSpaceError: SaveSnapshot.Response.ERROR_NO_SPACE,
    NotWritableError: SaveSnapshot.Response.ERROR_NOT_WRITABLE,
}


class Snapshots:
    """Writes them, each in a thread of its own."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def close(self) -> None:
        """Waits for those that are being written."""
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    async def take(
        self,
        ring: MessageRing | None,
        ground: Ground,
        request: Any,
        response: Any,
        now_ns: int,
        executor: Executor | None,
    ) -> Any:
        """Answer SaveSnapshot when the bag is whole."""
        try:
            kept = _asked(ring, request, now_ns)
        except ValueError as error:
            response.error_code = (
                response.ERROR_BAD_DURATION if ring is not None and ring.bytes else response.ERROR_NOT_KEPT
            )
            response.error_msg = str(error)
            return response
        try:
            length_s = (kept.end_ns - kept.start_ns) * 1e-9
            plan = planned(ground, request, kept.start_ns, length_s, snapshot=True)
            check_folder(plan.folder, round(ground.config.min_free_mb * 2**20) + kept.bytes)
            result = await self._written(plan, kept, executor)
        except BagError as error:
            return _refused(response, error)
        response.path, response.session_id = str(result.path), plan.session_id
        response.duration, response.bytes = result.duration_s, result.bytes
        response.topics = [statistics_message(report) for report in result.topics]
        response.findings = list(result.findings)
        return _refused(response, result.failure) if result.failure is not None else response

    def _written(self, plan: Plan, kept: Kept, executor: Executor | None) -> Awaitable[RecordingResult]:
        done: Future = Future(executor=executor)

        def write() -> None:
            try:
                result = _write(plan, kept)
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                told = error if isinstance(error, BagError) else BagError(f"{plan.folder}: {error!r}")
                done.set_exception(told)
            else:
                done.set_result(result)
            if executor is not None:
                with contextlib.suppress(Exception):  # it may have ended meanwhile
                    executor.wake()

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=write, name="snapshot")
        self._threads.append(thread)
        thread.start()
        return done


def _asked(ring: MessageRing | None, request: Any, now_ns: int) -> Kept:
    """Raises ValueError where there is nothing, or `last` can be no length."""
    if ring is None:
        raise ValueError(
            "nothing is kept in memory; set the parameter `snapshot_s` above 0, and configure anew"
        )
    if not ring.bytes:
        raise ValueError("nothing has arrived that could be kept")
    if not (math.isfinite(request.last) and request.last >= 0):
        raise ValueError(f"last is {request.last} s, must not be negative; 0: all that is kept")
    kept = ring.last(request.last, now_ns)
    if kept is None:
        raise ValueError(f"nothing arrived in the last {request.last:g} s")
    return kept


def _write(plan: Plan, kept: Kept) -> RecordingResult:
    recording = plan.begin(kept.latched)
    for topic, message in kept.messages:
        recording.wait()  # for each: some tens of large images are more than the queue holds
        recording.add(topic, message)
    return recording.finish(kept.end_ns)


def _refused(response: Any, error: BagError) -> Any:
    response.error_code = _CODES.get(type(error), response.ERROR_BAD_METADATA)
    response.error_msg = str(error)
    return response
