"""The sound track of a video: of a WAV beside it, by PyAV or by ffmpeg, whichever is there."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.sound_file import UnreadableSound, read_sound
from foley_perception.dataset.schema import DatasetError

CURE = (
    "install PyAV (`pip install av`) or ffmpeg, or write a .wav beside each video "
    "(`ffmpeg -i NAME.mp4 NAME.wav`)"
)
_LONGEST_S = 120  # ffmpeg works on one short video


def can_decode() -> bool:
    """Whether anything here reads the sound of a video."""
    return importlib.util.find_spec("av") is not None or shutil.which("ffmpeg") is not None


def read_video_sound(path: Path) -> tuple[NDArray[np.float32], int] | None:
    """Samples [n] of the loudest channel and their rate; None of a video without sound.

    Raises:
        DatasetError: it cannot be read, or nothing is there to read it.
    """
    beside = path.with_suffix(".wav")
    try:
        if beside.is_file():
            return read_sound(beside)
        if importlib.util.find_spec("av") is not None:
            return _by_pyav(path)
        if (program := shutil.which("ffmpeg")) is not None:
            return _by_ffmpeg(program, path)
    except UnreadableSound as error:
        raise DatasetError(str(error)) from error
    raise DatasetError(f"{path}: nothing here reads the sound of a video; {CURE}")


def _by_pyav(path: Path) -> tuple[NDArray[np.float32], int] | None:
    av: Any = importlib.import_module("av")
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="fltp")  # planes of float32, rate and channels as they are
            blocks = [
                block.to_ndarray()
                for frame in container.decode(stream)
                for block in resampler.resample(frame)
            ]
            rate = int(stream.rate)
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(f"{path}: its sound cannot be decoded ({error}); unpack it again") from error
    sound = np.concatenate(blocks, axis=1) if blocks else np.zeros((1, 0), np.float32)
    if not sound.size or not np.isfinite(sound).all():
        raise DatasetError(f"{path}: its sound track is empty or holds NaN; unpack it again")
    return np.asarray(sound[int(np.square(sound).sum(axis=1).argmax())], np.float32), rate


def _by_ffmpeg(program: str, path: Path) -> tuple[NDArray[np.float32], int] | None:
    with tempfile.TemporaryDirectory(prefix="foley_sound_") as folder:
        wav = Path(folder) / "sound.wav"
        command = [program, "-nostdin", "-v", "error", "-i", str(path), "-vn", "-c:a", "pcm_f32le", str(wav)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DatasetError(f"{path}: ffmpeg did not decode its sound ({error})") from error
        if done.returncode == 0 and wav.is_file():
            return read_sound(wav)
        reason = " ".join(done.stderr.split())
        if "does not contain any stream" in reason:
            return None
        raise DatasetError(f"{path}: its sound cannot be decoded ({reason[-200:]}); unpack it again")
