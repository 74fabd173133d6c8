"""Models and cores from a configuration and a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from foley_perception.action.gripper import GripperHand
from foley_synthesis import checkpoint
from foley_synthesis.beliefs import predicates_file
from foley_synthesis.beliefs.fitted import load_fitted
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.checkpoint import CONFIG_FILE, Checkpoint, CorruptCheckpoint
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.live.config import MaterialConfig, SynthesizerConfig
from foley_synthesis.live.material_core import MaterialCore
from foley_synthesis.live.sound_beside_material import beside
from foley_synthesis.metrics.surprise import calibration_of
from foley_synthesis.metrics.surprise_ranks import load_tests
from foley_synthesis.sound_model import SoundModel
from foley_synthesis.teaching.library import names_in


def _fusion(
    model: HearsMaterial, content: Checkpoint, config: MaterialConfig
) -> tuple[FusionConfig, str, str]:
    """How evidence adds up, the only model whose sight it holds for (empty: any), and what is to be said of it.

    Where it is to be as fitted and nothing was fitted for these two models, every fused belief abstains.

    Raises:
        CorruptCheckpoint: fusion.yaml of the checkpoint is damaged.
    """
    by_hand = config.fusion_config()
    if by_hand is not None:
        return by_hand, "", ""
    fits = load_fitted(content.path)
    for fitted in fits:
        if fitted.is_for(model.model_id, content.model_id):
            return fitted.config, fitted.sight_model, ""
    why = "its fusion.yaml was fitted for other models" if fits else "it has no fusion.yaml"
    said = (
        f"{content.path}: nobody has measured how often fused beliefs of this checkpoint are wrong ({why}), so all "
        "of them abstain: `foley evaluate fusion` measures it, or set `fusion` to log_linear"
    )
    return FusionConfig(answers=()), "", said


def make_material_core(model: HearsMaterial, content: Checkpoint, config: MaterialConfig) -> MaterialCore:
    """Raises VocabularyError where the predicates file is refused, OSError where it cannot be read, CorruptCheckpoint
    where fusion.yaml or surprise.yaml is damaged.
    """
    labels = content.vocabulary.labels
    fusion, sight_model, note = _fusion(model, content, config)
    file = (
        Path(config.predicates_file).expanduser()
        if config.predicates_file
        else predicates_file.default_path()
    )
    taught = names_in(Path(config.taught_predicates).expanduser()) if config.taught_predicates else ()
    return MaterialCore(
        model,
        labels,
        predicates_file.load(file, labels, taught=taught),
        fusion=fusion,
        sight_model=sight_model,
        note=note,
        calibration=calibration_of(content.metrics),
        surprise_test=next(
            (test for test in load_tests(content.path) if test.is_for(model.model_id, content.model_id)), None
        ),
        surprise_level=config.surprise_level,
        same_object_radius_m=config.same_object_radius_m,
        most_in_pairs=config.most_in_pairs,
        threads=config.threads,
        forget_after_s=config.forget_after_s,
    )


def load_sound_model(config: SynthesizerConfig, hand: GripperHand) -> SoundModel:
    """The model of a checkpoint of any kind; its schema says which. With a second one for the sound, both as one.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or the schema is none that is known.
        ValueError, OSError: a setting does not fit the model, or its scene cannot be read.
    """
    model = _load(config.checkpoint, config, hand)
    if not config.sound_checkpoint:
        return model
    return beside(_load(config.sound_checkpoint, config, hand), model)


def _load(name: str, config: SynthesizerConfig, hand: GripperHand) -> SoundModel:
    folder = checkpoint.located(name) if name else checkpoint.default_path()
    schema = checkpoint.schema_of(folder)
    load = _LOADERS.get(schema)
    if load is None:
        known = " or ".join(f"`{name}`" for name in _LOADERS)
        raise CorruptCheckpoint(
            folder / CONFIG_FILE,
            f"schema is `{schema}`, a sound model has {known}",
            "name a folder that `foley train`, `foley flow train` or `foley flow fit` wrote",
        )
    return load(folder, config, hand)


_FLOW_STEPS = 10  # of the paper's flow, where the configuration does not say


# Models bring torch and their own dependencies, so each is imported only where it is loaded.
def _load_vis(folder: Path, config: SynthesizerConfig, hand: GripperHand) -> SoundModel:
    from foley_synthesis.vis.inference.predictor import Predictor
    from foley_synthesis.vis.inference.sound_model import VisSoundModel

    return VisSoundModel(Predictor.load(folder, threads=config.threads, synthesis=config.synthesis))


def _load_flow(folder: Path, config: SynthesizerConfig, hand: GripperHand) -> SoundModel:
    from foley_synthesis.flow.inference.sound_model import FlowSoundModel
    from foley_synthesis.flow.networks.rectified_flow import SampleConfig

    return FlowSoundModel.load(
        folder,
        hand,
        scene=Path(config.scene).expanduser() if config.scene else None,
        sampling=SampleConfig(config.solver_steps or _FLOW_STEPS, config.guidance),
        seed=config.seed,
        threads=config.threads,
    )


def _load_contact_flow(folder: Path, config: SynthesizerConfig, hand: GripperHand) -> SoundModel:
    from foley_synthesis.flow.inference.contact_sound import ContactFlowSoundModel

    return ContactFlowSoundModel.load(
        folder,
        hand,
        sight=_sight(folder, config.sight),
        scene=Path(config.scene).expanduser() if config.scene else None,
        steps=config.solver_steps,
        guidance=config.guidance,
        seed=config.seed,
        threads=config.threads,
    )


def _sight(folder: Path, asked: str) -> Path | None:
    """Of whoever looks for a contact flow."""
    from foley_synthesis.flow.sight.model_file import sight_within

    if asked == "none":
        return None
    return Path(asked).expanduser() if asked else sight_within(folder)


_LOADERS: dict[str, Callable[[Path, SynthesizerConfig, GripperHand], SoundModel]] = {
    "foley-vis-1": _load_vis,
    "foley-flow-1": _load_flow,
    "foley-contact-flow-2": _load_contact_flow,
}
