"""The action `make_contact`: contacts that somebody asks for, one at a time, carried out before what is explored.

The executor's thread takes goals and answers them; the world's thread, which alone may touch the world, is shown the
goal at hand after every stride (`attend`). The answer comes when the arm rests again. A cancelled goal, and one past
its deadline, is answered at once while the arm rises.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.task import Future

from foley_common.enumerations import action_label
from foley_common.plan_ids import plan_id_of
from foley_common.times import NS_PER_S
from foley_msgs.action import MakeContact
from foley_ros import convert
from foley_ros.node import FoleyNode
from foley_sim.motion.requested import ContactRefused, ContactRequest, Refusal, target_of
from foley_sim.robots.actions import Plan
from foley_sim.ros.encode import WORLD
from foley_sim.world.readings import Batch
from foley_sim.world.requested_touch import RequestedTouch, Stage
from foley_sim.world.world import World

NAME = "make_contact"
CHECK_PERIOD_S = 0.02
LONGEST_S = 60.0  # of a goal without a deadline
_Result = MakeContact.Result
_CODES = {
    Refusal.OUT_OF_REACH: _Result.ERROR_OUT_OF_REACH,
    Refusal.BAD_CONTACT: _Result.ERROR_BAD_CONTACT,
}


@dataclasses.dataclass(eq=False)
class _Job:
    """The goal at hand. Every field is written by one thread and read by the other."""

    request: ContactRequest
    touch: RequestedTouch | None = None
    stage: Stage = Stage.WAITING
    result: _Result | None = None
    told: str = dataclasses.field(default="", compare=False)  # newest feedback


class ContactServer:
    """The action server. It lives as long as the node and accepts goals only while the node is active."""

    def __init__(self, node: FoleyNode[Any]) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._job: _Job | None = None
        self._given_up = False  # the arm shall leave what an abandoned goal began
        self.made = self.refused = 0
        self._server = ActionServer(
            node,
            MakeContact,
            NAME,
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    # ---- world thread ----------------------------------------------------------------------------------------
    def attend(self, world: World, batch: Batch, origin_ns: int) -> None:
        """Begin, follow or give up the contact at hand, after the world has delivered ``batch``.

        Args:
            origin_ns: ROS time of simulation time 0.
        """
        with self._lock:
            job, given_up, self._given_up = self._job, self._given_up, False
        if given_up:
            world.retreat()
        if job is None or job.result is not None:
            return
        if job.touch is None:
            try:
                target = target_of(world.scene, world.policy, job.request)
            except ContactRefused as refused:
                job.result = _failed(_CODES[refused.refusal], str(refused))
                return
            job.touch = RequestedTouch(world, target)
            return
        stage = job.touch.take(batch)
        if stage in _ENDS:
            job.result = self._ended(world, job.touch, stage, origin_ns)
        job.stage = stage

    def _ended(self, world: World, touch: RequestedTouch, stage: Stage, origin_ns: int) -> _Result:
        code, said = _ENDS[stage]
        plan = touch.plan
        assert plan is not None
        if stage is Stage.NOT_TOUCHED:
            met = f"`{touch.contact.object_id}` instead" if touch.contact is not None else "nothing"
            said = f"`{plan.target.object_id}` was to be touched; the tip met {met}"
        return _Result(
            error_code=code,
            error_msg=said,
            contact_time=convert.to_stamp(origin_ns + plan.contact_ns),
            plan_id=_name_of(plan, world, origin_ns),
        )

    # ---- executor's thread -----------------------------------------------------------------------------------
    def _on_goal(self, goal: MakeContact.Goal) -> GoalResponse:
        usable = self._node.active and goal.deadline >= 0.0  # NaN is not
        return GoalResponse.ACCEPT if usable else GoalResponse.REJECT

    async def _execute(self, handle: ServerGoalHandle) -> _Result:
        result = await self._carry_out(handle)
        if result.error_code == _Result.ERROR_NONE:
            self.made += 1
            handle.succeed()
            return result
        self.refused += 1
        if result.error_code == _Result.ERROR_CANCELLED and handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result

    async def _carry_out(self, handle: ServerGoalHandle) -> _Result:
        goal, accepted_ns = handle.request, self._node.now_ns()
        if self._job is not None:
            return _failed(_Result.ERROR_BUSY, "another contact is being made; ask again when it is answered")
        try:
            job = _Job(_request_of(goal))
        except ContactRefused as refused:
            return _failed(_CODES[refused.refusal], str(refused))
        done: Future = Future(executor=self._node.executor)
        deadline_s = goal.deadline or LONGEST_S
        self._job = job

        def check() -> None:
            if done.done():
                return
            self._tell(handle, job)
            if job.result is not None:
                done.set_result(job.result)
            elif handle.is_cancel_requested:
                done.set_result(_failed(_Result.ERROR_CANCELLED, "cancelled; the arm rises"))
            elif not self._node.active:
                done.set_result(_failed(_Result.ERROR_CANCELLED, "the node was deactivated"))
            elif (self._node.now_ns() - accepted_ns) / NS_PER_S > deadline_s:
                said = f"not done within {deadline_s} s: {job.stage.value}; the arm rises"
                done.set_result(_failed(_Result.ERROR_DEADLINE, said))

        timer = self._node.create_timer(CHECK_PERIOD_S, check)
        try:
            result: _Result = await done
        finally:
            self._node.destroy_timer(timer)
            with self._lock:
                self._job, self._given_up = None, job.result is None
        return result

    def _tell(self, handle: ServerGoalHandle, job: _Job) -> None:
        stage = job.stage.value
        if stage != job.told and job.stage in _STAGES and handle.is_active:
            job.told = stage
            handle.publish_feedback(MakeContact.Feedback(stage=stage))


_STAGES = (Stage.APPROACH, Stage.CONTACT, Stage.RETREAT)
_ENDS = {
    Stage.TOUCHED: (_Result.ERROR_NONE, ""),
    Stage.NOT_TOUCHED: (_Result.ERROR_NOT_TOUCHED, ""),
    Stage.GIVEN_UP: (_Result.ERROR_CANCELLED, "somebody steers the arm (teleop/target_pose)"),
}


def _request_of(goal: MakeContact.Goal) -> ContactRequest:
    """What a goal asks for. Raises ContactRefused where its frame is not the world's."""
    contact = goal.contact
    frame, position, normal = contact.header.frame_id, contact.position, contact.normal
    if frame not in ("", WORLD):
        raise ContactRefused(
            Refusal.BAD_CONTACT,
            f"frame_id is `{frame}`, positions are taken in `{WORLD}`; transform it first",
        )
    given = bool(frame)
    return ContactRequest(
        action=action_label(contact.action),
        object_id=contact.object_id,
        position=(position.x, position.y, position.z) if given else None,
        normal=(normal.x, normal.y, normal.z) if given else (0.0, 0.0, 0.0),
        speed=contact.speed,
    )


def _name_of(plan: Plan, world: World, origin_ns: int) -> str:
    """As everybody names the plan who reads it where it is published."""
    _, positions, _, _ = world.hands[0].robot.plan_points(plan)
    return plan_id_of(origin_ns + plan.start_ns, positions)


def _failed(code: int, message: str) -> _Result:
    return _Result(error_code=code, error_msg=message)
