"""One session of touching things as one file of plain arrays: what models of sound train on, without a bag.

A set of sessions is a folder of such files, `<scene_id>-p<policy seed>.npz`; whoever writes one does it whole or not at
all. Arrays lie on three grids that begin with the session at 0 s: sound at ``sound_rate``, motion at
:data:`MOTION_RATE`, pictures of views at :data:`VIEW_RATE`. Row i of a grid is taken at i / rate.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA = "foley-session-1"
MOTION_RATE = 125  # [Hz]
VIEW_RATE = 4  # [Hz]
POINT_SCALE = 1e-4  # [m] of a unit of `surface_points`

_ARRAYS: dict[str, tuple[type, int]] = {
    "sound": (np.int16, 1),
    "planned_pose": (np.float32, 2),
    "executed_pose": (np.float32, 2),
    "planned_width": (np.float32, 1),
    "executed_width": (np.float32, 1),
    "wrench": (np.float32, 2),
    "tool_tip": (np.float32, 1),
    "surface_points": (np.int16, 2),
    "surface_colours": (np.uint8, 2),
    "contact_s": (np.float32, 1),
    "contact_planned_s": (np.float32, 1),
    "contact_object": (np.int16, 1),
    "contact_impulse": (np.float32, 1),
    "view_bytes": (np.uint8, 1),
    "view_offsets": (np.int64, 1),
}


@dataclasses.dataclass(frozen=True, eq=False)
class SessionData:
    """What happened, what was heard, and what could be seen before. All lengths in metres, times in seconds.

    facts: `scene_id`, `edition`, `split`, `scene_seed`, `policy_seed`, `robot`, `duration_s`, `sound_rate` [Hz],
        `objects` (list of dicts, in the order of ``contact_object``: object_id, material, shape, size, wall, position),
        `contact_actions` (list of names, one a contact), `view_names`, and what else its writer knows.
    """

    facts: dict[str, Any]
    sound: NDArray[np.int16]  # [duration * sound_rate]
    planned_pose: NDArray[
        np.float32
    ]  # [n, 7] tx_world_tool: x y z, quaternion x y z w; a plan, held until the next
    executed_pose: NDArray[np.float32]  # [n, 7] as measured
    planned_width: NDArray[np.float32]  # [n] of the gripper, NaN: not known
    executed_width: NDArray[np.float32]  # [n]
    wrench: NDArray[
        np.float32
    ]  # [n, 6] force [N] and torque [N m] on the tool, in its frame, mean over the row
    tool_tip: NDArray[np.float32]  # [7] tx_tool_tip
    surface_points: NDArray[
        np.int16
    ]  # [m, 3] of the scene as depth cameras saw it without the hand, in POINT_SCALE
    surface_colours: NDArray[np.uint8]  # [m, 3]
    contact_s: NDArray[np.float32]  # [c] true onsets, in order
    contact_planned_s: NDArray[np.float32]  # [c] when the plan would touch; NaN: no plan says
    contact_object: NDArray[np.int16]  # [c] index into `objects`; -1: the table
    contact_impulse: NDArray[np.float32]  # [c] [N s]; NaN: not known
    view_bytes: NDArray[np.uint8]  # JPEG files one after another; empty: no views were rendered
    view_offsets: NDArray[np.int64]  # [k * views + 1]: file of moment i and view j is i * views + j

    def __post_init__(self) -> None:
        """Raises ValueError naming the field that is not what it should be."""
        for name, (kind, dims) in _ARRAYS.items():
            values = getattr(self, name)
            if values.dtype != kind or values.ndim != dims:
                raise ValueError(
                    f"{name} is {values.dtype} with {values.ndim} dimensions, must be {np.dtype(kind)} with {dims}"
                )
        missing = [key for key in ("scene_id", "split", "sound_rate", "objects") if key not in self.facts]
        if missing:
            raise ValueError(f"facts lack {', '.join(missing)}")
        if not isinstance(self.facts["objects"], list):
            raise ValueError("facts: objects is no list")
        rate = self.facts["sound_rate"]
        if not isinstance(rate, int) or rate < 1:
            raise ValueError(f"facts: sound_rate is {rate}, must be a whole number of Hz over 0")
        rows = len(self.executed_pose)
        if len(self.tool_tip) != 7:
            raise ValueError(f"tool_tip has {len(self.tool_tip)} numbers, must have 7")
        widths = {
            "planned_pose": 7,
            "executed_pose": 7,
            "wrench": 6,
            "surface_points": 3,
            "surface_colours": 3,
        }
        for name, width in widths.items():
            if getattr(self, name).shape[1] != width:
                raise ValueError(f"{name} has {getattr(self, name).shape[1]} columns, must have {width}")
        for name in ("planned_pose", "planned_width", "executed_width", "wrench"):
            if len(getattr(self, name)) != rows:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows, executed_pose has {rows}")
        if len(self.sound) * MOTION_RATE != rows * self.sound_rate:
            raise ValueError(
                f"sound has {len(self.sound)} samples at {self.sound_rate} Hz, motion {rows} rows at {MOTION_RATE} Hz: "
                "they must last equally long"
            )
        if len(self.surface_points) != len(self.surface_colours):
            raise ValueError(
                f"surface_colours has {len(self.surface_colours)} rows, surface_points {len(self.surface_points)}"
            )
        contacts = len(self.contact_s)
        for name in ("contact_planned_s", "contact_object", "contact_impulse"):
            if len(getattr(self, name)) != contacts:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows, contact_s has {contacts}")
        objects = len(self.facts["objects"])
        if contacts and not (self.contact_object.min() >= -1 and self.contact_object.max() < objects):
            raise ValueError(f"contact_object must lie in [-1, {objects})")

    @property
    def sound_rate(self) -> int:
        """[Hz]."""
        return int(self.facts["sound_rate"])

    @property
    def duration_s(self) -> float:
        """Of the session."""
        return len(self.executed_pose) / MOTION_RATE

    @property
    def views(self) -> int:
        """Moments at which views were rendered; 0: none were."""
        names = len(self.facts.get("view_names", ()))
        return (len(self.view_offsets) - 1) // names if names and len(self.view_offsets) > 1 else 0

    def view(self, moment: int, name: str) -> bytes:
        """A view's JPEG file; empty where it could not be rendered."""
        names = list(self.facts["view_names"])
        index = moment * len(names) + names.index(name)
        begin, end = self.view_offsets[index : index + 2]
        return self.view_bytes[begin:end].tobytes()

    def points(self) -> NDArray[np.float32]:
        """The surface [m, 3] in metres."""
        return self.surface_points.astype(np.float32) * np.float32(POINT_SCALE)


