"""Train sight and measure it beside what is simpler, and with fewer things to learn from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.flow.sight.confusions import confusions_of
from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.model import SightModel
from foley_synthesis.flow.sight.model_file import is_sight, load_sight, save_sight
from foley_synthesis.flow.sight.pictures import Layout
from foley_synthesis.flow.sight.score import REPLICATES, Score, classes_only, look_known, score, shapes_of
from foley_synthesis.flow.sight.training import SightTrainConfig, calibrate, train_sight
from foley_synthesis.training.state import Interrupted
from foley_synthesis.vision.protocol import VisionEncoder

Report = Callable[[str, int, int], None]

CONFUSED_SHARE = 0.5
"""The model of the learning curve whose beliefs about the other training scenes tell how sight errs; without one, the
whole one's about validation."""


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """A trained model, and figures of it and of simpler ways."""

    model: SightModel
    scores: dict[str, Score]
    metrics: dict[str, Any]

    def lines(self) -> list[list[str]]:
        """A table: headings, then a line for each way."""
        shown = {
            "material_balanced_accuracy": "material, balanced accuracy",
            "material_log_loss": "log loss [nat]",
            "material_ece": "ECE",
            "shape_balanced_accuracy": "known shapes, balanced accuracy",
            "hollow_balanced_accuracy": "hollow, balanced accuracy",
        }
        rows = [["", *shown.values()]]
        for name, found in self.scores.items():
            rows.append([name, *(found.figures[k].text() if k in found.figures else "" for k in shown)])
        return rows


def study(
    training: Examples,
    validation: Examples,
    test: Examples,
    config: SightTrainConfig,
    *,
    encoder: tuple[str, VisionEncoder],
    shares: Sequence[float] = (),
    replicates: int = REPLICATES,
    kept: Path | None = None,
    report: Report = lambda stage, done, total: None,
) -> Study:
    """Train, calibrate on validation, score on test.

    Args:
        encoder: name and encoder of the views.
        shares: of the training scenes that further models learn from.
        replicates: of the bootstrap.
        kept: folder of models that are trained already, by what they learned from; new ones are put there.

    Raises:
        Interrupted: on Ctrl-C; whole models are kept.
        ValueError: a scene is in two of the three.
        FloatingPointError: a loss is not finite.
    """
    _apart(training, validation, test)
    started = time.monotonic()
    name, eyes = encoder
    known, seed = shapes_of(training), config.seed

    def facts(of: Examples) -> dict[str, Any]:
        return {
            "encoder": {"name": name, "identity": eyes.identity},
            "training": {
                **dataclasses.asdict(config),
                "objects": len(of.material),
                "views": len(of.object),
                "scenes": len(set(of.scene)),
            },
            "train_scenes": sorted(set(of.scene)),
        }

    def fitted(of: Examples, stage: str, judge: Examples = validation) -> SightModel:
        place = None if kept is None else kept / _key(config, of, judge)
        if place is not None and is_sight(place):
            return load_sight(place)
        try:
            model = train_sight(of, config, facts(of), lambda done, total, loss: report(stage, done, total))
        except KeyboardInterrupt as stop:
            raise Interrupted(f"stopped in `{stage}`; what was trained before it is kept") from stop
        model = calibrate(model, judge)
        if place is not None:
            save_sight(model, place, {})
        return model

    def scored(model: SightModel, items: Examples = test) -> Score:
        return score(
            model.beliefs(items.inputs, items.object, len(items.material)), items, known, seed, replicates
        )

    model = fitted(training, "sight")
    scores = {"sight": scored(model)}
    first = np.unique(test.object, return_index=True)[1]
    single = dataclasses.replace(test, inputs=test.inputs[first], object=test.object[first])
    scores["sight, one view"] = scored(model, single)
    said = model.uncalibrated(test.inputs, test.object, len(test.material))
    scores["sight, not calibrated"] = score(said, test, known, seed, replicates)
    colours, form = Layout(eyes.dims).colours, slice(Layout(eyes.dims).width, None)
    for title, columns in (("colours", colours), ("form", form)):
        part = {
            n: _columns(e, columns) for n, e in (("train", training), ("val", validation), ("test", test))
        }
        scores[title] = scored(fitted(part["train"], title, part["val"]), part["test"])
    frequency = np.bincount(training.material, minlength=model.scaling.pairs.shape[0]) / len(
        training.material
    )
    scores["chance"] = classes_only(np.tile(frequency, (len(test.material), 1)), test, seed, replicates)
    if (told := look_known(training, test)) is not None:
        scores["look known"] = classes_only(told, test, seed, replicates)
    curve, apart = [], (model, validation)
    for share in shares:
        fewer = training.share(share)
        smaller = fitted(fewer, f"sight of {len(fewer.material)} things")
        curve.append({"share": share, "objects": len(fewer.material), **scored(smaller).to_dict()})
        if share == CONFUSED_SHARE:
            apart = (smaller, training.share(share, rest=True))
    curve.append({"share": 1.0, "objects": len(training.material), **scores["sight"].to_dict()})
    judge, unseen = apart
    confusions = confusions_of(judge.beliefs(unseen.inputs, unseen.object, len(unseen.material)), unseen)
    model = dataclasses.replace(model, confusions=confusions)
    metrics = {
        "training": facts(training)["training"],
        "test": {"objects": len(test.material), "scenes": len(set(test.scene)), "views": len(test.object)},
        "validation": {"objects": len(validation.material), "scenes": len(set(validation.scene))},
        "calibration": dataclasses.asdict(model.calibration),
        "scores": {title: found.to_dict() for title, found in scores.items()},
        "curve": curve,
        "confusion": scores["sight"].confusion,
        "confusions": {"objects": len(unseen.material), **dataclasses.asdict(confusions)},
        "seconds": round(time.monotonic() - started, 1),
    }
    return Study(model, scores, metrics)


def _key(config: SightTrainConfig, *parts: Examples) -> str:
    """Of what a model is trained and calibrated with."""
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    for part in parts:
        for values in (part.inputs, part.object, part.material, part.shape, part.log_size, part.hollowness):
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()[:16]


def _columns(of: Examples, columns: slice) -> Examples:
    return dataclasses.replace(of, inputs=np.ascontiguousarray(of.inputs[:, columns]))


def _apart(*parts: Examples) -> None:
    """Raises ValueError where a scene is in two parts."""
    for index, one in enumerate(parts):
        for other in parts[index + 1 :]:
            if shared := set(one.scene) & set(other.scene):
                raise ValueError(
                    f"{len(shared)} scenes are in two splits, such as {sorted(shared)[0]}; leave them out of one"
                )
