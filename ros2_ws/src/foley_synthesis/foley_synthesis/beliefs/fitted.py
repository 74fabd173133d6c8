"""`fusion.yaml` of a checkpoint: how what its sight says adds up with what a heard model says, as it was fitted.

It is no part of the checkpoint's identity: it is written after the training, and says itself for which two models each
fit holds. What sees is the checkpoint; what hears may be one of several models, each with a fit of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

from foley_synthesis.beliefs.answers import AnswerRule
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.beliefs.pair_file import PairFile

FILE = "fusion.yaml"
SCHEMA = "foley-fusion-1"
CURE = "delete the file, and fit it again with `foley evaluate fusion`"
_WEIGHTS = (
    *("method", "heard_weight", "sight_weight", "vision_weight", "heard_correlation", "place_correlation"),
    *("place_radius_m", "temperature", "calibrated_for"),
)
_ID_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class FittedFusion:
    """A fusion, and for what it holds. Its configuration carries the id of this fit, a hash of all that is here."""

    config: FusionConfig
    heard_model: str  # model id of what hears
    sight_model: str  # model id of what sees
    target_risk: float  # share of wrong answers that is accepted
    certainty: float  # of its bound
    fitted_on: dict[str, Any] = dataclasses.field(default_factory=dict)  # data set, scenes, objects, contacts

    def __post_init__(self) -> None:
        text = json.dumps(self.to_dict(), sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]
        object.__setattr__(self, "config", dataclasses.replace(self.config, calibration_id=digest))

    def to_dict(self) -> dict[str, Any]:
        """For YAML and JSON."""
        fusion = {name: getattr(self.config, name) for name in _WEIGHTS}
        if math.isfinite(self.config.split_above):
            fusion["split_above"] = self.config.split_above
        return {
            "heard_model": self.heard_model,
            "sight_model": self.sight_model,
            "fitted_on": self.fitted_on,
            "fusion": {k: round(v, 5) if isinstance(v, float) else v for k, v in fusion.items()},
            "target_risk": self.target_risk,
            "certainty": self.certainty,
            "answers": [rule.to_dict() for rule in self.config.answers or ()],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FittedFusion:
        """Inverse of :meth:`to_dict`. Raises KeyError, TypeError or ValueError."""
        rules = tuple(AnswerRule.from_dict(rule) for rule in values["answers"])
        return cls(
            config=FusionConfig(**values["fusion"], answers=rules),
            heard_model=str(values["heard_model"]),
            sight_model=str(values["sight_model"]),
            target_risk=float(values["target_risk"]),
            certainty=float(values["certainty"]),
            fitted_on=dict(values["fitted_on"]),
        )

    def is_for(self, heard_model: str, sight_model: str) -> bool:
        """Whether it holds for these two."""
        return (self.heard_model, self.sight_model) == (heard_model, sight_model)


_FITS = PairFile(FILE, SCHEMA, "fits", "fusion", CURE, FittedFusion.from_dict)


def save_fitted(fitted: FittedFusion, folder: Path) -> Path:
    """Write it into the file of a checkpoint's folder. See :meth:`PairFile.save`."""
    return _FITS.save(fitted, folder)


def load_fitted(folder: Path) -> tuple[FittedFusion, ...]:
    """All of a checkpoint's folder. See :meth:`PairFile.load`."""
    return _FITS.load(folder)
