"""A sensor of the recording benchmark: one topic at its rate, from a process of its own.

    python -m benchmarks._sensor_source KIND

Every line on its input is ``SECONDS FILE``: once somebody listens it publishes for so long, keeps the stamps of all
that it sent in FILE (``.npy``), and answers with a line of JSON. Messages are serialised once and given their stamp (of
sound, its count as well) for each time they are sent, so that the sensors leave the processors to the recorder.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RATE = 48_000
CHUNK = 480  # frames of sound in a message
WIDTH, HEIGHT = 640, 480
_CAMERA = "sensor_msgs/msg/Image image"


class Sensor(NamedTuple):
    topic: str
    entry: str  # type and profile, as the recorder's parameter `topics` has them
    hz: float


SENSORS = {
    "camera": Sensor("camera/image_raw", f"{_CAMERA} required", 30.0),
    "second_camera": Sensor("second_camera/image_raw", _CAMERA, 30.0),
    "microphone": Sensor("mic/audio", "foley_msgs/msg/AudioChunk audio required", RATE / CHUNK),
    "pose": Sensor("ee_pose", "geometry_msgs/msg/PoseStamped state required", 500.0),
    "wrench": Sensor("wrench", "geometry_msgs/msg/WrenchStamped state", 500.0),
}


def picture(number: int) -> np.ndarray[Any, Any]:
    """Colours [HEIGHT, WIDTH, 3] as a camera gives them: smooth, with edges and some noise."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack(
        [128 + 60 * np.sin((columns + 40 * k + 9 * number) / (60 + 20 * k)) for k in range(3)], -1
    )
    image[100 + 9 * number : 260 + 9 * number, 200:420] *= 0.5
    image += (rows / 12)[..., None] + np.random.default_rng(number).normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def messages(kind: str) -> Callable[[int, int], bytes]:
    """A function of count and stamp [ns] that gives the serialised message."""
    from rclpy.serialization import serialize_message

    from foley_ros import convert

    if kind.endswith("camera"):
        made = [
            bytearray(serialize_message(convert.array_to_image(picture(k), "rgb8", 0, "optical")))
            for k in range(8)
        ]
    elif kind == "microphone":
        t = np.arange(CHUNK) / RATE
        sound = 0.1 * np.stack([np.sin(2 * np.pi * hz * t) for hz in (400.0, 700.0)], -1).astype(np.float32)
        names = {"frame_id": "microphone", "stream_id": f"{time.time_ns()}"}
        chunk = convert.array_to_audio(sound, time_ns=0, first_sample=0, sample_rate=RATE, **names)
        made = [bytearray(serialize_message(chunk))]
        first = made[0].index(struct.pack("<I", RATE)) - 8
    elif kind == "pose":
        message = convert.pose_stamped(np.array([0.4, 0.0, 0.2]), np.array([0, 0, 0, 1.0]), 0, "world")
        made = [bytearray(serialize_message(message))]
    else:
        from geometry_msgs.msg import WrenchStamped

        made = [bytearray(serialize_message(WrenchStamped(header=convert.header(0, "tool"))))]

    def message(count: int, now_ns: int) -> bytes:
        data = made[count % len(made)]
        struct.pack_into("<iI", data, 4, *divmod(now_ns, 1_000_000_000))
        if kind == "microphone":
            struct.pack_into("<Q", data, first, count * CHUNK)
        elif kind in ("pose", "wrench"):  # something moves
            struct.pack_into(
                "<d", data, len(data) - (56 if kind == "pose" else 48), 0.4 + 1e-4 * (count % 500)
            )
        return bytes(data)

    return message


def main() -> int:
    import rclpy

    from foley_ros import qos
    from foley_ros.topics import message_class

    kind = sys.argv[1]
    sensor = SENSORS[kind]
    rclpy.init()
    node = rclpy.create_node(f"source_{kind}")
    words = sensor.entry.split()
    publisher = node.create_publisher(message_class(words[0]), sensor.topic, qos.PROFILES[words[1]])
    message, sent = messages(kind), 0
    before_ns = round(1e9 / sensor.hz) if kind == "microphone" else 0  # a stamp is of the first sample
    for line in sys.stdin:
        seconds, _, file = line.strip().partition(" ")
        while publisher.get_subscription_count() == 0:
            time.sleep(0.01)
        total = round(float(seconds) * sensor.hz)
        stamps = np.empty(total, np.int64)
        cpu, begin, late = time.process_time(), time.monotonic(), 0.0
        for count in range(total):
            ahead = begin + count / sensor.hz - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            late = max(late, -ahead)
            stamps[count] = now = time.time_ns() - before_ns
            publisher.publish(message(sent, now))
            sent += 1
        wall = time.monotonic() - begin
        np.save(Path(file), stamps)
        told = {"sent": total, "wall_s": wall, "latest_s": late, "cpu": (time.process_time() - cpu) / wall}
        print(json.dumps(told), flush=True)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
