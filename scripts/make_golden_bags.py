"""Write golden bags (foley_perception/tests/golden) that are not there, and what a reader finds in each.

`python scripts/make_golden_bags.py [--only NAME]`, in an environment with foley_msgs. What a release wrote is never
made anew: of a bag that is there nothing is touched. A later bag version gets a folder and a list of its own here.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from golden_types import START_NS, Message, Types, filled
from rosbags.rosbag2 import StoragePlugin, Writer

from foley_common import topics
from foley_perception.episodes.figures import figures_of
from foley_perception.recording.labels import PAUSE
from foley_perception.recording.metadata import SESSION_KEY
from foley_perception.recording.session import session_metadata
from foley_perception.recording.writer import NEVER, BagWriter, Split

GOLDEN = Path(__file__).resolve().parents[1] / "ros2_ws/src/foley_perception/tests/golden"
SECONDS, RATE = 1.5, 8000
PAUSED_S = (0.705, 0.815)
CONTACTS_S = (0.5, 1.0)
RAW_AUDIO = "foxglove_msgs/msg/RawAudio"
FOREIGN = {
    RAW_AUDIO: "builtin_interfaces/Time timestamp\nuint8[] data\nstring format\nuint32 sample_rate\n"
    "uint32 number_of_channels\n"
}
EXTRA = """{origin: golden, scene_id: bench, domain: real,
 objects: [{id: mug, material: ceramic}, {id: tray, material: metal}]}"""


def messages(types: Types, *, pictures: str = "raw", foreign: bool = False) -> list[Message]:
    """A tip that taps a mug and a tray; every second value is a round number, so that readings can be told by eye."""
    rng = np.random.default_rng(18)
    found: list[Message] = []

    def put(at_s: float, topic: str, kind: str, *values: Any) -> None:
        found.append(Message(START_NS + round(at_s * 1e9), topic, kind, types.new(kind, *values)))

    def stamp(at_s: float) -> Any:
        return types.new("builtin_interfaces/msg/Time", *divmod(START_NS + round(at_s * 1e9), 10**9))

    def header(at_s: float, frame: str) -> Any:
        return types.new("std_msgs/msg/Header", stamp(at_s), frame)

    def vector(kind: str, *xyz: float) -> Any:
        return types.new(f"geometry_msgs/msg/{kind}", *map(float, xyz))

    sound = np.zeros(round(SECONDS * RATE))
    for at_s in CONTACTS_S:
        t = np.arange(round(0.1 * RATE)) / RATE
        sound[round(at_s * RATE) :][: len(t)] += 0.5 * np.exp(-50 * t) * np.sin(2 * np.pi * 900 * t)
    sound = np.round((sound + 0.002 * rng.standard_normal(len(sound))) * 512) / 512  # few values pack well
    for first in range(0, len(sound), 160):
        chunk, at_s = sound[first : first + 160].astype(np.float32), first / RATE
        if foreign:
            data = np.frombuffer((chunk * 32768).astype("<i2").tobytes(), np.uint8)
            put(at_s + 0.02, "mic/audio", RAW_AUDIO, stamp(at_s), data, "pcm-s16", RATE, 1)
        else:
            head = header(at_s, "microphone")
            put(
                at_s + 0.02,
                "mic/audio",
                "foley_msgs/msg/AudioChunk",
                head,
                "golden",
                first,
                RATE,
                1,
                1,
                0.0005,
                chunk,
            )
    for k in range(round(SECONDS * 40)):
        at_s = k / 40
        height = 0.05 + min(0.1, min(abs(at_s - c) for c in CONTACTS_S) * 0.4)
        turn = types.new("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0)
        pose = types.new("geometry_msgs/msg/Pose", vector("Point", 0.3 + 0.1 * at_s, -0.2, height), turn)
        put(at_s, "ee_pose", "geometry_msgs/msg/PoseStamped", header(at_s, "world"), pose)
        push = 12.0 if min(abs(at_s - c) for c in CONTACTS_S) < 0.03 else 0.25 * (k % 3)
        wrench = types.new(
            "geometry_msgs/msg/Wrench", vector("Vector3", 0, 0, push), vector("Vector3", 0, 0, 0)
        )
        put(at_s, "wrench", "geometry_msgs/msg/WrenchStamped", header(at_s, "tool"), wrench)
        position, none = np.array([0.02 + 0.0001 * k]), np.zeros(0)
        put(
            at_s,
            "joint_states",
            "sensor_msgs/msg/JointState",
            header(at_s, ""),
            ["gripper_width"],
            position,
            none,
            none,
        )
    for k in range(round(SECONDS * 10)):
        image = np.full((24, 32, 3), (10 * k, 100, 200 - 10 * k), np.uint8)
        head = header(k / 10, "camera_optical")
        if pictures == "jpeg":
            data = cv2.imencode(".jpg", image[:, :, ::-1])[1].ravel()
            kind = "sensor_msgs/msg/CompressedImage"
            put(k / 10 + 0.01, "camera/image_raw/compressed", kind, head, "rgb8; jpeg compressed bgr8", data)
        else:
            put(
                k / 10 + 0.01,
                "camera/image_raw",
                "sensor_msgs/msg/Image",
                head,
                24,
                32,
                "rgb8",
                0,
                96,
                image.ravel(),
            )
    region = types.new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    matrix = np.array([40.0, 0, 15.5, 0, 40.0, 11.5, 0, 0, 1])
    put(
        0.0, "camera/camera_info", "sensor_msgs/msg/CameraInfo", header(0.0, "camera_optical"), 24, 32, "plumb_bob",
        np.zeros(5), matrix, np.eye(3).ravel(), np.zeros(12), 0, 0, region,
    )  # fmt: skip
    turned = types.new("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0)
    straight = types.new("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
    fixed = [
        types.new(
            "geometry_msgs/msg/TransformStamped",
            header(0.0, parent),
            child,
            types.new("geometry_msgs/msg/Transform", vector("Vector3", *xyz), rotation),
        )
        for parent, child, xyz, rotation in (
            ("world", "camera_optical", (0.3, -0.2, 1.0), turned),
            ("tool", "tip", (0.0, 0.0, 0.1), straight),
        )
    ]
    put(0.0, "/tf_static", "tf2_msgs/msg/TFMessage", fixed)
    for k, at_s in enumerate(CONTACTS_S):
        thing = ("mug", "tray")[k]
        place = vector("Point", 0.3 + 0.1 * at_s, -0.2, 0.05)
        put(
            at_s + 0.1, "contacts", "foley_msgs/msg/ContactEvent", header(at_s, "world"), f"c{k}", thing, place,
            1, 0.004, 0.05 + 0.01 * k, -6.0, 0.9, 3, 3, "",
        )  # fmt: skip
        put_belief(put, types, header(at_s, ""), stamp(at_s), at_s, f"c{k}", thing)
    put(
        1.3, "labels", "foley_msgs/msg/SegmentLabel", header(1.3, ""), stamp(0.4), stamp(0.7), "mug", "material",
        "porcelain",
    )  # fmt: skip
    return sorted(found, key=lambda message: message.time_ns)


def put_belief(
    put: Callable[..., None], types: Types, head: Any, seen: Any, at_s: float, contact: str, thing: str
) -> None:
    """What was believed after a contact, and whether it surprised; as much as the definitions have room for."""
    types.new("foley_msgs/msg/PredicateArray", head, 1, [])  # registers its types
    fields = len(types.store.fielddefs["foley_msgs/msg/Predicate"][1])
    later = ("heard", 1, "cal") if fields > 6 else ()
    predicate = types.new(
        "foley_msgs/msg/Predicate", f"is_hard_{thing}", [thing], 0.75, 1, seen, seen, *later
    )
    put(at_s + 0.2, "predicates", "foley_msgs/msg/PredicateArray", head, 1, [predicate])
    values = [head, contact, thing, "", "cochleagram_l2", 1.5, 0.25, False, 0.2]
    if "foley_msgs/msg/Surprise" not in types.given:
        values += ["contact", 0.75]
    put(at_s + 0.2, "surprise", "foley_msgs/msg/Surprise", *values)


# ---- bags --------------------------------------------------------------------------------------------------
def session(name: str, *, version: bool = True) -> dict[str, str]:
    told = session_metadata(
        f"golden-{name}", start_ns=START_NS, max_duration_s=60.0, recorded_by="golden", extra_yaml=EXTRA
    )
    if not version:
        del told["bag_version"]
    return told


def write(
    folder: Path,
    types: Types,
    put: Iterable[Message],
    told: dict[str, str],
    *,
    compressed: bool = False,
    pause_s: float = 0.0,
    split: Split = NEVER,
    packed: tuple[str, ...] = (),
) -> Path:
    """By the recorder's own writer; with a pause after every 0.3 s of the recording there are several chunks."""
    writer = BagWriter(
        folder,
        session=told,
        compressed=compressed,
        min_free_bytes=0,
        flush_period_s=pause_s / 4 or 60.0,
        split=split,
    )
    reached = START_NS
    numbers: collections.Counter[str] = collections.Counter()
    for message in put:
        writer.add_topic(types.info(message.topic, message.type), packed=message.topic in packed)
        writer.put(message.topic, message.time_ns, types.bytes(message), sequence=numbers[message.topic])
        numbers[message.topic] += 1
        if getattr(message.value, "key", "") == PAUSE:
            writer.barrier()  # as the recorder does: what comes behind it lies behind it in the file
        if pause_s and message.time_ns > reached + 300_000_000:
            reached = message.time_ns
            time.sleep(pause_s)
    writer.close()
    if writer.failure is not None:
        raise writer.failure
    return folder


