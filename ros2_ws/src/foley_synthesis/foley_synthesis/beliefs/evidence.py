"""One piece of evidence: what one contact, heard or predicted, says about the object it touched."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["heard", "predicted"]
KINDS: tuple[Kind, ...] = ("heard", "predicted")
NAN = float("nan")


class EvidenceError(ValueError):
    """Evidence that cannot be used; the message names the field and its value."""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What one contact says. ``time_ns`` is the onset (heard) or the predicted contact time."""

    kind: Kind
    key: str  # contact id (heard) or plan id (predicted): at most one piece of evidence per kind and key
    time_ns: int
    probabilities: tuple[float, ...] = ()  # over the vocabulary, sum 1; empty if nothing is known
    log10_e_mean: float = NAN  # log10 of Young's modulus [Pa]
    log10_e_std: float = NAN
    roughness: float = NAN  # [0, 1]
    hollowness: float = NAN  # [0, 1]
    abstain: bool = False
    calibrated_for: str = ""
    action: str = ""  # `tap`, `scratch`, ...; empty if not known
    confidence: float = 1.0  # that there was a contact at all, [0, 1]
    position: tuple[float, float, float] = (NAN, NAN, NAN)  # [m]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EvidenceError(f"kind is `{self.kind}`, known are {', '.join(KINDS)}")
        if not self.key:
            raise EvidenceError("key is empty: a contact id or a plan id is needed")
        if self.probabilities:
            p = np.asarray(self.probabilities, dtype=np.float64)
            if not np.all(np.isfinite(p)) or np.any(p < 0) or abs(float(p.sum()) - 1.0) > 1e-3:
                raise EvidenceError(
                    f"probabilities of `{self.key}` are {self.probabilities}, must be >= 0 and sum to 1"
                )
        if math.isfinite(self.log10_e_mean) and not self.log10_e_std > 0:
            raise EvidenceError(f"log10_e_std of `{self.key}` is {self.log10_e_std}, must be positive")
        for name in ("roughness", "hollowness"):
            value = getattr(self, name)
            if math.isinf(value):
                raise EvidenceError(f"{name} of `{self.key}` is {value}, must be finite or NaN")

    def p(self) -> NDArray[np.float64]:  # [labels]
        return np.asarray(self.probabilities, dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN becomes None, since JSON has no NaN."""
        data = dataclasses.asdict(self)
        for name, value in data.items():
            if isinstance(value, float) and not math.isfinite(value):
                data[name] = None
        data["probabilities"] = list(self.probabilities)
        data["position"] = [v if math.isfinite(v) else None for v in self.position]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Evidence:
        """Inverse of :meth:`to_dict`.

        Raises:
            EvidenceError: a field is missing, unknown or has the wrong type.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = set(data) - set(fields)
        if unknown:
            raise EvidenceError(f"unknown fields {', '.join(sorted(unknown))}")
        try:
            values: dict[str, Any] = {}
            for name, value in data.items():
                if name == "probabilities":
                    values[name] = tuple(float(v) for v in value)
                elif name == "position":
                    x, y, z = (NAN if v is None else float(v) for v in value)
                    values[name] = (x, y, z)
                elif value is None:
                    values[name] = NAN
                else:
                    values[name] = value
            values["time_ns"] = int(values["time_ns"])
            return cls(**values)
        except (TypeError, ValueError, KeyError) as error:
            raise EvidenceError(f"cannot be read: {error}") from error
