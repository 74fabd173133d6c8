"""A checkpoint is read back as it was written, or refused by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from foley_synthesis import checkpoint as cp
from foley_synthesis.hearing.inference.heard_model import HeardModel
from foley_synthesis.vis.inference.predictor import Predictor


@pytest.fixture()
def copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    target = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, target)
    return target


def test_round_trip_keeps_content_and_identity(copy: Path, tmp_path: Path) -> None:
    first = cp.load_checkpoint(copy)
    again = tmp_path / "again"
    assert cp.save_checkpoint(first, again) == first.model_id == cp.model_id_of(again)
    second = cp.load_checkpoint(again)
    assert all(np.array_equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    assert np.array_equal(first.exemplars.audio, second.exemplars.audio)
    assert second.vocabulary == first.vocabulary and second.metrics == first.metrics


def test_metrics_do_not_change_the_identity(copy: Path) -> None:
    before = cp.model_id_of(copy)
    cp.write_metrics(copy, {"held_out": 1.0})
    assert cp.load_checkpoint(copy).metrics == {"held_out": 1.0}
    assert cp.model_id_of(copy) == before


@pytest.mark.parametrize("name", [cp.MODEL_FILE, cp.CONFIG_FILE, cp.VOCABULARY_FILE, cp.EXEMPLAR_AUDIO_FILE])
def test_a_flipped_byte_is_named(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (copy / name).write_bytes(content)
    with pytest.raises(cp.CorruptCheckpoint, match=name) as error:
        HeardModel.load(copy)
    assert "foley train" in str(error.value)


def test_a_missing_or_truncated_file_is_named(copy: Path) -> None:
    model = copy / cp.MODEL_FILE
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(cp.CorruptCheckpoint, match=cp.MODEL_FILE):
        cp.load_checkpoint(copy)
    model.unlink()
    with pytest.raises(cp.CorruptCheckpoint, match="not found"):
        cp.load_checkpoint(copy)
    with pytest.raises(cp.CorruptCheckpoint, match="no such checkpoint"):
        cp.load_checkpoint(copy / "nowhere")


@pytest.fixture()
def two_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with `checkpoint` and `flow`, and a folder `here` with `flow` and `codec` in which somebody works."""
    for name in ("package/checkpoint", "package/flow", "here/codec", "here/flow", "package/no_model"):
        (tmp_path / name).mkdir(parents=True)
        if name != "package/no_model":
            (tmp_path / name / cp.MANIFEST_FILE).write_text("{}")
    monkeypatch.setattr(cp, "_SHIPPED", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_named_by_its_folder_or_as_one_that_ships(
    two_ship: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = two_ship / "package"
    assert cp.shipped() == {"shipped": package / "checkpoint", "flow": package / "flow"}
    assert cp.located("flow") == cp.located(Path("flow")) == package / "flow"
    assert cp.located("shipped") == cp.default_path() == package / "checkpoint"
    assert cp.located("here/flow") == Path("here/flow")
    monkeypatch.chdir(two_ship / "here")
    assert cp.located("flow") == Path("flow"), "a folder of one's own goes first"
    (two_ship / "here" / "flow" / cp.MANIFEST_FILE).unlink()
    with pytest.raises(cp.CorruptCheckpoint, match="hides the model of this name that ships"):
        cp.located("flow")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "here/codek",
            r"codek: no such .* in here: did you mean `codec`\? it has codec, flow; by name alone",
        ),
        ("fow", r"fow: no such checkpoint folder; by name alone there are shipped, flow; mend it"),
        ("no_model", "by name alone there are shipped, flow"),
    ],
)
def test_a_model_that_is_nowhere_is_refused_with_those_that_are(two_ship: Path, name: str, told: str) -> None:
    with pytest.raises(cp.CorruptCheckpoint, match=told):
        cp.located(name, "mend it")


def _edit(folder: Path, name: str, **changes: object) -> None:
    """Change a YAML file and make the manifest agree, as another version of the program would."""
    content = yaml.safe_load((folder / name).read_text())
    content.update(changes)
    (folder / name).write_text(yaml.safe_dump(content))
    manifest = yaml.safe_load((folder / cp.MANIFEST_FILE).read_text())
    manifest[name] = cp.sha256_of(folder / name)
    (folder / cp.MANIFEST_FILE).write_text(yaml.safe_dump(manifest))


def test_another_schema_is_refused(copy: Path) -> None:
    _edit(copy, cp.CONFIG_FILE, schema="foley-vis-99")
    with pytest.raises(cp.CorruptCheckpoint, match="foley-vis-99"):
        cp.load_checkpoint(copy)


def test_a_vocabulary_that_does_not_fit_is_refused(copy: Path) -> None:
    _edit(copy, cp.VOCABULARY_FILE, labels=["wood", "metal"])
    with pytest.raises(cp.CorruptCheckpoint, match="2 labels, the model has 4"):
        cp.load_checkpoint(copy)


def test_a_config_that_does_not_fit_the_weights_is_refused(copy: Path) -> None:
    config = yaml.safe_load((copy / cp.CONFIG_FILE).read_text())["model"]
    _edit(copy, cp.CONFIG_FILE, model={**config, "hidden": 32})
    with pytest.raises(cp.CorruptCheckpoint, match="tensor"):
        Predictor.load(copy)
    _edit(copy, cp.CONFIG_FILE, model={**config, "heard_units": 32})
    with pytest.raises(cp.CorruptCheckpoint, match="mix"):
        HeardModel.load(copy)
