"""BigVGAN (Lee et al. 2023, arXiv:2206.04658), the vocoder of Hearing Hands and Frieren, for weights that a user has.

No weights are shipped or downloaded. Who has some puts generator and `config.json`, as their authors publish them, side
by side at ``$FOLEY_BIGVGAN``, or into the cache folder under `vocoders/`. They must have been trained on spectrograms
of the flow's grid: 16 kHz, 80 bins, hop 256. Files are safetensors, or tensors that torch's restricted reader
understands; pickles of anything else are refused by it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_synthesis.flow.networks.mel import BINS, HOP, RATE, magnitudes
from foley_synthesis.vision.cache import cache_folder
from foley_synthesis.vision.supplied import read_weights

_TAPS = 12  # of the filters around an activation
_LEAST = 1e-5  # of mel magnitudes
_NAMES = ("*.safetensors", "*.pt", "*.pth")


@dataclasses.dataclass(frozen=True)
class BigVganConfig:
    """Its architecture, by the names that its authors' config.json has.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    num_mels: int = BINS
    sampling_rate: int = RATE
    hop_size: int = HOP
    resblock: str = "1"
    upsample_rates: tuple[int, ...] = (4, 4, 2, 2, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (8, 8, 4, 4, 4, 4)
    upsample_initial_channel: int = 512
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    activation: str = "snakebeta"
    snake_logscale: bool = True
    use_bias_at_final: bool = True
    use_tanh_at_final: bool = True

    def __post_init__(self) -> None:
        for name, wanted in (("num_mels", BINS), ("sampling_rate", RATE), ("hop_size", HOP)):
            if getattr(self, name) != wanted:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, the flow's spectrograms have {wanted}: weights for those are "
                    "needed"
                )
        if math.prod(self.upsample_rates) != self.hop_size:
            raise ValueError(
                f"upsample_rates multiply to {math.prod(self.upsample_rates)}, hop_size is {self.hop_size}"
            )
        if len(self.upsample_kernel_sizes) != len(self.upsample_rates):
            raise ValueError("upsample_kernel_sizes must be as many as upsample_rates")
        if len(self.resblock_dilation_sizes) != len(self.resblock_kernel_sizes):
            raise ValueError("resblock_dilation_sizes must be as many as resblock_kernel_sizes")
        if self.resblock not in ("1", "2"):
            raise ValueError(f"resblock is `{self.resblock}`, must be 1 or 2")
        if self.activation not in ("snake", "snakebeta"):
            raise ValueError(f"activation is `{self.activation}`, must be snake or snakebeta")


