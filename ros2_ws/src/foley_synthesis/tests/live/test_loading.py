"""The checkpoint's kind decides which model is loaded."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from safetensors.torch import load_file, save_file

from foley_perception.action.gripper import GripperHand
from foley_synthesis import checkpoint
from foley_synthesis.beliefs.answers import AnswerRule
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fitted import FittedFusion, save_fitted
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.checkpoint import CorruptCheckpoint, load_checkpoint, sha256_of, write_yaml
from foley_synthesis.flow.inference.contact_sound import ContactFlowSoundModel, load_live
from foley_synthesis.live.config import MaterialConfig, SynthesizerConfig
from foley_synthesis.live.loading import load_sound_model, make_material_core
from foley_synthesis.sound_model import Input, StreamingSoundModel

HAND = GripperHand.from_yaml("parallel_gripper")


def _world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_world", Path(__file__).parents[1] / "live_world.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _world().make_flow(tmp_path_factory.mktemp("flow") / "flow")  # type: ignore[no-any-return]


def load(path: Path | str, **settings: object) -> object:
    return load_sound_model(SynthesizerConfig(checkpoint=str(path), **settings), HAND)  # type: ignore[arg-type]


def test_vis_is_known_by_its_schema(tiny_checkpoint: Path) -> None:
    model = load_sound_model(SynthesizerConfig(checkpoint=str(tiny_checkpoint)), HAND)
    assert model.needs == {Input.STILL, Input.ACTION} and model.modes == {"planned", "executed"}
    assert model.vocabulary is not None and len(model.model_id) == 64 and model.note == ""


def test_a_flow_is_known_by_its_schema(flow: Path) -> None:
    model = load_sound_model(SynthesizerConfig(checkpoint=str(flow)), HAND)
    assert Input.TOOL in model.needs and model.vocabulary is None and model.domain == "sim"
    assert len(model.model_id) == 64


def test_a_contact_flow_is_known_by_its_schema_and_takes_few_steps(tmp_path: Path) -> None:
    folder = _world().make_contact_flow(tmp_path / "contact")
    model = load(folder)
    assert isinstance(model, ContactFlowSoundModel) and isinstance(model, StreamingSoundModel)
    assert (
        model.needs == {Input.TOOL} and model.modes == {"planned", "executed"} and len(model.model_id) == 64
    )
    assert (load_live(folder).sampling.steps, load_live(folder, steps=9).sampling.steps) == (4, 9)


def test_a_model_that_ships_is_loaded_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _world().make_contact_flow(tmp_path / "contact_flow")
    monkeypatch.setattr(checkpoint, "_SHIPPED", tmp_path)
    model = load("contact_flow")
    assert isinstance(model, ContactFlowSoundModel) and model.model_id == checkpoint.model_id_of(
        tmp_path / "contact_flow"
    )


@pytest.mark.skipif("contact_flow" not in checkpoint.shipped(), reason="no contact flow ships with this copy")
def test_the_contact_flow_that_ships_is_whole_and_small() -> None:
    folder = checkpoint.located("contact_flow")
    model = load("contact_flow")
    assert isinstance(model, ContactFlowSoundModel) and model.sample_rate == 16_000
    assert model.wants == {Input.PICTURE, Input.CAMERA} and "no sight" not in model.note, "its own is within"
    assert load("contact_flow", sight="none").wants == frozenset()  # type: ignore[attr-defined]
    assert sum(file.stat().st_size for file in folder.rglob("*")) <= 25e6


def test_the_sound_of_a_flow_goes_with_the_material_of_vis(tiny_checkpoint: Path, tmp_path: Path) -> None:
    contact = _world().make_contact_flow(tmp_path / "contact")
    model = load(tiny_checkpoint, sound_checkpoint=str(contact))
    assert isinstance(model, StreamingSoundModel) and model.needs == {Input.STILL, Input.ACTION, Input.TOOL}
    assert model.model_id == checkpoint.model_id_of(contact)
    assert model.vocabulary == load_checkpoint(tiny_checkpoint).vocabulary
    with pytest.raises(ValueError, match="`checkpoint` says nothing of materials"):
        load(contact, sound_checkpoint=str(contact))


def test_a_flow_is_no_model_of_materials(flow: Path) -> None:
    with pytest.raises(CorruptCheckpoint, match=r"schema is `foley-flow-1`.*`synthesizer\.checkpoint` alone"):
        load_checkpoint(flow)


def test_a_flow_that_an_earlier_version_wrote_still_loads(flow: Path, tmp_path: Path) -> None:
    old = shutil.copytree(flow, tmp_path / "old")
    tensors = load_file(old / "model.safetensors")
    tensors["field._nothing"] = tensors.pop("field._null_condition")
    save_file(tensors, old / "model.safetensors")
    files = ("model.safetensors", "config.yaml")
    write_yaml(old / "manifest.yaml", {name: sha256_of(old / name) for name in files})
    load(old)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"config.yaml: not readable as YAML"),
        (
            "schema: other-1\n",
            r"schema is `other-1`, a sound model has `foley-vis-1` or `foley-flow-1` or .*; name a folder",
        ),
        ("size: 3\n", "schema is ``"),
        ("- a\n", "not a YAML mapping"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(CorruptCheckpoint, match=told):
        load(tmp_path)
    with pytest.raises(CorruptCheckpoint, match="no such checkpoint folder"):
        load(tmp_path / "nowhere")


def test_a_scene_that_is_not_there_is_named(flow: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scene\.json: not found"):
        load(flow, scene=str(tmp_path))


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="seed is 0"):
        SynthesizerConfig(seed=0)
    with pytest.raises(ValueError, match="solver_steps is -1"):
        SynthesizerConfig(solver_steps=-1)
    with pytest.raises(ValueError, match="guidance is -1"):
        SynthesizerConfig(guidance=-1.0)


# ---- beliefs -----------------------------------------------------------------------------------------------
class Deaf:
    """Hears nothing, under a name."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id

    def predict(self, *_: object, **__: object) -> MaterialBelief:
        raise AssertionError("is not asked")


