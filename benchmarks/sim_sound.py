"""Modal sound against real time: `python -m benchmarks.sim_sound [--seconds 20]`.

Ratios of one run on one machine; one is seconds of processor time per second of sound (1 = real time on one core).
The floor is what the resonators alone would take at the machine's measured rate of complex multiply-adds in cache; that
of a saved session, whose bodies are silent most of the time, is the drawing of its noise. Writes metrics.json to --out.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_sim.materials import MATERIALS
from foley_sim.scene import make_scene as tabletop_scene
from foley_sim.sound import Sliding, kernels
from foley_sim.sound.examples import RATE, random_body, scene, tap
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import SHAPES, ContactMicrophoneSpec, RoomSpec, SceneSpec
from foley_sim.world.contact_log import SavedContacts, render_saved
from foley_sim.world.world import World


def make_scene() -> SceneSpec:
    """Six objects on the table, as in a live scene."""
    rng = np.random.default_rng(1)
    bodies = [random_body(MATERIALS[i], SHAPES[i % 4], rng, name=f"object{i}") for i in range(6)]
    return scene(*bodies, room=RoomSpec())


def load(renderer: SoundRenderer, spec: SceneSpec, seconds: float, taps_per_s: float) -> None:
    """Taps at a steady rate, every fifth followed by a scratch."""
    if taps_per_s == 0:
        return
    for k in range(int(seconds * taps_per_s)):
        target, when = spec.objects[k % len(spec.objects)], k / taps_per_s
        renderer.add(tap(target, time_s=when, speed=0.3))
        if k % 5 == 0:
            x, y, _ = target.position
            for j in range(50):
                begin = when + 0.1 + 0.004 * j
                point = (x + 0.0004 * j, y, target.top)
                renderer.add(Sliding(begin, begin + 0.004, target.object_id, point, 0.1, 2.0))


def share(spec: SceneSpec, seconds: float, taps_per_s: float, chunk_s: float) -> float:
    """Processor seconds per second of sound, best of three."""
    best = float("inf")
    for _ in range(3):
        renderer = SoundRenderer(spec, seed=1)
        load(renderer, spec, seconds, taps_per_s)
        begin = time.process_time()
        for k in range(round(seconds / chunk_s)):
            renderer.render((k + 1) * chunk_s)
        best = min(best, (time.process_time() - begin) / seconds)
    return best


def saved_share(spec: SceneSpec, saved: SavedContacts) -> float:
    """Processor seconds per second of a saved session in one process, best of three."""
    best = float("inf")
    for _ in range(4):  # the first one computes the room
        begin = time.process_time()
        render_saved(spec, saved)
        best = min(best, (time.process_time() - begin) / saved.duration_s)
    return best


def saved_floor(seconds: float) -> float:
    """What the Gaussian noise of the two microphones' and the motors' streams alone would take, as saved_share.

    Every sample needs five normal deviates (two each for microphone and motors, one for the contact microphone).
    """
    rng = np.random.default_rng(0)
    best = float("inf")
    for _ in range(4):
        begin = time.process_time()
        for _ in range(round(seconds)):
            rng.standard_normal(4 * RATE)
            rng.standard_normal(RATE, dtype=np.float32)
        best = min(best, (time.process_time() - begin) / round(seconds))
    return best


def session(seconds: float) -> tuple[SceneSpec, SavedContacts]:
    """A scene of the tabletop edition with a contact microphone, explored by the policy."""
    spec = dataclasses.replace(tabletop_scene(1, "train"), contact_microphone=ContactMicrophoneSpec())
    world = World(spec, 3, camera_rate_hz=0, depth_rate_hz=0, audio_block=20, save_contacts=True)
    world.advance(round(seconds * 1e9))
    return spec, world.saved_contacts()


def floor_share(modes: int) -> float:
    """Processor seconds per second of sound for `modes` resonators and nothing else."""
    state = np.zeros((2, modes))
    pole, drive, out = np.full(modes, 0.5), np.zeros((0, modes)), np.zeros(RATE)
    best = float("inf")
    for _ in range(4):
        begin = time.process_time()
        kernels.run_bank(state[0], state[1], pole, pole, pole, drive, np.zeros((0, RATE)), out)
        best = min(best, time.process_time() - begin)
    return best


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("sim_sound", __doc__)
    options.add_argument("--seconds", type=float, default=20.0)
    args = options.parse_args(arguments)
    spec = make_scene()
    begin = time.perf_counter()
    renderer = SoundRenderer(spec, seed=1)
    load(renderer, spec, 0.5, 4.0)
    renderer.set_joint_speed(0.1, 0.5)
    renderer.render(0.5)
    first_s = time.perf_counter() - begin
    share(spec, 0.5, 4.0, 0.01)
    modes = sum(renderer.bank(o.object_id).frequency_hz.size for o in spec.objects)
    modes += renderer.bank("table").frequency_hz.size
    live = share(spec, args.seconds, 2.0, 0.01)
    figures = {
        "first_half_second_with_imports_and_room_s": round(first_s, 3),
        "modes_of_all_objects_and_table": modes,
        "floor_all_modes_ringing": round(floor_share(modes), 5),
        "silent_10ms_chunks": round(share(spec, args.seconds, 0.0, 0.01), 5),
        "live_2_taps_per_s_10ms_chunks": round(live, 5),
        "busy_10_taps_per_s_10ms_chunks": round(share(spec, args.seconds, 10.0, 0.01), 5),
        "offline_2_taps_per_s_1s_chunks": round(share(spec, args.seconds, 2.0, 1.0), 5),
        "saved_session_in_large_chunks": round(saved_share(*session(args.seconds)), 5),
        "floor_saved_session_noise_alone": round(saved_floor(args.seconds), 5),
    }
    for name, value in figures.items():
        factor = f"   {1 / value:6.1f} x real time" if "chunks" in name else ""
        print(f"{name:45s} {value:10.5f}{factor}")
    write_metrics(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
