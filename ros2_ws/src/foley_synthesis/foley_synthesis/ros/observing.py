"""`~/observe`: do what is needed to know a predicate.

    known surely and freshly? -- yes --> answered
      | no
    suggested contact --> `make_contact` of the robot --> snapshot with that contact --> again

until it is known, or the budget of time and contacts is spent. The robot moves for one goal at a time; another goal is
refused meanwhile. A contact after which no new belief comes has told nothing and counts all the same; two of these in a
row end it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse
from rclpy.action.client import ClientGoalHandle
from rclpy.action.server import ServerGoalHandle

from foley_common.predicate_view import Fact
from foley_common.times import NS_PER_S
from foley_msgs.action import MakeContact, Observe
from foley_msgs.msg import ContactSuggestion, Predicate
from foley_ros import convert
from foley_ros.node import FoleyNode
from foley_synthesis.live.advisor_config import AdvisorConfig
from foley_synthesis.live.advisor_core import Advice, AdvisorCore, known_surely
from foley_synthesis.live.asked_predicates import UnknownName, UnknownObject
from foley_synthesis.ros.advisor_messages import actions_of, suggestion_message
from foley_synthesis.ros.waiting import until, worked

MOST_CONTACTS = 8  # where nobody says
MOST_UNHEARD = 2  # contacts in a row, after which the robot is not sent again
EARLIER_NS = (
    NS_PER_S // 2
)  # by which a contact's onset may lie before the time at which it was meant to touch
_Result = Observe.Result
_Made = MakeContact.Result


class _Ended(Exception):
    """The observation ends, with this code and sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(eq=False)
class _Run:
    """One goal that is being worked on."""

    handle: ServerGoalHandle
    core: AdvisorCore
    config: AdvisorConfig
    began_ns: int
    contacts: int = 0
    unheard: int = 0  # in a row

    @property
    def goal(self) -> Observe.Goal:
        return self.handle.request

    @property
    def fact(self) -> Fact | None:
        return self.core.fact(self.goal.predicate, list(self.goal.arguments))

    def known(self, now_ns: int) -> bool:
        goal = self.goal
        return known_surely(
            self.fact, now_ns, least_confidence=goal.least_confidence, greatest_age_s=goal.greatest_age
        )


