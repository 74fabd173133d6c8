"""Mel spectrograms to a small latent and back: what the flow works in (Frieren, Wang et al. 2024, section 3.2)."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from foley_synthesis.flow.networks.mel import BINS

STRIDE = 2
"""Frames of the spectrogram to one of the latent: 62.5 Hz to 31.25 Hz."""


@dataclasses.dataclass(frozen=True)
class AutoencoderConfig:
    """Its size."""

    latent: int = 20
    width: int = 192
    blocks: int = 2  # on each side of the change of rate
    kernel: int = 5
    kl_weight: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("latent", "width", "blocks", "kernel"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}, must be odd")


SIZES = {
    "paper": AutoencoderConfig(width=384),
    "small": AutoencoderConfig(),
    "tiny": AutoencoderConfig(width=48, blocks=1),
}
"""Those that go with the fields of the same name."""


class MelAutoencoder(nn.Module):
    """A variational autoencoder along time, whose channels are the mel bins."""

    shift: Tensor
    scale: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        width, kernel = config.width, config.kernel
        half = kernel // 2

        def blocks() -> list[nn.Module]:
            return [_Block(width, kernel) for _ in range(config.blocks)]

        self._encoder = nn.Sequential(
            nn.Conv1d(BINS, width, kernel, padding=half),
            *blocks(),
            nn.Conv1d(width, width, 2 * STRIDE, STRIDE, padding=STRIDE // 2),
            *blocks(),
            nn.Conv1d(width, 2 * config.latent, kernel, padding=half),
        )
        self._decoder = nn.Sequential(
            nn.Conv1d(config.latent, width, kernel, padding=half),
            *blocks(),
            nn.ConvTranspose1d(width, width, 2 * STRIDE, STRIDE, padding=STRIDE // 2),
            *blocks(),
            nn.Conv1d(width, BINS, kernel, padding=half),
        )
        self.register_buffer("shift", torch.zeros(config.latent, 1))
        self.register_buffer("scale", torch.ones(config.latent, 1))

    def posterior(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """[b, 80, n] -> mean and logarithm of the variance [b, latent, n / 2], before they are scaled."""
        mean, log_variance = self._encoder(mel).chunk(2, dim=1)
        return mean, log_variance.clamp(-20.0, 10.0)

    def loss(self, mel: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The mean error of a bin and the Kullback-Leibler divergence of a latent value, of [b, 80, n]."""
        mean, log_variance = self.posterior(mel)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        made = self._decoder(mean + noise * (0.5 * log_variance).exp())
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
        return (made - mel).abs().mean(), divergence

    @torch.no_grad()
    def set_scale(self, mels: Tensor) -> None:
        """Take shift and scale from training spectrograms [n, 80, t], so that latents have mean 0 and spread 1."""
        mean = torch.cat([self.posterior(part)[0] for part in torch.split(mels, 16)])
        self.shift.copy_(mean.mean(dim=(0, 2))[:, None])
        self.scale.copy_(mean.std(dim=(0, 2)).clamp(min=1e-4)[:, None])

    def encode(self, mel: Tensor) -> Tensor:
        """[b, 80, n] -> the most likely latent [b, latent, n / 2] of unit variance."""
        return (self.posterior(mel)[0] - self.shift) / self.scale

    def decode(self, latent: Tensor) -> Tensor:
        """[b, latent, n] -> [b, 80, 2 n]."""
        mel: Tensor = self._decoder(latent * self.scale + self.shift)
        return mel


class _Block(nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self._layers = nn.Sequential(
            nn.GroupNorm(8 if width % 8 == 0 else 1, width),
            nn.SiLU(),
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.SiLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self._layers(x)
        return changed
