"""A contact that somebody has labelled."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.teaching.embedding import Embedding

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST = 200  # labelled contacts of a predicate


class TeachingError(ValueError):
    """What was asked cannot be taught; the message names the field, the value and the cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class TaughtSound:
    """What was heard, kept so that another hearing model can be taught with it."""

    samples: NDArray[np.float32]  # [n] mono
    rate: int
    onset_s: float  # of the contact within the samples


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """One labelled contact."""

    contact_id: str  # unique among the examples of a predicate
    label: bool
    embedding: Embedding
    group: str  # contacts of one group are not independent: of one recording, or with one object
    source: str = ""  # where it comes from: a file, or `live`
    write_id: str = ""
    sound: TaughtSound | None = None


def check_name(name: str) -> str:
    """The name. Raises TeachingError where it cannot be one of a predicate."""
    if not NAME_PATTERN.fullmatch(name):
        raise TeachingError(
            f"name is `{name}`, must be lower case letters, digits and underscores, beginning with a letter, 64 at "
            "most: `lid_is_tight`"
        )
    return name
