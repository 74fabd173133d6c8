"""The demo's HTML page: one self-contained file with pictures and players."""

from __future__ import annotations

import base64
import dataclasses
import importlib.resources
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jinja2 import Environment, select_autoescape
from numpy.typing import NDArray

from foley_bringup.demo import figures
from foley_bringup.demo.results import LiveContact, Session


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the page shows beside the figures."""

    pairs: Sequence[
        tuple[LiveContact, NDArray[np.float32]]
    ]  # a contact and what was heard of it, [n] samples
    hands: Sequence[bytes]  # PNG
    sync: figures.SyncTrace
    stages: Sequence[tuple[str, float]]


def table_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, value, note) of each figure, for the terminal and the page alike."""
    m = metrics

    def interval(key: str) -> str:
        low, high = m[key]
        return f"95 % interval {low:.2f} to {high:.2f}"

    lost = {t: max(c["sent"] - c["received"], 0) for t, c in m["lost"].items()}
    return [
        ("contacts", f"{m['contacts']}", f"in {len(m['scenes'])} unseen scenes with unseen objects"),
        ("detection precision", f"{m['detection_precision']:.2f}", "against the simulator's own contacts"),
        ("detection recall", f"{m['detection_recall']:.2f}", ""),
        (
            "material, heard",
            f"{m['material_accuracy_heard']:.2f}",
            interval("material_accuracy_heard_interval"),
        ),
        (
            "material, predicted",
            f"{m['material_accuracy_predicted']:.2f}",
            interval("material_accuracy_predicted_interval") + ", before the touch",
        ),
        ("material, chance", f"{m['material_chance']:.2f}", f"{len(m['vocabulary'])} materials"),
        (
            "lead time, median",
            f"{m['lead_time_p50_ms']:.0f} ms",
            f"{m['announced_share']:.0%} of contacts announced before they happened",
        ),
        ("latency, median", f"{m['latency_p50_ms']:.0f} ms", "newest input to prediction published"),
        ("latency, 99th percentile", f"{m['latency_p99_ms']:.0f} ms", ""),
        (
            "contact to estimate, median",
            f"{m['contact_to_estimate_p50_ms']:.0f} ms",
            "of which most is the sound itself",
        ),
        (
            "real-time factor",
            f"{m['real_time_factor']:.3f}",
            "simulated seconds per second, all nodes running",
        ),
        (
            "messages lost",
            f"{sum(lost.values())}",
            ", ".join(f"{t} {n}" for t, n in lost.items() if n) or "none",
        ),
        (
            "checkpoint",
            m["checkpoint_sha256"][:12],
            "trained in this run" if m["trained_in_this_run"] else "given, not trained in this run",
        ),
    ]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _wav(samples: NDArray[np.float32], rate: int) -> bytes:
    buffer = io.BytesIO()
    peak = float(np.max(np.abs(samples), initial=0.0))
    # Taps peak far below full scale; the same gain rule on both sides keeps the pair comparable.
    soundfile.write(buffer, samples * (0.7 / peak if peak > 0 else 1.0), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def picture(evidence: Evidence) -> bytes | None:
    """One picture that says it all, of the contact that the first hand picture shows; None without any."""
    for contact, heard in evidence.pairs:
        prediction = contact.prediction
        if prediction is None or contact.lead_s is None or not evidence.hands:
            continue
        return figures.summary_picture(
            evidence.hands[0],
            prediction.waveform,
            heard,
            prediction.sample_rate,
            onset_s=(contact.onset_ns - prediction.waveform_start_ns) / 1e9,
            title=f"{contact.action} on {contact.material}, announced {1e3 * contact.lead_s:.0f} ms before",
        )
    return None


def write(
    path: Path,
    metrics: Mapping[str, Any],
    wrong: Sequence[str],
    sessions: Sequence[Session],
    evidence: Evidence,
) -> None:
    """Write the page to ``path``."""
    contacts = [c for s in sessions for c in s.contacts]
    truth = [c.material for c in contacts]
    pairs = []
    for contact, heard in evidence.pairs:
        prediction = contact.prediction
        if prediction is None or contact.lead_s is None:
            continue
        image = figures.spectrogram_pair(
            prediction.waveform,
            heard,
            prediction.sample_rate,
            onset_s=(contact.onset_ns - prediction.waveform_start_ns) / 1e9,
        )
        pairs.append(
            {
                "image": _base64(image),
                "action": contact.action,
                "material": contact.material,
                "object_id": f"{contact.session}/{contact.object_id}",
                "lead": f"{1e3 * contact.lead_s:.0f}",
                "predicted": prediction.material,
                "heard": contact.heard_material,
                "audio_predicted": _base64(_wav(prediction.waveform, prediction.sample_rate)),
                "audio_heard": _base64(_wav(heard, prediction.sample_rate)),
            }
        )
    matrices = figures.confusion(
        truth,
        {
            "heard": [c.heard_material for c in contacts],
            "predicted before the touch": [c.prediction.material if c.prediction else None for c in contacts],
        },
        metrics["vocabulary"],
    )
    source = importlib.resources.files("foley_bringup").joinpath("data/report.html.j2").read_text("utf-8")
    template = Environment(autoescape=select_autoescape(default=True)).from_string(source)
    page = template.render(
        title="Foley: the closed loop",
        subtitle="A simulated robot touched things, recorded them, learned, and then predicted and heard new ones.",
        wrong=list(wrong),
        rows=table_rows(metrics),
        hands=[_base64(h) for h in evidence.hands],
        pairs=pairs,
        confusion=_base64(matrices),
        sync=_base64(figures.sync_plot(evidence.sync)),
        predicates=[p for s in sessions for p in s.predicates],
        lost=metrics["lost"],
        stages=list(evidence.stages),
    )
    path.write_text(page, encoding="utf-8")
