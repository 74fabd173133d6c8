"""Everything that the material node publishes."""

from __future__ import annotations

from rclpy.node import Node

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_ros.entities import Entities
from foley_synthesis.beliefs.fusion import FusedBelief
from foley_synthesis.beliefs.predicates import PredicateValue
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.live.comparison import Surprise
from foley_synthesis.live.material_core import ContactOutcome
from foley_synthesis.ros import convert
from foley_synthesis.ros.predicate_messages import SnapshotMaker


class MaterialOutput:
    """`material_estimates`, `predicates`, `surprise` and `vocabulary`. Publishes from any one thread.

    Args:
        period_s: between snapshots of the predicates without any change.
        lease_s: for which a snapshot is valid.
    """

    def __init__(
        self, node: Node, entities: Entities, hearing: HearsMaterial, *, period_s: float, lease_s: float
    ) -> None:
        self._node = node
        self._period_ns = round(period_s * NS_PER_S)
        self._snapshots = SnapshotMaker(lease_s)
        self._vocabulary = hearing.vocabulary
        self._model_id, self._model_domain = hearing.model_id, hearing.domain
        self._estimates = entities.publish(topics.MATERIAL_ESTIMATES)
        self._predicates = entities.publish(topics.PREDICATES)
        self._surprise = entities.publish(topics.SURPRISE)
        self._vocabularies = entities.publish(topics.VOCABULARY)
        self._shown: object = None
        self._shown_ns = 0
        self.sequence = 0

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def vocabulary(self) -> None:
        self._vocabularies.publish(convert.vocabulary_message(self._vocabulary, self._now_ns()))

    def outcome(self, outcome: ContactOutcome) -> None:
        """The contact's own estimate, the one fused over its object, and the surprise."""
        contact = outcome.contact
        self._estimates.publish(
            convert.estimate_message(
                outcome.belief,
                self._vocabulary,
                time_ns=contact.time_ns,
                frame_id=contact.frame_id,
                position=contact.position,
                object_id=contact.object_id,
                contact_id=contact.contact_id,
                contacts=(1, 0),
                model_id=self._model_id,
                model_domain=self._model_domain,
                latency_s=(self._now_ns() - contact.time_ns) / 1e9,
            )
        )
        if contact.object_id:
            self.fused(contact.object_id, outcome.fused, contact.frame_id)
        if outcome.surprise is not None:
            self.surprise(outcome.surprise)

    def surprise(self, surprise: Surprise) -> None:
        """How surprising a contact was, or that it did not come."""
        self._surprise.publish(convert.surprise_message(surprise, self._now_ns()))

    def fused(self, object_id: str, fused: FusedBelief, frame_id: str) -> None:
        self._estimates.publish(
            convert.estimate_message(
                fused.belief,
                self._vocabulary,
                time_ns=fused.newest_ns,
                frame_id=frame_id,
                position=fused.position,
                object_id=object_id,
                contacts=(fused.contacts_heard, fused.contacts_predicted),
                model_id=self._model_id,
                model_domain=self._model_domain,
                latency_s=(self._now_ns() - fused.newest_ns) / 1e9,
            )
        )

    def predicates(self, values: list[PredicateValue], now_ns: int, *, always: bool) -> None:
        """A snapshot as of ``now_ns``; without ``always`` only if a state or its evidence changed since the last one,
        or that is older than a period: a worker that is busy must not let the lease lapse.
        """
        shown = [(v.name, v.arguments, v.state, v.newest_evidence_ns) for v in values]
        if always or shown != self._shown or abs(now_ns - self._shown_ns) >= self._period_ns:
            self.sequence += 1
            self._shown, self._shown_ns = shown, now_ns
            self._predicates.publish(self._snapshots.message(values, self.sequence, now_ns))
