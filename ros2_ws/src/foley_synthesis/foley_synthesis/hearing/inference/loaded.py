"""The heard part of a checkpoint made ready: front end, network and calibration in evaluation mode."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.beliefs.calibration import Calibration
from foley_synthesis.checkpoint import Checkpoint, CorruptCheckpoint
from foley_synthesis.hearing.config import HearingConfig

if TYPE_CHECKING:
    from foley_synthesis.hearing.networks.heard_net import HeardNet

PREFIX = "heard."  # of its tensors in a checkpoint


@dataclasses.dataclass(frozen=True, eq=False)
class FrontEnd:
    """Sound as the networks see it."""

    cochlea: Cochleagram
    onset_s: float  # of the contact in a clip


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedHearing:
    """What :class:`HeardModel` works with."""

    config: HearingConfig
    network: HeardNet
    front_end: FrontEnd
    calibration: Calibration


def front_end_of(checkpoint: Checkpoint) -> FrontEnd:
    """Raises KeyError or ValueError where the checkpoint does not say, or says nonsense."""
    audio = checkpoint.config["audio"]
    cochlea = Cochleagram(
        int(audio["sample_rate"]), float(audio["rate_hz"]), exponent=float(audio["exponent"])
    )
    return FrontEnd(cochlea, float(audio["onset_s"]))


def open_hearing(checkpoint: Checkpoint, threads: int) -> LoadedHearing:
    """Raises CorruptCheckpoint where config and weights do not fit together."""
    import torch

    from foley_synthesis.hearing.networks.heard_net import HeardNet

    torch.set_num_threads(threads)
    try:
        config = HearingConfig.of(checkpoint.config["model"])
        network = HeardNet(config)
        own = {
            name.removeprefix(PREFIX): torch.from_numpy(np.array(value))
            for name, value in checkpoint.tensors.items()
            if name.startswith(PREFIX)
        }
        network.load_state_dict(own)
        network.eval()
        calibration = Calibration.from_dict(checkpoint.config["calibration"]["heard"])
        front_end = front_end_of(checkpoint)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(checkpoint.path, str(error)) from error
    return LoadedHearing(config, network, front_end, calibration)
