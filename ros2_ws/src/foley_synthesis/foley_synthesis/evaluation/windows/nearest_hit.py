"""What was heard of a thing before, copied to where the plan touches it again: hearing a scene without learning.

For each planned touch, the recorded sound of the nearest earlier contact of the same surface, as much louder as the tip
comes down faster. Where a surface has not been touched yet, the mean contact of training, as of
`flow/regression/template.py`. Whoever listens to a scene and writes down nothing else can do as much, so a flow that
hears earlier sounds must do better.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, SessionData
from foley_perception.action.contact_motion import tip_heights
from foley_perception.geometry.se3 import SE3
from foley_synthesis.evaluation.measure import Array, Method
from foley_synthesis.evaluation.sound_metrics import spread
from foley_synthesis.evaluation.windows.metrics import AUDIBLE_DB, levels_after, quiet_level
from foley_synthesis.evaluation.windows.rows import each_window
from foley_synthesis.flow.networks.mel import RATE, decibels
from foley_synthesis.flow.regression.sound import LevelVocoder, levels_over, tone_over_floor
from foley_synthesis.flow.regression.template import Template, Touches, touches_of
from foley_synthesis.flow.session_features import FLOOR_STEP_S, ROWS_PER_LATENT, at_16_khz, session_features
from foley_synthesis.flow.window_model import EVALUATION_ROWS, EVALUATION_SAMPLES, EvaluationWindow

NEAREST_HIT = "nearest past hit"
BEFORE_S, AFTER_S = 0.1, 1.25  # of a contact, that are copied at most
_TOUCH_M = 0.002  # height over the surface at which a plan counts as touching
_FADES_S = (0.02, 0.1)  # in and out
_TOGETHER_S = 0.08  # a planned touch and a contact farther apart do not belong together
_ALIKE_DECADES = 0.03  # speeds that differ by less say nothing of how level follows them
_MOST_DB = 20.0  # by which a copy is made louder or softer
_FIT_SESSIONS = 40  # of training, spread evenly


@dataclasses.dataclass(frozen=True, eq=False)
class _Heard:
    """A session by its contacts and planned touches."""

    sound: NDArray[np.float32]  # at 16 kHz
    heights: NDArray[np.float32]  # [n] [m] of the planned tip
    floors: NDArray[np.float16]  # [k, 80] log mel
    tips: Array  # [n, 3] planned
    under: NDArray[np.int16]  # [n / 4] that lies under the planned tip
    contact_s: Array  # [c]
    contact_surface: NDArray[np.int16]  # [c]

    @staticmethod
    def of(session: SessionData) -> _Heard:
        features = session_features(session, None)
        pose, tip = np.asarray(session.planned_pose, float), np.asarray(session.tool_tip, float)
        tips = (SE3(pose[:, 3:], pose[:, :3]) @ SE3(tip[3:], tip[:3])).translation
        return _Heard(
            at_16_khz(session.sound, session.sound_rate).astype(np.float32) / np.float32(2**15),
            tip_heights(np.asarray(features.planned, np.float32)),
            features.floors,
            tips,
            features.under,
            session.contact_s.astype(float),
            session.contact_object,
        )

    def floor(self, second: float) -> torch.Tensor:
        """Of the room as heard before a moment [80] [dB]."""
        row = min(int(second / FLOOR_STEP_S + 1e-6), len(self.floors) - 1)
        return decibels(torch.from_numpy(self.floors[row].astype(np.float32)))

    def surfaces(self, rows: Array) -> NDArray[np.int16]:
        """Under the tip at rows [k]."""
        return self.under[np.clip(rows // ROWS_PER_LATENT, 0, len(self.under) - 1).astype(np.int64)]

    def places(self, rows: Array) -> Array:
        """Of the tip at rows [k, 3]."""
        return np.asarray(self.tips[np.clip(rows, 0, len(self.tips) - 1).astype(np.int64)])

    @functools.cached_property
    def touches(self) -> Touches:
        """As planned."""
        return touches_of(self.heights, _TOUCH_M)

    @functools.cached_property
    def speeds(self) -> Array:
        """log10 of the speed of approach [m/s] at each contact [c]; NaN where no planned touch belongs to it."""
        touches, found = self.touches, np.full(len(self.contact_s), np.nan)
        for k, second in enumerate(self.contact_s):
            apart = np.abs(touches.rows / MOTION_RATE - second)
            if len(apart) and apart.min() <= _TOGETHER_S:
                found[k] = np.log10(touches.speeds[apart.argmin()])
        return found

    def copied(self, contact: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A contact's sound from BEFORE_S before it on, faded, and the fade; up to the next contact."""
        begin = self.contact_s[contact] - BEFORE_S
        later = self.contact_s[self.contact_s > self.contact_s[contact] + BEFORE_S]
        end = min(begin + BEFORE_S + AFTER_S, float(later.min()) - _FADES_S[0] if len(later) else np.inf)
        part = self.sound[round(begin * RATE) : round(end * RATE)]
        first, last = (round(seconds * RATE) for seconds in _FADES_S)
        rising = np.minimum(np.arange(len(part)) / first, 1.0)
        fade = np.minimum(rising, np.minimum(np.arange(len(part))[::-1] / last, 1.0)).astype(np.float32)
        return fade * part, fade


