"""The heard model and the predictor, as the nodes use them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from foley_perception.audio.resample import resampled
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.calibration import softmax
from foley_synthesis.checkpoint import load_checkpoint
from foley_synthesis.hearing.inference.heard_model import HeardModel
from foley_synthesis.vis.config import MATCH_LIMIT_DB
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor
from foley_synthesis.vis.networks.decoding import loudness
from foley_synthesis.vis.outputs import median_lag_s
from foley_synthesis.vis.training.batches import Tensors, inputs_for
from foley_synthesis.vis.training.build import build_checkpoint, mode_outputs
from foley_synthesis.vis.training.config import RECIPES, TrainConfig
from foley_synthesis.vis.training.features import load_features
from foley_synthesis.vision.encoders import load_encoder


@pytest.fixture(scope="module")
def heard(tiny_checkpoint: Path) -> HeardModel:
    return HeardModel.load(tiny_checkpoint)


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint: Path) -> Predictor:
    return Predictor.load(tiny_checkpoint)


def test_live_predictions_equal_those_of_training(
    tiny_dataset: ClipDataset, tiny_checkpoint: Path, heard: HeardModel, predictor: Predictor
) -> None:
    """One code path for evaluation and one for nodes must not part."""
    session = predictor._session
    features = load_features(tiny_dataset, load_encoder("colour"), session.config)
    tensors = Tensors.of(features, session.networks, session.pca, predictor.vocabulary.labels)
    row = tiny_dataset.indices("test")[1]
    outputs = mode_outputs(session.networks, tensors, torch.tensor([row]))
    frames, still = tiny_dataset.frames_and_still(row)
    live = {
        "heard": heard.predict(tiny_dataset.audio(row), 48_000, onset_s=0.25),
        "planned": predictor.predict(PredictionInput(still, None, tiny_dataset.action_planned(row))).belief,
        "executed": predictor.predict(
            PredictionInput(still, frames, tiny_dataset.action_executed(row))
        ).belief,
    }
    for mode, belief in live.items():
        temperature = session.calibrations[mode].temperature
        expected = softmax(outputs[mode].logits.numpy(), temperature)[0]
        assert np.allclose(belief.probabilities, expected, atol=2e-3), mode
        assert belief.calibrated_for.startswith("sim")


def test_a_prediction_is_whole(tiny_dataset: ClipDataset, predictor: Predictor) -> None:
    row = tiny_dataset.indices("test")[0]
    prediction = predictor.predict(
        PredictionInput(tiny_dataset.still(row), None, tiny_dataset.action_planned(row))
    )
    assert prediction.waveform.shape == (48_000,) and prediction.waveform.dtype == np.float32
    assert np.isfinite(prediction.waveform).all() and np.abs(prediction.waveform).max() <= 1.0
    assert prediction.features.shape == (90, 10) and prediction.cochleagram.shape == (90, 42)
    assert prediction.mode == "planned" and prediction.exemplar_id and prediction.distance >= 0.0
    assert 0.0 <= prediction.onset_s <= 1.0


def test_exemplars_are_training_sounds(tiny_checkpoint: Path, tiny_dataset: ClipDataset) -> None:
    ids = {clip.clip_id: clip.split for clip in tiny_dataset.clips}
    assert {ids[clip_id] for clip_id in load_checkpoint(tiny_checkpoint).exemplars.clip_ids} == {"train"}


def test_parametric_prediction(tiny_dataset: ClipDataset, tiny_checkpoint: Path) -> None:
    predictor = Predictor.load(tiny_checkpoint, synthesis="parametric")
    predictor.warm_up()
    row = tiny_dataset.indices("test")[0]
    prediction = predictor.predict(
        PredictionInput(tiny_dataset.still(row), None, tiny_dataset.action_planned(row))
    )
    assert prediction.exemplar_id == "" and prediction.waveform.shape == (48_000,)
    with pytest.raises(ValueError, match="synthesis is `magic`"):
        Predictor.load(tiny_checkpoint, synthesis="magic")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("still", np.zeros((64, 64, 3), np.uint8), "still is"),
        ("frames", np.zeros((30, 128, 128, 3), np.float32), "frames are"),
        ("action", np.zeros((90, 7), np.float32), "action has shape"),
        ("action", np.full((90, 8), np.nan, np.float32), "NaN"),
    ],
)
def test_predictor_names_what_is_wrong(
    predictor: Predictor, field: str, value: np.ndarray, message: str
) -> None:
    good = {
        "still": np.zeros((128, 128, 3), np.uint8),
        "frames": None,
        "action": np.zeros((90, 8), np.float32),
    }
    with pytest.raises(ValueError, match=message):
        predictor.predict(PredictionInput(**{**good, field: value}))


def test_silence_and_clipping_abstain(heard: HeardModel, tiny_dataset: ClipDataset) -> None:
    silent = heard.predict(np.zeros(48_000, np.float32), 48_000)
    assert silent.abstain and "silence" in silent.reason
    loud = np.clip(tiny_dataset.audio(tiny_dataset.indices("test")[1]) * 500.0, -1.0, 1.0)
    clipped = heard.predict(loud, 48_000, onset_s=0.25)
    assert clipped.abstain and "clipped" in clipped.reason
    hiss = np.random.default_rng(0).normal(0, 0.05, 48_000).astype(np.float32)
    steady = heard.predict(hiss, 48_000, onset_s=0.25)
    assert steady.abstain and "stands out" in steady.reason
    short = heard.predict(hiss[:2000], 48_000, onset_s=0.0)
    assert short.abstain and "less than" in short.reason


def test_heard_refuses_what_is_no_sound(heard: HeardModel) -> None:
    with pytest.raises(ValueError, match="one channel"):
        heard.predict(np.zeros((2, 10), np.float32), 48_000)
    with pytest.raises(ValueError, match="NaN"):
        heard.predict(np.full(48_000, np.nan, np.float32), 48_000)
    with pytest.raises(ValueError, match="sample_rate"):
        heard.predict(np.zeros(10, np.float32), 0)


def test_heard_does_not_need_to_be_told_the_onset(heard: HeardModel, tiny_dataset: ClipDataset) -> None:
    rows = tiny_dataset.indices("test")[:12]
    same = 0
    for row in rows:
        audio = tiny_dataset.audio(row)
        told = heard.predict(audio, 48_000, onset_s=0.25)
        found = heard.predict(np.concatenate([audio[:4000], audio])[:48_000], 48_000)
        same += told.best == found.best
    assert same >= 10


def test_another_rate_says_the_same(heard: HeardModel, tiny_dataset: ClipDataset) -> None:
    audio = tiny_dataset.audio(tiny_dataset.indices("test")[1])
    slow = resampled(audio, 48_000, 44_100)
    assert len(slow) == 44_100
    a = heard.predict(audio, 48_000, onset_s=0.25)
    b = heard.predict(slow, 44_100, onset_s=0.25)
    assert a.best == b.best


def test_a_model_that_decodes_relative_to_the_onset_is_used_like_any_other(
    tiny_dataset: ClipDataset, tmp_path: Path
) -> None:
    recipe = RECIPES["onset"]
    config = TrainConfig(minutes=None, epochs=2, threads=1, batch=8, exemplars=6, **recipe.training())
    sizes = {"hidden": 16, "still_units": 8, "frame_units": 4, "head_units": 16, "heard_units": 8}
    build_checkpoint(
        tiny_dataset, tmp_path / "out", config, encoder_name="colour", model={**sizes, **recipe.model()}
    )
    predictor, row = Predictor.load(tmp_path / "out"), tiny_dataset.indices("test")[0]
    contact = PredictionInput(tiny_dataset.still(row), None, tiny_dataset.action_planned(row))
    made = predictor.predict(contact)
    onset = predictor._session.predict(*predictor._inputs(contact))[0].onset
    assert onset is not None
    session = predictor._session
    tensors = Tensors.of(
        load_features(tiny_dataset, load_encoder("colour"), session.config), session.networks, session.pca,
        predictor.vocabulary.labels,
    )  # fmt: skip
    with torch.inference_mode():
        trained = session.networks.vis(inputs_for(tensors, torch.tensor([row]), executed=False)).onset
    for name in onset._fields:
        assert np.allclose(getattr(onset, name), getattr(trained, name).numpy(), rtol=1e-3, atol=1e-4), name
    assert made.onset_s == pytest.approx(0.25 + float(median_lag_s(onset)[0]), abs=1e-4)
    # The real sound that is played comes to that level, unless it is further away than a match may bring it.
    exemplars = predictor._session.checkpoint.exemplars
    real = exemplars.audio[exemplars.clip_ids.index(made.exemplar_id)]
    wanted = float(onset.level_db[0]) - float(loudness(predictor._session.cochlea(real)[None])[0])
    gain = 10.0 ** (float(np.clip(wanted, -MATCH_LIMIT_DB, MATCH_LIMIT_DB)) / 20.0)
    assert np.abs(made.waveform).max() == pytest.approx(min(gain * np.abs(real).max(), 1.0), rel=0.02)


def test_predicting_needs_no_torch() -> None:
    """Nor does it load it by the way: half a gigabyte of memory."""
    code = (
        "import sys\n"
        "from foley_synthesis.vis.inference.predictor import Predictor\n"
        "Predictor.load().warm_up()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
