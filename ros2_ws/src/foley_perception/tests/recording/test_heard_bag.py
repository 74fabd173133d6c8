"""Bags in which a microphone speaks the messages of another package."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.recording import cdr
from foley_perception.recording.heard_bag import HeardBag

MakeBag = Callable[..., Path]
RATE, LOST = 48_000, 200
DATA, STAMPED, INFO = (
    f"audio_common_msgs/msg/{name}" for name in ("AudioData", "AudioDataStamped", "AudioInfo")
)
NEWER, RAW = "audio_common_msgs/msg/AudioStamped", "foxglove_msgs/msg/RawAudio"
# Two packages have one name; each in a bag of its own.
DEFINITIONS = {
    DATA: "uint8[] data\n",
    STAMPED: "std_msgs/Header header\naudio_common_msgs/AudioData audio\n",
    INFO: "uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\nstring coding_format\n",
    RAW: "builtin_interfaces/Time timestamp\nuint8[] data\nstring format\nuint32 sample_rate\n"
    "uint32 number_of_channels\n",
}
NEWER_DEFINITIONS = {
    "audio_common_msgs/msg/AudioData": "float32[] float32_data\nint32[] int32_data\nint16[] int16_data\n"
    "int8[] int8_data\nuint8[] uint8_data\n",
    "audio_common_msgs/msg/AudioInfo": "int32 format\nint32 channels\nint32 rate\nint32 chunk\n",
    "audio_common_msgs/msg/Audio": "audio_common_msgs/AudioData audio_data\naudio_common_msgs/AudioInfo info\n",
    NEWER: "std_msgs/Header header\naudio_common_msgs/Audio audio\n",
}
ROBOT = "sound: {microphone: {raw: {coding: S16LE, sample_rate: 48000, channels: 1}}}\n"


class Foreign:
    """Turns the microphone of `make_bag` into another package's; leaves out one chunk, and tells AudioInfo."""

    def __init__(
        self, kind: str, *, told_at: int | None = 100, lost: tuple[int, ...] = (200,), mp3: bool = False
    ) -> None:
        self.kind, self.told_at, self.lost, self.mp3 = kind, told_at, lost, mp3
        self.count = 0
        self.frames: list[bytes] = []

    def begin(self, bag: Any) -> None:
        import copy

        from rosbags.typesys import get_types_from_msg

        bag.store = copy.deepcopy(bag.store)
        for name, text in (NEWER_DEFINITIONS if self.kind == NEWER else DEFINITIONS).items():
            bag.store.register(get_types_from_msg(text, name))
        self.types = bag.store.types
        if self.mp3:
            import soundfile

            from foley_common.audio_codecs import _mp3_frames

            chunks = [m for _, topic, _, m in bag.queue if topic == "mic/audio"]
            file = io.BytesIO()
            soundfile.write(file, np.concatenate([c.samples for c in chunks]), RATE, format="MP3")
            self.frames = [f.data for f in _mp3_frames(file.getvalue())[0] if not f.is_tag]

    def __call__(self, arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic != "mic/audio":
            return [(arrival, topic, kind, message)]
        number, self.count = self.count, self.count + 1
        out = []
        if number == self.told_at and self.kind in (DATA, STAMPED):
            coding = "mp3" if self.mp3 else "wave"
            out.append((arrival, "mic/audio_info", INFO, self.types[INFO](1, RATE, "S16LE", 0, coding)))
        if number == LOST:
            return out
        data = np.frombuffer(np.round(message.samples * 32767).astype("<i2").tobytes(), np.uint8)
        if self.mp3:  # frames last 24 ms, chunks 10
            before, now = number * 480 // 1152, (number + 1) * 480 // 1152
            data = np.frombuffer(b"".join(self.frames[before:now]), np.uint8)
        if self.kind == NEWER:
            empty = {
                f: np.zeros(0, t)
                for f, t in (("float32_data", "f4"), ("int32_data", "i4"), ("int8_data", "i1"))
            }
            filled = self.types["audio_common_msgs/msg/AudioData"](
                **empty, int16_data=data.view("<i2"), uint8_data=np.zeros(0, np.uint8)
            )
            told = self.types["audio_common_msgs/msg/AudioInfo"](8, 1, RATE, 480)
            made = self.types[NEWER](message.header, self.types["audio_common_msgs/msg/Audio"](filled, told))
        elif self.kind == RAW:
            made = self.types[RAW](message.header.stamp, data, "pcm-s16", RATE, 1)
        elif self.kind == STAMPED:
            made = self.types[STAMPED](message.header, self.types[DATA](data))
        else:
            made = self.types[DATA](data)
        return [*out, (arrival, "mic/audio", self.kind, made)]


def bag_of(make_bag: MakeBag, name: str = "foreign", *, robot: str = "", **how: Any) -> Path:
    foreign = Foreign(**how)
    return make_bag(name, seconds=4.0, edit=foreign, more=foreign.begin, robot=robot)


@pytest.mark.parametrize("kind", [DATA, STAMPED, NEWER, RAW])
def test_foreign_sound_is_the_same_sound_at_the_same_time(make_bag: MakeBag, kind: str) -> None:
    ours = read_episode(make_bag("ours", seconds=4.0)).audio
    theirs = read_episode(bag_of(make_bag, kind=kind)).audio
    assert ours is not None and theirs is not None
    (a,), (b,) = ours.segments, theirs.segments
    assert b.missing == ((LOST * 480, (LOST + 1) * 480),)
    known = np.ones(len(a.samples), bool)
    known[LOST * 480 : (LOST + 1) * 480] = False
    assert len(a.samples) == len(b.samples)
    np.testing.assert_allclose(a.samples[known], b.samples[known], atol=1e-4)
    # Chunks of `make_bag` arrive when they are over: without stamps this is when they began.
    assert abs(float(a.clock.time_ns(0) - b.clock.time_ns(0))) < 1e5


@pytest.mark.parametrize("mp3", [False, True])
def test_a_stretch_reads_as_it_does_in_the_whole(make_bag: MakeBag, mp3: bool) -> None:
    bag = HeardBag(bag_of(make_bag, kind=STAMPED, mp3=mp3))
    whole = [(m.log_time, bytes(m.data)) for m in bag.messages() if m.topic == "/mic/audio"]
    assert len(whole) > 100
    first, last = whole[50][0], whole[90][0]
    again = [
        (m.log_time, bytes(m.data))
        for m in bag.messages(start_ns=first, end_ns=last)
        if m.topic == "/mic/audio"
    ]
    assert [at for at, _ in again] == [at for at, _ in whole if first <= at < last]
    for (_, one), (_, other) in zip(again, [w for w in whole if first <= w[0] < last], strict=True):
        a, b = cdr.read_audio_head(one), cdr.read_audio_head(other)
        assert (a.header, a.stream_id, a.first_sample) == (b.header, b.stream_id, b.first_sample)
        np.testing.assert_array_equal(cdr.read_audio_samples(one, a), cdr.read_audio_samples(other, b))
    bag.close()


def test_a_robots_file_says_what_nobody_else_does(make_bag: MakeBag) -> None:
    with pytest.raises(
        EpisodeError, match="nobody says what its messages hold: no AudioInfo on /mic/audio_info"
    ):
        read_episode(bag_of(make_bag, "silent", kind=DATA, told_at=None), require=["mic/audio"])
    episode = read_episode(bag_of(make_bag, "described", kind=DATA, told_at=None, robot=ROBOT))
    assert episode.audio is not None and episode.audio.segments[0].sample_rate == RATE


@pytest.mark.parametrize("at_end", [False, True])
def test_sound_that_nobody_describes_for_long_loses_nothing(
    make_bag: MakeBag, monkeypatch: pytest.MonkeyPatch, at_end: bool
) -> None:
    monkeypatch.setattr("foley_perception.recording.foreign_sound._MOST_WAITING", 50)
    bag = HeardBag(bag_of(make_bag, kind=DATA, told_at=None, robot=ROBOT))
    if at_end:  # the robot's file stands at the end of the bag's, and is not known yet
        bag._custom = {}
    firsts = [cdr.read_audio_head(m.data).first_sample for m in bag.messages() if m.topic == "/mic/audio"]
    assert firsts == [k * 480 for k in range(400) if k != LOST] and not bag.unheard
    bag.close()


def test_sound_that_was_given_up_is_told(make_bag: MakeBag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foley_perception.recording.foreign_sound._MOST_WAITING", 50)
    bag = HeardBag(bag_of(make_bag, kind=DATA, told_at=150))
    heard = sum(m.topic == "/mic/audio" for m in bag.messages())
    assert heard > 200 and "100 messages came so long before" in bag.unheard["/mic/audio"]
    bag.close()


def test_what_cannot_be_decoded_is_told_with_its_cure(make_bag: MakeBag) -> None:
    robot = ROBOT.replace("channels: 1", "channels: 7")
    with pytest.raises(EpisodeError, match="do not divide into 7 channel"):
        read_episode(bag_of(make_bag, kind=DATA, told_at=None, robot=robot), require=["mic/audio"])
