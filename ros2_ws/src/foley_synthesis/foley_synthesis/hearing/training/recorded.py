"""Puts beside a hearing model what hears recordings: linear heads over frozen features of a wide generated set.

Heads are fitted to generated contacts alone. Where labelled recordings are given, they then move the biases of four
materials, replace the weights that tell metal from glass (see `as_recorded`), and decide what can be promised, which
`calibrated_for` says.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.metrics_file import METRICS_FILE
from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.hearing.card import recorded_card
from foley_synthesis.hearing.frozen_pair import (
    ACTIVATIONS,
    EFFECTS,
    RATIO,
    FrozenPair,
    Heard,
    cached_tensors,
)
from foley_synthesis.hearing.inference.calibration import STAGES_S, HearingCalibration
from foley_synthesis.hearing.linear_heads import LinearHeads
from foley_synthesis.hearing.model_file import HearingFile, RecordedPart, save_hearing
from foley_synthesis.hearing.output import HearingOutput
from foley_synthesis.hearing.training.calibrate import HonestyConfig, least_contact, stage_of
from foley_synthesis.hearing.training.frozen_features import FrozenRows, frozen_features
from foley_synthesis.hearing.training.generated_set import CONTACT, GeneratedSet, SetError
from foley_synthesis.hearing.training.linear_heads import HeadsConfig, fit_heads
from foley_synthesis.hearing.training.objective import HearingTargets, targets_of
from foley_synthesis.hearing.training.recordings import Recordings, read_labelled

Stages = Callable[[str, float, dict[str, float]], None]
_ASKED = ("wood", "metal", "stone", "glass")
_SEEN = 4000  # contacts whose embeddings say what is known
_SHIFTED = 0.5  # share of the shift towards materials that recordings hold as often as they are said
_PARTED = 0.5  # of the spread of logits, by which the ratio of glass to metal moves both
_ASTRAY = 0.02  # share of contacts of the simulated world that are heard as recordings
_RISKS = (0.4, 0.5, 0.6)  # of an answer about a recording; the first that can be promised


@dataclasses.dataclass(frozen=True)
class RecordedConfig:
    """How much of the sets is heard."""

    clips: int = 12_000
    validation: int = 1500
    world: int = 2000
    jobs: int = 2
    heads: HeadsConfig = dataclasses.field(default_factory=HeadsConfig)


def add_recorded(
    file: HearingFile,
    train: GeneratedSet,
    validation: GeneratedSet,
    worlds: Sequence[GeneratedSet | ClipDataset],
    recordings: Path | None,
    config: RecordedConfig,
    honesty: HonestyConfig,
    *,
    report: Stages = lambda stage, done, figures: None,
) -> tuple[HearingFile, dict[str, Any]]:
    """The model with it, and figures.

    Args:
        worlds: contacts of the simulated world, at the rates that it is heard at, which are left to the model's own
            network; none: nothing is.
        recordings: folder of labelled recordings to calibrate on; None: calibrated on the validation set.

    Raises:
        FrozenMissing, SetError, RecordingsError, ValueError.
    """
    labels = file.vocabulary.labels
    for data in (train, validation):
        if data.actions != file.actions or set(data.materials) != set(labels):
            raise SetError(f"{data.path}: its materials or actions are not those of the model")
    weights = cached_tensors()
    features = frozen_features(
        train, clips=config.clips, every_stage=False, jobs=config.jobs,
        progress=lambda done: report("frozen features", done, {}),
    )  # fmt: skip
    held_out = frozen_features(
        validation, clips=config.validation, every_stage=True, jobs=config.jobs,
        progress=lambda done: report("frozen features of validation", done, {}),
    )  # fmt: skip
    known = [
        _world(data, config, lambda done: report("frozen features of the world", done, {})) for data in worlds
    ]
    heads = fit_recorded_heads(
        features.features,
        _targets(train, labels, features),
        known,
        len(labels),
        len(file.actions),
        config.heads,
        progress=lambda done: report("heads", done, {}),
    )
    heard = None
    if recordings is not None:
        pair = FrozenPair(weights)
        heard = read_labelled(recordings, labels, pair, lambda done: report("recordings", done, {}))
        learned, heads = heads, as_recorded(heads, heard, labels)
    seen = features.heard_for(math.inf)
    known_contacts = _known(heads, train, seen, labels)
    calibration = _calibrated(heads, known_contacts, (validation, held_out), heard, labels, honesty)
    part = RecordedPart(weights, heads, calibration.to_dict(), dict(calibration.to_tensors()))
    figures: dict[str, Any] = {
        "contacts": int((train.labels["kind"][seen.row] == CONTACT).sum()),
        "set": train.fingerprint,
        "validation": _generated(heads, validation, held_out, labels),
        "known_world_share": {
            **{
                data.path.name: float((heads.known_world(x) > 0).mean())
                for data, x in zip(worlds, known, strict=True)
            },
            "generated": float((heads.known_world(held_out.heard_for(math.inf).features) > 0).mean()),
        },
    }
    if heard is not None:
        figures["recordings"] = len(heard)
        figures["known_world_share"]["recordings"] = float(
            (heads.known_world(heard.features[math.inf]) > 0).mean()
        )
        figures["left_out"] = left_out(learned, heard, known_contacts, labels, honesty)
    return dataclasses.replace(file, recorded=part), figures


def _world(
    data: GeneratedSet | ClipDataset, config: RecordedConfig, progress: Callable[[float], None]
) -> NDArray[np.float32]:
    """Features [w, DIMS] of contacts of the simulated world, all of each heard: what is cut off is like nothing."""
    if isinstance(data, ClipDataset):
        pair = FrozenPair(cached_tensors())
        rows = range(min(len(data.clips), config.world))
        found = []
        for done, row in enumerate(rows, 1):
            found.append(pair.hear([Heard(data.audio(row), SAMPLE_RATE, CLIP_BEFORE_S)]).features)
            progress(done / len(rows))
        return np.concatenate(found)
    heard = frozen_features(data, clips=config.world, every_stage=False, jobs=config.jobs, progress=progress)
    heard = heard.heard_for(math.inf)
    features: NDArray[np.float32] = heard.features[data.labels["kind"][heard.row] == CONTACT]
    return features


def save_with_recorded(
    file: HearingFile, path: Path, figures: dict[str, Any], *, commands: Sequence[str] = ()
) -> str:
    """Write the model, its figures beside those of its own training, and return its model id."""
    own = file.path / METRICS_FILE
    metrics = json.loads(own.read_text(encoding="utf-8")) if own.is_file() else {}
    metrics = {**metrics, "recorded": figures}
    said = file.card.split("\n## Hearing recordings")[0].rstrip() + "\n\n" + recorded_card(figures, commands)
    return save_hearing(dataclasses.replace(file, card=said), path, metrics)


def fit_recorded_heads(
    features: NDArray[np.float32],  # [n, DIMS]
    targets: HearingTargets,
    worlds: Sequence[NDArray[np.float32]],  # each [w, DIMS]
    materials: int,
    actions: int,
    config: HeadsConfig,
    *,
    progress: Callable[[float], None] = lambda done: None,
) -> LinearHeads:
    """Of what both networks' units say; the ratio of glass to metal has no weight before recordings give it one."""
    world_all = np.concatenate([features[:0], *worlds])[:, ACTIVATIONS]
    heads = fit_heads(
        features[:, ACTIVATIONS],
        targets,
        world_all,
        materials,
        actions,
        config,
        embedded=EFFECTS,
        progress=progress,
    )

    def row(values: NDArray[np.float32], last: float) -> NDArray[np.float32]:
        return np.concatenate([values, np.full_like(values[:1], last)])

    bias = heads.bias.copy()
    if worlds:  # whoever is in the simulated world nearly always hears as one who is
        bias[materials + actions + 1] -= min(
            float(np.quantile(heads.known_world(world[:, ACTIVATIONS]), _ASTRAY)) for world in worlds
        )
    return dataclasses.replace(
        heads, centre=row(heads.centre, 0.0), scale=row(heads.scale, 1.0), weight=row(heads.weight, 0.0), bias=bias,
        axes=row(heads.axes, 0.0),
    )  # fmt: skip


