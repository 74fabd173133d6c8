"""What the recorder keeps in memory and tells while it runs: ring, meters, trouble; and what labels mean."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest

from foley_perception.recording import cdr
from foley_perception.recording.label_rules import check, refusal
from foley_perception.recording.labels import Label, Pauses, between, overlap_ns, read_label, write_label
from foley_perception.recording.meters import Level, Meter, Meters
from foley_perception.recording.recording import AUDIO_TYPE, RawMessage, TopicSpec
from foley_perception.recording.ring import MessageRing
from foley_perception.recording.trouble import Disk, troubles

NS = 10**9
START = 1_800_000_000 * NS
SPECS = {
    "/pose": TopicSpec("pose", "geometry_msgs/msg/PoseStamped", "state", True),
    "/tf_static": TopicSpec("tf_static", "tf2_msgs/msg/TFMessage", "tf_static"),
    "/urdf": TopicSpec("urdf", "std_msgs/msg/String", "latched"),
}


def message(at_s: float, data: bytes = b"x" * 100) -> RawMessage:
    return RawMessage(data, START + round(at_s * NS))


# ---- ring --------------------------------------------------------------------------------------------------
def test_the_ring_keeps_the_last_seconds_and_what_held_before() -> None:
    ring = MessageRing(SPECS, 2.0, 10**9)
    ring.add("/urdf", message(0.0, b"old"))
    ring.add("/tf_static", message(0.0, b"camera"))
    ring.add("/tf_static", message(0.1, b"tool"))
    for k in range(500):
        ring.add("/pose", message(k / 100))
        if k == 400:
            ring.add("/urdf", message(4.0, b"new"))
    now = START + 5 * NS
    assert ring.seconds(now) == pytest.approx(2.0, abs=0.02) and ring.bytes < 210 * 100
    kept = ring.last(0.0, now)
    assert kept is not None
    assert [m.data for _, m in kept.latched] == [b"old", b"camera", b"tool"]
    assert [t for t, _ in kept.messages].count("/pose") == 201 and (
        "/urdf",
        message(4.0, b"new"),
    ) in kept.messages
    half = ring.last(0.5, now)
    assert half is not None and len(half.messages) == 50 and half.start_ns == START + round(4.5 * NS)
    assert [m.data for _, m in half.latched] == [
        b"new",
        b"camera",
        b"tool",
    ]  # as it was when the stretch began
    assert ring.last(0.001, now + NS) is None
    del SPECS["/urdf"]  # is not recorded any more
    again = ring.last(0.5, now)
    SPECS["/urdf"] = TopicSpec("urdf", "std_msgs/msg/String", "latched")
    assert again is not None and [m.data for _, m in again.latched] == [b"camera", b"tool"]


def test_the_ring_is_bounded_in_memory_and_begins_anew_where_time_is_set_back() -> None:
    ring = MessageRing(SPECS, 60.0, 10_000)
    for k in range(300):
        ring.add("/pose", message(k / 100))
        assert ring.bytes <= 10_000
    kept = ring.last(0.0, START + 3 * NS)
    assert kept is not None and len(kept.messages) == 100 and kept.bytes == 10_000
    ring.add("/pose", message(-1000.0))
    assert ring.bytes == 100


# ---- meters ------------------------------------------------------------------------------------------------
def chunk(at_s: float, samples: np.ndarray, late_s: float = 0.012) -> RawMessage:
    time_ns = START + round((at_s - late_s) * NS)
    channels = samples.shape[1]
    head = cdr.AudioHead(cdr.Header(time_ns, "m"), "s", 0, 48_000, channels, 0, -1.0, samples.size, 0)
    return message(at_s, cdr.write_audio(head, samples))


def test_meters_of_sound_by_channel() -> None:
    meters = Meters({"/mic": TopicSpec("mic", AUDIO_TYPE, "audio", True), **SPECS})
    loud = np.zeros((480, 2), np.float32)
    loud[::2, 0] = 0.5
    loud[1::2, 0] = -1.0  # full scale
    found: dict[str, Meter] = {}
    for tick in range(17):
        for k in range(25):
            meters.fresh["/mic"].append(chunk(tick / 4 + k / 100, loud))
        found = {meter.topic: meter for meter in meters.take(START + round((tick + 1) / 4 * NS))}
    mic = found["/mic"]
    assert mic.levels[0] == Level(0.0, pytest.approx(20 * math.log10(math.sqrt(0.625)), abs=1e-6))
    assert mic.levels[1] == Level(-math.inf, -math.inf) and mic.dead_channels == (1,)
    assert mic.rate == pytest.approx(100, rel=0.01) and mic.latency == pytest.approx(0.012, abs=1e-6)
    assert mic.clipped == 17 * 25 * 240 and mic.clips_now and mic.silence == pytest.approx(0.01, abs=1e-6)
    meters.reset()
    quiet = {meter.topic: meter for meter in meters.take(START + 20 * NS)}["/mic"]
    assert (quiet.clipped, quiet.clips_now, quiet.levels, quiet.rate) == (0, False, (), 0.0)
    assert quiet.silence == pytest.approx(20 - 4.24, abs=0.01) and math.isnan(quiet.latency)
    assert found["/pose"].silence == -1.0 and found["/pose"].levels == ()


def test_a_chunk_that_is_no_sound_costs_its_own_topic_alone() -> None:
    meters = Meters({"/mic": TopicSpec("mic", AUDIO_TYPE, "audio", True), **SPECS})
    odd = cdr.AudioHead(cdr.Header(START, "m"), "s", 0, 48_000, 2, 0, -1.0, 3, 0)
    meters.fresh["/mic"].append(message(0.0, cdr.write_audio(odd, np.zeros(3, np.float32))))
    meters.fresh["/pose"].append(message(0.0))
    found = {meter.topic: meter for meter in meters.take(START)}
    assert found["/mic"].levels == () and found["/pose"].silence == 0.0
    assert not any(meters.fresh.values()), "nothing piles up"


# ---- trouble -----------------------------------------------------------------------------------------------
FINE = Meter("/mic", AUDIO_TYPE, True, 100.0, 0.0, 0.01)
DISK = Disk(free=50e9, reserve=256e6, rate=55e6, remaining_s=60.0)


def told(*meters: Meter, disk: Disk = DISK, **how: Any) -> list[str]:
    there: dict[str, Any] = {"publishers": {"/mic": 1}, "types": {"/mic": [AUDIO_TYPE]}} | how
    return troubles(meters or (FINE,), disk, **there)


def test_nothing_is_wrong() -> None:
    assert told() == [] and math.isinf(Disk(1e9, 0.0, 0.0).lasts_s)


def test_the_disk_is_told_minutes_ahead_and_only_where_it_matters() -> None:
    short = Disk(free=10e9, reserve=1e9, rate=50e6, remaining_s=3600.0)
    (text,) = told(disk=short)
    assert (
        text.startswith("the disk lasts 3 min more at 50.0 MB/s (10.0 GB are free)")
        and "free some space" in text
    )
    assert told(disk=Disk(10e9, 1e9, 50e6, remaining_s=60.0)) == []  # it ends before
    assert told(disk=short, paused=True) == []
    (full,) = told(disk=Disk(1e8, 256e6, 0.0), paused=True)
    assert "less than `min_free_mb`" in full


@pytest.mark.parametrize(
    ("meter", "how", "said"),
    [
        (FINE, {"publishers": {}}, "/mic is required and has no publisher"),
        (
            FINE,
            {"types": {"/mic": ["audio_common_msgs/msg/AudioData"]}},
            "/mic is published as audio_common_msgs",
        ),
        (Meter("/mic", AUDIO_TYPE, True, 0.0, -1.0, 0.0), {}, "has not sent anything yet"),
        (Meter("/mic", AUDIO_TYPE, True, 0.0, 4.2, 0.0), {}, "has been silent for 4.2 s"),
        (FINE, {"dropped": 7}, "7 messages were dropped, because the disk is too slow"),
        (
            Meter("/mic", AUDIO_TYPE, True, 9.0, 0.0, 0.0, (), 5, True),
            {},
            "/mic clips (5 samples at full scale)",
        ),
        (
            Meter("/mic", AUDIO_TYPE, True, 9.0, 0.0, 0.0, (Level(-9.0, -9.0),) * 2, dead_channels=(1,)),
            {},
            "/mic holds nothing but zeros in channel 1",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_cure(meter: Meter, how: dict[str, Any], said: str) -> None:
    (text,) = told(meter, **how)
    assert said in text and any(cure in text for cure in (": ", "; "))


def test_the_worst_comes_first() -> None:
    clips = Meter("/mic", AUDIO_TYPE, True, 9.0, 3.0, 0.0, (), 5, True)
    texts = told(clips, disk=Disk(1e8, 256e6, 0.0), dropped=1, further=["one more"])
    assert [text.split()[0] for text in texts] == ["0.1", "1", "/mic", "one", "/mic"] and "clips" in texts[-1]


# ---- labels ------------------------------------------------------------------------------------------------
def test_labels_are_the_bytes_that_ros_writes(serialise: Any) -> None:
    label = Label(cdr.Header(START, "ä"), START + 1, START + 2, "cup", "note", "grün")
    types = serialise.types

    def time(ns: int) -> Any:
        return types["builtin_interfaces/msg/Time"](ns // NS, ns % NS)

    kind = "foley_msgs/msg/SegmentLabel"
    header = types["std_msgs/msg/Header"](time(START), "ä")
    theirs = bytes(
        serialise(kind, types[kind](header, time(START + 1), time(START + 2), "cup", "note", "grün"))
    )
    assert write_label(label) == theirs.rstrip(b"\0") + b"\0" and read_label(theirs) == label
    odd = theirs.replace("ä".encode(), b"\xff\xfe", 1)  # a frame whose name is no text
    assert read_label(odd)._replace(header=label.header) == label
    for cut in (3, 12, 30, len(theirs) - 9):
        with pytest.raises(cdr.CdrError):
            read_label(theirs[:cut])


def test_pauses_of_labels() -> None:
    pauses = Pauses()
    pauses.see(struct.pack("<I", 0))  # no label
    for start, end in ((5, 5), (5, 8), (20, 20)):
        pauses.see(write_label(Label(cdr.Header(0, ""), start * NS, end * NS, "", "pause", "")))
    pauses.see(write_label(Label(cdr.Header(0, ""), 1, 2 * NS, "", "action", "tap")))
    assert [(p.start_ns, p.over) for p in pauses.spans] == [(5 * NS, True), (20 * NS, False)]
    assert between(pauses.spans, 4 * NS, 9 * NS) and not between(pauses.spans, 9 * NS, 19 * NS)
    assert overlap_ns(pauses.spans, 7 * NS, 22 * NS) == 3 * NS


@pytest.mark.parametrize(
    ("key", "value", "written", "said"),
    [
        ("success", "Yes", "true", ""),
        ("success", "maybe", "maybe", "read where it is true or false only"),
        ("action", " scratch ", "scratch", ""),
        ("action", "scrach", "scrach", "did you mean `scratch`"),
        ("material", "woood", "woood", "did you mean `wood`"),
        ("Material", "wood", "wood", "known is `material`"),
        ("lid_is_tight", "a bit", "a bit", ""),
    ],
)
def test_odd_labels_are_told_and_kept(key: str, value: str, written: str, said: str) -> None:
    found = check(key, value, ("wood", "metal"))
    assert found.value == written and (said in found.told if said else not found.told)


def test_keys_that_nobody_may_give() -> None:
    assert "empty" in refusal("  ") and "~/pause" in refusal("pause") and refusal("note") == ""
    assert check("material", "whatever").told == ""  # no vocabulary is known
