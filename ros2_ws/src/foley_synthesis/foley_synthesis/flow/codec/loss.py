"""What a codec is trained against: spectra at several resolutions, mel bins, and the shape of onsets.

Errors of bins that stand out of the sound's own noise floor count more: noise is not what a listener asks about, and no
two sounds share it.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from foley_synthesis.flow.codec.config import FRAME_RATE, CodecTrainConfig
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.codec.spectrum import FLOOR, analysed, scaled

_FOREGROUND = 10**0.5  # 10 dB, of magnitudes
_AROUND_S = 0.03  # of an onset
_RISE_DB = 6.0
RESOLUTIONS = (0.25, 0.5, 2.0, 4.0)
"""Windows beside the codec's own, over it: 128, 256, 1024 and 2048 samples at 16 kHz."""


@dataclasses.dataclass(frozen=True, eq=False)
class Losses:
    """Terms of the loss, each a mean over a batch."""

    spectrum: Tensor  # of sound, log magnitudes [nepers]
    mel: Tensor  # of sound and of the spectrogram beside it, scaled
    magnitude: Tensor  # before it is sound, log magnitudes [nepers]
    onset: Tensor  # complex, over the size of the true one
    divergence: Tensor  # Kullback and Leibler's, of a latent value

    def total(self, config: CodecTrainConfig) -> Tensor:
        """As a training weights them."""
        return (
            self.spectrum
            + 10.0 * config.mel_weight * self.mel
            + config.magnitude_weight * self.magnitude
            + config.onset_weight * self.onset
            + config.kl_weight * self.divergence
        )


def codec_losses(
    codec: Codec,
    sound: Tensor,
    floor: Tensor,
    config: CodecTrainConfig,
    generator: torch.Generator | None = None,
    *,
    hear: bool = True,
) -> Losses:
    """Of sounds [b, n] and the noise floor [b, bins] of each, in mel magnitudes.

    Only the first ``config.heard`` of them are made into sound; one further resolution is drawn for each call.

    Args:
        hear: whether any is; else all terms but those of the mel spectrogram and the latent are 0.
    """
    hop, window, count = codec.config.hop, codec.window, min(config.heard, len(sound))
    content, level = codec.split(sound)
    own = analysed(content, window, hop).abs()
    own_mel = scaled(codec.mel(own))
    mean, log_variance = codec.posterior(content, own_mel)
    latent = mean + torch.randn(mean.shape, generator=generator).to(mean) * (0.5 * log_variance).exp()
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()

    true = analysed(sound, window, hop).abs()
    true_mel = codec.mel(true)
    weight = 1.0 + (config.foreground_weight - 1.0) * (true_mel > _FOREGROUND * floor[:, None]).to(sound)
    if not hear:
        mel = _mean((codec.decoded_mel(latent) - own_mel).abs(), weight)
        none = mel.new_zeros(())
        return Losses(none, mel, none, none, divergence)
    resolution = RESOLUTIONS[int(torch.randint(len(RESOLUTIONS), (), generator=generator))]
    first = torch.randint(1024, (len(sound),), generator=generator)
    made = codec.spectra(latent[:count], first=first[:count])
    content_mel = codec.decoded_mel(latent[count:])
    mel = _mean((torch.cat([made.mel, content_mel]) - own_mel).abs(), weight)
    true, true_mel, own, weight, floor = (x[:count] for x in (true, true_mel, own, weight, floor))
    noise_floor = codec.mel.smooth_inverse(floor).exp()[:, None]  # [b, 1, w / 2 + 1]
    # Magnitudes are at unit level, and so must be what is quiet in them.
    strength = 1.0 + (config.foreground_weight - 1.0) * (true > _FOREGROUND * noise_floor).to(sound)
    least = (
        0.3 * noise_floor * own.sum(-1, keepdim=True) / true.sum(-1, keepdim=True).clamp(min=FLOOR) + FLOOR
    )
    magnitude = _mean(((made.log_magnitudes.exp() + least).log() - (own + least).log()).abs(), strength)

    heard = codec.sound_of(codec.complex(made), level[:count])
    spectra = analysed(heard, window, hop)
    sizes = spectra.abs()
    mel = 0.5 * (mel + _mean((scaled(codec.mel(sizes)) - scaled(true_mel)).abs(), weight))
    least = 0.3 * noise_floor + FLOOR
    spectrum = _mean(((sizes + least).log() - (true + least).log()).abs(), strength)
    other, other_true, ratio = _at(resolution, codec, heard, sound[:count])
    other_floor = torch.nn.functional.interpolate(noise_floor, other.shape[-1], mode="linear") * ratio
    strength = 1.0 + (config.foreground_weight - 1.0) * (other_true > _FOREGROUND * other_floor).to(sound)
    least = 0.3 * other_floor + FLOOR
    spectrum = 0.5 * (spectrum + _mean(((other + least).log() - (other_true + least).log()).abs(), strength))
    return Losses(spectrum, mel, magnitude, _onset(codec, heard, sound[:count]), divergence)


def _at(resolution: float, codec: Codec, made: Tensor, true: Tensor) -> tuple[Tensor, Tensor, float]:
    """Magnitudes of both through another window, and how much higher noise stands there."""
    size = round(codec.config.window * resolution)
    window = torch.hann_window(size, device=made.device)
    hop = size // 4
    return analysed(made, window, hop).abs(), analysed(true, window, hop).abs(), resolution**0.5


def _onset(codec: Codec, made: Tensor, true: Tensor) -> Tensor:
    """Distance of complex spectra, windows of 16 ms, around what rises quickly, over the size of the true ones."""
    size = codec.config.window // 2
    window, hop = torch.hann_window(size, device=true.device), size // 4
    near = near_onsets(true, codec.config.rate, hop)[..., None]
    a, b = (torch.view_as_real(analysed(sound, window, hop)) for sound in (made, true))
    size_of = (b.norm(dim=-1) * near).sum(dim=(1, 2)) + FLOOR
    # The root's slope has no bound at 0.
    apart = (((a - b).square().sum(dim=-1) + FLOOR**2).sqrt() * near).sum(dim=(1, 2)) / size_of
    there = near.any(dim=1)[:, 0].to(apart)
    return torch.as_tensor((apart.clamp(max=10.0) * there).sum() / there.sum().clamp(min=1.0))


def near_onsets(sound: Tensor, rate: int, hop: int) -> Tensor:
    """Which hops [b, n / hop] of sounds [b, n] are within 30 ms of a rise by 6 dB within 20 ms."""
    piece = rate // FRAME_RATE // 4  # 2 ms
    power = sound.square().reshape(len(sound), 1, -1, piece).mean(dim=-1)
    db = 10.0 * (power + 1e-10).log10()
    before = torch.nn.functional.max_pool1d(torch.nn.functional.pad(db, (10, 0), mode="replicate"), 10, 1)[
        ..., :-1
    ]
    rises = (db - before > _RISE_DB).to(sound)
    reach = round(_AROUND_S * rate / piece)
    near = torch.nn.functional.max_pool1d(rises, 2 * reach + 1, 1, reach)
    near = torch.nn.functional.interpolate(near, sound.shape[-1] // hop, mode="nearest")
    return torch.as_tensor(near[:, 0] > 0)


def _mean(error: Tensor, weight: Tensor) -> Tensor:
    return (error * weight).sum() / weight.sum()