def as_recorded(heads: LinearHeads, heard: Recordings, labels: tuple[str, ...]) -> LinearHeads:
    """What recordings change, whatever their labels are, of which only the asked ones are looked at.

    Biases move half-way to where the asked materials are named evenly: simulation cannot know how a source is cut,
    equalised and compressed, which moves all its sounds alike. And metal is told from glass by the ratio alone.
    """
    asked = [labels.index(name) for name in _ASKED if name in labels]
    rows = np.isin(heard.material, asked)
    if not rows.any():
        return heads
    features = heard.features[math.inf][rows]
    logits = _said(heads, features).logits[:, asked].log_softmax(dim=1)
    mean = logits.mean(dim=0).numpy()
    bias, weight = heads.bias.copy(), heads.weight.copy()
    bias[asked] -= _SHIFTED * (mean - mean.mean())
    centre, scale = heads.centre.copy(), heads.scale.copy()
    if all(name in labels for name in ("metal", "glass")):
        centre[RATIO] = features[:, RATIO].mean()
        scale[RATIO] = features[:, RATIO].std() + 1e-3
        pair = [labels.index("metal"), labels.index("glass")]
        bias[pair], weight[:, pair] = bias[pair].mean(), weight[:, pair].mean(axis=1, keepdims=True)
        spread = float((logits - logits.mean(dim=1, keepdim=True)).std())
        weight[RATIO, pair] = -_PARTED * spread, _PARTED * spread
    return dataclasses.replace(heads, bias=bias, weight=weight, centre=centre, scale=scale)


