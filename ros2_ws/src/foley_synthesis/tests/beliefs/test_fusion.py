"""Fusion of evidence: counted by hand where that is possible, by its limits elsewhere."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from foley_synthesis.beliefs.evidence import Evidence, EvidenceError
from foley_synthesis.beliefs.fusion import FusionConfig, effective_number, entropy, fuse

WOOD = (0.6, 0.3, 0.1)
INDEPENDENT = FusionConfig(heard_correlation=0.0, abstain_below=0.0)


def heard(key: str = "c1", p: tuple[float, ...] = WOOD, **more: object) -> Evidence:
    return Evidence(**{"kind": "heard", "key": key, "time_ns": 10, "probabilities": p, **more})  # type: ignore[arg-type]


def predicted(key: str = "p1", p: tuple[float, ...] = WOOD, **more: object) -> Evidence:
    return heard(key, p, kind="predicted", **more)


@pytest.mark.parametrize(
    ("n", "rho", "expected"),
    [(0, 0.5, 0.0), (1, 0.9, 1.0), (4, 0.0, 4.0), (4, 1.0, 1.0), (3, 0.5, 1.5), (1000, 0.25, 1000 / 250.75)],
)
def test_effective_number(n: int, rho: float, expected: float) -> None:
    assert effective_number(n, rho) == pytest.approx(expected)


def test_nothing_is_known_of_no_evidence() -> None:
    belief = fuse([])
    assert belief.abstain and belief.probabilities == () and math.isnan(belief.log10_e_mean)


def test_one_heard_contact_is_passed_through() -> None:
    belief = fuse([heard(log10_e_mean=9.0, log10_e_std=0.4, roughness=0.7, calibrated_for="sim, 1 contact")])
    assert belief.probabilities == pytest.approx(WOOD)
    assert (belief.log10_e_mean, belief.log10_e_std) == pytest.approx((9.0, 0.4))
    assert belief.roughness == pytest.approx(0.7) and math.isnan(belief.hollowness)
    assert belief.calibrated_for == "sim, 1 contact"
    assert (belief.contacts_heard, belief.contacts_predicted) == (1, 0)


def test_independent_contacts_multiply() -> None:
    belief = fuse([heard("a"), heard("b", (0.5, 0.25, 0.25))], INDEPENDENT)
    product = np.array([0.30, 0.075, 0.025])
    assert belief.probabilities == pytest.approx(product / product.sum())
    assert belief.calibrated_for == ""


def test_fully_correlated_contacts_count_once() -> None:
    config = FusionConfig(heard_correlation=1.0)
    many = fuse([heard(f"c{i}", log10_e_mean=9.0, log10_e_std=0.5) for i in range(20)], config)
    assert many.probabilities == pytest.approx(WOOD)
    assert many.log10_e_std == pytest.approx(0.5)
    assert many.contacts_heard == 20


def test_tempering_lies_between_once_and_independent() -> None:
    contacts = [heard(f"c{i}") for i in range(4)]
    once, default, independent = (
        fuse(contacts, FusionConfig(heard_correlation=rho)).probabilities[0] for rho in (1.0, 0.4, 0.0)
    )
    assert once < default < independent


def test_gaussians_fuse_by_precision() -> None:
    pieces = [heard("a", log10_e_mean=9.0, log10_e_std=0.2), heard("b", log10_e_mean=10.0, log10_e_std=0.4)]
    belief = fuse(pieces, INDEPENDENT)
    assert belief.log10_e_mean == pytest.approx((25 * 9.0 + 6.25 * 10.0) / 31.25)
    assert belief.log10_e_std == pytest.approx(31.25**-0.5)


def test_std_has_a_floor() -> None:
    pieces = [heard(f"c{i}", log10_e_mean=9.0, log10_e_std=0.05) for i in range(9)]
    assert fuse(pieces, INDEPENDENT).log10_e_std == INDEPENDENT.min_log10_e_std


def test_heard_dominates_predicted() -> None:
    against = [predicted(f"p{i}", (0.02, 0.9, 0.08)) for i in range(10)]
    belief = fuse([heard(p=(0.8, 0.15, 0.05)), *against])
    assert int(np.argmax(belief.probabilities)) == 0
    assert (belief.contacts_heard, belief.contacts_predicted) == (1, 10)


def test_predicted_alone_is_softer_than_its_source() -> None:
    belief = fuse([predicted(p=(0.8, 0.1, 0.1))], FusionConfig(abstain_below=0.0))
    assert 1 / 3 < belief.probabilities[0] < 0.8
    assert belief.calibrated_for == ""


def test_dirichlet_averages() -> None:
    config = FusionConfig(method="dirichlet", heard_correlation=0.0, dirichlet_concentration=3.0)
    belief = fuse([heard("a", (1.0, 0.0, 0.0)), heard("b", (0.0, 1.0, 0.0))], config)
    assert belief.probabilities == pytest.approx(np.array([4, 4, 1]) / 9)


@pytest.mark.parametrize("method", ["log_linear", "dirichlet"])
def test_order_does_not_matter(method: str) -> None:
    config = FusionConfig(method=method)  # type: ignore[arg-type]
    pieces = [heard("a"), heard("b", (0.2, 0.7, 0.1), time_ns=5), predicted("p")]
    assert fuse(pieces, config) == fuse(pieces[::-1], config)


def test_abstaining_evidence_is_counted_but_not_used() -> None:
    doubtful = heard("b", (0.0, 0.0, 1.0), abstain=True, time_ns=20)
    belief = fuse([heard("a"), doubtful])
    assert belief.probabilities == pytest.approx(WOOD) and not belief.abstain
    assert belief.contacts_heard == 2 and belief.newest_ns == 20
    assert fuse([doubtful]).abstain


def test_no_class_stands_out_means_abstain() -> None:
    flat = heard(p=(0.34, 0.33, 0.33))
    assert fuse([flat]).abstain
    assert not fuse([flat], FusionConfig(abstain_below=0.3)).abstain


def test_certain_contact_cannot_veto() -> None:
    sure_of_wood = [heard(f"c{i}", (0.9, 0.1, 0.0)) for i in range(6)]
    belief = fuse([*sure_of_wood, heard("odd", (0.0, 0.0, 1.0))], INDEPENDENT)
    assert int(np.argmax(belief.probabilities)) == 0


def test_mixed_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="vocabularies"):
        fuse([heard("a"), heard("b", (0.5, 0.5))])


@pytest.mark.parametrize(
    ("p", "expected"),
    [((), math.nan), ((1.0, 0.0), 0.0), ((0.5, 0.5), math.log(2)), ((0.25,) * 4, math.log(4))],
)
def test_entropy(p: tuple[float, ...], expected: float) -> None:
    assert entropy(p) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "felt"}, "felt"),
        ({"key": ""}, "key"),
        ({"probabilities": (0.5, 0.6)}, "probabilities"),
        ({"probabilities": (math.nan, 1.0)}, "probabilities"),
        ({"probabilities": (-0.1, 1.1)}, "probabilities"),
        ({"log10_e_mean": 9.0}, "log10_e_std"),
        ({"roughness": math.inf}, "roughness"),
    ],
)
def test_bad_evidence_is_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(EvidenceError, match=named):
        heard(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{"method": "vote"}, {"heard_weight": 2.0}, {"heard_correlation": -0.1}, {"temperature": 0.0}],
)
def test_bad_config_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes)).split("_")[0]):
        FusionConfig(**changes)  # type: ignore[arg-type]


def test_round_trip_as_plain_data() -> None:
    item = heard(roughness=0.3, position=(0.1, math.nan, 0.2), action="tap")
    back = Evidence.from_dict(item.to_dict())
    assert dataclasses.replace(back, position=(0, 0, 0), log10_e_mean=0, log10_e_std=1, hollowness=0) == (
        dataclasses.replace(item, position=(0, 0, 0), log10_e_mean=0, log10_e_std=1, hollowness=0)
    )
    assert np.isnan([back.position[1], back.log10_e_mean, back.hollowness]).all()
