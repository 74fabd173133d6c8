"""What the hearing network is to learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foley_synthesis.hearing.output import HearingOutput


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weights of the parts; 0 leaves one out."""

    material: float = 1.0
    smoothing: float = 0.05  # of the labels
    families: float = 0.3  # cross entropy of sums of probabilities over families
    log10_e: float = 0.2
    log10_density: float = 0.2
    roughness: float = 1.0
    hollowness: float = 1.0
    action: float = 0.3
    contact: float = 0.5
    uniform: float = 0.3  # no material where there is no contact (Hendrycks et al. 2019, outlier exposure)
    alike: float = 0.0  # supervised contrastive loss of embeddings (Khosla et al. 2020): the same material?
    sharpness: float = 0.1  # temperature of that


class HearingTargets(NamedTuple):
    """What is known of each clip [n]; -1 and NaN where it is not."""

    contact: Tensor  # bool
    material: Tensor  # int64
    action: Tensor  # int64
    log10_e: Tensor
    log10_density: Tensor
    roughness: Tensor
    hollowness: Tensor

    def rows(self, rows: Tensor) -> HearingTargets:
        return HearingTargets(*(value[rows] for value in self))

    def to(self, device: torch.device) -> HearingTargets:
        return HearingTargets(*(value.to(device) for value in self))


def targets_of(labels: dict[str, NDArray[Any]], order: NDArray[np.int64], contact: int) -> HearingTargets:
    """Of a set's labels.

    Args:
        order: label of each of its materials.
        contact: kind that is one.
    """
    material = labels["material"].astype(np.int64)
    numbers = ("log10_e", "log10_density", "roughness", "hollowness")
    return HearingTargets(
        torch.from_numpy(labels["kind"] == contact),
        torch.from_numpy(np.where(material >= 0, order[material], -1)),
        torch.from_numpy(labels["action"].astype(np.int64)),
        *(torch.from_numpy(labels[name].astype(np.float32)) for name in numbers),
    )


def objective(
    output: HearingOutput, targets: HearingTargets, weights: Objective, groups: Sequence[Sequence[int]] = ()
) -> tuple[Tensor, dict[str, float]]:
    """The sum, and its parts for a report.

    Args:
        groups: labels of each family; a label may be in several, one within the other.
    """
    contact = targets.contact
    parts: dict[str, Tensor] = {}
    known = contact & (targets.material >= 0)
    if bool(known.any()):
        logits, label = output.logits[known], targets.material[known]
        parts["material"] = functional.cross_entropy(logits, label, label_smoothing=weights.smoothing)
        if groups and weights.families > 0:
            parts["families"] = _family_loss(logits, label, groups)
        if weights.alike > 0:
            parts["alike"] = contrastive(output.embedding[known], label, weights.sharpness)
    if bool((~contact).any()):
        parts["uniform"] = -output.logits[~contact].log_softmax(dim=1).mean()
    acted = contact & (targets.action >= 0)
    if bool(acted.any()):
        parts["action"] = functional.cross_entropy(output.action_logits[acted], targets.action[acted])
    parts["contact"] = functional.binary_cross_entropy_with_logits(output.contact_logit, contact.float())
    for name in ("log10_e", "log10_density"):
        truth = getattr(targets, name)
        known = contact & truth.isfinite()
        if bool(known.any()):
            mean, std = (getattr(output, f"{name}_{of}")[known] for of in ("mean", "std"))
            parts[name] = (0.5 * ((truth[known] - mean) / std).square() + std.log()).mean()
    for name in ("roughness", "hollowness"):
        truth = getattr(targets, name)
        known = contact & truth.isfinite()
        if bool(known.any()):
            parts[name] = (getattr(output, name)[known] - truth[known]).square().mean()
    total = output.logits.sum() * 0.0
    for name, value in parts.items():
        total = total + getattr(weights, name) * value
    return total, {name: float(value.detach()) for name, value in parts.items()}


def _family_loss(logits: Tensor, label: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Cross entropy of the families' probabilities, a mean over all families that a label is in."""
    inside = torch.zeros(len(groups), logits.shape[1], device=logits.device)
    for index, group in enumerate(groups):
        inside[index, list(group)] = 1.0
    log_p = logits.log_softmax(dim=1)
    of_family = torch.stack([log_p[:, list(group)].logsumexp(dim=1) for group in groups], dim=1)
    of_label = inside[:, label].T
    return -(of_label * of_family).sum() / of_label.sum().clamp(min=1.0)


def contrastive(embedding: Tensor, label: Tensor, sharpness: float) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, Eq. 2) of embeddings [n, e]; 0 where no two are alike."""
    unit = functional.normalize(embedding, dim=1)
    similarity = unit @ unit.T / sharpness
    itself = torch.eye(len(label), dtype=torch.bool, device=label.device)
    log_p = similarity.masked_fill(itself, -torch.inf).log_softmax(dim=1)
    alike = (label[:, None] == label[None]) & ~itself
    count = alike.sum(dim=1)
    mean = log_p.masked_fill(~alike, 0.0).sum(dim=1) / count.clamp(min=1)
    return -(mean * (count > 0)).sum() / (count > 0).sum().clamp(min=1)
