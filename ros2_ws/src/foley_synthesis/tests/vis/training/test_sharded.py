"""Training on shards: the same features, each clip once an epoch, and several processes take the steps of one."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_perception.dataset.export.export import export_dataset
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.checkpoint import load_checkpoint
from foley_synthesis.training import processes
from foley_synthesis.training.webdataset_files import ShardError, read_samples, row_of
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.training import build, feature_shards, sharded
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.examples import Batch
from foley_synthesis.vis.training.features import load_features
from foley_synthesis.vision.encoders import load_encoder

SMALL = {
    "hidden": 24,
    "still_units": 16,
    "frame_units": 8,
    "head_units": 32,
    "heard_units": 12,
    "dropout": 0.0,
}
QUICK: dict[str, Any] = {"minutes": None, "threads": 1, "batch": 8, "exemplars": 4, "epochs": 2}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of other processes too."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def shards(tiny_dataset: ClipDataset, made_once: Callable[..., Path]) -> Path:
    """The data set, in shards of 10 clips."""

    def write(folder: Path) -> None:
        from foley_perception.dataset.export import webdataset

        before, webdataset.SHARD_SAMPLES = webdataset.SHARD_SAMPLES, 10
        try:
            export_dataset(tiny_dataset, "webdataset", folder)
        finally:
            webdataset.SHARD_SAMPLES = before

    return made_once("tiny_shards", write)


def flat(value: Any) -> list[torch.Tensor]:
    if isinstance(value, tuple):
        return [tensor for part in value for tensor in flat(part)]
    return [] if value is None else [value]


def test_features_of_shards_are_those_of_the_data_set(tiny_dataset: ClipDataset, shards: Path) -> None:
    encoder = load_encoder("colour", threads=1)
    config = ModelConfig(encoder="colour", encoder_dims=encoder.dims)
    made = feature_shards.make_features(str(shards), encoder, config)
    assert made.counts == [10, 10, 4] and sum(made.materials.values()) == 24 and made.left_out == 0
    kept, sounds = made.kept()
    here = load_features(tiny_dataset, encoder, config)
    row = {clip.clip_id: i for i, clip in enumerate(here.clips)}
    order = [row[clip.clip_id] for clip in kept.clips]
    assert sorted(order) == sorted([*here.indices("train"), *here.indices("validation")])
    for name in ("cochleagram", "frames", "planned", "executed"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(here, name)[order], err_msg=name)
    np.testing.assert_array_equal(kept.still[:, 0], here.still[order][:, 0])
    for clip, other in zip(kept.clips, order, strict=True):
        np.testing.assert_equal(dataclasses.asdict(clip), dataclasses.asdict(here.clips[other]))
    np.testing.assert_array_equal(sounds[3], tiny_dataset.audio(order[3]))
    rows = list(made.read(1, 2, 9))
    assert [r["clip"].clip_id for r in rows] == [c.clip_id for c in kept.clips[12:19]]


def test_a_shard_whose_clips_all_lack_something_is_passed_over(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking, clip_of = set[str](), feature_shards.clip_of
    monkeypatch.setattr(
        feature_shards,
        "clip_of",
        lambda row: dataclasses.replace(
            clip_of(row), without=("microphone",) if row["clip_id"] in lacking else ()
        ),
    )
    for file in shards.glob("*.tar"):
        shutil.copy(file, tmp_path / file.name)
    lacking |= {row_of(sample)["clip_id"] for sample in read_samples(str(tmp_path / "train-000000.tar"))}
    encoder = load_encoder("colour", threads=1)
    config = ModelConfig(encoder="colour", encoder_dims=encoder.dims)
    made = feature_shards.make_features(str(tmp_path), encoder, config)
    assert made.counts == [0, 10, 4] and made.left_out == 10
    kept, _ = made.kept()
    assert len(kept.clips) and not lacking & {clip.clip_id for clip in kept.clips}
    for number in (1, 2):
        (tmp_path / f"train-{number:06}.tar").unlink()
    with pytest.raises(ShardError, match=r"no training clip has both sound and pictures; 10 were left out"):
        feature_shards.make_features(str(tmp_path), encoder, config)
    with pytest.raises(ShardError, match="no clip is kept"):
        dataclasses.replace(made, train=made.train[:1], validation=()).kept()


def test_each_clip_comes_once_an_epoch_in_the_same_batches_for_any_number_of_processes(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder("colour", threads=1)
    config = TrainConfig(**{**QUICK, "batch": 8})
    made = feature_shards.make_features(
        str(shards), encoder, ModelConfig(encoder="colour", encoder_dims=encoder.dims)
    )
    labels = tuple(sorted(made.materials))
    features, _ = made.kept()
    shape = ModelConfig(encoder="colour", encoder_dims=encoder.dims, materials=len(labels), **SMALL)
    networks, pca, _, _ = build.prepare(features, shape, config, labels)

    def batches(rank: int, count: int, epoch: int = 0) -> list[Batch]:
        monkeypatch.setattr(processes, "rank", lambda: rank)
        monkeypatch.setattr(processes, "count", lambda: count)
        return list(sharded.ShardExamples(made, networks, pca, labels, config).batches(epoch))

    alone = batches(0, 1)
    assert [len(batch.windows) for batch in alone] == [8, 8, 8]
    seen = torch.cat([batch.targets.log10_e for batch in alone])
    assert sorted(seen.tolist()) == sorted(
        features.numbers("log10_youngs_modulus")[features.indices("train")]
    )
    halves = [batches(rank, 2) for rank in (0, 1)]
    for whole, *parts in zip(alone, *halves, strict=True):
        for value, *of_parts in zip(flat(whole), *map(flat, parts), strict=True):
            assert torch.equal(value, torch.cat(of_parts)) or bool(value.isnan().any())
    assert not torch.equal(batches(0, 1, epoch=1)[0].windows, alone[0].windows)


@pytest.mark.long
def test_a_checkpoint_is_trained_from_shards(shards: Path, tmp_path: Path) -> None:
    config = TrainConfig(**QUICK)
    model_id, metrics = sharded.build_from_shards(
        str(shards), tmp_path / "out", config, encoder_name="colour", model=SMALL
    )
    loaded = load_checkpoint(tmp_path / "out")
    assert model_id and metrics["clips"] == {"train": 24, "validation": 24, "test": 0}
    assert len(loaded.exemplars.audio) == 4
    with pytest.raises(ShardError, match="no shards train"):
        sharded.build_from_shards(str(tmp_path), tmp_path / "other", config, encoder_name="colour")


SCRIPT = """
import json, sys
from pathlib import Path
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.vis.training import build, sharded
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.features import FeatureSet
how, given, out, config, model = sys.argv[1:]
numbers = FeatureSet.numbers
FeatureSet.numbers = lambda self, name: numbers(self, name) * (1.0 if name == "roughness" else float("nan"))
rest = dict(encoder_name="colour", model=json.loads(model))
config = TrainConfig(**json.loads(config))
if how == "shards":
    build.torch.set_num_threads(1)
    made = sharded.build_from_shards(given, Path(out), config, **rest)
