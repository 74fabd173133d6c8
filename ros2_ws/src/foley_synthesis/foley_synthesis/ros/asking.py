"""`~/query_contact`: what would be heard of a contact, and what would be learned from it. Nothing moves.

The synthesizer is asked for the sound of a straight approach against the surface (`synthesizer/predict_contact`);
the worker weighs what hearing might say. Both are waited for without holding the executor. Where no synthesizer runs,
the answer is what would be learned, with a word that nothing was predicted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse
from rclpy.action.client import ClientGoalHandle
from rclpy.action.server import ServerGoalHandle

from foley_common.times import NS_PER_S
from foley_msgs.action import PredictContact, QueryContact
from foley_msgs.msg import ContactSuggestion, HandTrajectory, MaterialEstimate, PredictedAudio
from foley_ros import convert
from foley_ros.node import FoleyNode
from foley_synthesis.beliefs.contact_choice import Candidate, Suggestion
from foley_synthesis.beliefs.outcomes import Point
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.live.advisor_core import AdvisorCore, Weighed
from foley_synthesis.live.asked_predicates import UnknownName
from foley_synthesis.ros.advisor_messages import actions_of, look_of, normal_of, suggestion_message
from foley_synthesis.ros.convert import estimate_message, no_estimate_message, point_of
from foley_synthesis.ros.waiting import until, worked

LONGEST_S = 60.0  # of a goal without a deadline
_Result = QueryContact.Result
# Errors of PredictContact as those of QueryContact.
_CODES = {
    PredictContact.Result.ERROR_NO_IMAGE: _Result.ERROR_NO_IMAGE,
    PredictContact.Result.ERROR_NO_CONTACT: _Result.ERROR_NO_CONTACT,
    PredictContact.Result.ERROR_BAD_TRAJECTORY: _Result.ERROR_BAD_CONTACT,
    PredictContact.Result.ERROR_DEADLINE: _Result.ERROR_DEADLINE,
    PredictContact.Result.ERROR_CANCELLED: _Result.ERROR_NO_SYNTHESIZER,  # it was deactivated
    PredictContact.Result.ERROR_INFERENCE: _Result.ERROR_INFERENCE,
}


class _GivenUp(Exception):
    """The goal was cancelled, its deadline passed, or the node was deactivated."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ContactQueries:
    """The action server. It lives as long as the node and accepts goals only while the node is active.

    Args:
        core: of the configured node.
        approach: makes the trajectory of a place, a normal, a speed and a frame; raises ValueError.
        vocabulary: of the configured node.
    """

    def __init__(
        self,
        node: FoleyNode[Any],
        core: Callable[[], AdvisorCore],
        approach: Callable[[Point, Point, float, str], HandTrajectory],
        vocabulary: Callable[[], Vocabulary],
    ) -> None:
        self._node, self._core, self._approach, self._vocabulary = node, core, approach, vocabulary
        self._synthesizer = ActionClient(node, PredictContact, "synthesizer/predict_contact")
        self._server = ActionServer(
            node,
            QueryContact,
            "~/query_contact",
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def _on_goal(self, goal: QueryContact.Goal) -> GoalResponse:
        usable = self._node.active and goal.deadline >= 0.0  # NaN is not
        return GoalResponse.ACCEPT if usable else GoalResponse.REJECT

    async def _execute(self, handle: ServerGoalHandle) -> _Result:
        goal: QueryContact.Goal = handle.request
        began_ns, deadline_s = self._node.now_ns(), goal.deadline or LONGEST_S  # infinite: no bound

        def check() -> None:
            """Raises _GivenUp."""
            if handle.is_cancel_requested or not self._node.active:
                raise _GivenUp(_Result.ERROR_CANCELLED, "cancelled, or the node was deactivated")
            if (self._node.now_ns() - began_ns) / NS_PER_S > deadline_s:
                raise _GivenUp(_Result.ERROR_DEADLINE, f"no answer within {deadline_s} s")

        try:
            result = await self._answer(handle, goal, check)
        except _GivenUp as reason:
            result = _failed(reason.code, str(reason))
        except UnknownName as error:
            result = _failed(_Result.ERROR_UNKNOWN_NAME, str(error))
        except (ValueError, convert.ConversionError) as error:
            result = _failed(_Result.ERROR_BAD_CONTACT, str(error))
        if result.error_code == _Result.ERROR_CANCELLED and handle.is_cancel_requested:
            handle.canceled()
        elif result.error_code == _Result.ERROR_NONE:
            handle.succeed()
        else:
            handle.abort()
        return result

    async def _answer(
        self, handle: ServerGoalHandle, goal: QueryContact.Goal, check: Callable[[], None]
    ) -> _Result:
        asked, core, vocabulary = goal.contact, self._core(), self._vocabulary()
        place, frame = self._place(asked, core)
        action = actions_of([asked.action] if asked.action else [])[0]
        if goal.predicate:
            core.check(goal.predicate)
        code, said = _Result.ERROR_NONE, ""
        predicted = None
        handle.publish_feedback(QueryContact.Feedback(stage="predicting"))
        if not self._synthesizer.server_is_ready():
            said = "no synthesizer runs: no sound is predicted"
        elif not all(map(math.isfinite, place)):
            said = "no place of the object is known: no sound is predicted"
        else:
            trajectory = self._approach(place, normal_of(asked), asked.speed, frame)
            predicted = await self._predicted(trajectory, check)
            code = _CODES.get(predicted.error_code, _Result.ERROR_NONE)
            said = predicted.error_msg
        handle.publish_feedback(QueryContact.Feedback(stage="weighing"))
        look = look_of(predicted.material, vocabulary, place) if predicted is not None and not code else None

        def given_up() -> bool:
            check()
            return False

        weighed = await worked(
            self._node, lambda: core.weigh(asked.object_id, place, action, goal.predicate, look), given_up
        )
        assert weighed is not None
        if math.isnan(weighed.gain):
            said = "; ".join(filter(None, (said, "nobody has measured what contacts say of this")))
        if code == _Result.ERROR_NONE and predicted is None and not weighed.object_id:
            code = _Result.ERROR_NO_SYNTHESIZER  # neither seen, heard nor predicted
        return self._result(weighed, asked, (place, frame, action), predicted, code, said)

    def _place(self, asked: ContactSuggestion, core: AdvisorCore) -> tuple[Point, str]:
        """Where the contact is: as asked, or where the object was touched last.

        Raises:
            ValueError: it names neither; the origin counts as a place where a frame is named.
        """
        place = point_of(asked.position)
        if not (asked.object_id or asked.header.frame_id or any(place)):
            raise ValueError("object_id and position are both empty: name what, or where it would be touched")
        given = all(map(math.isfinite, place)) and (not asked.object_id or any(place))
        if given:
            return place, asked.header.frame_id or core.frame_of(asked.object_id) or "world"
        places = core.places(asked.object_id) if asked.object_id else []
        nowhere = (math.nan, math.nan, math.nan)
        return (places[0] if places else nowhere), core.frame_of(asked.object_id) or "world"

    async def _predicted(
        self, trajectory: HandTrajectory, check: Callable[[], None]
    ) -> PredictContact.Result:
        """Raises _GivenUp."""
        sent = self._synthesizer.send_goal_async(PredictContact.Goal(trajectory=trajectory))

        def accepted() -> ClientGoalHandle | None:
            check()
            return sent.result() if sent.done() else None

        remote = await until(self._node, accepted)
        if not remote.accepted:
            return PredictContact.Result(
                error_code=PredictContact.Result.ERROR_CANCELLED, error_msg="the synthesizer is not active"
            )
        answer = remote.get_result_async()

        def answered() -> Any:
            check()
            return answer.result() if answer.done() else None

        try:
            return (await until(self._node, answered)).result
        except _GivenUp:
            remote.cancel_goal_async()
            raise

    def _result(
        self,
        weighed: Weighed,
        asked: ContactSuggestion,
        where: tuple[Point, str, str],
        predicted: PredictContact.Result | None,
        code: int,
        said: str,
    ) -> _Result:
        place, frame, action = where
        now_ns, gain = self._node.now_ns(), weighed.predicate
        suggestion = Suggestion(
            Candidate(weighed.object_id, place, action, normal_of(asked)), weighed.gain, weighed.cost_s
        )
        told = weighed.told
        known = predicted is not None and not code
        return _Result(
            error_code=code,
            error_msg=said,
            contact=suggestion_message(suggestion, frame, now_ns, float(asked.speed)),
            predicted=predicted.predicted if known and predicted else PredictedAudio(),
            predicted_material=predicted.material if known and predicted else no_estimate_message(now_ns),
            believed=_believed(weighed, self._vocabulary(), frame, place)
            if told
            else no_estimate_message(now_ns),
            probability=gain.probability if gain is not None else math.nan,
            outcomes=convert.float_array(gain.outcomes) if gain is not None else [],
            outcome_weights=convert.float_array(gain.weights) if gain is not None else [],
        )


def _believed(weighed: Weighed, vocabulary: Vocabulary, frame: str, place: Point) -> MaterialEstimate:
    told = weighed.told
    assert told is not None
    return estimate_message(
        weighed.believed,
        vocabulary,
        time_ns=told.time_ns,
        frame_id=told.frame_id or frame,
        position=told.position if told else place,
        object_id=weighed.object_id,
        contacts=(told.heard, int(told.looked)),
        model_id="",
        model_domain="",
        latency_s=math.nan,
    )


def _failed(code: int, message: str) -> _Result:
    return _Result(
        error_code=code,
        error_msg=message,
        contact=ContactSuggestion(expected_information_gain=math.nan, cost=math.nan),
        predicted_material=no_estimate_message(0),
        believed=no_estimate_message(0),
        probability=math.nan,
    )
