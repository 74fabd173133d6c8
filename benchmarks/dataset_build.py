"""Seconds that building a data set takes per GB of recording, beside the disk's speed and what its media alone cost.

    python -m benchmarks.dataset_build [--gb 1] [--bags 2] [--pictures jpeg raw] [--profile]

Bags as a robot gives them: two cameras of 640x480 at 30 Hz, 48 kHz sound, poses and forces at 500 Hz, joints at 100 Hz,
a contact every 10 s. The same bags are built (`--windows`) with one process, with two, and with Ray on this machine
where it is installed: the data sets must have one fingerprint. Floors, of the same bags:

    disk     their bytes are read, their pages dropped from the cache before
    media    the pictures and sounds of the data set are decoded and encoded once more, on one core: no build does less

Writes out/bench_dataset_build/metrics.json; `--profile` also profile.txt, on what one process spends its time.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib.util
import io
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks._bench import parser
from benchmarks.dataset_memory import EVERY_S, START_NS, TOPICS, Messages
from foley_common.metrics_file import write_metrics
from foley_perception.dataset import store
from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.on_ray import OnRay
from foley_perception.dataset.reader import ClipDataset
from foley_perception.recording import definitions
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.writer import BagWriter

_SECOND = "/wrist_camera/image_raw"
_SIZE = (480, 640)
_BOTH_MB = {"jpeg": 4.9, "raw": 55.7}  # a second of a bag, about


class _Robot(Messages):
    """Pictures of two cameras, with the grain of a sensor."""

    camera_scale = 4

    def __init__(self, raw: bool) -> None:
        self._raw, self._rng = raw, np.random.default_rng(1)
        super().__init__()

    def _picture(self, k: int) -> bytearray:
        height, width = _SIZE
        rough = cv2.resize(self._rng.integers(0, 255, (30, 40, 3), np.uint8), (width, height))
        image = np.clip(rough + self._rng.normal(0, 4, rough.shape), 0, 255).astype(np.uint8)
        cv2.circle(image, (320 + k, 240), 48, (200, 200, 200), -1)
        header = self._header("camera_optical")
        if self._raw:
            kind = "sensor_msgs/msg/Image"
            return self._make(kind, header, height, width, "rgb8", 0, 3 * width, image.ravel())
        data = np.frombuffer(
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes(), np.uint8
        )
        return self._make("sensor_msgs/msg/CompressedImage", header, "jpeg", data)


def write_bag(folder: Path, seconds: int, *, raw: bool) -> None:
    """A bag of this length at a robot's rates."""
    kinds = {name: kind for name, kind in TOPICS.items() if "image" not in name}
    ending, kind = (
        ("", "sensor_msgs/msg/Image") if raw else ("/compressed", "sensor_msgs/msg/CompressedImage")
    )
    pictures = [f"{name}{ending}" for name in ("/camera/image_raw", _SECOND)]
    kinds |= dict.fromkeys(pictures, kind)
    session = {"session_id": folder.name, "scene_id": folder.name}
    writer = BagWriter(folder, session=session, flush_period_s=60.0)
    try:
        for name, kind in kinds.items():
            found = definitions.find(kind)
            writer.add_topic(TopicInfo(name, kind, found.text, type_hash=found.type_hash))
        for topic, log_time, data in _messages(seconds, pictures, raw):
            while writer.queued_bytes > 32 << 20:
                time.sleep(0.002)
            if not writer.put(topic, log_time, data):
                raise RuntimeError(f"{folder}: a message was dropped ({writer.failure})")
    finally:
        writer.close()