else:
    made = build.build_checkpoint(ClipDataset(given), Path(out), config, **rest)
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("how", ["memory", "shards"])
def test_two_processes_give_the_figures_of_one_with_twice_the_batch(
    how: str, tiny_dataset: ClipDataset, shards: Path, tmp_path: Path
) -> None:
    """Each of two processes makes 4 rows of the 8 of a step, in a set of which not all is known. Without dropout, which
    each draws for itself."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    given = str(shards if how == "shards" else tiny_dataset.path)
    config = {**QUICK, "epochs": 4}
    found = {}
    for count in (1, 2):
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        words = [how, given, str(tmp_path / f"{how}{count}"), json.dumps(config), json.dumps(SMALL)]
        subprocess.run([sys.executable, *launch, str(script), *words], check=True, timeout=280)
        found[count] = load_checkpoint(tmp_path / f"{how}{count}")
    assert found[2].metrics["processes"] == 2
    for one, two in zip(found[1].metrics["history"], found[2].metrics["history"], strict=True):
        assert one == pytest.approx(two, rel=2e-3, abs=2e-3)
    first, last = found[2].metrics["history"][0], found[2].metrics["history"][-1]
    assert last["train_sound"] < first["train_sound"]
    for name, value in found[1].tensors.items():
        np.testing.assert_allclose(found[2].tensors[name], value, rtol=2e-2, atol=2e-3, err_msg=name)
