"""The processes of the recording benchmark: its sensors, and the recorder's node."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._sensor_source import SENSORS

_PATIENCE_S = 60.0


class Sources:
    """The sensors, each a process that waits to be told for how long to publish."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        self._processes = {
            name: subprocess.Popen(
                [sys.executable, "-m", "benchmarks._sensor_source", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in SENSORS
        }

    def publish(self, seconds: float) -> dict[str, dict[str, Any]]:
        """What each sent, with the ``stamps`` [n] of all of it; returns when they have ended."""
        self._runs += 1
        files = {name: self._folder / f"{name}_{self._runs}.npy" for name in self._processes}
        for name, process in self._processes.items():
            assert process.stdin is not None
            process.stdin.write(f"{seconds} {files[name]}\n")
            process.stdin.flush()
        told = {}
        for name, process in self._processes.items():
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the source `{name}` ended")
            told[name] = json.loads(line) | {"stamps": np.load(files[name])}
        return told

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


class RecorderProcess:
    """The recorder's node in a process of its own, active, and its services."""

    def __init__(self, folder: Path, parameters: dict[str, object]) -> None:
        import rclpy
        import yaml

        from foley_perception.recording.config import default_topics

        ours = {sensor.topic: f"{sensor.topic} {sensor.entry}" for sensor in SENSORS.values()}
        known = [e.removesuffix(" required") for e in default_topics() if e.split()[0] not in ours]
        values = {"output_dir": str(folder), "topics": [*ours.values(), *known], **parameters}
        file = folder / "recorder.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
        command = [
            sys.executable,
            "-m",
            "foley_perception.nodes.recorder",
            "--ros-args",
            "--params-file",
            str(file),
        ]
        self.process = subprocess.Popen(command)
        rclpy.init()
        self._node = rclpy.create_node("bench_recording")

    def activate(self) -> None:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=number))
            if not self._call(ChangeState, "/recorder/change_state", request).success:
                raise RuntimeError("the recorder cannot be activated; what it says stands above")

    def start(self, seconds: float) -> None:
        from foley_msgs.srv import StartRecording

        request = StartRecording.Request(name="bench", max_duration=seconds)
        answer = self._call(StartRecording, "/recorder/start", request)
        if answer.error_code:
            raise RuntimeError(answer.error_msg)

    def stop(self) -> Any:
        from foley_msgs.srv import StopRecording

        return self._call(StopRecording, "/recorder/stop", StopRecording.Request())

    def _call(self, kind: type, name: str, request: object) -> Any:
        import rclpy

        client = self._node.create_client(kind, name)
        if not client.wait_for_service(timeout_sec=_PATIENCE_S):
            raise RuntimeError(f"nobody offers {name}")
        future = client.call_async(request)
        rclpy.spin_until_future_complete(self._node, future, timeout_sec=2 * _PATIENCE_S)
        if future.result() is None:
            raise RuntimeError(f"{name} did not answer")
        return future.result()

    def close(self) -> None:
        import rclpy

        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self._node.destroy_node()
        rclpy.try_shutdown()
