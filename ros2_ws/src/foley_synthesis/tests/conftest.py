"""Small data and a small trained model, made once per test run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.synthetic import write_synthetic_dataset

# Sizes that train in seconds.
_TINY = {
    "hidden": 24,
    "still_units": 16,
    "frame_units": 8,
    "head_units": 32,
    "heard_units": 12,
    "dropout": 0.1,
}


@pytest.fixture(scope="session")
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features of test data do not enter the user's cache; the exported encoder may be shared."""
    patch = pytest.MonkeyPatch()
    patch.setattr(
        "foley_synthesis.training.features.cache_folder", lambda: tmp_path_factory.getbasetemp() / "cache"
    )
    yield
    patch.undo()


@pytest.fixture(scope="session")
def tiny_dataset(private_cache: None, tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    """24 clips of 4 materials per split; both hearing and sight can be learned from it."""
    path = tmp_path_factory.mktemp("data") / "dataset"
    write_synthetic_dataset(path, clips_per_split=24)
    return ClipDataset(path)


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_dataset: ClipDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for a few seconds, with the encoder that needs no weights."""
    from foley_synthesis.training.build import build_checkpoint
    from foley_synthesis.training.config import TrainConfig

    out = tmp_path_factory.mktemp("model") / "checkpoint"
    config = TrainConfig(minutes=None, epochs=40, threads=1, batch=4, exemplars=12)
    build_checkpoint(tiny_dataset, out, config, encoder_name="colour", model=_TINY)
    return out
