from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis import checkpoint
from foley_synthesis.checkpoint import CorruptCheckpoint, Vocabulary, load_checkpoint
from foley_synthesis.evaluation.checkpoint.evaluate import evaluate
from foley_synthesis.hearing.inference.among import AmongMaterials
from foley_synthesis.hearing.inference.heard_model import HeardModel
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.inference.opened import HEARD_PART, hearing_beside, open_heard


def test_either_kind_is_opened_by_its_schema(tiny_hearing: Path, tiny_checkpoint: Path) -> None:
    assert isinstance(open_heard(tiny_hearing), HearingModel)
    assert isinstance(open_heard(tiny_checkpoint), HeardModel)
    with pytest.raises(CorruptCheckpoint, match="no such checkpoint folder"):
        open_heard("nowhere")


def test_a_hearing_model_that_ships_is_opened_by_its_name(
    tiny_hearing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hearing").symlink_to(tiny_hearing)
    monkeypatch.setattr(checkpoint, "_SHIPPED", tmp_path)
    assert (
        HearingModel.load().model_id == open_heard("hearing").model_id == checkpoint.model_id_of(tiny_hearing)
    )


@pytest.mark.skipif("hearing" not in checkpoint.shipped(), reason="no hearing model ships with this copy")
def test_the_hearing_model_that_ships_is_whole_and_small_and_knows_what_is_seen() -> None:
    folder = checkpoint.located("hearing")
    model = hearing_beside(load_checkpoint(), "hearing")
    assert model.model_id == checkpoint.model_id_of(folder) and "Limits" in HearingModel.load().card
    assert sum(file.stat().st_size for file in folder.iterdir()) < 25e6


def test_what_hears_beside_a_checkpoint_speaks_its_words(
    tiny_checkpoint: Path, hearing_of_four: Path, tiny_hearing: Path, generated: ModuleType
) -> None:
    sight = load_checkpoint(tiny_checkpoint)
    assert isinstance(hearing_beside(sight, HEARD_PART), HeardModel)
    model = hearing_beside(sight, str(hearing_of_four))
    assert isinstance(model, AmongMaterials) and model.vocabulary == sight.vocabulary
    assert model.model_id == checkpoint.model_id_of(hearing_of_four) and model.domain == "sim"
    sound = generated.contact("wood", np.random.default_rng(0))
    known = HearingModel.load(hearing_of_four)
    every, some = (m.predict(sound, 24_000, onset_s=0.2) for m in (known, model))
    shares = [every.p()[every.vocabulary.index(label)] for label in sight.vocabulary.labels]
    np.testing.assert_allclose(some.p(), np.array(shares) / sum(shares), atol=1e-5)
    with pytest.raises(CorruptCheckpoint, match="does not know glass, plastic"):
        hearing_beside(sight, str(tiny_hearing))


def test_where_something_else_is_heard_it_abstains(hearing_of_four: Path, generated: ModuleType) -> None:
    sounds = [generated.contact("wood", np.random.default_rng(i)) for i in range(4)]
    model = HearingModel.load(hearing_of_four)
    few = AmongMaterials(model, Vocabulary("few", "1", ("glass", "plastic")))
    for sound in sounds:
        every, some = (m.predict(sound, 24_000, onset_s=0.2) for m in (model, few))
        assert every.best == "wood" and some.abstain and not some.unsure and len(some.probabilities) == 2
        assert not every.fit or some.reason == "it sounds like wood, none of glass, plastic"
    assert any(model.predict(sound, 24_000, onset_s=0.2).fit for sound in sounds)


def test_an_evaluation_hears_with_it(
    tiny_checkpoint: Path, hearing_of_four: Path, tiny_dataset: ClipDataset
) -> None:
    sight = load_checkpoint(tiny_checkpoint)
    model = hearing_beside(sight, str(hearing_of_four))
    with_it = evaluate(sight, tiny_dataset, hearing=model, replicates=20, threads=1)
    without = evaluate(sight, tiny_dataset, replicates=20, threads=1)
    assert not np.array_equal(with_it.confusion["heard"], without.confusion["heard"])
    np.testing.assert_array_equal(with_it.confusion["planned"], without.confusion["planned"])
    said = [
        model.predict(tiny_dataset.audio(int(i)), 48_000, onset_s=0.25) for i in tiny_dataset.indices("test")
    ]
    answered = with_it.calibration.cells["heard"]["coverage"].found.value
    assert answered == pytest.approx(np.mean([not b.abstain for b in said]))
