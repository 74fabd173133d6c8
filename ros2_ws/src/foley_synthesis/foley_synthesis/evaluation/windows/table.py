"""The table of windows: models beside what anybody could have produced, by metrics on which the true sound wins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.measure import Item, Method, Metric, Table, measure, weights_of
from foley_synthesis.evaluation.sound_metrics import spread
from foley_synthesis.evaluation.windows.metrics import FOREGROUND, LEVEL, PAPER, RANKING, TIME
from foley_synthesis.evaluation.windows.nearest_hit import NEAREST_HIT
from foley_synthesis.evaluation.windows.probes import WindowProbes, heard_of, probe_metrics
from foley_synthesis.evaluation.windows.rows import MEAN, NEAREST_MOTION, NEAREST_VIEWS, RANDOM, SILENCE
from foley_synthesis.evaluation.windows.sounds import WindowOutput, WindowTruth
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.window_model import EvaluationWindow

SIMPLE = (SILENCE, MEAN, RANDOM, NEAREST_MOTION, NEAREST_VIEWS, NEAREST_HIT)
_MEAN_OF = 400  # training windows


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """What training windows tell: their mean, and what probes learned of them."""

    mean_above: NDArray[np.float32]  # [80] over all frames: windows begin anywhere
    probes: WindowProbes | None  # None: too little can be heard in them
    why_no_probes: str = ""


def learn(
    train: Sequence[EvaluationWindow], progress: Callable[[int, int], None] = lambda done, total: None
) -> Known:
    """Of the true sounds of training windows."""
    total: Any = 0.0
    some = set(spread(len(train), _MEAN_OF).tolist())

    def truths() -> Iterator[WindowTruth]:
        nonlocal total
        for row, window in enumerate(train):
            truth = WindowTruth(waveform=window.sound(), rate=RATE, window=window)
            if row in some:
                total = total + truth.above.mean(axis=1, dtype=np.float64)
            yield truth
            progress(row + 1, len(train))

    heard = heard_of(truths())
    mean = np.asarray(total / len(some), np.float32)
    try:
        return Known(mean, WindowProbes(heard))
    except ValueError as error:
        return Known(mean, None, str(error))


def score_table(
    items: Sequence[Item],
    methods: Sequence[Method],
    known: Known,
    more: Sequence[Metric] = (),
    *,
    replicates: int = 500,
    seed: int = 0,
    seen: Callable[[str, WindowOutput], None] = lambda method, output: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    told: Callable[[str, dict[str, float]], None] = lambda method, seconds: None,
) -> Table:
    """Intervals are over scenes, their sessions and the windows in them; differences are from every simple row.

    Args:
        items: from `window_items`.
        more: metrics beside.
    """
    probed = probe_metrics(known.probes, items) if known.probes else ()
    metrics = (*FOREGROUND, *RANKING, *TIME, *LEVEL, *probed, *more, *PAPER)
    table = measure(
        items, methods, metrics, weights_of(items, replicates, seed), seen=seen, progress=progress, told=told
    )
    models = [m.key for m in methods if m.given not in ("truth",) and m.key not in SIMPLE]
    facts = {
        **table.count("windows", "sessions"),
        "touches": sum(len(item.truth.touched_s) for item in items),
        "onsets": sum(len(item.truth.onsets) for item in items),
        "differences": table.differences(
            [(m, other) for m in models for other in (*SIMPLE, *models) if other != m]
        ),
    }
    return dataclasses.replace(table, facts=facts)
