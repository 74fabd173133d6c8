"""Which of the onsets in a stream begin a contact of their own.

A strike seldom makes one onset: it bounces, rattles and echoes, its partials beat, and a scratch is a row of small
releases. What tells a contact from what belongs to the one before is the sound it adds:

* Nothing within `least_gap_s` is another contact. Where it is far louder than what came before it (a finger that
  brushes before it knocks), the contact begins there.
* Where the contact before it still sounds, its bands rise over the loudest of the last tenth of a second, and by more
  than they did anywhere in the last second. A beat lasts less than that or lifts few bands; the releases of a scratch
  rise as others did before them.
* What it adds is not masked: a contact's own rattles and echoes fall away, so the bar that later sound has to pass
  starts below the contact's level and falls, as forward masking does in the ear (Moore, An Introduction to the
  Psychology of Hearing, 6th ed., section 3.9; the figures here are chosen for rooms and rattles, not for ears).
"""

from __future__ import annotations

import collections
import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_bank import Bank
from foley_perception.audio.onset_config import BankConfig, OnsetConfig

Samples = NDArray[np.float32]
Array = NDArray[np.float64]


BANDS = BankConfig(0.010, 16, 100.0, 12_000.0, 4, 2.5, 3, 6.0)  # only their levels are used


@dataclasses.dataclass(frozen=True)
class ContactOnset:
    """Where a contact begins. The sample index counts from the first sample given to the finder."""

    number: int  # of the contact, from 0
    sample: int
    level_dbfs: float  # of the sound that it adds, RMS over 10 ms
    moved: bool = False  # the contact told before under this number begins here