def _messages(seconds: int, pictures: Sequence[str], raw: bool) -> Iterator[tuple[str, int, bytes]]:
    make = _Robot(raw)
    for topic, data in make.once():
        yield topic, START_NS, data
    for tick in range(seconds * 500):
        now, t = START_NS + tick * 2_000_000, tick / 500
        if tick % 5 == 0:
            yield "/mic/audio", now + 10_000_000, make.sound(now, tick // 5)
            yield "/joint_states", now, make.joints(now)
        yield "/wrench", now, make.wrench(now, t)
        yield "/ee_pose", now, make.pose(now, t)
        if tick * 30 // 500 > (tick - 1) * 30 // 500:
            for topic in pictures:
                yield topic, now + 5_000_000, make.picture(now, tick * 30 // 500)
        if tick % round(EVERY_S * 500) == 2500:
            yield "/contacts", now + 60_000_000, make.contact(now)


# ---- what is measured --------------------------------------------------------------------------------------
def disk_s(bags: Sequence[Path]) -> float:
    """To read the bags, from the disk as far as this machine lets its cache be dropped."""
    files = [file for bag in bags for file in bag.iterdir()]
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    began = time.perf_counter()
    for file in files:
        with file.open("rb", buffering=0) as opened:
            while opened.read(8 << 20):
                pass
    return time.perf_counter() - began


def media_s(folder: Path) -> float:
    """To decode and encode the data set's pictures and sounds, on one core."""
    cv2.setNumThreads(1)
    data = ClipDataset(folder)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        jpeg, flac = Path(scratch) / "a.jpg", Path(scratch) / "a.flac"
        for i in range(len(data)):
            store.write_strip(jpeg, np.concatenate([data.frames(i), data.still(i)[None]]))
            store.write_audio(flac, data.audio(i))
        for i in range(len(data.windows)):
            store.write_strip(jpeg, data.window_frames(i))
            store.write_audio(flac, data.window_audio(i))
    return time.perf_counter() - began


def build_s(bags: Sequence[Path], folder: Path, workers: int, ray: OnRay | None = None) -> tuple[float, str]:
    """Seconds, and the fingerprint."""
    began = time.perf_counter()
    report = build_dataset(bags, folder, config=CutConfig(windows=True), workers=workers, ray=ray)
    return time.perf_counter() - began, str(report.manifest["fingerprint"])


def measure(folder: Path, args: argparse.Namespace, pictures: str) -> dict[str, Any]:
    seconds = max(12, round(1e3 * args.gb / _BOTH_MB[pictures] / args.bags))
    bags = [folder / f"{pictures}{i}" for i in range(args.bags)]
    for bag in bags:
        write_bag(bag, seconds, raw=pictures == "raw")
    gb = sum(file.stat().st_size for bag in bags for file in bag.iterdir()) / 1e9
    row: dict[str, Any] = {"pictures": pictures, "bags": len(bags), "seconds_each": seconds, "gb": gb}
    row["disk_s_per_gb"] = disk_s(bags) / gb
    prints = {}
    for workers in (1, 2):
        took, prints[workers] = build_s(bags, folder / f"{pictures}-{workers}", workers)
        row[f"build_{workers}_s_per_gb"] = took / gb
    if importlib.util.find_spec("ray") is not None:
        began = time.perf_counter()
        with OnRay(workers=2) as ray:
            started = time.perf_counter() - began
            took, prints[0] = build_s(bags, folder / f"{pictures}-ray", 2, ray)
        row |= {"ray_2_s_per_gb": took / gb, "ray_start_s": started}
    row["media_s_per_gb"] = media_s(folder / f"{pictures}-1") / gb
    row["gain_of_2"] = row["build_1_s_per_gb"] / row["build_2_s_per_gb"]
    row["one_fingerprint"] = len(set(prints.values())) == 1
    row["load"] = os.getloadavg()[0]
    if args.profile:
        _profile(bags[0], folder / "profiled", args.out / f"profile_{pictures}.txt")
    return row


def _profile(bag: Path, folder: Path, out: Path) -> None:
    profile = cProfile.Profile()
    profile.runcall(build_s, [bag], folder, 1)
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(45)
    pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats(70)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text.getvalue())


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("dataset_build", __doc__)
    options.add_argument("--gb", type=float, default=1.0, help="of bags, together (default: %(default)s)")
    options.add_argument("--bags", type=int, default=4, help="default: %(default)s")
    options.add_argument("--pictures", nargs="+", choices=list(_BOTH_MB), default=list(_BOTH_MB))
    options.add_argument("--profile", action="store_true", help="also profile one process on one bag")
    args = options.parse_args(arguments)
    rows = []
    for pictures in args.pictures:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(Path(folder), args, pictures)
        rows.append(row)
        told = {name: f"{value:.1f}" for name, value in row.items() if name.endswith("_per_gb")}
        print(f"{pictures}: {row['gb']:.2f} GB, one fingerprint: {row['one_fingerprint']}, s/GB: {told}")
    write_metrics(args.out, {"cores": os.cpu_count(), "bags": rows})
    print(args.out / "metrics.json")
    return 0 if all(row["one_fingerprint"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
