"""The sound of a motion while it goes on: a window of the latent that slides, and 100 ms of sound from each place.

    what is known of the window --> few steps of the flow --> latent --> spectra --> chunk
                 past frames as they were heard ^           past spectra as they were heard ^

A chunk is heard once and never changed. Of the next window the frames before it are fixed, in the flow (see
`sample_latent`) as in the phases, and samples are sums of overlapping frames, each of which is fixed when the first
sample that it reaches is heard: so chunks join as if they had been made at once. Frames behind the chunk are made
too, because field and decoder look ahead, and are made anew with the next window, of the same noise.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from numpy.typing import NDArray

from foley_synthesis.flow.codec.config import STRIDE
from foley_synthesis.flow.codec.level import gains
from foley_synthesis.flow.codec.spectrum import overlapped, refined, windowed
from foley_synthesis.flow.contact.batches import left_out, null_given
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.sampling import sample_latent
from foley_synthesis.flow.networks.contact_field import CONDITIONS, ContactCondition

CHUNK_S = 0.1


@dataclasses.dataclass(frozen=True)
class WindowConfig:
    """What of the latent (frames of 32 ms) is looked at for a chunk.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    past: int = 12  # before the chunk, at most: what was heard
    ahead: int = 8  # behind it
    margin: int = 8  # of motion beyond both ends: a frame sees 0.23 s of it to each side

    def __post_init__(self) -> None:
        # The first frames of a spectrogram that reach a chunk, and its level, are of up to three frames before it.
        for name, least in (("past", 4), ("ahead", 0), ("margin", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least {least}")


class ContactStream:
    """Sound from a moment on, chunk by chunk.

    Args:
        model: whose own sampling says how many steps it takes.
        seed: of the noise; a frame begins with the same noise whatever the window is.
    """

    def __init__(self, model: ContactFlowModel, *, seed: int = 1, window: WindowConfig | None = None) -> None:
        self._model, self._window = model, window or WindowConfig()
        self._generator = torch.Generator().manual_seed(seed)
        self._chunk = 0
        latent, codec = model.field.config.latent, model.codec
        # Each begins at `_kept`, the first frame of the newest window.
        self._kept = 0
        self._noise = torch.zeros(1, latent, 0)
        self._heard = torch.zeros(1, latent, 0)  # at unit variance
        self._made = torch.zeros(1, latent, 0)  # the newest window, of which the rest is made anew
        self._spectra = torch.zeros(1, 0, codec.config.window // 2 + 1, dtype=torch.complex64)

    @property
    def rate(self) -> int:
        """[Hz]."""
        return self._model.codec.config.rate

    @property
    def chunk_samples(self) -> int:
        """Of every chunk."""
        return round(CHUNK_S * self.rate)

    @property
    def begin_s(self) -> float:
        """Of the next chunk, from the stream's beginning."""
        return self._chunk * self.chunk_samples / self.rate

    @property
    def frames(self) -> tuple[int, int]:
        """Of the latent: the first of the next window and the one behind its last."""
        first, last = self._heard_frames, self._needed_frames
        return max(first - self._window.past, 0), last + self._window.ahead

    @property
    def rows(self) -> tuple[int, int]:
        """Of motion at 125 Hz that the next window is told of, with margins; negative before the beginning."""
        first, last = self.frames
        return STRIDE * (first - self._window.margin), STRIDE * (last + self._window.margin)

    @property
    def _heard_frames(self) -> int:
        return self._kept + self._heard.shape[-1]

    @property
    def _needed_spectra(self) -> int:
        """Frames of the spectrogram that reach the last sample of the next chunk, or one before."""
        config = self._model.codec.config
        last = (self._chunk + 1) * self.chunk_samples + (config.window - config.hop) // 2
        return math.ceil(last / config.hop)

    @property
    def _needed_frames(self) -> int:
        return math.ceil(self._needed_spectra / STRIDE)

    def next(self, known: ContactCondition) -> NDArray[np.float32]:
        """The next 100 ms.

        Args:
            known: of a batch of 1, of the motion of :attr:`rows`.

        Raises:
            ValueError: it is of another length.
        """
        self.sample(known)
        return self.decode()

    @torch.no_grad()
    def sample(self, known: ContactCondition) -> None:
        """First half of `next`: the latent of the window."""
        (first, last), (begin, end) = self.frames, self.rows
        if known.motion.shape[1] != end - begin:
            raise ValueError(f"motion has {known.motion.shape[1]} rows, the window needs {end - begin}")
        self._forget(first)
        missing = last - first - self._noise.shape[-1]
        if missing > 0:
            # One frame after the other, so that noise does not depend on how long windows are.
            drawn = [torch.randn(1, self._noise.shape[1], generator=self._generator) for _ in range(missing)]
            self._noise = torch.cat([self._noise, torch.stack(drawn, dim=-1)], dim=-1)
        model, inner = self._model, slice(self._window.margin, self._window.margin + last - first)
        given = left_out(torch.ones(1, len(CONDITIONS)), model.without)
        condition = model.field.condition(known, given)[:, inner]
        null = None
        if model.sampling.guidance != 1.0:
            null = model.field.condition(known, null_given(given))[:, inner]
        noise = self._noise[..., : last - first]
        self._made = sample_latent(model.field, noise, condition, null, model.sampling, self._heard)
        self._heard = self._made[..., : self._needed_frames - first]

    @torch.no_grad()
    def decode(self) -> NDArray[np.float32]:
        """Second half of `next`: the chunk that the window is of."""
        codec, config = self._model.codec, self._model.codec.config
        hop, margin = config.hop, (config.window - config.hop) // 2
        latent = self._model.field.restore(self._made)
        content, level = latent[:, :-1], latent[:, -1:]
        predicted = codec.spectra(content * codec.scale + codec.shift, first=STRIDE * self._kept)
        made = codec.complex(predicted)
        made = refined(made, codec.window, hop, 0 if config.causal else config.rounds, self._spectra)
        self._spectra = made[:, : self._needed_spectra - STRIDE * self._kept]
        begin = self._chunk * self.chunk_samples
        # Frames that reach a sample of the chunk, and where the first of them begins.
        first = max((begin + margin - config.window) // hop + 1, 0)
        frames = self._spectra[:, first - STRIDE * self._kept :]
        total = overlapped(windowed(frames, codec.window), hop)
        weight = overlapped(codec.window.square().expand(1, frames.shape[1], config.window), hop)
        inside = slice(begin - first * hop + margin, begin - first * hop + margin + self.chunk_samples)
        sound = total[:, inside] / weight[:, inside].clamp(min=1e-3)
        if config.level:
            line = gains(level, config.samples)
            offset = begin - self._kept * config.samples
            sound = sound * line[:, offset : offset + self.chunk_samples]
        self._chunk += 1
        return np.asarray(sound[0].numpy(), np.float32)

    def _forget(self, first: int) -> None:
        """What lies before a frame of the latent."""
        frames = first - self._kept
        self._noise, self._heard = self._noise[..., frames:], self._heard[..., frames:]
        self._spectra = self._spectra[:, STRIDE * frames :]
        self._kept = first
