"""Speed of generation against real time: `python -m benchmarks.sim_generate [--seconds 20] [--processes 2]`.

Writes a few recordings as a collection has them (JPEG and PNG images, 16-bit sound) for each robot, and beside them
the floor: physics alone, sound alone, drawing alone, each on one process. Ratios are simulated seconds per second of
wall time, which whatever shares the machine lowers, and `generation_per_core`
per second of processor time. Writes metrics.json to --out.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_sim.editions import EDITIONS
from foley_sim.offline.collections import COLOUR_RATE_HZ, DEPTH_RATE_HZ, recordings
from foley_sim.offline.job import BagJob, BagReport, job_of
from foley_sim.spec import ROBOTS, Robot

WARM_UP_S = 3.0


def jobs(out: Path, edition: str, robot: Robot, count: int, seconds: float) -> list[BagJob]:
    """Recordings of the first training scenes."""
    items = [r for r in recordings("foleysim-1", only="train", robot=robot) if r.policy_seed == 0]
    items = [r for r in items if r.kind == "interact"][:count]
    return [job_of(dataclasses.replace(r, edition=edition, duration_s=seconds), out) for r in items]


def write(job: BagJob) -> tuple[BagReport, float]:
    """What was written, and the processor time that it took [s]."""
    from foley_sim.ros.bag import write_bag

    begin = time.process_time()
    return write_bag(job), time.process_time() - begin


def warm(edition: str, robot: Robot, _: int) -> None:
    """Compiled kernels, imports and a first OpenGL context: none of this repeats in a long run."""
    with tempfile.TemporaryDirectory() as folder:
        write(jobs(Path(folder), edition, robot, 1, WARM_UP_S)[0])


def physics(edition: str, robot: Robot, seconds: float) -> float:
    """Real-time factor of the world without pictures and with sound that says nothing."""
    from foley_sim.world.world import World

    world = World(scene(edition, robot), 0, camera_rate_hz=0, depth_rate_hz=0)
    world.sound = Silence(world.scene.microphone.sample_rate)
    return seconds / timed(lambda: world.advance(round(seconds * 1e9)))


def sound(edition: str, robot: Robot, seconds: float) -> float:
    """Real-time factor of rendering again what happened."""
    from foley_sim.editions import sound_for
    from foley_sim.world.world import World

    world = World(scene(edition, robot), 0, camera_rate_hz=0, depth_rate_hz=0)
    listener = Listener(world.scene.microphone.sample_rate)
    world.sound = listener
    world.advance(round(seconds * 1e9))
    renderer = sound_for(world.scene, seed=0)
    for event in listener.events:
        renderer.add(event)
    for at, speed in listener.speeds:
        renderer.set_joint_speed(at, speed)
    return seconds / timed(lambda: [renderer.render(0.2 * (k + 1)) for k in range(round(seconds * 5))])


def drawing(edition: str, robot: Robot, seconds: float) -> float:
    """Real-time factor of drawing alone, at the collection's rates, without encoding."""
    from foley_sim.rendering.camera import Camera
    from foley_sim.world.world import World

    world = World(scene(edition, robot), 0, camera_rate_hz=COLOUR_RATE_HZ, depth_rate_hz=DEPTH_RATE_HZ)
    world.sound = Silence(world.scene.microphone.sample_rate)
    frames = world.advance(round(seconds * 1e9)).frames
    camera = Camera(world.model, world.scene.camera)

    def draw() -> None:
        for frame in frames:
            camera.pose(frame.qpos)
            if frame.colour:
                camera.colour()
            if frame.depth:
                camera.depth_mm()

    draw()
    try:
        return seconds / timed(draw)
    finally:
        camera.close()


def scene(edition: str, robot: Robot):
    return jobs(Path(), edition, robot, 1, 1.0)[0].scene()


class Silence:
    """A renderer of nothing."""

    late_events = limited_samples = 0

    def __init__(self, sample_rate: int) -> None:
        self._rate, self._done = sample_rate, 0

    def add(self, event: object) -> None:
        del event

    def set_joint_speed(self, time_s: float, speed: float) -> None:
        del time_s, speed

    def render(self, until_s: float) -> np.ndarray:
        stop = round(until_s * self._rate)
        count, self._done = stop - self._done, stop
        return np.zeros(count, np.float32)


class Listener(Silence):
    """Keeps what the world tells."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__(sample_rate)
        self.events: list = []
        self.speeds: list[tuple[float, float]] = []

    def add(self, event: object) -> None:
        self.events.append(event)

    def set_joint_speed(self, time_s: float, speed: float) -> None:
        self.speeds.append((time_s, speed))


def timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def measure(edition: str, robot: Robot, processes: int, seconds: float) -> dict[str, object]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        list(pool.map(functools.partial(warm, edition, robot), range(processes)))
        todo = jobs(Path(folder), edition, robot, 2 * processes, seconds)
        begin = time.perf_counter()
        reports, busy_s = zip(*pool.map(write, todo), strict=True)
        wall_s = time.perf_counter() - begin
        simulated = seconds * len(todo)
        topic_bytes: dict[str, float] = {}
        for report in reports:
            for name, size in report.topic_bytes.items():
                topic_bytes[name] = topic_bytes.get(name, 0.0) + size / simulated
        figures: dict[str, object] = {
            "processes": processes,
            "generation": round(simulated / wall_s, 2),
            "generation_per_process": round(simulated / sum(r.wall_s for r in reports), 2),
            "generation_per_core": round(simulated / sum(busy_s), 2),
            "bytes_per_s": round(sum(r.bytes for r in reports) / simulated),
            "topic_bytes_per_s": {k: round(v) for k, v in sorted(topic_bytes.items(), key=lambda i: -i[1])},
        }
        for floor in (physics, sound, drawing):
            figures[f"{floor.__name__}_alone"] = round(
                pool.submit(floor, edition, robot, seconds).result(), 2
            )
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("sim_generate", __doc__)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument(
        "--edition", default=list(EDITIONS)[min(1, len(EDITIONS) - 1)], choices=tuple(EDITIONS)
    )
    options.add_argument("--robots", nargs="*", default=list(ROBOTS), choices=ROBOTS)
    args = options.parse_args(arguments)
    figures: dict[str, object] = {"edition": args.edition, "seconds": args.seconds}
    for robot in args.robots:
        figures[robot] = measure(args.edition, robot, args.processes, args.seconds)
        print(robot, json.dumps(figures[robot], indent=1))
    write_metrics(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
