"""Recorded live sessions -> what was said about each true contact, and the pictures' raw material."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader, AnyReaderError

from foley_bringup.demo import figures, results
from foley_bringup.demo.matching import match_times
from foley_bringup.demo.pipeline import DemoFiles
from foley_bringup.demo.results import LiveContact, Prediction, Session, TopicLoss
from foley_common import topics
from foley_common.enumerations import PredictionMode, action_label
from foley_perception.episodes import Episode, EpisodeError, read_episode
from foley_perception.recording import cdr
from foley_synthesis.beliefs.hysteresis import Truth

DETECTION_TOLERANCE_S = 0.05
PREDICTION_TOLERANCE_S = 0.20
PAIRS_SHOWN = 10
TRACE_S = 6.0
WINDOW_BEFORE_S, WINDOW_AFTER_S = 0.25, 0.75
_SMALL_TOPICS = tuple(
    topic.name
    for topic in (
        topics.TRUE_CONTACTS,
        topics.SIM_SCENE,
        topics.SIM_SENT,
        topics.CONTACTS,
        topics.PREDICTED_AUDIO,
        topics.PREDICTED_MATERIAL,
        topics.MATERIAL_ESTIMATES,
        topics.PREDICATES,
        topics.VOCABULARY,
    )
)


class AnalysisError(ValueError):
    """A recorded session lacks what the comparison needs; the message names the bag and the topic."""


@dataclasses.dataclass(frozen=True)
class LiveAnalysis:
    sessions: tuple[Session, ...]
    metrics: dict[str, Any]
    pairs: list[tuple[LiveContact, NDArray[np.float32]]]
    hands: list[bytes]
    sync: figures.SyncTrace


_STREAMS = tuple(
    topic.name
    for topic in (topics.MICROPHONE, topics.EE_POSE, topics.CAMERA, topics.CAMERA_INFO, topics.HAND_KEYPOINTS)
)

Messages = Mapping[str, Sequence[tuple[int, Any]]]  # topic -> (time of arrival [ns], message)


def analyse(files: DemoFiles, *, trained_in_this_run: bool) -> LiveAnalysis:
    """Compare all live sessions with the simulator's account.

    Raises:
        AnalysisError: a bag cannot be read or lacks a topic.
    """
    from foley_synthesis import checkpoint

    try:
        sha256 = checkpoint.model_id_of(files.checkpoint)
    except checkpoint.CorruptCheckpoint as error:
        raise AnalysisError(str(error)) from error
    sessions: list[Session] = []
    pairs: list[tuple[LiveContact, NDArray[np.float32]]] = []
    hands: list[bytes] = []
    sync: figures.SyncTrace | None = None
    vocabulary: list[str] = []
    for bag in files.live:
        messages = read_messages(bag, _SMALL_TOPICS)
        for topic in (topics.TRUE_CONTACTS, topics.SIM_SCENE, topics.SIM_SENT, topics.VOCABULARY):
            if not messages[topic.name]:
                raise AnalysisError(f"{bag}: no message on `{topic.name}`; was the whole system running?")
        try:
            episode = read_episode(bag, require=_STREAMS)
        except EpisodeError as error:
            raise AnalysisError(f"{bag}: {error}") from error
        vocabulary = list(messages[topics.VOCABULARY.name][-1][1].labels)
        session = _session(bag, messages)
        sessions.append(session)
        pairs.extend(_heard_pairs(session, episode))
        hands.extend(_hand_pictures(session, episode, messages))
        if sync is None:
            sync = _trace(session, episode, messages)
    assert sync is not None
    metrics = results.figures(sessions, vocabulary, sha256, trained_in_this_run=trained_in_this_run)
    return LiveAnalysis(tuple(sessions), metrics, _varied(pairs), hands[:2], sync)


def read_messages(bag: Path, topics: Iterable[str]) -> Messages:
    """All messages of ``topics`` (without leading slash) in order of arrival."""
    found: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    wanted = {f"/{t}" for t in topics}
    try:
        with AnyReader([bag]) as reader:
            connections = [c for c in reader.connections if c.topic in wanted]
            for connection, arrival_ns, raw in reader.messages(connections) if connections else ():
                message = reader.deserialize(raw, connection.msgtype)
                found[connection.topic.lstrip("/")].append((arrival_ns, message))
    except (AnyReaderError, OSError) as error:
        raise AnalysisError(f"{bag}: cannot be read: {error}") from error
    return found


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _session(bag: Path, messages: Messages) -> Session:
    scene = yaml.safe_load(messages[topics.SIM_SCENE.name][-1][1].data)
    material_of = {o["object_id"]: o["material"] for o in scene["objects"]}
    true = [m for _, m in messages[topics.TRUE_CONTACTS.name] if m.object_id in material_of]
    true_ns = np.array([_ns(m.header.stamp) for m in true], dtype=np.int64)

    found = [m for _, m in messages[topics.CONTACTS.name]]
    found_ns = np.array([_ns(m.header.stamp) for m in found], dtype=np.int64)
    all_true_ns = np.array(
        [_ns(m.header.stamp) for _, m in messages[topics.TRUE_CONTACTS.name]], dtype=np.int64
    )
    # Touching the bench is a true contact as well, so hearing it is no false alarm.
    false = len(found) - len(match_times(all_true_ns, found_ns, DETECTION_TOLERANCE_S))
    detected = dict(match_times(true_ns, found_ns, DETECTION_TOLERANCE_S))

    heard = {
        m.contact_id: m
        for _, m in messages[topics.MATERIAL_ESTIMATES.name]
        if m.contact_id and m.contacts_heard
    }
    labels = list(messages[topics.VOCABULARY.name][-1][1].labels)
    predictions = _predictions(messages, labels)
    expected_ns = np.array([p.predicted_ns for p in predictions], dtype=np.int64)
    announced = dict(match_times(true_ns, expected_ns, PREDICTION_TOLERANCE_S))

    contacts = []
    for i, message in enumerate(true):
        event = found[detected[i]] if i in detected else None
        estimate = heard.get(event.contact_id) if event is not None else None
        contacts.append(
            LiveContact(
                session=scene["scene_id"],
                object_id=message.object_id,
                material=material_of[message.object_id],
                action=action_label(message.action) if message.action else "contact",
                onset_ns=int(true_ns[i]),
                detected_ns=int(found_ns[detected[i]]) if i in detected else None,
                heard_material=_label(estimate, labels),
                heard_latency_s=float(estimate.latency) if estimate is not None else None,
                prediction=predictions[announced[i]] if i in announced else None,
            )
        )
    lost, real_time_factor = _losses(bag, messages)
    models = {
        m.model_id for t in (topics.PREDICTED_AUDIO, topics.MATERIAL_ESTIMATES) for _, m in messages[t.name]
    }
    return Session(
        name=scene["scene_id"],
        contacts=tuple(contacts),
        false_detections=false,
        lost=lost,
        real_time_factor=real_time_factor,
        model_ids=frozenset(models),
        predicates=_final_predicates(messages),
    )


def _label(estimate: Any | None, labels: Sequence[str]) -> str | None:
    if estimate is None or len(estimate.probabilities) != len(labels):
        return None
    return labels[int(np.argmax(estimate.probabilities))]


def _predictions(messages: Messages, labels: Sequence[str]) -> list[Prediction]:
    """Planned predictions in order of arrival, the first for each plan."""
    material = {_ns(m.header.stamp): m for _, m in messages[topics.PREDICTED_MATERIAL.name]}
    found: dict[str, Prediction] = {}
    for arrival_ns, message in messages[topics.PREDICTED_AUDIO.name]:
        if message.mode != PredictionMode.PLANNED or message.plan_id in found:
            continue
        contact_ns = _ns(message.predicted_contact_time)
        found[message.plan_id] = Prediction(
            predicted_ns=contact_ns,
            received_ns=arrival_ns,
            latency_s=float(message.latency),
            material=_label(material.get(contact_ns), labels),
            waveform=np.asarray(message.audio.samples, dtype=np.float32),
            waveform_start_ns=_ns(message.audio.header.stamp),
            sample_rate=int(message.audio.sample_rate),
        )
    return list(found.values())


def _final_predicates(messages: Messages) -> tuple[tuple[str, float, str], ...]:
    if not messages[topics.PREDICATES.name]:
        return ()
    known = [p for p in messages[topics.PREDICATES.name][-1][1].predicates if p.state != Truth.UNKNOWN]
    return tuple(
        (f"{p.name}({', '.join(p.arguments)})", float(p.probability), Truth(p.state).name) for p in known
    )


# ---- losses and real time ------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class _Account:
    """The simulator's own account: how many messages with a stamp up to ``time_ns`` it has sent."""

    arrival_ns: int
    time_ns: int
    sim_time_s: float
    topics: Mapping[str, int]


