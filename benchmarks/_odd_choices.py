"""What drivers of robots do otherwise than the simulator: each a change to the messages of a recording.

A choice may be legal and merely odd, in which case nothing may be lost, or wrong, in which case it has to be told and
no contact may be made of it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import AudioChunk
from foley_perception.audio.resample import resampled
from foley_perception.geometry.se3 import SE3, interpolate_at, stack
from foley_ros import convert

RATE = 48_000


@dataclasses.dataclass(frozen=True, eq=False)
class Event:
    """One message of a driver."""

    time_ns: int  # when it is sent, on the recording's clock
    topic: str  # absolute
    message: Any
    reliable: bool = True
    driver: int = 0  # further ones publish from a node of their own


Events = list[Event]


@dataclasses.dataclass(frozen=True)
class Choice:
    """How a driver differs, and what has to come of it."""

    name: str
    text: str
    change: Callable[[Events], Events] = lambda events: events
    wrong: bool = False  # it has to be told; else all contacts have to be found
    told: str = ""  # what the diagnostics then name
    late_s: float = 0.0  # by which contacts are late by right
    unheard: int = 0  # contacts of the recording that nobody can hear
    up: tuple[str, ...] = ()  # further arguments of `foley up`
    environment: tuple[tuple[str, str], ...] = ()


def named(topic: topics.Topic) -> str:
    return "/" + topic.name.lstrip("/")


MIC, POSE, JOINTS = named(topics.MICROPHONE), named(topics.EE_POSE), named(topics.JOINT_STATES)
CAMERA, INFO, DEPTH = named(topics.CAMERA), named(topics.CAMERA_INFO), named(topics.CAMERA_DEPTH)
TF, TF_STATIC, WRENCH, URDF = "/tf", "/tf_static", named(topics.WRENCH), named(topics.ROBOT_DESCRIPTION)


def without(*names: str) -> Callable[[Events], Events]:
    """Messages of these topics are not sent."""
    return lambda events: [e for e in events if e.topic not in names]


def each(topic: str, change: Callable[[Any, int], Any]) -> Callable[[Events], Events]:
    """Every message of one topic is changed: given itself and its number, it is changed in place or replaced."""

    def changed(events: Events) -> Events:
        made, number = [], 0
        for event in events:
            if event.topic != topic:
                made.append(event)
                continue
            message = copy.deepcopy(event.message)
            message = change(message, number) or message
            made.append(dataclasses.replace(event, message=message))
            number += 1
        return made

    return changed


def chain(*changes: Callable[[Events], Events]) -> Callable[[Events], Events]:
    def changed(events: Events) -> Events:
        for change in changes:
            events = change(events)
        return events

    return changed


def best_effort(events: Events) -> Events:
    return [dataclasses.replace(e, reliable=False) for e in events]


# ---- sound -----------------------------------------------------------------------------------------------
def sound(
    *,
    rate: int = RATE,
    channels: int = 1,
    chunk_s: float = 0.01,
    stamp: Callable[[int], int] = lambda stamp_ns: stamp_ns,
    first: Callable[[int, int], int] = lambda first, channels: first,
) -> Callable[[Events], Events]:
    """The microphone's sound at another rate, with more channels, in other chunks, with other stamps and counts."""

    def changed(events: Events) -> Events:
        chunks = [e for e in events if e.topic == MIC]
        stamps = np.array([convert.to_ns(e.message.header.stamp) for e in chunks])
        firsts = np.array([e.message.first_sample for e in chunks])
        delays = np.array([e.time_ns for e in chunks]) - stamps
        begin_ns = int(np.median(stamps - firsts * (NS_PER_S / RATE)))
        whole = np.concatenate([convert.audio_to_array(e.message)[:, 0] for e in chunks])
        base = int(firsts[0])
        there = resampled(whole, RATE, rate)
        begin_ns += round(base * NS_PER_S / RATE)
        size, made = round(chunk_s * rate), []
        for at in range(0, len(there) - size, size):
            taken_ns = begin_ns + round(at * NS_PER_S / rate)
            block = np.zeros((size, channels), np.float32)
            block[:, 0] = there[at : at + size]
            message = convert.array_to_audio(
                block, time_ns=max(stamp(taken_ns), 0), stream_id="odd", first_sample=first(at, channels) % 2**64,
                sample_rate=rate, frame_id="microphone",
            )  # fmt: skip
            sent_ns = taken_ns + round(chunk_s * NS_PER_S) + int(np.median(delays)) - NS_PER_S // 100
            made.append(Event(sent_ns, MIC, message))
        return [e for e in events if e.topic != MIC] + made

    return changed


