"""The contact flow live: first sound of a plan, and the window that slides: `python -m benchmarks.contact_flow`.

First sound: from a plan's arrival to its first 100 ms as a message, in one thread: features (the surface behind the arm
from depth of 320 x 240, motion at 125 Hz over it), field (few steps), codec, message. Then chunk after chunk: the
real-time factor is a chunk's 100 ms to the time that it takes. The floor is field and codec's multiplications,
counted by torch, at the rate at which this machine multiplies large matrices in the same run. Weights of the small size
are random without --checkpoint: they change no time. Percentiles are of --plans plans, of the clock and of the
processor's time: the latter is what a core that nobody else uses takes. Writes metrics.json to --out.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks._bench import best_processor, parser
from foley_common.metrics_file import write_metrics
from foley_perception.action.contact_motion import GROUPS
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.inference.contact_sound import FEW_STEPS, ContactFlowSoundModel, load_live
from foley_synthesis.flow.inference.contact_stream import CHUNK_S
from foley_synthesis.flow.networks.contact_field import ContactField, small
from foley_synthesis.flow.networks.motion_encoder import MotionConfig
from foley_synthesis.flow.what import WHAT_DIMS
from foley_synthesis.sound_model import Background, PlannedTool

STAGES = ("features", "field", "codec", "message")
_WARM_UP = 3


def matrix_rate(size: int = 1024) -> float:
    """Floating-point operations of a large product in a second of the processor, in one thread."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2.0 * size**3 / best_processor(lambda: a @ b, 8)


def untrained(latent: int) -> ContactFlowModel:
    """The small size."""
    codec = Codec(CodecConfig(latent=latent)).eval()
    field = ContactField(small(MotionConfig.of(GROUPS), WHAT_DIMS, content=latent)).eval()
    return ContactFlowModel(field, codec, {"without": []}, "", ContactSampling(steps=FEW_STEPS))


def seen() -> Background:
    """A table before a camera, as depth cameras give it."""
    camera = CameraModel.looking_at((0.0, -0.75, 0.65), (0.0, 0.0, 0.0), width=320, height=240, fovy_deg=50.0)
    v, u = np.mgrid[0:240, 0:320]
    pixels = np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
    rays = camera.tx_world_camera.rotate(np.linalg.solve(camera.K, pixels).T)
    depth = -camera.tx_world_camera.translation[2] / rays[:, 2]
    return np.round(depth.reshape(240, 320), 3).astype(np.float32), camera


def tap(at: np.ndarray[Any, Any], start_ns: int) -> PlannedTool:
    """A plan of 2 s that comes down at a place."""
    seconds = np.arange(0.0, 2.0, 0.01)
    tips = np.stack([0 * seconds + at[0], 0 * seconds + at[1], 0.25 * np.abs(seconds - 1.0) - 0.002], axis=1)
    tools = SE3(np.tile([1.0, 0.0, 0.0, 0.0], (len(tips), 1)), tips + np.array([0.0, 0.0, 0.16]))
    plan = ToolTrajectory(
        "p", start_ns + np.round(seconds * 1e9).astype(np.int64), tools, np.full(len(tips), 0.02)
    )
    return PlannedTool(plan, SE3.from_translation([0.0, 0.0, 0.16]))


