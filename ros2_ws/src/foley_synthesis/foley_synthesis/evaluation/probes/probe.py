"""The two questions asked of a dataset: what can be learned from it, and can it be learned the wrong way?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.dataset.reader import Clip, ClipDataset
from foley_synthesis.evaluation.probes.classifier import Training, answer
from foley_synthesis.evaluation.probes.inputs import load_inputs, quiet_before
from foley_synthesis.evaluation.probes.score import Score, score
from foley_synthesis.metrics.bootstrap import hierarchical_weights
from foley_synthesis.vision.protocol import VisionEncoder

TARGETS = ("material", "action", "reaction")
LEARNED_FROM = ("train", "validation")
PROBES: dict[str, tuple[str, ...]] = {
    "sight": ("sight",),
    "sound": ("sound",),
    "sight and sound": ("sight", "sound"),
}
RENDERED: dict[str, tuple[str, ...]] = {
    "rendered views": ("views",),
    "rendered views and sound": ("views", "sound"),
}
"""Asked as well where views of the scene were rendered."""
SHORTCUTS: dict[str, tuple[str, ...]] = {
    "centroid and T60": ("centroid_t60",),
    "position": ("position",),
    "time in session": ("time",),
    "background": ("background",),
    "motor noise": ("motor",),
}
SIMPLE = "centroid and T60"
SIMPLE_LIMIT = 0.60  # that the two numbers must stay under; the other shortcuts must not beat chance

Inputs = Mapping[str, NDArray[np.float32]]
Rows = NDArray[np.int64]
Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Query:
    """One set that is queried, and what came of it."""

    name: str
    contacts: int
    objects: int
    scenes: int
    classes: int  # that occur in it
    chance: float
    majority: float  # plain accuracy of the most frequent training class
    scores: dict[str, Score]  # by probe

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        numbers = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "scores"}
        return {
            **numbers,
            "chance": round(self.chance, 5),
            "majority_accuracy": round(numbers.pop("majority"), 5),
            "scores": {name: value.to_dict() for name, value in self.scores.items()},
        }


@dataclasses.dataclass(frozen=True, eq=False)
class ProbeResult:
    """Everything that was measured."""

    kind: str  # `probes` or `shortcuts`
    target: str
    labels: tuple[str, ...]
    seeds: int
    classifiers: dict[str, str]  # by probe: what validation chose
    validation: dict[str, float]  # by probe: balanced accuracy there, which chose
    queries: tuple[Query, ...]
    notes: tuple[str, ...]

    def failures(self) -> list[str]:
        """Shortcuts that work, on the first query."""
        if self.kind != "shortcuts":
            return []
        found = []
        for name, value in self.queries[0].scores.items():
            accuracy = max(value.balanced.value, value.plain.value)
            if name == SIMPLE and accuracy >= SIMPLE_LIMIT:
                found.append(f"{name}: accuracy is {accuracy:.3f}, must be under {SIMPLE_LIMIT}")
            elif name != SIMPLE and value.beats_chance:
                low, chance = value.balanced.low, value.chance
                found.append(
                    f"{name}: lower end of accuracy is {low:.3f}, must not be above chance {chance:.3f}"
                )
        return found

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "kind": self.kind,
            "target": self.target,
            "labels": list(self.labels),
            "seeds": self.seeds,
            "classifiers": self.classifiers,
            "validation_balanced_accuracy": {k: round(v, 5) for k, v in self.validation.items()},
            "sets": [one.to_dict() for one in self.queries],
            "failures": self.failures(),
            "notes": list(self.notes),
        }


def probe(
    dataset: ClipDataset,
    encoder: VisionEncoder,
    *,
    judges: Sequence[ClipDataset] = (),
    target: str = "material",
    splits: Sequence[str] = ("test", "test_seen"),
    shortcuts: bool = False,
    seeds: int = 5,
    replicates: int = 1000,
    views: Path | None = None,
    progress: Progress | None = None,
) -> ProbeResult:
    """Train on split train, choose on validation, and ask about the splits and the judges' test contacts.

    A judge without a test split is asked as a whole.

    Args:
        views: folder of rendered views of the dataset's sessions; they are then asked too.

    Raises:
        ValueError: an unknown target, a split that is learned from, a judge that is the dataset itself, or nothing
            to learn from or to ask about.
    """
    if target not in TARGETS:
        raise ValueError(f"target is `{target}`, known are {', '.join(TARGETS)}")
    for split in splits:
        if split in LEARNED_FROM:
            raise ValueError(f"splits hold `{split}`, which is learned from: ask about test or test_seen")
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}, must be at least 1")
    for judge in judges:
        if judge.fingerprint == dataset.fingerprint:
            raise ValueError(f"judge {judge.path} is the dataset itself: a judge is another world")
    if views is not None and (judges or shortcuts):
        raise ValueError(
            "views are of one dataset, and no shortcut: ask about them without judges and shortcuts"
        )
    table = SHORTCUTS if shortcuts else PROBES | (RENDERED if views is not None else {})
    notes: list[str] = []
    worlds = [_World(one, encoder, target, progress, views) for one in (dataset, *judges)]
    home = worlds[0]
    train_rows = home.rows("train")
    labels = tuple(sorted({home.values[i] for i in train_rows} - {""}))
    train_rows, _ = home.known(train_rows, labels)
    validation_rows, _ = home.known(home.rows("validation"), labels)
    if len(labels) < 2:
        raise ValueError(f"{dataset.path}: train holds {len(labels)} classes of {target}, must be at least 2")
    sets: list[tuple[str, _World, Rows]] = []
    wanted = [(split, home, home.rows(split)) for split in splits]
    for other in worlds[1:]:
        rows = other.rows("test")
        wanted.append((f"judge {other.name}", other, rows if len(rows) else np.arange(len(other.clips))))
    for name, world, rows in wanted:
        rows, unknown = world.known(rows, labels)
        if unknown:
            notes.append(f"{name}: {unknown} contacts left out, their {target} is unknown or not in train")
        if len(rows):
            sets.append((name, world, rows))
        else:
            notes.append(f"{name}: holds no contacts, not asked")
    if not sets:
        raise ValueError(
            f"splits are {', '.join(splits)}: {dataset.path} holds no contacts of them to ask about"
        )
    scores: list[dict[str, Score]] = [{} for _ in sets]
    classifiers, validation = {}, {}
    for name, inputs in table.items():
        # The ringing of the contact before would tell what no motor does.
        quiet = name == "motor noise"
        kept = [world.quiet(rows) if quiet else rows for _, world, rows in sets]
        if quiet:
            notes += [
                f"{name}, {s}: {len(k)} of {len(rows)} contacts, those long enough after the one before"
                for (s, _, rows), k in zip(sets, kept, strict=True)
            ]
        learned = [home.quiet(rows) if quiet else rows for rows in (train_rows, validation_rows)]
        if quiet and min(map(len, (*learned, *kept))) == 0:
            notes.append(f"{name}: not asked, no contacts are left")
            continue
        answers = answer(
            home.training(learned[0], inputs, labels),
            home.training(learned[1], inputs, labels),
            [world.blocks(rows, inputs) for (_, world, _), rows in zip(sets, kept, strict=True)],
            classes=len(labels),
            seeds=seeds,
            linear=name == SIMPLE,
        )
        classifiers[name], validation[name] = answers.classifier, answers.validation
        for k, ((_, world, _), rows) in enumerate(zip(sets, kept, strict=True)):
            query = world.training(rows, inputs, labels)
            scores[k][name] = score(
                query.labels,
                answers.fitted_once[k],
                answers.said[k],
                query.objects,
                hierarchical_weights(query.scenes, query.objects, replicates, seed=0),
                classes=len(labels),
            )
    common = int(np.bincount(home.indices(train_rows, labels)).argmax())
    return ProbeResult(
        kind="shortcuts" if shortcuts else "probes",
        target=target,
        labels=labels,
        seeds=seeds,
        classifiers=classifiers,
        validation=validation,
        queries=tuple(
            _query(name, world, rows, labels, common, one)
            for (name, world, rows), one in zip(sets, scores, strict=True)
        ),
        notes=tuple(notes),
    )


class _World:
    """A dataset with its inputs."""

    def __init__(
        self,
        dataset: ClipDataset,
        encoder: VisionEncoder,
        target: str,
        progress: Progress | None,
        views: Path | None = None,
    ) -> None:
        self.name = dataset.path.resolve().name
        self.clips: list[Clip] = dataset.clips
        values = [str(getattr(clip, target, "")) for clip in self.clips]
        self.values = ["" if value == "unknown" else value for value in values]
        if not any(self.values):
            raise ValueError(
                f"target is `{target}`, which no clip of {dataset.path} has: choose another target"
            )
        step = (lambda done, of: progress(self.name, done, of)) if progress else None
        self.inputs: Inputs = load_inputs(dataset, encoder, step, views)
        self._quiet = quiet_before(self.clips)

    def rows(self, split: str) -> Rows:
        return np.asarray([i for i, clip in enumerate(self.clips) if clip.split == split], np.int64)

    def known(self, rows: Rows, labels: Sequence[str]) -> tuple[Rows, int]:
        kept = np.asarray([i for i in rows if self.values[i] in labels], np.int64)
        return kept, len(rows) - len(kept)

    def quiet(self, rows: Rows) -> Rows:
        return rows[self._quiet[rows]]

    def indices(self, rows: Rows, labels: Sequence[str]) -> Rows:
        return np.asarray([labels.index(self.values[i]) for i in rows], np.int64)

    def blocks(self, rows: Rows, names: Sequence[str]) -> list[NDArray[np.float32]]:
        return [self.inputs[name][rows] for name in names]

    def training(self, rows: Rows, names: Sequence[str], labels: Sequence[str]) -> Training:
        clips = [self.clips[i] for i in rows]
        return Training(
            self.blocks(rows, names),
            self.indices(rows, labels),
            [clip.scene_id for clip in clips],
            [clip.object_id for clip in clips],
        )


def _query(
    name: str, world: _World, rows: Rows, labels: Sequence[str], common: int, scores: dict[str, Score]
) -> Query:
    truth = world.indices(rows, labels)
    present = len(np.unique(truth))
    return Query(
        name=name,
        contacts=len(rows),
        objects=len({world.clips[i].object_id for i in rows}),
        scenes=len({world.clips[i].scene_id for i in rows}),
        classes=present,
        chance=1.0 / present,
        majority=float((truth == common).mean()),
        scores=scores,
    )
