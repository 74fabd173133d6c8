"""A fusion fitted, bounded and measured: weights on a third of the validation scenes, answers on the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.fitted import FittedFusion
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.evaluation.fusion.answers import answer_rules, with_answers
from foley_synthesis.evaluation.fusion.fit import fit_weights, fitting_cases
from foley_synthesis.evaluation.fusion.measure import measure_fusion
from foley_synthesis.evaluation.fusion.objects import TouchedObject, touched_objects
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

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "fusion": self.fitted.to_dict(),
            "fitted_log_loss": round(self.log_loss, 5),
            "validation": self.validation,
            "test": self.test,
        }


def fit_fusion(
    hears: HearsMaterial,
    checkpoint: Checkpoint,
    validation: Sequence[ClipDataset],
    test: Sequence[ClipDataset] = (),
    config: FusionRun | None = None,
    progress: Progress | None = None,
) -> FusionResult:
    """Fit to validation splits, measure on test splits.

    Raises:
        ValueError: hearing and sight are over different labels, a split is empty, or there are too few scenes.
    """
    config = config or FusionRun()
    objects = _objects(hears, checkpoint, validation, "validation", config, progress)
    scenes = sorted({thing.scene for thing in objects})
    if len(scenes) < 2:
        raise ValueError(
            f"{len(scenes)} scene of validation: weights and answers need one each, and 20 are better"
        )
    for_weights = set(scenes[::3])
    fitting = [thing for thing in objects if thing.scene in for_weights]
    bounding = [thing for thing in objects if thing.scene not in for_weights]
    weights, loss = fit_weights(fitting_cases(fitting, config.seed))
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
    tested = _objects(hears, checkpoint, test, "test", config, progress)

    def measured(things: Sequence[TouchedObject]) -> dict[str, Any]:
        if config.replicates == 0:
            return {}
        return measure_fusion(things, fused, replicates=config.replicates, seed=config.seed)

    return FusionResult(fitted, loss, measured(bounding), measured(tested))


def _objects(
    hears: HearsMaterial,
    checkpoint: Checkpoint,
    datasets: Sequence[ClipDataset],
    split: str,
    config: FusionRun,
    progress: Progress | None,
) -> list[TouchedObject]:
    found: list[TouchedObject] = []
    for number, dataset in enumerate(datasets, start=1):
        stage = f"{split} {number}"

        def told(done: int, total: int, stage: str = stage) -> None:
            if progress is not None:
                progress(stage, done, total)

        found += touched_objects(hears, checkpoint, dataset, split, threads=config.threads, progress=told)
    return found


def _counted(objects: Sequence[TouchedObject]) -> dict[str, int]:
    return {
        "scenes": len({thing.scene for thing in objects}),
        "objects": len(objects),
        "contacts": sum(len(thing.heard) for thing in objects),
    }
