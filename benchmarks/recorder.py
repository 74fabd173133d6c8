"""What recording costs: CPU of the recorder, bytes per second, messages lost, beside the floor.

    python -m benchmarks.recorder [--seconds 20] [--width 640 --height 480]

One process publishes audio (100 Hz), pose, joints, wrench and tf (250 Hz each) and images (30 Hz); another is
the recorder. The floor is the same bytes copied to the same disk by one process that does nothing else.
Writes out/bench_recorder/metrics.json.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics

SOURCE = """
import json, sys, time
import numpy as np, rclpy
from foley_msgs.msg import AudioChunk
from foley_ros import convert, qos
from geometry_msgs.msg import PoseStamped, WrenchStamped
from sensor_msgs.msg import Image, JointState
from tf2_msgs.msg import TFMessage
seconds, width, height = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rclpy.init()
node = rclpy.create_node("source")
names = ("mic/audio", "ee_pose", "joint_states", "wrench", "/tf", "camera/image_raw")
kinds = (AudioChunk, PoseStamped, JointState, WrenchStamped, TFMessage, Image)
profiles = (qos.AUDIO, qos.STATE, qos.STATE, qos.STATE, qos.STATE, qos.IMAGE)
pub = {n: node.create_publisher(k, n, q) for n, k, q in zip(names, kinds, profiles)}
while min(p.get_subscription_count() for p in pub.values()) == 0:
    time.sleep(0.01)
print("ready", flush=True)
sys.stdin.readline()
sent = dict.fromkeys(names, 0)
identity, zero = np.array([0, 0, 0, 1.0]), np.zeros(3)
pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
def send(name, message):
    pub[name].publish(message)
    sent[name] += 1
begin, image = time.monotonic(), 0
for tick in range(round(seconds * 500)):
    ahead = begin + tick / 500 - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
    now = time.time_ns()
    if tick % 5 == 0:
        send("mic/audio", convert.array_to_audio(np.zeros(480, np.float32), time_ns=now, frame_id="m",
             stream_id="s", first_sample=tick // 5 * 480, sample_rate=48000))
    if tick % 2 == 0:
        send("ee_pose", convert.pose_stamped(zero, identity, now, "world"))
        send("joint_states", JointState(header=convert.header(now, ""), name=list("abcdef"), position=[0.0] * 6))
        send("wrench", WrenchStamped(header=convert.header(now, "tool")))
        send("/tf", TFMessage(transforms=[convert.arrays_to_transform(zero, identity, now, "world", "tool")]))
    if tick * 30 >= image * 500:
        send("camera/image_raw", convert.array_to_image(pixels, "rgb8", now, "camera_optical"))
        image += 1
time.sleep(0.5)
print(json.dumps(sent), flush=True)
sys.stdin.readline()
node.destroy_node()
rclpy.shutdown()
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("recorder", __doc__)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--width", type=int, default=320)
    options.add_argument("--height", type=int, default=240)
    options.add_argument("--domain", type=int, default=33)
    args = options.parse_args(arguments)
    os.environ["ROS_DOMAIN_ID"] = str(args.domain)
    import psutil
    import rclpy
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from foley_msgs.srv import StartRecording, StopRecording

    with tempfile.TemporaryDirectory() as folder:
        recorder = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "foley_perception.nodes.recorder",
                "--ros-args",
                "-p",
                f"output_dir:={folder}",
            ]
        )
        source = subprocess.Popen(
            [sys.executable, "-c", SOURCE, str(args.seconds), str(args.width), str(args.height)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        rclpy.init()
        node = rclpy.create_node("bench")

        def call(kind: type, name: str, request: object) -> object:
            client = node.create_client(kind, name)
            client.wait_for_service(timeout_sec=30.0)
            future = client.call_async(request)
            rclpy.spin_until_future_complete(node, future, timeout_sec=60.0)
            return future.result()

        try:
            for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
                request = ChangeState.Request(transition=Transition(id=number))
                call(ChangeState, "/recorder/change_state", request)
            assert source.stdout is not None and source.stdin is not None
            source.stdout.readline()
            call(StartRecording, "/recorder/start", StartRecording.Request(name="b", max_duration=600.0))
            process = psutil.Process(recorder.pid)
            before = process.cpu_times()
            begin = time.monotonic()
            source.stdin.write("go\n")
            source.stdin.flush()
            sent = json.loads(source.stdout.readline())
            wall = time.monotonic() - begin
            after = process.cpu_times()
            stopped = call(StopRecording, "/recorder/stop", StopRecording.Request())
            memory = process.memory_info().rss
            floor = copy_seconds(Path(stopped.path) / "b_0.mcap")  # type: ignore[attr-defined]
        finally:
            source.kill()
            recorder.send_signal(signal.SIGINT)
            recorder.wait(20)
            node.destroy_node()
            rclpy.try_shutdown()
    received = {t.topic: t.messages for t in stopped.topics}  # type: ignore[attr-defined]
    names = {name: name if name.startswith("/") else f"/{name}" for name in sent}
    cpu = (after.user - before.user) + (after.system - before.system)
    figures = {
        "seconds": wall,
        "megabytes_per_second": stopped.bytes / wall / 1e6,  # type: ignore[attr-defined]
        "messages_per_second": sum(sent.values()) / wall,
        "recorder_cpu_share_of_a_core": cpu / wall,
        "recorder_rss_mb": memory / 1e6,
        "copy_floor_share_of_a_core": floor / wall,
        "lost": {n: {"sent": sent[k], "received": received[n]} for k, n in names.items()},
    }
    write_metrics(args.out, figures)
    print(json.dumps(figures, indent=2))
    return 0


def copy_seconds(path: Path) -> float:
    """CPU seconds that reading and writing the same bytes takes."""
    begin = time.process_time()
    copy = path.with_suffix(".copy")
    with path.open("rb") as source, copy.open("wb") as sink:
        while block := source.read(1 << 20):
            sink.write(block)
        os.fdatasync(sink.fileno())
    return time.process_time() - begin


if __name__ == "__main__":
    sys.exit(main())
