"""One file per robot: which topic plays which role, its frames, hand, microphones, cameras and latencies.

Every key may be left out, so that a file with the section `topics` alone is one as well::

    version: 1
    name: ur5e
    namespace: ""
    topics: {microphone: /audio, camera: /wrist/color/image_raw}
    frames: {fixed: base_link, tool: tool0, tip: ""}
    hand: robotiq_2f85
    gripper_joint: ""
    sound: {microphone: {sample_rate: 48000, channel: 0, device: "", own_noise: own_noise.npz}}
    cameras: {camera: {transport: auto}}
    latencies: {microphone: {seconds: 0.012, std: 0.0004}}
    limits: {wrench: {min_rate_hz: 100}}
    quality: {max_lost_share: 0.01, min_contacts: 3}

Live, `foley up --robot FILE` makes remappings and parameters of it; offline it tells readers how a recording is meant.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from foley_common import topic_map, topics
from foley_common.quality_limits import USUAL_LIMITS, QualityLimits, read_quality
from foley_common.robot_fields import At, FieldReader
from foley_common.robot_fields import RobotFileError as RobotFileError
from foley_common.topics import TopicError

VERSION = 1
USUAL_HAND = "parallel_gripper"
TRANSPORTS = ("auto", "raw", "compressed")
CODINGS = (
    "S8",
    "U8",
    *(
        f"{kind}{order}"
        for kind in ("S16", "U16", "S24", "U24", "S24_32", "U24_32", "S32", "U32", "F32", "F64")
        for order in ("LE", "BE")
    ),
    "mp3",
    "ogg",
    "flac",
)
"""What the bytes of a message hold that does not say it itself (foley_common/audio_formats.py)."""
RAW_RATES, RAW_CHANNELS = (4_000, 1_000_000), (1, 64)  # as audio_formats.py takes them
LATENCY_KEYS: tuple[str, ...] = (
    *dict.fromkeys(t.device for t in topics.TOPICS if t.device),
    *(t.role for t in topics.TOPICS if t.reader == "wrench"),
)
"""Devices, and force sensors, which are late by themselves."""
MICROPHONES = topics.devices("audio")
CAMERAS = topics.devices("image")
_LONGEST_S = 10.0  # a latency beyond it is one in milliseconds
_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")


@dataclasses.dataclass(frozen=True)
class Frames:
    """Names of frames; empty where the usual one is meant (`world`, `tool`, `tip`)."""

    fixed: str = ""
    tool: str = ""
    tip: str = ""


@dataclasses.dataclass(frozen=True)
class RawSound:
    """What the bytes of a message hold that tells nothing of them itself."""

    coding: str = "S16LE"
    sample_rate: int = 16000  # [Hz]
    channels: int = 1


@dataclasses.dataclass(frozen=True)
class Sound:
    """How one microphone is heard."""

    sample_rate: int = 0  # [Hz]; 0: the nodes' own default
    channel: int = 0  # from 0
    device: str = ""  # PortAudio's name, where the node `microphone` opens it; empty: a driver publishes it
    raw: RawSound | None = None
    own_noise: str = ""  # file of `foley calibrate noise`, seen from this file's folder; see `own_noise_path`


@dataclasses.dataclass(frozen=True)
class CameraUse:
    """How pictures of one camera are taken."""

    transport: str = "auto"  # one of TRANSPORTS


@dataclasses.dataclass(frozen=True)
class Latency:
    """By how much stamps are later than what they tell of [s]."""

    seconds: float
    std: float = 0.0


@dataclasses.dataclass(frozen=True)
class Limits:
    """Beyond which a topic is odd for `foley robot check`; NaN: its own rule holds."""

    min_rate_hz: float = math.nan
    max_gap_s: float = math.nan
    max_latency_s: float = math.nan


@dataclasses.dataclass(frozen=True)
class RobotFile:
    """A robot, as its file tells of it."""

    version: int = VERSION
    name: str = ""
    namespace: str = ""  # of Foley's own nodes, without a leading slash
    topic_map: Mapping[str, str] = dataclasses.field(default_factory=dict)  # the registry's names -> topics
    frames: Frames = Frames()
    hand: str = ""  # name of a shipped hand file, or a path; see `hand_path`
    gripper_joint: str = ""  # empty: the one that the hand file names
    sound: Mapping[str, Sound] = dataclasses.field(default_factory=dict)  # by microphone
    cameras: Mapping[str, CameraUse] = dataclasses.field(default_factory=dict)  # by camera
    latencies: Mapping[str, Latency] = dataclasses.field(default_factory=dict)  # by LATENCY_KEYS
    limits: Mapping[str, Limits] = dataclasses.field(default_factory=dict)  # by role
    quality: QualityLimits = USUAL_LIMITS  # of a recording, for `foley bag report`
    path: Path | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def read(cls, path: str | Path) -> RobotFile:
        """The robot of a file.

        Raises:
            RobotFileError: it cannot be read, is not YAML, or a field of it is refused.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise RobotFileError(f"{file}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise RobotFileError(f"{file}: not text in UTF-8 (byte {error.start})") from error
        return dataclasses.replace(cls.parse(text, str(file)), path=file)

    @classmethod
    def parse(cls, text: str, where: str = "robot file") -> RobotFile:
        """The robot of a text; ``where`` begins every error.

        Raises:
            RobotFileError: see :meth:`read`.
        """
        try:
            tree = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
            reader = FieldReader(where, tree)
        except RobotFileError:
            raise
        except (yaml.YAMLError, ValueError) as error:  # the latter of a date that there is not
            raise RobotFileError(f"{where}: not YAML ({' '.join(str(error).split())})") from error
        except RecursionError as error:
            raise RobotFileError(
                f"{where}: an entry stands within itself (an alias `*name`), or too many in one another; write it out"
            ) from error
        return _robot(reader, {} if content is None else content)

    @property
    def hand_path(self) -> str:
        """The hand for a node's parameter `hand`: a name, or a path that holds from any folder."""
        is_path = "/" in self.hand or self.hand.endswith((".yaml", ".yml"))
        return self._beside(self.hand) if is_path else self.hand

    def own_noise_path(self, microphone: str) -> str:
        """The file of what the robot itself sounds like to a microphone, a path that holds from any folder; empty where
        it names none."""
        named = self.sound[microphone].own_noise if microphone in self.sound else ""
        return self._beside(named) if named else ""

    def _beside(self, path: str) -> str:
        """Seen from the file's folder; as it is where nobody knows that."""
        if self.path is None:
            return path
        return str((self.path.resolve().parent / Path(path).expanduser()).resolve())

    @property
    def hand_reference(self) -> str:
        """The hand with the joint that tells its opening, as nodes and `GripperHand.from_yaml` take it."""
        joint = f"@{self.gripper_joint}" if self.gripper_joint else ""
        return (self.hand_path or USUAL_HAND) + joint

    @property
    def kept(self) -> str:
        """As it is kept in a bag, where no path is seen from the file's folder."""
        sound = {
            name: dataclasses.replace(one, own_noise=self.own_noise_path(name))
            for name, one in self.sound.items()
        }
        return dataclasses.replace(self, hand=self.hand_path, sound=sound).text()

    def text(self) -> str:
        """The file again, without comments and without what is as by default."""
        return str(yaml.safe_dump(self.content(), sort_keys=False, allow_unicode=True, width=110))

    def content(self) -> dict[str, Any]:
        """What :meth:`text` writes, as plain values."""
        found: dict[str, Any] = {"version": self.version}
        for key in ("name", "namespace"):
            if getattr(self, key):
                found[key] = getattr(self, key)
        if self.topic_map:
            found["topics"] = dict(self.topic_map)
        if frames := _told(self.frames):
            found["frames"] = frames
        for key in ("hand", "gripper_joint"):
            if getattr(self, key):
                found[key] = getattr(self, key)
        for key in ("sound", "cameras", "latencies", "limits"):
            if section := {name: _told(entry) for name, entry in getattr(self, key).items()}:
                found[key] = section
        if quality := self.quality.told():
            found["quality"] = quality
        return found


UNKNOWN_ROBOT = RobotFile()


def _told(entry: Any) -> dict[str, Any]:
    """Fields of a dataclass that differ from their defaults."""
    told = {}
    for field in dataclasses.fields(entry):
        value = getattr(entry, field.name)
        unset = isinstance(value, float) and math.isnan(value)
        if value != field.default and not unset:
            told[field.name] = _told(value) if dataclasses.is_dataclass(value) else value
    return told


# ---- reading -----------------------------------------------------------------------------------------------
def _robot(reader: FieldReader, content: Any) -> RobotFile:
    fields = reader.mapping(content, (), known=(*_SECTIONS, "topics"))
    version = reader.integer(fields.get("version", VERSION), ("version",), 1, 10**6)
    if version != VERSION:
        raise reader.error(
            ("version",), f"is {version}, this Foley reads {VERSION}; write it anew with `foley robot init`"
        )
    return RobotFile(
        version=version,
        topic_map=_topic_map(reader, fields.get("topics")),
        **{
            key: read(reader, fields[key], (key,))
            for key, read in _SECTIONS.items()
            if key in fields and read
        },
    )


def _topic_map(reader: FieldReader, content: Any) -> dict[str, str]:
    if content is None:
        return {}
    try:
        return topic_map.section(content, reader.where)
    except TopicError as error:
        raise RobotFileError(str(error)) from error


def _namespace(reader: FieldReader, value: Any, at: At) -> str:
    text = reader.text(value, at).strip("/")
    if text and not _NAMESPACE.fullmatch(text):
        raise reader.error(
            at, f"is `{value}`: letters, digits, _ and / between them are allowed, such as left_arm"
        )
    return text


def _frames(reader: FieldReader, value: Any, at: At) -> Frames:
    names = tuple(field.name for field in dataclasses.fields(Frames))
    found = {
        key: reader.text(name, (*at, key)).strip()
        for key, name in reader.mapping(value, at, known=names).items()
    }
    for key, name in found.items():
        if name.startswith("/") or any(c.isspace() for c in name):
            raise reader.error(
                (*at, key), f"is `{name}`: a frame's name as /tf has it, without `/` before it"
            )
    return Frames(**found)


def _sound(reader: FieldReader, value: Any, at: At) -> Sound:
    known = tuple(field.name for field in dataclasses.fields(Sound))
    entry = reader.mapping(value, at, known=known)
    raw = entry.get("raw")
    return Sound(
        sample_rate=reader.integer(entry.get("sample_rate", 0), (*at, "sample_rate"), 0, 768_000),
        channel=reader.integer(entry.get("channel", 0), (*at, "channel"), 0, 1023),
        device=reader.text(entry.get("device", ""), (*at, "device")),
        raw=None if raw is None else _raw(reader, raw, (*at, "raw")),
        own_noise=reader.text(entry.get("own_noise", ""), (*at, "own_noise")),
    )


def _raw(reader: FieldReader, value: Any, at: At) -> RawSound:
    entry = reader.mapping(value, at, known=tuple(field.name for field in dataclasses.fields(RawSound)))
    usual = RawSound()
    return RawSound(
        coding=reader.choice(entry.get("coding", usual.coding), (*at, "coding"), CODINGS),
        sample_rate=reader.integer(
            entry.get("sample_rate", usual.sample_rate), (*at, "sample_rate"), *RAW_RATES
        ),
        channels=reader.integer(entry.get("channels", usual.channels), (*at, "channels"), *RAW_CHANNELS),
    )


def _camera(reader: FieldReader, value: Any, at: At) -> CameraUse:
    entry = reader.mapping(value, at, known=("transport",))
    return CameraUse(reader.choice(entry.get("transport", "auto"), (*at, "transport"), TRANSPORTS))


def _latency(reader: FieldReader, value: Any, at: At) -> Latency:
    entry = reader.mapping(value, at, known=("seconds", "std"))
    if "seconds" not in entry:
        raise reader.error(at, "has no `seconds`: by how much stamps are late [s]")
    seconds = reader.number(entry["seconds"], (*at, "seconds"))
    std = reader.number(entry.get("std", 0.0), (*at, "std"))
    if abs(seconds) > _LONGEST_S:
        raise reader.error(
            (*at, "seconds"), f"is {seconds:g} s; no device is that late: is it in milliseconds?"
        )
    if not 0.0 <= std <= _LONGEST_S:
        raise reader.error((*at, "std"), f"is {std:g} s, must lie in [0, {_LONGEST_S:g}]")
    return Latency(seconds, std)


def _limits(reader: FieldReader, value: Any, at: At) -> Limits:
    entry = reader.mapping(value, at, known=tuple(field.name for field in dataclasses.fields(Limits)))
    found = {key: reader.number(number, (*at, key)) for key, number in entry.items()}
    for key, number in found.items():
        if number < 0:
            raise reader.error((*at, key), f"is {number:g}, must not be negative")
    return Limits(**found)


def _each(
    read: Callable[[FieldReader, Any, At], Any], known: tuple[str, ...]
) -> Callable[..., dict[str, Any]]:
    """A section of entries by name."""

    def section(reader: FieldReader, value: Any, at: At) -> dict[str, Any]:
        entries = reader.mapping(value, at, known=known)
        return {name: read(reader, entry, (*at, name)) for name, entry in entries.items()}

    return section


_SECTIONS: dict[str, Callable[[FieldReader, Any, At], Any] | None] = {
    "version": None,  # read before all others
    "name": FieldReader.text,
    "namespace": _namespace,
    "frames": _frames,
    "hand": FieldReader.text,
    "gripper_joint": FieldReader.text,
    "sound": _each(_sound, MICROPHONES),
    "cameras": _each(_camera, CAMERAS),
    "latencies": _each(_latency, LATENCY_KEYS),
    "limits": _each(_limits, tuple(topic.role for topic in topics.TOPICS)),
    "quality": read_quality,
}