class Snake(nn.Module):
    """x + sin^2(alpha x) / beta, of each channel (Ziyin et al. 2020); beta is alpha where there is none."""

    def __init__(self, channels: int, own_beta: bool, logarithmic: bool) -> None:
        super().__init__()
        self._logarithmic = logarithmic
        begin = torch.zeros(channels) if logarithmic else torch.ones(channels)
        self.alpha = nn.Parameter(begin.clone())
        self.beta = nn.Parameter(begin.clone()) if own_beta else None

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, n]."""
        alpha: Tensor = self.alpha
        beta: Tensor = self.alpha if self.beta is None else self.beta
        if self._logarithmic:
            alpha, beta = alpha.exp(), beta.exp()
        return x + (x * alpha[:, None]).sin().square() / (beta[:, None] + 1e-9)


class Smoothed(nn.Module):
    """An activation at twice the rate, so that the harmonics that it makes do not fold back."""

    lowpass: Tensor

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.act = act
        self.register_buffer("lowpass", half_band(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, n]."""
        channels, ends = x.shape[1], _TAPS // 2 - 1
        kernel = self.lowpass.expand(channels, 1, -1)
        padded = nn.functional.pad(x, (ends, ends), mode="replicate")
        twice = 2.0 * nn.functional.conv_transpose1d(padded, kernel, stride=2, groups=channels)
        cut = 2 * ends + (_TAPS - 2) // 2
        made = self.act(twice[..., cut:-cut])
        padded = nn.functional.pad(made, (ends, _TAPS // 2), mode="replicate")
        return nn.functional.conv1d(padded, kernel, stride=2, groups=channels)


def half_band() -> Tensor:
    """A low-pass filter [1, 1, 12] at a quarter of the rate: a sinc under Kaiser's window, which sums to 1."""
    attenuation = 2.285 * (_TAPS // 2 - 1) * math.pi * 4 * 0.3 + 7.95
    beta = (
        0.1102 * (attenuation - 8.7)
        if attenuation > 50
        else 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    )
    time = torch.arange(_TAPS) - _TAPS / 2 + 0.5
    taps = torch.kaiser_window(_TAPS, periodic=False, beta=beta) * torch.sinc(0.5 * time)
    return (taps / taps.sum())[None, None]


class _Block(nn.Module):
    """Dilated convolutions beside a path that leaves the sound as it is; names as in the authors' files."""

    def __init__(self, config: BigVganConfig, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()

        def conv(dilation: int) -> nn.Conv1d:
            return nn.Conv1d(
                channels, channels, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation
            )

        first = nn.ModuleList(conv(dilation) for dilation in dilations)
        if config.resblock == "1":
            self.convs1, self.convs2 = first, nn.ModuleList(conv(1) for _ in dilations)
            self._pairs = 2
        else:
            self.convs, self._pairs = first, 1
        self.activations = nn.ModuleList(
            _activation(config, channels) for _ in range(self._pairs * len(first))
        )

    def forward(self, x: Tensor) -> Tensor:
        if self._pairs == 1:
            for conv, act in zip(self.convs, self.activations, strict=True):
                x = x + conv(act(x))
            return x
        for i, (conv, other) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            x = x + other(self.activations[2 * i + 1](conv(self.activations[2 * i](x))))
        return x


class BigVganGenerator(nn.Module):
    """Log mel magnitudes [b, 80, n] (natural logarithm) to sound [b, 256 n]."""

    def __init__(self, config: BigVganConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.upsample_initial_channel
        self.conv_pre = nn.Conv1d(config.num_mels, channels, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            up = nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(nn.ModuleList([up]))
            channels //= 2
            for size, dilations in zip(
                config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
            ):
                self.resblocks.append(_Block(config, channels, size, dilations))
        self.activation_post = _activation(config, channels)
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=config.use_bias_at_final)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.conv_pre(mel)
        kinds = len(self.config.resblock_kernel_sizes)
        for i, up in enumerate(self.ups):
            assert isinstance(up, nn.ModuleList)
            x = up[0](x)
            x = torch.stack([block(x) for block in self.resblocks[i * kinds : (i + 1) * kinds]]).mean(dim=0)
        sound: Tensor = self.conv_post(self.activation_post(x))[:, 0]
        return sound.tanh() if self.config.use_tanh_at_final else sound.clamp(-1.0, 1.0)


class BigVgan:
    """A `Vocoder` of the flow with weights that the user supplies."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises ValueError where the weights are missing or do not fit; the message says where they go."""
        file = path or _found()
        config = _config(file.with_name("config.json"))
        generator = BigVganGenerator(config)
        try:
            state = read_weights(file)
            state = fused(state.get("generator", state))
            generator.load_state_dict(state)
        except Exception as error:  # whatever a file that is something else raises
            raise ValueError(
                f"{file}: does not hold the generator that config.json beside it describes ({str(error)[:300]})"
            ) from error
        self._generator = generator.eval()

    @torch.inference_mode()
    def waveform(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """[80, n] -> [256 n] at 16 kHz."""
        wanted = magnitudes(torch.from_numpy(np.ascontiguousarray(mel))).clamp(min=_LEAST).log()
        return np.asarray(self._generator(wanted[None])[0].numpy(), np.float32)


def fused(state: dict[str, Any]) -> dict[str, Tensor]:
    """Weights of which length and direction are told apart (weight norm, either spelling) as plain ones.

    The filters of activations are left out: they follow from the architecture.
    """
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith(".filter"):
            continue
        for length, direction in (
            (".weight_g", ".weight_v"),
            (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
        ):
            if name.endswith(length):
                v = state[name.removesuffix(length) + direction]
                size = v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.ndim - 1))
                plain[name.removesuffix(length) + ".weight"] = value * v / size
                break
            if name.endswith(direction):
                break
        else:
            plain[name] = value
    return plain


def _activation(config: BigVganConfig, channels: int) -> Smoothed:
    return Smoothed(Snake(channels, config.activation == "snakebeta", config.snake_logscale))


def _found() -> Path:
    given = os.environ.get("FOLEY_BIGVGAN")
    folder = Path(given) if given else cache_folder() / "vocoders"
    if folder.is_file():
        return folder
    for pattern in _NAMES:
        for path in sorted(folder.glob(pattern)):
            return path
    raise ValueError(
        f"the vocoder `bigvgan` needs weights at {folder}: its generator as .safetensors (or .pt) and config.json "
        "beside it (FOLEY_BIGVGAN names another place)"
    )


def _config(path: Path) -> BigVganConfig:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: not readable as JSON ({error}); put the config.json of the weights there"
        ) from error
    known = {field.name for field in dataclasses.fields(BigVganConfig)}
    fields = {name: _tuples(value) for name, value in given.items() if name in known}
    try:
        return BigVganConfig(**{**fields, "resblock": str(fields.get("resblock", "1"))})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
