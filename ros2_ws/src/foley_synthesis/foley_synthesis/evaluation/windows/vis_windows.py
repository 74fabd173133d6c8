"""VIS as a model of windows: the sound of each contact that the plan will make, put where the plan makes it.

VIS knows single contacts. Those of a window are where the planned tip comes down to the surface that was seen
(`flow/regression/template.py`); what it is shown of each is the session's local view of the place, which is rendered
and half as wide as the crops that it learned from. Nothing of the session's contacts or sound is looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, VIEW_RATE, SessionData
from foley_common.times import NS_PER_S
from foley_perception.action.contact_motion import tip_heights
from foley_perception.action.gripper import GripperHand
from foley_perception.audio.resample import resampled
from foley_perception.clips.action import clip_action
from foley_perception.geometry.crop import CROP_SIZE
from foley_synthesis.flow.networks.mel import RATE, decibels
from foley_synthesis.flow.regression.sound import LevelVocoder, tone_over_floor
from foley_synthesis.flow.regression.template import touches_of
from foley_synthesis.flow.session_features import FLOOR_STEP_S, SessionFeatures, session_features
from foley_synthesis.flow.sight.looks import local_view
from foley_synthesis.flow.sight.moments import planned_tips
from foley_synthesis.flow.sight.pictures import decoded
from foley_synthesis.flow.window_model import EVALUATION_S, EvaluationWindow, WindowGiven
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor

Array = NDArray[np.float64]

TOUCH_M = 0.002
"""Height at which a planned tip counts as touching, chosen on 16 sessions (docs/hearing_hands.md)."""
_AROUND = 2 * MOTION_RATE  # rows on each side of a contact that its action is made of
_FADE_S = 0.02


class VisWindows:
    """A `WindowModel` of one sound."""

    given: WindowGiven = "plan"

    def __init__(self, predictor: Predictor, hand: str = "parallel_gripper") -> None:
        self._predictor, self._hand = predictor, GripperHand.from_yaml(hand)
        self._vocoder = LevelVocoder()
        self._features = functools.lru_cache(maxsize=2)(self._features_of)  # windows come session by session

    @property
    def model_id(self) -> str:
        """sha256 of the checkpoint."""
        return self._predictor.model_id

    @property
    def train_scenes(self) -> frozenset[str]:
        """None that it would name: its clips are of data sets."""
        return frozenset()

    def draw(
        self,
        windows: Sequence[EvaluationWindow],
        draws: int,
        seed: int,
        step: Callable[[], None] = lambda: None,
    ) -> NDArray[np.float32]:
        """See `WindowModel`: [n, 1, 128000]. Raises ValueError where a session has no local views."""
        made = []
        for window in windows:
            made.append(self._sound(window)[None])
            step()
        return np.stack(made)

    def score(self, window: EvaluationWindow, candidates: NDArray[np.float32]) -> None:
        """It cannot say."""

    def _sound(self, window: EvaluationWindow) -> NDArray[np.float32]:
        session, name = window.session, local_view(window.session)
        if not name:
            raise ValueError(
                f"session {window.session_id} has no views, VIS looks at the place: make sessions with --views"
            )
        heights = tip_heights(np.asarray(self._features(session).planned, np.float32))
        rows = touches_of(heights, TOUCH_M).rows
        begin, length = window.first_row, round(EVALUATION_S * RATE)
        total = np.zeros(length, np.float32)
        for row in rows[(rows >= begin - MOTION_RATE) & (rows < begin + EVALUATION_S * MOTION_RATE)].tolist():
            sound, onset_s = self._contact(session, name, row)
            first = round(((row - begin) / MOTION_RATE - onset_s) * RATE)
            start, stop = max(first, 0), min(first + len(sound), length)
            if start < stop:  # else it was over before the window
                total[start:stop] += sound[start - first : stop - first]
        return total + self._room(window)

    def _room(self, window: EvaluationWindow) -> NDArray[np.float32]:
        """The room's tone, which was heard before: VIS says nothing of it, and sounds do not stand in silence."""
        floors = self._features(window.session).floors
        known = floors[min(int(window.start_s / FLOOR_STEP_S + 1e-6), len(floors) - 1)]
        tone = decibels(torch.from_numpy(known.astype(np.float32))) + tone_over_floor()
        return self._vocoder.noise(tone, round(EVALUATION_S * RATE), window.noise_seed(0))

    def _contact(self, session: SessionData, name: str, row: float) -> tuple[NDArray[np.float32], float]:
        """Of one touch, faded in and out, and when it begins in it [s]."""
        tips, middle = planned_tips(session), min(round(row), len(session.planned_pose) - 1)
        near = slice(max(middle - _AROUND, 0), middle + _AROUND)
        times = np.arange(len(tips)) * (NS_PER_S // MOTION_RATE)
        width = (times[near], session.planned_width[near].astype(np.float64))
        at_ns = round(row * NS_PER_S / MOTION_RATE)
        action = clip_action(at_ns, tips[middle], times[near], tips[near], width=width, planned=True)
        moment = min(round(row / MOTION_RATE * VIEW_RATE), session.views - 1)
        view = decoded(session.view(moment, name))
        still = cv2.resize(view, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
        made = self._predictor.predict(PredictionInput(np.asarray(still, np.uint8), None, action))
        sound = resampled(made.waveform, made.sample_rate, RATE)
        fade = round(_FADE_S * RATE)
        slope = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        sound = sound.copy()
        sound[:fade] *= slope
        sound[-fade:] *= slope[::-1]
        return np.asarray(sound, np.float32), made.onset_s

    def _features_of(self, session: SessionData) -> SessionFeatures:
        return session_features(session, self._hand)


def load_window_model(folder: Path) -> VisWindows:
    """Of a checkpoint. Raises CorruptCheckpoint."""
    return VisWindows(Predictor.load(folder))
