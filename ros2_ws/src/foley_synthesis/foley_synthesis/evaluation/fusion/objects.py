"""Touched objects of a data set: what sight says before each contact, and what hearing says of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.decode import belief_of
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.vis.inference.loaded import open_session
from foley_synthesis.vis.training.batches import Tensors, inputs_for
from foley_synthesis.vis.training.features import load_features
from foley_synthesis.vision.encoders import load_encoder


@dataclasses.dataclass(frozen=True)
class TouchedObject:
    """Contacts with one thing, in time."""

    scene: str
    object_id: str
    label: int  # of its material
    heard: tuple[Evidence, ...]  # [n]
    seen: tuple[Evidence | None, ...]  # [n], of the plan that led to each contact; None where there was none

    def evidence(self, rows: NDArray[np.int64], *, heard: bool = True, seen: bool = True) -> list[Evidence]:
        """What these contacts leave: all that was heard, all that was seen."""
        kept = sorted(rows.tolist())
        looks = [look for i in kept if (look := self.seen[i]) is not None]
        return [*([self.heard[i] for i in kept] if heard else []), *(looks if seen else [])]


def touched_objects(
    hears: HearsMaterial,
    checkpoint: Checkpoint,
    dataset: ClipDataset,
    split: str,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[TouchedObject]:
    """Of all contacts with a known material.

    Args:
        hears: hears each contact as the live node would.
        checkpoint: sees the place of each planned contact.

    Raises:
        ValueError: the two have different vocabularies, or the split holds no contacts.
    """
    labels = checkpoint.vocabulary.labels
    if hears.vocabulary.labels != labels:
        raise ValueError(
            f"hearing is over the labels {', '.join(hears.vocabulary.labels)}, sight over {', '.join(labels)}: "
            "beliefs can be fused over one vocabulary alone"
        )
    torch.set_num_threads(threads)
    session = open_session(checkpoint)
    features = load_features(
        dataset, load_encoder(session.config.encoder, threads=threads), session.config, progress
    )
    materials = features.labels(labels)
    rows = [int(i) for i in features.indices(split) if materials[i] >= 0]
    if not rows:
        raise ValueError(f"split `{split}` of {dataset.path} holds no contacts with a material of {labels}")
    tensors = Tensors.of(features, session.networks, session.pca, labels)
    with torch.no_grad():
        session.networks.eval()
        looks = session.networks.predict(inputs_for(tensors, torch.tensor(rows), executed=False))[1]
    groups: dict[tuple[str, str], list[tuple[Evidence, Evidence | None]]] = {}
    label_of: dict[tuple[str, str], int] = {}
    for k, i in enumerate(rows):
        clip = features.clips[i]
        told = hears.predict(dataset.audio(i), SAMPLE_RATE, onset_s=CLIP_BEFORE_S)
        heard = Evidence("heard", clip.clip_id, clip.contact_ns, told, clip.action, position=clip.position)
        seen = None
        if features.has_plan[i]:
            look = belief_of(
                HeadOutput(*(v[k : k + 1] for v in looks)), session.calibrations["planned"], labels
            )
            seen = Evidence("seen", clip.clip_id, clip.contact_ns, look)
        key = (clip.scene_id, clip.object_id)
        groups.setdefault(key, []).append((heard, seen))
        label_of[key] = int(materials[i])
    found = []
    for (scene, thing), contacts in groups.items():
        contacts.sort(key=lambda pair: pair[0].time_ns)
        sounds, sights = tuple(pair[0] for pair in contacts), tuple(pair[1] for pair in contacts)
        found.append(TouchedObject(scene, thing, label_of[scene, thing], sounds, sights))
    return found
