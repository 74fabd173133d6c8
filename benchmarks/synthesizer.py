"""The live synthesizer: lead time and latency over real middleware, and where the time goes.

    python -m benchmarks.synthesizer [--seconds 60] [--checkpoint DIR] [--no-live]

Live: `foley up --sim` with its usual nodes, each in its own process, recorded for some seconds in a scene that no
model has met. Lead time is the predicted contact minus the arrival of the prediction, latency from the newest input
to its publication as the node states it, the real-time factor that of the simulated world.

Stages: one prediction after the other in one thread, median of many. The floor is the arithmetic of encoder and LSTM
at the rate at which this machine multiplies matrices in the same run. Writes out/bench_synthesizer/metrics.json.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._bench import median_ms, parser
from foley_common.metrics_file import write_metrics

CLIP_S = 1.0


def live(checkpoint: str, seconds: float, out: Path) -> dict[str, Any]:
    """Figures of one live session."""
    from foley_bringup.demo import analysis
    from foley_bringup.demo.pipeline import DemoFiles, DemoPlan, Runner, live_session
    from foley_synthesis.checkpoint import default_path

    folder = Path(checkpoint) if checkpoint else default_path()
    runner = Runner(out / "logs", lambda text: print(f"  {text}", flush=True))
    plan = DemoPlan(out, live_s=seconds)
    bag = live_session(plan, runner, "bench", split="test", scene=4000, seconds=seconds, checkpoint=folder)
    found = analysis.analyse(DemoFiles(bag, out, folder, (bag,)), trained_in_this_run=False)
    leads = [c.lead_s for s in found.sessions for c in s.contacts if c.lead_s is not None]
    keys = (
        "contacts", "announced_share", "lead_time_p50_ms", "latency_p50_ms", "latency_p99_ms",
        "contact_to_estimate_p50_ms", "contact_to_estimate_p99_ms", "real_time_factor",
    )  # fmt: skip
    figures = {key: found.metrics[key] for key in keys}
    figures["lead_time_p5_ms"] = 1e3 * float(np.quantile(leads, 0.05)) if leads else None
    figures["messages_lost"] = sum(v["sent"] - v["received"] for v in found.metrics["lost"].values())
    figures["messages_sent"] = sum(v["sent"] for v in found.metrics["lost"].values())
    return figures


def stages(checkpoint: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of each stage, of the whole, and its floor."""

    from foley_msgs.msg import PredictedAudio
    from foley_perception.audio.cochleagram_onset import onset_frame
    from foley_synthesis.beliefs.decode import belief_of
    from foley_synthesis.live.synthesis_core import Predicted
    from foley_synthesis.ros.convert import predicted_audio_message
    from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor
    from foley_synthesis.vis.synthesis.parametric import parametric_waveform

    rng = np.random.default_rng(0)
    example = Predictor.load(checkpoint or None, threads=1)
    session, bank = example._session, example._synthesise._bank
    assert bank is not None
    still = rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)
    frames = rng.integers(0, 255, (30, 128, 128, 3), dtype=np.uint8)
    action = rng.normal(0, 0.05, (90, 8)).astype(np.float32)
    rate = matrix_rate()
    before = before_the_model(repeats)
    report: dict[str, Any] = {"matmul_gflop_s": round(rate / 1e9, 1), "modes": {}}
    for mode, seen in (("planned", None), ("executed", frames)):
        contact = PredictionInput(still, seen, action)
        inputs = example._inputs(contact)

        def network(inputs: Any = inputs, mode: str = mode) -> Any:
            sound, said = session.predict(*inputs)
            belief_of(said, session.calibrations[mode], example.vocabulary.labels)
            return sound.features[0]

        features = network()
        cochleagram = session.pca.decode(features)
        match = bank.nearest(features, onset_frame(cochleagram, 22.5))
        made = Predicted(0, (0.0, 0.0, 0.0), example.predict(contact), None)

        def message(made: Predicted = made) -> PredictedAudio:
            return predicted_audio_message(
                made, plan_id="p", mode=0, frame_id="world", newest_input_ns=0, now_ns=1
            )

        parts = {
            **(before if seen is None else {}),
            "views and encoder": median_ms(lambda c=contact: example._inputs(c), repeats),
            "network": median_ms(network, repeats),
            "search": median_ms(lambda f=features: bank.nearest(f, 22.5), repeats),
            "waveform": median_ms(lambda m=match: bank.waveform(m, 1.1), repeats),
            "message": median_ms(message, repeats),
        }
        whole = median_ms(lambda c=contact: example.predict(c), repeats) + parts["message"]
        whole += sum(before.values()) if seen is None else 0.0
        parts["the rest"] = max(whole - sum(parts.values()), 0.0)
        floor = flops(example, 2 if seen is None else 12) / rate * 1e3
        report["modes"][mode] = {
            "whole_ms": round(whole, 3),
            "share": {name: round(ms / whole, 4) for name, ms in parts.items()},
            "real_time_factor": round(CLIP_S * 1e3 / whole, 1),
            "floor_ms": round(floor, 3),
            "over_floor": round(whole / floor, 2),
        }
    frames_of = session.pca.decode(features)
    report["parametric_waveform_ms"] = round(
        median_ms(lambda: parametric_waveform(frames_of, 48_000, session.cochlea), repeats), 3
    )
    return report


