"""What is in a recording, in a few numbers: two readers of one bag must agree on them."""

from __future__ import annotations

import collections
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.contact_event import Contact
from foley_perception.episodes.decode import Decoder
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.reader import read_episode
from foley_perception.episodes.tracks import AudioTrack, PoseTrack, Series
from foley_perception.recording.bag import Bag
from foley_perception.recording.versions import version_of

TIMES = 5  # at which poses and forces are asked for, from the first to the last
_DIGITS = 9


def figures_of(path: Path) -> dict[str, Any]:
    """Figures of a bag, of what JSON can hold; None stands for NaN.

    Raises:
        EpisodeError, BagError: it cannot be read.
    """
    bag = Bag(path)
    counts = collections.Counter(message.topic for message in bag.messages())
    episode = read_episode(path)
    return {
        "session_id": episode.session_id,
        "bag_version": version_of(bag.session),
        "messages": dict(sorted(counts.items())),
        "sound": {name: _sound(track) for name, track in episode.microphones.items()},
        "poses": _poses(episode.ee_pose),
        "forces": _series(episode.wrench),
        "joints": _series(episode.joints),
        "pictures": _pictures(episode),
        "contacts": [_contact(contact) for contact in episode.detected],
        "labels": [[v.start_ns, v.end_ns, v.object_id, v.key, v.value] for v in episode.labels],
        "beliefs": _beliefs(bag),
    }


def _sound(track: AudioTrack) -> list[dict[str, Any]]:
    return [
        {
            "stream": segment.stream_id,
            "rate": segment.sample_rate,
            "first_sample": segment.first_sample,
            "samples": len(segment.samples),
            "missing": [list(span) for span in segment.missing],
            "start_ns": segment.start_ns,
            "sha256": hashlib.sha256(np.ascontiguousarray(segment.samples, "<f4").tobytes()).hexdigest(),
        }
        for segment in track.segments
    ]


def _poses(track: PoseTrack | None) -> dict[str, Any] | None:
    if track is None:
        return None
    at = _times(track.times_ns)
    poses = track.at(at)
    rows = np.concatenate((poses.translation, poses.quaternion), axis=1)
    return {"count": len(track.times_ns), "at_ns": at.tolist(), "rows": _numbers(rows)}


def _series(series: Series | None) -> dict[str, Any] | None:
    if series is None:
        return None
    at = _times(series.times_ns)
    return {
        "count": len(series.times_ns),
        "names": list(series.names),
        "at_ns": at.tolist(),
        "rows": _numbers(series.at(at)),
    }


def _times(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Between which there are measurements, and two at which there are."""
    first, last = int(times_ns[0]), int(times_ns[-1])
    return np.array([first + (last - first) * k // (TIMES - 1) for k in range(TIMES)], np.int64)


def _pictures(episode: Episode) -> dict[str, Any] | None:
    """Means of the first and the last, to half a step: codecs differ in the last bit."""
    frames = episode.frames
    if frames is None:
        return None
    means = [np.asarray(frames.read(index)).mean(axis=(0, 1)) for index in (0, len(frames) - 1)]
    return {
        "count": len(frames),
        "size": list(frames.size),
        "first_ns": int(frames.times_ns[0]),
        "means": _numbers(np.round(np.stack(means) * 2) / 2),
    }


def _contact(contact: Contact) -> dict[str, Any]:
    return {
        "time_ns": contact.time_ns,
        "id": contact.contact_id,
        "object": contact.object_id,
        "action": contact.action,
        "numbers": _numbers(np.array([*contact.position, contact.impulse, contact.duration])),
    }


def _beliefs(bag: Bag) -> dict[str, list[list[Any]]]:
    """What was believed, and what surprised, as far as an earlier definition tells it."""
    decoder = Decoder(bag.topics)
    wanted = {"foley_msgs/msg/PredicateArray", "foley_msgs/msg/Surprise"}
    topics = {name for name, topic in bag.topics.items() if topic.type in wanted}
    found: dict[str, list[list[Any]]] = {}
    for message in bag.messages() if topics else ():
        if message.topic not in topics:
            continue
        read = decoder.read(message)
        if hasattr(read, "predicates"):
            rows = [
                [p.name, list(p.arguments), _number(p.probability), int(p.state)] for p in read.predicates
            ]
        else:
            rows = [[read.contact_id, read.distance_name, _number(read.percentile), bool(read.surprised)]]
        found.setdefault(message.topic, []).extend(rows)
    return found


def _numbers(values: NDArray[np.floating]) -> list[Any]:
    listed: list[Any] = np.where(np.isfinite(values), np.round(values, _DIGITS), np.nan).tolist()
    return _without_nan(listed)


def _without_nan(values: list[Any]) -> list[Any]:
    return [_without_nan(v) if isinstance(v, list) else None if v != v else v for v in values]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), _DIGITS)
