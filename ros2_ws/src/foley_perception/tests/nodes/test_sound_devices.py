"""The nodes `microphone` and `speaker` on a real sound server: a click that one plays is heard by the other, and a
microphone that is unplugged is told and comes back.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from foley_msgs.msg import AudioChunk
from foley_ros import convert, qos

pytestmark = pytest.mark.nodes

RATE = 48_000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[5]))
    module = importlib.import_module("benchmarks._sound_server")
    if why := module.unavailable():
        pytest.skip(why)
    with module.SoundServer() as running:
        yield running


def test_sound_is_heard_when_it_was_to_be_and_a_lost_device_comes_back(
    server: Any, ros_context: Any, start_node: Callable[..., Any]
) -> None:
    chunks: list[AudioChunk] = []
    status: dict[str, DiagnosticStatus] = {}
    observer = ros_context.create_node()
    observer.create_subscription(AudioChunk, "mic/audio", chunks.append, qos.AUDIO)
    observer.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: status.update({s.name: s for s in m.status}), 10
    )
    sound = observer.create_publisher(AudioChunk, "predicted_sound", qos.AUDIO)
    for name in ("speaker", "microphone"):
        device = {"device": f"room_{name}", "sample_rate": RATE}
        start_node(f"foley_perception.nodes.{name}", parameters=device, env=server.environment)
        ros_context.transition(f"/{name}", "configure", "activate")

    def figure(name: str, key: str) -> str:
        values = {v.key: v.value for v in status[f"/{name}"].values} if f"/{name}" in status else {}
        return str(values.get(key, ""))

    # Played: a click, asked for when both devices work.
    ros_context.spin_until(lambda: chunks and figure("speaker", "latency_ms"), 20.0, "both devices")
    ros_context.spin_until(sound.get_subscription_count, 20.0, "the speaker listens")
    samples = np.zeros(4800, np.float32)
    samples[2400:2416] = 0.8
    heard: list[float] = []

    def listen() -> list[float]:
        for chunk in chunks:
            loud = np.flatnonzero(np.abs(convert.audio_to_array(chunk)[:, 0]) > 0.2)
            if loud.size and not heard:
                heard.append(convert.to_ns(chunk.header.stamp) / 1e9 + loud[0] / RATE)
        chunks[:-1] = []
        return heard

    for i in range(10):  # on a busy machine one may come too late
        due_ns = time.time_ns() + 1_000_000_000
        sound.publish(
            convert.array_to_audio(
                samples, time_ns=due_ns, frame_id="", stream_id=str(i), first_sample=0, sample_rate=RATE
            )
        )
        ros_context.spin_until(lambda: listen() or time.time_ns() > due_ns + 500_000_000, 20.0, "a click")  # noqa: B023
        if heard:
            break
    assert abs(heard[0] - (due_ns / 1e9 + 2400 / RATE)) < 0.01
    assert chunks[-1].stamp_source == AudioChunk.STAMP_DRIVER and 0 < chunks[-1].stamp_uncertainty < 0.02

    # Unplugged, and back with a new stream.
    before = chunks[-1].stream_id
    server.unplug()
    gone = ros_context.spin_until(
        lambda: status["/microphone"].level == DiagnosticStatus.ERROR and status["/microphone"], 20.0, "told"
    )
    assert "`room_microphone`" in gone.message and "plugged in" in gone.message
    chunks.clear()
    server.plug()
    ros_context.spin_until(lambda: [c for c in chunks if c.stream_id != before], 30.0, "heard again")
    ros_context.spin_until(lambda: status["/microphone"].level == DiagnosticStatus.OK, 20.0, "well again")
    assert figure("microphone", "opened") == "2"


def test_a_device_that_is_not_there_is_told_with_those_that_are(
    server: Any, ros_context: Any, start_node: Callable[..., Any]
) -> None:
    status: list[DiagnosticStatus] = []
    observer = ros_context.create_node()
    observer.create_subscription(DiagnosticArray, "/diagnostics", lambda m: status.extend(m.status), 10)
    start_node(
        "foley_perception.nodes.microphone", parameters={"device": "phonograph"}, env=server.environment
    )
    ros_context.transition("/microphone", "configure", "activate")
    told = ros_context.spin_until(
        lambda: [s for s in status if s.level == DiagnosticStatus.ERROR], 20.0, "told"
    )[0].message
    assert "there is no input `phonograph`" in told and "room_microphone (ALSA)" in told
