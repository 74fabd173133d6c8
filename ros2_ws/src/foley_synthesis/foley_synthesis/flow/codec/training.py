"""Training of a codec: components first, then steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.flow.codec.config import CodecConfig, CodecTrainConfig
from foley_synthesis.flow.codec.loss import codec_losses
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.codec.score import kept
from foley_synthesis.flow.codec.sounds import Sounds, SoundsError, crops, windows
from foley_synthesis.training import loop
from foley_synthesis.training.loop import Report
from foley_synthesis.training.state import Counters

_STAGE = "codec"
_WARM_UP = 100  # steps
_WINDOW_FRAMES = 250  # 8 s
_VALIDATION_WINDOWS = 8
_STATISTICS = 256  # crops that components and scales are taken from


def train_codec(
    sounds: Sounds,
    size: CodecConfig,
    config: CodecTrainConfig,
    *,
    key: str = "",
    folder: Path | None = None,
    resume: bool = False,
    report: Report = lambda done, figures: None,
) -> tuple[Codec, Counters]:
    """Train on the sounds of `train`, keep what is best on windows of `validation`.

    Args:
        key: identifies data and settings of the run in its saved state, which lies in ``folder``.

    Raises:
        SoundsError: there is nothing to learn from or to choose by.
        Interrupted: on Ctrl-C; the last step is kept.
        ValueError: ``resume`` finds the state of another run.
        FloatingPointError: the loss is not finite.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    rows = sounds.rows("train")
    held_out = windows(sounds, "validation", _WINDOW_FRAMES, size.samples, _VALIDATION_WINDOWS)
    if not len(rows) or not len(held_out):
        raise SoundsError(
            f"{len(rows)} sounds of `train`, {len(held_out)} windows of 8 s of `validation`: each must have some"
        )
    codec = Codec(size)
    codec.set_components(_contents(codec, sounds, rows, config))
    trainee = loop.Trainee(
        _STAGE,
        codec,
        torch.optim.AdamW(
            codec.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
        ),
        lambda step, done: _loss(codec, sounds, rows, config, step, done),
        lambda step, done: min(1.0, (step + 1) / _WARM_UP, 1.3 * (1.01 - done)),
        lambda ema: _validated(ema, held_out, sounds, rows, config),
        criterion="foreground_db",
        validate_every=config.validate_every,
    )
    counters = loop.train(trainee, config, key=key, folder=folder, resume=resume, report=report)
    return codec, counters


def _loss(
    codec: Codec,
    sounds: Sounds,
    rows: NDArray[np.int64],
    config: CodecTrainConfig,
    step: int,
    done: float,
) -> tuple[Tensor, dict[str, float]]:
    """Of a step's crops, and its parts."""
    seed = config.seed * 1_000_003 + step
    sound, floor = crops(sounds, rows, config.batch, config.crop, codec.config.samples, config.gain_db, seed)
    generator = torch.Generator().manual_seed(seed)
    losses = codec_losses(codec, sound, floor, config, generator, hear=done >= config.unheard)
    names = ("spectrum", "mel", "magnitude", "onset", "divergence")
    return losses.total(config), {name: float(getattr(losses, name).detach()) for name in names}


def _validated(
    ema: Codec, held_out: Tensor, sounds: Sounds, rows: NDArray[np.int64], config: CodecTrainConfig
) -> float:
    """Foreground error [dB] of decoded windows; the scale of the latent is set on the way."""
    ema.eval().set_scale(_contents(ema, sounds, rows, config))
    return kept(lambda s: ema.decode(ema.encode(s)), held_out, ema.config).foreground_db


def _contents(codec: Codec, sounds: Sounds, rows: NDArray[np.int64], config: CodecTrainConfig) -> Tensor:
    """Crops at unit level that statistics are taken from."""
    sound, _ = crops(
        sounds, rows, _STATISTICS, config.crop, codec.config.samples, config.gain_db, config.seed + 7
    )
    with torch.no_grad():
        return codec.split(sound)[0]
