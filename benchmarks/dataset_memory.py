"""Memory that building a data set takes, by the length of the bag: of one worker at its peak, beside the floor.

    python -m benchmarks.dataset_memory [--minutes 10 35 120]

Bags as a robot gives them: sound at 48 kHz (100 Hz), poses at 250 Hz, joints and forces at 100 Hz, pictures of 160x120
at 30 Hz, a contact every 10 s. Each is written, cut by a process of its own (as a worker of `foley dataset build
--windows` cuts it) and removed. The floor is a process that only imports what a worker imports. Writes
out/bench_dataset_memory/metrics.json and memory.png.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_perception.recording import definitions
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.writer import BagWriter

START_NS = 1_800_000_000_000_000_000
EVERY_S = 10.0  # from contact to contact
BAG_S = 20  # of sound that repeats
TOPICS = {
    "/mic/audio": "foley_msgs/msg/AudioChunk",
    "/ee_pose": "geometry_msgs/msg/PoseStamped",
    "/joint_states": "sensor_msgs/msg/JointState",
    "/wrench": "geometry_msgs/msg/WrenchStamped",
    "/camera/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
    "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/contacts": "foley_msgs/msg/ContactEvent",
}
WORKER = """
import json, resource, sys, time
from pathlib import Path
from foley_perception.dataset.build import BagSource
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.staging import Owners, make_part
from foley_perception.dataset import store
import cv2, pyarrow, scipy.signal, soundfile, rosbags.typesys
bag, out = sys.argv[1:]
began, part = time.perf_counter(), None
if bag:
    folder = Path(out)
    store.make_folders(folder)
    owners = Owners(folder / "owners")
    owners.begin({})
    part = make_part(BagSource(Path(bag), CutConfig(windows=True)), folder, owners)
    assert not isinstance(part, str), part
