"""Looking through a whole set of bags: its sound sample by sample, its contacts one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from foley_common.times import NS_PER_S
from foley_sim.offline.job import CONTACTS, BagReport, read_report, stored_session
from foley_sim.ros import topics
from foley_sim.ros.bag_file import typestore
from foley_sim.sound.audibility import rise_db
from foley_sim.sound.events import Impact
from foley_sim.world import contact_log

AUDIBLE_DB = 1.5
"""A contact whose loudest frame rises this far above what was there before can be heard over the room."""

_SLACK_S = 0.02  # between a contact's times and those of the events that sound


def bags_in(folder: Path) -> list[Path]:
    """Finished bags in a folder and in its `scans`, or the bag that the folder is.

    Raises:
        ValueError: there is none.
    """
    places = [folder, *folder.glob("*"), *folder.glob("scans/*")]
    found = sorted(p for p in places if (p / "metadata.yaml").is_file())
    if not found:
        raise ValueError(f"{folder}: holds no bags of `foley sim generate`")
    return found


def reports_of(folder: Path) -> list[BagReport]:
    """What was written into every bag of a folder.

    Raises:
        ValueError: no bags, or one without its report.
    """
    reports = []
    for bag in bags_in(folder):
        report = read_report(bag)
        if report is None:
            raise ValueError(f"{bag}: has no report.json; generate it again")
        reports.append(report)
    return reports


def check_set(folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Troubles, one line each, and figures.

    Raises:
        ValueError: no bags.
    """
    troubles: list[str] = []
    seconds, peak, contacts, audible = 0.0, 0.0, 0, 0
    bags = bags_in(folder)
    for bag in bags:
        if (stored_session(bag) or {}).get("kind") == "scan":
            continue
        report = read_report(bag)
        heard = read_sound(bag)
        samples, rate, touched = heard.samples, heard.rate, heard.contacts
        everything = samples if heard.felt is None else np.concatenate([samples, heard.felt])
        finite = np.isfinite(everything)
        loudest = float(np.abs(everything[finite]).max(initial=0.0))
        seconds, peak, contacts = seconds + samples.size / rate, max(peak, loudest), contacts + len(touched)
        if not finite.all():
            troubles.append(f"{bag.name}: {int(np.count_nonzero(~finite))} samples are NaN or infinite")
        if loudest >= 1.0:
            troubles.append(f"{bag.name}: clips (largest sample {loudest:.4f})")
        if report is not None and report.limited:
            troubles.append(f"{bag.name}: {report.limited} samples were bent by the guard against overload")
        events = _events(bag)
        for onset_s, duration_s, name, object_id in touched:
            rise = rise_db(samples, rate, onset_s, duration_s)
            audible += int(rise >= AUDIBLE_DB)
            sounded = events is None or _sounds(events.get(object_id, []), onset_s, duration_s)
            if not sounded or not np.isfinite(rise):
                troubles.append(
                    f"{bag.name}: contact {name} at {onset_s:.2f} s on {object_id} makes no sound"
                )
    return troubles, {
        "bags": len(bags),
        "audio_s": seconds,
        "peak": peak,
        "contacts": contacts,
        "audible": audible,
    }


def _events(bag: Path) -> dict[str, list[tuple[float, float]]] | None:
    """Begin and end [s] of all that sounded, by object; None where the contacts were not saved."""
    if not (bag / CONTACTS).is_file():
        return None
    found: dict[str, list[tuple[float, float]]] = {}
    for event in contact_log.read(bag / CONTACTS).events:
        span = (event.time_s, event.time_s) if isinstance(event, Impact) else (event.start_s, event.end_s)
        found.setdefault(event.object_id, []).append(span)
    return found


def _sounds(spans: list[tuple[float, float]], onset_s: float, duration_s: float) -> bool:
    low, high = onset_s - _SLACK_S, onset_s + duration_s + _SLACK_S
    return any(begin <= high and end >= low for begin, end in spans)


class Heard(NamedTuple):
    """The sound of a bag and its contacts."""

    samples: NDArray[np.float32]  # [n] of the microphone
    rate: int  # [Hz]
    contacts: list[
        tuple[float, float, str, str]
    ]  # onset [s] from the first sample, duration [s], contact, object
    felt: NDArray[np.float32] | None = None  # [n] of the contact microphone


def read_sound(bag: Path) -> Heard:
    """
    Raises:
        ValueError: the bag holds no sound.
    """
    sound, touch, contact = (f"/{t.name}" for t in (topics.AUDIO, topics.CONTACT_AUDIO, topics.CONTACTS))
    chunks: dict[str, list[NDArray[np.float32]]] = {sound: [], touch: []}
    contacts: list[tuple[int, float, str, str]] = []
    rate, begin_ns = 0, 0
    with AnyReader([bag], default_typestore=typestore()) as reader:
        wanted = [c for c in reader.connections if c.topic in (*chunks, contact)]
        for connection, _, raw in reader.messages(wanted):
            message: Any = reader.deserialize(raw, connection.msgtype)
            stamp = message.header.stamp.sec * NS_PER_S + message.header.stamp.nanosec
            if connection.topic == contact:
                contacts.append((stamp, float(message.duration), message.contact_id, message.object_id))
                continue
            if not rate:
                rate, begin_ns = int(message.sample_rate), stamp
            chunks[connection.topic].append(np.asarray(message.samples, dtype=np.float32))
    heard, felt = chunks.values()
    if not heard:
        raise ValueError(f"{bag}: holds no sound on {sound}")
    touched = [
        ((stamp - begin_ns) / NS_PER_S, duration, name, item) for stamp, duration, name, item in contacts
    ]
    return Heard(np.concatenate(heard), rate, touched, np.concatenate(felt) if felt else None)
