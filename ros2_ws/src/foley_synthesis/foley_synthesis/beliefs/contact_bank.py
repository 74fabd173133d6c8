"""What contacts with things of known material were heard to say: how likely each answer of hearing is.

One row is one contact of a validation set: its true material, its action, and all that hearing said of it, whether it
answered, was unsure or abstained. So the share of contacts that say nothing is the true one. Two contacts with one
object say more alike things than two with different objects of that material; how much more is measured as well.
`foley evaluate contacts` makes it, and keeps it beside `fusion.yaml` in the folder of a checkpoint.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.checkpoint import CorruptCheckpoint

SCHEMA = "foley-contact-bank-1"
CURE = "delete the file, and measure it again with `foley evaluate contacts`"
FEWEST = 8  # contacts of a material by one action, below which all its contacts stand for them
NUMBERS = ("log10_e_mean", "log10_e_std", "roughness", "hollowness")
_ARRAYS = ("material", "action", "probabilities", "numbers", "fit")


@dataclasses.dataclass(frozen=True)
class Likeness:
    """Correlation of what two contacts with one object say, beyond what their material and action explain."""

    at_place: float = 0.0  # where both are at one place
    apart: float = 0.0
    place_m: float = 0.015  # contacts this near to each other are at one place

    def __post_init__(self) -> None:
        for name in ("at_place", "apart"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1]")


@dataclasses.dataclass(frozen=True, eq=False)
class ContactBank:
    """n heard contacts with things of known material.

    Raises:
        ValueError: arrays do not fit each other.
    """

    labels: tuple[str, ...]  # [m]
    actions: tuple[str, ...]  # that there are contacts of
    material: NDArray[np.int64]  # [n], of `labels`
    action: NDArray[np.int64]  # [n], of `actions`
    probabilities: NDArray[np.float32]  # [n, m] that hearing gave
    numbers: NDArray[np.float32]  # [n, 4], see NUMBERS; NaN where not known
    fit: NDArray[np.bool_]  # [n]; False: hearing abstained, and fusion leaves it out
    likeness: Likeness = dataclasses.field(default_factory=Likeness)
    heard_model: str = ""  # model id of what heard them
    measured_on: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        n, m = len(self.material), len(self.labels)
        shapes = {name: getattr(self, name).shape for name in _ARRAYS}
        wanted = {"material": (n,), "action": (n,), "probabilities": (n, m), "numbers": (n, 4), "fit": (n,)}
        if shapes != wanted or n == 0:
            raise ValueError(f"arrays of a bank have the shapes {shapes}, must be {wanted} with contacts")
        if not (self.material.min() >= 0 and self.material.max() < m):
            raise ValueError(f"materials are numbered up to {self.material.max()}, there are {m} labels")
        if not (self.action.min() >= 0 and self.action.max() < len(self.actions)):
            raise ValueError(f"actions are numbered up to {self.action.max()}, there are {len(self.actions)}")

    @property
    def known(self) -> NDArray[np.bool_]:
        """Materials that there are contacts of, [m]."""
        return np.asarray(np.bincount(self.material, minlength=len(self.labels)) > 0)

    @functools.cached_property
    def said(self) -> NDArray[np.float64]:
        """The probabilities [n, m], as they are fused."""
        return self.probabilities.astype(np.float64)

    def rows(self, action: str) -> NDArray[np.int64]:
        """Contacts that stand for those of an action: of every material its own, all of it where they are few."""
        found = self._rows.get(action)
        if found is None:
            found = self._rows[action] = self._standing_for(action)
        return found

    @functools.cached_property
    def _rows(self) -> dict[str, NDArray[np.int64]]:
        return {}

    def _standing_for(self, action: str) -> NDArray[np.int64]:
        number = self.actions.index(action) if action in self.actions else -1
        own = self.action == number
        few = np.bincount(self.material[own], minlength=len(self.labels)) < FEWEST
        return np.asarray(np.flatnonzero(own | few[self.material]))

    def fit_share(self, action: str) -> float:
        """Share of an action's contacts that say something."""
        return float(self.fit[self.rows(action)].mean())


def bank_of(
    contacts: Sequence[tuple[int, str, MaterialBelief]], labels: Sequence[str], **about: Any
) -> ContactBank:
    """From true material, action and heard belief of each contact; ``about``: the other fields of the bank.

    Raises:
        ValueError: no contacts, or beliefs over other labels.
    """
    actions = tuple(sorted({action for _, action, _ in contacts}))
    for _, _, belief in contacts:
        if len(belief.probabilities) != len(labels):
            raise ValueError(
                f"a belief has {len(belief.probabilities)} probabilities for {len(labels)} labels"
            )
    return ContactBank(
        tuple(labels),
        actions,
        np.array([material for material, _, _ in contacts], np.int64),
        np.array([actions.index(action) for _, action, _ in contacts], np.int64),
        np.array([belief.probabilities for _, _, belief in contacts], np.float32).reshape(-1, len(labels)),
        np.array([[getattr(b, name) for name in NUMBERS] for _, _, b in contacts], np.float32).reshape(-1, 4),
        np.array([belief.fit for _, _, belief in contacts], bool),
        **about,
    )


def file_name(heard_model: str) -> str:
    """Of the bank of one model that hears: several may share the checkpoint that sees."""
    return f"contacts_{heard_model[:12]}.safetensors"


def save_bank(bank: ContactBank, folder: Path) -> Path:
    """Write its file into a checkpoint's folder. Raises OSError."""
    from safetensors.numpy import save_file

    about = {
        "schema": SCHEMA,
        "labels": list(bank.labels),
        "actions": list(bank.actions),
        "likeness": dataclasses.asdict(bank.likeness),
        "heard_model": bank.heard_model,
        "measured_on": dict(bank.measured_on),
    }
    path = folder / file_name(bank.heard_model)
    save_file(
        {name: np.array(getattr(bank, name), order="C") for name in _ARRAYS},
        path,
        metadata={"about": json.dumps(about)},
    )
    path.chmod(0o644)  # safetensors writes for the owner alone
    return path


def load_bank(folder: Path, heard_model: str) -> ContactBank | None:
    """That of one model that hears; None: nobody measured it. Raises CorruptCheckpoint."""
    from safetensors import SafetensorError, safe_open

    path = folder / file_name(heard_model)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["about"])
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        if about["schema"] != SCHEMA:
            raise ValueError(f"schema is `{about['schema']}`, must be `{SCHEMA}`")
        return ContactBank(
            labels=tuple(about["labels"]),
            actions=tuple(about["actions"]),
            likeness=Likeness(**about["likeness"]),
            heard_model=str(about["heard_model"]),
            measured_on=about["measured_on"],
            **arrays,
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CorruptCheckpoint(path, f"not a bank of contacts ({error})", CURE) from error
