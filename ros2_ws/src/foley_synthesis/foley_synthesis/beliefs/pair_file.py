"""A YAML file in a checkpoint's folder that holds one fit for each pair of what hears and what sees.

Such fits are no part of the checkpoint's identity: they are written after the training, and each says itself for which
two models it holds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from foley_synthesis.checkpoint import CorruptCheckpoint, read_yaml, write_yaml


class PairFit(Protocol):
    """What is fitted for two models."""

    @property
    def heard_model(self) -> str: ...

    @property
    def sight_model(self) -> str: ...

    def is_for(self, heard_model: str, sight_model: str) -> bool: ...

    def to_dict(self) -> dict[str, Any]: ...


Fit = TypeVar("Fit", bound=PairFit)


@dataclasses.dataclass(frozen=True)
class PairFile(Generic[Fit]):
    """One file of each checkpoint's folder."""

    name: str
    schema: str
    entries: str  # key under which the fits stand
    what: str  # each is, for errors
    cure: str  # of a damaged file
    read: Callable[[dict[str, Any]], Fit]  # raises AttributeError, KeyError, TypeError or ValueError

    def save(self, fit: Fit, folder: Path) -> Path:
        """Write it, where it takes the place of one for the same two models.

        Raises:
            CorruptCheckpoint: there is a file, which is damaged.
            OSError: it cannot be written.
        """
        others = [f for f in self.load(folder) if not f.is_for(fit.heard_model, fit.sight_model)]
        fits = [f.to_dict() for f in (*others, fit)]
        write_yaml(folder / self.name, {"schema": self.schema, self.entries: fits})
        return folder / self.name

    def load(self, folder: Path) -> tuple[Fit, ...]:
        """All of a checkpoint's folder; none where nothing was fitted for it. Raises CorruptCheckpoint."""
        path = folder / self.name
        if not path.is_file():
            return ()
        content = read_yaml(path, self.cure)
        try:
            if content["schema"] != self.schema:
                raise ValueError(f"schema is `{content['schema']}`, must be `{self.schema}`")
            return tuple(self.read(entry) for entry in content[self.entries])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptCheckpoint(path, f"not a fitted {self.what} ({error})", self.cure) from error
