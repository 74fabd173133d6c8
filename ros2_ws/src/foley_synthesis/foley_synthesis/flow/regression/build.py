"""Sets of sessions in, a trained regression or the template out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from foley_common.session_file import MOTION_RATE
from foley_perception.action.contact_motion import tip_heights
from foley_synthesis.flow.contact.seen_things import Eyes
from foley_synthesis.flow.networks.mel import decibels
from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.data import CHANNELS, GIVEN, WHAT, SessionSource
from foley_synthesis.flow.regression.model import RegressionModel, Variant, load_model, save_model
from foley_synthesis.flow.regression.network import RegressionNet
from foley_synthesis.flow.regression.sound import levels_over
from foley_synthesis.flow.regression.template import Template
from foley_synthesis.flow.regression.training import STAGE, train_regression
from foley_synthesis.flow.sessions import SessionSet
from foley_synthesis.flow.what import WHAT_DIMS
from foley_synthesis.flow.window_model import WindowGiven
from foley_synthesis.training.loop import Report
from foley_synthesis.training.state import forget_state, state_folder

NOISE = 8  # channels at each level of a network that draws
_TEMPLATE_SESSIONS = 200  # that tell the template, spread evenly


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a model is told when it is asked.

    Raises:
        ValueError: `given` is nothing that a regression can be told.
    """

    given: WindowGiven = "plan"
    what: bool = False  # what lies under the tip, in truth

    def __post_init__(self) -> None:
        if self.given not in GIVEN:
            raise ValueError(f"given is `{self.given}`, known are {', '.join(GIVEN)}")


def network_of(
    variant: Variant, groups: tuple[str, ...] = (), motion_hz: float = 125.0, what: int = WHAT_DIMS
) -> RegressionConfig:
    """The network of a variant that looks at some groups of channels; none named: at all.

    Args:
        what: channels of what lies under the tip: of the truth, or of what views show.

    Raises:
        ValueError: a variant or group that there is not.
    """
    if variant not in ("mean", "sampled"):
        raise ValueError(f"variant is `{variant}`, known are mean, sampled, template")
    if unknown := set(groups) - set(CHANNELS):
        raise ValueError(f"groups: `{min(unknown)}` is none, known are {', '.join(CHANNELS)}")
    counts = CHANNELS | {WHAT: what}
    looked = {name: count for name, count in counts.items() if not groups or name in groups}
    return RegressionConfig.of(looked, noise=NOISE if variant == "sampled" else 0, motion_hz=motion_hz)


def build_regression(
    sessions: SessionSet,
    out: Path,
    network: RegressionConfig | None,
    config: RegressionTrainConfig,
    asked: Asked,
    *,
    hand: str = "parallel_gripper",
    sight_id: str = "",
    resume: bool = False,
    report: Report = lambda done, figures: None,
) -> tuple[str, dict[str, Any]]:
    """Train and write a checkpoint; its model id and figures.

    Args:
        network: None for the template.
        sight_id: of the sight whose views stand for what is touched in the sessions (`seen_sessions`); empty: the
            truth.

    Raises:
        ValueError: a split without sessions, nothing to learn from, or ``resume`` finds another run.
    """
    for split in ("train", "validation"):
        if not sessions.windows(split):
            raise ValueError(f"no session of split `{split}` lasts 8 s; name sets of both")
    began = time.monotonic()
    hours = {split: sessions.hours(split) for split in ("train", "validation")}
    metrics: dict[str, Any] = {"hours": hours, "training": dataclasses.asdict(config)}
    made: RegressionNet | Template
    if network is None:
        made = template_of(sessions)
    else:
        # A set that was made anew has the names of the old one.
        known = sorted((item.path.stem, zlib.crc32(item.sound.tobytes())) for item in sessions.items)
        marks = [known, hand, dataclasses.asdict(config), dataclasses.asdict(network)]
        key = hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()
        made, counters = train_regression(
            SessionSource(sessions, network, config),
            network,
            config,
            key=key,
            folder=state_folder(out),
            resume=resume,
            report=report,
        )
        metrics["parameters"] = sum(p.numel() for p in made.parameters())
        metrics["steps"], metrics["best"] = counters.step, counters.best.get(STAGE)
        metrics["history"] = counters.history
    metrics["seconds"] = time.monotonic() - began
    facts = {
        **dataclasses.asdict(asked),
        "hand": hand,
        "sight_id": sight_id,
        "plan_error_s": config.plan_error_s,
        "dataset": {
            "hours": round(hours["train"], 3),
            "train_scenes": sorted({str(sessions.items[i].facts["scene_id"]) for i in sessions.of("train")}),
        },
    }
    model_id = save_model(RegressionModel(made, facts), out, metrics)
    forget_state(state_folder(out))
    return model_id, metrics


def ask_otherwise(weights: Path, out: Path, asked: Asked) -> str:
    """The same weights as another checkpoint, which is told something else when it is asked; its model id.

    Raises:
        CorruptCheckpoint: ``weights`` cannot be read.
        ValueError: the network has never been told what lies under the tip.
    """
    model = load_model(weights)
    network = model.network
    if asked.what and not (
        isinstance(network, RegressionNet) and WHAT in [g for g, _, _ in network.config.groups]
    ):
        raise ValueError(f"{weights} looks at no group `{WHAT}`")
    facts = {**model.facts, **dataclasses.asdict(asked)}
    return save_model(RegressionModel(network, facts), out, {"weights": model.model_id})


def seen_sessions(sessions: SessionSet, eyes: Eyes) -> SessionSet:
    """The sessions of which anything is seen, with what views show in place of what is touched; unseen things are 0.

    Raises:
        OSError, ValueError: as `Eyes.of`.
    """
    found = []
    for item in sessions.items:
        if (seen := eyes.of(item)) is not None:
            shown = np.nan_to_num(seen.features.float().numpy())
            under = seen.under.numpy()[: len(item.features.under)].astype(np.int16)
            features = dataclasses.replace(item.features, under=under)
            found.append(dataclasses.replace(item, objects=shown, features=features))
    return SessionSet(tuple(found))


def template_of(sessions: SessionSet) -> Template:
    """From planned motion, true contacts and sounds of training sessions."""
    rows = sessions.of("train")
    chosen = [
        rows[i]
        for i in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _TEMPLATE_SESSIONS)).astype(int))
    ]
    told = []
    for item in (sessions.items[i] for i in chosen):
        floor = decibels(torch.from_numpy(item.floor(0.0)))
        sound = torch.from_numpy(item.sound.astype(np.float32) / 2**15)
        heights = tip_heights(np.asarray(item.features.planned, np.float32))
        told.append((heights, item.contacts.time_s * MOTION_RATE, levels_over(sound, floor)))
    return Template.fit(told)
