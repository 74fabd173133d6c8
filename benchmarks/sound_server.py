"""The nodes `microphone` and `speaker` on a real sound server: when clicks are heard, gaps, a device that is unplugged.

    python -m benchmarks.sound_server [--clicks 24] [--small]

A PulseAudio of its own holds a null sink, whose monitor is the microphone, and a source that is fed through a pipe.
Clicks are asked for at known times on predicted_sound, or written to the pipe at known times, and looked for in
mic/audio.
Gaps are made by suspending the sink, by leaving out samples of the pipe, by halting the server or the node for a while;
what `first_sample` says is missing is held against it. Writes out/bench_sound_server/metrics.json.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._bench import parser
from benchmarks._sound_server import RATE, SoundServer, unavailable
from foley_common.metrics_file import write_metrics

CLICK = 16  # samples
LOUD = 0.2


class Rig:
    """The nodes under test in processes of their own, and this one's ears."""

    def __init__(self, server: SoundServer) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor

        from foley_msgs.msg import AudioChunk
        from foley_ros import qos

        self.server = server
        rclpy.init(args=[])
        self.node = rclpy.create_node("bench_sound_server")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.chunks: list[tuple[float, Any]] = []  # arrival [s, monotonic], message
        self.status: dict[str, tuple[float, Any]] = {}  # by node
        self.node.create_subscription(
            AudioChunk, "mic/audio", lambda m: self.chunks.append((time.monotonic(), m)), qos.AUDIO
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._told, 10)
        self.sound = self.node.create_publisher(AudioChunk, "predicted_sound", qos.AUDIO)

    def _told(self, message: Any) -> None:
        for status in message.status:
            self.status[status.name.rsplit("/", 1)[-1]] = (time.monotonic(), status)

    def close(self) -> None:
        import rclpy

        self._executor.remove_node(self.node)
        self.node.destroy_node()
        self._executor.shutdown()
        rclpy.try_shutdown()

    @contextlib.contextmanager
    def running(self, name: str, **parameters: object) -> Iterator[subprocess.Popen[bytes]]:
        """One of the two nodes, active."""
        command = [sys.executable, "-m", f"foley_perception.nodes.{name}", "--ros-args"]
        for key, value in parameters.items():
            command += ["-p", f"{key}:={value}"]
        log = open(self.server.folder / f"{name}.log", "ab")  # noqa: SIM115
        with log, subprocess.Popen(command, env=os.environ | self.server.environment, stderr=log) as process:
            try:
                for transition in (1, 3):  # configure, activate
                    self._change(name, transition)
                yield process
            finally:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                self.status.pop(name, None)

    def _change(self, name: str, transition: int) -> None:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        client = self.node.create_client(ChangeState, f"/{name}/change_state")
        self.until(client.service_is_ready, f"{name} is there")
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self.until(future.done, f"{name} answers")
        if not future.result().success:
            raise RuntimeError(f"{name} refuses: {self.status.get(name)}")
        self.node.destroy_client(client)

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {timeout_s:.0f} s: {what}; {self.status}")
            self._executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, 0.02))

    def figure(self, name: str, key: str) -> float:
        """Of a node's line in /diagnostics."""
        values = {v.key: v.value for v in self.status[name][1].values}
        return float(values[key])

    def heard(self) -> Heard:
        return Heard([message for _, message in self.chunks])