def before_the_model(repeats: int) -> dict[str, float]:
    """Milliseconds of what a plan goes through first: message to tip path, contact on the depth picture, its view."""
    from foley_perception.action.gripper import GripperHand
    from foley_perception.action.planned_contact import PlannedContactConfig, planned_contact
    from foley_perception.clips.action import clip_action
    from foley_perception.geometry.camera import CameraModel
    from foley_perception.geometry.crop import crop_around
    from foley_perception.geometry.se3 import SE3
    from foley_ros import convert

    camera = CameraModel.looking_at((0.0, -0.75, 0.65), (0.0, 0.0, 0.0), width=320, height=240, fovy_deg=50.0)
    picture = np.zeros((240, 320, 3), np.uint8)
    v, u = np.mgrid[0:240, 0:320]
    rays = camera.tx_world_camera.rotate(
        np.linalg.solve(camera.K, np.stack([u.ravel(), v.ravel(), np.ones(u.size)])).T
    )
    depth = (-camera.tx_world_camera.translation[2] / rays[:, 2]).reshape(240, 320).astype(np.float32)
    seconds = np.arange(-1.0, 1.0, 0.01)
    height = np.where(seconds < 0.013, -0.3 * seconds, -0.0039 + 0.15 * (seconds - 0.013))
    tips = np.stack([0 * seconds, 0 * seconds, height], axis=1)
    hand = GripperHand.from_yaml("parallel_gripper")
    tools = SE3(np.array([1.0, 0.0, 0.0, 0.0]), tips + np.array([0.0, 0.0, 0.16]))
    times = 10**18 + np.round(seconds * 1e9).astype(np.int64)
    message = convert.arrays_to_trajectory(times, hand.keypoints(tools, 0.02), frame_id="world", plan_id="p")

    def path() -> None:
        _, keypoints = convert.trajectory_to_arrays(message)
        hand.recover(keypoints, "right")

    config = PlannedContactConfig()
    found = planned_contact(times, tips, depth, camera, config)
    assert found is not None

    def view() -> None:
        clip_action(found.time_ns, found.position, times, tips, width=(times, np.full(len(times), 0.02)))
        crop_around(picture, camera, found.position)

    return {
        "message to tip path": median_ms(path, repeats),
        "contact on depth": median_ms(lambda: planned_contact(times, tips, depth, camera, config), repeats),
        "action and crop": median_ms(view, repeats),
    }


def matrix_rate(size: int = 1024) -> float:
    """FLOP per second of a float32 product of two matrices in one thread."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2.0 * size**3 / (median_ms(lambda: a @ b, 15) * 1e-3)


def flops(predictor: Any, images: int) -> float:
    """Of the encoder for so many images and of the networks on top, counted by torch."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    config = predictor._session.config
    counted = 0.0
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        if hasattr(predictor._encoder, "network"):
            predictor._encoder.network().extract_features(torch.zeros(images, 3, 128, 128))
        counted += counter.get_total_flops()
    width = config.still_units + config.frame_units + config.action_dims + 1
    lstm = 2.0 * config.sound_frames * 4 * config.hidden * (width + config.hidden)
    return counted + lstm


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("synthesizer", __doc__)
    options.add_argument("--seconds", type=float, default=60.0, help="of the live session (default: 60)")
    options.add_argument(
        "--checkpoint", default="", metavar="DIR", help="model folder (default: the one that ships)"
    )
    options.add_argument("--repeats", type=int, default=60)
    options.add_argument("--no-live", action="store_true", help="stages only")
    args = options.parse_args(arguments)
    report = {"stages": stages(args.checkpoint, args.repeats)}
    for mode, row in report["stages"]["modes"].items():
        print(f"{mode}: {row['whole_ms']:.1f} ms, {row['real_time_factor']:.0f} x real time, "
              f"{row['over_floor']:.1f} x floor ({row['floor_ms']:.1f} ms)")  # fmt: skip
        for name, share in row["share"].items():
            print(f"  {name:20} {100 * share:5.1f} %")
    print(f"parametric waveform instead: {report['stages']['parametric_waveform_ms']:.1f} ms")
    if not args.no_live:
        print(f"live, {args.seconds:.0f} s ...", flush=True)
        report["live"] = live(args.checkpoint, args.seconds, args.out)
        for name, value in report["live"].items():
            print(f"  {name:28} {value:.3f}" if isinstance(value, float) else f"  {name:28} {value}")
    write_metrics(args.out, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
