"""Onsets in sound, as it streams in.

Every hop a short spectrum is summed into bands and compared, in decibels, with what stood there shortly before and
with a slowly following noise floor. A contact raises several bands at once within a few milliseconds; hum, fans and
motors that speed up raise few, or all of them slowly. Where the mean rise exceeds both a fixed and an adaptive
threshold an onset is found. Two banks look side by side: *clicks* above 250 Hz with a window of 10 ms, and *thumps*
of soft things below 640 Hz, where telling bands apart needs 20 ms. The onset's time is then refined on the waveform.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.onset_bank import Bank
from foley_perception.audio.onset_config import OnsetConfig

Samples = NDArray[np.float32]
Array = NDArray[np.float64]

ExpectedLevels = Callable[[Array, Array], Array | None]
"""Levels [n, bands] in dB of what sounds whatever is touched, at samples [n], in bands between edges [bands + 1] [Hz];
-inf where they are not known, None where nothing is. A rise below them is not clear."""


@dataclasses.dataclass(frozen=True)
class Onset:
    """One onset. The sample index counts from the first sample given to the detector."""

    sample: int
    level_dbfs: float  # peak of the waveform in the 30 ms from the onset on
    strength_db: float  # mean rise over the bands, beyond the rise that is needed
    bands: int  # bands that rose above the floor
    clear: bool = (
        True  # it stands out of what the robot itself is expected to sound like, where that is known
    )


@dataclasses.dataclass(frozen=True)
class _Candidate:
    end: int  # sample one past the window in which the rise was seen
    strength: float
    bands: int
    click: bool
    clear: bool


class OnsetDetector:
    """Feed samples in chunks of any size; onsets come out some 45 ms after they happened.

    The result does not depend on the size of the chunks.
    """

    _AFTER_S = 0.03  # sound needed after an onset for its level
    _KEEP_S = 0.12  # sound kept for the refinement
    _GROUP_S = 0.025  # candidates this close together are one onset
    _AT_ONCE = 2000  # hops, of which there may be an hour's

    def __init__(self, config: OnsetConfig | None = None, expected: ExpectedLevels | None = None) -> None:
        """With `expected`, what a robot's own motion sounds like: onsets tell whether they stand out of it."""
        self.config = config or OnsetConfig()
        self._expected = expected
        self._clicks = Bank(self.config.clicks, self.config)
        self._thumps = Bank(self.config.thumps, self.config)
        self._longest = max(self._clicks.window, self._thumps.window)
        self._keep = round(self._KEEP_S * self.config.sample_rate)
        self._last_onset, self._last_is_clear = -(10**12), True
        self._begin(0)

    def _begin(self, sample: int) -> None:
        self._buffer = np.zeros(0, dtype=np.float32)
        self._start = sample  # index of the buffer's first sample
        self._next_end = sample + self._longest  # where the next spectra end
        self._candidates: list[_Candidate] = []

    def expect(self, background: Samples) -> None:
        """Before the first sample: what the place sounds like [n, at least 20 ms], for a recording that may begin with
        a contact. Without it nothing is found in the first 60 ms, in which the background is learnt."""
        for bank in (self._clicks, self._thumps):
            bank.expect(background.astype(np.float64))

    @property
    def samples_seen(self) -> int:
        return self._start + len(self._buffer)

    def process(self, samples: Samples) -> list[Onset]:
        """Take in mono samples [n]; return the onsets that are now certain, in order."""
        self._buffer = np.concatenate([self._buffer, np.asarray(samples, dtype=np.float32)])
        ends = range(self._next_end, self.samples_seen + 1, self.config.hop)
        for begin in range(0, len(ends), self._AT_ONCE):
            self._look(ends[begin : begin + self._AT_ONCE])
        self._next_end += len(ends) * self.config.hop
        onsets = self._ripe()
        needed = min([self._next_end, *(k.end for k in self._candidates)]) - self._keep
        if needed > self._start:
            self._buffer = self._buffer[needed - self._start :]
            self._start = needed
        return onsets

    def skip(self, samples: int) -> None:
        """``samples`` samples were lost: start afresh behind them, without taking the edge for an onset."""
        self._begin(self.samples_seen + samples)
        for bank in (self._clicks, self._thumps):
            bank.reset(bank.floor)

    # ---- inside ----------------------------------------------------------------------------------------
    def _look(self, ends: range) -> None:
        """At the windows that end there."""
        found = []
        for bank in (self._clicks, self._thumps):
            heard = self._cut(ends[0] - bank.window, ends[-1]).astype(np.float64)
            rises = bank.rises(bank.windows(heard), self._noise(bank, ends))
            click = bank is self._clicks
            found += [_Candidate(ends[r.hop], r.strength, r.bands, click, r.clear) for r in rises]
        self._candidates += sorted(found, key=lambda candidate: candidate.end)

    def _noise(self, bank: Bank, ends: range) -> Array | None:
        if self._expected is None:
            return None
        middles = np.asarray(np.arange(ends.start, ends.stop, ends.step) - bank.window / 2, np.float64)
        return self._expected(middles, bank.edges_hz)

    def _ripe(self) -> list[Onset]:
        """Merge neighbouring candidates and refine those whose sound has fully arrived."""
        rate = self.config.sample_rate
        onsets: list[Onset] = []
        while self._candidates:
            first = self._candidates[0].end
            # The sound for the level, and whatever candidate may still join.
            if (
                self.samples_seen < first + round(self._AFTER_S * rate)
                or self._next_end <= first + self._GROUP_S * rate
            ):
                break
            group = [k for k in self._candidates if k.end - first <= self._GROUP_S * rate]
            self._candidates = self._candidates[len(group) :]
            if clear := any(k.clear for k in group):
                group = [k for k in group if k.clear]
            if not any(k.click for k in group) and self._swells(first):
                continue
            sample = self._refine(group)
            # A motor's stir hides no contact that follows it.
            hidden = self._last_is_clear or not clear
            if hidden and sample - self._last_onset < self.config.min_interval_s * rate:
                continue
            self._last_onset, self._last_is_clear = sample, clear
            after = self._cut(sample, sample + round(self._AFTER_S * rate))
            peak = float(np.max(np.abs(after))) if after.size else 0.0
            onsets.append(
                Onset(
                    sample,
                    20.0 * math.log10(peak) if peak > 0 else -math.inf,
                    max(k.strength for k in group),
                    max(k.bands for k in group),
                    clear,
                )
            )
        return onsets

    def _swells(self, end: int) -> bool:
        """Whether low sound goes on rising: a motor that starts, where a thump would fade."""
        bank, ms = self._thumps, self.config.sample_rate / 1000.0
        at, later = (
            bank.levels(self._cut(e - bank.window, e).astype(np.float64)[None])
            for e in (end + round(5 * ms), end + round(self._AFTER_S * 1000 * ms))
        )
        return float(np.mean(later - at)) > -1.0

    def _refine(self, group: list[_Candidate]) -> int:
        """Where the sound begins, in the neighbourhood of its candidates: the change of variance that explains it.

        Akaike's criterion, as used to pick first arrivals of earthquakes (Maeda 1985), summed over octave bands
        with each band's share of independent samples as its weight.
        """
        rate = self.config.sample_rate
        clicks = [k.end for k in group if k.click]
        if clicks:
            bank, begin, end = (
                self.config.clicks,
                clicks[0] - round(0.035 * rate),
                clicks[0] + self.config.hop,
            )
        else:
            bank, begin, end = (
                self.config.thumps,
                group[0].end - round(0.055 * rate),
                group[0].end + 2 * self.config.hop,
            )
        begin = max(begin, self._start)
        sound = self._cut(begin, end).astype(np.float64)
        n, edge = len(sound), round(0.0005 * rate)
        if n < 8 * edge:
            return max(end - self.config.hop, begin)
        spectrum = np.fft.rfft(sound, 2 * n)
        frequency = np.fft.rfftfreq(2 * n, 1.0 / rate)
        octaves = math.log2(min(bank.high_hz, 0.45 * rate) / bank.low_hz)
        split = np.arange(edge, n - edge)
        edges = bank.low_hz * 2.0 ** np.arange(0, octaves + 0.5)
        low, high = edges[:-1, None], edges[1:, None]
        bands = np.fft.irfft(np.where((frequency >= low) & (frequency < high), spectrum, 0.0))[:, :n]
        energy = np.cumsum(bands**2 + 1e-14, axis=1)
        until, whole = energy[:, edge - 1 : n - edge - 1], energy[:, -1:]
        before, after = until / split, (whole - until) / (n - split)
        weight = (high - low) / (0.5 * rate)
        criterion = (weight * (split * np.log(before) + (n - split) * np.log(after))).sum(axis=0)
        pick = int(split[np.argmin(criterion)])
        return begin + (self._sharpen(sound, pick) if clicks else pick)

    def _sharpen(self, sound: Array, pick: int) -> int:
        """Undo what the band filters smeared forward in time, where the onset stands clear of the noise."""
        ms = max(self.config.sample_rate // 1000, 1)
        # The second difference lifts a click over hum, +12 dB per octave.
        energy = np.diff(sound, 2, prepend=sound[0], append=sound[-1]) ** 2
        noise = energy[max(pick - 10 * ms, 0) : max(pick - 2 * ms, 1)]
        search = energy[max(pick - ms, 0) : pick + 5 * ms]
        limit = max(3.0 * float(noise.max()), 1e-3 * float(search.max()))
        if float(search.max()) < 20.0 * limit:
            return pick
        return max(pick - ms, 0) + int(np.argmax(search > limit))

    def _cut(self, begin: int, end: int) -> Samples:
        return self._buffer[max(begin - self._start, 0) : max(end - self._start, 0)]
