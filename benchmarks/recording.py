"""What recording costs at the load of a whole robot: messages lost, processor, memory, beside the floors.

    python -m benchmarks.recording [--minutes 5 | --seconds 20] [--mode plain]

Two cameras of 640x480 at 30 Hz (rgb8, raw), stereo sound at 48 kHz, poses and forces at 500 Hz, each published by a
process of its own; the recorder is the node that `foley up` starts. Losses are counted exactly: each publisher keeps
the stamps of all that it sent, and the bag is read and must hold them all, once. Processor is user's and system's time
of the recorder's process; beside it stand two floors: a process that takes the same messages as bytes and throws them
away (every 20 ms, as the recorder does, and through rclpy's executor), and the same bytes written to the same disk by a
process that does nothing else. The bag (55 MB/s: 17 GB of 5 minutes) is removed at the end. Writes
out/bench_recording/metrics.json.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._bench import ended_by_signals, parser
from benchmarks._process_watch import ProcessWatch
from benchmarks._recording_processes import RecorderProcess, Sources
from benchmarks._sensor_source import SENSORS
from foley_common.metrics_file import write_metrics
from foley_perception.recording import cdr
from foley_perception.recording.bag import Bag

_CAMERAS = [sensor.topic for sensor in SENSORS.values() if sensor.topic.endswith("image_raw")]
MODES: dict[str, dict[str, object]] = {
    "plain": {},
    "split": {"split_s": 10.0},
    "jpeg": {"compression": ["sensor_msgs/msg/Image=jpeg:95"]},
    "zstd": {"compression": [f"{name}=zstd" for name in (*_CAMERAS, SENSORS["microphone"].topic)]},
    "snapshot": {"snapshot_s": 10.0, "snapshot_mb": 1024.0},
}
"""Parameters of the recorder by mode."""
FLOOR_S = 20.0
_FLOOR_BYTES = 4 << 30  # at most; of the floor of the disk


def bare(sources: Sources, how: str, seconds: float) -> dict[str, float]:
    """Share of a core of a subscriber that throws everything away, and of what was sent the share that it got."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._bare_subscriber", how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdin is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the bare subscriber ended; why stands above")
        with ProcessWatch(process.pid) as watch:
            sources.publish(seconds)
        time.sleep(1.0)
        process.stdin.close()
        got = int(process.stdout.readline())
        process.wait(20)
    finally:
        process.kill()
    figures = watch.figures()
    return {key: figures[key] for key in ("cpu", "cpu_user", "cpu_system")} | {
        "megabytes_per_second": got / seconds / 1e6
    }


def record(sources: Sources, folder: Path, seconds: float, parameters: dict[str, object]) -> dict[str, Any]:
    """A recording of so long, and what it cost."""
    recorder = RecorderProcess(folder, parameters)
    try:
        recorder.activate()
        time.sleep(2.0)
        recorder.start(seconds + 60.0)
        with ProcessWatch(recorder.process.pid) as watch:
            sent = sources.publish(seconds)
        stopped = recorder.stop()
        peak = watch.status()["VmHWM"]
    finally:
        recorder.close()
    if stopped.error_code:
        print(f"recorder: {stopped.error_msg}", file=sys.stderr)
    told = {t.topic.removesuffix("/compressed"): t for t in stopped.topics}
    bag = Path(stopped.path)
    topics = {
        name: counted(stamps, source["stamps"], told.get(f"/{SENSORS[name].topic}"))
        for (name, stamps), source in zip(recorded(bag).items(), (sent[n] for n in SENSORS), strict=True)
    }
    return {
        "topics": topics,
        "lost": sum(row["lost"] for row in topics.values()),
        "bytes": stopped.bytes,
        "megabytes_per_second": stopped.bytes / seconds / 1e6,
        "messages_per_second": sum(row["sent"] for row in topics.values()) / seconds,
        **watch.figures(),
        "peak_mib": peak,
        "sources": {n: {k: v for k, v in s.items() if k != "stamps"} for n, s in sent.items()},
        "findings": list(stopped.findings),
        "files": len(list(bag.glob("*.mcap"))),
    }