class Timed:
    """Seconds of each stage of chunks."""

    def __init__(self, model: ContactFlowSoundModel, background: Background) -> None:
        self._model, self._background = model, background
        self.stream = model.stream(10**18)
        self.plan = tap(np.zeros(2), 10**18)

    def plan_at(self, place: np.ndarray[Any, Any]) -> None:
        """Another plan, of which nothing is known yet."""
        self.plan, self.stream = tap(place, 10**18), self._model.stream(10**18)

    def chunk(self) -> np.ndarray[Any, Any]:
        """Make one: seconds [2, stages] of the clock and of this thread on a processor."""
        from foley_synthesis.live.plan_stream import SoundChunk
        from foley_synthesis.ros.plan_sound import chunk_message

        def mark() -> tuple[float, float]:
            return time.perf_counter(), time.thread_time()

        marks = [mark()]
        known = self.stream.condition([self.plan], self._background)
        marks.append(mark())
        self.stream.sample(known)
        marks.append(mark())
        samples = self.stream.decode()
        marks.append(mark())
        chunk_message(SoundChunk("p", 0, self.stream.sample_rate, 10**18, samples))
        marks.append(mark())
        return np.diff(np.array(marks), axis=0).T

    def flops(self) -> float:
        """Of field and codec, for the next chunk."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self.stream.next([self.plan], self._background)
        return float(counter.get_total_flops())


def figures(seconds: np.ndarray[Any, Any], flops: float, rate: float) -> dict[str, Any]:
    """Of stages' seconds [n, 2, stages]."""
    wall, processor = seconds.sum(axis=2).T
    shares = seconds[:, 1].mean(axis=0) / processor.mean()
    return {
        "p50_ms": round(1e3 * float(np.median(wall)), 2),
        "p99_ms": round(1e3 * float(np.quantile(wall, 0.99)), 2),
        "processor_p50_ms": round(1e3 * float(np.median(processor)), 2),
        "processor_p99_ms": round(1e3 * float(np.quantile(processor, 0.99)), 2),
        "wall_over_processor": round(float(wall.sum() / processor.sum()), 2),
        "share": {name: round(float(share), 4) for name, share in zip(STAGES, shares, strict=True)},
        "gflop": round(flops / 1e9, 3),
        "floor_ms": round(1e3 * flops / rate, 2),
        "over_floor": round(float(np.median(processor)) * rate / flops, 2),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("contact_flow", __doc__)
    options.add_argument("--checkpoint", type=Path, metavar="DIR", help="default: random weights")
    options.add_argument("--latent", type=int, default=32, help="channels without --checkpoint (default: 32)")
    options.add_argument("--steps", type=int, default=0, help="default: the checkpoint's, 4 at most")
    options.add_argument("--plans", type=int, default=100)
    options.add_argument("--chunks", type=int, default=100)
    args = options.parse_args(arguments)
    torch.set_num_threads(1)
    flow = load_live(args.checkpoint, steps=args.steps) if args.checkpoint else untrained(args.latent)
    if args.steps:
        flow = dataclasses.replace(flow, sampling=dataclasses.replace(flow.sampling, steps=args.steps))
    model = ContactFlowSoundModel(flow, GripperHand.from_yaml("parallel_gripper"))
    rate, timed, rng = matrix_rate(), Timed(model, seen()), np.random.default_rng(0)
    firsts = []
    for _ in range(args.plans + _WARM_UP):
        timed.plan_at(rng.uniform(-0.15, 0.15, 2))
        firsts.append(timed.chunk())
    timed.plan_at(np.zeros(2))
    first_flops = timed.flops()
    goes_on = [timed.chunk() for _ in range(args.chunks + _WARM_UP)]
    first = figures(np.array(firsts[_WARM_UP:]), first_flops, rate)
    going = figures(np.array(goes_on[_WARM_UP:]), timed.flops(), rate)
    going["real_time_factor"] = round(1e3 * CHUNK_S / going["processor_p50_ms"], 2)
    report = {
        "threads": 1, "steps": flow.sampling.steps, "latent": flow.field.config.content,
        "gflop_per_s": round(rate / 1e9, 1), "first_chunk": first, "next_chunks": going,
    }  # fmt: skip
    table = Table("", "p50", "p99 [ms]", "processor p50", "p99 [ms]", *STAGES, "floor [ms]", "over the floor")
    for name, row in (("first chunk of a plan", first), ("next chunks", going)):
        shares = [f"{100 * row['share'][stage]:.0f} %" for stage in STAGES]
        table.add_row(
            name, *(f"{row[key]:.0f}" for key in ("p50_ms", "p99_ms", "processor_p50_ms", "processor_p99_ms")),
            *shares, f"{row['floor_ms']:.1f}", f"{row['over_floor']:.1f} x",
        )  # fmt: skip
    console = Console()
    # Wider than a pipe is said to be: names that are cut say nothing.
    console.width = max(console.width, 130)
    console.print(table)
    print(
        f"{going['real_time_factor']:.1f} x real time in one thread; the clock went "
        f"{first['wall_over_processor']:.2f} x as fast as the processor's time (1: nobody else ran)"
    )
    write_metrics(args.out, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
