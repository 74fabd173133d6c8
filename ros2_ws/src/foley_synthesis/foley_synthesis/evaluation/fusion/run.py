"""A fusion fitted, bounded and measured: weights on a third of the validation scenes, answers on the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.fitted import FittedFusion
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.evaluation.fusion.answers import answer_rules, with_answers
from foley_synthesis.evaluation.fusion.fit import CONTACTS, fit_weights, fitting_cases
from foley_synthesis.evaluation.fusion.measure import measure_fusion
from foley_synthesis.evaluation.fusion.objects import (
    KEPT,
    TouchedObject,
    kept_objects,
    objects_of_sessions,
    touched_objects,
)
from foley_synthesis.evaluation.fusion.parts import measure_parts, split_threshold
from foley_synthesis.evaluation.fusion.pictures import read_pictures, with_pictures
from foley_synthesis.evaluation.fusion.taps import SERIES, measure_taps, sure_from, tap_cases
from foley_synthesis.evaluation.windows.kept import key_of
from foley_synthesis.hearing.inference.opened import HearsMaterial

Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True)
class FusionRun:
    """Settings."""

    target_risk: float = 0.2  # share of answers that may be wrong
    certainty: float = 0.95  # over validation sets, of that
    replicates: int = 500  # of the bootstrap; 0: nothing is measured
    seed: int = 0
    threads: int = 1


@dataclasses.dataclass(frozen=True, eq=False)
class FusionResult:
    """What was fitted, and what it is worth."""

    fitted: FittedFusion
    log_loss: float  # on what the weights were fitted to [nat]
    validation: dict[
        str, Any
    ]  # figures on the scenes that bounded the answers, which no weight was fitted on
    test: dict[str, Any]  # figures on held-out scenes; empty where there are none
    taps: dict[str, Any]  # set of sessions -> figures of measure_taps
    parts: dict[str, Any]  # set of sessions -> figures of measure_parts

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "fusion": self.fitted.to_dict(),
            "fitted_log_loss": round(self.log_loss, 5),
            "validation": self.validation,
            "test": self.test,
            "taps": self.taps,
            "parts": self.parts,
        }


def fit_fusion(
    hears: HearsMaterial,
    checkpoint: Checkpoint,
    validation: Sequence[ClipDataset],
    test: Sequence[ClipDataset] = (),
    config: FusionRun | None = None,
    progress: Progress | None = None,
    *,
    keep: Path | None = None,
    taps: Sequence[Path] = (),
    test_taps: Mapping[str, Path] | None = None,
    pictures: Path | None = None,
) -> FusionResult:
    """Fit to validation splits, measure on test splits.

    Args:
        keep: folder that keeps what was heard and seen; None: nothing is kept.
        taps: sets of sessions of validation scenes, to which is fitted as well.
        test_taps: sets of sessions to measure on, by what they are called.
        pictures: file of what an image model says of the objects of data sets; see :mod:`.pictures`.

    Raises:
        ValueError: hearing and sight are over different labels, a split is empty, or there are too few scenes.
    """
    config = config or FusionRun()
    opened = _Opened(hears, checkpoint, keep, config.threads, progress)
    objects = [thing for dataset in validation for thing in opened.dataset(dataset, "validation")]
    objects += [thing for folder in taps for thing in opened.sessions(folder, folder.name)]
    said = read_pictures(pictures, checkpoint.vocabulary.labels) if pictures is not None else {}
    objects = with_pictures(objects, said)
    if said and not any(thing.vision for thing in objects):
        example = f"{objects[0].scene},{objects[0].object_id}"
        raise ValueError(f"{pictures} names none of the objects, such as {example}")
    scenes = sorted({thing.scene for thing in objects})
    if len(scenes) < 2:
        raise ValueError(
            f"{len(scenes)} scene of validation: weights and answers need one each, and 20 are better"
        )
    for_weights = set(scenes[::3])
    fitting = [thing for thing in objects if thing.scene in for_weights]
    bounding = [thing for thing in objects if thing.scene not in for_weights]
    weights, loss = fit_weights(fitting_cases(fitting, config.seed))
    weights = dataclasses.replace(
        weights, split_above=split_threshold(bounding, weights, seed=config.seed, certainty=config.certainty)
    )
    rules = answer_rules(
        bounding, weights, target_risk=config.target_risk, certainty=config.certainty, seed=config.seed
    )
    domains = sorted({clip.domain for dataset in validation for clip in dataset.clips})
    fused = with_answers(weights, rules, " and ".join(domains))
    fitted = FittedFusion(
        fused,
        hears.model_id,
        checkpoint.model_id,
        config.target_risk,
        config.certainty,
        {
            "datasets": [dataset.fingerprint for dataset in validation],
            "weights": _counted(fitting),
            "answers": _counted(bounding),
        },
    )
    if config.replicates == 0:
        return FusionResult(fitted, loss, {}, {}, {}, {})
    how = {"replicates": config.replicates, "seed": config.seed}
    sure = {
        series: {
            n: sure_from(cases, fused)
            for n in CONTACTS
            if (cases := tap_cases(bounding, series, n, config.seed))
        }
        for series in SERIES
    }
    tapped = {name: opened.sessions(folder, name) for name, folder in (test_taps or {}).items()}
    tested = with_pictures([thing for dataset in test for thing in opened.dataset(dataset, "test")], said)
    return FusionResult(
        fitted,
        loss,
        measure_fusion([thing.apart for thing in bounding], fused, **how),
        measure_fusion(tested, fused, **how),
        {name: measure_taps(things, fused, sure, **how) for name, things in tapped.items()},
        {name: measure_parts(things, fused, seed=config.seed) for name, things in tapped.items()},
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Opened:
    """Two models, and what they said already."""

    hears: HearsMaterial
    checkpoint: Checkpoint
    keep: Path | None
    threads: int
    progress: Progress | None

    def _told(self, stage: str) -> Callable[[int, int], None]:
        def told(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(stage, done, total)

        return told

    def dataset(self, dataset: ClipDataset, split: str) -> list[TouchedObject]:
        key = key_of(KEPT, self.hears.model_id, self.checkpoint.model_id, dataset.fingerprint, split)

        def find() -> list[TouchedObject]:
            told = self._told(f"{split} of {dataset.path}")
            return touched_objects(
                self.hears, self.checkpoint, dataset, split, threads=self.threads, progress=told
            )

        return kept_objects(self.keep, key, find)

    def sessions(self, folder: Path, name: str) -> list[TouchedObject]:
        return objects_of_sessions(self.hears, folder, self.keep, self._told(name))


def _counted(objects: Sequence[TouchedObject]) -> dict[str, int]:
    return {
        "scenes": len({thing.scene for thing in objects}),
        "objects": len(objects),
        "contacts": sum(len(thing.heard) for thing in objects),
    }
