"""A surprise fitted and measured: on validation scenes, on unseen ones, and on things that changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.surprise import measure
from foley_synthesis.evaluation.surprise.cases import Case, as_expected, swapped
from foley_synthesis.evaluation.surprise.contacts import HeardContact, expectations, planned_contacts
from foley_synthesis.evaluation.surprise.fit import fit_test, fitting_scenes, held_out_p_values
from foley_synthesis.evaluation.surprise.sessions import session_contacts
from foley_synthesis.evaluation.surprise.states import changed_cases, state_contacts
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.metrics import surprise
from foley_synthesis.metrics.surprise_ranks import SurpriseTest, p_value
from foley_synthesis.metrics.surprise_scores import SITUATIONS
from foley_synthesis.vis.inference.predictor import Predictor

Progress = Callable[[str, int, int], None]
Array = NDArray[np.float64]
CHANGES = (("tight", "loose"), ("empty", "full"), ("whole", "cracked"))
LOW_HZ = 16_000  # of a microphone at which false alarms are measured as well


@dataclasses.dataclass(frozen=True)
class SurpriseRun:
    """Settings of the figures."""

    replicates: int = 500  # of the bootstrap
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Listener:
    """What predicts, and what hears."""

    predictor: Predictor
    hears: HearsMaterial
    progress: Progress

    def contacts(
        self,
        dataset: ClipDataset,
        split: str,
        rates: Sequence[int],
        heard_hz: int = surprise.CALIBRATION_RATE,
    ) -> list[HeardContact]:
        """Planned contacts of one split. Raises ValueError where there are none."""
        stage = f"{dataset.path} {split} {heard_hz} Hz"
        found = planned_contacts(
            self.predictor, self.hears, dataset, split, rates=rates, heard_hz=heard_hz,
            progress=lambda done, total: self.progress(stage, done, total),
        )  # fmt: skip
        if not found:
            raise ValueError(f"{dataset.path}: no planned contact in its {split} split")
        return found

    def changes(self, folder: Path, split: str) -> list[HeardContact]:
        """Contacts with things in states."""
        stage = f"{folder} {split}"
        return state_contacts(
            self.hears, folder, split, lambda done, total: self.progress(stage, done, total)
        )

    def sessions(self, folder: Path) -> list[HeardContact]:
        """Contacts that nobody planned, of a set of sessions."""
        return session_contacts(
            self.hears, folder, lambda done, total: self.progress(str(folder), done, total)
        )


def fitted(
    contacts: Sequence[HeardContact],
    prior: FusionConfig,
    listener: Listener,
    datasets: Sequence[str],
    seed: int,
) -> SurpriseTest:
    """See :func:`fit_test`."""
    return fit_test(
        expectations(contacts), prior,
        heard_model=listener.hears.model_id, sight_model=listener.predictor.model_id, datasets=datasets, seed=seed,
    )  # fmt: skip


def on_validation(
    test: SurpriseTest, contacts: Sequence[HeardContact], config: SurpriseRun
) -> dict[str, Any]:
    """Of the scenes that calibrate, each ranked among the others."""
    expected = expectations(contacts)
    ranking = [e for e in expected if e.contact.scene not in fitting_scenes(expected)]
    cases = as_expected(ranking, test.prior)
    distances = np.array([case.cochleagram_l2 for case in cases])
    scenes = np.array([case.scene for case in cases])
    by_distance = [p_value(d, distances[scenes != s]) for d, s in zip(distances, scenes, strict=True)]
    others = swapped(ranking, test.prior, config.seed)
    return _figures(
        test, cases, held_out_p_values(test, cases), others, np.array(by_distance), distances, config
    )


def on_unseen(
    test: SurpriseTest, contacts: Sequence[HeardContact], calibration: Array, config: SurpriseRun
) -> dict[str, Any]:
    """Of scenes that neither models nor this surprise saw.

    Args:
        calibration: distances of cochleagrams of contacts that were as expected.
    """
    expected = expectations(contacts)
    cases = as_expected(expected, test.prior)
    others = swapped(expected, test.prior, config.seed)
    by_distance = measure.distance_p_values(cases, calibration)
    return _figures(test, cases, measure.p_values(test, cases), others, by_distance, calibration, config)


def at_low_rate(test: SurpriseTest, contacts: Sequence[HeardContact], config: SurpriseRun) -> dict[str, Any]:
    """False alarms with a microphone of `LOW_HZ`."""
    cases = as_expected(expectations(contacts), test.prior, rate=LOW_HZ)
    p = measure.p_values(test, cases)
    told = measure.alarms(cases, p, replicates=config.replicates, seed=config.seed)
    return dict(told["all"])


def on_sessions(test: SurpriseTest, contacts: Sequence[HeardContact], config: SurpriseRun) -> dict[str, Any]:
    """Of contacts with things that nobody planned and that were touched before."""
    expected = expectations(contacts)
    cases = as_expected(expected, test.prior, planned=False)
    others = swapped(expected, test.prior, config.seed, planned=False)
    p, q = measure.p_values(test, cases), measure.p_values(test, others)
    more = {"replicates": config.replicates, "seed": config.seed}
    return {
        "alarms": measure.alarms(cases, p, **more),
        "swapped material": measure.power(cases, p, others, q, **more),
    }


def on_changes(test: SurpriseTest, contacts: Sequence[HeardContact], config: SurpriseRun) -> dict[str, Any]:
    """Of things that are no longer as they were when they were touched before; both ways."""
    found: dict[str, Any] = {}
    present = {contact.state for contact in contacts}
    for pair in CHANGES:
        for first, then in (pair, pair[::-1]):
            if not {first, then} <= present:
                continue
            same, changed = changed_cases(contacts, test.prior, first, then)
            if not same or not changed:
                continue
            p, q = measure.p_values(test, same), measure.p_values(test, changed)
            told = measure.alarms(same, p, replicates=config.replicates, seed=config.seed)
            found[f"{first}, then {then}"] = {
                "alarms": told["all"],
                **measure.power(same, p, changed, q, replicates=config.replicates, seed=config.seed),
            }
    return found


def _figures(
    test: SurpriseTest, cases: Sequence[Case], p: Array, others: Sequence[Case], by_distance: Array,
    calibration: Array, config: SurpriseRun,
) -> dict[str, Any]:  # fmt: skip
    more = {"replicates": config.replicates, "seed": config.seed}
    q = measure.p_values(test, others)
    figures: dict[str, Any] = {
        "scenes": len({case.scene for case in cases}),
        "objects": len({(case.scene, case.object_id) for case in cases}),
        "alarms": measure.alarms(cases, p, **more),
        "swapped material": measure.power(cases, p, others, q, **more),
        "situations": {},
        "cochleagram_l2 alone": {
            "alarms": measure.alarms(cases, by_distance, **more),
            "swapped material": measure.power(
                cases, by_distance, others, measure.distance_p_values(others, calibration), **more
            ),
        },
    }
    for name in SITUATIONS:
        mine = [i for i, case in enumerate(cases) if _first(test, case) == name]
        theirs = [i for i, case in enumerate(others) if _first(test, case) == name]
        if mine and theirs:
            ours = [cases[i] for i in mine]
            figures["situations"][name] = {
                "alarms": measure.alarms(ours, p[mine], **more)["all"],
                "swapped material": measure.power(
                    ours, p[mine], [others[i] for i in theirs], q[theirs], **more
                ),
            }
    return figures


def _first(test: SurpriseTest, case: Case) -> str:
    return next(
        (name for name, s in SITUATIONS.items() if name in test.rules and s.holds(case.differences)), ""
    )


def counted(test: SurpriseTest) -> Mapping[str, Any]:
    """How many contacts each rule ranks among, by action."""
    return {
        name: {action: int(scores.size) for action, scores in rule.by_action.items()}
        for name, rule in test.rules.items()
    }
