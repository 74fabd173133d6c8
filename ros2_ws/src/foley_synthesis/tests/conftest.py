"""Small data and a small trained model, made once per test run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.synthetic import write_synthetic_dataset
from foley_synthesis.evaluation.listening_test.trials import write_study

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
        "foley_synthesis.vis.training.features.cache_folder", lambda: tmp_path_factory.getbasetemp() / "cache"
    )
    yield
    patch.undo()


@pytest.fixture(scope="session")
def tiny_dataset(private_cache: None, made_once: Callable[..., Path]) -> ClipDataset:
    """24 clips of 4 materials per split; both hearing and sight can be learned from it."""
    return ClipDataset(
        made_once("tiny_dataset", lambda folder: write_synthetic_dataset(folder, clips_per_split=24))
    )


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_dataset: ClipDataset, made_once: Callable[..., Path]) -> Path:
    """Trained for a few seconds, with the encoder that needs no weights."""
    from foley_synthesis.vis.training.build import build_checkpoint
    from foley_synthesis.vis.training.config import TrainConfig

    config = TrainConfig(minutes=None, epochs=40, threads=1, batch=4, exemplars=12)
    return made_once(
        "tiny_checkpoint",
        lambda out: build_checkpoint(tiny_dataset, out, config, encoder_name="colour", model=_TINY),
    )


@pytest.fixture(scope="session")
def generated() -> ModuleType:
    """The module `hearing/generated.py`: sets of contacts of two materials, for hearing."""
    spec = importlib.util.spec_from_file_location(
        "generated", Path(__file__).parent / "hearing" / "generated.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_hearing(generated: ModuleType, made_once: Callable[..., Path]) -> Path:
    """A hearing model of two small members, trained for a few seconds on such a set."""
    from foley_synthesis.hearing.training.build import build_hearing
    from foley_synthesis.hearing.training.generated_set import GeneratedSet
    from foley_synthesis.hearing.training.train_config import HearingTrainConfig

    def make(out: Path) -> None:
        sets = [
            GeneratedSet.open(
                generated.write_set(out.parent / f"hearing_{split}", clips=n, seed=seed, split=split)
            )
            for split, n, seed in (("train", 128, 1), ("validation", 200, 2))
        ]
        size = {"widths": (8, 8, 16), "blocks": 1, "squeezed": 8, "embedding": 16}
        config = HearingTrainConfig(
            minutes=5.0, steps=28, seeds=(0, 1), batch=24, learning_rate=5e-3, validate_every=14, network=size
        )
        build_hearing(*sets, out, config)

    return made_once("tiny_hearing", make)


@pytest.fixture(scope="session")
def hearing_of_four(generated: ModuleType, made_once: Callable[..., Path]) -> Path:
    """One small member that also knows the materials of `tiny_dataset`, two of which it never heard."""
    from foley_synthesis.hearing.training.build import build_hearing
    from foley_synthesis.hearing.training.generated_set import GeneratedSet
    from foley_synthesis.hearing.training.train_config import HearingTrainConfig

    def make(out: Path) -> None:
        materials = ("wood", "metal", "glass", "plastic", "rubber")
        sets = [
            GeneratedSet.open(
                generated.write_set(
                    out.parent / f"four_{split}", clips=96, seed=4, split=split, materials=materials
                )
            )
            for split in ("train", "validation")
        ]
        size = {"widths": (8, 8), "blocks": 1, "squeezed": 4, "embedding": 8}
        config = HearingTrainConfig(minutes=5.0, steps=20, batch=16, learning_rate=5e-3, network=size)
        build_hearing(*sets, out, config)

    return made_once("hearing_of_four", make)


@pytest.fixture(scope="session")
def make_study_folder() -> Callable[..., Path]:
    """``make_study_folder(folder, clips, seconds)`` writes a small study."""
    return _study_folder


def _study_folder(folder: Path, clips: int = 12, seconds: float = 0.2) -> Path:
    """A study of sounds that differ: real is a low tone, model `a` a high one, `b` noise."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(48_000 * seconds)) / 48_000
    sounds = {
        "real": 0.2 * np.sin(2 * np.pi * 300 * time),
        "a": 0.2 * np.sin(2 * np.pi * 3000 * time),
        "b": 0.05 * np.random.default_rng(0).standard_normal(len(time)),
    }
    for name, sound in sounds.items():
        soundfile.write(folder / f"{name}.wav", sound, 48_000, subtype="PCM_16")
    sheet = np.tile(np.linspace(0, 255, 240, dtype=np.uint8)[None, :, None], (120, 1, 3))
    cv2.imwrite(str(folder / "sheet.jpg"), sheet)
    entries = [
        {
            "id": f"c{i}", "pictures": "sheet.jpg", "columns": 2, "count": 2, "rate_hz": 2 / seconds,
            "real": "real.wav", "made": {"a": "a.wav", "b": "b.wav"},
            "facts": {"material": ("wood", "metal")[i % 2], "action": "tap"},
        }
        for i in range(clips)
    ]  # fmt: skip
    catch = {**entries[0], "id": "x0", "made": {"noise": "b.wav"}, "catch": True}
    write_study(folder, "Test", [*entries, catch, {**catch, "id": "x1"}])
    return folder