def whole(folder: Path) -> None:
    types = Types({})
    write(folder, types, messages(types), session("whole"))


def zstd(folder: Path) -> None:
    types = Types({})
    write(folder, types, messages(types, pictures="jpeg"), session("zstd"), compressed=True)


def foreign_audio(folder: Path) -> None:
    types = Types(FOREIGN)
    write(folder, types, messages(types, foreign=True), session("foreign_audio"), compressed=True)


def killed(folder: Path) -> None:
    """Cut off within a chunk, with the metadata.yaml of the beginning."""
    types = Types({})
    told = session("killed")
    with tempfile.TemporaryDirectory() as place:
        begun = BagWriter(Path(place) / folder.name, session=told, min_free_bytes=0)
        first = (begun.folder / "metadata.yaml").read_bytes()
        begun.close()
    write(folder, types, messages(types), told, pause_s=0.2)
    (folder / "metadata.yaml").write_bytes(first)
    file = next(folder.glob("*.mcap"))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 7 // 10])


def split(folder: Path) -> None:
    """Split in two files and paused in between, with sound in compressed chunks and all else in plain ones."""
    types = Types({})
    begun, over = (START_NS + round(at_s * 1e9) for at_s in PAUSED_S)
    pause = [
        Message(at_ns, "labels", "foley_msgs/msg/SegmentLabel", pause_label(types, begun, at_ns))
        for at_ns in (begun, over)
    ]
    kept = [message for message in messages(types) if not begun < message.time_ns < over]
    put = sorted([*kept, *pause], key=lambda message: message.time_ns)
    write(folder, types, put, session("split"), split=Split(seconds=0.9), packed=("mic/audio",))