# ---- poses -----------------------------------------------------------------------------------------------
def poses(events: Events) -> tuple[np.ndarray, SE3]:
    """Times [n] and poses [n] of ee_pose."""
    told = [convert.pose_to_arrays(e.message.pose) for e in events if e.topic == POSE]
    times = np.array([convert.to_ns(e.message.header.stamp) for e in events if e.topic == POSE])
    return times, stack([SE3(q, p) for p, q in told])


def in_frame(frame: str, tx_world_frame: Callable[[int], SE3]) -> Callable[[Events], Events]:
    """ee_pose is told in another frame; tf tells where that frame is, every 10 ms."""

    def changed(events: Events) -> Events:
        def moved(message: Any, number: int) -> Any:
            position, quaternion = convert.pose_to_arrays(message.pose)
            stamp_ns = convert.to_ns(message.header.stamp)
            seen = tx_world_frame(stamp_ns).inverse() @ SE3(quaternion, position)
            return convert.pose_stamped(seen.translation, seen.quaternion, stamp_ns, frame)

        events = each(POSE, moved)(events)
        first, last = events[0].time_ns, events[-1].time_ns
        for time_ns in range(first - NS_PER_S // 2, last, NS_PER_S // 100):
            tx = tx_world_frame(time_ns)
            told = convert.arrays_to_transform(tx.translation, tx.quaternion, time_ns, "world", frame)
            events.append(Event(time_ns, TF, TFMessage(transforms=[told])))
        return events

    return changed


def at_1_khz(events: Events) -> Events:
    times, told = poses(events)
    fine = np.arange(times[0], times[-1], NS_PER_S // 1000)
    dense = interpolate_at(times, told, fine)
    frame = next(e.message.header.frame_id for e in events if e.topic == POSE)
    made = [
        Event(int(t), POSE, convert.pose_stamped(dense.translation[i], dense.quaternion[i], int(t), frame))
        for i, t in enumerate(fine)
    ]
    return [e for e in events if e.topic != POSE] + made


def millimetres(message: Any, number: int) -> None:
    for axis in "xyz":
        setattr(message.pose.position, axis, 1e3 * getattr(message.pose.position, axis))


# ---- the rest --------------------------------------------------------------------------------------------
def unstamped(message: Any, number: int) -> None:
    message.header.stamp.sec = message.header.stamp.nanosec = 0


def compressed_bgr(events: Events) -> Events:
    """As image_transport writes it: JPEG of bgr8, raw images are not published."""
    import cv2

    made: Events = []
    for event in events:
        if event.topic != CAMERA:
            made.append(event)
            continue
        image = event.message
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)[..., ::-1]
        done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
        assert done
        message = CompressedImage(
            header=image.header, format="bgr8; jpeg compressed bgr8", data=data.tobytes()
        )
        made.append(dataclasses.replace(event, topic=CAMERA + "/compressed", message=message))
    return made


def second_static(events: Events) -> Events:
    """Another robot tells of frames of the same names, its camera 0.3 m away."""
    made = list(events)
    for event in events:
        if event.topic == TF_STATIC:
            message = copy.deepcopy(event.message)
            for transform in message.transforms:
                if transform.child_frame_id == "camera_optical":
                    transform.transform.translation.x += 0.3
            made.append(Event(event.time_ns + 3 * NS_PER_S, TF_STATIC, message, driver=1))
    return made


def hostile_static(norm: float) -> Callable[[Events], Events]:
    """A quaternion of an impossible length, latched."""

    def changed(events: Events) -> Events:
        odd = TransformStamped(child_frame_id="elsewhere")
        odd.header.frame_id = "world"
        odd.transform.rotation.w = norm
        return [*events, Event(events[0].time_ns, TF_STATIC, TFMessage(transforms=[odd]), driver=1)]

    return changed


def silent(first_s: float, last_s: float) -> Callable[[Events], Events]:
    """The microphone's driver dies and is started again: a new stream, counted from 0."""

    def changed(events: Events) -> Events:
        begin, made, count = events[0].time_ns, [], None
        for event in events:
            since = (event.time_ns - begin) / NS_PER_S
            if event.topic == MIC and first_s <= since < last_s:
                continue
            if event.topic == MIC and since >= last_s:
                count = event.message.first_sample if count is None else count
                message: AudioChunk = copy.deepcopy(event.message)
                message.stream_id, message.first_sample = "again", event.message.first_sample - count
                event = dataclasses.replace(event, message=message)
            made.append(event)
        return made

    return changed


BASE = SE3.from_rotation_vector((0.0, 0.0, 0.7), (0.3, -0.2, 0.1))


def cart(time_ns: int) -> SE3:
    """A base that drives slowly to and fro."""
    t = time_ns / NS_PER_S
    return SE3.from_rotation_vector(
        (0.0, 0.0, 0.1 * np.sin(t)), (0.1 * np.sin(0.7 * t), 0.05 * np.cos(t), 0.0)
    )


CHOICES: tuple[Choice, ...] = (
    Choice("as simulated", "nothing is changed"),
    Choice("best effort", "every publisher offers best effort and volatile alone", best_effort),
    Choice("pose in base_link", "ee_pose in a frame that stands still", in_frame("base_link", lambda t: BASE)),
    Choice("pose in a cart", "ee_pose in a frame that moves, told at 100 Hz", in_frame("cart", cart)),
    Choice("pose at 1 kHz", "four times as many poses", at_1_khz),
    Choice(
        "pose at 1 kHz in a cart", "the same in a frame that moves", chain(at_1_khz, in_frame("cart", cart))
    ),
    Choice("joints and URDF", "neither ee_pose nor a moving tf", without(POSE, TF)),
    Choice("tf alone", "neither ee_pose nor joint_states nor URDF", without(POSE, JOINTS, URDF)),
    Choice("sound at 16 kHz", "", sound(rate=16_000)),
    Choice("sound at 44.1 kHz", "", sound(rate=44_100)),
    Choice("stereo", "two channels, the second silent", sound(channels=2)),
    Choice("chunks of 100 ms", "", sound(chunk_s=0.1)),
    Choice("chunks of 2 ms", "", sound(chunk_s=0.002)),
    Choice(
        "sound without stamps", "all 0", sound(stamp=lambda t: 0), wrong=True, told="stamp", late_s=0.02
    ),
    Choice(
        "sound 300 ms late", "stamped 300 ms later than it was", sound(stamp=lambda t: t + 300_000_000),
        wrong=True, told="mic/audio",
    ),
    Choice("first_sample is 0", "always", sound(first=lambda at, c: 0), wrong=True, told="first_sample"),
    Choice(
        "interleaved count", "first_sample counts the samples of both channels",
        sound(channels=2, first=lambda at, c: at * c), wrong=True, told="first_sample",
    ),
    Choice(
        "epoch count", "first_sample is nanoseconds since 1970",
        sound(first=lambda at, c: 1_700_000_000_000_000_000 + round(at * NS_PER_S / RATE)), wrong=True,
        told="first_sample",
    ),
    Choice(
        "microphone started again", "2 s of silence with a contact in it, a new stream", silent(6.0, 8.0), unheard=1
    ),
    Choice("images without stamps", "all 0", each(CAMERA, unstamped), wrong=True, told="image_raw"),
    Choice("compressed bgr8", "JPEG alone", compressed_bgr),
    Choice("poses in millimetres", "", each(POSE, millimetres), wrong=True, told="ee_pose"),
    Choice("no wrench", "", without(WRENCH)),
    Choice("no camera", "", without(CAMERA, INFO, DEPTH), told="camera", wrong=True),
    Choice(
        "a second robot's tf_static", "the same names, its camera 0.3 m away", second_static, wrong=True,
        told="camera_optical",
    ),
    Choice(
        "quaternion of 1e-12", "latched on tf_static", hostile_static(1e-12), wrong=True, told="no rotation"
    ),
    Choice(
        "quaternion of 1e308", "latched on tf_static", hostile_static(1e308), wrong=True, told="no rotation"
    ),
    Choice(
        "no Fast DDS profile", "images are larger than its shared memory",
        environment=(("FASTRTPS_DEFAULT_PROFILES_FILE", ""),),
    ),
)  # fmt: skip
