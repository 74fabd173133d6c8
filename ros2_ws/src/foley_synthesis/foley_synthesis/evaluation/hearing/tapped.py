"""Models and simple methods that are told some taps, in every source that has enough of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.hearing import adaptation, baselines
from foley_synthesis.evaluation.hearing.answers import Answers
from foley_synthesis.evaluation.hearing.baselines import Features, classes_of
from foley_synthesis.evaluation.hearing.choices import restricted
from foley_synthesis.evaluation.hearing.sounds import Sound
from foley_synthesis.evaluation.measure import Array
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.hearing.inference.adapt import adapt
from foley_synthesis.hearing.inference.opened import HearsMaterial

MEAN = "mean over sources"


class Adapted:
    """A model adapted to taps in closed form; as it is where that is refused."""

    def __init__(
        self,
        model: HearsMaterial,
        answers: Answers,
        sounds: Sequence[Sound],
        materials: Sequence[str],
        prior: Array | None,
    ) -> None:
        self.asked, self.adopted = 0, 0  # how often
        self.before = restricted(answers.p, materials, prior)  # [n, materials]
        self._materials, self._model_id = materials, model.model_id
        self._groups = [sound.group for sound in sounds]
        self._labels = [
            MATERIALS[sound.material] for sound in sounds
        ]  # of those that are told: of a material
        # Probabilities as they were calibrated; a model without an embedding has nothing else.
        self._logits = np.log(np.maximum(answers.p, 1e-6))
        self._embedding = self._logits if answers.embedding is None else answers.embedding
        stages = getattr(model, "stages", ())
        self._whiten = stages[-1].novelty.within if stages else None  # as `foley train hearing --adapt` does

    def __call__(self, told: adaptation.Rows, asked: adaptation.Rows) -> NDArray[np.float64]:
        """Probabilities [asked, materials]."""
        fitted, _ = adapt(
            self._logits[told], self._embedding[told], [self._labels[k] for k in told],
            [self._groups[k] for k in told], MATERIALS, model_id=self._model_id,
            whiten=self._whiten,
        )  # fmt: skip
        self.asked += 1
        if fitted is None:
            return self.before[asked]
        self.adopted += 1
        # Fitted where all materials were told equally often: no prior is to be taken out.
        return restricted(fitted.probabilities(self._logits[asked], self._embedding[asked]), self._materials)


def of_same_taps(features: str) -> str:
    """Name of the simple method."""
    return f"{features} + LR, of the same taps"


def adaptations(
    sounds: Sequence[Sound],
    models: Mapping[str, HearsMaterial],
    heard: Mapping[str, Answers],
    features: Mapping[str, Features],
    materials: Sequence[str],
    *,
    priors: Mapping[str, Array],
    draws: int = adaptation.DRAWS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Source -> what became of every method with so many taps, and the mean over sources where there are several.

    Args:
        heard: model -> what it says of every sound without taps.
        priors: model -> shares [13] of materials in its training; of those that are not there they were equal.
        features: name -> [n, d] for a logistic regression on the same taps.
    """
    truth = classes_of(sounds, materials)
    found: dict[str, Any] = {}
    every: list[dict[str, adaptation.Curve]] = []
    sources = list(dict.fromkeys(sound.scene for sound in sounds))
    for done, source in enumerate(sources, start=1):
        drawn = adaptation.draws_of(sounds, materials, source, draws=draws, seed=seed)
        if drawn:
            ways = {
                name: Adapted(model, heard[name], sounds, materials, priors.get(name))
                for name, model in models.items()
            }
            curves = {
                name: adaptation.curve(drawn, truth, len(materials), way, way.before)
                for name, way in ways.items()
            }
            for name, x in features.items():
                way = _by_logistic(x, truth, len(materials))
                curves[of_same_taps(name)] = adaptation.curve(drawn, truth, len(materials), way)
            found[source] = {
                "chance": adaptation.chance_of(drawn),
                "draws": len(drawn),
                "judged": float(np.mean([len(draw.judged) for draw in drawn])),
                "materials": sorted({materials[k] for draw in drawn for k in draw.taps}),
                "adopted": {name: way.adopted / max(way.asked, 1) for name, way in ways.items()},
                "methods": {name: curve.to_dict() for name, curve in curves.items()},
            }
            every.append(curves)
        progress(done, len(sources))
    if len(every) > 1:
        found[MEAN] = adaptation.mean_over(found, every)
    return found


def _by_logistic(x: Features, truth: NDArray[np.int64], classes: int) -> adaptation.Adapt:
    return lambda told, asked: baselines.probabilities(
        x[told], truth[told], x[asked], classes, baselines.FEW_STRENGTH
    )
