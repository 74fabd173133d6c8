"""What is shown of one contact: its waveform, its spectrogram, and what the camera saw around it."""

from __future__ import annotations

import base64
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.clips.grid import CLIP_BEFORE_S, CLIP_S, clip_start_ns
from foley_perception.clips.inputs import Streams, contact_point
from foley_perception.clips.pictures import STALE_NS
from foley_perception.contact_event import Contact
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.geometry.crop import crop_around
from foley_perception.quality.contacts import said_of
from foley_perception.quality.picture_meter import jpeg

_MOMENTS_S = (-0.2, 0.0, 0.2)  # of the pictures, from the contact on
_WIDTH = 128  # [px] of a picture
_COLUMNS = 240  # of waveform and spectrogram
_ROWS = 80
_LOWEST_HZ = 60.0
_RANGE_DB = 70.0  # of the spectrogram's colours


def contact_figure(episode: Episode, contact: Contact, start_ns: int) -> dict[str, Any]:
    """One contact for the page, out of the stretch of the recording that holds its clip.

    Returns:
        ``time_s`` from the recording's start; what was said of it; ``envelope`` [columns][low, high] of the waveform;
        ``spectrogram`` and ``frames`` as JPEG in base64. What is not there is empty.
    """
    shown: dict[str, Any] = {"time_s": (contact.time_ns - start_ns) / NS_PER_S, **said_of(episode, contact)}
    shown["before_s"], shown["length_s"] = CLIP_BEFORE_S, CLIP_S
    shown |= _sound(episode, contact)
    shown["frames"] = _frames(episode, contact)
    return shown


def spectrogram(sound: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Levels [dB] of a sound [n] in ``_ROWS`` bands, even in the logarithm of frequency, lowest last, and
    ``_COLUMNS`` moments. Each band is the strongest line in it."""
    window = min(1 << round(math.log2(0.023 * rate)), len(sound))
    starts = np.linspace(0, len(sound) - window, _COLUMNS).astype(int)
    frames = np.stack([sound[at : at + window] for at in starts.tolist()]) * np.hanning(window)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))) / window
    lines = np.fft.rfftfreq(window, 1.0 / rate)
    edges = np.geomspace(_LOWEST_HZ, 0.5 * rate, _ROWS + 1)
    first = np.clip(np.searchsorted(lines, edges[:-1]), 0, len(lines) - 1)
    last = np.maximum(np.searchsorted(lines, edges[1:]), first + 1)
    bands = [power[:, a:b].max(axis=1) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
    return np.asarray(10.0 * np.log10(np.maximum(np.stack(bands[::-1]), 1e-14)))


# ---- inside --------------------------------------------------------------------------------------------
def _sound(episode: Episode, contact: Contact) -> dict[str, Any]:
    nothing: dict[str, Any] = {"envelope": [], "spectrogram": "", "peak_dbfs": None}
    track = episode.audio
    if track is None:
        return nothing
    rate = track.sample_rate
    sound, known = track.slice(clip_start_ns(contact.time_ns), round(CLIP_S * rate), rate)
    if not known.any():
        return nothing
    edges = np.linspace(0, len(sound), _COLUMNS + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(sound, edges), np.maximum.reduceat(sound, edges)
    peak = float(np.abs(sound).max())
    levels = spectrogram(sound, rate)
    scaled = np.clip((levels - levels.max()) / _RANGE_DB + 1.0, 0.0, 1.0)
    colours = cv2.applyColorMap((scaled * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    done, picture = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return {
        "envelope": [[float(f"{a:.4g}"), float(f"{b:.4g}")] for a, b in zip(low, high, strict=True)],
        "spectrogram": base64.b64encode(picture.tobytes()).decode() if done else "",
        "peak_dbfs": 20.0 * math.log10(peak) if peak > 0 else None,
    }


def _frames(episode: Episode, contact: Contact) -> list[dict[str, str]]:
    """The newest picture at each moment; cut out around the place where the camera's is known, as models see it."""
    track = episode.frames
    if track is None:
        return []
    times = [contact.time_ns + round(at * NS_PER_S) for at in _MOMENTS_S]
    found = []
    for at, time_ns, index in zip(_MOMENTS_S, times, track.newest_at(times).tolist(), strict=True):
        if index < 0 or time_ns - int(track.times_ns[index]) > STALE_NS:
            continue
        try:
            picture = np.asarray(track.read(index), np.uint8)
        except EpisodeError:
            continue  # counted where pictures are looked at
        picture = _around(episode, track, contact, index, picture)
        title = "contact" if at == 0 else f"{at * 1e3:+.0f} ms"
        found.append({"title": title, "jpeg": base64.b64encode(jpeg(picture, _WIDTH)).decode()})
    return found


def _around(
    episode: Episode, track: FrameTrack, contact: Contact, index: int, picture: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    if not episode.camera_placed:
        return picture
    streams = Streams(episode.camera_at, track.times_ns, lambda i: picture, episode.tip_path)
    try:
        point = contact_point(np.asarray(contact.position), streams, contact.time_ns)
        camera = episode.camera_at(int(track.times_ns[index]))
        if not camera.contains(camera.project(point)[0]):
            return picture
        return crop_around(picture, camera, point)
    except ValueError:  # nobody knows where the contact, or then the camera, was
        return picture
