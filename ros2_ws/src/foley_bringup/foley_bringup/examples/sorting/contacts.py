"""Recorded things of a data set as the models see and hear them; kept in a file, since hearing them takes a minute."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from foley_bringup.examples.sorting.recorded import Models, RecordedThing
from foley_bringup.examples.sorting.truth import truly
from foley_perception.commands.opened_dataset import open_complete
from foley_synthesis.beliefs.contact_bank import load_bank
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fitted import load_fitted
from foley_synthesis.checkpoint import Checkpoint, load_checkpoint
from foley_synthesis.hearing.inference.opened import HearsMaterial, hearing_beside

SCHEMA = "foley-sorting-contacts-1"


@dataclasses.dataclass(frozen=True, eq=False)
class Opened:
    """The models, and what they say of every contact."""

    models: Models
    scenes: dict[str, tuple[RecordedThing, ...]]


def open_contacts(
    dataset_path: Path,
    predicate: str,
    kept: Path,
    *,
    checkpoint: str = "shipped",
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Opened:
    """All scenes of the test split.

    Args:
        predicate: whose truth is wanted.
        kept: file of what models say; made where it is missing or of other models or another data set.

    Raises:
        ValueError: the fusion was not fitted to these models, or nothing is known of what contacts tell.
    """
    content = load_checkpoint(checkpoint)
    hears = hearing_beside(content, "", threads=threads)
    dataset = open_complete(dataset_path)
    models = _models(content, hears)
    about = {
        "schema": SCHEMA,
        "dataset": dataset.fingerprint,
        "heard_model": hears.model_id,
        "sight_model": content.model_id,
    }
    told = _read(kept, about)
    if told is None:
        told = _hear(hears, content, dataset, threads, progress)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({**about, "things": told}), "utf-8")
    clips = {(clip.scene_id, clip.object_id): clip for clip in dataset.clips}
    spec = models.spec(predicate)
    scenes: dict[str, tuple[RecordedThing, ...]] = {}
    for one in sorted(told, key=lambda one: (one["scene"], one["object_id"])):
        clip = clips[one["scene"], one["object_id"]]
        holds = truly(
            spec,
            models.labels,
            material=clip.material,
            log10_youngs_modulus=clip.log10_youngs_modulus,
            roughness=clip.roughness,
            hollowness=clip.hollowness,
        )
        seen = tuple(None if look is None else Evidence.from_dict(look) for look in one["seen"])
        heard = tuple(Evidence.from_dict(item) for item in one["heard"])
        thing = RecordedThing(clip.scene_id, clip.object_id, holds, seen, heard)
        scenes[thing.scene] = (*scenes.get(thing.scene, ()), thing)
    return Opened(models, scenes)


def _models(content: Checkpoint, hears: HearsMaterial) -> Models:
    fits = [f for f in load_fitted(content.path) if f.is_for(hears.model_id, content.model_id)]
    bank = load_bank(content.path, hears.model_id)
    if not fits or bank is None:
        missing = (
            "fusion (`foley evaluate fusion`)" if not fits else "bank of contacts (`foley evaluate contacts`)"
        )
        raise ValueError(f"{content.path}: there is no {missing} for its hearing model; make it first")
    return Models(content.vocabulary.labels, fits[0].config, bank)


def _read(kept: Path, about: dict[str, str]) -> list[dict[str, Any]] | None:
    try:
        data = json.loads(kept.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    same = isinstance(data, dict) and all(data.get(name) == value for name, value in about.items())
    return data["things"] if same else None


def _hear(
    hears: HearsMaterial,
    content: Checkpoint,
    dataset: Any,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, Any]]:
    from foley_synthesis.evaluation.fusion.objects import touched_objects

    objects: Sequence[Any] = touched_objects(
        hears, content, dataset, "test", threads=threads, progress=progress
    )
    return [
        {
            "scene": thing.scene,
            "object_id": thing.object_id,
            "heard": [item.to_dict() for item in thing.heard],
            "seen": [None if look is None else look.to_dict() for look in thing.seen],
        }
        for thing in objects
    ]
