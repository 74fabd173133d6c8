"""From the sound of a contact to what the touched thing is made of."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_perception.clips.grid import CLIP_S
from foley_synthesis.beliefs.belief import MaterialBelief, unknown_belief
from foley_synthesis.checkpoint import Checkpoint, Vocabulary, load_checkpoint

SILENCE_DBFS = -80.0  # peak below which a recording holds nothing
_LEAST_RISE_DB = 4.0  # of the contact above what was heard just before it
_CLIPPED_SHARE = 0.002  # of the samples at full scale, above which the spectrum is not to be trusted
_FULL_SCALE = 0.999


class HeardModel:
    """Material, hardness, roughness and hollowness from heard audio."""

    vocabulary: Vocabulary
    model_id: str
    domain: str  # `sim` or `real`

    def __init__(self, checkpoint: Checkpoint, *, threads: int = 1) -> None:
        from foley_synthesis.hearing.inference.loaded import open_hearing

        self._loaded = open_hearing(checkpoint, threads)
        self._cochlea = self._loaded.front_end.cochlea
        self._onset_s = self._loaded.front_end.onset_s  # of the contact in a clip
        self.vocabulary = checkpoint.vocabulary
        self.model_id = checkpoint.model_id
        self.domain = checkpoint.domain

    @classmethod
    def load(cls, path: str | Path | None = None, *, threads: int = 1) -> HeardModel:
        """From a checkpoint folder; None means the one that ships. Raises CorruptCheckpoint."""
        return cls(load_checkpoint(path), threads=threads)

    def warm_up(self) -> None:
        """One throw-away prediction, so that the first real one is as fast as the rest."""
        noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.01
        noise[12_000:] *= 10.0
        self.predict(noise, 48_000)

    def predict(
        self,
        samples: NDArray[np.float32],  # [n] mono, in [-1, 1], holding one contact; 1 s around it is best
        sample_rate: int,
        *,
        onset_s: float | None = None,  # of the contact within `samples`; None: the clearest one is searched
    ) -> MaterialBelief:
        """Silence, clipping and doubt lead to `abstain` with a reason, never to an exception.

        Raises:
            ValueError: samples are not one-dimensional or not finite, or the rate is not positive.
        """
        if samples.ndim != 1:
            raise ValueError(f"samples have shape {samples.shape}, must be one channel [n]")
        if sample_rate <= 0:
            raise ValueError(f"sample_rate is {sample_rate}, must be positive")
        if not np.isfinite(samples).all():
            raise ValueError("samples hold NaN or infinity")
        peak = float(np.abs(samples).max(initial=0.0))
        if 20.0 * math.log10(max(peak, 1e-12)) < SILENCE_DBFS:
            return unknown_belief(
                self.vocabulary.labels, f"silence: the peak is below {SILENCE_DBFS:.0f} dBFS"
            )
        clipped = float((np.abs(samples) >= _FULL_SCALE).mean())
        audio = resampled(samples, sample_rate, self._cochlea.sample_rate)
        at = onset_s if onset_s is not None else self._search_onset(audio)
        clip, real = self._clip_around(audio, at)
        if real < 0.25:
            return unknown_belief(self.vocabulary.labels, "less than 0.25 s of sound from the onset on")
        belief = self._belief(clip)
        rise = self._rise_db(clip)
        if clipped > _CLIPPED_SHARE:
            return belief.abstaining(f"clipped: {100 * clipped:.1f} % of the samples are at full scale")
        if rise < _LEAST_RISE_DB:
            return belief.abstaining(f"no contact stands out: {rise:.1f} dB above what was heard before it")
        return belief

    def _belief(self, clip: NDArray[np.float32]) -> MaterialBelief:
        import torch

        from foley_synthesis.beliefs.decode import belief_of
        from foley_synthesis.hearing.networks.heard_net import peak_normalised

        config = self._loaded.config
        begin = int(self._onset_s * self._cochlea.rate_hz) - config.before
        window = self._cochlea(clip)[begin : begin + config.frames]
        with torch.inference_mode():
            output = self._loaded.network(peak_normalised(torch.from_numpy(window)[None]))
        return belief_of(output, self._loaded.calibration, self.vocabulary.labels)

    def _search_onset(self, audio: NDArray[np.float32]) -> float:
        from foley_perception.audio.cochleagram_onset import onset_frame

        cochlea = self._cochlea
        frames = cochlea(audio)
        nominal = min(self._onset_s, 0.25 * len(audio) / cochlea.sample_rate) * cochlea.rate_hz
        return onset_frame(frames, nominal) / cochlea.rate_hz

    def _clip_around(self, audio: NDArray[np.float32], onset_s: float) -> tuple[NDArray[np.float32], float]:
        """1 s with the onset where training had it, zeros where nothing was heard; seconds heard from the onset."""
        rate = self._cochlea.sample_rate
        length = round(CLIP_S * rate)
        begin = round((onset_s - self._onset_s) * rate)
        clip = np.zeros(length, np.float32)
        first, last = max(begin, 0), min(begin + length, len(audio))
        if last > first:
            clip[first - begin : last - begin] = audio[first:last]
        return clip, max(0.0, last / rate - onset_s)

    def _rise_db(self, clip: NDArray[np.float32]) -> float:
        rate = self._cochlea.sample_rate
        onset = round(self._onset_s * rate)
        before = clip[: onset - rate // 100]
        before = before[before != 0.0]
        after = clip[onset - rate // 200 : onset + rate // 2]
        hop = rate // 50
        levels = np.square(after[: len(after) // hop * hop]).reshape(-1, hop).mean(axis=1)
        floor = float(np.square(before).mean()) if len(before) > hop else 0.0
        return 10.0 * math.log10(max(float(levels.max(initial=0.0)), 1e-20) / max(floor, 1e-14))