def left_out(
    heads: LinearHeads,
    heard: Recordings,
    known: tuple[HearingOutput, NDArray[np.int64]],
    labels: tuple[str, ...],
    honesty: HonestyConfig,
) -> dict[str, Any]:
    """Each source judged by what was calibrated on all the others: is what is said of it right?"""
    asked = [labels.index(name) for name in _ASKED if name in labels]
    kept = right = total = 0
    said, truth = [], []
    for source in np.unique(heard.source):
        own = heard.source == source
        others = _only(heard, ~own)
        moved = as_recorded(heads, others, labels)
        output = _said(moved, heard.features[math.inf][own])
        rows = np.isin(heard.material[own], asked)
        said += output.logits[rows][:, asked].argmax(dim=1).tolist()
        truth += [asked.index(k) for k in heard.material[own][rows]]
        stage = _recording_stage(moved, others, math.inf, known, labels, honesty)
        p = np.stack(
            [
                stage.probabilities(z, e)
                for z, e in zip(output.logits.numpy(), output.embedding.numpy(), strict=True)
            ]
        )
        answered = np.array([not stage.abstention.why(float(row.max())) for row in p])
        total += len(p)
        kept += int(answered.sum())
        right += int((p.argmax(axis=1) == heard.material[own])[answered].sum())
    y, z = np.array(truth), np.array(said)
    return {
        "asked": list(_ASKED),
        "balanced_accuracy": float(np.mean([(z[y == k] == k).mean() for k in np.unique(y)])),
        "answered": kept / max(total, 1),
        "right_where_answered": right / max(kept, 1),
        "recordings": total,
    }


def _known(
    heads: LinearHeads, data: GeneratedSet, seen: FrozenRows, labels: tuple[str, ...]
) -> tuple[HearingOutput, NDArray[np.int64]]:
    """What is said of contacts of training, and what they are."""
    rows = np.linspace(0, len(seen.row) - 1, min(_SEEN, len(seen.row))).astype(np.int64)
    some = FrozenRows(seen.features[rows], seen.row[rows], seen.heard_s[rows])
    targets = _targets(data, labels, some)
    return _said(heads, some.features), np.where(targets.contact.numpy(), targets.material.numpy(), -1)


def _only(heard: Recordings, rows: NDArray[np.bool_]) -> Recordings:
    return Recordings(
        {heard_s: features[rows] for heard_s, features in heard.features.items()},
        heard.material[rows], heard.source[rows], heard.group[rows],
    )  # fmt: skip


