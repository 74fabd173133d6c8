"""Planned contacts that do not come: `python -m benchmarks.missed_contacts [--bags DIR] [--live BAG ...]`.

On recordings of the simulation (folders with rosbags below --bags, with `/mic/audio` and `/sim/contacts`): how often
something is heard where there was a contact (what else would be missed while it is not announced in time), and how
often where there was none (what is not missed although it should be). On live sessions (--live, with `/contacts` and
`/predicted_audio` as well): how far predicted contact times are from the true ones, how long contacts take to be
announced, and what becomes of every planned contact when the session is played to the expectations of the `material`
node as it came, and again with every contact's announcement and sound taken away.
Writes metrics.json to --out.
"""

from __future__ import annotations

import collections
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_perception.audio.ring import AudioRing
from foley_perception.contact_event import Contact
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.expectation import Expectations, something_sounded

NS = 1_000_000_000
POLL_NS = NS // 50
FREE_S = 1.0  # without a contact before and after a time at which nothing is to be heard
FREE_TIMES = 8  # of each recording
TOPICS = {
    "/mic/audio": "audio",
    "/sim/contacts": "true",
    "/contacts": "contacts",
    "/predicted_audio": "predicted",
    "/planned_tool_trajectory": "plans",
}


@dataclasses.dataclass(frozen=True)
class Session:
    """Messages of one recording by what they are, each with its time of arrival [ns], in time."""

    messages: list[tuple[int, str, Any]]

    def of(self, kind: str) -> list[Any]:
        return [message for _, name, message in self.messages if name == kind]

    @property
    def true_ns(self) -> NDArray[np.int64]:
        return np.array([stamp(m.header.stamp) for m in self.of("true")], np.int64)


def stamp(time: Any) -> int:
    return int(time.sec) * NS + int(time.nanosec)


def read(folder: Path) -> Session:
    """Raises AnyReaderError where there is no recording."""
    from rosbags.highlevel import AnyReader

    found = []
    with AnyReader([folder]) as reader:
        wanted = [c for c in reader.connections if c.topic in TOPICS]
        for connection, arrival_ns, raw in reader.messages(wanted):
            message = reader.deserialize(raw, connection.msgtype)
            found.append((int(arrival_ns), TOPICS[connection.topic], message))
    return Session(sorted(found, key=lambda entry: entry[0]))


def ring_of(session: Session) -> AudioRing | None:
    """All sound of a recording."""
    chunks = session.of("audio")
    if not chunks:
        return None
    seconds = (stamp(chunks[-1].header.stamp) - stamp(chunks[0].header.stamp)) / NS + 1.0
    ring = AudioRing(int(chunks[0].sample_rate), seconds)
    for chunk in chunks:
        append(ring, chunk)
    return ring


def append(ring: AudioRing, chunk: Any, *, gain: float = 1.0) -> None:
    samples = np.asarray(chunk.samples, np.float32)[:: max(int(chunk.channels), 1)]
    ring.append(
        gain * samples, first_sample=int(chunk.first_sample), time_ns=stamp(chunk.header.stamp),
        stream_id=chunk.stream_id,
    )  # fmt: skip


def heard_shares(sessions: Sequence[Session], seed: int = 0) -> dict[str, Any]:
    """Of true contacts, and of times without any."""
    rng, there, free = np.random.default_rng(seed), [], []
    for session in sessions:
        ring, times = ring_of(session), session.true_ns
        if ring is None or ring.end_ns is None or not times.size:
            continue
        there += [something_sounded(ring, int(t)) for t in times]
        low, high = int(times.min()), int(times.max())
        picked = [t for t in rng.integers(low, high, 400) if np.abs(times - t).min() > FREE_S * NS]
        free += [something_sounded(ring, int(t)) for t in picked[:FREE_TIMES]]
    known = {
        "contacts": [s for s in there if s is not None],
        "free times": [s for s in free if s is not None],
    }
    return {
        name: {"n": len(shares), "sounded": round(float(np.mean(shares)), 4) if shares else None}
        for name, shares in known.items()
    }