def pause_label(types: Types, begun_ns: int, end_ns: int) -> Any:
    """As the recorder tells a pause when it begins, and once more when it is over."""
    begun, end = (types.new("builtin_interfaces/msg/Time", *divmod(t, 10**9)) for t in (begun_ns, end_ns))
    header = types.new("std_msgs/msg/Header", end, "")
    return types.new("foley_msgs/msg/SegmentLabel", header, begun, end, "", PAUSE, "")


def sqlite(folder: Path) -> None:
    """As `ros2 bag record -s sqlite3` stores it."""
    types = Types({})
    found = messages(types)
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_custom_data(SESSION_KEY, yaml.safe_dump(session("sqlite")))
    connections: dict[str, Any] = {}
    with writer:
        for message in found:
            if message.topic not in connections:
                name = message.topic if message.topic.startswith("/") else f"/{message.topic}"
                connections[message.topic] = writer.add_connection(name, message.type, typestore=types.store)
            writer.write(connections[message.topic], message.time_ns, types.bytes(message))


def every_type(folder: Path) -> None:
    """With one message of each further type of ours that is recorded, so that a change of any is seen."""
    types = Types({})
    found = messages(types)
    known = {message.type for message in found}
    for topic in topics.TOPICS:
        if topic.recorded and topic.type.startswith("foley_msgs/") and topic.type not in known:
            known.add(topic.type)
            found.append(Message(START_NS + 700_000_000, topic.name, topic.type, filled(types, topic.type)))
    put = sorted(found, key=lambda message: message.time_ns)
    write(folder, types, put, session("every_type"), compressed=True)


def first_definitions(folder: Path) -> None:
    """Of before there was a bag version."""
    names = ("Predicate", "Surprise")
    types = Types({f"foley_msgs/msg/{name}": (folder.parent / f"{name}.msg").read_text() for name in names})
    write(folder, types, messages(types), session("definitions", version=False), compressed=True)


BAGS: dict[str, Callable[[Path], None]] = {
    "0/definitions": first_definitions,
    "1/whole": whole,
    "1/zstd": zstd,
    "1/split": split,
    "1/killed": killed,
    "1/sqlite": sqlite,
    "1/foreign_audio": foreign_audio,
    "1/every_type": every_type,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=BAGS, help="this one")
    args = parser.parse_args()
    for name, make in BAGS.items():
        folder = GOLDEN / name
        if (args.only and name != args.only) or folder.exists():
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            make(folder)
            figures = figures_of(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        digests = {
            file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        told = {"files": digests, "figures": figures}
        folder.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
        sys.stdout.write(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*')) >> 10} KiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