def _calibrated(
    heads: LinearHeads,
    known: tuple[HearingOutput, NDArray[np.int64]],
    held_out: tuple[GeneratedSet, FrozenRows],
    heard: Recordings | None,
    labels: tuple[str, ...],
    honesty: HonestyConfig,
) -> HearingCalibration:
    stages, contacts = [], []
    for heard_s in STAGES_S:
        part = held_out[1].heard_for(heard_s)
        targets = _targets(held_out[0], labels, part)
        output = _said(heads, part.features)
        if heard is None:
            halves = part.row % 2 == 0
            stages.append(
                stage_of(heard_s, known, (_rows(output, halves), targets.rows(torch.from_numpy(halves))),
                         (_rows(output, ~halves), targets.rows(torch.from_numpy(~halves))), labels, "sim", honesty)
            )  # fmt: skip
        else:
            stage = _recording_stage(heads, heard, heard_s, known, labels, honesty)
            scales = stage_of(heard_s, known, (output, targets), (output, targets), labels, "sim", honesty)
            stages.append(
                dataclasses.replace(
                    stage, log10_e_scale=scales.log10_e_scale, log10_density_scale=scales.log10_density_scale
                )
            )
        contacts.append(output.contact_logit.sigmoid()[targets.contact].numpy())
    said = (
        "sim: one heard contact"
        if heard is None
        else f"recordings: {len(heard)} of {len(np.unique(heard.source))} sources, one heard contact"
    )
    return HearingCalibration(tuple(stages), least_contact(contacts, honesty), said)


def _recording_stage(
    heads: LinearHeads,
    heard: Recordings,
    heard_s: float,
    known: tuple[HearingOutput, NDArray[np.int64]],
    labels: tuple[str, ...],
    honesty: HonestyConfig,
) -> Any:
    """Fitted on recordings: temperature and novelty on one half of them, sets and abstention on all.

    A temperature changes no ranks, so that the half it was fitted on is as good as the other for what is answered.
    """
    output = _said(heads, heard.features[heard_s])
    half = heard.group % 2 == 0
    targets = _of_recordings(heard)
    for risk in _RISKS:
        stage = stage_of(
            heard_s, known, (_rows(output, half), targets.rows(torch.from_numpy(half))), (output, targets), labels,
            f"{len(heard)} recordings", dataclasses.replace(honesty, risk=risk),
        )  # fmt: skip
        if not stage.abstention.always:
            break
    return stage


def _of_recordings(heard: Recordings) -> HearingTargets:
    n = len(heard)
    unknown = torch.full((n,), math.nan)
    return HearingTargets(
        torch.ones(n, dtype=torch.bool),
        torch.from_numpy(heard.material),
        torch.full((n,), -1),
        *(unknown,) * 4,
    )


def _targets(data: GeneratedSet, labels: tuple[str, ...], features: FrozenRows) -> HearingTargets:
    order = np.array([labels.index(name) for name in data.materials], np.int64)
    return targets_of({name: values[features.row] for name, values in data.labels.items()}, order, CONTACT)


def _said(heads: LinearHeads, features: NDArray[np.float32]) -> HearingOutput:
    """As tensors, which fitting and calibrating take."""
    return HearingOutput(*map(torch.from_numpy, heads(features)))


def _rows(output: HearingOutput, rows: NDArray[np.bool_]) -> HearingOutput:
    chosen = torch.from_numpy(rows)
    return HearingOutput(*(value[chosen] for value in output))


def _generated(
    heads: LinearHeads, data: GeneratedSet, held_out: FrozenRows, labels: tuple[str, ...]
) -> dict[str, float]:
    """Balanced accuracy over all materials by what was heard."""
    found = {}
    for heard_s in STAGES_S:
        part = held_out.heard_for(heard_s)
        truth = _targets(data, labels, part)
        y = np.where(truth.contact.numpy(), truth.material.numpy(), -1)
        z = heads(part.features).logits.argmax(axis=1)
        name = "all" if math.isinf(heard_s) else f"{1000 * heard_s:.0f} ms"
        found[name] = float(np.mean([(z[y == k] == k).mean() for k in np.unique(y[y >= 0])]))
    return found
