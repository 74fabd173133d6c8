"""Networks that others trained to listen, on clips around touches of windows, where their weights are supplied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.measure import Array, Item, Metric
from foley_synthesis.evaluation.sound_metrics import Sound, spread
from foley_synthesis.evaluation.windows.probes import Touches, touches_of
from foley_synthesis.evaluation.windows.sounds import FRAME_S, WindowOutput
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.metrics.audio import frechet
from foley_synthesis.metrics.perceptual import Aisfx, Cdpam, JudgeMissing

_BEFORE_S, _CLIP_S = 0.1, 0.6


def supplied_judges() -> tuple[Cdpam | None, Aisfx | None]:
    """Those whose weights are in the cache folder."""
    found: list[Cdpam | Aisfx | None] = []
    for judge in (Cdpam, Aisfx):
        try:
            found.append(judge())
        except JudgeMissing:
            found.append(None)
    return tuple(found)  # type: ignore[return-value]


def clips_of(sounds: Sequence[Sound], touches: Touches, chosen: NDArray[np.int64]) -> list[Sound]:
    """0.6 s around touches."""
    size, before = round(_CLIP_S * RATE), round(_BEFORE_S * RATE)
    found = []
    for k in chosen:
        begin = max(round(touches.frames[k] * FRAME_S * RATE) - before, 0)
        clip = sounds[touches.windows[k]][begin : begin + size]
        found.append(np.pad(clip, (0, size - len(clip))))
    return found


def judge_metrics(
    items: Sequence[Item], cdpam: Cdpam | None, aisfx: Aisfx | None, most: int = 60
) -> tuple[Metric, ...]:
    """CDPAM and Frechet distance of the first draw, at ``most`` touches, spread over all."""
    touches = touches_of([item.truth for item in items])
    chosen = spread(len(touches.windows), most) if len(touches.windows) else np.zeros(0, np.int64)
    real = clips_of([item.truth.waveform for item in items], touches, chosen)
    found: list[Metric] = []
    if cdpam is not None and len(chosen):
        truth, judge = cdpam.embed(real, RATE), cdpam

        def apart(output: WindowOutput, items: Sequence[Item]) -> Array | None:
            if output.sounds is None:
                return None
            made = judge.embed(clips_of(output.waveforms, touches, chosen), RATE)
            return np.asarray(judge.distances(made, truth))

        rows = touches.windows[chosen]
        note = f"CDPAM, which was trained on speech, heard {len(chosen)} touches and says nothing alone."
        found.append(
            Metric(
                "cdpam", "CDPAM", "lower", apart,
                lambda values, weights: float(np.average(values, weights=None if weights is None else weights[rows]))
                if weights is None or weights[rows].sum() > 0 else float("nan"), format=".3f", note=note,
            )
        )  # fmt: skip
    if aisfx is not None and len(chosen) > 2:
        known, network = aisfx.embed(real, RATE), aisfx

        def embed(output: WindowOutput, items: Sequence[Item]) -> NDArray[np.float32] | None:
            if output.sounds is None:
                return None
            return network.embed(clips_of(output.waveforms, touches, chosen), RATE)

        found.append(
            Metric(
                "frechet", "Frechet, aiSFX", "lower", embed,
                lambda values, weights: frechet(values, known), format=".1f", bootstrap=False,
                note=f"Frechet distance in {network.name}, of as many touches.",
            )
        )  # fmt: skip
    return tuple(found)
