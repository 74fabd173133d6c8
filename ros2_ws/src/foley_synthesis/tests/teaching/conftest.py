"""Labelled contacts made of random numbers: what separates the classes, and by how much, is chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from foley_synthesis.teaching.embedding import Embedding, Plain
from foley_synthesis.teaching.example import Example, TaughtSound

SIZES = (40, 60)


def _embedding(rng: np.random.Generator, label: bool, apart: float, shift: float = 0.0) -> Embedding:
    """The first value of each view tells the class, all others are noise."""
    values = rng.normal(0.0, 0.3, sum(SIZES)).astype(np.float32)
    for first in (0, SIZES[0]):
        values[first] += apart if label else -apart
    values[10] += shift
    return Embedding(
        values, SIZES, Plain(20.0 + rng.normal(), 1000.0, 0.5 if label else 0.1 + 0.01 * rng.normal(), 0.0)
    )


def _examples(
    positives: int, negatives: int, apart: float = 3.0, groups: int = 1, seed: int = 0, sound: bool = False
) -> list[Example]:
    """Contacts `p0`, `n0`, ... of both classes, each class over so many groups of its own."""
    rng = np.random.default_rng(seed)
    made = []
    for letter, label, count in (("p", True, positives), ("n", False, negatives)):
        for k in range(count):
            noise = rng.normal(0.0, 0.1, 2400).astype(np.float32)
            kept = TaughtSound(noise, 24_000, 0.02) if sound else None
            made.append(
                Example(
                    f"{letter}{k}", label, _embedding(rng, label, apart), f"{letter}{k % groups}", sound=kept
                )
            )
    return made


@pytest.fixture
def embedding() -> Callable[..., Embedding]:
    """See :func:`_embedding`."""
    return _embedding


@pytest.fixture
def examples() -> Callable[..., list[Example]]:
    """See :func:`_examples`."""
    return _examples
