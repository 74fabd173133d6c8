"""One session of touching things, straight from the world to arrays: no bag, no messages, no film.

    World -> states, plans, events -> motion on the grid of foley_common/session_file.py
                               |----> saved contacts -> sound (session_sound.py)
    model without its robot -> depth and colour from around the table -> points of the surface

Poses are taken at the time of their row; a wrench is the mean over the row that begins there. What is planned is the
commanded motion of the plans published so far, which rests before the first and between them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, POINT_SCALE, VIEW_RATE, SessionData
from foley_common.times import NS_PER_S
from foley_sim.editions import make_scene
from foley_sim.foleysim1.scenes import STREAM
from foley_sim.motion.even_taps import EvenTaps
from foley_sim.offline.onsets import Onset, action_at, match, onsets, point_at
from foley_sim.offline.session_sound import render
from foley_sim.rendering.surface import Surface, observe
from foley_sim.rendering.views import VIEW_NAMES, jpeg_views
from foley_sim.robots.actions import Action, Plan
from foley_sim.robots.gantry import Gantry
from foley_sim.robots.tool import stick_width
from foley_sim.sound.audibility import rise_db
from foley_sim.sound.noise import hum_of, sound_seed
from foley_sim.spec import ObjectSpec, SceneSpec, StrikerSpec
from foley_sim.world.arm import STATE_RATE_HZ
from foley_sim.world.contact_log import SavedContacts
from foley_sim.world.readings import Frame, State
from foley_sim.world.world import World

Array = NDArray[np.float64]

LAST_ACTION_S = 2.6
"""Nothing begins this close to the end, so that no action is cut."""

_STRIDE_S = 1.0  # between tellings of progress
_TAIL_S = 0.05  # of world after the end: the last row's wrench, and impacts that are measured over some time
_HEARD_S = 0.06  # of an onset, to tell whether it is audible
_PER_ROW = STATE_RATE_HZ // MOTION_RATE


@dataclasses.dataclass(frozen=True)
class SessionJob:
    """One session to be made.

    scene_split: of make_scene; `stream` for training.
    actions: empty: all.
    even_taps: times that each object is tapped at places apart, and as often at one place; 0: actions are drawn.
    split: of the data set; empty: the scene's.
    """

    edition: str
    scene_split: str
    scene_seed: int
    policy_seed: int
    duration_s: float
    sound_rate: int
    views: bool = False
    actions: tuple[Action, ...] = ()
    even_taps: int = 0
    split: str = ""

    def scene(self) -> SceneSpec:
        """What is touched."""
        return make_scene(self.scene_seed, self.scene_split, self.edition)

    @property
    def lasts_s(self) -> float:
        """How long the session is: where taps are counted, a whole number of seconds in which they fit."""
        if not self.even_taps:
            return self.duration_s
        return float(math.ceil(EvenTaps(self.scene(), self.policy_seed).duration_s(self.even_taps)))

    @property
    def name(self) -> str:
        """Of its file, without what it ends in."""
        scene_id = f"{STREAM}-{self.scene_seed:05d}" if self.scene_split == STREAM else self.scene().scene_id
        return f"{scene_id}-p{self.policy_seed}"


class _Unheard:
    """A renderer of nothing: the sound is made from the saved contacts when the world has ended, in large blocks."""

    late_events = limited_samples = 0

    def __init__(self, sample_rate: int) -> None:
        self._rate, self._cursor = sample_rate, 0

    def add(self, event: Any) -> None:
        pass

    def set_joint_speed(self, time_s: float, speed: float) -> None:
        pass

    def render(self, until_s: float) -> NDArray[np.float32]:
        begin, self._cursor = self._cursor, round(until_s * self._rate)
        return np.zeros(self._cursor - begin, dtype=np.float32)


def make_session(
    job: SessionJob, progress: Callable[[float], None] = lambda seconds: None
) -> tuple[SessionData, SavedContacts]:
    """Simulate one session; also what its sound follows from.

    Args:
        progress: called with simulated seconds done since the last call.

    Raises:
        ValueError: there is no such scene, or the duration is no whole number of rows.
        NoRenderer: no OpenGL for the depth cameras.
    """
    duration_s = job.lasts_s
    rows = round(duration_s * MOTION_RATE)
    if rows < 1 or abs(rows - duration_s * MOTION_RATE) > 1e-6:
        raise ValueError(f"duration is {duration_s} s, must be a multiple of {1 / MOTION_RATE} s")
    scene = job.scene()
    seed, hum = sound_seed(scene, job.policy_seed), hum_of(scene)
    world = World(
        scene,
        job.policy_seed,
        explore_s=max(duration_s - LAST_ACTION_S, 0.01),
        camera_rate_hz=float(VIEW_RATE) if job.views else 0.0,
        depth_rate_hz=0.0,
        audio_block=100,
        save_contacts=True,
        actions=job.actions,
        even_taps=job.even_taps > 0,
        sound=_Unheard(scene.microphone.sample_rate),
    )
    states, plans, frames = _run(world, duration_s, progress)
    saved = dataclasses.replace(world.saved_contacts(), seed=seed, duration_s=duration_s)
    sound, limited = render(scene, saved, seed=seed, hum=hum, rate=job.sound_rate)
    surface = observe(scene, world.model)
    moved = motion(scene, world.policy.home(), states, plans, rows)
    views = _views(scene, world.model, frames, moved["planned_pose"]) if job.views else None
    found = [onset for onset in onsets(saved.events) if onset.time_s < duration_s]
    facts = {
        "scene_id": scene.scene_id,
        "edition": scene.edition,
        "split": job.split or scene.split,
        "scene_split": job.scene_split,
        "scene_seed": job.scene_seed,
        "policy_seed": job.policy_seed,
        "sound_seed": seed,
        "mains_hz": round(hum.mains_hz, 4),
        "motor_hz": round(hum.motor_hz, 3),
        "limited_samples": limited,
        "robot": scene.robot,
        "duration_s": duration_s,
        "sound_rate": job.sound_rate,
        "objects": [describe_object(item) for item in scene.objects],
        "contact_actions": [action_at(onset.time_s, plans) for onset in found],
        "contact_kinds": [onset.kind for onset in found],
        "contact_points": [point_at(onset.time_s, plans) for onset in found],
        "contact_rise_db": _rises_db(sound, job.sound_rate, found),
        "view_names": list(VIEW_NAMES) if views else [],
    }
    data = SessionData(
        facts=facts,
        sound=sound,
        **moved,
        **_surface_arrays(surface),
        **_contact_arrays(scene, found, plans),
        **_view_arrays(views or []),
    )
    return data, saved


def describe_object(item: ObjectSpec) -> dict[str, Any]:
    """What a session's file says of an object."""
    return {
        "object_id": item.object_id,
        "material": item.material.name,
        "youngs_modulus": item.material.youngs_modulus,
        "shape": item.shape,
        "size": list(item.size),
        "wall": item.wall,
        "hollowness": round(item.hollowness, 5),
        "position": [round(v, 5) for v in item.position],
        "yaw": round(item.yaw, 5),
        "look_material": item.look_material or item.material.name,
        "look_seed": item.look_seed,
        "fixed": item.fixed,
        "grasp": round(item.grasp, 4),
        "held_out": item.held_out,
        "family_held_out": item.family_held_out,
    }


