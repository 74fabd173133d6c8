"""Probes that read sounds, and what they have not heard."""

from __future__ import annotations

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.sound_probes import FOLDS, SoundProbes, context_of, summary
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.pca import fit_pca
from foley_synthesis.vis.training.features import load_features
from foley_synthesis.vision.coarse_colour import ColourEncoder


def test_no_probe_reads_a_sound_of_an_object_it_learned_from(tiny_dataset: ClipDataset) -> None:
    features = load_features(tiny_dataset, ColourEncoder(), ModelConfig(encoder="colour", encoder_dims=96))
    pca = fit_pca(features.cochleagram, 10)
    probes = SoundProbes(features, pca)
    train = features.indices("train")
    ids = [features.clips[row].clip_id for row in train]
    folds = probes.folds(ids)
    by_object: dict[str, set[int]] = {}
    for row, fold in zip(train, folds, strict=True):
        by_object.setdefault(features.clips[row].object_id, set()).add(int(fold))
    assert all(len(found) == 1 for found in by_object.values()) and len(set(folds.tolist())) == FOLDS
    assert probes.folds([""] * 7).tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert probes.folds([ids[3], "nowhere"]).tolist() == [folds[3], 1]
    heard = summary(pca.encode(features.cochleagram[train]))
    truth = probes.truth("material", [features.clips[i].material for i in train])
    own = (probes.read("material", heard, folds) == truth).mean()
    taught = (probes.read("material", heard, (folds + 1) % FOLDS) == truth).mean()
    assert own <= taught, "one that has heard them knows them at least as well"
    assert probes.truth("material", ["velvet", ""]).tolist() == [-1, -1]
    context = context_of(features, train)
    assert probes.evidence(context, heard, folds).shape == (len(train), 2 * heard.shape[1] + 1)
