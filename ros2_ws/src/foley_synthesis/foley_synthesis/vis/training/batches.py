"""From arrays to batches of tensors, with the variation that training adds."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from foley_perception.clips.grid import ACTION_RATE
from foley_synthesis.beliefs.material_head import Targets
from foley_synthesis.hearing.training.windows import windows_of
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.onset_net import OnsetTargets, onset_loss
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.networks.sound_net import (
    VisInput,
    normalise_action,
    robust_loss,
    squared_loss,
)
from foley_synthesis.vis.outputs import VisOutput
from foley_synthesis.vis.training.features import FeatureSet
from foley_synthesis.vis.training.sound_frames import sound_frames

_SHIFT = 9  # sound frames that an example is moved in time, at most (0.1 s)
_POSITION_JITTER_M = 0.004


@dataclasses.dataclass(frozen=True, eq=False)
class Tensors:
    """A feature set, ready for the networks. Row i is clip i."""

    still: Tensor  # [n, variants, still_dims]
    frames: Tensor  # [n, f, encoder_dims]
    planned: Tensor  # [n, t, 8]; zeros where there is no plan
    executed: Tensor  # [n, t, 8]
    has_plan: Tensor  # [n] bool
    sound: Tensor  # [n, t, components]; where it is decoded relative to its onset: aligned and at unit level
    cochleagram: Tensor  # [n, t, channels]
    targets: Targets
    onset: OnsetTargets | None = None  # of the contact itself, a plan that is on time

    @classmethod
    def of(cls, features: FeatureSet, networks: Networks, pca: Pca, vocabulary: tuple[str, ...]) -> Tensors:
        """Normalise once what the epochs share."""
        sound = sound_frames(features, networks.vis.background)
        with torch.no_grad():
            still = networks.normalise_still(torch.from_numpy(features.still.astype(np.float32)))
            frames = networks.normalise_frames(torch.from_numpy(features.frames.astype(np.float32)))
        return cls(
            still=still,
            frames=frames,
            planned=normalise_action(torch.from_numpy(features.planned)),
            executed=normalise_action(torch.from_numpy(features.executed)),
            has_plan=torch.from_numpy(features.has_plan),
            sound=torch.from_numpy(pca.encode(sound.frames)),
            cochleagram=torch.from_numpy(features.cochleagram),
            targets=Targets(
                torch.from_numpy(features.labels(vocabulary)),
                torch.from_numpy(features.numbers("log10_youngs_modulus")),
                torch.from_numpy(features.numbers("roughness")),
                torch.from_numpy(features.numbers("hollowness")),
            ),
            onset=None
            if sound.lag_s is None
            else OnsetTargets(torch.from_numpy(sound.lag_s), torch.from_numpy(sound.level_db)),
        )

    def rows(self, index: Tensor) -> Targets:
        """Targets of some clips."""
        return Targets(*(values[index] for values in self.targets))

    def with_targets(self, targets: Targets) -> Tensors:
        """The same inputs with other labels."""
        return dataclasses.replace(self, targets=targets)


def inputs_for(tensors: Tensors, index: Tensor, *, executed: bool) -> VisInput:
    """Inputs of one mode, as they are: for validation and evaluation."""
    n = len(index)
    return VisInput(
        tensors.still[index, 0],
        tensors.frames[index] if executed else torch.zeros_like(tensors.frames[index]),
        (tensors.executed if executed else tensors.planned)[index],
        torch.full((n,), float(executed)),
    )


def training_shift(count: int, generator: torch.Generator) -> Tensor:
    """By how many sound frames examples [count] are moved in time."""
    return torch.randint(-_SHIFT, _SHIFT + 1, (count,), generator=generator)


def plan_errors_s(count: int, most_s: float, generator: torch.Generator) -> Tensor:
    """How late contacts [count] come against their plans [s]: evenly up to so much, either way."""
    if most_s == 0.0:
        return torch.zeros(count)  # nothing is drawn, so that whatever is drawn next stays the same
    return (2.0 * torch.rand(count, generator=generator) - 1.0) * most_s


@dataclasses.dataclass(frozen=True, eq=False)
class SoundTarget:
    """What is to be predicted of a batch."""

    features: Tensor  # [n, t, components]
    onset: OnsetTargets | None  # from the planned time on


def training_batch(
    tensors: Tensors, index: Tensor, planned_share: float, plan_error_s: float, generator: torch.Generator
) -> tuple[VisInput, SoundTarget]:
    """Inputs of mixed modes and their sounds; planned contacts come early or late.

    Where sound is decoded relative to its onset nothing is moved but the lag. Elsewhere inputs and sound are moved
    together, as they always were, and the sound by the error of its plan further.
    """
    if tensors.onset is None:
        inputs, sound = training_inputs(tensors, index, planned_share, generator)
        late = plan_errors_s(len(index), plan_error_s, generator) * (1.0 - inputs.executed)
        return inputs, SoundTarget(later(sound, late), None)
    still_here = torch.zeros(len(index), dtype=torch.int64)
    inputs, sound = training_inputs(tensors, index, planned_share, generator, shift=still_here)
    late = plan_errors_s(len(index), plan_error_s, generator) * (1.0 - inputs.executed)
    return inputs, SoundTarget(
        sound, OnsetTargets(tensors.onset.lag_s[index] + late, tensors.onset.level_db[index])
    )


def validation_target(tensors: Tensors, rows: Tensor, plan_error_s: float) -> SoundTarget:
    """The same of whole splits in planned mode: every time with the same errors."""
    late = plan_errors_s(len(rows), plan_error_s, torch.Generator().manual_seed(0))
    sound = tensors.sound[rows]
    if tensors.onset is None:
        return SoundTarget(later(sound, late), None)
    return SoundTarget(sound, OnsetTargets(tensors.onset.lag_s[rows] + late, tensors.onset.level_db[rows]))


def later(sound: Tensor, seconds: Tensor) -> Tensor:
    """Sounds [n, t, d], each later by so much [n], to whole frames, which keep their rises; held beyond the ends."""
    steps = sound.shape[1]
    by = torch.round(seconds * ACTION_RATE).long()
    source = (torch.arange(steps)[None] - by[:, None]).clamp(0, steps - 1)
    return sound[torch.arange(len(sound))[:, None], source]


def sound_loss(output: VisOutput, target: SoundTarget, loss: str) -> Tensor:
    """Of the frames, and of onset and level where they are apart."""
    frames = {"robust": robust_loss, "squared": squared_loss}[loss](output.features, target.features)
    if output.onset is None or target.onset is None:
        return frames
    return frames + onset_loss(output.onset, target.onset)


def training_inputs(
    tensors: Tensors,
    index: Tensor,
    planned_share: float,
    generator: torch.Generator,
    *,
    shift: Tensor | None = None,  # [n], drawn where it is not given
) -> tuple[VisInput, Tensor]:
    """Inputs of mixed modes, moved in time, and the sound [n, t, components] moved with them."""
    n, steps = len(index), tensors.sound.shape[1]

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    planned = (random(n) < planned_share) & tensors.has_plan[index]
    executed = (~planned).float()
    action = torch.where(planned[:, None, None], tensors.planned[index], tensors.executed[index])
    # A camera that is calibrated or a plan that is followed less well: a constant offset and a little noise.
    offset = torch.randn(n, 1, 3, generator=generator) * (_POSITION_JITTER_M / 0.05)
    action = torch.cat([action[..., :3] + offset, action[..., 3:]], dim=-1)
    variant = torch.randint(tensors.still.shape[1], (n,), generator=generator)
    still = tensors.still[index, variant]
    shift = training_shift(n, generator) if shift is None else shift
    source = (torch.arange(steps)[None] - shift[:, None]).clamp(0, steps - 1)
    row = torch.arange(n)[:, None]
    held = tensors.frames.shape[1]
    per_frame = steps // held
    frame_source = (torch.arange(held)[None] - torch.round(shift[:, None] / per_frame).long()).clamp(
        0, held - 1
    )
    frames = tensors.frames[index][row, frame_source] * executed[:, None, None]
    return VisInput(still, frames, action[row, source], executed), tensors.sound[index][row, source]


def heard_windows(tensors: Tensors, index: Tensor, config: ModelConfig) -> Tensor:
    """Cochleagrams [n, heard_frames, channels] around the contact, divided by their peak."""
    return windows_of(tensors.cochleagram[index], config.hearing)