@pytest.mark.parametrize(
    ("fitted_for", "setting", "answers", "said"),
    [
        ("this", "fitted", True, ""),
        ("another", "fitted", False, "fitted for other models"),
        ("", "fitted", False, "has no fusion.yaml"),
        ("another", "log_linear", True, ""),
    ],
)
def test_beliefs_are_fused_as_fitted_for_these_models(
    tiny_checkpoint: Path, tmp_path: Path, fitted_for: str, setting: str, answers: bool, said: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, folder)
    content = load_checkpoint(folder)
    config = FusionConfig(answers=(AnswerRule(0, True, 0.5, 0.2, 10, 12),), calibrated_for="sim")
    if fitted_for:
        save_fitted(FittedFusion(config, fitted_for, content.model_id, 0.2, 0.95), folder)
    core = make_material_core(Deaf("this"), content, MaterialConfig(fusion=setting))
    sure = (1.0, *[0.0] * (len(content.vocabulary.labels) - 1))
    look = Evidence("seen", "p", 1, MaterialBelief(sure), position=(0.0, 0.0, 0.0))
    believed = core.see(look, "mug")
    assert believed is not None and believed[1].belief.abstain != answers
    assert said in core.note and bool(core.note) == bool(said)
    assert core.sight_model == (content.model_id if fitted_for == "this" else "")


def test_a_damaged_fusion_is_refused_by_name(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / "fusion.yaml").write_text("schema: foley-fusion-1\nfits: [{fusion: {sight_weight: 7}}]")
    with pytest.raises(CorruptCheckpoint, match="not a fitted fusion"):
        make_material_core(Deaf("this"), load_checkpoint(folder), MaterialConfig())
