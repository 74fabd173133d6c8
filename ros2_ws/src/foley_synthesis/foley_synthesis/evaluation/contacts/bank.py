"""The bank of contacts of validation objects, and how much contacts with one object say alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.contact_bank import ContactBank, Likeness, bank_of
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FLOOR
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.hearing.inference.opened import HearsMaterial

FEWEST_PAIRS = 50  # of contacts, for a correlation
Array = NDArray[np.float64]


def measured_bank(
    objects: Sequence[TouchedObject],
    labels: Sequence[str],
    heard_model: str,
    measured_on: dict[str, Any] | None = None,
) -> ContactBank:
    """Of all contacts with some objects. Raises ValueError where there are none."""
    contacts = [(thing.label, item.action, item.belief) for thing in objects for item in thing.heard]
    return bank_of(
        contacts,
        labels,
        likeness=measured_likeness(objects),
        heard_model=heard_model,
        measured_on={
            **(measured_on or {}),
            "scenes": len({thing.scene for thing in objects}),
            "objects": len(objects),
            "contacts": len(contacts),
        },
    )


def measured_likeness(objects: Sequence[TouchedObject], place_m: float = Likeness.place_m) -> Likeness:
    """Mean product of what pairs of contacts with one object say, over the mean square.

    What a contact says is its log probabilities around their mean, less the mean of its material and action. With
    fewer than 50 pairs at one place these are taken to be as alike as those apart.
    """
    fit = [(i, thing, item) for i, thing in enumerate(objects) for item in thing.heard if item.belief.fit]
    if not fit:
        return Likeness(place_m=place_m)
    said = np.log(np.clip([item.belief.p() for _, _, item in fit], FLOOR / len(fit[0][2].belief.p()), None))
    said -= said.mean(axis=1, keepdims=True)
    groups: dict[tuple[int, str], list[int]] = {}
    for row, (_, thing, item) in enumerate(fit):
        groups.setdefault((thing.label, item.action), []).append(row)
    for own in groups.values():
        said[own] -= said[own].mean(axis=0)
    place = np.array([item.position for _, _, item in fit])
    owner = np.array([i for i, _, _ in fit])
    pairs: dict[bool, list[float]] = {True: [], False: []}
    for i in np.unique(owner):
        rows = np.flatnonzero(owner == i)
        for a, b in zip(*np.triu_indices(len(rows), 1), strict=True):
            here = bool(np.linalg.norm(place[rows[a]] - place[rows[b]]) <= place_m)
            pairs[here].append(float(said[rows[a]] @ said[rows[b]]))
    square = float((said**2).sum(axis=1).mean())

    def correlation(products: list[float]) -> float:
        return float(np.clip(np.mean(products) / square, 0.0, 1.0)) if square > 0 else 0.0

    apart = correlation(pairs[False] or [0.0])
    at_place = correlation(pairs[True]) if len(pairs[True]) >= FEWEST_PAIRS else apart
    return Likeness(max(at_place, apart), apart, place_m)


def heard_objects(
    hears: HearsMaterial,
    labels: Sequence[str],
    dataset: ClipDataset,
    split: str,
    progress: Callable[[int, int], None] | None = None,
) -> list[TouchedObject]:
    """All contacts of a split with a known material, as the live node would hear them; nothing is looked at.

    Raises:
        ValueError: the split holds no contacts with one of the materials.
    """
    rows = [i for i in dataset.indices(split) if dataset.clips[i].material in labels]
    if not rows:
        raise ValueError(f"split `{split}` of {dataset.path} holds no contacts with a material of {labels}")
    groups: dict[tuple[str, str, int], list[Evidence]] = {}
    for done, row in enumerate(rows, start=1):
        clip = dataset.clips[row]
        told = hears.predict(dataset.audio(row), SAMPLE_RATE, onset_s=CLIP_BEFORE_S)
        item = Evidence("heard", clip.clip_id, clip.contact_ns, told, clip.action, position=clip.position)
        groups.setdefault((clip.scene_id, clip.object_id, labels.index(clip.material)), []).append(item)
        if progress is not None:
            progress(done, len(rows))
    found = []
    for (scene, name, label), items in groups.items():
        items.sort(key=lambda item: item.time_ns)
        found.append(TouchedObject(scene, name, label, tuple(items), (None,) * len(items)))
    return found