def motion(
    scene: SceneSpec, home: Array, states: Sequence[State], plans: Sequence[Plan], rows: int
) -> dict[str, Any]:
    """The arrays of motion (float32), by their names in the file.

    Args:
        home: where the tool rests before the first plan, [4].
        states: at 250 Hz from 0 s on, at least one past the last row.
    """
    taken = states[: rows * _PER_ROW : _PER_ROW]
    executed = np.array([[*s.tool_position, *s.tool_quaternion] for s in taken])
    # A state's wrench is the mean since the state before it.
    wrench = np.array([s.wrench for s in states[1 : rows * _PER_ROW + 1]]).reshape(rows, _PER_ROW, 6)
    place = np.tile(np.asarray(home, dtype=np.float64), (rows, 1))
    times = np.arange(rows) / MOTION_RATE
    for plan in plans:
        since = times - plan.start_ns / NS_PER_S
        place[since >= 0] = plan.trajectory.sample(since[since >= 0])[0]
    arrays = {
        "planned_pose": tool_poses(place, scene.striker),
        "executed_pose": executed,
        "planned_width": np.full(rows, stick_width()),
        "executed_width": np.array([s.width for s in taken]),
        "wrench": wrench.mean(axis=1),
        "tool_tip": np.array([0.0, 0.0, scene.striker.length, 0.0, 0.0, 0.0, 1.0]),
    }
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def tool_poses(place: Array, striker: StrikerSpec) -> Array:
    """Poses [n, 7] of a tool that points down at x, y, z and yaw [n, 4], whatever robot holds it."""
    rest = np.zeros((len(place), 1))
    position, quaternion = Gantry(striker).tool_pose(np.hstack([place, rest]))
    return np.hstack([position, quaternion])


