"""From predicted sound features to a waveform, by one of the two ways of VIS, section 5."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.vis.inference.loaded import Session
from foley_synthesis.vis.networks.decoding import DecodedSounds, loudness
from foley_synthesis.vis.synthesis.exemplar import ExemplarBank
from foley_synthesis.vis.synthesis.parametric import parametric_waveform

SYNTHESES = ("example", "parametric")


@dataclasses.dataclass(frozen=True, eq=False)
class SynthesisedSound:
    """A waveform and where it came from."""

    waveform: NDArray[np.float32]  # [48000] at 48 kHz
    onset_s: float  # of the contact within it
    exemplar_id: str  # empty for parametric synthesis
    distance: float  # mean L1 of the features to the exemplar's; NaN for parametric synthesis


class Synthesiser:
    """Example-based or parametric synthesis for one checkpoint."""

    def __init__(self, session: Session, synthesis: str, *, match_level: bool = True) -> None:
        if synthesis not in SYNTHESES:
            raise ValueError(f"synthesis is `{synthesis}`, known are {', '.join(SYNTHESES)}")
        self._session = session
        self._match_level = match_level
        self._nominal = session.onset_s * session.cochlea.rate_hz
        self._bank: ExemplarBank | None = None
        if synthesis == "example":
            self._bank = ExemplarBank(
                session.checkpoint.exemplars,
                onset_frame=self._nominal,
                rate_hz=session.cochlea.rate_hz,
                sample_rate=session.cochlea.sample_rate,
            )

    def __call__(self, sounds: DecodedSounds, row: int) -> SynthesisedSound:
        """Of one of the sounds that were predicted."""
        s = self._session
        onset, cochleagram = float(sounds.onset[row]), sounds.frames[row]
        if self._bank is None:
            samples = round(len(cochleagram) / s.cochlea.rate_hz * s.cochlea.sample_rate)
            waveform = parametric_waveform(cochleagram, samples, s.cochlea)
            return SynthesisedSound(waveform, onset / s.cochlea.rate_hz, "", math.nan)
        match = self._bank.nearest(sounds.keys[row], onset, aligned=sounds.aligned)
        exemplars = self._bank.exemplars
        gain = self._gain(match.index, sounds, row) if self._match_level else 1.0
        onset_s = (self._nominal + match.shift) / s.cochlea.rate_hz
        return SynthesisedSound(
            self._bank.waveform(match, gain), onset_s, exemplars.clip_ids[match.index], match.distance
        )

    def _gain(self, index: int, sounds: DecodedSounds, row: int) -> float:
        """That brings an exemplar to the predicted level: its loudest frame where that is predicted, else its mean."""
        s, exemplars = self._session, self._session.checkpoint.exemplars
        if sounds.level_db is not None:
            real_db = float(loudness(s.cochlea(exemplars.audio[index])[None])[0])
            return float(10.0 ** ((float(sounds.level_db[row]) - real_db) / 20.0))
        real = s.pca.decode(exemplars.features[index])
        means = float(sounds.frames[row].mean()), max(float(real.mean()), 1e-6)
        return float((means[0] / means[1]) ** (1.0 / s.cochlea.exponent))
