"""A checkpoint made ready to predict: networks, PCA and calibrations in evaluation mode."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.beliefs.calibration import Calibration
from foley_synthesis.checkpoint import Checkpoint, CorruptCheckpoint
from foley_synthesis.hearing.inference.loaded import front_end_of
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.inference.networks import VisNetworks
from foley_synthesis.vis.networks.decoding import loudness, over_background, unit_level
from foley_synthesis.vis.networks.pca import Pca

if TYPE_CHECKING:
    from foley_synthesis.vis.networks.networks import Networks


@dataclasses.dataclass(frozen=True, eq=False)
class Session:
    """What the predictor works with."""

    checkpoint: Checkpoint
    config: ModelConfig
    predict: VisNetworks  # of one contact
    pca: Pca
    cochlea: Cochleagram
    calibrations: dict[str, Calibration]  # `heard`, `planned`, `executed`
    onset_s: float  # of the contact in a clip

    @functools.cached_property
    def networks(self) -> Networks:
        """The same in torch, in evaluation mode: for batches, and for training on. Raises CorruptCheckpoint."""
        from foley_synthesis.vis.networks.networks import Networks

        networks = Networks(self.config)
        try:
            networks.load_tensors(self.checkpoint.tensors)
        except ValueError as error:
            raise CorruptCheckpoint(self.checkpoint.path, str(error)) from error
        return networks.eval()

    def exemplar_frames(self) -> NDArray[np.float32]:
        """Cochleagrams [n, t, channels] of the exemplars, as their features tell them."""
        exemplars, background = self.checkpoint.exemplars, self.predict.background
        frames = self.pca.decode(exemplars.features)
        if background is None:
            return frames
        real = np.stack([self.cochlea(sound)[: frames.shape[1]] for sound in exemplars.audio])
        return over_background(frames, background, loudness(real))

    def through_pca(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the components keep of real cochleagrams [n, t, channels]."""
        background = self.predict.background
        if background is None:
            return self.pca.decode(self.pca.encode(frames))
        level = loudness(frames)
        unit = self.pca.decode(self.pca.encode(unit_level(frames, background, level)))
        return over_background(unit, background, level)


def open_session(checkpoint: Checkpoint) -> Session:
    """Raises CorruptCheckpoint where config and weights do not fit together."""
    try:
        config = ModelConfig.from_dict(checkpoint.config["model"])
        networks = VisNetworks(config, checkpoint.tensors)
        front_end = front_end_of(checkpoint)
        calibrations = {
            name: Calibration.from_dict(values) for name, values in checkpoint.config["calibration"].items()
        }
        pca = Pca.from_tensors(checkpoint.tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptCheckpoint(checkpoint.path, str(error)) from error
    return Session(checkpoint, config, networks, pca, front_end.cochlea, calibrations, front_end.onset_s)