def write_session(path: Path, session: SessionData) -> None:
    """Write a file whole or not at all; an older one of this name is replaced. Several processes may write one.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    arrays = {name: getattr(session, name) for name in _ARRAYS}
    try:
        with partial.open("wb") as file:
            np.savez(file, schema=np.array(SCHEMA), facts=np.array(json.dumps(session.facts)), **arrays)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_session(path: Path) -> SessionData:
    """Read a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, of another version, or damaged; the message names file and field.
    """
    facts, arrays = read_arrays(path, *_ARRAYS)
    try:
        return SessionData(facts, **arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_arrays(path: Path, *names: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The facts of a file and some of its arrays, by name; the others, of which views are large, are not read.

    Raises:
        OSError, ValueError: as :func:`read_session`.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("one array alone")
        with loaded as archive:
            fields = {name: archive[name] for name in ("schema", "facts", *names) if name in archive.files}
        if foreign := [name for name, values in fields.items() if not isinstance(values, np.ndarray)]:
            raise ValueError(f"{', '.join(foreign)}: no array")
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path}: damaged, or no session's file ({error}); write it again") from None
    if str(fields.get("schema")) != SCHEMA:
        raise ValueError(f"{path}: schema is `{fields.get('schema')}`, this Foley reads `{SCHEMA}`")
    missing = [name for name in ("facts", *names) if name not in fields]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; write it again")
    try:
        facts = json.loads(str(fields["facts"]))
    except ValueError as error:
        raise ValueError(f"{path}: facts are no JSON ({error}); write it again") from None
    if not isinstance(facts, dict):
        raise ValueError(f"{path}: facts are no names with values; write it again")
    return facts, {name: fields[name] for name in names}
