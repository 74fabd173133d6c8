"""Adaptation to a few taps: what it must gain, what it must leave alone, and what it asks for next."""

import numpy as np
import pytest
import yaml
from safetensors.numpy import load, save

from foley_synthesis.hearing.inference.adapt import Adaptation, adapt
from foley_synthesis.hearing.inference.adapt_report import what_next
from foley_synthesis.hearing.inference.families import MATERIALS
from foley_synthesis.hearing.inference.few_taps import FITS, Taps, fit_bias, fit_head, fit_means, log_softmax

DIMS = 24
CENTRES = np.random.default_rng(5).normal(size=(13, DIMS)) * 1.2
ASKED = ("wood", "metal", "glass", "stone")


class World:
    """Clips of materials. The base model is right about embeddings around CENTRES; the robot's are moved from there
    towards the centre of another material, as far as is said."""

    def __init__(self, *, moved: float, seed: int = 0, names: tuple[str, ...] = ASKED) -> None:
        rng = np.random.default_rng(100)
        self.names = names
        self.centres = {
            name: (CENTRES[MATERIALS.index(name)] if name in MATERIALS else rng.normal(size=DIMS) * 1.2)
            for name in names
        }
        for name, other in zip(names, (*MATERIALS[-len(names) + 1 :], MATERIALS[5]), strict=True):
            self.centres[name] = (1 - moved) * self.centres[name] + moved * CENTRES[MATERIALS.index(other)]
        self.rng = np.random.default_rng(seed)

    def taps(self, recordings: int, variants: int = 1) -> tuple[np.ndarray, np.ndarray, list[str], list[int]]:
        x, labels, groups = [], [], []
        for name in self.names:
            for _ in range(recordings):
                one = self.centres[name] + self.rng.normal(size=DIMS)
                for _ in range(variants):
                    x.append(one + 0.01 * self.rng.normal(size=DIMS))
                    labels.append(name)
                    groups.append(len(groups) // variants)
        z = -0.5 * np.square(np.array(x)[:, None] - CENTRES[None]).sum(axis=2)
        return z, np.array(x), labels, groups


def accuracy(p: np.ndarray, labels: list[str], vocabulary: tuple[str, ...]) -> float:
    return float(np.mean([vocabulary[k] == name for k, name in zip(p.argmax(axis=1), labels, strict=True)]))


@pytest.mark.parametrize("recordings", [3, 10])
def test_a_model_that_is_wrong_here_is_put_right(recordings: int) -> None:
    world = World(moved=0.6)
    z, x, labels, groups = world.taps(recordings)
    adaptation, report = adapt(z, x, labels, groups, MATERIALS, model_id="m", whiten=np.eye(DIMS))
    assert adaptation is not None and report.adopted and report.after is not None
    z, x, labels, _ = world.taps(100)
    base, adapted = (
        accuracy(z, labels, MATERIALS),
        accuracy(adaptation.probabilities(z, x), labels, adaptation.vocabulary),
    )
    assert base < 0.4
    assert adapted > 0.8  # where every number is known, 0.9 is all there is
    # What it promises by leaving recordings out is what it then does.
    assert report.after.accuracy == pytest.approx(adapted, abs=0.17)
    p = adaptation.probabilities(z, x)
    assert p.sum(axis=1) == pytest.approx(1.0) and (p >= 0).all()


def test_a_model_that_is_right_is_left_alone() -> None:
    """It knows its 13 already, and is as sure as it may be."""
    z, x, labels, groups = World(moved=0.0, names=MATERIALS).taps(4)
    adaptation, report = adapt(z, x, labels, groups, MATERIALS, model_id="m", whiten=np.eye(DIMS))
    assert adaptation is None and not report.adopted
    assert report.reason.startswith("the model stays as it is")


@pytest.mark.parametrize("seed", [0])
def test_labels_that_mean_nothing_gain_nothing_on_recordings_left_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, DIMS))
    p = np.full(13, 1e-3)
    p[[MATERIALS.index(name) for name in ASKED]] = 0.25
    z = np.log(np.tile(p / p.sum(), (24, 1)))  # it already knows which four, and nothing else can be known
    labels = [ASKED[k] for k in rng.permutation(np.repeat(np.arange(4), 6))]
    _, report = adapt(z, x, labels, range(24), MATERIALS, model_id="m", whiten=np.eye(DIMS))
    assert report.gain < 0.12
    # In three variants each, of which one judges the other, it would look as if it were known.
    again = [np.repeat(values, 3, axis=0) for values in (z, x)]
    fooled = adapt(*again, np.repeat(labels, 3).tolist(), range(72), MATERIALS, model_id="m")[1]
    honest = adapt(*again, np.repeat(labels, 3).tolist(), np.repeat(range(24), 3), MATERIALS, model_id="m")[1]
    assert fooled.after is not None and fooled.after.accuracy > 0.8 and fooled.gain > 0.5
    assert honest.after is not None and honest.after.accuracy < 0.55 and honest.gain < 0.12


def test_one_recording_of_a_material_is_too_little_to_judge() -> None:
    z, x, labels, groups = World(moved=0.6).taps(1, variants=5)
    adaptation, report = adapt(z, x, labels, groups, MATERIALS, model_id="m")
    assert adaptation is None and report.after is None
    assert "one recording of wood" in report.reason
    assert report.record_next == (
        "record wood: there is one recording of it, 4 more are worth most, each in a recording of its own"
    )
    only = adapt(z[:5], x[:5], labels[:5], groups[:5], MATERIALS, model_id="m")[1]
    assert "one material" in only.reason and "second material" in only.record_next


