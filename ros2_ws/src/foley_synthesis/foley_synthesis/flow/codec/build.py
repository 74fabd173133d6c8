"""Sounds in, a trained codec out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from foley_synthesis.flow.codec.config import CodecConfig, CodecTrainConfig
from foley_synthesis.flow.codec.model_file import save_codec
from foley_synthesis.flow.codec.sounds import Sounds
from foley_synthesis.flow.codec.training import train_codec
from foley_synthesis.training.loop import Report
from foley_synthesis.training.state import forget_state, state_folder


def build_codec(
    sounds: Sounds,
    size: CodecConfig,
    config: CodecTrainConfig,
    out: Path,
    *,
    resume: bool = False,
    report: Report = lambda done, figures: None,
) -> tuple[str, dict[str, Any]]:
    """Train and write a checkpoint; its model id and figures.

    Raises:
        SoundsError: too few sounds.
        ValueError: ``resume`` finds another run.
    """
    began = time.monotonic()
    marks = [sounds.fingerprint(), dataclasses.asdict(size), dataclasses.asdict(config)]
    key = hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()
    folder = state_folder(out)
    codec, counters = train_codec(sounds, size, config, key=key, folder=folder, resume=resume, report=report)
    hours = {split: round(sounds.hours(size, split), 3) for split in ("train", "validation")}
    facts = {"sounds": {"fingerprint": sounds.fingerprint(), "hours": hours}}
    metrics = {
        "sounds": {**facts["sounds"], "files": len(sounds.names), "skipped": list(sounds.skipped)},
        "parameters": sum(p.numel() for p in codec.parameters()),
        "seconds": time.monotonic() - began,
        "steps": counters.step,
        "seconds_per_step": counters.elapsed_s / max(counters.step, 1),
        "validation_foreground_db": counters.best.get("codec"),
        "history": counters.history,
        "training": dataclasses.asdict(config),
    }
    model_id = save_codec(codec, facts, out, metrics)
    forget_state(folder)
    return model_id, metrics
