"""Training of a codec: components first, then steps; state is saved, so that it can go on where it stopped."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_synthesis.flow.codec.config import CodecConfig, CodecTrainConfig
from foley_synthesis.flow.codec.loss import codec_losses
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.codec.score import kept
from foley_synthesis.flow.codec.sounds import Sounds, SoundsError, crops, windows
from foley_synthesis.training import state as training_state
from foley_synthesis.training.state import Counters, Interrupted

Report = Callable[[float, dict[str, float]], None]
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
    both = nn.ModuleDict({"now": codec, "ema": copy.deepcopy(codec)})
    both["ema"].requires_grad_(False)
    optimiser = torch.optim.AdamW(
        codec.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    best, counters = _copied(both["ema"]), Counters()
    if resume and folder is not None:
        loaded = training_state.load_state(folder, key, both, optimiser)
        if loaded is not None:
            best, counters = loaded
    before_s, started, saved = counters.elapsed_s, time.monotonic(), time.monotonic()
    sums: dict[str, float] = {}
    kept, whole = counters.epoch, True  # steps of the saved state; whether the weights are those after a step
    try:
        done = _progress(config, counters)
        while done < 1.0:
            whole = False
            losses = _step(both, optimiser, sounds, rows, config, counters.epoch, done)
            counters.epoch += 1
            counters.elapsed_s = before_s + time.monotonic() - started
            done = _progress(config, counters)
            sums = {name: 0.98 * sums.get(name, value) + 0.02 * value for name, value in losses.items()}
            figures = dict(sums)
            if counters.epoch % config.validate_every == 0 or done >= 1.0:
                figures["foreground_db"] = _validated(both["ema"], held_out, sounds, rows, config)
                if figures["foreground_db"] < counters.best.get(_STAGE, math.inf):
                    counters.best[_STAGE] = figures["foreground_db"]
                    best = _copied(both["ema"])
                counters.history.append({"step": float(counters.epoch), **figures})
            whole = True
            report(min(done, 1.0), figures)
            if folder is not None and (time.monotonic() - saved > config.save_every_s or done >= 1.0):
                training_state.save_state(folder, key, both, optimiser, best, counters)
                kept, saved = counters.epoch, time.monotonic()
    except KeyboardInterrupt as stop:
        if folder is not None and whole:
            training_state.save_state(folder, key, both, optimiser, best, counters)
            kept = counters.epoch
        raise Interrupted(f"stopped, {kept} steps are kept") from stop
    codec.load_state_dict(best)
    return codec.eval(), counters


def _progress(config: CodecTrainConfig, counters: Counters) -> float:
    by_step = counters.epoch / config.steps if config.steps else 0.0
    return max(by_step, counters.elapsed_s / (60.0 * config.minutes)) if counters.epoch else 0.0


def _step(
    both: nn.ModuleDict,
    optimiser: torch.optim.Optimizer,
    sounds: Sounds,
    rows: NDArray[np.int64],
    config: CodecTrainConfig,
    step: int,
    done: float,
) -> dict[str, float]:
    """One update; everything random is drawn from (seed, step), so that a resumed run repeats an uninterrupted one."""
    now, ema = both["now"].train(), both["ema"]
    assert isinstance(now, Codec) and isinstance(ema, Codec)
    seed = config.seed * 1_000_003 + step
    sound, floor = crops(sounds, rows, config.batch, config.crop, now.config.samples, config.gain_db, seed)
    generator = torch.Generator().manual_seed(seed)
    losses = codec_losses(now, sound, floor, config, generator, hear=done >= config.unheard)
    total = losses.total(config)
    if not bool(total.isfinite()):
        raise FloatingPointError(f"the loss is {float(total)} in step {step}; lower the learning rate")
    rate = config.learning_rate * min(1.0, (step + 1) / _WARM_UP, 1.3 * (1.01 - done))
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(now.parameters(), 1.0)
    optimiser.step()
    # The average starts short, so that the first weights soon count for nothing.
    keep = min(config.ema_decay, (1.0 + step) / (10.0 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(ema.parameters()), list(now.parameters()), 1.0 - keep)
    return {
        name: float(getattr(losses, name).detach())
        for name in ("spectrum", "mel", "magnitude", "onset", "divergence")
    }


def _validated(
    ema: nn.Module, held_out: Tensor, sounds: Sounds, rows: NDArray[np.int64], config: CodecTrainConfig
) -> float:
    """Foreground error [dB] of decoded windows; the scale of the latent is set on the way."""
    assert isinstance(ema, Codec)
    ema.eval().set_scale(_contents(ema, sounds, rows, config))
    return kept(lambda s: ema.decode(ema.encode(s)), held_out, ema.config, hear=False).foreground_db


def _contents(codec: Codec, sounds: Sounds, rows: NDArray[np.int64], config: CodecTrainConfig) -> Tensor:
    """Crops at unit level that statistics are taken from."""
    sound, _ = crops(
        sounds, rows, _STATISTICS, config.crop, codec.config.samples, config.gain_db, config.seed + 7
    )
    with torch.no_grad():
        return codec.split(sound)[0]


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
