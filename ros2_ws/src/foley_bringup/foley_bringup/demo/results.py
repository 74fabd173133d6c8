"""What a live session showed, and the figures computed from it. Pure data and arithmetic."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINIMUM_LEAD_MS = 200.0
MAXIMUM_IMAGE_LOSS = 0.005
MINIMUM_DETECTION = 0.5


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One planned prediction as it was received."""

    predicted_ns: int  # when the contact was expected
    received_ns: int  # when the message arrived at the recorder
    latency_s: float  # newest input -> publication, as the node states it
    material: str | None  # most probable label, None without an estimate
    waveform: NDArray[np.float32]  # [n]
    waveform_start_ns: int
    sample_rate: int


@dataclasses.dataclass(frozen=True)
class LiveContact:
    """One true contact of the simulator, with all that the system said about it."""

    session: str
    object_id: str  # the simulator's name, unique within its session
    material: str
    action: str
    onset_ns: int
    detected_ns: int | None
    heard_material: str | None
    heard_latency_s: float | None
    prediction: Prediction | None

    @property
    def lead_s(self) -> float | None:
        """Seconds between the arrival of the prediction and the true onset."""
        if self.prediction is None:
            return None
        return (self.onset_ns - self.prediction.received_ns) / 1e9


@dataclasses.dataclass(frozen=True)
class TopicLoss:
    sent: int
    received: int

    @property
    def share(self) -> float:
        return max(self.sent - self.received, 0) / self.sent if self.sent else 0.0


@dataclasses.dataclass(frozen=True)
class Session:
    """One live session in one scene."""

    name: str
    contacts: tuple[LiveContact, ...]
    false_detections: int
    lost: Mapping[str, TopicLoss]
    real_time_factor: float
    model_ids: frozenset[str]
    predicates: tuple[tuple[str, float, str], ...] = ()  # final (text, probability, state)


def balanced_accuracy(truth: Sequence[str], said: Sequence[str | None]) -> float:
    """Mean over the classes in ``truth`` of the share that was said right; silence counts as wrong."""
    if not truth:
        return float("nan")
    shares = []
    for label in sorted(set(truth)):
        of_label = [s == label for t, s in zip(truth, said, strict=True) if t == label]
        shares.append(sum(of_label) / len(of_label))
    return float(np.mean(shares))


