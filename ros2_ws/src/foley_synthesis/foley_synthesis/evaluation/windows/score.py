"""How near generated windows are to the real ones, beside what anybody could have produced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.flow.inference.model import FlowModel
from foley_synthesis.flow.networks.mel import RATE, GriffinLim, LogMel
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.windows import SAMPLES, Batch, Items, ItemsError, batch, lowered
from foley_synthesis.metrics.audio import (
    envelope_distance,
    onset_agreement,
    onsets,
    stft_distance,
)
from foley_synthesis.metrics.bootstrap import hierarchical_weights, interval, mean_interval
from foley_synthesis.vis.synthesis.exemplar import shifted

Sound = NDArray[np.float32]
Array = NDArray[np.float64]
Maker = Callable[[int], Sound]
"""Row of the items -> sound [128000] at 16 kHz."""
_LATE_S = 0.05
_TOLERANCE_S = 0.05


def model_rows(
    name: str, model: FlowModel, items: Items, rows: NDArray[np.int64], seed: int, config: SampleConfig
) -> dict[str, Maker]:
    """Sounds of a model, one seed a window; and what it makes where one of its senses tells of another scene.

    The last two say what the model makes of hands and views: where nothing gets worse, it does not use them.
    """

    def maker(vision: NDArray[np.int64], action: NDArray[np.int64]) -> Maker:
        place = {int(row): k for k, row in enumerate(rows)}

        def make(row: int) -> Sound:
            own = batch(items, torch.tensor([row]))
            seen = batch(items, torch.tensor([vision[place[row]]]))
            done = batch(items, torch.tensor([action[place[row]]]))
            return model.sounds(Batch(own.sound, seen.vision, done.action), seed + row, config)[0]

        return make

    others = _of_another_scene(items, rows, seed)
    found = {name: maker(rows, rows)}
    without = str(model.facts.get("without", ""))
    if without != "action":
        found[f"{name}, hands of another"] = maker(rows, others)
    if without != "vision":
        found[f"{name}, views of another"] = maker(others, rows)
    return found


def _of_another_scene(items: Items, rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """For each row one of another scene, where there is one."""
    rng = np.random.default_rng(seed)
    scenes = np.array([items.windows[i].scene_id for i in rows])
    found = rows.copy()
    for k in range(len(rows)):
        others = rows[scenes != scenes[k]]
        if len(others):
            found[k] = rng.choice(others)
    return found


def simple_rows(
    dataset: ClipDataset, items: Items, rows: NDArray[np.int64], model: FlowModel | None, seed: int
) -> dict[str, Maker]:
    """The true sound late, and after the parts that any model goes through; other real ones; silence."""
    train = items.rows("train").numpy()
    drawn = train[np.random.default_rng(seed).integers(len(train), size=len(rows))]
    seen = items.vision.mean(dim=1)
    near = train[
        torch.cdist(seen[torch.from_numpy(rows)], seen[torch.from_numpy(train)]).argmin(dim=1).numpy()
    ]
    done = items.action.flatten(1)
    alike = train[
        torch.cdist(done[torch.from_numpy(rows)], done[torch.from_numpy(train)]).argmin(dim=1).numpy()
    ]
    place = {int(row): k for k, row in enumerate(rows)}
    vocoder = GriffinLim(seed=seed)

    def late(row: int) -> Sound:
        return shifted(real_sound(dataset, items, row), round(_LATE_S * RATE), RATE // 10)

    def resounded(row: int) -> Sound:
        return vocoder.waveform(items.mel[row].numpy())

    found: dict[str, Maker] = {
        "real sound, 50 ms late": late,
        "real spectrogram, vocoder": resounded,
    }
    if model is not None:
        coder = model.autoencoder

        @torch.no_grad()
        def coded(row: int) -> Sound:
            mel = items.mel[row][None].to(coder.shift.device)
            return vocoder.waveform(coder.decode(coder.encode(mel))[0].cpu().numpy())

        found["real spectrogram, autoencoder, vocoder"] = coded
    return found | {
        "nearest views": lambda row: real_sound(dataset, items, int(near[place[row]])),
        "nearest hands": lambda row: real_sound(dataset, items, int(alike[place[row]])),
        "random": lambda row: real_sound(dataset, items, int(drawn[place[row]])),
        "silence": lambda row: np.zeros(SAMPLES, np.float32),
    }


def real_sound(dataset: ClipDataset, items: Items, row: int) -> Sound:
    """[128000] at 16 kHz."""
    wanted = items.windows[row].window_id
    index = next(i for i, window in enumerate(dataset.windows) if window.window_id == wanted)
    return lowered(dataset.window_audio(index))


def score_windows(
    dataset: ClipDataset,
    items: Items,
    split: str,
    makers: Mapping[str, Maker],
    *,
    replicates: int = 500,
    seed: int = 0,
    keep: Callable[[str, int, Sound], None] = lambda name, row, sound: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Distances of spectrograms and envelopes (Hearing Hands, table 1), of log mel, and agreement of onsets.

    Intervals are over scenes and the windows in them.

    Raises:
        ItemsError: the side has no windows.
    """
    rows = items.rows(split).numpy()
    if not len(rows):
        raise ItemsError(f"split `{split}` has no windows with views")
    windows = [items.windows[i] for i in rows]
    weights = hierarchical_weights(
        [w.scene_id for w in windows], [w.session_id for w in windows], replicates, seed
    )
    real = [real_sound(dataset, items, int(row)) for row in rows]
    truths = [onsets(sound, RATE) for sound in real]
    transform = LogMel()
    rows_figures: dict[str, Any] = {}
    for number, (name, make) in enumerate(makers.items()):
        told: dict[str, list[float]] = {key: [] for key in ("stft", "envelope", "mel", "sync_ms")}
        counts = []
        for k, row in enumerate(rows):
            sound = make(int(row))
            keep(name, int(row), sound)
            told["stft"].append(stft_distance(sound, real[k]).relative)
            told["envelope"].append(envelope_distance(sound, real[k]).relative)
            told["mel"].append(float((transform(torch.from_numpy(sound)) - items.mel[row]).abs().mean()))
            agreed = onset_agreement(onsets(sound, RATE), truths[k], _TOLERANCE_S)
            told["sync_ms"].append(float(np.abs(agreed.errors_s).mean() * 1e3) if agreed.hits else np.nan)
            counts.append((2.0 * agreed.hits, agreed.false + agreed.missed))
            progress(number * len(rows) + k + 1, len(makers) * len(rows))
        rows_figures[name] = {
            key: mean_interval(np.array(column), weights).to_dict() for key, column in told.items()
        }
        rows_figures[name]["onset_f1"] = interval(_f1(np.array(counts)), weights).to_dict()
    return {
        "split": split,
        "windows": len(rows),
        "scenes": len({w.scene_id for w in windows}),
        "onsets": int(sum(len(truth) for truth in truths)),
        "rows": rows_figures,
    }


def _f1(counts: Array) -> Callable[[Array | None], float]:
    def statistic(weight: Array | None) -> float:
        hits, wrong = counts.sum(axis=0) if weight is None else weight @ counts
        return float(hits / (hits + wrong)) if hits + wrong > 0 else float("nan")

    return statistic
