"""Sets of sessions and a codec in, a trained flow of contacts out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foley_perception.action.contact_motion import GROUPS
from foley_synthesis.flow.codec.model_file import load_codec
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItem, ContactItems
from foley_synthesis.flow.contact.latents import open_items
from foley_synthesis.flow.contact.loop import STAGE, Report, crops_of, train
from foley_synthesis.flow.contact.loss import channel_weights
from foley_synthesis.flow.contact.model import ContactFlowModel, load_model, save_model
from foley_synthesis.flow.contact.reflow import make_pairs, reflow_loss, reflow_source
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.contact.seen_things import Eyes
from foley_synthesis.flow.contact.validation import foreground_errors, validation_loss
from foley_synthesis.flow.networks.contact_field import SIZES, ContactField
from foley_synthesis.flow.networks.motion_encoder import MotionConfig
from foley_synthesis.flow.what import WHAT_DIMS
from foley_synthesis.training import processes
from foley_synthesis.training.state import Counters, forget_state, state_folder

Progress = Callable[[str, int, int], None]
FEW_STEPS = ContactSampling(steps=4)
"""How a flow that was made straight is sampled."""
_VALIDATION_BATCHES = 2  # of pairs


@dataclasses.dataclass(frozen=True, eq=False)
class FlowData:
    """What a flow is trained on, and chosen by."""

    train: ContactItems
    validation: ContactItems
    codec: Codec
    codec_id: str
    sets: tuple[str, ...]
    sight_id: str = ""  # of what looked at the views; empty: nobody did

    def fingerprint(self) -> str:
        """Of sessions, their sound and views, and the codec: a set that was made anew has the names of the old one."""
        names = [
            f"{item.session_id} {item.frames} {_marks(item)}"
            for items in (self.train, self.validation)
            for item in items.sessions
        ]
        return hashlib.sha256(json.dumps([self.codec_id, *names]).encode()).hexdigest()


def _marks(item: ContactItem) -> str:
    """Of what a session sounds like and shows."""
    views = () if item.views is None else (item.views.features, item.views.under)
    return " ".join(str(zlib.crc32(part.numpy().tobytes())) for part in (item.latent, *views))


def open_data(
    sets: Sequence[Path],
    validation: Sequence[Path],
    codec: Path,
    *,
    eyes: Eyes | None = None,
    limit: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> FlowData:
    """Sets of the splits `train` and `validation`, coded.

    Args:
        eyes: look at what is touched; None: views are not used.

    Raises:
        CorruptCheckpoint: the codec cannot be read.
        ValueError: a set has no sessions of its split, a scene is in both, the codec is not for 16 kHz, or there is
            nothing to look at but by what learned from it.
        OSError: a file cannot be read.
    """
    coder, _, codec_id = load_codec(codec)
    if coder.config.rate != 16_000:
        raise ValueError(f"{codec} codes sounds of {coder.config.rate} Hz; the flow needs one of 16000 Hz")
    parts = {}
    for split, folders in (("train", sets), ("validation", validation)):

        def tell(done: int, total: int, split: str = split) -> None:
            progress(split, done, total)

        parts[split] = open_items(folders, split, coder, codec_id, limit=limit, eyes=eyes, progress=tell)
    if shared := parts["train"].scenes & parts["validation"].scenes:
        raise ValueError(
            f"{len(shared)} scenes are in training and in validation, such as {min(shared)}; leave them out of one"
        )
    if eyes is not None:
        _check_eyes(eyes, parts["train"], parts["validation"])
    sight_id = "" if eyes is None else eyes.sight_id
    return FlowData(parts["train"], parts["validation"], coder, codec_id, tuple(map(str, sets)), sight_id)


def _check_eyes(eyes: Eyes, train: ContactItems, validation: ContactItems) -> None:
    """Raises ValueError where there is nothing to look at, or sight learned from scenes of validation."""
    if not train.seen:
        raise ValueError(
            "no session of training has views: make them with `foley sim sessions --views`, or stills of their scenes "
            "with `foley sim stills`, or leave sight out"
        )
    if shared := eyes.train_scenes & validation.scenes:
        raise ValueError(
            f"sight was trained in {len(shared)} scenes of validation, such as {min(shared)}; train it in others"
        )


def build_flow(
    data: FlowData,
    out: Path,
    config: ContactTrainConfig,
    *,
    start: Path | None = None,
    resume: bool = False,
    report: Report = lambda stage, done, figures: None,
) -> tuple[str, dict[str, Any]]:
    """Train and write a checkpoint; its model id and figures. Several processes each call this, the first one writes.

    Args:
        start: a trained flow whose weights it begins with.

    Raises:
        CorruptCheckpoint: the flow to begin with cannot be read.
        ValueError: that flow has other inputs or was trained in scenes of validation, or ``resume`` finds another run.
    """
    began = time.monotonic()
    torch.set_num_threads(config.threads)
    with processes.joined(config.device) as device:
        torch.manual_seed(config.seed)
        field, scenes = begun(data, config, start)
        key = run_key(data.fingerprint(), config, str(start or ""))
        counters = train(
            field,
            crops_of(data.train, config),
            config,
            device,
            validate=validation_loss(data.validation, config),
            listen=foreground_errors(data.validation, data.codec, config),
            key=key,
            folder=state_folder(out),
            resume=resume,
            report=report,
        )
        seconds = time.monotonic() - began
        return written(data, scenes, field.cpu(), config, counters, out, ContactSampling(), seconds)


def begun(
    data: FlowData, config: ContactTrainConfig, start: Path | None
) -> tuple[ContactField, frozenset[str]]:
    """The field before its first step, and the scenes that it has been trained in by then.

    A flow without views can be gone on from with them: what they say is 0 at first. One that knows more can be gone on
    from with less: it is told no more of what is left out.

    Raises:
        ValueError: an ablation of views, of which there are none to leave out.
    """
    motion = dataclasses.replace(
        MotionConfig.of(GROUPS), without=config.groups_left_out, rate_hz=config.motion_rate_hz
    )
    if "views" in config.without and not data.train.seen:
        raise ValueError(
            "without is `views`, but nothing is seen of these sessions: name sight with --sight, or leave it out"
        )
    shown = None if "views" in config.without else data.train.seen_features()
    views = 0 if shown is None else shown.shape[-1]
    size = SIZES[config.size](motion, WHAT_DIMS, views, data.codec.config.latent)
    if start is None:
        field = ContactField(size)
        latents, floor, motions, _ = data.train.statistics()
        field.set_statistics(latents, floor, motions, shown)
        changes = data.codec.changes(_some_stretches(latents[:, :-1]))
        field.channel_weights.copy_(channel_weights(changes, config.level_weight))
        return field, frozenset()
    other = load_model(start)
    field = other.field
    if shown is None:  # what it sees it is not shown
        size = dataclasses.replace(size, views=field.config.views)
    if field.config.motion != size.motion:
        field = field.taking(size.motion.without, size.motion.rate_hz)
    if shown is not None and field.config == dataclasses.replace(size, views=0):
        field = field.seeing(shown)
    elif field.config != size:
        raise ValueError(
            f"{start} has another size or other inputs than this training; name the same --size, and --sight where it "
            "had one"
        )
    _check_start(start, other, data)
    return field, other.train_scenes


def _some_stretches(latents: Tensor, count: int = 16, frames: int = 64) -> Tensor:
    """[n, content] -> [b, content, 64] from all over, at most so many."""
    whole = latents[: len(latents) // frames * frames].reshape(-1, frames, latents.shape[-1]).transpose(1, 2)
    return whole[:: max(1, len(whole) // count)][:count]


def _check_start(path: Path, other: ContactFlowModel, data: FlowData) -> None:
    """Raises ValueError where a flow cannot be gone on from."""
    if other.facts["codec_id"] != data.codec_id:
        raise ValueError(f"{path} was trained with another codec; name the same one with --codec")
    if other.field.config.views and data.sight_id and other.sight_id != data.sight_id:
        raise ValueError(
            f"{path} was trained with the views of another sight; name the same one with --sight"
        )
    shared = other.train_scenes & data.validation.scenes
    if shared:
        raise ValueError(f"{path} was trained in {len(shared)} scenes of validation, such as {min(shared)}")


def run_key(data: str, config: ContactTrainConfig, start: str) -> str:
    """Which run a saved state belongs to; a run may be given more time."""
    settings = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name not in ("minutes", "steps", "threads", "save_every_s", "validate_every_s", "listen_every_s")
    }
    return hashlib.sha256(json.dumps([data, settings, start], sort_keys=True).encode()).hexdigest()


def written(
    data: FlowData,
    before: frozenset[str],
    field: ContactField,
    config: ContactTrainConfig,
    counters: Counters,
    out: Path,
    sampling: ContactSampling,
    seconds: float,
) -> tuple[str, dict[str, Any]]:
    """The first process's checkpoint; its model id, which is empty in others, and figures.

    Args:
        before: scenes of the flow that it began with or learned from, which it knows as well.
    """
    facts = {
        "size": config.size,
        "without": list(config.conditions_left_out),
        "codec_id": data.codec_id,
        "sight_id": data.sight_id if field.config.views else "",
        "sets": list(data.sets),
        "hours": round(data.train.hours, 3),
        "train_scenes": sorted(data.train.scenes | before),
    }
    metrics: dict[str, Any] = {
        "sessions": {"train": len(data.train.sessions), "validation": len(data.validation.sessions)},
        "with_views": {"train": data.train.seen, "validation": data.validation.seen},
        "hours": data.train.hours,
        "parameters": sum(value.numel() for value in field.parameters()),
        "steps": counters.step,
        "seconds": seconds,
        "seconds_per_step": counters.elapsed_s / max(1, counters.step),
        "best_validation": counters.best.get(STAGE),
        "history": counters.history,
        "config": dataclasses.asdict(config),
    }
    if processes.rank():
        return "", metrics
    model_id = save_model(ContactFlowModel(field, data.codec, facts, sampling=sampling), out, metrics)
    forget_state(state_folder(out))
    return model_id, metrics


def build_reflow(
    data: FlowData,
    first: Path,
    out: Path,
    config: ContactTrainConfig,
    pairs: int,
    *,
    sampling: Callable[[ContactSampling], ContactSampling] = lambda own: own,
    resume: bool = False,
    report: Report = lambda stage, done, figures: None,
    progress: Progress = lambda stage, done, total: None,
) -> tuple[str, dict[str, Any]]:
    """Train a flow for few steps on what another makes of noise; its model id and figures.

    Args:
        pairs: of noise and sound.
        sampling: how the first flow makes them, given its own way.

    Raises:
        CorruptCheckpoint: the first flow cannot be read.
        ValueError: it was trained with another codec or in scenes of validation, or ``resume`` finds another run.
    """
    began = time.monotonic()
    torch.set_num_threads(config.threads)
    other = load_model(first)
    _check_start(first, other, data)
    way = sampling(other.sampling)
    config = dataclasses.replace(
        config, size=str(other.facts["size"]), without=tuple(other.facts["without"]), joint_dropout=0.0
    )
    folder = state_folder(out)
    with processes.joined(config.device) as device:
        field = other.field.to(device)
        mean_weight = data.train.mean_weight(config.foreground_weight)
        made = {}
        for split, items, count in (
            ("train", data.train, max(1, pairs // config.batch)),
            ("validation", data.validation, _VALIDATION_BATCHES),
        ):
            key = run_key(data.fingerprint(), config, f"{split} {other.model_id} {way}")

            def tell(done: int, total: int, split: str = split) -> None:
                progress(f"pairs, {split}", done, total)

            made[split] = make_pairs(
                field, items, config, way, count, mean_weight, folder=folder, key=key, progress=tell
            )
        field.requires_grad_(True)
        counters = train(
            field,
            reflow_source(made["train"]),
            config,
            device,
            validate=reflow_loss(made["validation"]),
            listen=foreground_errors(data.validation, data.codec, config, FEW_STEPS),
            key=run_key(data.fingerprint(), config, f"{other.model_id} {way} {pairs}"),
            folder=folder,
            resume=resume,
            report=report,
        )
        seconds = time.monotonic() - began
        return written(data, other.train_scenes, field.cpu(), config, counters, out, FEW_STEPS, seconds)
