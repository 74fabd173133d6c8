"""Generated sets in, a hearing model out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.hearing.card import card
from foley_synthesis.hearing.inference.calibration import STAGES_S
from foley_synthesis.hearing.inference.families import Hierarchy
from foley_synthesis.hearing.model_file import HearingFile, save_hearing, weights_of
from foley_synthesis.hearing.networks.hearing_net import HearingEnsemble, HearingNet
from foley_synthesis.hearing.output import NetConfig
from foley_synthesis.hearing.training.calibrate import HonestyConfig, calibrate
from foley_synthesis.hearing.training.features import open_features
from foley_synthesis.hearing.training.generated_set import CONTACT, GeneratedSet, SetError
from foley_synthesis.hearing.training.objective import targets_of
from foley_synthesis.hearing.training.train_config import HearingTrainConfig
from foley_synthesis.hearing.training.training import Clips, outputs_of, train_member
from foley_synthesis.training.state import Counters, forget_state, state_folder

Stages = Callable[[str, float, dict[str, float]], None]
"""Name of a stage, share of it that is done, and figures."""
_DOMAIN = "sim"  # of whatever is generated
_PARTS = 4  # of validation, by object: one chooses weights, one is for temperatures, two for what is promised


def build_hearing(
    train: GeneratedSet,
    validation: GeneratedSet,
    out: Path,
    config: HearingTrainConfig,
    *,
    honesty: HonestyConfig | None = None,
    commands: Sequence[str] = (),
    resume: bool = False,
    report: Stages = lambda stage, done, figures: None,
) -> tuple[str, dict[str, Any]]:
    """Train, calibrate and write a checkpoint; its model id and figures.

    Args:
        commands: that made it, for its card.

    Raises:
        SetError: the sets do not belong together, or hold too little.
        Interrupted: on Ctrl-C; the last step of the present member, and all earlier members, are kept.
        ValueError: ``resume`` finds another run.
    """
    began = time.monotonic()
    honesty = honesty or HonestyConfig()
    for name in ("materials", "actions"):
        if getattr(train, name) != getattr(validation, name):
            raise SetError(f"{validation.path}: its {name} are not those of {train.path}")
    if (train.seed, train.split) == (validation.seed, validation.split):
        raise SetError(
            f"{validation.path}: holds the draws of {train.path}; draw it with another seed or split"
        )
    labels = tuple(sorted(train.materials))
    learnt = _clips(train, labels, config, "features", report)
    held_out = _clips(validation, labels, config, "features of validation", report)
    chosen, tempered, promised = _parts(held_out, validation)
    size = NetConfig(config.front_end.bands, len(labels), len(train.actions), **config.network)
    folder = state_folder(out)
    marks = [train.fingerprint, validation.fingerprint, dataclasses.asdict(config)]
    key = hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()
    members: list[HearingNet] = []
    told: list[Counters] = []
    tree = Hierarchy.over(labels)
    groups = [
        [labels.index(m) for m in node.materials]
        for node in tree.nodes
        if node.depth > 0 and len(node.materials) > 1
    ]
    for i, seed in enumerate(config.seeds):
        name = "training" if len(config.seeds) == 1 else f"member {i + 1}"
        member, counters = train_member(
            learnt, chosen, size, config, seed,
            groups=groups, key=f"{key}.{seed}", folder=folder / f"member{i}", resume=resume,
            report=lambda done, figures, name=name: report(name, done, figures),  # type: ignore[misc]
        )  # fmt: skip
        members.append(member)
        told.append(counters)
    network = HearingEnsemble(members).eval()
    calibration = calibrate(
        network,
        learnt,
        tempered,
        promised,
        config.front_end,
        labels,
        f"{_DOMAIN}: one heard contact",
        honesty,
    )
    facts = {
        "domain": _DOMAIN,
        "sound_rate": round(2.0 * float(np.nanmax(train.labels["bandwidth_hz"]))),  # at which all of it can be heard
        "sets": {
            name: {
                "fingerprint": data.fingerprint,
                "seed": data.seed,
                "clips": len(data),
                "contacts": len(data.contacts),
            }
            for name, data in (("train", train), ("validation", validation))
        },
    }  # fmt: skip
    metrics = {
        **facts,
        "parameters": sum(p.numel() for p in network.parameters()),
        "members": len(members),
        "chance": 1.0 / len(labels),
        "validation": figures(network, promised, config, len(labels)),
        "steps": [c.step for c in told],
        "seconds": time.monotonic() - began,
        "seconds_per_step": sum(c.elapsed_s for c in told) / max(sum(c.step for c in told), 1),
        "history": [c.history for c in told],
        "training": json.loads(json.dumps(dataclasses.asdict(config))),
        "honesty": dataclasses.asdict(honesty),
    }
    version = hashlib.sha256("\n".join(labels).encode()).hexdigest()[:8]
    file = HearingFile(
        weights_of(network), size, config.front_end, Vocabulary("foley_materials", version, labels), train.actions,
        facts, calibration.to_dict(), calibration.to_tensors(),
    )  # fmt: skip
    model_id = save_hearing(
        dataclasses.replace(file, card=card(file, metrics, commands=commands)), out, metrics
    )
    forget_state(folder)
    return model_id, metrics


def figures(
    network: HearingEnsemble, clips: Clips, config: HearingTrainConfig, materials: int
) -> dict[str, dict[str, float]]:
    """By what was heard: accuracies and errors on contacts, of materials balanced."""
    targets, found = clips.targets, {}
    contact = targets.contact.numpy()
    for heard_s in STAGES_S:
        output = outputs_of(network, clips, config.front_end, heard_s)
        truth = np.where(contact, targets.material.numpy(), -1)
        said = output.logits.argmax(dim=1).numpy()
        there = [k for k in range(materials) if (truth == k).any()]
        row = {"balanced_accuracy": float(np.mean([(said[truth == k] == k).mean() for k in there]))}
        for name in ("log10_e", "log10_density"):
            error = (getattr(output, f"{name}_mean") - getattr(targets, name)).abs().numpy()[contact]
            row[f"{name}_mae"] = float(np.nanmean(error)) if np.isfinite(error).any() else math.nan
        acted = contact & (targets.action.numpy() >= 0)
        if acted.any():
            right = output.action_logits.argmax(dim=1).numpy() == targets.action.numpy()
            row["action_accuracy"] = float(right[acted].mean())
        right = (output.contact_logit.numpy() > 0) == contact
        row["contact_accuracy"] = float(np.mean([right[contact == k].mean() for k in np.unique(contact)]))
        found["all" if math.isinf(heard_s) else f"{1000 * heard_s:.0f} ms"] = {
            name: round(value, 5) for name, value in row.items()
        }
    return found


def _clips(
    data: GeneratedSet, labels: tuple[str, ...], config: HearingTrainConfig, stage: str, report: Stages
) -> Clips:
    order = np.array([labels.index(name) for name in data.materials], np.int64)
    made = open_features(
        data, config.front_end, jobs=config.jobs, progress=lambda done, of: report(stage, done / of, {})
    )
    return Clips(made, targets_of(data.labels, order, CONTACT))


def _parts(clips: Clips, data: GeneratedSet) -> tuple[Clips, Clips, Clips]:
    """Of validation: what weights are chosen by, what is for temperatures, and what is for promises."""
    contact = data.labels["kind"] == CONTACT
    # Sounds without a contact have no object. Whatever order objects were drawn in, a hash has none.
    which = np.where(contact, data.labels["object_id"], -1 - np.arange(len(data))).astype(np.int64)
    part = (which.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) % np.uint64(_PARTS)
    if not all(((part == k) & contact).any() for k in range(_PARTS)):
        raise SetError(f"{data.path}: has too few objects to divide validation into {_PARTS} parts")

    chosen, tempered, promised = part == 0, part == 1, part > 1
    return tuple(clips.of(np.flatnonzero(rows)) for rows in (chosen, tempered, promised))  # type: ignore[return-value]
