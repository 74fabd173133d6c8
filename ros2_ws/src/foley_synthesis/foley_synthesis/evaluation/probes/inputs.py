"""What a probe may look at: one array per input, a row per clip, nothing of it fitted to any label.

Sight and sound are computed once and kept under the user's cache folder, keyed by the dataset's fingerprint and
the version of this module; sight also by the encoder's weights.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.decay import decay_time, spectral_centroid
from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_perception.dataset.reader import Clip, ClipDataset
from foley_synthesis.vis.training.features import cached_arrays
from foley_synthesis.vision.dataset_views import RATE_HZ, DatasetViews, dataset_views
from foley_synthesis.vision.protocol import VisionEncoder
from foley_synthesis.vision.views import still_views

VERSION = 1
BORDER = 16  # [px] of the crop's edge that counts as background
GUARD_S = 0.01  # before the contact that `motor` leaves out: stamps are not sharper than that
QUIET_S = 1.0  # since the end of the contact before, so that its ringing is not taken for the motors

_VIEWS = 2
_ONSET = round(CLIP_BEFORE_S * SAMPLE_RATE)
_CENTROID_S = 0.2  # of the sound; what follows is mostly background
_EARLY = 6  # frames after the contact: 67 ms
_MODULATION_HZ = (2.0, 4.0, 8.0, 16.0, 45.0)
_GREY = 127  # what the encoders see as zero

Array = NDArray[np.float32]
Progress = Callable[[int, int], None]


def load_inputs(
    dataset: ClipDataset,
    encoder: VisionEncoder,
    progress: Progress | None = None,
    views: Path | None = None,
) -> dict[str, Array]:
    """All inputs of a dataset by name, each [n, d]; NaN where a number is unknown.

    ``sight``: encoder features of the still before the contact. ``sound``: statistics of the clip from the contact
    on. ``centroid_t60``: log2 of spectral centroid [Hz] and of T60 [s]. ``position``: of the contact [m].
    ``time``: since the session's first contact [s], and how many contacts were before. ``background``: encoder
    features of the still's edge. ``motor``: statistics of the clip's sound before the contact. ``views``, where a
    folder of rendered ones is given: encoder features of the global and of a local view just after the contact.
    """
    n = len(dataset.clips)
    steps = 2 * n

    def sound() -> dict[str, NDArray[Any]]:
        return _sounds(dataset, lambda done: progress(done, steps) if progress else None)

    def sight() -> dict[str, NDArray[Any]]:
        return _sights(dataset, encoder, lambda done: progress(n + done, steps) if progress else None)

    arrays = {
        **cached_arrays("probes", _key("sound", dataset.fingerprint), n, sound),
        **cached_arrays("probes", _key("sight", dataset.fingerprint, encoder.identity), n, sight),
    }
    inputs = {name: array.astype(np.float32) for name, array in arrays.items()}
    inputs["position"] = np.asarray([clip.position for clip in dataset.clips], np.float32).reshape(n, 3)
    inputs["time"] = session_times(dataset.clips)
    if views is not None:
        inputs["views"] = _rendered(dataset_views(dataset, views, encoder))
    return inputs


def _rendered(found: DatasetViews) -> Array:
    """[n, 2 dims]: global view, and local view of whichever hand is there; 0 where nothing was rendered."""
    now = found.clips[:, round(CLIP_BEFORE_S * RATE_HZ)].astype(np.float32)
    place = {name: index for index, name in enumerate(found.names)}
    local = [now[:, place[name]] for name in ("local_right", "local_left")]
    nearest = np.where(np.isfinite(local[0]), local[0], local[1])
    return np.asarray(np.nan_to_num(np.concatenate([now[:, place["global"]], nearest], axis=1)), np.float32)


def sound_statistics(cochleagram: NDArray[np.floating], rate_hz: float) -> Array:
    """Statistics of a sound's envelopes [frames, channels], as one vector [11 channels].

    Per channel: mean, standard deviation and percentiles 10, 50 and 90 over time, mean of the first 67 ms and of
    the rest, and the strength of its modulation from 2 to 45 Hz in octaves (statistics in the manner of McDermott
    and Simoncelli 2011, without the correlations between channels).
    """
    frames = cochleagram.astype(np.float64)
    parts = [frames.mean(axis=0), frames.std(axis=0), *np.percentile(frames, (10, 50, 90), axis=0)]
    parts += [frames[:_EARLY].mean(axis=0), frames[_EARLY:].mean(axis=0)]
    strength = np.abs(np.fft.rfft(frames - parts[0], axis=0)) / len(frames)
    hz = np.fft.rfftfreq(len(frames), 1.0 / rate_hz)
    for low, high in itertools.pairwise(_MODULATION_HZ):
        parts.append(np.sqrt(np.square(strength[(hz >= low) & (hz < high)]).sum(axis=0)))
    return np.concatenate(parts).astype(np.float32)


def background_of(still: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The still [S, S, 3] with all but its edge painted over: what stands beside the touched thing."""
    image = np.full_like(still, _GREY)
    for edge in (slice(None, BORDER), slice(-BORDER, None)):
        image[edge], image[:, edge] = still[edge], still[:, edge]
    return image


