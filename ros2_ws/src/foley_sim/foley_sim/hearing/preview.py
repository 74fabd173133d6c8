"""Spectrograms of some generated clips, by material: what a set holds, at a glance."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_sim.hearing.clips import Clip
from foley_sim.hearing.hearing_set import SHARD_CLIPS, shard_clips
from foley_sim.hearing.vocabulary import ACTIONS, KINDS, MICROPHONES, RATE, STRIKERS, SUPPORTS
from foley_sim.materials import MATERIALS

COLUMNS = 8
SHEET = "clips.png"


def preview(out: Path, seed: int, split: str, count: int = SHARD_CLIPS) -> Path:
    """Write a sheet of the first clips of a set, a row for each material and one for clips of no contact.

    Args:
        out: a PNG file; or a folder, that gets the sheet and every clip of it as a WAV.
        count: clips to choose from.

    Returns:
        `out`.

    Raises:
        OSError: it cannot be written.
    """
    rows = _rows(shard_clips(seed, split, 0, count))
    if out.suffix.lower() == ".png":
        out.parent.mkdir(parents=True, exist_ok=True)
        _sheet(out, rows)
        return out
    out.mkdir(parents=True, exist_ok=True)
    _sheet(out / SHEET, rows)
    for name, clips in rows.items():
        for i, clip in enumerate(clips):
            _write_wav(out / f"{name}_{i}_{_what(clip).replace(' ', '_')}.wav", clip.audio)
    return out


def _rows(clips: list[Clip]) -> dict[str, list[Clip]]:
    rows = {name: [c for c in clips if c.material == i][:COLUMNS] for i, name in enumerate(MATERIALS)}
    rows["none"] = [c for c in clips if c.kind != 0][:COLUMNS]
    return rows


def _what(clip: Clip) -> str:
    """In words, without the material."""
    if clip.kind != 0:
        return f"{KINDS[clip.kind]} {MICROPHONES[clip.microphone]}"
    return f"{ACTIONS[clip.action]} {STRIKERS[clip.striker]} {SUPPORTS[clip.support]} {MICROPHONES[clip.microphone]}"


def _sheet(path: Path, rows: dict[str, list[Clip]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(rows), COLUMNS, figsize=(2.2 * COLUMNS, 1.35 * len(rows)), squeeze=False
    )
    for row, (name, clips) in zip(axes, rows.items(), strict=True):
        for axis in row:
            axis.set_axis_off()
        for axis, clip in zip(row, clips, strict=False):
            axis.imshow(_spectrogram(clip.audio), origin="lower", aspect="auto", vmin=-75, vmax=0)
            axis.set_title(f"{name}: {_what(clip)}", fontsize=5, pad=1)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.985, 0.03, 0.12)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _spectrogram(audio: NDArray[np.int16]) -> NDArray[np.float64]:
    """Level [257, frames] below its maximum [dB]."""
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(float), 512)[::192] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames, axis=1).T) ** 2
    return np.asarray(10 * np.log10(power / max(power.max(), 1e-9) + 1e-12))


def _write_wav(path: Path, audio: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(audio.tobytes())
