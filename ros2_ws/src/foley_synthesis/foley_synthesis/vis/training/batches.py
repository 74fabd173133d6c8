"""From arrays to batches of tensors, with the variation that training adds."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from foley_synthesis.beliefs.material_head import Targets
from foley_synthesis.hearing.training.windows import windows_of
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.networks.sound_net import VisInput, normalise_action
from foley_synthesis.vis.training.features import FeatureSet

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
    sound: Tensor  # [n, t, components]
    cochleagram: Tensor  # [n, t, channels]
    targets: Targets

    @classmethod
    def of(cls, features: FeatureSet, networks: Networks, pca: Pca, vocabulary: tuple[str, ...]) -> Tensors:
        """Normalise once what the epochs share."""
        with torch.no_grad():
            still = networks.normalise_still(torch.from_numpy(features.still.astype(np.float32)))
            frames = networks.normalise_frames(torch.from_numpy(features.frames.astype(np.float32)))
        return cls(
            still=still,
            frames=frames,
            planned=normalise_action(torch.from_numpy(features.planned)),
            executed=normalise_action(torch.from_numpy(features.executed)),
            has_plan=torch.from_numpy(features.has_plan),
            sound=torch.from_numpy(pca.encode(features.cochleagram)),
            cochleagram=torch.from_numpy(features.cochleagram),
            targets=Targets(
                torch.from_numpy(features.labels(vocabulary)),
                torch.from_numpy(features.numbers("log10_youngs_modulus")),
                torch.from_numpy(features.numbers("roughness")),
                torch.from_numpy(features.numbers("hollowness")),
            ),
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
