"""Latencies that are known against latencies that are found: `python -m benchmarks.latency`.

Sessions of taps are simulated (sound at 48 kHz, poses and force at 500 Hz, pictures at 30 Hz) and written again and
again with the stamps of every device moved by a latency of 0 to 300 ms, at lower rates, with noise in stamps, poses,
force and pictures. `foley calibrate latency` reads each. Of sound, force, arm and camera the largest error is
held against its bound (2, 2, 3 ms, half a frame), and the stated standard error against the errors: 95 % should lie
within two of it. Recordings that tell nothing must be refused. Writes metrics.json to --out.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks._bench import parser
from foley_common.latencies import earlier_bytes
from foley_common.metrics_file import write_metrics
from foley_perception.episodes import EpisodeError
from foley_perception.latency.calibrate import CalibrationError, calibrate_bag
from foley_perception.recording import cdr
from foley_perception.recording.bag import Bag, BagMessage

LATENCIES_MS = (0, 20, 75, 150, 300)
DEVICES = ("microphone", "wrench", "arm", "camera")
BOUND_MS = {"microphone": 2.0, "wrench": 2.0, "arm": 3.0}  # of a camera half a frame
RATES_HZ = (125, 250, 500)
CAMERA_HZ = (15, 30)
SESSIONS = (("metal", 0), ("ceramic", 1), ("wood", 2), ("stone", 3), ("glass", 4))
_TOPICS = {
    "/mic/audio": "microphone",
    "/wrench": "wrench",
    "/ee_pose": "arm",
    "/joint_states": "arm",
    "/tf": "arm",
    "/camera/image_raw": "camera",
    "/camera/camera_info": "camera",
}
_STATE_HZ = 500
_STAMP_JITTER_S = {"microphone": 0.0005, "wrench": 0.0003, "arm": 0.0003, "camera": 0.001}
_POSE_NOISE_M, _FORCE_NOISE_N, _GREY_NOISE = 3e-5, 0.02, 2.0


@dataclasses.dataclass(frozen=True)
class Case:
    """One recording: a session, and how its devices tell of it."""

    session: int
    late_ms: dict[str, int]
    rate_hz: int
    camera_hz: int
    seed: int


def cases(count: int) -> Iterator[Case]:
    """All the same, each device alone the latest, each alone the earliest, then drawn."""
    rng = np.random.default_rng(16)
    told: list[dict[str, int]] = [dict.fromkeys(DEVICES, 0)]
    told += [{d: 300 * (d == late) for d in DEVICES} for late in DEVICES]
    told += [{d: 300 * (d != early) for d in DEVICES} for early in DEVICES]
    for number in range(count):
        late = told[number] if number < len(told) else None
        drawn = dict(zip(DEVICES, rng.choice(LATENCIES_MS, len(DEVICES)).tolist(), strict=True))
        yield Case(
            session=number % len(SESSIONS),
            late_ms=drawn if late is None else late,
            rate_hz=RATES_HZ[number % len(RATES_HZ)],
            camera_hz=CAMERA_HZ[(number // 2) % len(CAMERA_HZ)],
            seed=number,
        )


# ---- recordings ----------------------------------------------------------------------------------------
def simulate(folder: Path, material: str, seed: int, seconds: float, *, taps: bool = True) -> Path:
    """A session of taps on things of one material."""
    import functools
    from unittest import mock

    from foley_sim.offline.job import BagJob
    from foley_sim.ros import bag
    from foley_sim.world import arm, world

    made = functools.partial(world.World, actions=("tap",), explore=taps)
    job = BagJob(folder, "train", seed, 1, seconds, depth_rate_hz=0.0, compress=False, material=material)
    state_ns = 1_000_000_000 // _STATE_HZ
    with (
        mock.patch.object(bag, "World", lambda *a, **k: made(*a, **{**k, "explore": taps})),
        mock.patch.object(arm, "STATE_NS", state_ns),
        mock.patch.object(world, "STATE_NS", state_ns),
    ):
        bag.write_bag(job)
    return folder


def rewrite(
    source: Path, target: Path, change: Callable[[str, BagMessage, int], tuple[int, bytes] | None]
) -> Path:
    """A copy of a bag; ``change`` is given topic, message and its number, and gives arrival and bytes, or drops it."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from foley_sim.ros.bag_file import typestore

    bag = Bag(source)
    kept: list[tuple[int, str, bytes]] = []
    counts: dict[str, int] = {}
    for message in bag.messages():
        number = counts[message.topic] = counts.get(message.topic, -1) + 1
        if (changed := change(message.topic, message, number)) is not None:
            kept.append((changed[0], message.topic, changed[1]))
    with Writer(target, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {
            name: writer.add_connection(name, topic.type, typestore=typestore())
            for name, topic in bag.topics.items()
        }
        for arrival, name, data in sorted(kept, key=lambda k: k[0]):
            writer.write(known[name], arrival, data)
    return target


def late_recording(source: Path, target: Path, case: Case) -> Path:
    """As devices would tell of a session that are late, slower and noisy."""
    rng = np.random.default_rng(case.seed)
    felt: list[Any] = []

    def change(topic: str, message: BagMessage, number: int) -> tuple[int, bytes] | None:
        device = _TOPICS.get(topic, "")
        if not device:
            return message.log_time, bytes(message.data)
        every = {"camera": 30 // case.camera_hz, "microphone": 1}.get(device, _STATE_HZ // case.rate_hz)
        data = bytes(message.data)
        if topic == "/wrench":  # the mean since the last one that was told, as a sensor gives it
            felt.append(np.frombuffer(data[-48:], "<f8"))
            data = data[:-48] + np.mean(felt[-every:], axis=0).tobytes()
        if number % every:
            return None
        late_ns = case.late_ms[device] * 1_000_000
        jitter_ns = round(1e9 * _STAMP_JITTER_S[device] * rng.standard_normal())
        data = earlier_bytes(noisy(topic, data, rng), -(late_ns + jitter_ns), transforms=topic == "/tf")
        return message.log_time + late_ns + jitter_ns, data

    return rewrite(source, target, change)


def noisy(topic: str, data: bytes, rng: np.random.Generator) -> bytes:
    """A serialised message with the noise of its sensor."""
    if topic in ("/ee_pose", "/wrench"):
        size, std = (56, _POSE_NOISE_M) if topic == "/ee_pose" else (48, _FORCE_NOISE_N)
        values = np.frombuffer(data[-size:], "<f8").copy()
        values[:3] += std * rng.standard_normal(3)
        return data[:-size] + values.tobytes()
    if topic == "/camera/image_raw":
        head = cdr.read_image_head(data)
        pixels = np.frombuffer(data, np.uint8, head.size, head.offset)
        noise = _GREY_NOISE * rng.standard_normal(head.size // 8 + 1, np.float32)
        grain = np.tile(noise, 8)[rng.integers(0, 7) :][
            : head.size
        ]  # cheap, and other than in the picture before
        grain = np.pad(grain, (0, head.size - len(grain)))
        grey = np.clip(pixels + np.round(grain), 0, 255).astype(np.uint8)
        return data[: head.offset] + grey.tobytes() + data[head.offset + head.size :]
    return data


# ---- what is found -------------------------------------------------------------------------------------
def measure(bag: Path, case: Case) -> dict[str, Any]:
    """Truth, finding and stated error of each device, against the reference that was chosen [ms]."""
    answer = calibrate_bag(bag)
    row: dict[str, Any] = {**dataclasses.asdict(case), "reference": answer.reference, "devices": {}}
    for device in DEVICES:
        if device == answer.reference:
            continue
        true = float(case.late_ms[device] - case.late_ms[answer.reference])
        if device not in answer.found:
            row["devices"][device] = {"true_ms": true, "refused": answer.refused.get(device, "")}
            continue
        one = answer.found[device]
        row["devices"][device] = {
            "true_ms": true,
            "found_ms": round(1e3 * one.seconds, 3),
            "std_ms": round(1e3 * one.std, 3),
            "error_ms": round(1e3 * one.seconds - true, 3),
        }
    return row


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By device: errors against the bound, and how many lie within two stated standard errors."""
    found: dict[str, Any] = {}
    for device in DEVICES:
        told = [(row, row["devices"][device]) for row in rows if device in row["devices"]]
        good = [(row, one) for row, one in told if "error_ms" in one]
        errors = np.array([abs(one["error_ms"]) for _, one in good])
        stds = np.array([one["std_ms"] for _, one in good])
        bounds = np.array([BOUND_MS.get(device, 500.0 / row["camera_hz"]) for row, _ in good])
        found[device] = {
            "recordings": len(told),
            "refused": len(told) - len(good),
            "median_error_ms": round(float(np.median(errors)), 3) if len(good) else None,
            "largest_error_ms": round(float(errors.max()), 3) if len(good) else None,
            "within_bound": int(np.count_nonzero(errors <= bounds)),
            "median_std_ms": round(float(np.median(stds)), 3) if len(good) else None,
            "within_2_std": int(np.count_nonzero(errors <= 2 * stds)),
        }
    return found


def refusals(sessions: Path, work: Path, seconds: float) -> dict[str, str]:
    """What is said of recordings that tell nothing; empty where they were taken for good."""
    source = next(sessions.iterdir())
    start_ns = next(iter(Bag(source).messages())).log_time
    still: list[bytes] = []
    rng = np.random.default_rng(0)

    def until(end_s: float) -> Callable[[str, BagMessage, int], tuple[int, bytes] | None]:
        def change(topic: str, message: BagMessage, number: int) -> tuple[int, bytes] | None:
            inside = message.log_time < start_ns + end_s * 1e9
            return (message.log_time, bytes(message.data)) if inside else None

        return change

    def blind(topic: str, message: BagMessage, number: int) -> tuple[int, bytes]:
        data = bytes(message.data)
        if topic == "/camera/image_raw":
            head = cdr.read_image_head(data)
            still.append(data[head.offset :])
            data = data[: head.offset] + still[0]
        return message.log_time, data

    def soft(topic: str, message: BagMessage, number: int) -> tuple[int, bytes]:
        data = bytes(message.data)
        if topic == "/wrench":
            values = np.frombuffer(data[-48:], "<f8") * 0.01
            data = data[:-48] + values.tobytes()
        elif topic == "/mic/audio":
            head = cdr.read_audio_head(data)
            sound = cdr.read_audio_samples(data, head)[:, 0] * np.float32(1e-3)
            hiss = np.float32(1e-3) * rng.standard_normal(len(sound)).astype(np.float32)
            data = data[: head.offset] + (sound + hiss).tobytes()
        return message.log_time, data

    bags = {
        "no taps": lambda: simulate(work / "none", "metal", 0, seconds, taps=False),
        "one tap": lambda: rewrite(source, work / "one", until(2.6)),
        "taps that are too soft": lambda: rewrite(source, work / "soft", soft),
        "camera that sees no tool": lambda: rewrite(source, work / "blind", blind),
    }
    said: dict[str, str] = {}
    for name, make in bags.items():
        try:
            answer = calibrate_bag(make())
            said[name] = "; ".join(f"{device}: {why}" for device, why in answer.refused.items())
        except (CalibrationError, EpisodeError) as error:
            said[name] = str(error)
    return said


def main(argv: Sequence[str] | None = None) -> int:
    options = parser("latency", __doc__)
    options.add_argument("--recordings", type=int, default=30, help="default: %(default)s")
    options.add_argument("--seconds", type=float, default=13.0, help="of a session (default: %(default)s)")
    options.add_argument("--sessions", type=int, default=len(SESSIONS), help="default: %(default)s")
    args = options.parse_args(argv)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="foley_latency_") as name:
        work = Path(name)
        (work / "sessions").mkdir()
        made = [
            simulate(work / "sessions" / f"s{i}", material, seed, args.seconds)
            for i, (material, seed) in enumerate(SESSIONS[: args.sessions])
        ]
        rows = []
        for case in track(list(cases(args.recordings)), "recordings", console=Console(stderr=True)):
            bag = late_recording(made[case.session % len(made)], work / "late", case)
            rows.append(measure(bag, case))
            for file in bag.iterdir():
                file.unlink()
            bag.rmdir()
        said = refusals(work / "sessions", work, args.seconds)
    found = summary(rows)
    table = Table(title=f"{len(rows)} recordings of {args.seconds:g} s")
    for column in (
        "device",
        "recordings",
        "refused",
        "median error",
        "largest",
        "in bound",
        "std",
        "in 2 std",
    ):
        table.add_column(column, justify="left" if column == "device" else "right")
    for device, figures in found.items():
        table.add_row(device, *map(str, figures.values()))
    console.print(table)
    for what, why in said.items():
        console.print(f"refused, {what}: {why or 'NOT REFUSED'}", soft_wrap=True)
    path = write_metrics(args.out, {"devices": found, "recordings": rows, "refusals": said})
    console.print(f"figures in {path}")
    return 0 if all(said.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
