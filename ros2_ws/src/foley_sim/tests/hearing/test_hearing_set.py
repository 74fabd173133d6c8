"""Sets: the format that readers rely on, and that the same seed gives the same set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from foley_sim.hearing.hearing_set import HearingSetConfig, make_hearing_set, shard_clips, shard_tensors
from foley_sim.hearing.preview import preview
from foley_sim.materials import MATERIALS

CLIPS = 8


def _config(out: Path, **changes: object) -> HearingSetConfig:
    return HearingSetConfig(
        **{"out": out, "hours": 2 * CLIPS * 1.2 / 3600, "jobs": 1, "shard_clips": CLIPS, **changes}
    )


def _bytes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("shard_*.safetensors"))]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hearing") / "set"
    metrics = make_hearing_set(_config(out))
    assert metrics["clips"] == metrics["clips_written"] == 2 * CLIPS
    assert sum(metrics["kind"].values()) == 2 * CLIPS
    assert sum(metrics["material"].values()) == metrics["kind"]["contact"]
    return out


def test_the_format(written: Path) -> None:
    said = json.loads((written / "set.json").read_text())
    assert said["materials"] == list(MATERIALS)
    assert (said["rate"], said["samples"], said["split"], said["seed"]) == (24000, 28800, "train", 0)
    assert said["kinds"][0] == "contact"
    tensors = load_file(written / "shard_00001.safetensors")
    assert tensors["audio"].shape == (CLIPS, 28800)
    types = {name: str(tensor.dtype) for name, tensor in tensors.items()}
    assert types == {
        "audio": "int16", "onset_s": "float32", "kind": "int8", "material": "int8", "log10_e": "float32",
        "log10_density": "float32", "roughness": "float32", "hollowness": "float32", "action": "int8",
        "striker": "int8", "support": "int8", "microphone": "int8", "object_id": "int32", "bandwidth_hz": "float32",
        "snr_db": "float32",
    }  # fmt: skip
    assert {tensor.shape[0] for tensor in tensors.values()} == {CLIPS}


@pytest.mark.long
def test_a_set_is_gone_on_with_in_any_number_of_processes(written: Path, tmp_path: Path) -> None:
    out = tmp_path / "other"
    make_hearing_set(_config(out, jobs=2))
    assert _bytes(out) == _bytes(written)
    kept = (out / "shard_00000.safetensors").stat().st_mtime_ns
    (out / "shard_00001.safetensors").unlink()
    metrics = make_hearing_set(_config(out, hours=3 * CLIPS * 1.2 / 3600))
    assert metrics["shards_written"] == 2
    assert (out / "shard_00000.safetensors").stat().st_mtime_ns == kept
    assert _bytes(out)[:2] == _bytes(written)


def test_a_folder_of_another_set_is_refused(written: Path) -> None:
    with pytest.raises(ValueError, match="seed 0 and not 4"):
        make_hearing_set(_config(written, seed=4))


def test_splits_seeds_and_shards_are_other_draws() -> None:
    draws = [
        shard_tensors(shard_clips(*key, 2))["audio"]
        for key in ((0, "train", 0), (0, "validation", 0), (1, "train", 0), (0, "train", 1))
    ]
    for i, one in enumerate(draws):
        assert not any(np.array_equal(one, other) for other in draws[i + 1 :])


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"split": "test"}, "--split"), ({"hours": 0.0}, "--hours"), ({"jobs": 0}, "--jobs")],
)
def test_options_that_cannot_be_are_named(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        _config(tmp_path, **changes)


def test_a_preview_shows_and_plays_the_clips(tmp_path: Path) -> None:
    folder = preview(tmp_path / "look", 0, "train", 12)
    assert (folder / "clips.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(folder.glob("*.wav"))) == 12
