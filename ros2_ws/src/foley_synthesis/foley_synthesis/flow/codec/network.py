"""Sound to a small latent and back: an encoder of mel spectra, a decoder of spectra, an inverse Fourier transform.

    sound [n] -> level [n/512] and, over it, content
    content -> log mel [n/128, 80], levels of each 1 ms [n/128, 16] -> blocks at 125 and 31.25 Hz -> [n/512, 256]
    latent -> blocks at 31.25 Hz -> log mel -> blocks at 125 Hz -> magnitudes and phases [n/128, 257]
           -> inverse STFT -> times level -> sound

Vocos (Siuzdak 2023, arXiv:2306.00814) showed that the inverse transform makes good sound of spectra that a network
predicts frame by frame. What is added here lets it begin near something sensible: latent and spectrogram are also
joined by a straight line, which principal components set before the first step; magnitudes begin as a smooth inverse
of the mel bins, phases as those of fixed noise, which agree with each other where frames overlap. After the network's
phases come some rounds of Griffin and Lim's method.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from foley_synthesis.flow.codec.config import STRIDE, CodecConfig
from foley_synthesis.flow.codec.layers import Block, History
from foley_synthesis.flow.codec.level import gains, level_track
from foley_synthesis.flow.codec.spectrum import (
    FINE_LEVELS,
    Mel,
    analysed,
    fine_levels,
    refined,
    scaled,
    synthesised,
    unscaled,
)

_NOISE_FRAMES = 1024  # after so many (8 s) the fixed noise begins anew
_CORRECTIONS = 2
_LOG_VARIANCE = -5.0  # of the posterior, to begin with


@dataclasses.dataclass(frozen=True, eq=False)
class Coded:
    """A sound as the flow sees it: 31.25 frames a second, each of 32 ms."""

    content: Tensor  # [b, latent, n] of unit variance over the training sounds
    level: Tensor  # [b, 1, n] log10 of the root mean square at the end of the frame; 0 where it is not told apart


@dataclasses.dataclass(frozen=True, eq=False)
class Spectra:
    """What the decoder predicts, at unit level."""

    mel: Tensor  # [b, t, bins] scaled
    log_magnitudes: Tensor  # [b, t, w / 2 + 1] natural logarithm
    turns: Tensor  # [b, t, 2, w / 2 + 1] real and imaginary part of what is added to the phases of the fixed noise
    frames: Tensor  # [b or 1, t] int64 of the fixed noise

    def some(self, count: int) -> Spectra:
        """The first of a batch."""
        return Spectra(*(getattr(self, field.name)[:count] for field in dataclasses.fields(self)))


class Codec(nn.Module):
    """Encoder and decoder. Sounds have whole latent frames: a multiple of ``config.samples``."""

    window: Tensor
    noise: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = Mel(config.rate, config.window, config.bins)
        self._encoder = _Encoder(config)
        self._mel_decoder, self._spectrum_decoder = _MelDecoder(config), _SpectrumDecoder(config)
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)
        self.register_buffer("noise", _noise_phases(config), persistent=False)
        self.register_buffer("shift", torch.zeros(config.latent, 1))
        self.register_buffer("scale", torch.ones(config.latent, 1))

    # ---- there ---------------------------------------------------------------------------------------------
    def split(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Content [b, n] at unit level and level [b, 1, n / 512] of sounds [b, n].

        Raises:
            ValueError: n is no multiple of a latent frame.
        """
        samples = self.config.samples
        if not sound.shape[-1] or sound.shape[-1] % samples:
            raise ValueError(f"sound has {sound.shape[-1]} samples, must be a multiple of {samples}")
        if not self.config.level:
            return sound, sound.new_zeros(len(sound), 1, sound.shape[-1] // samples)
        level = level_track(sound, self.config.rate, samples)
        return sound / gains(level, samples), level

    def mels(self, content: Tensor) -> Tensor:
        """Scaled mel spectrogram [b, n / 128, bins]."""
        return scaled(self.mel(analysed(content, self.window, self.config.hop).abs()))

    def posterior(self, content: Tensor, mel: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance [b, latent, n / 512] of content [b, n], before they are scaled.

        Args:
            mel: of the content, where it is known.
        """
        mel = self.mels(content) if mel is None else mel
        fine = fine_levels(content, self.config.hop)
        with self._reduced(content):
            mean, log_variance = self._encoder(mel, fine)
        return mean.transpose(1, 2), log_variance.transpose(1, 2)

    def encode(self, sound: Tensor) -> Coded:
        """The most likely code of sounds [b, n]."""
        content, level = self.split(sound)
        return Coded((self.posterior(content)[0] - self.shift) / self.scale, level)

    # ---- back ----------------------------------------------------------------------------------------------
    def decoded_mel(self, latent: Tensor) -> Tensor:
        """Scaled mel spectrogram [b, t, bins] of latents [b, latent, n] before they are scaled."""
        with self._reduced(latent):
            mel: Tensor = self._mel_decoder(latent.transpose(1, 2), None)[0]
        return mel

    def spectra(self, latent: Tensor, history: History | None = None, first: int | Tensor = 0) -> Spectra:
        """Of latents [b, latent, n] before they are scaled.

        Args:
            history: of a causal stream; replaced.
            first: frame of the fixed noise at which it begins, of all or of each [b].
        """
        with self._reduced(latent):
            mel, features = self._mel_decoder(latent.transpose(1, 2), history)
            more, turns = self._spectrum_decoder(mel, features, history)
        wanted = unscaled(mel)
        log_magnitudes = self.mel.smooth_inverse(wanted) + more
        for _ in range(_CORRECTIONS):  # of magnitudes whose mel bins are not those beside them
            ratio = wanted / self.mel(log_magnitudes.exp()).clamp(min=1e-9)
            log_magnitudes = log_magnitudes + ratio.log() @ self.mel.shares
        begin = torch.as_tensor(first, device=mel.device).reshape(-1, 1)
        frames = (begin + torch.arange(mel.shape[1], device=mel.device)) % _NOISE_FRAMES
        return Spectra(mel, log_magnitudes, turns, frames)

    def complex(self, made: Spectra) -> Tensor:
        """Complex spectra [b, t, w / 2 + 1]."""
        turned = made.turns + self.noise[made.frames]
        real, imaginary = turned[:, :, 0], turned[:, :, 1]
        factor = made.log_magnitudes.exp() * torch.rsqrt(real.square() + imaginary.square() + 1e-12)
        return torch.complex(factor * real, factor * imaginary)

    def sound_of(self, spectra: Tensor, level: Tensor) -> Tensor:
        """Sounds [b, n] of complex spectra at unit level."""
        content = synthesised(spectra, self.window, self.config.hop)
        return content * gains(level, self.config.samples) if self.config.level else content

    def decode(self, coded: Coded, rounds: int | None = None) -> Tensor:
        """Sounds [b, n] of codes.

        Args:
            rounds: of refinement, in place of the configuration's; a causal decoder has none, because they look ahead.
        """
        spectra = self.complex(self.spectra(coded.content * self.scale + self.shift))
        count = 0 if self.config.causal else self.config.rounds if rounds is None else rounds
        if count:
            spectra = refined(spectra, self.window, self.config.hop, count)
        return self.sound_of(spectra, coded.level)

    @torch.no_grad()
    def changes(self, latent: Tensor, step: float = 0.5) -> Tensor:
        """By how much the log mel spectrogram changes with each channel of latents [b, latent, n]: [latent], rms."""
        latent = latent * self.scale + self.shift
        before = self.decoded_mel(latent)
        signs = torch.ones(latent.shape[-1], device=latent.device)
        signs[1::2] = -1.0  # frames apart: a channel may tell of what changes
        found = []
        for channel, scale in enumerate(self.scale[:, 0]):
            moved = latent.clone()
            moved[:, channel] += step * scale * signs
            found.append((self.decoded_mel(moved) - before).square().mean().sqrt() / step)
        return torch.stack(found)

    def _reduced(self, like: Tensor) -> torch.autocast:
        """Matrix products at bfloat16 in training: four times as fast where the processor has them."""
        return torch.autocast(like.device.type, torch.bfloat16, enabled=self.training)

    # ---- before and after training ---------------------------------------------------------------------------
    @torch.no_grad()
    def set_components(self, contents: Tensor) -> None:
        """Let the straight line between spectrogram and latent be the principal components of contents [b, n]."""
        mels = self.mels(contents)
        blocks = mels.reshape(-1, STRIDE * mels.shape[-1])
        mean = blocks.mean(dim=0)
        centred = blocks - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / max(len(blocks) - 1, 1))
        order = torch.arange(len(values) - 1, len(values) - 1 - self.config.latent, -1)
        spread, axes = values[order].clamp(min=1e-8).sqrt(), vectors[:, order]  # [latent], [4 * bins, latent]
        self._encoder.straight.weight.copy_((axes / spread).T)
        self._encoder.straight.bias.copy_(-(mean @ (axes / spread)))
        self._mel_decoder.straight.weight.copy_(axes * spread)
        self._mel_decoder.straight.bias.copy_(mean)

    @torch.no_grad()
    def set_scale(self, contents: Tensor) -> None:
        """Take shift and scale from contents [b, n], so that latents have mean 0 and spread 1."""
        means = torch.cat([self.posterior(part)[0] for part in torch.split(contents, 16)])
        self.shift.copy_(means.mean(dim=(0, 2))[:, None])
        self.scale.copy_(means.std(dim=(0, 2)).clamp(min=1e-4)[:, None])


class _Encoder(nn.Module):
    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        fine, wide = config.fine_width, config.width
        self.straight = nn.Linear(STRIDE * config.bins, config.latent)
        self._begin = nn.Linear(config.bins + FINE_LEVELS, fine)
        self._fine = Block(fine, config.fine_hidden, config.fine_kernel, False)
        self._slower = nn.Linear(STRIDE * fine, wide)
        self._coarse = _blocks(config, False)
        self._norm = nn.LayerNorm(wide, eps=1e-6)
        self._end = nn.Linear(wide, 2 * config.latent)
        nn.init.zeros_(self._end.weight)
        nn.init.zeros_(self._end.bias)

    def forward(self, mel: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """[b, 4 n, bins], [b, 4 n, 16] -> mean and logarithm of the variance [b, n, latent]."""
        x = self._slower(_joined(self._fine(self._begin(torch.cat([mel, fine], dim=-1)))))
        for block in self._coarse:
            x = block(x)
        mean, log_variance = self._end(self._norm(x)).float().chunk(2, dim=-1)
        with torch.autocast(mel.device.type, enabled=False):
            straight = self.straight(_joined(mel))
        return straight + mean, (log_variance + _LOG_VARIANCE).clamp(-20.0, 10.0)


class _MelDecoder(nn.Module):
    """At 31.25 Hz: what is heard."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self._bins = config.bins
        self.straight = nn.Linear(config.latent, STRIDE * config.bins)
        self._begin = nn.Linear(config.latent, config.width)
        self._coarse = _blocks(config, config.causal)
        self._norm = nn.LayerNorm(config.width, eps=1e-6)
        self._end = nn.Linear(config.width, STRIDE * config.bins)
        nn.init.zeros_(self._end.weight)
        nn.init.zeros_(self._end.bias)

    def forward(self, latent: Tensor, history: History | None) -> tuple[Tensor, Tensor]:
        """[b, n, latent] -> mel [b, 4 n, bins] and features [b, n, width]."""
        x = self._begin(latent)
        for block in self._coarse:
            x = block(x, history)
        x = self._norm(x)
        with torch.autocast(latent.device.type, enabled=False):
            straight = self.straight(latent)
        mel = (straight + self._end(x).float()).reshape(len(latent), -1, self._bins)
        return mel.clamp(-1.5, 3.0), x


class _SpectrumDecoder(nn.Module):
    """At 125 Hz: each bin's magnitude and phase."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width, self._bins = config.fine_width, config.window // 2 + 1
        self._width = width
        self._seen = nn.Linear(config.bins, width)
        self._faster = nn.Linear(config.width, STRIDE * width)
        self._fine = nn.ModuleList(
            Block(width, config.fine_hidden, config.fine_kernel, config.causal)
            for _ in range(config.fine_blocks)
        )
        self._norm = nn.LayerNorm(width, eps=1e-6)
        self._end = nn.Linear(width, 3 * self._bins)
        nn.init.zeros_(self._end.weight)
        nn.init.zeros_(self._end.bias)

    def forward(self, mel: Tensor, features: Tensor, history: History | None) -> tuple[Tensor, Tensor]:
        """What is added to log magnitudes [b, t, bins] and to phases [b, t, 2, bins]."""
        x = self._seen(mel) + self._faster(features).reshape(len(mel), -1, self._width)
        for block in self._fine:
            x = block(x, history)
        more, turns = self._end(self._norm(x)).float().split([self._bins, 2 * self._bins], dim=-1)
        return more.clamp(-4.0, 4.0), turns.unflatten(-1, (2, self._bins))


def _blocks(config: CodecConfig, causal: bool) -> nn.ModuleList:
    return nn.ModuleList(
        Block(config.width, config.hidden, config.kernel, causal) for _ in range(config.blocks)
    )


def _joined(x: Tensor) -> Tensor:
    """[b, 4 n, c] -> [b, n, 4 c]."""
    return x.reshape(len(x), -1, STRIDE * x.shape[-1])


def _noise_phases(config: CodecConfig) -> Tensor:
    """Of white noise that repeats itself: [1024, 2, w / 2 + 1] real and imaginary part, of unit size."""
    generator = np.random.default_rng(0)
    sound = torch.from_numpy(generator.standard_normal(_NOISE_FRAMES * config.hop).astype(np.float32))
    margin = (config.window - config.hop) // 2
    around = torch.cat([sound[-margin:], sound, sound[:margin]])[None]
    spectra = torch.stft(
        around,
        config.window,
        config.hop,
        window=torch.hann_window(config.window),
        center=False,
        return_complex=True,
    )[0].T
    unit = spectra / spectra.abs().clamp(min=1e-12)
    return torch.stack([unit.real, unit.imag], dim=1)