def test_a_material_that_the_base_does_not_know_is_added() -> None:
    world = World(moved=0.2, names=("cork", "metal", "foam"))
    z, x, labels, groups = world.taps(5)
    adaptation, report = adapt(z, x, labels, groups, MATERIALS, model_id="m", whiten=np.eye(DIMS))
    assert adaptation is not None
    assert adaptation.vocabulary == (*MATERIALS, "cork")
    assert report.recall["cork"] >= 0.8
    z, x, labels, _ = world.taps(50)
    assert accuracy(adaptation.probabilities(z, x), labels, adaptation.vocabulary) > 0.9
    only_new = World(moved=0.0, names=("cork", "brick"))
    adaptation, _ = adapt(*only_new.taps(5), MATERIALS, model_id="m", whiten=np.eye(DIMS))
    assert adaptation is not None
    z, x, labels, _ = only_new.taps(50)
    p = adaptation.probabilities(z, x)
    assert p.sum(axis=1) == pytest.approx(1.0)
    assert accuracy(p, labels, adaptation.vocabulary) > 0.9


def test_what_nobody_tapped_is_still_possible() -> None:
    world = World(moved=0.5)
    z, x, labels, groups = world.taps(5)
    adaptation, _ = adapt(z, x, labels, groups, MATERIALS, model_id="m", whiten=np.eye(DIMS))
    assert adaptation is not None
    others = [k for k, name in enumerate(MATERIALS) if name not in ASKED]
    assert adaptation.probabilities(z, x)[:, others].sum(axis=1).mean() == pytest.approx(0.05, abs=0.01)
    rubber = World(moved=0.0, names=("rubber", "cork")).taps(20)
    p = adaptation.probabilities(rubber[0][:20], rubber[1][:20])
    assert p[:, others].sum(axis=1).mean() > 0.3
    closed, _ = adapt(z, x, labels, groups, MATERIALS, model_id="m", whiten=np.eye(DIMS), elsewhere=0.0)
    assert closed is not None and closed.probabilities(z, x)[:, others].max() == 0.0


def test_saved_and_read_again() -> None:
    z, x, labels, groups = World(moved=0.6).taps(5)
    for method in FITS:
        adaptation, _ = adapt(z, x, labels, groups, MATERIALS, model_id="abc", methods=[method])
        assert adaptation is not None and adaptation.method == method
        again = Adaptation.of(
            load(save(adaptation.to_tensors())), yaml.safe_load(yaml.safe_dump(adaptation.to_config()))
        )
        assert again.model_id == "abc" and again.vocabulary == adaptation.vocabulary
        assert again.probabilities(z, x) == pytest.approx(adaptation.probabilities(z, x), abs=1e-4)


def test_another_model_and_nonsense_are_refused() -> None:
    z, x, labels, groups = World(moved=0.6).taps(5)
    adaptation, _ = adapt(z, x, labels, groups, MATERIALS, model_id="m")
    assert adaptation is not None
    with pytest.raises(ValueError, match="another model"):
        adaptation.probabilities(z, x[:, :5])
    with pytest.raises(ValueError, match="NaN"):
        adapt(z * np.nan, x, labels, groups, MATERIALS, model_id="m")
    with pytest.raises(ValueError, match="one each"):
        adapt(z, x, labels[1:], groups, MATERIALS, model_id="m")


def taps_of(n: int, classes: int, seed: int) -> Taps:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return Taps(rng.normal(size=(n, classes)), rng.normal(size=(n, 4)), y, np.arange(n))


def test_bias_undoes_a_prior_and_a_temperature() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(size=(20_000, 3)) * 2.0
    q = np.exp(log_softmax(true))
    y = (q.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    distorted = (true - np.array([0.0, 1.0, -1.0])) / 0.5
    head = fit_bias(Taps(distorted, np.zeros((20_000, 1)), y, np.arange(20_000)))
    assert head.scale == pytest.approx(0.5, abs=0.02)
    weights = np.bincount(y) / 20_000  # classes are balanced in the fit, so their shares come out of the bias
    assert np.diff(head.bias) == pytest.approx(np.diff([0.0, 1.0, -1.0] - np.log(weights)), abs=0.07)


def test_means_are_those_of_linear_discriminant_analysis() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(2)
    y = np.repeat(np.arange(3), 3000)
    x = rng.normal(size=(9000, 4)) @ (np.eye(4) + 0.3 * rng.normal(size=(4, 4))) + np.eye(4)[:3][y]
    taps = Taps(np.zeros((9000, 3)), x, y, np.arange(9000))
    ours = np.exp(log_softmax(fit_means(taps).raw(taps)))
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y).predict_proba(x)
    assert np.abs(ours - theirs).max() < 0.02


def test_a_head_without_freedom_is_the_bias_and_one_with_freedom_fits() -> None:
    taps = taps_of(30, 3, seed=3)
    assert fit_head(taps, 1e-9).raw(taps) == pytest.approx(fit_bias(taps).raw(taps), abs=0.05)
    assert np.abs(fit_head(taps, 100.0).weights).max() > 0.3


def test_what_to_record_next() -> None:
    names = ("wood", "glass", "metal")
    y = np.repeat([0, 1, 2], 5)
    guesses = y.copy()
    counts = np.array([5, 5, 5])
    assert "nothing was confused" in what_next(names, counts, y, guesses)
    guesses[5:8] = 2
    assert what_next(names, counts, y, guesses) == (
        "record glass and metal on other objects and other supports: 3 of 5 taps of glass were taken for metal when "
        "their recording was left out"
    )
    assert what_next(names, np.array([5, 5, 3]), y, guesses).startswith(
        "record metal: there are 3 recordings of it, 2"
    )
