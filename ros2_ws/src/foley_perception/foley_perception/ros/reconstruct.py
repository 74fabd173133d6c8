"""`~/reconstruct_scene`: a recorded scan to a scene of Gaussians, with progress; one goal at a time.

The worker's thread computes; the executor's thread looks for its end, for a cancelled goal and for a passed deadline. A
run that is stopped leaves what it had, and its state, in the output folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.task import Future

from foley_msgs.action import ReconstructScene
from foley_ros.node import FoleyNode

CHECK_PERIOD_S = 0.05
_Result = ReconstructScene.Result


class Reconstructor:
    """The action server. It lives as long as the node and accepts goals only while the node is active and idle.

    Args:
        put: queues a job for the node's worker.
        options: fields of OptimiseConfig, without `steps`.
    """

    def __init__(
        self,
        node: FoleyNode[Any],
        put: Callable[[Callable[[], None]], None],
        options: Callable[[], dict[str, Any]],
    ) -> None:
        self._node, self._put, self._options = node, put, options
        self.busy = False
        self.done = self.failed = 0
        self._server = ActionServer(
            node,
            ReconstructScene,
            "~/reconstruct_scene",
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def _on_goal(self, goal: ReconstructScene.Goal) -> GoalResponse:
        usable = self._node.active and not self.busy and goal.deadline >= 0.0 and goal.source and goal.output
        self.busy = self.busy or bool(usable)
        return GoalResponse.ACCEPT if usable else GoalResponse.REJECT

    async def _execute(self, handle: ServerGoalHandle) -> _Result:
        accepted_ns = self._node.now_ns()
        finished: Future = Future(executor=self._node.executor)
        results: list[_Result] = []  # filled by the worker, taken up by the timer in the executor's thread
        reports: list[ReconstructScene.Feedback] = []
        stop: list[int] = []  # the error code of what ended it early
        goal = handle.request

        def progress(step: int, steps: int, psnr: float, count: int) -> bool:
            reports.append(ReconstructScene.Feedback(step=step, max_steps=steps, psnr=float(psnr)))
            return not stop

        def work() -> None:
            results.append(
                _failed(stop[0], "stopped before it began") if stop else self._run(goal, progress, stop)
            )

        def check() -> None:
            if reports and handle.is_active:
                newest = reports[-1]
                reports.clear()
                handle.publish_feedback(newest)
            if results:
                if not finished.done():
                    finished.set_result(results[0])
            elif not stop:
                waited_s = (self._node.now_ns() - accepted_ns) / 1e9
                if handle.is_cancel_requested or not self._node.active:
                    stop.append(_Result.ERROR_CANCELLED)
                elif 0.0 < goal.deadline < waited_s:
                    stop.append(_Result.ERROR_DEADLINE)

        timer = self._node.create_timer(CHECK_PERIOD_S, check)
        self._put(work)
        try:
            result: _Result = await finished
        finally:
            self._node.destroy_timer(timer)
            self.busy = False
        if result.error_code == _Result.ERROR_NONE:
            self.done += 1
            handle.succeed()
        elif result.error_code == _Result.ERROR_CANCELLED and handle.is_cancel_requested:
            handle.canceled()
        else:
            self.failed += 1
            handle.abort()
        return result

    def _run(self, goal: ReconstructScene.Goal, progress: Any, stop: list[int]) -> _Result:
        """In the worker's thread."""
        try:
            from foley_perception.gaussians.reconstruction.optimise import OptimiseConfig
            from foley_perception.gaussians.reconstruction.reconstruct import TooFewViews, reconstruct
            from foley_perception.scene.scan import ScanError, read_scan
        except ModuleNotFoundError as error:
            text = f"{error.name} is not installed; set up with FOLEY_EXTRAS='learn scene'"
            return _failed(_Result.ERROR_OPTIMISATION, text)
        try:
            scan = read_scan(goal.source)
            config = OptimiseConfig(steps=int(goal.max_steps), **self._options())
            made = reconstruct(scan, Path(goal.output), config, progress=progress)
        except TooFewViews as error:
            return _failed(_Result.ERROR_TOO_FEW_IMAGES, str(error))
        except ScanError as error:
            return _failed(_Result.ERROR_BAD_SOURCE, str(error))
        except OSError as error:
            return _failed(_Result.ERROR_NOT_WRITABLE, f"{goal.output}: {error}")
        except Exception as error:  # noqa: BLE001 - the client has to be told
            return _failed(_Result.ERROR_OPTIMISATION, f"{type(error).__name__}: {error}")
        result = _Result(
            ply_path=str(made.folder / "scene.ply"),
            psnr=math.nan if made.psnr is None else made.psnr,
            gaussians=made.gaussians,
        )
        if stop and not made.finished:
            words = {_Result.ERROR_CANCELLED: "cancelled", _Result.ERROR_DEADLINE: "the deadline passed"}
            result.error_code, result.error_msg = stop[0], f"{words[stop[0]]} after {made.step} steps"
        return result


def _failed(code: int, message: str) -> _Result:
    return _Result(error_code=code, error_msg=message, psnr=math.nan)