def balanced_accuracy_interval(
    contacts: Sequence[LiveContact],
    said: Sequence[str | None],
    *,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap interval of :func:`balanced_accuracy`, objects resampled first, then their contacts."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, contact in enumerate(contacts):
        groups.setdefault((contact.session, contact.object_id), []).append(index)
    if not groups:
        return (float("nan"), float("nan"))
    members = [np.array(g) for g in groups.values()]
    rng = np.random.default_rng(seed)
    truth = np.array([c.material for c in contacts])
    hit = np.array([s == c.material for s, c in zip(said, contacts, strict=True)], dtype=np.float64)
    values = np.empty(repeats)
    for r in range(repeats):
        chosen = rng.integers(0, len(members), len(members))
        picked = np.concatenate([rng.choice(members[k], members[k].size) for k in chosen])
        labels = truth[picked]
        values[r] = np.mean([hit[picked][labels == label].mean() for label in np.unique(labels)])
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _quantile(values: Iterable[float], q: float, scale: float = 1e3) -> float:
    array = np.fromiter(values, dtype=np.float64)
    return float(np.quantile(array, q) * scale) if array.size else float("nan")


def figures(
    sessions: Sequence[Session],
    vocabulary: Sequence[str],
    checkpoint_sha256: str,
    *,
    trained_in_this_run: bool,
) -> dict[str, Any]:
    """The table's figures, under the keys of ``metrics.json``."""
    contacts = [c for s in sessions for c in s.contacts]
    detected = sum(c.detected_ns is not None for c in contacts)
    false = sum(s.false_detections for s in sessions)
    truth = [c.material for c in contacts]
    heard = [c.heard_material for c in contacts]
    predicted = [c.prediction.material if c.prediction else None for c in contacts]
    leads = [c.lead_s for c in contacts if c.lead_s is not None]
    latencies = [c.prediction.latency_s for c in contacts if c.prediction]
    heard_latencies = [c.heard_latency_s for c in contacts if c.heard_latency_s is not None]
    lost: dict[str, dict[str, int]] = {}
    for session in sessions:
        for topic, loss in session.lost.items():
            entry = lost.setdefault(topic, {"sent": 0, "received": 0})
            entry["sent"] += loss.sent
            entry["received"] += loss.received
    return {
        "contacts": len(contacts),
        "detection_precision": detected / (detected + false) if detected + false else 0.0,
        "detection_recall": detected / len(contacts) if contacts else 0.0,
        "material_accuracy_heard": balanced_accuracy(truth, heard),
        "material_accuracy_heard_interval": balanced_accuracy_interval(contacts, heard),
        "material_accuracy_predicted": balanced_accuracy(truth, predicted),
        "material_accuracy_predicted_interval": balanced_accuracy_interval(contacts, predicted),
        "material_chance": 1.0 / len(vocabulary),
        "announced_share": sum(lead > 0 for lead in leads) / len(contacts) if contacts else 0.0,
        "lead_time_p50_ms": _quantile(leads, 0.5),
        "latency_p50_ms": _quantile(latencies, 0.5),
        "latency_p99_ms": _quantile(latencies, 0.99),
        "contact_to_estimate_p50_ms": _quantile(heard_latencies, 0.5),
        "contact_to_estimate_p99_ms": _quantile(heard_latencies, 0.99),
        "real_time_factor": min((s.real_time_factor for s in sessions), default=float("nan")),
        "lost": lost,
        "scenes": [s.name for s in sessions],
        "vocabulary": list(vocabulary),
        "checkpoint_sha256": checkpoint_sha256,
        "model_ids_seen": sorted(set().union(*(s.model_ids for s in sessions))),
        "trained_in_this_run": trained_in_this_run,
    }


def broken_joints(metrics: Mapping[str, Any]) -> list[str]:
    """What is wrong with the loop, one sentence each; empty when it closes."""
    wrong: list[str] = []

    def require(condition: bool, sentence: str) -> None:
        if not condition:  # NaN compares false, so a figure that is missing is a broken joint too
            wrong.append(sentence)

    m = metrics
    require(m["contacts"] >= 10, f"only {m['contacts']} contacts happened in the live sessions")
    for key in ("detection_precision", "detection_recall"):
        require(m[key] >= MINIMUM_DETECTION, f"{key} is {m[key]:.2f}, below {MINIMUM_DETECTION}")
    low = m["material_accuracy_heard_interval"][0]
    require(
        low > m["material_chance"],
        f"material heard: lower end of the interval is {low:.2f}, chance is {m['material_chance']:.2f}",
    )
    require(
        m["material_accuracy_predicted"] > m["material_chance"],
        f"material predicted: {m['material_accuracy_predicted']:.2f} is not above "
        f"chance ({m['material_chance']:.2f})",
    )
    require(m["announced_share"] >= 0.5, f"only {m['announced_share']:.0%} of the contacts were announced")
    require(
        m["lead_time_p50_ms"] > MINIMUM_LEAD_MS,
        f"median lead time is {m['lead_time_p50_ms']:.0f} ms, must be over {MINIMUM_LEAD_MS:.0f} ms",
    )
    for topic, count in m["lost"].items():
        loss = TopicLoss(**count)
        allowed = MAXIMUM_IMAGE_LOSS if topic.startswith("camera/") else 0.0
        require(loss.sent > 0, f"{topic}: nothing was sent")
        require(loss.share <= allowed, f"{topic}: {loss.sent - loss.received} of {loss.sent} messages lost")
    require(
        m["model_ids_seen"] == [m["checkpoint_sha256"]],
        f"the live nodes used model {m['model_ids_seen']}, not the one just trained ({m['checkpoint_sha256']})",
    )
    return wrong
