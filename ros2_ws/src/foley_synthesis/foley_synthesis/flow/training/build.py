"""A dataset and its rendered views in, a trained flow out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.flow.inference.model import FlowModel, load_model, save_model
from foley_synthesis.flow.networks.autoencoder import MelAutoencoder
from foley_synthesis.flow.training.config import FlowTrainConfig
from foley_synthesis.flow.training.loop import Report, train_flow
from foley_synthesis.flow.windows import Items, check_splits, check_windows, load_items
from foley_synthesis.training.state import forget_state, state_folder
from foley_synthesis.vision.dataset_views import dataset_views
from foley_synthesis.vision.encoders import load_encoder
from foley_synthesis.vision.view_features import VIEWS


def open_items(
    dataset: ClipDataset,
    views: Path,
    encoder_name: str,
    *,
    names: tuple[str, ...] = VIEWS,
    threads: int = 2,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[Items, str]:
    """Windows with what is seen and done in them, and the identity of the encoder that saw it."""
    check_windows(dataset)  # before minutes of looking
    encoder = load_encoder(encoder_name, threads=threads)
    seen = dataset_views(dataset, views, encoder, names, lambda done, total: progress("views", done, total))
    items = load_items(dataset, seen, lambda done, total: progress("sound", done, total))
    return items, encoder.identity


def build_flow(
    dataset: ClipDataset,
    items: Items,
    out: Path,
    config: FlowTrainConfig,
    *,
    encoder: tuple[str, str],
    views: tuple[str, ...] = VIEWS,
    autoencoder: Path | None = None,
    resume: bool = False,
    report: Report = lambda stage, done, figures: None,
) -> tuple[str, dict[str, Any]]:
    """Train and write a checkpoint; its model id and figures.

    Args:
        encoder: name and identity.
        autoencoder: a trained flow whose autoencoder is taken over, as for an ablation.

    Raises:
        ItemsError: too few windows.
        CorruptCheckpoint: the flow to take the autoencoder from cannot be read.
        ValueError: it was trained on another dataset, or ``resume`` finds another run.
    """
    check_splits(items)
    began = time.monotonic()
    coder: MelAutoencoder | None = None
    if autoencoder is not None:
        other = load_model(autoencoder, "cpu")
        if other.facts["dataset"]["fingerprint"] != dataset.fingerprint:
            raise ValueError(
                f"{autoencoder} was trained on another dataset: what is test here may have been training there"
            )
        coder = other.autoencoder
    marks = [dataset.fingerprint, dataclasses.asdict(config), *encoder, *views, str(autoencoder or "")]
    key = hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()
    folder = state_folder(out)
    trained = train_flow(
        items, config, key=key, folder=folder, resume=resume, autoencoder=coder, report=report
    )
    counts = {split: len(items.rows(split)) for split in ("train", "validation", "test", "test_seen")}
    facts = {
        "encoder": {"name": encoder[0], "identity": encoder[1]},
        "views": list(views),
        "without": config.without,
        "dataset": {
            "fingerprint": dataset.fingerprint,
            "windows": counts,
            "domain": items.windows[0].domain,
            "train_scenes": sorted({w.scene_id for w in items.windows if w.split == "train"}),
        },
    }
    parameters = {
        name: sum(p.numel() for p in getattr(trained, name).parameters()) for name in ("autoencoder", "field")
    }
    metrics = {
        "windows": counts,
        "parameters": parameters,
        "seconds": time.monotonic() - began,
        "stages": {name: dataclasses.asdict(counter) for name, counter in trained.counters.items()},
        "training": dataclasses.asdict(config),
    }
    model_id = save_model(FlowModel(trained.autoencoder, trained.field, facts), out, metrics)
    forget_state(folder)
    return model_id, metrics