def _run(
    world: World, duration_s: float, progress: Callable[[float], None]
) -> tuple[list[State], list[Plan], list[Frame]]:
    states, plans, frames = list[State](), list[Plan](), list[Frame]()
    done = 0.0
    while done < duration_s:
        until = min(done + _STRIDE_S, duration_s)
        last = until == duration_s
        batch = world.advance(round((until + (_TAIL_S if last else 0.0)) * NS_PER_S))
        states += batch.states
        plans += batch.plans
        frames += batch.frames
        progress(until - done)
        done = until
    world.finish()
    return states, plans, frames


def _views(
    scene: SceneSpec, model: Any, frames: Sequence[Frame], planned_pose: NDArray[np.float32]
) -> list[bytes]:
    """JPEG files of all moments at VIEW_RATE, each with its views in order: the scene as it was at the moment, looked
    at where the plan has the tip."""
    length = scene.striker.length
    moments = []
    for i in range(len(planned_pose) * VIEW_RATE // MOTION_RATE):
        x, y, z = planned_pose[round(i * MOTION_RATE / VIEW_RATE), :3].astype(np.float64)
        moments.append((frames[i].qpos, np.array([x, y, z - length])))
    return [file for files in jpeg_views(scene, model, moments) for file in files]


def _view_arrays(files: Sequence[bytes]) -> dict[str, Any]:
    return {
        "view_bytes": np.frombuffer(b"".join(files), dtype=np.uint8),
        "view_offsets": np.cumsum([0, *map(len, files)], dtype=np.int64),
    }


def _rises_db(sound: NDArray[np.int16], rate: int, found: Sequence[Onset]) -> list[float]:
    """How far each onset stands above what was before it; none that cannot be heard is far above 0 dB."""
    samples = sound.astype(np.float32) / np.float32(2**15)
    rises = [rise_db(samples, rate, onset.time_s, 0.0, late_s=_HEARD_S) for onset in found]
    return [round(max(rise, -99.0), 1) for rise in rises]


def _surface_arrays(surface: Surface) -> dict[str, Any]:
    points = np.round(surface.points / POINT_SCALE).astype(np.int16)
    return {"surface_points": points, "surface_colours": surface.colours}


def _contact_arrays(scene: SceneSpec, found: Sequence[Onset], plans: Sequence[Plan]) -> dict[str, Any]:
    index = {item.object_id: i for i, item in enumerate(scene.objects)}
    return {
        "contact_s": np.array([o.time_s for o in found], dtype=np.float32),
        "contact_planned_s": np.array(match(found, plans), dtype=np.float32),
        "contact_object": np.array([index.get(o.object_id, -1) for o in found], dtype=np.int16),
        "contact_impulse": np.array([o.impulse for o in found], dtype=np.float32),
    }
