"""Which type a microphone's topic is subscribed to with, and what is told of those that cannot be.

Real publishers of such types are heard in foley_bringup/tests/test_foreign_audio.py.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from foley_common.topics import MICROPHONE
from foley_ros import foreign_audio, topics
from foley_ros.foreign_audio import OURS, ForeignAudio, RawAudioConfig

RAW, STAMPED = "foxglove_msgs/msg/RawAudio", "audio_common_msgs/msg/AudioDataStamped"


class Graph:
    """A node that sees publishers of these types."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}  # type -> its hash
        self.names = ("capture",)  # of the publishing nodes

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        here = self.kinds if topic == "/mic/audio" else {}
        return [
            SimpleNamespace(
                topic_type=k, topic_type_hash=h, qos_profile=None, node_namespace="/", node_name=n
            )
            for k, h in here.items()
            for n in self.names
        ]

    def resolve_topic_name(self, name: str) -> str:
        return f"/{name}"

    def get_parameter(self, name: str) -> Any:
        return SimpleNamespace(value=False)

    def get_clock(self) -> Any:
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=10**9))

    def get_logger(self) -> Any:
        return SimpleNamespace(info=lambda text: None)


class RawAudio:
    def __init__(self) -> None:
        self.timestamp = SimpleNamespace(sec=1, nanosec=0)
        self.data, self.format, self.sample_rate, self.number_of_channels = (
            b"\0\0" * 160,
            "pcm-s16",
            16_000,
            1,
        )


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    real = topics.message_class
    monkeypatch.setattr(topics, "message_class", lambda kind: RawAudio if kind == RAW else real(kind))
    monkeypatch.setattr(topics, "installed_hash", lambda kind: "RIHS01_ours" if kind == RAW else "")
    return Graph()


def audio_of(graph: Graph, heard: list[Any]) -> ForeignAudio:
    return ForeignAudio(
        graph,
        MICROPHONE,
        heard.append,
        None,
        listen=lambda *how: None,
        unlisten=lambda one: None,  # type: ignore[arg-type]
    )


def test_the_type_is_the_publishers_and_follows_it(graph: Graph) -> None:
    heard: list[Any] = []
    audio = audio_of(graph, heard)
    assert not audio.look() and audio.type == OURS and audio.callback == heard.append  # nobody publishes yet
    graph.kinds = {RAW: "RIHS01_ours"}
    assert audio.look() and audio.message_class is RawAudio and not audio.look()
    audio.callback(RawAudio(), {"received_timestamp": 2 * 10**9, "publication_sequence_number": 1})
    (chunk,) = heard
    assert (chunk.sample_rate, chunk.header.stamp.sec, len(chunk.samples)) == (16_000, 1, 160)
    graph.kinds = {}
    assert not audio.look() and audio.type == RAW  # it may come back
    graph.kinds = {OURS: ""}
    assert audio.look() and audio.type == OURS and not audio.troubles()


def test_what_is_not_installed_is_told_with_its_cure(graph: Graph) -> None:
    audio = audio_of(graph, [])
    graph.kinds = {STAMPED: ""}
    assert not audio.look()
    (told,) = audio.troubles()
    assert told.startswith(f"mic/audio: is published as {STAMPED}") and "ros-jazzy-audio-common-msgs" in told


def test_another_package_of_the_same_name_is_not_read_as_ours(graph: Graph) -> None:
    audio = audio_of(graph, [])
    graph.kinds = {RAW: "RIHS01_theirs"}
    assert not audio.look() and "of another package of this name" in audio.troubles()[0]


def test_two_types_on_one_topic_are_told(graph: Graph) -> None:
    audio = audio_of(graph, [])
    graph.kinds = {RAW: "RIHS01_ours", OURS: ""}
    assert not audio.look() and audio.type == OURS
    assert "is heard: give the other one a topic of its own" in audio.troubles()[0]


def test_two_drivers_whose_sound_is_mixed_are_told(graph: Graph) -> None:
    audio = audio_of(graph, [])
    graph.kinds = {RAW: "RIHS01_ours"}
    audio.look()
    assert not audio.troubles()
    graph.names = ("left_capture", "right_capture")
    audio.look()
    assert "/left_capture and /right_capture publish foxglove_msgs/msg/RawAudio" in audio.troubles()[0]
    graph.kinds = {OURS: ""}  # whose streams have names
    audio.look()
    assert not audio.troubles()


@pytest.mark.parametrize(
    "entry",
    ["microphone", "microphone=S16LE", "microphone=S16LE x 1", "microphone=aac 16000 1", "mic=S16LE 16000 1"],
)
def test_a_raw_format_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="raw_audio"):
        RawAudioConfig((entry,))


def test_a_raw_format_stands_once() -> None:
    with pytest.raises(ValueError, match="microphone is given twice"):
        RawAudioConfig(("microphone=S16LE 16000 1", "microphone = S16LE 48000 1"))


def test_raw_formats_are_by_device() -> None:
    formats = RawAudioConfig(("microphone=S16LE 16000 1", "contact_microphone = F32LE 48000 2")).formats()
    assert formats["microphone"].coding == "S16LE" and formats["contact_microphone"].channels == 2
    assert foreign_audio.RawAudioConfig().formats() == {}
