"""A recording as one session (foley_common/session_file.py): what models of sound that train on sessions can be shown.

Motion comes onto the grid of 125 Hz as `action/motion_grid.py` says, sound is brought to 16 kHz. The surface is the far
envelope of the recording's depth images, where no other is given.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.robot_file import Frames
from foley_common.session_file import MOTION_RATE, POINT_SCALE, SessionData, read_arrays, write_session
from foley_common.times import NS_PER_S
from foley_perception.action.gripper import GripperHand, HandError
from foley_perception.action.motion_grid import (
    GridMotion,
    measured_on_grid,
    planned_on_grid,
    wrench_on_grid,
)
from foley_perception.dataset.build import READER_VERSION, bag_files
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.splits import check_known
from foley_perception.dataset.staging import identity_of
from foley_perception.episodes.episode import Episode, number
from foley_perception.episodes.frames import AS_ROBOT, FrameNames
from foley_perception.episodes.names import Naming
from foley_perception.episodes.planned_path import planned_paths
from foley_perception.episodes.reader import read_episode
from foley_perception.geometry.se3 import SE3
from foley_perception.recording.bag_name import distinct_names, safe_name
from foley_perception.recording.labels import overlap_ns
from foley_perception.scene.background import far_of, levels_of, merged

SOUND_RATE = 16_000  # [Hz]
_DEPTHS = 24  # images over the recording, of which the farthest reading of a pixel counts but one
_AROUND_M = 0.5  # of the tip's path: farther points are left out
_REACH_M = 32_767 * POINT_SCALE  # of what a session's file can hold
_ROW_NS = NS_PER_S // MOTION_RATE
Facts = dict[str, Any]


def session_of(
    episode: Episode,
    hand: GripperHand,
    *,
    split: str = "",
    surface: NDArray[np.floating] | None = None,
    within: tuple[int, int] | None = None,
) -> SessionData:
    """The stretch of a recording in which there are both sound and poses.

    Objects are those whose size and position the recording's scene tells; other contacts are of the table.

    Args:
        split: where the recording gives none.
        surface: points [m, 3] of the scene in the world; None: of the recording's depth, and none without it.
        within: from when to when [ns]; None: the whole recording, which must have no pause.

    Raises:
        DatasetError: no sound, no poses, less than 1 s of both, no split, or a pause.
    """
    sound, pose = episode.audio, episode.ee_pose
    if sound is None or pose is None:
        raise DatasetError(f"{episode.path}: a session needs sound and ee_pose")
    split = episode.split or split
    if not split:
        raise DatasetError(f"{episode.path}: its scene names no split; name one")
    check_known(split, episode.path)
    start, end = _common(episode, within)
    rows = int((end - start) // _ROW_NS)
    if rows < MOTION_RATE:
        raise DatasetError(f"{episode.path}: sound and ee_pose have less than 1 s in common")
    if overlap_ns(episode.pauses, start, end):
        raise DatasetError(
            f"{episode.path}: the recording was paused; make a session of each stretch between pauses"
        )
    heard, known = sound.slice(start, rows * SOUND_RATE // MOTION_RATE, SOUND_RATE)
    executed = measured_on_grid(start, rows, pose.times_ns, pose.poses, episode.gripper_width(hand))
    points = (
        _depth_points(episode, start, end)
        if surface is None
        else np.asarray(surface, np.float64).reshape(-1, 3)
    )
    stored = _stored(points, (executed.poses @ episode.tx_tool_tip).translation)
    planned = _planned(episode, hand, start, rows)
    wrench = episode.directed_wrench
    objects = [o for o in episode.scene.get("objects", ()) if _told(o)]
    index = {str(o.get("object_id") or o.get("id")): i for i, o in enumerate(objects)}
    contacts = [
        c
        for c in episode.truth or episode.detected
        if 0 <= c.time_ns - start < rows * _ROW_NS  # in order of time
    ]
    return SessionData(
        facts={
            "scene_id": episode.scene_id or episode.session_id,
            "split": split,
            "sound_rate": SOUND_RATE,
            "session_id": episode.session_id,
            "start_ns": start,
            "sound_missing_s": float(np.count_nonzero(~known)) / SOUND_RATE,
            "objects": objects,
            "contact_actions": [c.action_name for c in contacts],
            "view_names": [],
        },
        sound=np.clip(np.rint(heard * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16),
        planned_pose=_rows(planned.poses),
        executed_pose=_rows(executed.poses),
        planned_width=planned.widths.astype(np.float32),
        executed_width=executed.widths.astype(np.float32),
        wrench=(
            np.full((rows, 6), np.nan)
            if wrench is None
            else wrench_on_grid(start, rows, wrench.times_ns, wrench.values)
        ).astype(np.float32),
        tool_tip=_rows(episode.tx_tool_tip),
        surface_points=stored,
        surface_colours=np.zeros((len(stored), 3), np.uint8),
        contact_s=np.array([(c.time_ns - start) / NS_PER_S for c in contacts], np.float32),
        contact_planned_s=np.full(len(contacts), math.nan, np.float32),
        contact_object=np.array([index.get(c.object_id, -1) for c in contacts], np.int16),
        contact_impulse=np.array([c.impulse for c in contacts], np.float32),
        view_bytes=np.zeros(0, np.uint8),
        view_offsets=np.zeros(1, np.int64),
    )


def stretches(episode: Episode) -> list[tuple[int, int]]:
    """From when to when [ns] there are sound and poses without a pause, for 1 s at least; in order."""
    start, end = _common(episode, None)
    found = []
    for pause in sorted(episode.pauses):
        found.append((start, min(pause.start_ns, end)))
        start = max(start, min(pause.end_ns, end))
    return [(a, b) for a, b in (*found, (start, end)) if (b - a) // _ROW_NS >= MOTION_RATE]


def _common(episode: Episode, within: tuple[int, int] | None) -> tuple[int, int]:
    """From when to when there are both sound and poses. Raises DatasetError where one is missing."""
    sound, pose = episode.audio, episode.ee_pose
    if sound is None or pose is None:
        raise DatasetError(f"{episode.path}: a session needs sound and ee_pose")
    start, end = max(sound.start_ns, int(pose.times_ns[0])), min(sound.end_ns, int(pose.times_ns[-1]))
    return (start, end) if within is None else (max(start, within[0]), min(end, within[1]))


@dataclasses.dataclass(frozen=True)
class Sessions:
    """Files of sessions, and what was not written."""

    paths: tuple[Path, ...]
    kept: int  # of them that were there already, of the same recordings and options
    left_out: Mapping[str, str]  # why, by names of bags


def write_sessions(
    bags: Sequence[Path],
    out: Path,
    hand: GripperHand | None,
    *,
    naming: Naming | None = None,
    frames: FrameNames | Frames = AS_ROBOT,
    split: str = "",
    skip_bad: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> Sessions:
    """A file a bag, `<bag>.npz`, and of one that was paused one more for each stretch but the first, `<bag>+2.npz`.

    What is there already is kept where the bag's files (by name, size and time) and the options are the same, else
    made anew. Stretches of less than 1 s are left out.

    Args:
        hand: None: that of each robot's file.
        skip_bad: leave out bags that cannot be used.

    Raises:
        EpisodeError: a bag cannot be used.
        DatasetError: the same, a file of its name is of something else, or another file holds its session.
        OSError: a file cannot be written.
    """
    naming = naming or Naming()
    if out.exists() and not out.is_dir():
        raise DatasetError(f"{out}: is a file; name a folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    salt = repr((READER_VERSION, naming.identity, repr(frames), split, hand.digest if hand else ""))
    held = {path: _facts(path) for path in sorted(out.glob("*.npz"))}
    written, kept, left_out = list[Path](), 0, {}
    for done, (bag, name) in enumerate(zip(bags, distinct_names(bags), strict=True)):
        progress(done, len(bags), name)
        path = out / f"{safe_name(name)}.npz"
        try:
            made_of = identity_of(bag_files(bag), f"{name} {salt}")
            if whole := _whole(path, made_of, held):
                kept += 1
            else:
                episode = read_episode(bag, frames=frames, **naming.reading, name=name)
                _check_place(path, bag, episode.session_id, held)
                whole = _write(path, episode, hand, split, made_of, held)
            written += whole
        except ValueError as error:  # as EpisodeError and DatasetError are
            if not skip_bad:
                raise
            stays = f"; an older {path.name} stays in {out}" if path.exists() else ""
            left_out[name] = f"{error}{stays}"
    progress(len(bags), len(bags), "")
    return Sessions(tuple(written), kept, left_out)


def _write(
    path: Path, episode: Episode, hand: GripperHand | None, split: str, made_of: str, held: dict[Path, Facts]
) -> list[Path]:
    """The files of a recording, in place of those that were there."""
    own = hand or GripperHand.from_yaml(episode.robot.hand_reference)
    # Where there is none session_of says what is wrong.
    parts: list[tuple[int, int] | None] = [*stretches(episode)] or [None]
    sessions = [session_of(episode, own, split=split, within=part) for part in parts]
    for file in [p for p in held if p == path or _is_stretch_of(p, path)]:
        file.unlink(missing_ok=True)
        del held[file]
    files = [path, *(path.with_name(f"{path.stem}+{n}.npz") for n in range(2, len(sessions) + 1))]
    for file, session in zip(files, sessions, strict=True):
        session.facts.update(made_of=made_of, stretches=len(sessions))
        if hand is None:
            session.facts.update(hand=episode.robot.hand_reference, hand_digest=own.digest)
        write_session(file, session)
        held[file] = session.facts
    return files


def _whole(path: Path, made_of: str, held: Mapping[Path, Facts]) -> list[Path]:
    """The files that were made of just this, where all of them are there; else none."""
    own = [p for p in held if (p == path or _is_stretch_of(p, path)) and held[p].get("made_of") == made_of]
    own.sort(key=lambda p: (p != path, len(p.name), p.name))  # +10 is behind +2
    whole = own and len(own) == held[own[0]].get("stretches") and _same_hand(held[own[0]])
    return own if whole else []


def _same_hand(facts: Facts) -> bool:
    """Whether the robot's gripper is still what it was when a file was made of it."""
    reference = facts.get("hand")
    if not isinstance(reference, str):
        return True  # a hand was given: `made_of` knows it
    try:
        return GripperHand.from_yaml(reference).digest == facts.get("hand_digest")
    except HandError:
        return False  # which is told when the file is made anew


