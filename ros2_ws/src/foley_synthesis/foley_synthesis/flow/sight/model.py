"""A trained sight, and what it believes of things that it has several views of."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.beliefs.calibration import softmax
from foley_synthesis.flow.sight.head import SightHead

Array = NDArray[np.float64]

_FLOOR = 1e-6  # of probabilities


@dataclasses.dataclass(frozen=True)
class SightCalibration:
    """What outputs are divided (temperatures) or multiplied (the spread of sizes) by; chosen on validation."""

    material: float = 1.0
    shape: float = 1.0
    hollow: float = 1.0
    size: float = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Beliefs:
    """Of t things, as seen."""

    material: Array  # [t, materials] probabilities
    shape: Array  # [t, shapes] probabilities
    log_size: Array  # [t, 3] mean of the logarithm of the extents over 10 cm
    log_size_std: Array  # [t, 3]
    hollow: Array  # [t] probability
    hollowness: Array  # [t] mean share of the volume that is empty, where it is hollow

    def __len__(self) -> int:
        return len(self.material)


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """What training saw."""

    mean: Tensor  # [inputs]
    std: Tensor  # [inputs]
    size_mean: Tensor  # [3]
    size_std: Tensor  # [3]
    pairs: Tensor  # [materials, shapes] share of training's objects
    hollow_pairs: Tensor  # [materials, shapes] share of those that are hollow
    hollowness: Tensor  # [] mean of hollow ones
    basis: Tensor  # [dims, inputs] first principal components of scaled inputs


@dataclasses.dataclass(frozen=True, eq=False)
class Confusions:
    """Mean beliefs about unseen objects of each truth (confusions.py)."""

    material: Array  # [materials, materials] rows are the truth and sum to 1
    shape: Array  # [shapes, shapes]
    hollow: Array  # [2, 2] solid and hollow
    size_std: Array  # [3] of the logarithm of extents drawn around the truth
    hollowness: float  # of what is hollow


@dataclasses.dataclass(frozen=True, eq=False)
class SightModel:
    """An ensemble of heads."""

    members: tuple[SightHead, ...]
    scaling: Scaling
    calibration: SightCalibration
    facts: dict[str, Any]  # encoder, dataset, training
    confusions: Confusions | None = None
    model_id: str = ""  # sha256; empty until saved

    @property
    def features_id(self) -> str:
        """Of the trained sight whose features these are: a compact copy shows a flow what its original does."""
        return str(self.facts.get("compact_of", self.model_id))

    @torch.no_grad()
    def views(self, inputs: NDArray[np.float32]) -> Beliefs:
        """What single views [n, inputs] say, uncalibrated."""
        scaled = (torch.from_numpy(inputs) - self.scaling.mean) / self.scaling.std
        outputs = [member.eval()(scaled) for member in self.members]
        mean = torch.stack([out.log_size for out in outputs]).double()
        spread = torch.stack([(2 * out.log_size_std).exp() for out in outputs]).double()
        variance = spread.mean(dim=0) + mean.var(dim=0, unbiased=False)
        scale, middle = self.scaling.size_std.double(), self.scaling.size_mean.double()
        chances = {
            name: torch.stack([of(getattr(out, name)) for out in outputs]).double().mean(dim=0).numpy()
            for name, of in (
                ("material", _softmax),
                ("shape", _softmax),
                ("hollow", torch.sigmoid),
                ("hollowness", torch.sigmoid),
            )
        }
        return Beliefs(
            log_size=(mean.mean(dim=0) * scale + middle).numpy(),
            log_size_std=(variance.sqrt() * scale).numpy(),
            **chances,
        )

    def features(
        self, inputs: NDArray[np.float32], thing: NDArray[np.integer], count: int
    ) -> NDArray[np.float32]:
        """What views show of each of ``count`` things [count, dims], NaN of one without views.

        First principal components of the mean of a thing's views. What the networks make of them says more about
        things that they learned from than about others, on which a flow that is trained in the same scenes would rely.

        Args:
            inputs: [n, inputs].
            thing: [n] which one each view is of.
        """
        scaled = (torch.from_numpy(inputs) - self.scaling.mean) / self.scaling.std
        known = (scaled @ self.scaling.basis.T).numpy()
        total = np.zeros((count, known.shape[1]))
        np.add.at(total, thing, known)
        views = np.bincount(thing, minlength=count).astype(np.float64)
        return (total / np.where(views > 0, views, np.nan)[:, None]).astype(np.float32)

    def beliefs(self, inputs: NDArray[np.float32], thing: NDArray[np.integer], count: int) -> Beliefs:
        """What all views say of each of ``count`` things together; of one without views what training's things were.

        Views of one thing err together (the same paint, the same light), so they are averaged in the logarithm, not
        multiplied: many views are as sure as one, only steadier.

        Args:
            inputs: [n, inputs].
            thing: [n] which one each view is of.
        """
        return calibrated(self._pooled(inputs, thing, count), self.calibration)

    def uncalibrated(self, inputs: NDArray[np.float32], thing: NDArray[np.integer], count: int) -> Beliefs:
        """The same before calibration, which is chosen on it."""
        return self._pooled(inputs, thing, count)

    def _pooled(self, inputs: NDArray[np.float32], thing: NDArray[np.integer], count: int) -> Beliefs:
        prior = self._prior()
        if not len(thing):
            return Beliefs(
                **{
                    field.name: np.repeat(np.asarray(getattr(prior, field.name))[None], count, axis=0)
                    for field in dataclasses.fields(Beliefs)
                }
            )
        seen = self.views(inputs)
        views = np.bincount(thing, minlength=count).astype(np.float64)
        share = 1.0 / np.maximum(views, 1.0)

        def mean(values: Array) -> Array:
            flat = values.reshape(len(values), -1)
            total = np.stack([np.bincount(thing, column, minlength=count) for column in flat.T], axis=1)
            return (total * share[:, None]).reshape(count, *values.shape[1:])

        odds = np.log(_clipped(seen.hollow)) - np.log(_clipped(1 - seen.hollow))
        pooled = Beliefs(
            softmax(mean(np.log(_clipped(seen.material)))),
            softmax(mean(np.log(_clipped(seen.shape)))),
            mean(seen.log_size),
            mean(seen.log_size_std),
            1 / (1 + np.exp(-mean(odds))),
            mean(seen.hollowness),
        )
        unseen = views == 0
        for field in dataclasses.fields(Beliefs):
            getattr(pooled, field.name)[unseen] = getattr(prior, field.name)
        return pooled

    def _prior(self) -> Beliefs:
        """Of a thing that nobody saw, without the axis of things."""
        pairs, hollow = self.scaling.pairs.double().numpy(), self.scaling.hollow_pairs.double().numpy()
        return Beliefs(
            pairs.sum(axis=1),
            pairs.sum(axis=0),
            self.scaling.size_mean.double().numpy(),
            self.scaling.size_std.double().numpy(),
            np.asarray((pairs * hollow).sum()),
            self.scaling.hollowness.double().numpy(),
        )


def calibrated(beliefs: Beliefs, by: SightCalibration) -> Beliefs:
    """Beliefs with their temperatures and spreads mended."""
    odds = np.log(_clipped(beliefs.hollow)) - np.log(_clipped(1 - beliefs.hollow))
    return dataclasses.replace(
        beliefs,
        material=softmax(np.log(_clipped(beliefs.material)), by.material),
        shape=softmax(np.log(_clipped(beliefs.shape)), by.shape),
        log_size_std=beliefs.log_size_std * by.size,
        hollow=1 / (1 + np.exp(-odds / by.hollow)),
    )


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)


def _clipped(probability: Array) -> Array:
    return np.clip(probability, _FLOOR, 1.0)
