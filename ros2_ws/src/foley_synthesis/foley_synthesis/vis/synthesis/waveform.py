"""From predicted sound features to a waveform, by one of the two ways of VIS, section 5."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.vis.inference.loaded import Session
from foley_synthesis.vis.networks.decoding import loudness
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

    def __call__(
        self,
        features: NDArray[np.float32],
        cochleagram: NDArray[np.float32],
        onset: float,
        *,
        aligned: bool = False,
    ) -> SynthesisedSound:
        """From features [t, components], a cochleagram [t, channels] and the frame of its onset.

        Args:
            aligned: the features have unit level, and their onset lies where a clip's contact does.
        """
        s = self._session
        if self._bank is None:
            samples = round(len(cochleagram) / s.cochlea.rate_hz * s.cochlea.sample_rate)
            waveform = parametric_waveform(cochleagram, samples, s.cochlea)
            return SynthesisedSound(waveform, onset / s.cochlea.rate_hz, "", math.nan)
        match = self._bank.nearest(features, onset, aligned=aligned)
        exemplars = self._bank.exemplars
        gain = self._gain(match.index, cochleagram, aligned) if self._match_level else 1.0
        onset_s = (self._nominal + match.shift) / s.cochlea.rate_hz
        return SynthesisedSound(
            self._bank.waveform(match, gain), onset_s, exemplars.clip_ids[match.index], match.distance
        )

    def _gain(self, index: int, cochleagram: NDArray[np.float32], aligned: bool) -> float:
        """That brings an exemplar to the predicted level: its loudest frame where that is predicted, else its mean."""
        s, exemplars = self._session, self._session.checkpoint.exemplars
        if aligned:
            real = s.cochlea(exemplars.audio[index])
            apart_db = float(loudness(cochleagram[None])[0] - loudness(real[None])[0])
            return float(10.0 ** (apart_db / 20.0))
        real = s.pca.decode(exemplars.features[index])
        return float(
            (float(cochleagram.mean()) / max(float(real.mean()), 1e-6)) ** (1.0 / s.cochlea.exponent)
        )
