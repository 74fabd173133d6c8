"""The demo's own check, given a model that learned from true labels and one that learned from permuted ones."""

from pathlib import Path

import pytest

from foley_bringup.demo import results
from foley_bringup.demo.results import LiveContact, Session, TopicLoss
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.synthetic import write_synthetic_dataset
from foley_synthesis.hearing.inference.heard_model import HeardModel
from foley_synthesis.vis.training.build import build_checkpoint
from foley_synthesis.vis.training.config import TrainConfig

_SMALL = {
    "hidden": 24,
    "still_units": 16,
    "frame_units": 8,
    "head_units": 32,
    "heard_units": 12,
    "dropout": 0.1,
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    folder = tmp_path_factory.mktemp("shuffled") / "dataset"
    write_synthetic_dataset(folder, clips_per_split=40)
    return ClipDataset(folder)


def sentences_about_hearing(dataset: ClipDataset, folder: Path, *, shuffle: bool) -> list[str]:
    config = TrainConfig(minutes=None, epochs=30, threads=1, batch=8, exemplars=12, shuffle_labels=shuffle)
    model_id, _ = build_checkpoint(dataset, folder, config, encoder_name="colour", model=_SMALL)
    model = HeardModel.load(folder)
    contacts = []
    for i in dataset.indices("test"):
        clip = dataset.clips[i]
        belief = model.predict(dataset.audio(i), 48_000)
        contacts.append(
            LiveContact(
                session=clip.session_id,
                object_id=clip.object_id,
                material=clip.material,
                action=clip.action,
                onset_ns=clip.contact_ns,
                detected_ns=clip.contact_ns,
                heard_material=belief.best,
                heard_latency_s=0.8,
                prediction=None,
            )
        )
    session = Session(
        name="synthetic",
        contacts=tuple(contacts),
        false_detections=0,
        lost={"mic/audio": TopicLoss(100, 100)},
        real_time_factor=1.0,
        model_ids=frozenset({model_id}),
    )
    vocabulary = sorted({c.material for c in contacts})
    metrics = results.figures([session], vocabulary, model_id, trained_in_this_run=True)
    return [s for s in results.broken_joints(metrics) if s.startswith("material heard")]


@pytest.mark.long
@pytest.mark.slow
def test_true_labels_pass_and_permuted_ones_fail(
    dataset: ClipDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foley_synthesis.vis.training.features.cache_folder", lambda: tmp_path / "cache")
    assert sentences_about_hearing(dataset, tmp_path / "true", shuffle=False) == []
    assert len(sentences_about_hearing(dataset, tmp_path / "permuted", shuffle=True)) == 1
