"""`~/predict_contact`: the sound and the material of a motion that need not be executed.

The goal waits, without holding the executor, for the node's worker. A goal that is cancelled or past its
deadline is answered at once; what the worker still computes for it is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.task import Future

from foley_msgs.action import PredictContact
from foley_msgs.msg import HandTrajectory, MaterialEstimate, PredictedAudio
from foley_ros.node import FoleyNode
from foley_synthesis.live.synthesis_core import CannotPredict, Reason
from foley_synthesis.ros.convert import no_estimate_message

Answer = Callable[[HandTrajectory, int], tuple[PredictedAudio, MaterialEstimate | None]]
CHECK_PERIOD_S = 0.02
LONGEST_S = 60.0  # of a goal without a deadline: its job may have been dropped from a full queue
_Result = PredictContact.Result
_CODES = {
    Reason.NO_IMAGE: _Result.ERROR_NO_IMAGE,
    Reason.NO_CAMERA: _Result.ERROR_NO_IMAGE,
    Reason.NO_POSE: _Result.ERROR_BAD_TRAJECTORY,
    Reason.NO_CONTACT: _Result.ERROR_NO_CONTACT,
    Reason.BAD_TRAJECTORY: _Result.ERROR_BAD_TRAJECTORY,
    Reason.NOT_PREDICTED: _Result.ERROR_INFERENCE,
}


class WhatIf:
    """The action server. It lives as long as the node and accepts goals only while the node is active.

    Args:
        put: queues a job for the node's worker.
        answer: makes the messages of a plan; called in the worker's thread; raises CannotPredict.
    """

    def __init__(
        self, node: FoleyNode[Any], put: Callable[[Callable[[], None]], None], answer: Answer
    ) -> None:
        self._node, self._put, self._answer = node, put, answer
        self._server = ActionServer(
            node,
            PredictContact,
            "~/predict_contact",
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def _on_goal(self, goal: PredictContact.Goal) -> GoalResponse:
        usable = self._node.active and goal.deadline >= 0.0  # NaN is not
        return GoalResponse.ACCEPT if usable else GoalResponse.REJECT

    async def _execute(self, handle: ServerGoalHandle) -> _Result:
        accepted_ns = self._node.now_ns()
        done: Future = Future(executor=self._node.executor)
        working: list[_Result] = []  # filled by the worker, taken up by the timer in the executor's thread
        goal = handle.request
        deadline_s = goal.deadline if goal.deadline > 0.0 else LONGEST_S

        def work() -> None:
            if not done.done():
                self._feedback(handle, "model", 0.3)
                working.append(self._result(goal.trajectory, accepted_ns))

        def check() -> None:
            if done.done():
                return
            waited_s = (self._node.now_ns() - accepted_ns) / 1e9
            if working:
                done.set_result(working[0])
            elif handle.is_cancel_requested:
                done.set_result(_failed(_Result.ERROR_CANCELLED, "cancelled"))
            elif not self._node.active:
                done.set_result(_failed(_Result.ERROR_CANCELLED, "the node was deactivated"))
            elif waited_s > deadline_s:
                done.set_result(_failed(_Result.ERROR_DEADLINE, f"no result within {deadline_s} s"))

        self._feedback(handle, "waiting", 0.0)
        timer = self._node.create_timer(CHECK_PERIOD_S, check)
        self._put(work)
        try:
            result: _Result = await done
        finally:
            self._node.destroy_timer(timer)
        if result.error_code == _Result.ERROR_CANCELLED and handle.is_cancel_requested:
            handle.canceled()
        elif result.error_code == _Result.ERROR_NONE:
            handle.succeed()
        else:
            handle.abort()
        return result

    def _result(self, trajectory: HandTrajectory, accepted_ns: int) -> _Result:
        try:
            audio, material = self._answer(trajectory, accepted_ns)
        except CannotPredict as reason:
            return _failed(_CODES[reason.reason], str(reason))
        except Exception as error:  # noqa: BLE001 - the client has to be told
            return _failed(_Result.ERROR_INFERENCE, f"{type(error).__name__}: {error}")
        material = material or no_estimate_message(self._node.now_ns())
        return _Result(error_code=_Result.ERROR_NONE, predicted=audio, material=material)

    def _feedback(self, handle: ServerGoalHandle, stage: str, progress: float) -> None:
        if handle.is_active:
            handle.publish_feedback(PredictContact.Feedback(stage=stage, progress=progress))


def _failed(code: int, message: str) -> _Result:
    return _Result(error_code=code, error_msg=message)
