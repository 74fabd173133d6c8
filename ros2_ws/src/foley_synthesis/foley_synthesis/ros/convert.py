"""Messages to the plain types of the live cores, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from geometry_msgs.msg import Point as PointMsg
from numpy.typing import NDArray

from foley_common.enumerations import PredictionMode
from foley_common.times import NS_PER_S
from foley_msgs.msg import (
    AudioChunk,
    ContactEvent,
    MaterialEstimate,
    Predicate,
    PredicateArray,
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
from foley_synthesis.beliefs.predicates import PredicateValue
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.material_core import Surprise
from foley_synthesis.live.synthesis_core import Predicted

NAN = float("nan")
Samples = NDArray[np.float32]


def point_of(message: PointMsg) -> Point:
    return (message.x, message.y, message.z)


def contact_of(message: ContactEvent) -> Contact:
    """Raises ConversionError where the event has no id or no time."""
    time_ns = convert.to_ns(message.header.stamp)
    if not message.contact_id or time_ns <= 0:
        raise convert.ConversionError(
            f"contact event has contact_id `{message.contact_id}` and stamp {time_ns} ns: both are needed"
        )
    return Contact(
        contact_id=message.contact_id,
        time_ns=time_ns,
        object_id=message.object_id,
        plan_id=message.plan_id,
        position=point_of(message.position),
        frame_id=message.header.frame_id,
        action=int(message.action),
        duration=float(message.duration),
        impulse=float(message.impulse),
        confidence=float(message.confidence),
    )


def expected_of(message: PredictedAudio) -> ExpectedSound | None:
    """The sound to expect of a planned prediction; None where it names no contact time.

    Raises:
        ConversionError: the audio is malformed.
    """
    contact_ns = convert.to_ns(message.predicted_contact_time)
    if contact_ns <= 0:
        return None
    samples = one_channel(convert.audio_to_array(message.audio))
    onset_s = (contact_ns - convert.to_ns(message.audio.header.stamp)) / NS_PER_S
    return ExpectedSound(
        contact_ns,
        samples,
        onset_s,
        int(message.audio.sample_rate),
        message.plan_id,
        message.object_id,
        point_of(message.position),
    )


def sight_of(message: MaterialEstimate, vocabulary: Vocabulary, model_id: str = "") -> Evidence:
    """What was seen of the place of a planned contact.

    Args:
        model_id: of the only model that is believed; empty: any of this vocabulary.

    Raises:
        ConversionError: another vocabulary or model, no time, or numbers that cannot be evidence.
    """
    if message.vocabulary != vocabulary_name(vocabulary):
        raise convert.ConversionError(
            f"predicted_material is over `{message.vocabulary}`, this node's checkpoint has "
            f"`{vocabulary_name(vocabulary)}`: give both nodes the same checkpoint"
        )
    if model_id and message.model_id and message.model_id != model_id:
        raise convert.ConversionError(
            f"predicted_material is of model `{message.model_id[:12]}`, how sight adds to hearing was fitted for "
            f"`{model_id[:12]}`: give both nodes the same checkpoint, or set `fusion` to log_linear"
        )
    time_ns = convert.to_ns(message.header.stamp)
    if time_ns <= 0:
        raise convert.ConversionError(
            "predicted estimate has no stamp: it must be the predicted contact time"
        )
    std = float(message.log10_youngs_modulus_std)
    try:
        return Evidence(
            kind="seen",
            key=f"seen@{time_ns}",
            time_ns=time_ns,
            belief=MaterialBelief(
                _normalised(message.probabilities),
                vocabulary.labels,
                log10_e_mean=float(message.log10_youngs_modulus_mean) if std > 0 else NAN,
                log10_e_std=std if std > 0 else NAN,
                roughness=float(message.roughness),
                hollowness=float(message.hollowness),
                abstain=bool(message.abstain),
                calibrated_for=message.calibrated_for,
                # Sight abstains for its entropy alone; without a calibration nobody knows what that entropy is worth.
                unsure=bool(message.abstain and message.calibrated_for),
            ),
            position=point_of(message.position),
        )
    except ValueError as error:
        raise convert.ConversionError(f"predicted estimate: {error}") from error


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


def predicates_message(
    values: Iterable[PredicateValue], sequence: int, now_ns: int, lease_s: float
) -> PredicateArray:
    """A snapshot taken at ``now_ns``, of which nothing is valid for longer than ``lease_s``.

    A state may hold for minutes by its evidence, but only a publisher that lives can say that nothing contradicted it.
    """
    lease_ns = now_ns + round(lease_s * NS_PER_S)
    return PredicateArray(
        header=convert.header(now_ns, ""),
        sequence=sequence,
        predicates=[
            Predicate(
                name=value.name,
                arguments=[value.argument],
                probability=float(value.probability),
                state=int(value.state),
                newest_evidence=convert.to_stamp(value.newest_evidence_ns),
                valid_until=convert.to_stamp(min(value.valid_until_ns, lease_ns)),
            )
            for value in values
        ],
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
