"""A causal codec's sound as its latents come in: the same samples as decoding all of them at once."""

from __future__ import annotations

import torch
from torch import Tensor

from foley_synthesis.flow.codec.layers import History
from foley_synthesis.flow.codec.level import gains
from foley_synthesis.flow.codec.network import Codec, Coded
from foley_synthesis.flow.codec.spectrum import overlapped, windowed


class CodecStream:
    """Decodes latents piece by piece.

    A sample is told once the last frame that reaches it is there. Its sound is behind its latents by `delay` samples,
    12 ms, beside the 32 ms that a latent frame lasts: a chunk of 100 ms needs four latent frames, 128 ms.
    """

    def __init__(self, codec: Codec, batch: int = 1) -> None:
        """Raises ValueError where the decoder is not causal."""
        config = codec.config
        if not config.causal:
            raise ValueError("this codec's decoder looks ahead; train one with `foley codec train --causal`")
        self._codec, self._history = codec.eval(), History()
        self._frames = 0
        rest = config.window - config.hop
        self._rest = codec.window.new_zeros(batch, rest)  # what frames so far give to samples that wait
        self._weight = codec.window.new_zeros(1, rest)
        self._gains = codec.window.new_zeros(batch, 0)  # of samples that wait
        self._before: Tensor | None = None  # level at the end of the last latent frame
        self._skip = self.delay

    @property
    def delay(self) -> int:
        """Samples by which the sound is behind."""
        return (self._codec.config.window - self._codec.config.hop) // 2

    @torch.inference_mode()
    def feed(self, coded: Coded) -> Tensor:
        """The sound [b, m] that is complete with the next latents; `delay` samples less at the first call."""
        codec, config = self._codec, self._codec.config
        made = codec.spectra(
            coded.content * codec.scale + codec.shift, self._history, torch.tensor(self._frames)
        )
        count = made.mel.shape[1]
        self._frames += count
        total = overlapped(windowed(codec.complex(made), codec.window), config.hop)
        weight = overlapped(codec.window.square().expand(1, count, config.window), config.hop)
        rest, ready = self._rest.shape[1], count * config.hop
        total[:, :rest] += self._rest
        weight[:, :rest] += self._weight
        self._rest, self._weight = total[:, ready:], weight[:, ready:]
        if config.level:
            line = gains(coded.level, config.samples, self._before)
            self._before = coded.level[..., -1:]
        else:
            line = total.new_ones(len(total), ready)
        self._gains = torch.cat([self._gains, line], dim=1)
        return self._told(total[:, :ready], weight[:, :ready])

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """The last `delay` samples, when no more latents come."""
        return self._told(self._rest[:, : self.delay], self._weight[:, : self.delay])

    def _told(self, total: Tensor, weight: Tensor) -> Tensor:
        skip = min(self._skip, total.shape[1])  # before the first sample
        self._skip -= skip
        sound = total[:, skip:] / weight[:, skip:].clamp(min=1e-3)
        line, self._gains = self._gains[:, : sound.shape[1]], self._gains[:, sound.shape[1] :]
        return sound * line
