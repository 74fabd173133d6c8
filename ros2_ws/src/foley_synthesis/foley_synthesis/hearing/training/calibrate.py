"""Fits what a hearing model's honesty rests on, on contacts that weights were not chosen by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.calibration import fit_temperature, softmax
from foley_synthesis.hearing.front_end import FrontEndConfig
from foley_synthesis.hearing.inference.calibration import STAGES_S, HearingCalibration, Stage
from foley_synthesis.hearing.inference.conformal import fit_sets
from foley_synthesis.hearing.inference.novelty import fit_novelty
from foley_synthesis.hearing.inference.risk import choose_abstention
from foley_synthesis.hearing.networks.hearing_net import HearingEnsemble
from foley_synthesis.hearing.output import HearingOutput
from foley_synthesis.hearing.training.objective import HearingTargets
from foley_synthesis.hearing.training.training import Clips, outputs_of

_SEEN = 3000  # clips of training whose embeddings say what is known


@dataclasses.dataclass(frozen=True)
class HonestyConfig:
    """What is promised."""

    coverage: float = 0.9  # of sets of materials
    risk: float = 0.3  # of an answer that is not an abstention
    least_share: float = 0.1  # of contacts that is tested first for it
    false_alarms: float = 0.05  # share of contacts that are taken for something never heard
    missed: float = 0.02  # share of contacts that are taken for none


def calibrate(
    network: HearingEnsemble,
    train: Clips,
    tempered: Clips,
    promised: Clips,
    front_end: FrontEndConfig,
    vocabulary: tuple[str, ...],
    domain: str,
    honesty: HonestyConfig,
) -> HearingCalibration:
    """Temperatures, spreads and novelty from one part of validation, sets and abstention from another.

    Raises:
        ValueError: there are too few contacts.
    """
    seen, stages, contacts = train.some(_SEEN), [], []
    for heard_s in STAGES_S:
        known = outputs_of(network, seen, front_end, heard_s)
        first, second = (outputs_of(network, part, front_end, heard_s) for part in (tempered, promised))
        stages.append(stage_of(heard_s, (known, _labels(seen.targets)), (first, tempered.targets),
                             (second, promised.targets), vocabulary, domain, honesty))  # fmt: skip
        contacts.append(first.contact_logit.sigmoid()[tempered.targets.contact].numpy())
    return HearingCalibration(tuple(stages), least_contact(contacts, honesty), domain)


def least_contact(probabilities: Sequence[NDArray[np.floating]], honesty: HonestyConfig) -> float:
    """Probability of a contact under which none is heard, from those of true contacts for each length of sound."""
    # Of the shortest sound, which is told least surely.
    return min(0.5, *(float(np.quantile(p, honesty.missed)) for p in probabilities))


def stage_of(
    heard_s: float,
    seen: tuple[HearingOutput, NDArray[np.int64]],
    tempered: tuple[HearingOutput, HearingTargets],
    promised: tuple[HearingOutput, HearingTargets],
    vocabulary: tuple[str, ...],
    domain: str,
    honesty: HonestyConfig,
) -> Stage:
    """For one length of sound: from outputs and labels [n] of what was seen, and two parts that were not.

    Raises:
        ValueError: there are too few contacts.
    """
    output, targets = tempered
    labels = _labels(targets)
    known = labels >= 0
    if int(known.sum()) < 8:
        raise ValueError(
            f"validation has {int(known.sum())} contacts to fit temperatures on, must have 8 or more"
        )
    temperature = fit_temperature(output.logits.numpy()[known], labels[known])
    contact = targets.contact.numpy()
    novelty = fit_novelty(
        seen[0].embedding.numpy(),
        seen[1],
        (output.embedding.numpy()[contact], output.logits.numpy()[contact]),
        false_alarms=honesty.false_alarms,
    )
    later, truth = promised[0], _labels(promised[1])[promised[1].contact.numpy()]
    p = softmax(later.logits.numpy()[promised[1].contact.numpy()], temperature)
    said = f"{domain}, {_heard(heard_s)}"
    return Stage(
        heard_s,
        temperature,
        _spread(output, targets, "log10_e"),
        _spread(output, targets, "log10_density"),
        fit_sets(p, truth, vocabulary, coverage=honesty.coverage, fitted_on=said, nodes=True),
        choose_abstention(p, truth, honesty.risk, fitted_on=said, least_share=honesty.least_share),
        novelty,
    )


def _heard(heard_s: float) -> str:
    return "all heard" if math.isinf(heard_s) else f"{1000 * heard_s:.0f} ms heard"


def _labels(targets: HearingTargets) -> NDArray[np.int64]:
    """[n], -1 where there is no contact, or none of a known material."""
    return np.where(targets.contact.numpy(), targets.material.numpy(), -1)


def _spread(output: HearingOutput, targets: HearingTargets, name: str) -> float:
    """What standard deviations are to be multiplied by."""
    truth = getattr(targets, name).numpy()
    known = targets.contact.numpy() & np.isfinite(truth)
    if int(known.sum()) < 8:
        return 1.0
    mean, std = (getattr(output, f"{name}_{of}").numpy()[known] for of in ("mean", "std"))
    return float(np.clip(np.sqrt(np.mean(((truth[known] - mean) / std) ** 2)), 0.5, 4.0))
