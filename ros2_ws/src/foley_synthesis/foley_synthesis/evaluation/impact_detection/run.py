"""Average precision of impacts on held-out videos: learned methods, and what anybody could have used instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_synthesis.evaluation.impact_detection.match import (
    TOLERANCE_FRAMES,
    Matched,
    average_precision,
    best_threshold,
    f1_at,
    match,
    precision_recall,
    rise,
)
from foley_synthesis.evaluation.impact_detection.net import VideoNetConfig, fit_video_net, predict_video
from foley_synthesis.evaluation.impact_detection.videos import RATE_HZ, Video
from foley_synthesis.evaluation.measure import Given, Item, Metric, Table, fixed, measure
from foley_synthesis.vis.networks.pca import fit_pca

LEARNED: dict[str, tuple[str, ...]] = {"RGB + spacetime": ("rgb", "spacetime"), "RGB only": ("rgb",)}
"""Those that are trained."""
PAPER = {"RGB + spacetime": 0.436, "RGB only": 0.216}
"""Visually Indicated Sounds, section 6.3, on The Greatest Hits."""

GIVEN: dict[str, Given] = {"sound itself": "sound", "measured tip, deceleration": "motion"}


METRICS = (
    Metric(
        "average_precision", "average precision", "higher", lambda matched, _: matched, average_precision, format=".3f"
    ),
)  # fmt: skip

Strengths = dict[str, list[list[NDArray[np.float64]]]]  # method -> seed -> video -> [t]


@dataclasses.dataclass(frozen=True, eq=False)
class Impacts:
    """The table, and what the pictures are drawn from."""

    table: Table
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]  # recall, precision of the first seed
    strengths: Strengths
    train: list[Video]
    tested: list[Video]
    predicted: dict[
        str, list[NDArray[np.float32]]
    ]  # by the first seed of the first method: `train`, `tested`
    threshold: float  # of that method's strength


def detect(
    videos: Sequence[Video],
    *,
    config: VideoNetConfig | None = None,
    seeds: int = 5,
    replicates: int = 500,
    split: str = "test",
    threads: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Impacts:
    """Train on the training videos, detect on those of `split`.

    The threshold of F1 is the one that is best on the validation videos; without any, on those of training.

    Raises:
        ValueError: there are no videos to train on or to test.
    """
    torch.set_num_threads(threads)
    config = config or VideoNetConfig()
    splits = {name: [v for v in videos if v.split == name] for name in ("train", "validation", split)}
    train, tested = splits["train"], splits[split]
    if not train or not tested:
        raise ValueError(
            f"{len(train)} training videos and {len(tested)} of split `{split}`, both are needed"
        )
    if {v.scene_id for v in train} & {v.scene_id for v in tested} and split == "test":
        raise ValueError("a scene is in training and in test; build the recordings with splits by scene")
    pca = fit_pca(np.concatenate([v.cochleagram[v.recorded] for v in train])[None], config.components)
    total, done = len(LEARNED) * seeds * config.epochs, 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    queries = {"chosen": splits["validation"] or train, "tested": tested}
    strengths: dict[str, Strengths] = {name: _simple(own, seeds) for name, own in queries.items()}
    predicted: dict[str, list[NDArray[np.float32]]] = {}
    for name, inputs in LEARNED.items():
        own = dataclasses.replace(config, inputs=inputs)
        for seed in range(seeds):
            net = fit_video_net(train, splits["validation"], pca, own, seed=seed, progress=step)
            for query, those in queries.items():
                outputs = [predict_video(net, v, own) for v in those]
                rises = [rise(pca.decode(features).mean(axis=1)) for features in outputs]
                strengths[query].setdefault(name, []).append(rises)
                if query == "tested":
                    predicted.setdefault(query, outputs)
            if "train" not in predicted:
                predicted["train"] = [predict_video(net, v, own) for v in train]
    names = [*LEARNED, *(name for name in strengths["tested"] if name not in LEARNED)]
    matched = {query: _matched(strengths[query], own) for query, own in queries.items()}
    thresholds = {name: [best_threshold(videos) for videos in matched["chosen"][name]] for name in names}
    table = measure(
        [Item(k, v.scene_id, v.session_id) for k, v in enumerate(tested)],
        [fixed(name, GIVEN.get(name, "nothing"), matched["tested"][name]) for name in names],
        METRICS,
        _scene_weights([v.scene_id for v in tested], replicates),
    )
    for name in names:
        table.details[name] = _details(matched["tested"][name], thresholds[name])
    facts = {
        "videos": {name: len(own) for name, own in splits.items()},
        "seconds": {name: round(sum(v.seconds for v in own), 1) for name, own in splits.items()},
        "impacts": int(sum(len(v.impacts) for v in tested)),
        "heard": int(sum(v.heard.sum() for v in tested)),
        "tolerance_s": TOLERANCE_FRAMES / RATE_HZ,
        "seeds": seeds,
        "paper": PAPER,
        "seconds_without_sound": round(sum(float((~v.recorded).sum()) for v in videos) / RATE_HZ, 2),
    }
    curves = {name: precision_recall(matched["tested"][name][0]) for name in names}
    first = thresholds[names[0]][0]
    return Impacts(
        dataclasses.replace(table, facts=facts), curves, strengths["tested"], train, tested, predicted, first
    )


def _matched(strengths: Strengths, videos: list[Video]) -> dict[str, list[list[Matched]]]:
    """method -> seed -> video."""
    return {
        name: [
            [match(s, v.impacts, v.ends, v.heard, v.recorded) for s, v in zip(seed, videos, strict=True)]
            for seed in made
        ]
        for name, made in strengths.items()
    }


def _simple(tested: list[Video], seeds: int) -> Strengths:
    """The sound itself, the tip's deceleration, the picture's change, and chance."""
    rng = [np.random.default_rng(seed) for seed in range(seeds)]
    return {
        "sound itself": [[rise(v.cochleagram.mean(axis=1)) for v in tested]],
        "measured tip, deceleration": [[rise(-v.tip_speed) for v in tested]],
        "frame difference": [[rise(v.motion[v.frame_of]) for v in tested]],
        "chance": [[r.random(len(v.cochleagram)) for v in tested] for r in rng],
    }


def _details(seeds: list[list[Matched]], thresholds: list[float]) -> dict[str, float | None]:
    offsets = np.concatenate([v.offset for videos in seeds for v in videos])
    offsets = np.abs(offsets[np.isfinite(offsets)]) / RATE_HZ * 1e3
    f1 = np.mean([f1_at(videos, least) for videos, least in zip(seeds, thresholds, strict=True)])
    median = round(float(np.median(offsets)), 1) if offsets.size else None
    return {"f1": round(float(f1), 4), "median_error_ms": median}


def _scene_weights(scenes: list[str], replicates: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each video counts in each replicate: scenes are drawn with replacement."""
    names = sorted(set(scenes))
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=replicates
    )
    return np.asarray(drawn[:, [names.index(s) for s in scenes]], float)