class Observations:
    """The action server. It lives as long as the node and accepts goals only while the node is active and idle.

    Args:
        core, config: of the configured node.

    Attributes:
        busy: whether a goal is being worked on.
    """

    def __init__(
        self, node: FoleyNode[Any], core: Callable[[], AdvisorCore], config: Callable[[], AdvisorConfig]
    ) -> None:
        self._node, self._core, self._config = node, core, config
        self.busy = False
        self.done = self.undecided = 0
        self._robot = ActionClient(node, MakeContact, "make_contact")
        self._server = ActionServer(
            node,
            Observe,
            "~/observe",
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def _on_goal(self, goal: Observe.Goal) -> GoalResponse:
        if self.busy:
            self._node.get_logger().warning(
                f"`{goal.predicate}` is not observed: the robot is busy with another observation; ask again after it"
            )
        if self.busy or not self._node.active:
            return GoalResponse.REJECT
        self.busy = True
        return GoalResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> _Result:
        run = _Run(handle, self._core(), self._config(), self._node.now_ns())
        code, said = _Result.ERROR_NONE, ""
        try:
            self._check(run)
            await self._observe(run)
        except _Ended as end:
            code, said = end.code, str(end)
        except UnknownName as error:
            code, said = _Result.ERROR_UNKNOWN_NAME, str(error)
        except UnknownObject as error:
            code, said = _Result.ERROR_UNKNOWN_OBJECT, str(error)
        except ValueError as error:
            code, said = _Result.ERROR_BAD_GOAL, str(error)
        finally:
            self.busy = False
        now_ns = self._node.now_ns()
        result = _Result(
            error_code=code,
            error_msg=said,
            predicate=_message(run, now_ns),
            contacts=run.contacts,
            duration=(now_ns - run.began_ns) / NS_PER_S,
        )
        if code == _Result.ERROR_NONE:
            self.done += 1
            handle.succeed()
        elif code == _Result.ERROR_CANCELLED and handle.is_cancel_requested:
            handle.canceled()
        else:
            self.undecided += 1
            handle.abort()
        return result

    def _check(self, run: _Run) -> None:
        """Raises ValueError and its kinds."""
        goal = run.goal
        if not (goal.least_confidence == 0 or 0.5 <= goal.least_confidence < 1):
            raise ValueError(f"least_confidence is {goal.least_confidence}, must be 0, or in [0.5, 1)")
        for name in ("greatest_age", "budget"):
            if not 0 <= getattr(goal, name) < math.inf:
                raise ValueError(f"{name} is {getattr(goal, name)} s, must be at least 0")
        actions_of(goal.actions)
        run.core.check(goal.predicate, list(goal.arguments))

    def _halt(self, run: _Run) -> None:
        """Raises _Ended where the goal is not wanted any more."""
        if run.handle.is_cancel_requested:
            raise _Ended(_Result.ERROR_CANCELLED, "cancelled")
        if not self._node.active:
            raise _Ended(_Result.ERROR_NOT_ACTIVE, "the node was deactivated")

    async def _observe(self, run: _Run) -> None:
        """Returns when it is known. Raises _Ended, UnknownObject."""
        most = run.goal.most_contacts or MOST_CONTACTS
        while True:
            self._halt(run)
            if run.known(self._node.now_ns()):
                return
            if run.contacts >= most:
                raise _Ended(_Result.ERROR_BUDGET, f"still UNKNOWN after {run.contacts} contacts")
            self._tell(run, "asking")
            contact = await self._suggested(run)
            self._tell(run, "touching")
            before_ns = run.core.newest_ns(contact.object_id)
            made = await self._made(run, contact)
            run.contacts += 1
            self._tell(run, "listening")
            await self._heard(run, contact, made, before_ns)

    async def _suggested(self, run: _Run) -> ContactSuggestion:
        goal, core = run.goal, run.core
        left_s = math.inf
        if goal.budget:
            left_s = goal.budget - (self._node.now_ns() - run.began_ns) / NS_PER_S
        arguments, actions = list(goal.arguments), actions_of(goal.actions)

        def given_up() -> bool:
            self._halt(run)
            return False

        advice: Advice | None = await worked(
            self._node,
            lambda: core.suggest(
                goal.predicate, arguments, actions, budget_s=left_s, most=1,
                least_confidence=goal.least_confidence,
            ),
            given_up,
        )  # fmt: skip
        if advice is None or not advice.contacts:
            said = advice.note if advice is not None else "nothing was suggested"
            raise _Ended(_Result.ERROR_BUDGET, f"still UNKNOWN: {said}")
        chosen = advice.contacts[0]
        frame = core.frame_of(chosen.contact.object_id)
        return suggestion_message(chosen, frame, self._node.now_ns(), run.config.contact_speed)

    async def _made(self, run: _Run, contact: ContactSuggestion) -> _Made:
        """The robot's answer. Raises _Ended."""
        if not self._robot.server_is_ready():
            raise _Ended(
                _Result.ERROR_NO_ROBOT, "nobody serves `make_contact`: start the robot's server of it"
            )
        patience_s = run.config.move_patience_s
        end_ns = self._node.now_ns() + round((patience_s + 1.0) * NS_PER_S)
        sent = self._robot.send_goal_async(MakeContact.Goal(contact=contact, deadline=patience_s))
        remote: list[ClientGoalHandle] = []

        def wait(future: Any) -> Callable[[], Any]:
            def look() -> Any:
                self._halt(run)
                if self._node.now_ns() > end_ns or not self._robot.server_is_ready():
                    raise _Ended(_Result.ERROR_NO_ROBOT, "`make_contact` does not answer")
                return future.result() if future.done() else None

            return look

        try:
            remote.append(await until(self._node, wait(sent)))
            if not remote[0].accepted:
                raise _Ended(_Result.ERROR_NO_ROBOT, "the robot refused the contact: is it busy?")
            made: _Made = (await until(self._node, wait(remote[0].get_result_async()))).result
        except _Ended:
            self._stop(sent)
            raise
        if made.error_code != _Made.ERROR_NONE:
            raise _Ended(
                _Result.ERROR_NOT_TOUCHED, f"`{contact.object_id}` was not touched: {made.error_msg}"
            )
        return made

    @staticmethod
    def _stop(sent: Any) -> None:
        """Cancel a contact, also one that is not accepted yet."""

        def cancel(future: Any) -> None:
            if not future.cancelled() and future.exception() is None and future.result().accepted:
                future.result().cancel_goal_async()

        sent.add_done_callback(cancel)

    async def _heard(self, run: _Run, contact: ContactSuggestion, made: _Made, before_ns: int) -> None:
        """Wait for a snapshot with the contact, or until it is late."""
        began_ns = self._node.now_ns()
        meant_ns = convert.to_ns(made.contact_time) or began_ns
        since_ns = max(meant_ns - EARLIER_NS, before_ns + 1)
        end_ns = max(began_ns, meant_ns) + round(run.config.listen_s * NS_PER_S)

        def look() -> bool | None:
            self._halt(run)
            if run.core.heard_since(contact.object_id, since_ns):
                return True
            return False if self._node.now_ns() > end_ns else None

        if await until(self._node, look):
            run.unheard = 0
            self._node.faults.clear("observe")
            return
        run.unheard += 1
        said = f"no belief came of the contact with `{contact.object_id}`: it was not heard, or as another object"
        self._node.report("observe", said)
        if run.unheard >= MOST_UNHEARD:
            raise _Ended(_Result.ERROR_NOT_TOUCHED, f"{said}, {run.unheard} times in a row")

    def _tell(self, run: _Run, stage: str) -> None:
        fact = run.fact
        if run.handle.is_active:
            probability = fact.probability if fact is not None else math.nan
            run.handle.publish_feedback(
                Observe.Feedback(stage=stage, contacts=run.contacts, probability=probability)
            )


def _message(run: _Run, now_ns: int) -> Predicate:
    """The predicate as it is known now, UNKNOWN where that is not as surely and freshly as was asked."""
    goal, fact = run.goal, run.fact
    if fact is None:
        return Predicate(name=goal.predicate, arguments=list(goal.arguments), probability=math.nan)
    state = fact.state_at(now_ns, least_confidence=goal.least_confidence, greatest_age_s=goal.greatest_age)
    return Predicate(
        name=fact.name,
        arguments=list(fact.arguments),
        probability=fact.probability,
        state=int(state),
        newest_evidence=convert.to_stamp(fact.newest_evidence_ns),
        valid_until=convert.to_stamp(fact.valid_until_ns),
        evidence=fact.evidence,
        contacts=fact.contacts,
        calibration_id=fact.calibration_id,
    )
