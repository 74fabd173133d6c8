"""What a model says of sounds, as arrays over the thirteen materials; kept in files, as hearing takes its time."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.evaluation.hearing.sounds import Sound, digest
from foley_synthesis.evaluation.windows.kept import key_of
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.hearing.inference.opened import HearsMaterial

_VERSION = 2  # of what is kept

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """Of n sounds."""

    p: Array  # [n, 13], rows sum to one; a material that the model does not know has 0
    abstain: NDArray[np.bool_]  # [n]
    log10_e: Array  # [n, 2] mean and standard deviation, NaN where unknown
    seconds: Array  # [n] on the clock
    sets: NDArray[np.bool_] | None = None  # [n, 13] materials of the conformal set
    set_coverage: Array | None = None  # [n] that the sets promise
    embedding: NDArray[np.float32] | None = None  # [n, e]

    def of(self, rows: NDArray[np.integer]) -> Answers:
        """Of some of the sounds."""

        def some(values: Any) -> Any:
            return None if values is None else values[rows]

        return Answers(
            self.p[rows], self.abstain[rows], self.log10_e[rows], self.seconds[rows], some(self.sets),
            some(self.set_coverage), some(self.embedding),
        )  # fmt: skip


def ask(
    model: HearsMaterial,
    sounds: Sequence[Sound],
    folder: Path,
    *,
    heard_s: float = math.inf,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Answers:
    """What is said of each, from `folder` where it was said before.

    Args:
        heard_s: so much after the onset is heard; other than infinity only with a model that has such stages.
    """
    key = key_of(
        "answers", _VERSION, model.model_id, digest(sounds), heard_s if math.isfinite(heard_s) else None
    )
    file = folder / f"{key[:24]}.npz"
    if (known := _read(file)) is not None:
        progress(len(sounds), len(sounds))
        return known
    # What somebody has taught an adapted model beside these is none of them.
    kept_words = [name in MATERIALS for name in model.vocabulary.labels]
    order = [MATERIALS.index(name) for name in model.vocabulary.labels if name in MATERIALS]
    rows: list[dict[str, Any]] = []
    for done, sound in enumerate(sounds, start=1):
        rows.append(_answer(model, sound, order, kept_words, heard_s))
        progress(done, len(sounds))
    found = Answers(**{name: _stacked([row.get(name) for row in rows]) for name in rows[0]})
    _write(file, found)
    return found


def has_stages(model: HearsMaterial) -> bool:
    """Whether it gives first estimates."""
    return hasattr(model, "hear")


def _answer(model: Any, sound: Sound, order: list[int], known: list[bool], heard_s: float) -> dict[str, Any]:
    begun = time.perf_counter()
    if has_stages(model):
        heard = model.hear(sound.samples, sound.rate, onset_s=sound.onset_s, heard_s=heard_s)
        belief: MaterialBelief = heard.belief
    else:
        heard, belief = None, model.predict(sound.samples, sound.rate, onset_s=sound.onset_s)
    spent = time.perf_counter() - begun
    p = np.zeros(len(MATERIALS))
    p[order] = belief.p()[known]
    row = {
        "p": p / p.sum() if p.sum() > 0 else np.full(len(p), 1.0 / len(p)),
        "abstain": belief.abstain,
        "log10_e": np.array([belief.log10_e_mean, belief.log10_e_std]),
        "seconds": spent,
    }
    if heard is not None:
        row |= {
            "sets": np.isin(MATERIALS, heard.material_set) if heard.material_set else None,
            "set_coverage": heard.coverage,
            "embedding": _vector(heard.embedding),
        }
    return row


def _vector(values: Any) -> NDArray[np.float32] | None:
    return None if values is None or len(values) == 0 else np.asarray(values, np.float32)


def _stacked(values: list[Any]) -> Any:
    """[n, ...]; what some sounds lack, because nothing was heard in them, is 0, and what all lack is None."""
    known = next((v for v in values if v is not None), None)
    if known is None:
        return None
    return np.stack([np.zeros_like(known) if v is None else v for v in values])


def _write(file: Path, answers: Answers) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    values = {k: v for k, v in dataclasses.asdict(answers).items() if v is not None}
    with part.open("wb") as stream:
        np.savez(stream, **values)
    part.replace(file)


def _read(file: Path) -> Answers | None:
    try:
        with np.load(file, allow_pickle=False) as held:
            return Answers(**{name: held[name] for name in held.files})
    except (OSError, ValueError, TypeError):
        return None
