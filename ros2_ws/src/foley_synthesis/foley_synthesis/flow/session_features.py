"""What models are given of a session's motion and room, computed once and kept beside the set.

    <set>/.features/<digest>/<session>.npy           channels of motion [n, 2 * MOTION_CHANNELS + force], float16
    <set>/.features/<digest>/<session>.safetensors   noise floors, what lies under the tip, and of which file it is

The digest is over the hand and the source of whatever computes them: changed code makes them again, and so does a
changed file. Several processes may make and read them at once.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, SessionData, read_session
from foley_perception.action import contact_motion as motion_module
from foley_perception.action import gripper as gripper_module
from foley_perception.action.contact_motion import MOTION_CHANNELS, NAMES, contact_motion
from foley_perception.action.gripper import GripperHand
from foley_perception.geometry import height_map as height_module
from foley_perception.geometry import se3 as se3_module
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow import what as what_module
from foley_synthesis.flow.networks import mel as mel_module
from foley_synthesis.flow.networks.mel import BINS, FINE, RATE, LogMel
from foley_synthesis.flow.session_cache import kept_folders

ROWS_PER_LATENT = 4  # motion rows, and frames of sound, of one latent frame
FLOOR_STEP_S = 0.5  # between moments whose floors are kept
FLOOR_S = 8.0  # of sound before a moment that tell its floor
FIRST_S = 0.4  # of a session, which stand in where less was heard before
FLOOR_QUANTILE = 0.2
_FLOOR_FRAMES = 250  # that are enough to tell a floor
_WINDOW_REACH = 2  # frames that a window reaches beyond its own one
# Of which the map's bounds are multiples, in whole cells: the grid that a plan is seen on must not tell where the hand
# was.
_BOUNDS_M = 0.3
_MARGIN_M = 0.15  # around the tip's path, in which the hand's own fingers are


@dataclasses.dataclass(frozen=True, eq=False)
class SessionFeatures:
    """Of one session, in rows of 8 ms; n is a multiple of 4."""

    channels: NDArray[np.float16]  # [n, 2 * MOTION_CHANNELS + force]: planned, executed, force
    floors: NDArray[np.float16]  # [k, 80] log mel, of moments FLOOR_STEP_S apart
    under: NDArray[np.int16]  # [n / 4] index of the object under the planned tip; -1: none

    @property
    def planned(self) -> NDArray[np.float16]:
        """[n, MOTION_CHANNELS]."""
        return self.channels[:, :MOTION_CHANNELS]

    @property
    def executed(self) -> NDArray[np.float16]:
        """[n, MOTION_CHANNELS]."""
        return self.channels[:, MOTION_CHANNELS : 2 * MOTION_CHANNELS]

    @property
    def force(self) -> NDArray[np.float16]:
        """As measured [n, force channels]."""
        return self.channels[:, 2 * MOTION_CHANNELS :]


def session_features(session: SessionData, hand: GripperHand | None) -> SessionFeatures:
    """Compute them.

    Raises:
        ValueError: the sound is not at 16 or 48 kHz.
    """
    rows = len(session.planned_pose) // ROWS_PER_LATENT * ROWS_PER_LATENT
    tip = _pose(session.tool_tip)
    planned, executed = _pose(session.planned_pose[:rows]), _pose(session.executed_pose[:rows])
    surface = session_surface(session)
    first = contact_motion(planned, session.planned_width[:rows], tip, surface, None, hand)
    second = contact_motion(
        executed, session.executed_width[:rows], tip, surface, session.wrench[:rows], hand
    )
    tips = (planned @ tip).translation[ROWS_PER_LATENT // 2 :: ROWS_PER_LATENT]
    return SessionFeatures(
        np.concatenate([first.motion, second.motion, second.force], axis=1).astype(np.float16),
        noise_floors(at_16_khz(session.sound, session.sound_rate)),
        what_module.under(tips, session.facts["objects"]),
    )


def session_surface(session: SessionData) -> HeightMap | None:
    """The observed surface around where the tip goes; None where nothing was seen there."""
    tip = _pose(session.tool_tip)
    poses = np.concatenate([session.planned_pose, session.executed_pose])
    places = (_pose(poses) @ tip).translation[:, :2]
    places = places[np.isfinite(places).all(axis=1)]
    if not len(session.surface_points) or not len(places):
        return None
    # Not further than what was seen: one pose that is far off must not make a map of all the way there.
    points = session.points()[:, :2]
    low = np.floor((places.min(axis=0) - _MARGIN_M) / _BOUNDS_M) * _BOUNDS_M
    high = np.ceil((places.max(axis=0) + _MARGIN_M) / _BOUNDS_M) * _BOUNDS_M
    low, high = np.maximum(low, points.min(axis=0)), np.minimum(high, points.max(axis=0))
    try:
        return HeightMap.from_points(session.points(), bounds=(low[0], low[1], high[0], high[1]))
    except ValueError:
        return None


def noise_floors(sound: NDArray[np.int16]) -> NDArray[np.float16]:
    """Floors [k, 80] of moments at 0, 0.5, 1 s ...: each bin's 20th percentile over up to 8 s before.

    Only frames that end before the moment count; at less than 0.4 s the first 0.4 s stand in.
    """
    with torch.no_grad():
        mel = log_mel()(torch.from_numpy(sound.astype(np.float32) / np.float32(2**15))).numpy().T
    moments = np.arange(0.0, len(sound) / RATE, FLOOR_STEP_S)
    floors = np.empty((len(moments), BINS), np.float16)
    for row, moment in enumerate(moments):
        last = round(moment * MOTION_RATE) - _WINDOW_REACH
        before = mel[max(last - round(FLOOR_S * MOTION_RATE), 0) : max(last, 0)]
        if moment < FIRST_S:
            before = mel[: round(FIRST_S * MOTION_RATE)]
        before = before[:: max(len(before) // _FLOOR_FRAMES, 1)]
        rank = int(FLOOR_QUANTILE * (len(before) - 1))
        floors[row] = np.partition(before, rank, axis=0)[rank]
    return floors


def at_16_khz(sound: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
    """A session's sound at 16 kHz.

    Raises:
        ValueError: it is at neither 16 nor 48 kHz.
    """
    if rate == RATE:
        return sound
    if rate != 3 * RATE:
        raise ValueError(f"sound_rate is {rate} Hz, must be {RATE} or {3 * RATE}")
    from scipy.signal import resample_poly

    lower = resample_poly(sound.astype(np.float32), 1, 3)[: len(sound) // 3]
    return np.asarray(np.clip(np.rint(lower), -(2**15), 2**15 - 1), np.int16)


@functools.cache
def log_mel() -> LogMel:
    """At 125 Hz; see `flow/networks/mel.py`."""
    return LogMel(**FINE)


# ---- kept between runs -------------------------------------------------------------------------------------
def cached_features(path: Path, hand: GripperHand) -> SessionFeatures:
    """Of a session's file; channels are mapped, not read.

    Raises:
        OSError, ValueError: the file cannot be read, or what was made of it not be kept.
    """
    from safetensors import SafetensorError, safe_open

    mark = _mark(path)
    for folder in kept_folders(path.parent, f".features/{_digest(hand)}"):
        channels, small = folder / f"{path.stem}.npy", folder / f"{path.stem}.safetensors"
        try:
            with safe_open(small, "np") as file:
                if (file.metadata() or {}).get("session") == mark:
                    under = file.get_tensor("under")
                    return SessionFeatures(_mapped(channels, len(under)), file.get_tensor("floors"), under)
        except (OSError, SafetensorError, ValueError):
            pass  # not there yet, or cut short: made again
    session = read_session(path)
    try:
        made = session_features(session, hand)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    _keep(channels, small, made, mark)
    return SessionFeatures(_mapped(channels, len(made.under)), made.floors, made.under)


def _mapped(path: Path, frames: int) -> NDArray[np.float16]:
    """The channels of a file, whose descriptor does not stay open as np.memmap's would: sets have over 1,000 files.

    Raises:
        OSError, ValueError: it cannot be read, or does not hold as many latent frames.
    """
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        begin = file.tell() // 2
    count = shape[0] * shape[-1]
    if kind != np.float16 or shape != (frames * ROWS_PER_LATENT, MOTION_CHANNELS + len(NAMES)):
        raise ValueError(f"{path}: {kind} {shape}")
    if path.stat().st_size != 2 * (begin + count):
        raise ValueError(f"{path} is cut short")
    mapped = torch.from_file(str(path), shared=False, size=begin + count, dtype=torch.float16)
    channels = mapped[begin:].numpy().reshape(shape)
    channels.flags.writeable = False
    return channels


def _keep(channels: Path, small: Path, made: SessionFeatures, mark: str) -> None:
    """Channels first: the small file says that both are there."""
    from safetensors.numpy import save_file

    small.parent.mkdir(parents=True, exist_ok=True)
    partial = channels.with_name(f".{channels.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.save(file, np.ascontiguousarray(made.channels), allow_pickle=False)
    partial.replace(channels)
    partial = small.with_name(f".{small.name}.{os.getpid()}.partial")
    save_file({"floors": made.floors, "under": made.under}, partial, {"session": mark})
    partial.replace(small)


def _mark(path: Path) -> str:
    """Which state of a file features are of."""
    state = path.stat()
    return f"{state.st_size} {state.st_mtime_ns}"


def _digest(hand: GripperHand) -> str:
    ends = hand.keypoints(SE3.identity(2), [0.0, hand.max_width])  # files of one name may say something else
    said = np.array([hand.max_width, hand.default_width]).tobytes() + ends.tobytes()
    return hashlib.sha256(_sources() + said).hexdigest()[:16]


@functools.cache
def _sources() -> bytes:
    modules = (motion_module, height_module, gripper_module, se3_module, what_module, mel_module)
    return b"".join([Path(__file__).read_bytes(), *map(_source, modules)])


def _source(module: ModuleType) -> bytes:
    return Path(str(module.__file__)).read_bytes()


def _pose(values: NDArray[np.float32]) -> SE3:
    """Of a session's poses [..., 7]."""
    poses = values.astype(np.float64)
    return SE3(poses[..., 3:], poses[..., :3])
