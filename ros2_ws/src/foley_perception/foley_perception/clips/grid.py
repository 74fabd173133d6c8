"""The grids of the two kinds of item that models see: sizes, rates and times.

A clip is 1.0 s around one contact; a window is 8.0 s of a session, whatever happens in it. Each is cut on a grid
of its own that starts at ``start_ns``: audio sample i is taken at ``start_ns + i / 48000 s``, frame i is the newest
camera frame whose stamp is at most ``start_ns + (i + 1) / frame_rate``, action row i is interpolated at
``start_ns + i / 90 s``, keypoint row i at ``start_ns + i / 30 s``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

SAMPLE_RATE = 48_000  # [Hz]
FRAME_RATE = 30  # [Hz], crops and keypoints
ACTION_RATE = 90  # [Hz], and of the cochleagram
ACTION_DIMS = 8  # tip - contact point (3) [m], tip velocity (3) [m/s], width [m], force [N]

CLIP_S = 1.0
CLIP_BEFORE_S = 0.25  # of the clip lies before the contact
CLIP_SAMPLES = round(CLIP_S * SAMPLE_RATE)
CLIP_FRAMES = round(CLIP_S * FRAME_RATE)
CLIP_ACTIONS = round(CLIP_S * ACTION_RATE)
ONSET_FRAME = CLIP_BEFORE_S * ACTION_RATE  # 22.5: where the contact lies on the grid of 90 Hz

WINDOW_S = 8.0
WINDOW_FRAME_RATE = 4  # [Hz]
WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE)
WINDOW_FRAMES = round(WINDOW_S * WINDOW_FRAME_RATE)
WINDOW_KEYPOINTS = round(WINDOW_S * FRAME_RATE)
WINDOW_ACTIONS = round(WINDOW_S * ACTION_RATE)

Times = NDArray[np.int64]


def clip_start_ns(contact_ns: int) -> int:
    """Start of the clip around a contact."""
    return int(contact_ns) - round(CLIP_BEFORE_S * NS_PER_S)


def row_times_ns(contact_ns: int) -> Times:
    """Times [90] of the rows of a clip's action."""
    return sample_times_ns(clip_start_ns(contact_ns), CLIP_ACTIONS, ACTION_RATE)


def sample_times_ns(start_ns: int, count: int, rate_hz: float) -> Times:
    """Times [count] of rows that are interpolated: the first at the start."""
    return start_ns + np.round(np.arange(count) * (NS_PER_S / rate_hz)).astype(np.int64)


def frame_times_ns(start_ns: int, count: int, rate_hz: float) -> Times:
    """Times [count] up to which a frame may have been taken: the first one period after the start."""
    return start_ns + np.round((np.arange(count) + 1) * (NS_PER_S / rate_hz)).astype(np.int64)