def recorded(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Stamps [n] of every message of a bag by sensor; every checksum of the bag is checked."""
    found: dict[str, list[int]] = {name: [] for name in SENSORS}
    names = {f"/{sensor.topic}": name for name, sensor in SENSORS.items()}
    bag = Bag(path)
    for message in bag.messages():
        name = names.get(message.topic.removesuffix("/compressed"))
        if name is not None:
            found[name].append(cdr.read_stamp(message.data[:12], 4) or 0)
    if bag.problems:
        raise RuntimeError(f"the bag is damaged: {bag.problems}")
    return {name: np.array(stamps, np.int64) for name, stamps in found.items()}


def counted(stamps: np.ndarray[Any, Any], sent: np.ndarray[Any, Any], told: Any) -> dict[str, Any]:
    """What is missing of what was sent, what is there twice, and what the recorder itself says is lost."""
    return {
        "sent": len(sent),
        "recorded": len(stamps),
        "lost": len(np.setdiff1d(sent, stamps)),
        "twice": len(stamps) - len(np.unique(stamps)),
        "foreign": len(np.setdiff1d(stamps, sent)),
        "recorder_says_lost": told.lost if told is not None else None,
        "longest_gap_s": told.max_gap if told is not None else None,
    }


def disk(folder: Path, size: int) -> dict[str, float]:
    """Writing as many bytes, all of them forced to the disk: bytes a second, and processor seconds for each GB."""
    size = min(size, _FLOOR_BYTES)
    block = np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8).tobytes()
    cpu, begin = time.process_time(), time.monotonic()
    with (folder / "floor").open("wb", buffering=0) as file:
        for _ in range(max(size >> 20, 1)):
            file.write(block)
        os.fdatasync(file.fileno())
    wall, cpu = time.monotonic() - begin, time.process_time() - cpu
    (folder / "floor").unlink()
    written = max(size >> 20, 1) << 20
    return {
        "bytes": written,
        "megabytes_per_second": written / wall / 1e6,
        "cpu_s_per_gb": cpu / written * 1e9,
    }


@contextlib.contextmanager
def workplace(within: Path | None, need: float) -> Iterator[Path]:
    """A folder for the bag that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=within) as name:
        free = shutil.disk_usage(name).free
        if free < need:
            sys.exit(
                f"recording: {name} has {free / 1e9:.0f} GB, {need / 1e9:.0f} are needed; name another with --folder"
            )
        yield Path(name)


def show(figures: dict[str, Any]) -> None:
    print(f"{'topic':16}{'sent':>9}{'recorded':>10}{'lost':>7}{'twice':>7}{'longest gap':>13}")
    for name, row in figures["topics"].items():
        gap = f"{row['longest_gap_s']:.3f} s" if row["longest_gap_s"] is not None else "-"
        print(f"{name:16}{row['sent']:9}{row['recorded']:10}{row['lost']:7}{row['twice']:7}{gap:>13}")
    floors = figures["floors"]
    print(
        f"recorder: {100 * figures['cpu']:.1f} % of a core (user {100 * figures['cpu_user']:.1f}, system "
        f"{100 * figures['cpu_system']:.1f}), {figures['megabytes_per_second']:.1f} MB/s, "
        f"{figures['messages_per_second']:.0f} messages/s"
    )
    for how in ("polled", "executor"):
        if how in floors:
            print(f"  floor, bare subscriber ({how}): {100 * floors[how]['cpu']:.1f} % of a core")
    print(
        f"  floor, disk: {floors['disk']['megabytes_per_second']:.0f} MB/s, of these bytes "
        f"{100 * floors['disk']['share_of_a_core']:.1f} % of a core"
    )
    print(
        f"memory: {figures['peak_mib']:.0f} MiB at its peak (its own {figures['private_mib_at_most']:.0f}), "
        f"{figures['private_mib_per_hour']:+.0f} MiB/h"
    )


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser("recording", __doc__)
    options.add_argument("--minutes", type=float, default=5.0, help="default: %(default)s")
    options.add_argument("--seconds", type=float, help="instead of --minutes, to try it")
    options.add_argument("--mode", choices=sorted(MODES), default="plain", help="default: %(default)s")
    options.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the recorder"
    )
    options.add_argument(
        "--folder", type=Path, help="of the bag; default: the system's folder of temporary files"
    )
    options.add_argument("--no-floors", action="store_true", help="without the bare subscribers")
    return options.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    args = options_of(arguments)
    ended_by_signals()
    import yaml

    seconds = args.seconds or 60.0 * args.minutes
    parameters = MODES[args.mode] | {
        k: yaml.safe_load(v) for k, _, v in (word.partition("=") for word in args.set)
    }
    os.environ["ROS_DOMAIN_ID"] = str(10 + os.getpid() % 40)  # tests take those above
    load = os.getloadavg()
    with workplace(args.folder, seconds * 60e6 + 5e9) as folder:
        sources = Sources(folder)
        try:
            floors: dict[str, Any] = {}
            for how in () if args.no_floors else ("polled", "executor"):
                floors[how] = bare(sources, how, min(FLOOR_S, seconds))
            figures = record(sources, folder, seconds, dict(parameters))
        finally:
            sources.close()
        shutil.rmtree(folder / "bench", ignore_errors=True)
        floors["disk"] = disk(folder, figures["bytes"])
        floors["disk"]["share_of_a_core"] = (
            floors["disk"]["cpu_s_per_gb"] * figures["megabytes_per_second"] / 1e3
        )
    figures |= {
        "mode": args.mode,
        "parameters": parameters,
        "seconds": seconds,
        "floors": floors,
        "load_before": [round(x, 1) for x in load],
        "load_after": [round(x, 1) for x in os.getloadavg()],
        "processors": os.cpu_count(),
    }
    show(figures)
    write_metrics(args.out, figures)
    return 0 if figures["lost"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