def _is_stretch_of(path: Path, first: Path) -> bool:
    """By its name; `+` is in no name of a recording (see `safe_name`)."""
    stem, _, number = path.stem.rpartition("+")
    return stem == first.stem and number.isdigit()


def _check_place(path: Path, bag: Path, session_id: str, held: Mapping[Path, Facts]) -> None:
    """Raises DatasetError: a recording would take another's place, or stand there twice."""
    for file, facts in held.items():
        there = facts.get("session_id")
        if file == path or _is_stretch_of(file, path):
            if not there:
                raise DatasetError(
                    f"{file}: is there, and is no session of a recording; remove it, or name another --out"
                )
            if there != session_id:
                raise DatasetError(
                    f"{file}: holds the session `{there}`, and {bag} is `{session_id}`: two recordings whose folders "
                    "have one name; name another --out, or rename the folder"
                )
        elif there == session_id:
            raise DatasetError(
                f"{bag}: its session `{session_id}` lies in {file} already; leave the bag out, or remove that file"
            )


def _facts(path: Path) -> Facts:
    """Of a session's file; none of another, or a damaged one."""
    try:
        return read_arrays(path)[0]
    except (OSError, ValueError):
        return {}


def _planned(episode: Episode, hand: GripperHand, start_ns: int, rows: int) -> GridMotion:
    """Of all plans, in the order in which they begin; NaN without any."""
    plans = sorted(
        (plan.motion for plan in planned_paths(episode, hand).paths), key=lambda m: int(m.times_ns[0])
    )
    if plans:
        return planned_on_grid(start_ns, rows, plans)
    unknown = SE3(np.full((rows, 4), np.nan), np.full((rows, 3), np.nan))
    return GridMotion(unknown, np.full(rows, np.nan))