def session_times(clips: list[Clip]) -> Array:
    """[n, 2]: seconds since the first contact of its session, and its place in it."""
    times = np.zeros((len(clips), 2), np.float32)
    for rows in _sessions(clips):
        for place, row in enumerate(rows):
            times[row] = (clips[row].contact_ns - clips[rows[0]].contact_ns) / 1e9, place
    return times


def quiet_before(clips: list[Clip]) -> NDArray[np.bool_]:
    """[n]: whether the contact before it in the session was over long enough before the clip begins."""
    quiet = np.ones(len(clips), bool)
    for rows in _sessions(clips):
        end = -np.inf
        for row in rows:
            clip = clips[row]
            quiet[row] = clip.start_ns / 1e9 - end >= QUIET_S
            end = max(end, clip.contact_ns / 1e9 + float(np.nan_to_num(clip.duration)))
    return quiet


def _sessions(clips: list[Clip]) -> list[list[int]]:
    sessions: dict[str, list[int]] = {}
    for row in sorted(range(len(clips)), key=lambda i: clips[i].contact_ns):
        sessions.setdefault(clips[row].session_id, []).append(row)
    return list(sessions.values())


def _sounds(dataset: ClipDataset, step: Callable[[int], None]) -> dict[str, NDArray[Any]]:
    cochlea = Cochleagram(SAMPLE_RATE)
    rows: dict[str, list[Any]] = {"sound": [], "motor": [], "centroid_t60": []}
    before_end = _ONSET - round(GUARD_S * SAMPLE_RATE)
    for index in range(len(dataset.clips)):
        audio = dataset.audio(index)
        # Each part is filtered alone, so that no filter carries the contact into what was before it.
        after, before = audio[before_end:], audio[:before_end]
        rows["sound"].append(sound_statistics(cochlea(after), cochlea.rate_hz))
        rows["motor"].append(sound_statistics(cochlea(before), cochlea.rate_hz))
        noise_power = float(np.mean(np.square(before, dtype=np.float64)))
        early = after[: round(_CENTROID_S * SAMPLE_RATE)]
        numbers = spectral_centroid(early, SAMPLE_RATE), decay_time(after, SAMPLE_RATE, noise_power)
        rows["centroid_t60"].append(np.log2(np.maximum(numbers, 1e-4)))
        step(index + 1)
    return {name: np.asarray(values, np.float32) for name, values in rows.items()}


def _sights(
    dataset: ClipDataset, encoder: VisionEncoder, step: Callable[[int], None]
) -> dict[str, NDArray[Any]]:
    n = len(dataset.clips)
    sight = np.empty((n, _VIEWS * encoder.dims), np.float16)
    background = np.empty((n, encoder.dims), np.float16)
    for index in range(n):
        still = dataset.still(index)
        encoded = encoder.encode(np.concatenate([still_views(still, _VIEWS), background_of(still)[None]]))
        sight[index], background[index] = encoded[:_VIEWS].reshape(-1), encoded[_VIEWS]
        step(index + 1)
    return {"sight": sight, "background": background}


def _key(*parts: str) -> str:
    return hashlib.sha256(repr((*parts, VERSION)).encode()).hexdigest()[:32]
