"""Size of a codec, and how one is trained."""

from __future__ import annotations

import dataclasses
import math

FRAME_RATE = 125
"""Frames of a spectrogram a second [Hz]; frame k is centred on the middle of its samples, as rows of motion are."""
STRIDE = 4
"""Frames to one of the latent: 31.25 Hz."""
OVERLAP = 4
"""Hops to a window: 32 ms."""
RATES = (16_000, 48_000)


@dataclasses.dataclass(frozen=True)
class CodecConfig:
    """Its grid and its size.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    rate: int = 16_000  # [Hz]
    bins: int = 80  # of the mel spectrogram
    latent: int = 256  # channels of the content
    width: int = 320  # at 31.25 Hz, where most of the network is: four times as cheap there
    hidden: int = 960  # of the MLP in a block
    blocks: int = 3  # of the encoder and of the decoder
    kernel: int = 5
    fine_width: int = 192  # at 125 Hz
    fine_hidden: int = 576
    fine_blocks: int = 3  # of the decoder; the encoder has one
    fine_kernel: int = 7
    level: bool = True  # whether a slow level track is told apart from the content
    causal: bool = False  # decoder: each frame sees no later one
    rounds: int = 16  # of Griffin and Lim's method after the network's phases, where it is not causal

    def __post_init__(self) -> None:
        if self.rate not in RATES:
            raise ValueError(f"rate is {self.rate}, must be one of {', '.join(map(str, RATES))}")
        layers = [
            f"{fine}{name}" for fine in ("", "fine_") for name in ("width", "hidden", "blocks", "kernel")
        ]
        for name in ("bins", "latent", *layers):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        for name in ("kernel", "fine_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be odd")
        if self.rounds < 0:
            raise ValueError(f"rounds is {self.rounds}, must not be negative")

    @property
    def hop(self) -> int:
        """Samples to a frame of the spectrogram."""
        return self.rate // FRAME_RATE

    @property
    def window(self) -> int:
        """Samples that a frame looks at."""
        return OVERLAP * self.hop

    @property
    def samples(self) -> int:
        """To one frame of the latent."""
        return STRIDE * self.hop


@dataclasses.dataclass(frozen=True)
class CodecTrainConfig:
    """Training ends after so many steps or minutes, whichever comes first.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    minutes: float = 40.0
    steps: int | None = None
    batch: int = 16
    heard: int = 8  # of the batch: how many are made into sound, whose loss costs most
    unheard: float = 0.6  # share of the training before that, in which only the mel spectrogram is looked at
    crop: int = 32  # frames of the latent: 1.024 s
    learning_rate: float = 1e-3  # at its highest; warmed up, then falling in a line
    weight_decay: float = 1e-2
    kl_weight: float = 1e-4
    foreground_weight: float = 20.0  # of a bin that stands out of the noise, against 1: one in twelve does
    mel_weight: float = 1.0
    magnitude_weight: float = 0.5  # of the spectrum before it is sound
    onset_weight: float = 0.1  # of the complex spectrum around onsets
    gain_db: float = 20.0  # sounds are made louder and softer by up to this
    ema_decay: float = 0.999  # of the exponential moving average of the weights, a step
    validate_every: int = 250  # steps
    seed: int = 0
    threads: int = 1
    save_every_s: float = 30.0  # after the step in which it has passed

    def __post_init__(self) -> None:
        for name in ("minutes", "learning_rate", "save_every_s", "foreground_weight"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")
        for name in ("batch", "heard", "crop", "validate_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is {self.steps}, must be at least 1")
        for name in ("ema_decay", "unheard"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1)")
        for name in ("kl_weight", "mel_weight", "magnitude_weight", "onset_weight", "gain_db"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} is {getattr(self, name)}, must not be negative")