def played(session: Session, *, silent: bool) -> list[tuple[str, float]]:
    """What became of each planned contact, and how long after its time that was told [s].

    Args:
        silent: no contact is announced, and the room is played without what sounded.
    """
    chunks = session.of("audio")
    ring = AudioRing(int(chunks[0].sample_rate))
    expectations, told, last_ns = Expectations(), [], 0
    rng = np.random.default_rng(0)
    for arrival_ns, kind, message in session.messages:
        if kind == "audio":
            if silent:
                quiet = 1e-3 * rng.standard_normal(len(message.samples)).astype(np.float32)
                message = dataclasses.replace(message, samples=quiet)
            append(ring, message)
        elif kind == "contacts" and not silent:
            place = (message.position.x, message.position.y, message.position.z)
            expectations.announced(Contact(stamp(message.header.stamp), message.contact_id, position=place))
        elif kind == "plans":
            expectations.planned(message.plan_id, stamp(message.header.stamp))
        elif kind == "predicted" and message.mode == 0:
            place = (message.position.x, message.position.y, message.position.z)
            sound = ExpectedSound(
                stamp(message.predicted_contact_time), np.zeros(1, np.float32), 0.0, 48_000, message.plan_id, "", place
            )  # fmt: skip
            expectations.expect(sound, arrival_ns)
        if arrival_ns - last_ns >= POLL_NS:
            last_ns = arrival_ns
            for expected, fate in expectations.overdue(arrival_ns, ring, deaf=False):
                told.append((fate.value, (arrival_ns - expected.contact_ns) / NS))
    return told


def live_figures(session: Session) -> dict[str, Any]:
    """Of one live session."""
    planned = [m for m in session.of("predicted") if m.mode == 0]
    times, expected_ns = session.true_ns, np.array([stamp(m.predicted_contact_time) for m in planned])
    if not times.size or not expected_ns.size:
        return {"planned": len(planned), "contacts": int(times.size)}
    off_ms = [float((t - times[np.abs(times - t).argmin()]) / 1e6) for t in expected_ns]
    late_ms = [
        (arrival - stamp(m.header.stamp)) / 1e6 for arrival, kind, m in session.messages if kind == "contacts"
    ]
    figures: dict[str, Any] = {
        "planned": len(planned),
        "contacts": int(times.size),
        "plan_error_ms": _quantiles(off_ms),
        "announced_after_ms": _quantiles(late_ms),
    }
    for name, silent in (("as it was", False), ("without any contact", True)):
        told = played(session, silent=silent)
        figures[name] = dict(collections.Counter(fate for fate, _ in told))
        missed = [after for fate, after in told if fate == "missed"]
        figures[name]["told_after_s_most"] = round(max(missed), 3) if missed else None
    return figures


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 1) for q in (0, 5, 50, 95, 100)} if values else {}


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser("missed_contacts", __doc__)
    made.add_argument("--bags", type=Path, default=Path("out/held_out/bags"), help="default: %(default)s")
    made.add_argument("--most", type=int, default=12, help="recordings of those (default: %(default)s)")
    made.add_argument("--live", type=Path, nargs="*", default=[], metavar="BAG", help="live sessions")
    args = made.parse_args(arguments)
    folders = sorted(p.parent for p in args.bags.glob("*/metadata.yaml"))[: args.most]
    figures: dict[str, Any] = {
        "recordings": len(folders),
        "sounded": heard_shares([read(folder) for folder in folders]),
        "live": {str(folder): live_figures(read(folder)) for folder in args.live},
    }
    write_metrics(args.out, figures)
    for name, share in figures["sounded"].items():
        print(f"{name}: something sounded in {share['sounded']} of {share['n']}")
    for name, row in figures["live"].items():
        print(f"{name}: {row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