def _losses(bag: Path, messages: Messages) -> tuple[dict[str, TopicLoss], float]:
    """Messages sent and received per topic, and the real-time factor, between two accounts.

    The account is latched, so the first one in the bag may be older than the recording: the comparison begins with
    the first account that all streams were being recorded for.
    """
    accounts = [_Account(t, **yaml.safe_load(m.data)) for t, m in messages[topics.SIM_SENT.name]]
    stamps = _stamps(bag, list(accounts[-1].topics))
    begun_ns = max((int(s[0]) for s in stamps.values() if s.size), default=0)
    accounts = [a for a in accounts if a.time_ns >= begun_ns]
    if len(accounts) < 2:
        raise AnalysisError(f"{bag}: fewer than two accounts on `sim/sent`, losses cannot be counted")
    first, last = accounts[0], accounts[-1]
    lost = {
        topic: TopicLoss(
            sent=count - first.topics.get(topic, 0),
            received=int(np.sum((stamps[topic] > first.time_ns) & (stamps[topic] <= last.time_ns))),
        )
        for topic, count in last.topics.items()
    }
    wall_s = (last.arrival_ns - first.arrival_ns) / 1e9
    return lost, (last.sim_time_s - first.sim_time_s) / wall_s


def _stamps(bag: Path, topics: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Header stamps [ns] of all messages of ``topics``, sorted."""
    found: dict[str, list[int]] = {topic: [] for topic in topics}
    with AnyReader([bag]) as reader:
        connections = [c for c in reader.connections if c.topic.lstrip("/") in found]
        for connection, _, raw in reader.messages(connections):
            found[connection.topic.lstrip("/")].append(cdr.read_stamp(raw, 4) or 0)
    return {topic: np.sort(np.array(stamps, dtype=np.int64)) for topic, stamps in found.items()}


# ---- raw material of the pictures ----------------------------------------------------------------------------
def _heard_pairs(session: Session, episode: Episode) -> list[tuple[LiveContact, NDArray[np.float32]]]:
    pairs = []
    for contact in session.contacts:
        if contact.prediction is None:
            continue
        start = contact.prediction.waveform_start_ns
        length = contact.prediction.waveform.size
        pairs.append((contact, _sound(episode, start, length, contact.prediction.sample_rate)))
    return pairs


def _varied(
    pairs: Sequence[tuple[LiveContact, NDArray[np.float32]]],
) -> list[tuple[LiveContact, NDArray[np.float32]]]:
    """A few pairs, each material in turn, in the order they happened: no picking of the good ones."""
    by_material: dict[str, list[tuple[LiveContact, NDArray[np.float32]]]] = defaultdict(list)
    for pair in pairs:
        by_material[pair[0].material].append(pair)
    chosen: list[tuple[LiveContact, NDArray[np.float32]]] = []
    while len(chosen) < PAIRS_SHOWN and any(by_material.values()):
        for queue in by_material.values():
            if queue and len(chosen) < PAIRS_SHOWN:
                chosen.append(queue.pop(0))
    return chosen


def _hand_pictures(session: Session, episode: Episode, messages: Messages) -> list[bytes]:
    """The frame nearest to the first announced contact, with the measured hand drawn in."""
    for contact in session.contacts:
        if contact.prediction is None:
            continue
        picture = hand_picture(episode, contact.onset_ns - 60_000_000, _expected_point(contact, messages))
        if picture is not None:
            return [picture]
    return []


def _expected_point(contact: LiveContact, messages: Messages) -> NDArray[np.float64] | None:
    assert contact.prediction is not None
    for _, message in messages[topics.PREDICTED_AUDIO.name]:
        if (
            message.mode == PredictionMode.PLANNED
            and _ns(message.predicted_contact_time) == contact.prediction.predicted_ns
        ):
            p = message.position
            return np.array([p.x, p.y, p.z])
    return None


def hand_picture(episode: Episode, time_ns: int, contact_point: NDArray[np.float64] | None) -> bytes | None:
    """The camera frame nearest to ``time_ns`` with the hand of that moment drawn in; None without either."""
    if episode.camera is None or episode.keypoints is None or not episode.frames:
        return None
    frame = episode.frames.nearest(time_ns)
    right = episode.keypoints.at(episode.frames.times_ns[frame : frame + 1])[0, 1]
    if not np.all(np.isfinite(right)):
        return None
    pixels, _ = episode.camera.project(right)
    ring = episode.camera.project(contact_point[None])[0][0] if contact_point is not None else None
    rgb = np.asarray(episode.frames.read(frame), dtype=np.uint8)
    return figures.draw_hand(rgb, pixels, contact=ring)


def _sound(episode: Episode, start_ns: int, count: int, rate: int) -> NDArray[np.float32]:
    assert episode.audio is not None  # required when the episode was read
    return episode.audio.slice(start_ns, count, rate)[0]


def _trace(session: Session, episode: Episode, messages: Messages) -> figures.SyncTrace:
    """A stretch that starts shortly before the third contact (or the first there is)."""
    anchor = session.contacts[min(2, len(session.contacts) - 1)].onset_ns if session.contacts else None
    assert episode.audio is not None and episode.ee_pose is not None and episode.frames is not None
    pose_ns = episode.ee_pose.times_ns
    start = (anchor if anchor is not None else int(pose_ns[0])) - 1_500_000_000
    end = start + int(TRACE_S * 1e9)

    def within(times: Iterable[int]) -> NDArray[np.float64]:
        array = np.array([t for t in times if start <= t <= end], dtype=np.int64)
        return (array - start) / 1e9

    rate = episode.audio.sample_rate
    samples = _sound(episode, start, int(TRACE_S * rate), rate)
    block = rate // 200  # 5 ms
    power = np.mean(samples[: samples.size // block * block].reshape(-1, block) ** 2, axis=1)
    inside = (pose_ns >= start) & (pose_ns <= end)
    planned = [p for p in (c.prediction for c in session.contacts) if p is not None]
    return figures.SyncTrace(
        audio_s=np.arange(power.size) * block / rate,
        audio_dbfs=10 * np.log10(power + 1e-12),
        tool_s=(pose_ns[inside] - start) / 1e9,
        tool_height_m=episode.ee_pose.poses.translation[inside, 2],
        frames_s=within(episode.frames.times_ns.tolist()),
        true_s=within(c.onset_ns for c in session.contacts),
        detected_s=within(_ns(m.header.stamp) for _, m in messages[topics.CONTACTS.name]),
        predicted_s=within(p.predicted_ns for p in planned),
        announced_s=within(p.received_ns for p in planned),
    )
