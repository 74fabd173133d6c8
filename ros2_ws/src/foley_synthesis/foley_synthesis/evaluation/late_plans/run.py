"""Train each recipe of VIS and measure it, on plans that are on time and on plans that are not."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.grid import ACTION_RATE
from foley_synthesis.evaluation.late_plans.methods import Rows, Trained, simple_methods, trained_methods
from foley_synthesis.evaluation.late_plans.metrics import late_plan_metrics
from foley_synthesis.evaluation.measure import Table, measure, weights_of
from foley_synthesis.evaluation.sound_metrics import clip_items
from foley_synthesis.metrics.cochleagram import moved
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.synthesis.exemplar import choose_exemplars
from foley_synthesis.vis.training.batches import plan_errors_s
from foley_synthesis.vis.training.build import prepare
from foley_synthesis.vis.training.config import MAX_PLAN_ERROR_S, RECIPES, TrainConfig
from foley_synthesis.vis.training.features import FeatureSet
from foley_synthesis.vis.training.sound_only import train_sound

Progress = Callable[[str, int, int], None]
CHOSEN_BY = "foreground_db"


@dataclasses.dataclass(frozen=True)
class LatePlanConfig:
    """How long each recipe is trained, and with what it is measured.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    recipes: tuple[str, ...] = tuple(RECIPES)
    seeds: int = 2
    epochs: int = 12
    batch: int = 32
    plan_error_s: float = 0.03  # of planned contacts in the second half of the figures
    exemplars: int = 240
    replicates: int = 500
    threads: int = 1

    def __post_init__(self) -> None:
        unknown = sorted(set(self.recipes) - set(RECIPES))
        if unknown or not self.recipes:
            raise ValueError(f"recipes are {', '.join(self.recipes)}; known are {', '.join(RECIPES)}")
        for name in ("seeds", "epochs", "batch", "exemplars", "replicates", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if not 0.0 < self.plan_error_s <= MAX_PLAN_ERROR_S:
            raise ValueError(f"plan_error_s is {self.plan_error_s}, must be in (0, {MAX_PLAN_ERROR_S}]")


def compare(
    features: FeatureSet,
    shape: ModelConfig,
    cochlea: Cochleagram,
    config: LatePlanConfig,
    out: Path,
    *,
    split: str = "test",
    resume: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> tuple[dict[str, Table], dict[str, Any]]:
    """Tables `on_time` and `late` of a split, and figures for metrics.json.

    Every trained recipe is kept under `out/models`; with `resume` those that are there are not trained again.

    Args:
        shape: of the model; each recipe sets its decoding.

    Raises:
        ValueError: a split has no contact with a plan, or `resume` finds models of other data or settings.
    """
    torch.set_num_threads(config.threads)
    rows = {name: _with_plan(features, name) for name in ("train", "validation", split)}
    trained = {
        name: [
            _trained(name, seed, features, shape, config, out / "models", resume, progress)
            for seed in range(config.seeds)
        ]
        for name in config.recipes
    }
    tables = {}
    for key, part, error_s in (
        ("on_time", split, 0.0),
        ("late", split, config.plan_error_s),
        ("validation", "validation", config.plan_error_s),
    ):
        tables[key] = _table(features, trained, rows["train"], rows[part], error_s, cochlea, config, progress)
    validation = tables.pop("validation")
    chosen = {
        kind: _best(validation, [f"{name}, {kind}" for name in config.recipes])
        for kind in ("regression", "example")
    }
    metrics = {
        "config": dataclasses.asdict(config),
        "split": split,
        "contacts": {name: len(found) for name, found in rows.items()},
        "scenes": {name: len({features.clips[i].scene_id for i in found}) for name, found in rows.items()},
        "recipes": {name: dataclasses.asdict(RECIPES[name]) for name in config.recipes},
        "chosen": {"by": f"{CHOSEN_BY} on validation, late plans", **chosen},
        **{key: table.to_dict(seeds=True) for key, table in tables.items()},
        "validation": validation.to_dict(seeds=True),
        "onset_heard": {
            name: [found for one in trainings if (found := one.heard(rows[split])) is not None]
            for name, trainings in trained.items()
        },
        "differences": {key: table.differences(_pairs(config.recipes)) for key, table in tables.items()},
    }
    return tables, metrics


def late_frames(count: int, plan_error_s: float) -> NDArray[np.int64]:
    """By how many frames contacts [count] come after their plans: the same ones at every call."""
    errors = plan_errors_s(count, plan_error_s, torch.Generator().manual_seed(1))
    return np.asarray(np.round(errors.numpy() * ACTION_RATE), np.int64)


def _with_plan(features: FeatureSet, split: str) -> Rows:
    rows = features.indices(split)
    rows = rows[features.has_plan[rows]] if len(rows) else rows
    if not len(rows):
        raise ValueError(f"split `{split}` has no contact with a plan")
    return rows


def _pairs(recipes: tuple[str, ...]) -> list[tuple[str, str]]:
    first, *others = recipes
    return [(f"{name}, {kind}", f"{first}, {kind}") for kind in ("regression", "example") for name in others]


def _best(table: Table, names: list[str]) -> dict[str, Any]:
    figures = {name: table.cells[name][CHOSEN_BY].found.value for name in names}
    best = min(figures, key=lambda name: figures[name])
    return {"recipe": best.rsplit(", ", 1)[0], "figures": {k: round(v, 4) for k, v in figures.items()}}


def _trained(
    name: str,
    seed: int,
    features: FeatureSet,
    shape: ModelConfig,
    config: LatePlanConfig,
    folder: Path,
    resume: bool,
    progress: Progress,
) -> Trained:
    from safetensors import safe_open
    from safetensors.torch import save_file

    recipe = RECIPES[name]
    own = dataclasses.replace(shape, **recipe.model())
    training = TrainConfig(
        minutes=None, epochs=config.epochs, seed=seed, threads=config.threads, batch=config.batch,
        **recipe.training(),
    )  # fmt: skip
    networks, pca, tensors, split = prepare(features, own, training, _materials(features))
    path = folder / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}.safetensors"
    data = hashlib.sha256(np.ascontiguousarray(features.cochleagram[:, ::30]).tobytes()).hexdigest()
    key = json.dumps([dataclasses.asdict(own), dataclasses.asdict(training), data], sort_keys=True)
    if resume and path.is_file():
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("key") != key:
                raise ValueError(f"{path}: of other data or settings; delete it or change --out")
            networks.vis.load_state_dict({n: file.get_tensor(n) for n in file.keys()})  # noqa: SIM118
        networks.vis.eval()
    else:
        train_sound(
            networks.vis,
            tensors,
            split,
            training,
            progress=lambda done, total: progress(f"{name}, seed {seed}", done, total),
        )
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        save_file({n: v.contiguous() for n, v in networks.vis.state_dict().items()}, part, {"key": key})
        part.replace(path)
    bank = choose_exemplars(features.clips, _with_plan(features, "train"), config.exemplars, seed)
    return Trained(networks.vis, pca, tensors, features, np.asarray(bank, np.int64))


def _materials(features: FeatureSet) -> tuple[str, ...]:
    return tuple(sorted({clip.material for clip in features.clips} - {""}))


def _table(
    features: FeatureSet,
    trained: dict[str, list[Trained]],
    train: Rows,
    rows: Rows,
    plan_error_s: float,
    cochlea: Cochleagram,
    config: LatePlanConfig,
    progress: Progress,
) -> Table:
    late = late_frames(len(rows), plan_error_s)
    clips = [features.clips[i] for i in rows]
    items = clip_items(clips, rows, moved(features.cochleagram[rows], late))
    anyone = next(iter(trained.values()))[0]
    methods = simple_methods(features, anyone.tensors, train, rows, late, 0)
    for name, trainings in trained.items():
        methods += trained_methods(name, trainings, rows)
    return measure(
        items,
        methods,
        late_plan_metrics(cochlea),
        weights_of(items, config.replicates, 0),
        progress=lambda done, total: progress("measured", done, total),
    )
