"""Sound files of others: any that libsndfile reads, whatever their headers say of their length."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

LONGEST_S = 3600.0
LOWEST_HZ, HIGHEST_HZ = 4_000, 1_000_000
MOST_AMPLITUDE = 8.0  # 18 dB above full scale; beyond it samples are integers that nobody has scaled
_MOST_BYTES = 1 << 31  # of a WAV
_BLOCK = 1 << 16  # samples of all channels that are decoded at a time


class UnreadableSound(ValueError):
    """A file holds no sound that can be used; the message names it, the reason and the cure."""


class _InOrder(soundfile.SoundFile):  # type: ignore[misc]
    """Read from its beginning to its end and never sought in: a stream's length is not known, and some codecs
    (GSM) cannot be sought in at all."""

    def seekable(self) -> bool:
        return False


@dataclasses.dataclass(frozen=True)
class _Channels:
    """What a file's channels hold."""

    samples: int  # of each
    power: NDArray[np.float64]  # [channels] around the mean
    bad: NDArray[np.int64]  # [channels] samples that are no numbers
    first_bad: int  # sample; of any channel

    def heard(self) -> int | None:
        """The loudest channel that is whole."""
        power = np.where(self.bad == 0, self.power, -1.0)
        return int(power.argmax()) if (self.bad == 0).any() else None


def read_sound(path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples [n] of the loudest channel, and their rate. Channels are never averaged, as they may cancel.

    Raises:
        UnreadableSound: no such file, not a sound file, empty, damaged, too long, or of values that are no sound.
    """
    if not path.is_file():
        raise UnreadableSound(f"{path}: no such file")
    channels, rate = _survey(path)
    channel = channels.heard()
    if channel is None:
        raise UnreadableSound(
            f"{path}: {int(channels.bad.min())} samples are NaN or infinite, the first at "
            f"{channels.first_bad / rate:.3f} s; export it again"
        )
    mono, filled = np.zeros(channels.samples, np.float32), 0
    with _opened(path) as file:
        for block in _blocks(path, file):
            mono[filled : filled + len(block)] = block[:, channel]
            filled += len(block)
    peak = float(np.abs(mono).max())
    if peak > MOST_AMPLITUDE:
        raise UnreadableSound(
            f"{path}: samples reach {peak:g}, sound lies in [-1, 1]; divide them by the full scale of the integers "
            "that they were (32768 for 16 bit)"
        )
    return mono, rate


def _survey(path: Path) -> tuple[_Channels, int]:
    """First pass: every channel is measured before one is kept."""
    with _opened(path) as file:
        rate, count = int(file.samplerate), int(file.channels)
        if not LOWEST_HZ <= rate <= HIGHEST_HZ:
            raise UnreadableSound(
                f"{path}: its sample rate is {rate} Hz, must lie in {LOWEST_HZ}..{HIGHEST_HZ}; correct its header"
            )
        n, first_bad = 0, -1
        total, square = np.zeros(count), np.zeros(count)
        bad = np.zeros(count, np.int64)
        for block in _blocks(path, file):
            good = np.isfinite(block)
            if first_bad < 0 and not good.all():
                first_bad = n + int(np.flatnonzero(~good.all(axis=1))[0])
            bad += (~good).sum(axis=0)
            finite = np.where(good, block, 0.0).astype(np.float64)
            total += finite.sum(axis=0)
            square += np.square(finite).sum(axis=0)
            n += len(block)
            if n > LONGEST_S * rate:
                raise UnreadableSound(f"{path}: longer than {LONGEST_S / 60:.0f} minutes; cut it into pieces")
        declared = int(file.frames)
    if n == 0:
        raise UnreadableSound(f"{path}: holds no samples")
    if n < declared <= LONGEST_S * rate:
        raise _cut_off(path, n / rate, f"{declared / rate:.1f} s were written")
    return _Channels(n, square / n - np.square(total / n), bad, first_bad), rate


def _opened(path: Path) -> soundfile.SoundFile:
    """
    Raises:
        UnreadableSound: libsndfile does not know it.
    """
    try:
        file = _InOrder(path)
        if file.frames == 0 and (whole := _with_open_length(path)) is not None:
            file.close()
            file = _InOrder(whole)
    except TypeError as error:  # it is raw for soundfile, by its suffix
        raise UnreadableSound(
            f"{path}: raw samples, which do not tell rate and format; convert it to WAV, as with "
            f"`ffmpeg -f s16le -ar 48000 -ac 1 -i {path.name} {path.stem}.wav`"
        ) from error
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError) as error:
        reason = str(error).split(": ")[-1].strip() or "its format or codec is not known"
        raise UnreadableSound(
            f"{path}: not a sound file that can be read ({reason}); convert it to WAV"
        ) from error
    return file


def _with_open_length(path: Path) -> io.BytesIO | None:
    """A WAV whose writer was stopped before it could tell the length, with a length that is open."""
    if path.stat().st_size > _MOST_BYTES:
        return None
    content = bytearray(path.read_bytes())
    at = content.find(b"data", 12) if content[:4] == b"RIFF" else -1
    if at < 0 or content[at + 4 : at + 8] != bytes(4) or len(content) <= at + 8:
        return None
    content[at + 4 : at + 8] = content[4:8] = b"\xff" * 4
    return io.BytesIO(bytes(content))


def _blocks(path: Path, file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """[n, channels] until the file ends."""
    frames = max(_BLOCK // max(file.channels, 1), 1)
    done = 0
    while True:
        try:
            block = file.read(frames, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError, OSError, ValueError) as error:
            raise _cut_off(path, done / max(file.samplerate, 1), str(error).strip(": ")) from error
        if not len(block):
            return
        done += len(block)
        yield block


def _cut_off(path: Path, after_s: float, reason: str) -> UnreadableSound:
    about = f" ({reason})" if reason else ""
    return UnreadableSound(
        f"{path}: damaged or cut off after {math.floor(after_s * 10) / 10:.1f} s{about}; "
        f"`ffmpeg -i {path.name} whole.wav` keeps what can be read"
    )
