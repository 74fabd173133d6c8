"""Messages to the plain types of the live cores, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point as PointMsg
from numpy.typing import NDArray

from foley_common import topics
from foley_common.enumerations import Action, PredictionMode
from foley_common.times import NS_PER_S
from foley_msgs.msg import (
    AudioChunk,
    ContactEvent,
    MaterialEstimate,
    PredictedAudio,
    VocabularyInfo,
)
from foley_msgs.msg import Surprise as SurpriseMsg
from foley_perception.clips.channels import one_channel
from foley_perception.clips.grid import ACTION_RATE
from foley_perception.contact_event import Contact, Point
from foley_ros import convert
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.live.contact import ExpectedSound

if TYPE_CHECKING:  # they bring what compares sounds, which not every node needs
    from foley_synthesis.live.comparison import Surprise
    from foley_synthesis.live.synthesis_core import Predicted

NAN = float("nan")
# What lies beyond is no odd measurement but a mistake, and would be kept in the beliefs for as long as they are.
_FARTHEST_M = 1e4
_AHEAD_NS = 600 * NS_PER_S
_MOST_DECADES = 30.0
_SUM = 1e-2  # by which probabilities of an image model may miss 1
_RATES = (4_000, 384_000)  # [Hz] of a predicted sound
_ACTIONS = frozenset(int(action) for action in Action)
Samples = NDArray[np.float32]


def point_of(message: PointMsg) -> Point:
    return (message.x, message.y, message.z)


def place_of(message: PointMsg, what: str) -> Point:
    """A position that may be unknown. Raises ConversionError where it is none that a robot reaches."""
    point = point_of(message)
    if any(math.isinf(v) or abs(v) > _FARTHEST_M for v in point):
        raise convert.ConversionError(
            f"{what} has position {point}, must be in metres, or NaN where not known"
        )
    return point


def _time_of(stamp: Time, what: str, now_ns: int | None) -> int:
    """Nanoseconds of a stamp, 0 where there is none. Raises ConversionError where it lies too far ahead."""
    time_ns = convert.to_ns(stamp)
    if now_ns is not None and time_ns > now_ns + _AHEAD_NS:
        ahead_s = (time_ns - now_ns) / NS_PER_S
        raise convert.ConversionError(
            f"{what} is {ahead_s:.0f} s ahead of this node's clock: are both set alike?"
        )
    return time_ns


def contact_of(message: ContactEvent, now_ns: int | None = None) -> Contact:
    """Raises ConversionError where the event has no id or no time, or what cannot be a contact's.

    Args:
        now_ns: a contact far ahead of it is refused; None: the clock is not known.
    """
    time_ns = _time_of(message.header.stamp, "contact event", now_ns)
    for field in ("contact_id", "object_id", "plan_id"):
        convert.checked_name(getattr(message, field), f"{field} of a contact event")
    convert.checked_name(message.header.frame_id, "frame_id of a contact event")
    if not message.contact_id or time_ns <= 0:
        raise convert.ConversionError(
            f"contact event has contact_id `{message.contact_id}` and stamp {time_ns} ns: both are needed"
        )
    return Contact(
        contact_id=message.contact_id,
        time_ns=time_ns,
        object_id=message.object_id,
        plan_id=message.plan_id,
        position=place_of(message.position, "contact event"),
        frame_id=message.header.frame_id,
        action=int(message.action) if message.action in _ACTIONS else int(Action.UNKNOWN),
        duration=float(message.duration),
        impulse=float(message.impulse),
        confidence=float(message.confidence),
    )


def expected_of(message: PredictedAudio, now_ns: int | None = None) -> ExpectedSound | None:
    """The sound to expect of a planned prediction; None where it names no contact time.

    Raises:
        ConversionError: the audio is malformed, or the contact does not lie within it.
    """
    contact_ns = _time_of(message.predicted_contact_time, "predicted_contact_time", now_ns)
    if contact_ns <= 0:
        return None
    for field in ("object_id", "plan_id", "frame_id", "model_id"):
        convert.checked_name(getattr(message, field), f"{field} of a prediction")
    samples, rate = one_channel(convert.audio_to_array(message.audio)), int(message.audio.sample_rate)
    onset_s = (contact_ns - convert.to_ns(message.audio.header.stamp)) / NS_PER_S
    low, high = _RATES
    if not low <= rate <= high or not np.isfinite(samples).all() or not 0.0 <= onset_s <= samples.size / rate:
        raise convert.ConversionError(
            f"predicted_audio has {samples.size} samples at {rate} Hz and its contact {onset_s:.3g} s into them: the "
            f"rate must be {low} to {high} Hz, samples finite, and the contact within them"
        )
    return ExpectedSound(
        contact_ns,
        samples,
        onset_s,
        int(message.audio.sample_rate),
        message.plan_id,
        message.object_id,
        place_of(message.position, topics.PREDICTED_AUDIO.name),
        message.frame_id,
        message.model_id,
    )


def sight_of(
    message: MaterialEstimate, vocabulary: Vocabulary, model_id: str = "", now_ns: int | None = None
) -> Evidence:
    """What was seen of the place of a planned contact.

    Args:
        model_id: of the only model that is believed; empty: any of this vocabulary.

    Raises:
        ConversionError: another vocabulary or model, no time, or numbers that cannot be evidence.
    """
    _check_vocabulary(
        message, vocabulary, topics.PREDICTED_MATERIAL.name, "give both nodes the same checkpoint"
    )
    if model_id and message.model_id and message.model_id != model_id:
        raise convert.ConversionError(
            f"predicted_material is of model `{message.model_id[:12]}`, how sight adds to hearing was fitted for "
            f"`{model_id[:12]}`: give both nodes the same checkpoint, or set `fusion` to log_linear"
        )
    convert.checked_name(message.object_id, "object_id of predicted_material")
    convert.checked_name(message.calibrated_for, "calibrated_for of predicted_material")
    time_ns = _time_of(message.header.stamp, topics.PREDICTED_MATERIAL.name, now_ns)
    if time_ns <= 0:
        raise convert.ConversionError(
            "predicted estimate has no stamp: it must be the predicted contact time"
        )
    mean, std = float(message.log10_youngs_modulus_mean), float(message.log10_youngs_modulus_std)
    for name, value in (("log10_youngs_modulus_mean", mean), ("log10_youngs_modulus_std", std)):
        if abs(value) > _MOST_DECADES or 0 < value < 1e-6:
            raise convert.ConversionError(
                f"predicted_material: {name} is {value}: it is a logarithm of pascals"
            )
    for name in ("roughness", "hollowness"):
        if not -1e-3 <= getattr(message, name) <= 1.001 and not math.isnan(getattr(message, name)):
            raise convert.ConversionError(
                f"predicted_material: {name} is {getattr(message, name)}, not in [0, 1]"
            )
    try:
        return Evidence(
            kind="seen",
            key=f"seen@{time_ns}",
            time_ns=time_ns,
            belief=MaterialBelief(
                _normalised(message.probabilities),
                vocabulary.labels,
                log10_e_mean=mean if std > 0 else NAN,
                log10_e_std=std if std > 0 else NAN,
                roughness=float(message.roughness),
                hollowness=float(message.hollowness),
                abstain=bool(message.abstain),
                calibrated_for=message.calibrated_for,
                # Sight abstains for its entropy alone; without a calibration nobody knows what that entropy is worth.
                unsure=bool(message.abstain and message.calibrated_for),
            ),
            position=place_of(message.position, topics.PREDICTED_MATERIAL.name),
        )
    except ValueError as error:
        raise convert.ConversionError(f"predicted estimate: {error}") from error


def vision_of(message: MaterialEstimate, vocabulary: Vocabulary, now_ns: int | None = None) -> Evidence:
    """What a user's image model says of an object: its probabilities. Other numbers of the message are not read, since
    a publisher that does not know them leaves zeros.

    Raises:
        ConversionError: another vocabulary, no time, neither an object nor a place, or probabilities that are none.
    """
    topic = topics.VISION_MATERIAL.name
    _check_vocabulary(
        message, vocabulary, topic, "map the labels of the image model to these (topic `vocabulary`)"
    )
    convert.checked_name(message.object_id, f"object_id of {topic}")
    convert.checked_name(message.calibrated_for, f"calibrated_for of {topic}")
    time_ns = _time_of(message.header.stamp, topic, now_ns)
    if time_ns <= 0:
        raise convert.ConversionError(f"{topic} has no stamp: it must be the time of the picture")
    position = place_of(message.position, topic)
    if not message.object_id and not all(map(math.isfinite, position)):
        raise convert.ConversionError(
            f"{topic} names neither an object_id nor a position: nobody knows of what it is"
        )
    p = np.asarray(message.probabilities, dtype=np.float64)
    if (
        p.size != len(vocabulary.labels)
        or not np.isfinite(p).all()
        or (p < 0).any()
        or abs(p.sum() - 1) > _SUM
    ):
        raise convert.ConversionError(
            f"{topic} has {p.size} probabilities from {p.min(initial=1):.4g} that sum to {p.sum():.4g}: it needs "
            f"{len(vocabulary.labels)} of at least 0 that sum to 1"
        )
    return Evidence(
        kind="vision",
        key=f"vision@{time_ns}",
        time_ns=time_ns,
        belief=MaterialBelief(
            _normalised(p),
            vocabulary.labels,
            abstain=bool(message.abstain),
            calibrated_for=message.calibrated_for,
            unsure=bool(message.abstain and message.calibrated_for),
        ),
        position=position,
    )


def _check_vocabulary(message: MaterialEstimate, vocabulary: Vocabulary, topic: str, cure: str) -> None:
    if message.vocabulary != vocabulary_name(vocabulary):
        raise convert.ConversionError(
            f"{topic} is over `{message.vocabulary[:40]}`, this node's checkpoint has "
            f"`{vocabulary_name(vocabulary)}`: {cure}"
        )


def _normalised(probabilities: Iterable[float]) -> tuple[float, ...]:
    p = np.asarray(list(probabilities), dtype=np.float64)  # float32 on the wire: the sum is off by 1e-7
    return tuple((p / p.sum()).tolist()) if p.size and p.sum() > 0 else tuple(p.tolist())


# ---- out ---------------------------------------------------------------------------------------------------
def vocabulary_name(vocabulary: Vocabulary) -> str:
    """What MaterialEstimate.vocabulary holds."""
    return f"{vocabulary.name}@{vocabulary.version}"


def vocabulary_message(vocabulary: Vocabulary, now_ns: int) -> VocabularyInfo:
    return VocabularyInfo(
        header=convert.header(now_ns, ""),
        name=vocabulary.name,
        version=vocabulary.version,
        labels=list(vocabulary.labels),
    )


def estimate_message(
    belief: MaterialBelief,
    vocabulary: Vocabulary,
    *,
    time_ns: int,
    frame_id: str,
    position: Point,
    object_id: str,
    contact_id: str = "",
    contacts: tuple[int, int],  # heard, predicted
    model_id: str,
    model_domain: str,
    latency_s: float,
) -> MaterialEstimate:
    return MaterialEstimate(
        header=convert.header(time_ns, frame_id),
        object_id=object_id,
        contact_id=contact_id,
        position=convert.array_to_point(position),
        vocabulary=vocabulary_name(vocabulary),
        probabilities=convert.float_array(np.asarray(belief.probabilities, dtype=np.float32)),
        log10_youngs_modulus_mean=float(belief.log10_e_mean),
        log10_youngs_modulus_std=float(belief.log10_e_std),
        roughness=float(belief.roughness),
        hollowness=float(belief.hollowness),
        entropy=float(belief.entropy),
        abstain=bool(belief.abstain),
        contacts_heard=contacts[0],
        contacts_predicted=contacts[1],
        model_id=model_id,
        model_domain=model_domain,
        calibrated_for=belief.calibrated_for,
        latency=float(latency_s),
    )


def surprise_message(surprise: Surprise, now_ns: int) -> SurpriseMsg:
    contact = surprise.contact
    return SurpriseMsg(
        header=convert.header(contact.time_ns, contact.frame_id),
        contact_id=contact.contact_id,
        object_id=contact.object_id,
        plan_id=surprise.plan_id,
        distance_name=surprise.distance_name,
        distance=float(surprise.distance),
        percentile=float(surprise.percentile),
        surprised=bool(surprise.surprised),
        latency=(now_ns - contact.time_ns) / NS_PER_S,
        kind=surprise.kind,
        p_value=1.0 - float(surprise.percentile),
    )


def no_estimate_message(now_ns: int) -> MaterialEstimate:
    """Nothing is known: of a model that predicts sound and has no belief about the material."""
    return MaterialEstimate(
        header=convert.header(now_ns, ""),
        position=convert.array_to_point((NAN, NAN, NAN)),
        log10_youngs_modulus_mean=NAN,
        log10_youngs_modulus_std=NAN,
        roughness=NAN,
        hollowness=NAN,
        entropy=NAN,
        abstain=True,
        latency=NAN,
    )


def predicted_audio_message(
    result: Predicted,
    *,
    plan_id: str,
    mode: int,
    frame_id: str,
    newest_input_ns: int,
    now_ns: int,
    object_id: str = "",
) -> PredictedAudio:
    prediction = result.prediction
    features = np.zeros((0, 0), np.float32) if prediction.features is None else prediction.features
    known = all(math.isfinite(v) for v in result.position)
    return PredictedAudio(
        audio=convert.array_to_audio(
            prediction.waveform,
            time_ns=result.contact_ns - round(prediction.onset_s * NS_PER_S),
            frame_id="microphone",
            stream_id=f"{plan_id or object_id}/{PredictionMode(mode).label}",
            first_sample=0,
            sample_rate=prediction.sample_rate,
            stamp_source=AudioChunk.STAMP_ARRIVAL,
        ),
        plan_id=plan_id,
        mode=mode,
        predicted_contact_time=convert.to_stamp(result.contact_ns),
        position=convert.array_to_point(result.position if known else (NAN, NAN, NAN)),
        frame_id=frame_id,
        object_id=object_id,
        model_id=prediction.model_id,
        solver_steps=prediction.solver_steps,
        seed=prediction.seed,
        latency=(now_ns - newest_input_ns) / NS_PER_S,
        lead_time=(result.contact_ns - now_ns) / NS_PER_S,
        features_dims=int(features.shape[1]),
        features=convert.float_array(np.asarray(features, dtype=np.float32)),
        features_rate=float(ACTION_RATE) if features.size else 0.0,
    )
