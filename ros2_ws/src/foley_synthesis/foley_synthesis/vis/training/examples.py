"""What a step of the training of both networks learns from, and where it comes from: memory, or shards.

With several processes each makes its rows of a batch. Losses are taken of the whole batch, so that their means, which
count what is known of each contact, are those of one process.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.beliefs.material_head import Targets
from foley_synthesis.hearing.config import HearingConfig
from foley_synthesis.hearing.training.windows import training_windows
from foley_synthesis.training import processes
from foley_synthesis.vis.config import EXPONENT
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.onset_net import OnsetTargets
from foley_synthesis.vis.networks.sound_net import VisInput
from foley_synthesis.vis.outputs import VisOutput
from foley_synthesis.vis.training.batches import SoundTarget, Tensors, training_batch
from foley_synthesis.vis.training.config import TrainConfig


class Batch(NamedTuple):
    """Rows of a batch."""

    inputs: VisInput
    windows: Tensor  # [n, heard_frames, channels]
    features: Tensor  # [n, t, components], to be predicted
    onset: OnsetTargets | None  # likewise
    targets: Targets


class Examples(Protocol):
    """Where training contacts come from."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        """This process's rows of each batch, drawn from the epoch's number alone."""

    @property
    def materials(self) -> Tensor:
        """How many there are of each [materials]."""


@dataclasses.dataclass(frozen=True, eq=False)
class InMemory:
    """All contacts as tensors, in an order drawn anew for each epoch."""

    tensors: Tensors
    rows: Tensor  # [n] that are trained on
    config: TrainConfig
    hearing: HearingConfig

    def batches(self, epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(epoch_seed(self.config, epoch))
        order = self.rows[torch.randperm(len(self.rows), generator=generator)]
        for index in torch.tensor_split(order, max(1, len(order) // self.config.batch)):
            own: Batch = processes.own(drawn(self.tensors, index, self.config, self.hearing, generator))
            yield own

    @property
    def materials(self) -> Tensor:
        labels = self.tensors.targets.material[self.rows]
        return torch.bincount(labels[labels >= 0], minlength=self.hearing.materials)


def epoch_seed(config: TrainConfig, epoch: int) -> int:
    return config.seed * 1_000_003 + epoch


def drawn(
    tensors: Tensors, index: Tensor, config: TrainConfig, hearing: HearingConfig, generator: torch.Generator
) -> Batch:
    """Some contacts with the variation that training adds."""
    inputs, target = training_batch(tensors, index, config.planned_share, config.plan_error_s, generator)
    windows = training_windows(tensors.cochleagram[index], hearing, EXPONENT, generator)
    return Batch(inputs, windows, target.features, target.onset, tensors.rows(index))


class Said(NamedTuple):
    """What the networks say of a batch."""

    sound: VisOutput
    predicted: HeadOutput
    heard: HeadOutput


class Step(nn.Module):
    """Both networks on a batch, in one call, as PyTorch's gradients of several processes need it."""

    def __init__(self, networks: Networks, head_gradient: float) -> None:
        super().__init__()
        self._networks, self._head_gradient = networks, head_gradient

    def forward(self, inputs: VisInput, windows: Tensor) -> Said:
        sound, predicted = self._networks.predict(inputs, self._head_gradient)
        return Said(sound, predicted, self._networks.heard(windows))


def said_of_all(step: nn.Module, batch: Batch) -> tuple[Said, SoundTarget, Targets]:
    """What is said of the whole batch and what is true of it, given this process's rows."""
    said: Said = step(batch.inputs, batch.windows)
    sound = said.sound._replace(states=None, still=None)  # no loss looks at them
    sound, predicted, heard, features, onset, targets = processes.together(
        (sound, said.predicted, said.heard, batch.features, batch.onset, batch.targets)
    )
    return Said(sound, predicted, heard), SoundTarget(features, onset), targets


def nothing_of(said: Any) -> Tensor:
    """0, on which every output counts: where nothing is known of a batch, layers that no loss looks at still have their
    gradient, for which the other processes wait."""
    parts = (
        [nothing_of(part) for part in said if part is not None]
        if isinstance(said, tuple)
        else [said.sum() * 0.0]
    )
    return torch.stack(parts).sum()