def _told(item: object) -> bool:
    """Whether an object's place and size are known."""

    def three(value: object) -> bool:
        return isinstance(value, list) and len(value) == 3 and all(math.isfinite(number(v)) for v in value)

    return isinstance(item, dict) and three(item.get("size")) and three(item.get("position"))


def _depth_points(episode: Episode, start_ns: int, end_ns: int) -> NDArray[np.float64]:
    """What stands behind the arm in a stretch [m, 3]; none without depth, or where the camera moves."""
    depth, camera = episode.depth, episode.camera
    if depth is None or camera is None:
        return np.zeros((0, 3))
    seen = np.flatnonzero((depth.times_ns >= start_ns) & (depth.times_ns <= end_ns))
    if not seen.size:
        return np.zeros((0, 3))
    chosen = seen[np.unique(np.linspace(0, len(seen) - 1, _DEPTHS).round().astype(int))]
    drop = 1 if len(chosen) > 1 else 0
    images = (levels_of(np.asarray(depth.read(int(i)), np.float32), drop) for i in chosen)
    far = far_of(functools.reduce(merged, images))
    height, width = far.shape
    if (width, height) != (camera.width, camera.height):
        camera = camera.scaled(width, height)
    v, u = np.nonzero(np.isfinite(far))
    return camera.unproject(np.stack([u, v], axis=1), far[v, u])


def _stored(points: NDArray[np.float64], tips: NDArray[np.float64]) -> NDArray[np.int16]:
    """Those near the tip's path, as a session's file holds them."""
    low, high = np.nanmin(tips, axis=0) - _AROUND_M, np.nanmax(tips, axis=0) + _AROUND_M
    low, high = np.maximum(low, -_REACH_M), np.minimum(high, _REACH_M)
    near = np.isfinite(points).all(axis=1) & ((points >= low) & (points <= high)).all(axis=1)
    return np.asarray(np.round(points[near] / POINT_SCALE), np.int16)


def _rows(poses: SE3) -> NDArray[np.float32]:
    """[..., 7]: x y z, quaternion x y z w."""
    return np.concatenate([poses.translation, poses.quaternion], axis=-1).astype(np.float32)