@dataclasses.dataclass(frozen=True, eq=False)
class HitCopies:
    """Copies earlier contacts to where the plan touches."""

    template: Template  # which also says how far behind a planned touch it sounds
    db_per_decade: float  # of the speed of approach, from one contact of a surface to another

    @staticmethod
    def fit(train: Sequence[EvaluationWindow]) -> HitCopies:
        """From sessions of training.

        Raises:
            ValueError: no tip comes down near any contact, or no touch is followed by 1.25 s of sound.
        """
        sessions = list({window.session_id: window.session for window in train}.values())
        heard = [_Heard.of(sessions[k]) for k in spread(len(sessions), _FIT_SESSIONS)]
        known = [
            (
                one.heights,
                one.contact_s * MOTION_RATE,
                levels_over(torch.from_numpy(one.sound), one.floor(0.0)),
            )
            for one in heard
        ]
        faster, louder = np.concatenate([_pairs(one) for one in heard]).T
        spread_out = float(np.square(faster).sum()) + max(len(faster), 1) * _ALIKE_DECADES**2
        slope = float((faster * louder).sum()) / spread_out
        return HitCopies(Template.fit(known, (_TOUCH_M,)), slope)

    def row(self, draws: int, seed: int) -> Method:
        """As a row of a table: draw k copies the k-th nearest contact, and begins anew behind the last."""
        return each_window(NEAREST_HIT, "plan", lambda item: self.sounds(item.truth.window, draws, seed))

    def sounds(self, window: EvaluationWindow, draws: int, seed: int) -> NDArray[np.float32]:
        """[draws, 128000] at 16 kHz."""
        heard, vocoder = _heard(window.session), _vocoder()
        touches, nearest = _nearest(heard, window)
        speeds = heard.speeds
        floor = heard.floor(window.start_s)
        known = np.array([len(found) > 0 for found in nearest], bool)
        new = Touches(touches.rows[~known] - window.first_row, touches.speeds[~known])
        base = np.zeros(EVALUATION_SAMPLES, np.float32)
        if len(new.rows):
            base = vocoder.heard(self.template.levels_at(new, EVALUATION_ROWS), floor)
        made = []
        for draw in range(draws):
            sound, weight = base.copy(), np.zeros(EVALUATION_SAMPLES, np.float32)
            for k in np.flatnonzero(known):
                contact = int(nearest[k][draw % len(nearest[k])])
                faster = np.nan_to_num(np.log10(touches.speeds[k]) - speeds[contact])
                gain = 10.0 ** (np.clip(self.db_per_decade * faster, -_MOST_DB, _MOST_DB) / 20.0)
                second = (touches.rows[k] + self.template.lag_rows) / MOTION_RATE - window.start_s
                part, fade = heard.copied(contact)
                _add(sound, gain * part, round((second - BEFORE_S) * RATE))
                _add(weight, np.square(gain * fade), round((second - BEFORE_S) * RATE))
            tone = vocoder.noise(floor + tone_over_floor(), len(sound), window.noise_seed(seed) + draw)
            # A copy brings its own room's tone.
            made.append(sound + np.sqrt(np.clip(1.0 - weight, 0.0, None)) * tone)
        return np.stack(made).astype(np.float32)


def known_touches(windows: Sequence[EvaluationWindow]) -> dict[str, int]:
    """Planned touches that sound in windows, and how many of them are of surfaces that were heard before."""
    found = [near for window in windows for near in _nearest(_heard(window.session), window)[1]]
    return {"all": len(found), "of_surfaces_heard_before": sum(len(near) > 0 for near in found)}


def _nearest(heard: _Heard, window: EvaluationWindow) -> tuple[Touches, list[NDArray[np.int64]]]:
    """Touches that sound in a window; for each the contacts of its surface that were over before, nearest first."""
    touches = heard.touches
    begin = window.first_row - AFTER_S * MOTION_RATE
    inside = (touches.rows >= begin) & (touches.rows < window.first_row + EVALUATION_ROWS)
    rows = touches.rows[inside]
    over = (heard.contact_s + AFTER_S <= window.start_s) & (heard.contact_s >= BEFORE_S)
    at = heard.places(heard.contact_s * MOTION_RATE)
    nearest = []
    for surface, place in zip(heard.surfaces(rows), heard.places(rows), strict=True):
        contacts = np.flatnonzero(over & (heard.contact_surface == surface))
        apart = np.linalg.norm(at[contacts] - place, axis=1)
        nearest.append(contacts[np.argsort(apart, kind="stable")])
    return Touches(rows, touches.speeds[inside]), nearest


def _pairs(heard: _Heard) -> Array:
    """For audible contacts after the first of their surface how much faster [decades], and louder [dB], than the
    nearest before them, [k, 2]."""
    speeds, at = heard.speeds, heard.places(heard.contact_s * MOTION_RATE)
    levels = levels_after(heard.sound, heard.contact_s, RATE)
    usable = np.isfinite(speeds) & (levels > quiet_level(heard.sound, RATE) + AUDIBLE_DB)
    found = []
    for k in np.flatnonzero(usable):
        before = np.flatnonzero(usable[:k] & (heard.contact_surface[:k] == heard.contact_surface[k]))
        if len(before):
            other = before[np.linalg.norm(at[before] - at[k], axis=1).argmin()]
            found.append((speeds[k] - speeds[other], levels[k] - levels[other]))
    return np.array(found, float).reshape(-1, 2)


def _add(to: NDArray[np.float32], part: NDArray[np.floating], begin: int) -> None:
    """What of a part that begins at a sample, or before the first, lies within."""
    first, last = max(begin, 0), min(begin + len(part), len(to))
    if first < last:
        to[first:last] += part[first - begin : last - begin]


@functools.lru_cache(maxsize=2)  # windows of a session come one after the other
def _heard(session: SessionData) -> _Heard:
    return _Heard.of(session)


@functools.cache
def _vocoder() -> LevelVocoder:
    return LevelVocoder()
