"""Sounds to learn from: sets of sessions, and folders of sound files that a user has, in memory at one rate."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_common.session_file import read_session
from foley_perception.audio.resample import resampled
from foley_perception.audio.sound_file import UnreadableSound, read_sound
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.spectrum import FLOOR, Mel, analysed

SPLITS = ("train", "validation", "test")
_SUFFIXES = (".wav", ".flac")
_CONTACTS = ".contacts.npz"  # lie beside the sessions of a set, to render them anew
_QUIET = 0.2  # quantile of a bin that is its noise floor
_FOREGROUND = 10**0.5  # 10 dB above it
_FULL_SCALE = 32768.0


class SoundsError(ValueError):
    """There is nothing to learn from; the message says what is missing."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sounds:
    """Sounds of whole latent frames, each with its noise floor and where something is heard over it."""

    names: tuple[str, ...]
    splits: tuple[str, ...]
    samples: tuple[NDArray[np.int16], ...]  # each [frames * config.samples]
    floors: Tensor  # [k, bins] mel magnitudes: the 20th percentile of each bin
    active: tuple[
        NDArray[np.float32], ...
    ]  # each [frames]: share of the mel bins that stand 10 dB above the floor
    skipped: tuple[str, ...]  # what was left out, and why

    def rows(self, split: str) -> NDArray[np.int64]:
        """Of one side."""
        return np.array([i for i, s in enumerate(self.splits) if s == split], np.int64)

    def hours(self, config: CodecConfig, split: str) -> float:
        """Of one side [h]."""
        return sum(len(self.samples[i]) for i in self.rows(split)) / config.rate / 3600.0

    def fingerprint(self) -> str:
        """Of names, splits and samples."""
        digest = hashlib.sha256()
        for name, split, sound in zip(self.names, self.splits, self.samples, strict=True):
            digest.update(f"{name} {split} {len(sound)} ".encode())
            digest.update(sound[:: max(1, len(sound) // 1000)].tobytes())
        return digest.hexdigest()


def open_sounds(
    folders: Sequence[Path],
    config: CodecConfig,
    *,
    splits: Sequence[str] = SPLITS,
    hours: float = 8.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sounds:
    """The sounds of sets and folders.

    Files in a folder have no split: by a hash of their names one in twenty is for validation and one for test.

    Args:
        splits: those that are wanted.
        hours: where the folders hold more, files are taken evenly until it is reached.

    Raises:
        SoundsError: a folder is missing, or holds neither sessions nor sound files that can be used.
    """
    files = _files(folders)
    mel, window = Mel(config.rate, config.window, config.bins), torch.hann_window(config.window)
    names, sides, sounds, floors, active, skipped = [], [], [], [], [], []
    budget = round(hours * 3600 * config.rate)
    # Spread over all folders: bits of the index backwards would do as well, a fixed shuffle is plainer.
    order = np.random.default_rng(0).permutation(len(files))
    for done, index in enumerate(order, start=1):
        folder, path = files[index]
        try:
            sound, rate, split = _read(path, folder)
        except (UnreadableSound, ValueError, OSError) as error:
            skipped.append(str(error))
            continue
        progress(done, len(files))
        if split not in splits:
            continue
        if rate < config.rate:
            skipped.append(f"{path}: has {rate} Hz, {config.rate} Hz are needed")
            continue
        wanted = resampled(sound, rate, config.rate)
        if not np.abs(wanted).max(initial=0.0) > 0:
            skipped.append(f"{path}: is silent")
            continue
        whole = _whole(wanted, config.samples)
        floor, heard = _measured(whole, config, mel, window)
        names.append(f"{folder.name}/{path.relative_to(folder)}")
        sides.append(split)
        sounds.append(np.clip(np.rint(whole * _FULL_SCALE), -32768, 32767).astype(np.int16))
        floors.append(floor)
        active.append(heard)
        budget -= len(whole)
        if budget <= 0:
            skipped.append(f"{len(files) - done} further files: there are {hours:g} h already")
            break
    if not sounds:
        raise SoundsError(
            f"no sound of {', '.join(splits)} in {', '.join(map(str, folders))}"
            + (f"; left out: {skipped[0]}" if skipped else "")
        )
    return Sounds(
        tuple(names), tuple(sides), tuple(sounds), torch.stack(floors), tuple(active), tuple(skipped)
    )


def crops(
    sounds: Sounds, rows: NDArray[np.int64], count: int, frames: int, samples: int, gain_db: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Random crops [count, frames * samples] of sounds and their noise floors [count, bins], at random gains.

    Every second one is drawn where something is heard.
    """
    random = np.random.default_rng(seed)
    lengths = np.array([len(sounds.active[i]) for i in rows], float)
    loud = np.array([sounds.active[i].sum() for i in rows]) + 1e-6
    made, floors = [], []
    for k in range(count):
        weight = loud if k % 2 else lengths
        row = int(random.choice(rows, p=weight / weight.sum()))
        active = sounds.active[row]
        if k % 2:
            centre = int(random.choice(len(active), p=(active + 1e-6) / (active + 1e-6).sum()))
            begin = centre - int(random.integers(frames))
        else:
            begin = int(random.integers(max(1, len(active) - frames + 1)))
        # Not on the grid of latent frames: where a sound begins within one must not be learned.
        at = min(
            max(begin * samples + int(random.integers(samples)), 0), len(active) * samples - frames * samples
        )
        part = sounds.samples[row][max(at, 0) : max(at, 0) + frames * samples].astype(np.float32)
        gain = 10.0 ** (float(random.uniform(-gain_db, gain_db)) / 20.0)
        made.append(np.pad(part, (0, frames * samples - len(part))) * (gain / _FULL_SCALE))
        floors.append(sounds.floors[row] * gain)
    return torch.from_numpy(np.stack(made).astype(np.float32)), torch.stack(floors).clamp(min=FLOOR)


def windows(sounds: Sounds, split: str, frames: int, samples: int, most: int | None = None) -> Tensor:
    """Sounds [k, frames * samples] of one side, cut without overlap, evenly chosen; shorter sounds give none."""
    found = [
        (row, begin)
        for row in sounds.rows(split)
        for begin in range(0, len(sounds.active[row]) - frames + 1, frames)
    ]
    if most is not None and len(found) > most:
        found = [found[i] for i in np.linspace(0, len(found) - 1, most).round().astype(int)]
    cut = [
        sounds.samples[row][begin * samples : (begin + frames) * samples].astype(np.float32) / _FULL_SCALE
        for row, begin in found
    ]
    return torch.from_numpy(np.stack(cut)) if cut else torch.zeros(0, frames * samples)


def _files(folders: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Folder and file, in order."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise SoundsError(f"{folder}: no such folder")
        sessions = sorted(p for p in folder.glob("*.npz") if not p.name.endswith(_CONTACTS))
        paths = sessions or sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        if not paths:
            raise SoundsError(
                f"{folder}: holds neither sessions (`foley sim sessions`) nor WAV or FLAC files"
            )
        found += [(folder, path) for path in paths]
    return found


def _read(path: Path, folder: Path) -> tuple[NDArray[np.float32], int, str]:
    """Samples [n], their rate, and the split."""
    if path.suffix == ".npz":
        session = read_session(path)
        return session.sound.astype(np.float32) / _FULL_SCALE, session.sound_rate, str(session.facts["split"])
    sound, rate = read_sound(path)
    side = int(hashlib.sha256(str(path.relative_to(folder)).encode()).hexdigest(), 16) % 20
    return sound, rate, {0: "validation", 1: "test"}.get(side, "train")


def _whole(sound: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Filled up with silence to whole latent frames."""
    return np.pad(sound, (0, -len(sound) % samples))


def _measured(
    sound: NDArray[np.float32], config: CodecConfig, mel: Mel, window: Tensor
) -> tuple[Tensor, NDArray[np.float32]]:
    """Noise floor [bins], and share of the bins above it in each latent frame."""
    magnitudes = mel(analysed(torch.from_numpy(sound)[None], window, config.hop)[0, 1::4].abs())
    floor = magnitudes.quantile(_QUIET, dim=0).clamp(min=FLOOR)
    return floor, (magnitudes > _FOREGROUND * floor).float().mean(dim=1).numpy()
