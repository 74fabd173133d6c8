"""One piece of evidence: what one heard contact, one look before a touch, or a user's image model says of an object."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from foley_synthesis.beliefs.belief import NAN, UNKNOWN, MaterialBelief

Kind = Literal["heard", "seen", "vision"]
KINDS: tuple[Kind, ...] = ("heard", "seen", "vision")
_FORMER_KINDS = {"predicted": "seen"}  # as files of version 1 name them
# Of a belief, as a file holds them.
_BELIEF_FIELDS = (
    "probabilities",
    "log10_e_mean",
    "log10_e_std",
    "roughness",
    "hollowness",
    "abstain",
    "unsure",
    "calibrated_for",
)


class EvidenceError(ValueError):
    """Evidence that cannot be used; the message names the field and its value."""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What one contact, the picture of a planned one, or a picture of the object says.

    ``time_ns`` is the onset (heard), the contact time of the plan for which the place was looked at (seen), or when the
    picture was taken (vision: of an image model that is not Foley's).
    """

    kind: Kind
    key: str  # of contact, plan or picture: an object has at most one piece of evidence per kind and key
    time_ns: int
    belief: MaterialBelief = UNKNOWN  # of this contact, or this look, alone
    action: str = ""  # `tap`, `scratch`, ...; empty if not known
    confidence: float = 1.0  # that there was a contact at all, [0, 1]
    position: tuple[float, float, float] = (NAN, NAN, NAN)  # [m]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EvidenceError(f"kind is `{self.kind}`, known are {', '.join(KINDS)}")
        if not self.key:
            raise EvidenceError("key is empty: the id of a contact, a plan or a picture is needed")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, the belief's fields beside its own; NaN becomes None, since JSON has no NaN."""
        data: dict[str, Any] = {"kind": self.kind, "key": self.key, "time_ns": self.time_ns}
        data |= {name: getattr(self.belief, name) for name in _BELIEF_FIELDS}
        data |= {"action": self.action, "confidence": self.confidence}
        for name, value in data.items():
            if isinstance(value, float) and not math.isfinite(value):
                data[name] = None
        data["probabilities"] = list(self.belief.probabilities)
        data["position"] = [v if math.isfinite(v) else None for v in self.position]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Evidence:
        """Inverse of :meth:`to_dict`; what was called `predicted` once is `seen`.

        Raises:
            EvidenceError: a field is missing, unknown or has the wrong type.
        """
        known = {field.name for field in dataclasses.fields(cls)} - {"belief"} | set(_BELIEF_FIELDS)
        if unknown := set(data) - known:
            raise EvidenceError(f"unknown fields {', '.join(sorted(unknown))}")
        try:
            values: dict[str, Any] = {}
            for name, value in data.items():
                if name == "probabilities":
                    values[name] = tuple(float(v) for v in value)
                elif name == "position":
                    x, y, z = (NAN if v is None else float(v) for v in value)
                    values[name] = (x, y, z)
                else:
                    values[name] = NAN if value is None else value
            belief = MaterialBelief(**{name: values.pop(name) for name in _BELIEF_FIELDS if name in values})
            values["kind"] = _FORMER_KINDS.get(values["kind"], values["kind"])
            return cls(**{**values, "time_ns": int(values["time_ns"])}, belief=belief)
        except (TypeError, ValueError, KeyError) as error:
            raise EvidenceError(f"cannot be read: {error}") from error
