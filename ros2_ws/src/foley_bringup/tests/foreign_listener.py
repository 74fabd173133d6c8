"""Hears or records the topics of `foreign_driver`; writes what was heard. Run in the same overlay.

python foreign_listener.py hear | record OUT name ...
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rclpy
from rclpy.parameter import Parameter

from foley_common import topics
from foley_msgs.msg import AudioChunk
from foley_msgs.srv import StartRecording, StopRecording
from foley_perception.nodes.recorder import RecorderNode
from foley_ros.executor import GuardedExecutor
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller


@dataclasses.dataclass(frozen=True)
class NoConfig:
    pass


class Probe(FoleyNode[NoConfig]):
    """Keeps the AudioChunks of the microphone of one namespace."""

    def __init__(self, name: str) -> None:
        super().__init__(f"probe_{name}", NoConfig, namespace=name)
        self.chunks: list[AudioChunk] = []

    def setup(self, config: NoConfig) -> None:
        Poller(self.entities, 0.02).subscribe(topics.MICROPHONE, self.chunks.append)


def until(executor: GuardedExecutor, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300.0
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("waited in vain")
        executor.spin_once(timeout_sec=0.05)


def until_quiet(executor: GuardedExecutor, count: Callable[[], int], least: int = 0) -> None:
    """Until more than so much has come, and nothing more comes for a second."""
    until(executor, lambda: count() > least)
    last, since = -1, time.monotonic()
    while time.monotonic() < since + 1.0:
        executor.spin_once(timeout_sec=0.05)
        if (now := count()) != last:
            last, since = now, time.monotonic()


def hear(executor: GuardedExecutor, out: Path, names: Sequence[str]) -> None:
    probes = [Probe(name) for name in names]
    for node in probes:
        executor.add_node(node)
        node.trigger_configure()
        node.trigger_activate()
    until(executor, lambda: all(probe.chunks for probe in probes))
    until_quiet(executor, lambda: sum(len(probe.chunks) for probe in probes))
    for name, probe in zip(names, probes, strict=True):
        np.savez(
            out / f"{name}.npz",
            samples=np.concatenate([np.asarray(c.samples, np.float32) for c in probe.chunks]),
            first=[c.first_sample for c in probe.chunks],
            size=[len(c.samples) for c in probe.chunks],
            stamp=[c.header.stamp.sec * 10**9 + c.header.stamp.nanosec for c in probe.chunks],
            frame=[c.header.frame_id for c in probe.chunks],
            source=[c.stamp_source for c in probe.chunks],
            uncertainty=[c.stamp_uncertainty for c in probe.chunks],
            rate=[c.sample_rate for c in probe.chunks],
            streams=len({c.stream_id for c in probe.chunks}),
            troubles=np.array(probe.entities.incompatible(), dtype=str),
        )


def record(executor: GuardedExecutor, out: Path, names: Sequence[str]) -> None:
    ours = [f"/{name}/mic/audio foley_msgs/msg/AudioChunk audio" for name in names]
    node = RecorderNode(
        parameter_overrides=[Parameter("output_dir", value=str(out)), Parameter("topics", value=ours)]
    )
    executor.add_node(node)
    node.trigger_configure()
    node.trigger_activate()
    taken = node._subscriptions_raw
    assert taken is not None
    # Before the drivers send: one subscription each is still missing for them.
    until(executor, lambda: all(taken.specs[f"/{n}/mic/audio"].type != topics.MICROPHONE.type for n in names))
    request = StartRecording.Request(name="foreign", max_duration=60.0)
    started = node._on_start(request, StartRecording.Response())
    assert not started.error_code, started.error_msg
    until_quiet(executor, lambda: node._recording.bytes_written + node._recording.queued_bytes, 20_000)
    stopped = node._on_stop(StopRecording.Request(), StopRecording.Response())
    assert not stopped.error_code, stopped.error_msg
    (out / "findings.txt").write_text("\n".join(stopped.findings))


def main() -> None:
    mode, out, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    rclpy.init()
    errors: list[str] = []
    executor = GuardedExecutor(lambda source, error: errors.append(f"{source}: {error!r}"))
    {"hear": hear, "record": record}[mode](executor, out, names)
    executor.shutdown()
    rclpy.try_shutdown()
    if errors:
        raise SystemExit("; ".join(errors))


if __name__ == "__main__":
    main()