class Heard:
    """What the microphone published of its newest stream."""

    def __init__(self, messages: list[Any]) -> None:
        messages = [m for m in messages if m.stream_id == messages[-1].stream_id] if messages else []
        self.messages = messages
        self.first = np.array([m.first_sample for m in messages], np.int64)
        self.frames = np.array([len(m.samples) // m.channels for m in messages], np.int64)
        stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]
        self.stamps_s = np.array(stamps, np.int64) / 1e9
        self.std_s = np.array([m.stamp_uncertainty for m in messages])

    def gaps(self) -> NDArray[np.int64]:
        """Samples that are missing before chunks; where none is, nothing."""
        missing = self.first[1:] - (self.first[:-1] + self.frames[:-1])
        return missing[missing != 0]

    def clicks_s(self) -> NDArray[np.float64]:
        """ROS times of clicks, by the stamp of the chunk that holds each."""
        found, before = [], 0.0
        for message, stamp_s in zip(self.messages, self.stamps_s, strict=True):
            sound = np.abs(np.frombuffer(message.samples, np.float32).reshape(-1, message.channels)[:, 0])
            loud = np.flatnonzero((sound > LOUD) & (np.concatenate([[before], sound[:-1]]) <= LOUD))
            found += [stamp_s + int(i) / message.sample_rate for i in loud]
            before = float(sound[-1])
        return np.array(found)


def errors_ms(heard_s: NDArray[np.float64], asked_s: Sequence[float]) -> list[float]:
    """How much later than asked each click is heard; clicks without a counterpart within 0.2 s are left out."""
    found = []
    for asked in asked_s:
        if len(heard_s) and np.abs(heard_s - asked).min() < 0.2:
            found.append(1000 * float(heard_s[np.abs(heard_s - asked).argmin()] - asked))
    return found


def summary(errors: Sequence[float], asked: int) -> dict[str, float | int]:
    e = np.array(errors)
    return {
        "asked": asked,
        "heard": len(e),
        "median_ms": round(float(np.median(e)), 3),
        "std_ms": round(float(e.std()), 3),
        "least_ms": round(float(e.min()), 3),
        "most_ms": round(float(e.max()), 3),
    }


def loopback(rig: Rig, clicks: int, rate: int, buffer_s: float) -> dict[str, Any]:
    """Clicks of the speaker as the microphone hears them, both by their stamps."""
    from foley_ros import convert

    speaker = {"device": "room_speaker", "buffer_s": buffer_s, "sample_rate": RATE}
    microphone = {"device": "room_microphone", "buffer_s": buffer_s, "channels": 1, "sample_rate": RATE}
    rig.chunks.clear()
    with rig.running("speaker", **speaker), rig.running("microphone", **microphone):
        rig.until(lambda: rig.chunks and "latency_ms" in str(rig.status.get("speaker")), "both devices")
        rig.until(lambda: rig.sound.get_subscription_count() > 0, "the speaker listens")
        rig.spin(2.0)
        rig.chunks.clear()
        random, asked = np.random.default_rng(0), []
        block = rate // 10
        start_ns = time.time_ns() + 500_000_000
        for i in range(5 * clicks):  # 100 ms each, a click in every fifth
            sound = np.zeros(block, np.float32)
            due_ns = start_ns + i * 100_000_000
            if i % 5 == 2:
                at = int(random.integers(block // 4, block // 2))
                sound[at : at + CLICK] = 0.8
                asked.append(due_ns / 1e9 + at / rate)
            while time.time_ns() < due_ns - 400_000_000:
                rig.spin(0.01)
            rig.sound.publish(
                convert.array_to_audio(
                    sound, time_ns=due_ns, frame_id="", stream_id="clicks", first_sample=i * block,
                    sample_rate=rate,
                )
            )  # fmt: skip
        rig.spin(1.5)
        heard = rig.heard()
        told = {
            "speaker_latency_ms": rig.figure("speaker", "latency_ms"),
            "microphone_buffer_ms": rig.figure("microphone", "device_buffer_ms"),
            "stated_std_ms": round(1000 * float(np.median(heard.std_s)), 3),
            "late": rig.figure("speaker", "late"),
        }
    return summary(errors_ms(heard.clicks_s(), asked), len(asked)) | told | {"gaps": len(heard.gaps())}


class Wire:
    """Feeds the pipe in real time, a millisecond at once: the last sample of each write is there when it is written."""

    def __init__(self, server: SoundServer) -> None:
        self.clicks_s: list[float] = []  # ROS time
        self.left_out = 0  # samples
        self._leave_s = 0.0
        self._stop = threading.Event()
        self._pipe = os.open(server.pipe, os.O_RDWR | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def leave_out(self, seconds: float) -> None:
        self._leave_s = seconds

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._pipe)

    def _feed(self) -> None:
        block, start_s = RATE // 1000, time.monotonic()
        i = 0
        while not self._stop.is_set():
            i += 1
            if self._leave_s:
                blocks, self._leave_s = round(1000 * self._leave_s), 0.0
                i += blocks
                self.left_out += blocks * block
            time.sleep(max(0.0, start_s + i / 1000 - time.monotonic()))
            sound = np.zeros(block, np.int16)
            if i % 500 == 0:
                sound[:CLICK] = 25_000
                ahead_s = time.monotonic() - (start_s + (i - 1) / 1000)
                self.clicks_s.append(time.time() - ahead_s)
            try:
                os.write(self._pipe, sound.tobytes())
            except BlockingIOError:
                self.left_out += block


def wire(rig: Rig, clicks: int, gaps_s: Sequence[float]) -> dict[str, Any]:
    """Clicks at known times, and gaps known to the sample, without a loudspeaker."""
    rig.server.plug_wire()
    feed = Wire(rig.server)
    rig.chunks.clear()
    rows = []
    try:
        with rig.running("microphone", device="wire_microphone", buffer_s=0.02, channels=1, sample_rate=RATE):
            rig.until(lambda: rig.chunks, "the wire is heard")
            rig.spin(0.5 * clicks)
            heard = rig.heard()
            asked = [t for t in feed.clicks_s if heard.stamps_s[0] + 0.1 < t < heard.stamps_s[-1] - 0.1]
            errors = summary(errors_ms(heard.clicks_s(), asked), len(asked))
            stated = round(1000 * float(np.median(heard.std_s)), 3)
            for gap_s in gaps_s:
                before = int(rig.heard().gaps().sum())
                left = feed.left_out
                feed.leave_out(gap_s)
                rig.spin(gap_s + 3.0)
                counted = int(rig.heard().gaps().sum()) - before
                rows.append(gap_row("left out of the wire", (feed.left_out - left) / RATE, counted))
    finally:
        feed.close()
    return {"clicks": errors | {"stated_std_ms": stated}, "gaps": rows}


def gap_row(how: str, made_s: float, counted: int) -> dict[str, Any]:
    return {"how": how, "made_ms": round(1000 * made_s, 2), "counted_ms": round(1000 * counted / RATE, 2)}


def room_gaps(rig: Rig, gaps_s: Sequence[float]) -> list[dict[str, Any]]:
    """The clock of the null sink suspended; the server and the node halted, of which nothing is lost."""
    rows = []
    rig.chunks.clear()
    microphone = rig.running(
        "microphone", device="room_microphone", channels=1, sample_rate=RATE, silent_s=5.0
    )
    with microphone as process:
        rig.until(lambda: rig.chunks, "the room is heard")
        rig.spin(2.0)

        def suspend(seconds: float) -> float:
            began = rig.server.suspend(True)
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            return rig.server.suspend(False) - began

        def halt(seconds: float) -> float:
            rig.server.halt(True)
            time.sleep(seconds)
            rig.server.halt(False)
            return 0.0

        def freeze(seconds: float) -> float:
            process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.send_signal(signal.SIGCONT)
            return 0.0

        ways = (("sink suspended", suspend), ("server halted", halt), ("node halted", freeze))
        for how, make in ways:
            for seconds in gaps_s:
                before = int(rig.heard().gaps().sum())
                made_s = make(seconds)
                rig.spin(3.0)
                row = gap_row(how, made_s, int(rig.heard().gaps().sum()) - before)
                rows.append(row | {"asked_ms": round(1000 * seconds)})
    return rows


def unplugged(rig: Rig, times: int) -> dict[str, Any]:
    """The device goes and comes back."""
    diagnosed, back, streams, said = [], [], set(), ""
    rig.chunks.clear()
    with rig.running("microphone", device="room_microphone", channels=1, sample_rate=RATE):
        for _ in range(times):
            rig.chunks.clear()
            rig.until(lambda: rig.chunks, "the room is heard")
            streams.add(rig.chunks[-1][1].stream_id)
            rig.spin(2.0)
            rig.server.unplug()
            gone_s = time.monotonic()
            rig.until(lambda: rig.status["microphone"][1].level == b"\x02", "it is diagnosed")
            diagnosed.append(time.monotonic() - gone_s)
            said = rig.status["microphone"][1].message
            rig.spin(1.0)
            rig.chunks.clear()
            rig.server.plug()
            plugged_s = time.monotonic()
            rig.until(lambda: rig.chunks, "it is heard again")
            back.append(rig.chunks[0][0] - plugged_s)
        streams.add(rig.chunks[-1][1].stream_id)
    return {
        "times": times,
        "diagnosed_s": [round(t, 2) for t in diagnosed],
        "back_s": [round(t, 2) for t in back],
        "streams": len(streams),
        "said": said,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("sound_server", __doc__)
    options.add_argument("--clicks", type=int, default=24, help="of each row")
    options.add_argument("--small", action="store_true", help="a few clicks, one gap of each kind")
    args = options.parse_args(arguments)
    if why := unavailable():
        print(f"sound_server: {why}", file=sys.stderr)
        return 0
    clicks = 8 if args.small else args.clicks
    gaps_s = (0.2,) if args.small else (0.02, 0.05, 0.2, 1.0)
    figures: dict[str, Any] = {}
    with SoundServer() as server:
        rig = Rig(server)
        try:
            rows = [(RATE, 0.05)] if args.small else [(RATE, 0.02), (RATE, 0.05), (RATE, 0.1), (16_000, 0.05)]
            figures["loopback"] = []
            for rate, buffer_s in rows:
                row = loopback(rig, clicks, rate, buffer_s)
                figures["loopback"].append({"sample_rate": rate, "buffer_ms": round(1000 * buffer_s)} | row)
                print(f"loopback  {rate} Hz, {1000 * buffer_s:.0f} ms of buffer: {row}", flush=True)
            figures["wire"] = wire(rig, clicks, gaps_s)
            print(f"wire      {figures['wire']['clicks']}")
            figures["gaps"] = figures["wire"].pop("gaps") + room_gaps(rig, gaps_s)
            for row in figures["gaps"]:
                print(f"gap       {row}")
            figures["unplugged"] = unplugged(rig, 1 if args.small else 3)
            print(f"unplugged {figures['unplugged']}")
        finally:
            rig.close()
    write_metrics(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