@dataclasses.dataclass(frozen=True)
class ContactConfig:
    """What makes an onset a contact. Times in seconds, levels in dB."""

    least_gap_s: float = 0.1
    brush_s: float = 0.06
    brush_db: float = 12.0  # what is fainter by this much than what follows so soon only led to it
    before_s: float = 0.1  # sound that the bands are compared with
    after_s: float = 0.06  # sound of the contact that decides
    quiet_db: float = 2.0  # over the place's level: the contact before has died away
    died_away_s: float = 3.0  # after which it has, whatever the place sounds like
    drift_db_s: float = 1.0  # how fast the place's level may rise
    rise_db: float = 7.0  # mean over the bands, that is needed
    jump_db: float = 6.0  # or of the whole, which a tap on a thing that still rings gives with few bands
    texture_s: float = 1.0  # sound before, whose own rises
    texture_db: float = 6.0  # are to be surpassed by this
    mask_db: float = 20.0  # below a contact's level, at once
    mask_fall_db_s: float = 30.0
    bands: BankConfig = BANDS

    def __post_init__(self) -> None:
        for name in (f.name for f in dataclasses.fields(self) if f.name != "bands"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        if self.after_s < self.bands.window_s:
            raise ValueError(f"after_s is {self.after_s}, must hold a window of {self.bands.window_s} s")


class ContactFinder:
    """Feed samples in chunks of any size; a contact comes out once `after_s` of it has been heard.

    The result does not depend on the size of the chunks.
    """

    _SLACK_S = 0.12  # an onset comes out later than it happened, by less than this

    def __init__(self, sample_rate: int, config: ContactConfig | None = None) -> None:
        self.config = config or ContactConfig()
        self.sample_rate = sample_rate
        onsets = OnsetConfig(sample_rate=sample_rate, min_interval_s=0.03)
        self._detector = OnsetDetector(onsets)
        self._bank = Bank(self.config.bands, onsets)
        self._hop = onsets.hop
        self._hops_before = round(self.config.before_s * sample_rate) // self._hop
        self._after = round(self.config.after_s * sample_rate)
        self._hops_after = max((self._after - self._bank.window) // self._hop, 0) + 1
        self._past = round((self.config.texture_s + self.config.before_s) * sample_rate) + self._bank.window
        self._keep = self._past + self._after + round(self._SLACK_S * sample_rate)
        self._buffer = np.zeros(0, np.float32)
        self._start = 0
        self._waiting: list[int] = []  # onsets that are not decided yet
        self._quiet: Array | None = None  # [bands] levels where nothing was heard before
        self._place: Array | None = None  # [bands] levels of the place, and when they were those
        self._place_at = 0
        self._last: ContactOnset | None = None
        self._told: collections.deque[int] = collections.deque(maxlen=16)  # where the latest contacts begin
        self._loudest = -math.inf  # level of the last contact
        self._mask, self._mask_at = -math.inf, 0  # level that masks, and when it was so

    def expect(self, background: Samples) -> None:
        """Before the first sample: what the place sounds like [n, at least 20 ms]; see `OnsetDetector.expect`."""
        self._detector.expect(background)
        self._quiet = self._bank.levels(self._bank.windows(background.astype(np.float64))).mean(axis=0)

    @property
    def samples_seen(self) -> int:
        return self._start + len(self._buffer)

    def process(self, samples: Samples) -> list[ContactOnset]:
        """Take in mono samples [n]; return the contacts that are now certain, in order."""
        samples = np.asarray(samples, np.float32)
        found: list[ContactOnset] = []
        for begin in range(0, len(samples), self.sample_rate):  # a second at a time: only so much is kept
            piece = samples[begin : begin + self.sample_rate]
            self._buffer = np.concatenate([self._buffer, piece])
            self._waiting += [onset.sample for onset in self._detector.process(piece)]
            found += self._decide(self._after)
            surplus = len(self._buffer) - self._keep
            if self._waiting:
                surplus = min(surplus, self._waiting[0] - self._past - self._start)
            if surplus > 0:
                self._buffer, self._start = self._buffer[surplus:], self._start + surplus
        return found

    def finish(self) -> list[ContactOnset]:
        """The stream has ended: what can be said of its last onsets."""
        pad = np.zeros(round(self._SLACK_S * self.sample_rate), np.float32)
        end = self.samples_seen
        self._waiting += [onset.sample for onset in self._detector.process(pad) if onset.sample < end]
        return self._decide(0)

    def skip(self, samples: int) -> list[ContactOnset]:
        """``samples`` samples were lost: what can be said of the onsets before, and a fresh start behind them."""
        found = self._decide(0)
        self._detector.skip(samples)
        self._start, self._buffer = self.samples_seen + samples, np.zeros(0, np.float32)
        self._waiting.clear()
        return found

    # ---- inside ----------------------------------------------------------------------------------------
    def _decide(self, needed: int) -> list[ContactOnset]:
        found = []
        while self._waiting and self.samples_seen >= self._waiting[0] + needed:
            if (contact := self._judge(self._waiting.pop(0))) is not None:
                found.append(contact)
        return found

    def _judge(self, sample: int) -> ContactOnset | None:
        levels, at = self._levels(sample)
        if at >= len(levels):
            return None
        rise, jump, added = self._rises(levels, at)
        level = 10.0 * math.log10(max(added, 1e-12))
        quiet = self._is_quiet(levels, at, sample)
        if self._last is None:
            return self._tell(0, sample, level)
        c, since_s = self.config, (sample - self._last.sample) / self.sample_rate
        if since_s < c.least_gap_s:
            if since_s < c.brush_s and level > self._loudest + c.brush_db:
                return self._tell(self._last.number, sample, level, moved=True)
            self._loudest = max(self._loudest, level)
            return None
        if level < self._masked(sample) - c.mask_db:
            return None
        if not quiet:
            usual = self._usual(levels, at, sample)
            least_rise, least_jump = np.maximum((c.rise_db, c.jump_db), usual + c.texture_db)
            if rise < least_rise and jump < least_jump:
                return None
        return self._tell(self._last.number + 1, sample, level)

    def _is_quiet(self, levels: Array, at: int, sample: int) -> bool:
        """Whether nothing but the place is heard just before; learns what the place sounds like."""
        before, last = self._before(levels, at), self._last
        if len(before) < self._hops_before:  # too little, and it may hold the contact that is found late
            return False
        level = before.mean(axis=0)
        if self._place is None:
            # Behind a contact it may be what rings.
            if last is None or sample - last.sample > self.config.died_away_s * self.sample_rate:
                self._place, self._place_at = level, sample
            return False
        place = self._place + self.config.drift_db_s * (sample - self._place_at) / self.sample_rate
        self._place, self._place_at = np.minimum(level, place), sample
        return float((level - place).mean()) < self.config.quiet_db

    def _usual(self, levels: Array, at: int, sample: int) -> Array:  # [2]
        """The largest rises of bands and of the whole in what was heard before, its contacts left out."""
        rate, own = self.sample_rate, self.config.after_s + 0.02
        found = [np.zeros(2)]
        for hop in range(self._hops_before, at - round(own * rate) // self._hop):
            when = sample - (at - hop) * self._hop
            if when < self._told[0] or any(
                -own * rate < when - begun < self.config.least_gap_s * rate for begun in self._told
            ):
                continue
            found.append(np.array(self._rises(levels, hop)[:2]))
        return np.asarray(np.max(found, axis=0))

    def _rises(self, levels: Array, at: int) -> tuple[float, float, float]:
        """At one hop: mean rise of the bands [dB], rise of the whole [dB], mean square that is added."""
        before = self._before(levels, at)
        # From the window on that has the onset in its middle: where it begins a window, its click counts for nothing.
        after = levels[max(at - self._bank.window // self._hop // 2, 0) : at + self._hops_after].max(axis=0)
        quiet = self._quiet if self._quiet is not None else np.full(len(after), -100.0)
        loudest = before.max(axis=0) if len(before) else quiet
        now, then = (10.0 ** (level / 10.0) for level in (after, loudest))
        rise = float(np.clip(after - loudest, 0.0, 30.0).mean())
        return rise, 10.0 * math.log10(now.sum() / then.sum()), float(np.maximum(now - then, 0.0).sum())

    def _before(self, levels: Array, at: int) -> Array:
        """Levels [hops, bands] of the windows before, as far as they end there."""
        end = at - self._bank.window // self._hop + 1
        return levels[max(end - self._hops_before, 0) : max(end, 0)]

    def _tell(self, number: int, sample: int, level: float, *, moved: bool = False) -> ContactOnset:
        self._mask, self._mask_at = max(level, self._masked(sample)), sample
        self._loudest = level
        self._told.append(sample)
        self._last = ContactOnset(number, sample, level, moved)
        return self._last

    def _masked(self, sample: int) -> float:
        return self._mask - self.config.mask_fall_db_s * (sample - self._mask_at) / self.sample_rate

    def _levels(self, sample: int) -> tuple[Array, int]:
        """Levels [hops, bands] around a sample, and the hop that begins there."""
        begin = max(sample - self._past, self._start)
        begin += (sample - begin) % self._hop
        sound = self._buffer[begin - self._start : sample + self._after - self._start].astype(np.float64)
        if len(sound) < self._bank.window:
            return np.zeros((0, self.config.bands.bands)), 0
        return self._bank.levels(self._bank.windows(sound)), (sample - begin) // self._hop
