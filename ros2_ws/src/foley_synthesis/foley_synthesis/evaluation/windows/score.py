"""How near generated windows are to the real ones, beside what anybody could have produced."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.measure import Array, Given, Item, Method, Metric, Table, measure, weights_of
from foley_synthesis.evaluation.sound_metrics import WAVEFORM, Sound
from foley_synthesis.evaluation.windows.metrics import FOREGROUND, LEVEL, TIME
from foley_synthesis.evaluation.windows.rows import each_window
from foley_synthesis.evaluation.windows.sounds import WindowOutput, WindowTruth
from foley_synthesis.flow.inference.model import FlowModel
from foley_synthesis.flow.networks.mel import RATE, GriffinLim, LogMel
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.windows import SAMPLES, Batch, Items, ItemsError, batch, lowered
from foley_synthesis.vis.synthesis.exemplar import shifted

_LATE_S = 0.05


def _mel(output: WindowOutput, items: Sequence[Item]) -> Array:
    transform = LogMel()
    return np.array([
        float((transform(torch.from_numpy(sound)) - item.truth.mel).abs().mean())
        for sound, item in zip(output.waveforms, items, strict=True)
    ])  # fmt: skip


METRICS = (
    *(m for m in WAVEFORM if m.shown),
    Metric("mel", "log mel", "lower", _mel, format=".3f"),
    *FOREGROUND,
    *TIME,
    *LEVEL,
)
"""Hearing Hands, table 1, the agreement of onsets, and metrics on which the true sound wins."""


def model_methods(
    name: str, model: FlowModel, items: Items, rows: NDArray[np.int64], seed: int, config: SampleConfig
) -> list[Method]:
    """Sounds of a model, one seed a window; and what it makes where one of its senses tells of another scene.

    The last two say what the model makes of hands and views: where nothing gets worse, it does not use them.
    """

    place = {int(row): k for k, row in enumerate(rows)}

    def of(
        key: str, given: Given, vision: NDArray[np.int64] = rows, action: NDArray[np.int64] = rows
    ) -> Method:
        def make(item: Item) -> Sound:
            row = item.row
            own = batch(items, torch.tensor([row]))
            seen = batch(items, torch.tensor([vision[place[row]]]))
            done = batch(items, torch.tensor([action[place[row]]]))
            return model.sounds(Batch(own.sound, seen.vision, done.action), seed + row, config)[0][None]

        return each_window(key, given, make)

    others = _of_another_scene(items, rows, seed)
    without = str(model.facts.get("without", ""))
    found = [of(name, "nothing" if without == "action" else "motion")]
    if without != "action":
        found.append(of(f"{name}, hands of another", "nothing", action=others))
    if without != "vision":
        found.append(of(f"{name}, views of another", found[0].given, vision=others))
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


def simple_methods(
    dataset: ClipDataset, items: Items, rows: NDArray[np.int64], model: FlowModel | None, seed: int
) -> list[Method]:
    """The true sound late, and after the parts that any model goes through; other real ones; silence."""
    train = items.rows("train").numpy()
    random = train[np.random.default_rng(seed).integers(len(train), size=len(rows))]
    place = {int(row): k for k, row in enumerate(rows)}
    vocoder = GriffinLim(seed=seed)

    def nearest(of: Tensor) -> NDArray[np.int64]:
        return np.asarray(train[torch.cdist(of[torch.from_numpy(rows)], of[train]).argmin(dim=1).numpy()])

    def of_train(chosen: NDArray[np.int64]) -> Callable[[int], Sound]:
        return lambda row: real_sound(dataset, items, int(chosen[place[row]]))

    def late(row: int) -> Sound:
        return shifted(real_sound(dataset, items, row), round(_LATE_S * RATE), RATE // 10)

    def resounded(row: int) -> Sound:
        return vocoder.waveform(items.mel[row].numpy())

    @torch.no_grad()
    def coded(row: int) -> Sound:
        assert model is not None
        coder = model.autoencoder
        mel = items.mel[row][None].to(coder.shift.device)
        return vocoder.waveform(coder.decode(coder.encode(mel))[0].cpu().numpy())

    ways: list[tuple[str, Given, Callable[[int], Sound]]] = [
        ("real sound, 50 ms late", "truth", late),
        ("real spectrogram, vocoder", "truth", resounded),
        ("real spectrogram, autoencoder, vocoder", "truth", coded),
        ("nearest views", "nothing", of_train(nearest(items.vision.mean(dim=1)))),
        ("nearest hands", "motion", of_train(nearest(items.action.flatten(1)))),
        ("random", "nothing", of_train(random)),
        ("silence", "nothing", lambda row: np.zeros(SAMPLES, np.float32)),
    ]
    return [
        each_window(key, given, lambda item, make=make: make(item.row)[None])  # type: ignore[misc]
        for key, given, make in ways
        if model is not None or make is not coded
    ]


def real_sound(dataset: ClipDataset, items: Items, row: int) -> Sound:
    """[128000] at 16 kHz."""
    wanted = items.windows[row].window_id
    index = next(i for i, window in enumerate(dataset.windows) if window.window_id == wanted)
    return lowered(dataset.window_audio(index))


def score_windows(
    dataset: ClipDataset,
    items: Items,
    split: str,
    methods: Sequence[Method],
    *,
    replicates: int = 500,
    seed: int = 0,
    seen: Callable[[str, WindowOutput], None] = lambda method, output: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Table:
    """Intervals are over scenes, their sessions and the windows in them.

    Raises:
        ItemsError: the split has no windows.
    """
    rows = [int(row) for row in items.rows(split)]
    if not rows:
        raise ItemsError(f"split `{split}` has no windows with views")
    windows = [
        Item(
            row,
            items.windows[row].scene_id,
            items.windows[row].session_id,
            WindowTruth(waveform=real_sound(dataset, items, row), rate=RATE, mel=items.mel[row]),
        )
        for row in rows
    ]
    weights = weights_of(windows, replicates, seed)
    table = measure(windows, methods, METRICS, weights, seen=seen, progress=progress)
    heard = sum(len(item.truth.onsets) for item in windows)
    facts = {"split": split, **table.count("windows"), "onsets": heard}
    return dataclasses.replace(table, facts=facts)