print(json.dumps({
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "seconds": time.perf_counter() - began,
    "clips": part.clips if part else 0, "windows": part.windows if part else 0,
    "problems": list(part.problems) if part else [],
}))
"""


def write_bag(folder: Path, minutes: float) -> None:
    """A bag of this length, message by message."""
    writer = BagWriter(folder, session={"session_id": folder.name}, flush_period_s=60.0)
    try:
        for name, kind in TOPICS.items():
            found = definitions.find(kind)
            writer.add_topic(TopicInfo(name, kind, found.text, type_hash=found.type_hash))
        for topic, log_time, data in _messages(round(minutes * 60)):
            while writer.queued_bytes > 32 << 20:
                time.sleep(0.005)
            if not writer.put(topic, log_time, data):
                raise RuntimeError(f"{folder}: a message was dropped ({writer.failure})")
    finally:
        writer.close()


def _messages(seconds: int) -> Iterator[tuple[str, int, bytes]]:
    make = Messages()
    for topic, data in make.once():
        yield topic, START_NS, data
    for tick in range(seconds * 500):
        now = START_NS + tick * 2_000_000
        t = tick / 500
        if tick % 5 == 0:
            yield "/mic/audio", now + 10_000_000, make.sound(now, tick // 5)
            yield "/joint_states", now, make.joints(now)
            yield "/wrench", now, make.wrench(now, t)
        if tick % 2 == 0:
            yield "/ee_pose", now, make.pose(now, t)
        if tick * 30 // 500 > (tick - 1) * 30 // 500:
            yield "/camera/image_raw/compressed", now + 5_000_000, make.picture(now, tick * 30 // 500)
        if tick % round(EVERY_S * 500) == 2500:
            yield "/contacts", now + 60_000_000, make.contact(now)


class Messages:
    """Serialised messages: each made once, and given its stamp and numbers for each time it is sent."""

    camera_scale = 1  # of pictures of 160x120

    def __init__(self) -> None:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        self._store = get_typestore(Stores.EMPTY)
        for kind in (*TOPICS.values(), "sensor_msgs/msg/Image"):
            types = get_types_from_msg(definitions.find(kind).text, kind)
            self._store.register({k: v for k, v in types.items() if k not in self._store.fielddefs})
        t = np.arange(BAG_S * 48_000) / 48_000
        after = (t - EVERY_S / 2) % EVERY_S
        ring = 0.4 * np.exp(-60 * after) * np.sin(2 * np.pi * 1500 * after)
        self._sound = (1e-3 * np.random.default_rng(0).standard_normal(len(t)) + ring).astype("<f4")
        header = self._header("microphone")
        silence = np.zeros(480, np.float32)
        chunk = self._make("foley_msgs/msg/AudioChunk", header, "bench", 0, 48_000, 1, 2, 0.0, silence)
        self._chunk, self._first = chunk[: -480 * 4], chunk.index(struct.pack("<I", 48_000)) - 8
        position = self._new("geometry_msgs/msg/Point", 0.05, 0.0, 0.0)
        turn = self._new("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0)
        pose = self._new("geometry_msgs/msg/Pose", position, turn)
        self._pose = self._make("geometry_msgs/msg/PoseStamped", self._header("world"), pose)
        names = ["j0", "j1", "j2", "j3", "j4", "j5", "gripper_width"]
        empty, header = np.zeros(0), self._header("")
        self._joints = self._make("sensor_msgs/msg/JointState", header, names, np.full(7, 0.02), empty, empty)
        zero = self._new("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0)
        wrench = self._new("geometry_msgs/msg/Wrench", zero, zero)
        self._wrench = self._make("geometry_msgs/msg/WrenchStamped", self._header("tool"), wrench)
        self._pictures = [self._picture(k) for k in range(30)]

    def _new(self, kind: str, *values: Any) -> Any:
        return self._store.types[kind](*values)

    def _make(self, kind: str, *values: Any) -> bytearray:
        return bytearray(self._store.serialize_cdr(self._new(kind, *values), kind))

    def _header(self, frame: str) -> Any:
        return self._new(
            "std_msgs/msg/Header", self._new("builtin_interfaces/msg/Time", START_NS // 10**9, 0), frame
        )

    def _picture(self, k: int) -> bytearray:
        image = np.full((120, 160, 3), (60, 90, 40 + 3 * k), np.uint8)
        cv2.circle(image, (80, 60), 12, (200, 200, 200), -1)
        data = np.frombuffer(cv2.imencode(".jpg", image)[1].tobytes(), np.uint8)
        return self._make("sensor_msgs/msg/CompressedImage", self._header("camera_optical"), "jpeg", data)

    def once(self) -> list[tuple[str, bytes]]:
        """Calibration, and where the camera and the tip are."""
        roi = self._new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
        scale = self.camera_scale
        k = np.array([160.0 * scale, 0, 80.0 * scale - 0.5, 0, 160.0 * scale, 60.0 * scale - 0.5, 0, 0, 1])
        info = self._make(
            "sensor_msgs/msg/CameraInfo", self._header("camera_optical"), 120 * scale, 160 * scale, "plumb_bob",
            np.zeros(5), k, np.eye(3).ravel(), np.zeros(12), 0, 0, roi,
        )  # fmt: skip
        frames = []
        camera, tip = (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)  # the camera looks down
        for parent, child, z, turn in (("world", "camera_optical", 1.0, camera), ("tool", "tip", 0.16, tip)):
            moved = self._new(
                "geometry_msgs/msg/Transform",
                self._new("geometry_msgs/msg/Vector3", 0.0, 0.0, z),
                self._new("geometry_msgs/msg/Quaternion", *turn),
            )
            frames.append(self._new("geometry_msgs/msg/TransformStamped", self._header(parent), child, moved))
        return [
            ("/camera/camera_info", bytes(info)),
            ("/tf_static", bytes(self._make("tf2_msgs/msg/TFMessage", frames))),
        ]

    def sound(self, now: int, chunk: int) -> bytes:
        stamp(self._chunk, now)
        struct.pack_into("<Q", self._chunk, self._first, chunk * 480)
        at = chunk * 480 % len(self._sound)
        return bytes(self._chunk) + self._sound[at : at + 480].tobytes()

    def pose(self, now: int, t: float) -> bytes:
        stamp(self._pose, now)
        struct.pack_into("<d", self._pose, len(self._pose) - 40, 0.21 + _height(t))
        return bytes(self._pose)

    def joints(self, now: int) -> bytes:
        return bytes(stamp(self._joints, now))

    def wrench(self, now: int, t: float) -> bytes:
        stamp(self._wrench, now)
        struct.pack_into("<d", self._wrench, len(self._wrench) - 32, 20.0 * (_height(t) < 0.004))
        return bytes(self._wrench)

    def picture(self, now: int, number: int) -> bytes:
        return bytes(stamp(self._pictures[number % len(self._pictures)], now))

    def contact(self, now: int) -> bytes:
        header = self._header("world")
        header.stamp.sec, header.stamp.nanosec = now // 10**9, now % 10**9
        place = self._new("geometry_msgs/msg/Point", 0.05, 0.0, 0.05)
        kind = "foley_msgs/msg/ContactEvent"
        return bytes(self._make(kind, header, f"c{now}", "block", place, 1, 0.002, 0.03, -6.0, 1.0, 0, 0, ""))


def _height(t: float) -> float:
    return min(0.1, 0.4 * abs(t % EVERY_S - EVERY_S / 2))


def stamp(data: bytearray, now: int) -> bytearray:
    struct.pack_into("<iI", data, 4, now // 10**9, now % 10**9)
    return data


def measure(bag: Path | None, out: Path) -> dict[str, Any]:
    """A worker in a process of its own."""
    words = [sys.executable, "-c", WORKER, str(bag or ""), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def plot(rows: list[dict[str, Any]], floor: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.2))
    axes.plot([row["minutes"] for row in rows], [row["peak_mib"] for row in rows], "o-", label="one worker")
    axes.axhline(floor, color="grey", linestyle="--", label="floor: imports alone")
    axes.set_xlabel("length of the bag [min]")
    axes.set_ylabel("peak memory [MiB]")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("dataset_memory", __doc__)
    options.add_argument("--minutes", type=float, nargs="+", default=[10.0, 35.0, 120.0])
    args = options.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        floor = measure(None, Path(folder))["peak_mib"]
        print(f"floor (imports alone): {floor:.0f} MiB")
        for minutes in args.minutes:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                bag = Path(place) / f"{minutes:g}min"
                began = time.perf_counter()
                write_bag(bag, minutes)
                written = time.perf_counter() - began
                size = sum(file.stat().st_size for file in bag.iterdir()) / 2**20
                row = measure(bag, Path(place) / "dataset")
            rows.append({"minutes": minutes, "bag_mib": size, **row})
            print(
                f"{minutes:6.0f} min, {size:6.0f} MiB (written in {written:.0f} s): peak {row['peak_mib']:.0f} MiB, "
                f"{row['seconds']:.0f} s, {row['clips']} clips, {row['windows']} windows"
            )
            for problem in row["problems"]:
                print(f"       {problem}")
    args.out.mkdir(parents=True, exist_ok=True)
    plot(rows, floor, args.out / "memory.png")
    ratio = rows[-1]["peak_mib"] / rows[0]["peak_mib"]
    write_metrics(args.out, {"floor_mib": floor, "bags": rows, "longest_to_shortest": ratio})
    print(f"longest to shortest: {ratio:.3f}; {args.out / 'metrics.json'}, {args.out / 'memory.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
