"""`contact_advisor`: what a further contact would tell, which ones to make, and making them until something is known.

    material_estimates, predicates, contacts --> core --> ~/suggest_contacts, ~/query_contact
                                                  |
                          make_contact (robot) <--+--> ~/observe

Callbacks store; what is asked is weighed in the worker's thread, and what is waited for holds nobody. It suggests no
place that nobody knows to be a surface: where an object was touched, or seen where a contact was planned. Normals are
taken to point up, unless a question says otherwise.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup

from foley_common import topics
from foley_common.enumerations import action_label
from foley_msgs.msg import ContactEvent, HandTrajectory, MaterialEstimate, PredicateArray, VocabularyInfo
from foley_msgs.srv import SuggestContacts
from foley_perception.action.gripper import GripperHand
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_ros import convert
from foley_ros.node import FoleyNode, run
from foley_ros.predicates import snapshot_of
from foley_synthesis.beliefs.outcomes import Point
from foley_synthesis.live.advisor_config import AdvisorConfig
from foley_synthesis.live.advisor_core import AdvisorCore
from foley_synthesis.live.advisor_loading import make_advisor_core
from foley_synthesis.live.approach import approach_keypoints
from foley_synthesis.ros.advisor_messages import told_belief_of
from foley_synthesis.ros.asking import ContactQueries
from foley_synthesis.ros.convert import vocabulary_name
from foley_synthesis.ros.observing import Observations
from foley_synthesis.ros.suggesting import suggest_contacts


class ContactAdvisorNode(FoleyNode[AdvisorConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("contact_advisor", AdvisorConfig, **kwargs)
        self._core: AdvisorCore
        self._queries = ContactQueries(self, lambda: self._core, self._approach, lambda: self._vocabulary)
        self._observations = Observations(self, lambda: self._core, lambda: self._settings)

    # ---- life cycle ------------------------------------------------------------------------------------
    def setup(self, config: AdvisorConfig) -> None:
        self._settings = config
        self._core, self._vocabulary, self._note = make_advisor_core(config)
        if self._note:
            self.get_logger().warning(self._note)
        self._hand = GripperHand.from_yaml(config.hand)
        self._tf = TransformBuffer()
        self.start_worker(capacity=16)
        subscribe = self.entities.subscribe
        subscribe(topics.MATERIAL_ESTIMATES, self._on_estimate)
        subscribe(topics.PREDICATES, self._on_predicates)
        subscribe(topics.VOCABULARY, self._on_vocabulary)
        subscribe(topics.CONTACTS, self._on_contact)
        subscribe(topics.TF_STATIC, self._on_static)
        # In a group of its own: while it waits for the worker, the callbacks of the node's common group go on.
        self.entities.service(
            SuggestContacts, "~/suggest_contacts", self._on_suggest, callback_group=ReentrantCallbackGroup()
        )

    def start(self) -> None:
        self.faults.clear_all()

    def figures(self) -> dict[str, Any]:
        return {
            "objects": len(self._core.objects),
            "observing": self._observations.busy,
            "observed": self._observations.done,
            "still_unknown": self._observations.undecided,
            "note": self._note,
        }

    # ---- callbacks: store only -------------------------------------------------------------------------
    def _on_estimate(self, message: MaterialEstimate) -> None:
        name = topics.MATERIAL_ESTIMATES.name
        try:
            self._core.tell(told_belief_of(message, self._vocabulary), self.now_ns())
        except convert.ConversionError as error:
            self.report(name, str(error))
            return
        self.faults.clear(name)

    def _on_predicates(self, message: PredicateArray) -> None:
        name = topics.PREDICATES.name
        try:
            self._core.take(snapshot_of(message), self.now_ns())
        except ValueError as error:
            self.report(name, str(error))
            return
        self.faults.clear(name)

    def _on_vocabulary(self, message: VocabularyInfo) -> None:
        told, own = f"{message.name}@{message.version}", vocabulary_name(self._vocabulary)
        if told == own and tuple(message.labels) == self._vocabulary.labels:
            self.faults.clear(topics.VOCABULARY.name)
        else:
            self.report(
                topics.VOCABULARY.name,
                f"`material` speaks `{told}`, this node's checkpoint has `{own}`: give both the same checkpoint",
            )

    def _on_contact(self, message: ContactEvent) -> None:
        if message.contact_id and message.action:
            convert.checked_name(message.contact_id, "contact_id of a contact event")
            self._core.act(message.contact_id, action_label(int(message.action)))

    def _on_static(self, message: Any) -> None:
        for transform in message.transforms:
            translation, quaternion = convert.transform_to_arrays(transform)
            parent, child = transform.header.frame_id.lstrip("/"), transform.child_frame_id.lstrip("/")
            self._tf.add(parent, child, 0, SE3(quaternion, translation), static=True)

    async def _on_suggest(
        self, request: SuggestContacts.Request, response: SuggestContacts.Response
    ) -> SuggestContacts.Response:
        return await suggest_contacts(self, self._core, request, response, self._settings.contact_speed)

    def _tx_tool_tip(self) -> SE3 | None:
        try:
            return self._tf.lookup(self._settings.tool_frame, self._settings.tip_frame)
        except TransformUnavailable:
            return None

    # ---- questions -------------------------------------------------------------------------------------
    def _approach(self, place: Point, normal: Point, speed: float, frame: str) -> HandTrajectory:
        """Of a straight approach that begins now. Raises ValueError."""
        config = self._settings
        tip = self._tx_tool_tip()
        if tip is None:
            raise ValueError(
                f"tf does not know `{config.tip_frame}` in `{config.tool_frame}` yet, so no approach can be planned"
            )
        times_ns, keypoints = approach_keypoints(
            self._hand,
            tip,
            place,
            normal,
            length_m=config.approach_m,
            speed=speed or config.contact_speed,
            start_ns=self.now_ns(),
        )
        plan_id = f"asked_{uuid.uuid4().hex[:8]}"
        return convert.arrays_to_trajectory(times_ns, keypoints, frame_id=frame, plan_id=plan_id)


def main(args: Sequence[str] | None = None) -> int:
    return run(ContactAdvisorNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
