"""Messages of beliefs and contacts to what the advisor's core takes, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable

from geometry_msgs.msg import Vector3

from foley_common.enumerations import ACTIONS, Action
from foley_msgs.msg import ContactSuggestion, MaterialEstimate
from foley_ros import convert
from foley_synthesis.beliefs.belief import NAN, MaterialBelief
from foley_synthesis.beliefs.contact_choice import Suggestion
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.outcomes import Point
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.live.told_objects import ToldBelief
from foley_synthesis.ros.convert import point_of, vocabulary_name

UP: Point = (0.0, 0.0, 1.0)
_FARTHEST_M = 1e4


def told_belief_of(message: MaterialEstimate, vocabulary: Vocabulary) -> ToldBelief:
    """Raises ConversionError for one of another vocabulary, of no object, or with numbers that cannot be."""
    for field in ("object_id", "contact_id"):
        convert.checked_name(getattr(message, field), f"{field} of material_estimates")
    if not message.object_id:
        raise convert.ConversionError("material_estimates: an estimate names no object")
    if message.vocabulary != vocabulary_name(vocabulary):
        raise convert.ConversionError(
            f"material_estimates are over `{message.vocabulary[:40]}`, this node's checkpoint has "
            f"`{vocabulary_name(vocabulary)}`: give both nodes the same checkpoint"
        )
    place = point_of(message.position)
    if any(abs(v) > _FARTHEST_M for v in place):  # infinite as well; NaN is not known
        raise convert.ConversionError(f"material_estimates: position is {place}, must be in metres, or NaN")
    return ToldBelief(
        message.object_id,
        convert.to_ns(message.header.stamp),
        belief_of(message, vocabulary),
        place,
        message.header.frame_id,
        message.contact_id,
        int(message.contacts_heard),
        bool(message.contacts_predicted),
    )


def belief_of(message: MaterialEstimate, vocabulary: Vocabulary) -> MaterialBelief:
    """What abstains is taken to be merely unsure if it is calibrated: the message does not say.

    Raises:
        ConversionError: numbers that cannot be.
    """
    std = float(message.log10_youngs_modulus_std)
    p = tuple(float(v) for v in message.probabilities)
    total = math.fsum(p)
    try:
        return MaterialBelief(
            tuple(v / total for v in p) if total > 0 else (),
            vocabulary.labels if total > 0 else (),
            log10_e_mean=float(message.log10_youngs_modulus_mean) if std > 0 else NAN,
            log10_e_std=std if std > 0 else NAN,
            roughness=float(message.roughness),
            hollowness=float(message.hollowness),
            abstain=bool(message.abstain),
            calibrated_for=message.calibrated_for,
            unsure=bool(message.abstain and message.calibrated_for),
        )
    except ValueError as error:
        raise convert.ConversionError(f"material_estimates: {error}") from error


def look_of(message: MaterialEstimate, vocabulary: Vocabulary, place: Point) -> Evidence | None:
    """What sight says of a place that was asked about; None where it says nothing.

    Raises:
        ConversionError: numbers that cannot be.
    """
    if message.vocabulary != vocabulary_name(vocabulary) or not message.probabilities:
        return None
    return Evidence("seen", "asked", 1, belief_of(message, vocabulary), position=place)


def actions_of(numbers: Iterable[int]) -> tuple[str, ...]:
    """Names of ACTION_*; a tap where there are none. Raises ValueError for what is no action."""
    found = []
    for number in numbers:
        if not Action.UNKNOWN < number < len(ACTIONS):
            known = ", ".join(f"{action.value} {action.label}" for action in Action if action)
            raise ValueError(f"action is {number}, known are {known}")
        found.append(ACTIONS[number])
    return tuple(dict.fromkeys(found)) or (Action.TAP.label,)


def normal_of(message: ContactSuggestion) -> Point:
    """The normal that was asked about; up where there is none."""
    normal = (message.normal.x, message.normal.y, message.normal.z)
    size = math.hypot(*normal)
    if not math.isfinite(size) or size < 1e-6:
        return UP
    x, y, z = (v / size for v in normal)
    return (x, y, z)


def suggestion_message(suggestion: Suggestion, frame_id: str, now_ns: int, speed: float) -> ContactSuggestion:
    """As it goes over the wire."""
    contact = suggestion.contact
    x, y, z = contact.normal
    return ContactSuggestion(
        header=convert.header(now_ns, frame_id),
        object_id=contact.object_id,
        position=convert.array_to_point(contact.place),
        normal=Vector3(x=x, y=y, z=z),
        action=ACTIONS.index(contact.action),
        speed=speed,
        expected_information_gain=float(suggestion.gain),
        cost=float(suggestion.cost_s),
    )
