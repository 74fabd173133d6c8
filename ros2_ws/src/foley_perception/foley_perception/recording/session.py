"""Who recorded what, where and why: the metadata inside every bag."""

from __future__ import annotations

import datetime
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from foley_common import topic_map
from foley_common.latencies import Latencies
from foley_common.robot_file import RobotFile, RobotFileError
from foley_common.topics import TopicError
from foley_perception import __version__
from foley_perception.recording.compression import KEY as COMPRESSION_KEY
from foley_perception.recording.errors import BagError
from foley_perception.recording.versions import BAG_VERSION, VERSION_KEY

TOPICS_KEY = "topics"
SNAPSHOT_KEY = "snapshot"
"""Is true in the metadata of what was kept in memory and written when it was asked for."""
ROBOT_KEY = "robot_file"
"""Under which the text of the robot's file stands that a recording was made with."""
KNOWN_VALUES: Mapping[str, tuple[str, ...]] = {
    "split": ("train", "validation", "test", "test_seen"),
    "domain": ("sim", "real"),
}
"""Keys of whoever records, and what a data set understands as their values; none is as if the key were not there."""
_NOT_YAML = (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError)
"""What PyYAML raises of text: dates that do not exist, `!!int x`, lists in lists without end."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def new_session_id(now: datetime.datetime | None = None) -> str:
    """Sortable by time, and different on two machines at the same moment."""
    moment = now or datetime.datetime.now(datetime.UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def check_name(name: str) -> str:
    """A name that is safe as a folder.

    Raises:
        BagError: it is not.
    """
    if not _NAME.fullmatch(name):
        raise BagError(
            f"name is `{name}`: use up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
        )
    return name


def session_metadata(
    session_id: str,
    *,
    start_ns: int,
    max_duration_s: float,
    recorded_by: str = "",
    notes: str = "",
    tags: Sequence[str] = (),
    extra_yaml: str = "",
    topics: topic_map.TopicMap | None = None,
    robot: str = "",
    compression: Mapping[str, str] | None = None,
    snapshot: bool = False,
) -> dict[str, str]:
    """Metadata as strings, values that are not strings as YAML.

    ``compression`` says of topics, as they arrived, how they are kept where that is otherwise; ``snapshot`` that this
    was kept in memory, and written because somebody asked for it.

    ``topics`` says which foreign topics were recorded for ours, so that they are found when the bag is read; ``robot``
    is the text of the robot's file, for which ``extra_yaml`` may give another one (`robot_file: {frames: ...}`).

    ``extra_yaml`` is a mapping of the user's; keys that mean something to a dataset are ``scene_id``,
    ``split``, ``domain`` and ``objects`` (a list of mappings with ``id``, ``material``, ...).

    Raises:
        BagError: ``extra_yaml`` is not a YAML mapping, redefines a key of ours, or names an unknown split or domain.
    """
    own: dict[str, Any] = {
        "session_id": session_id,
        "start_ns": start_ns,
        "max_duration_s": max_duration_s,
        "recorded_by": recorded_by,
        "notes": notes,
        "tags": list(tags),
        "origin": socket.gethostname(),
        "foley_version": __version__,
        VERSION_KEY: BAG_VERSION,
    }
    if topics:
        own[TOPICS_KEY] = dict(topics)
    if compression:
        own[COMPRESSION_KEY] = dict(compression)
    if snapshot:
        own[SNAPSHOT_KEY] = True
    extra = parse_extra(extra_yaml)
    if ROBOT_KEY in extra:
        robot = _robot_text(extra.pop(ROBOT_KEY))
    if robot:
        own[ROBOT_KEY] = robot
    for key, value in extra.items():
        if (key in own and key != "origin") or key in (TOPICS_KEY, COMPRESSION_KEY, SNAPSHOT_KEY):
            raise BagError(f"metadata_yaml: `{key}` is set by the recorder; choose another key")
        own[key] = value
    return {key: value if isinstance(value, str) else dump_value(value) for key, value in own.items()}


def parse_extra(text: str) -> dict[str, Any]:
    """Metadata of whoever records. Raises BagError where they cannot be."""
    if not text.strip():
        return {}
    try:
        extra = yaml.safe_load(text)
    except _NOT_YAML as error:
        raise BagError(f"metadata_yaml is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(extra, dict):
        raise BagError(
            f"metadata_yaml is a {type(extra).__name__}, expected a mapping such as `scene_id: bench`"
        )
    given = {str(key): value for key, value in extra.items()}
    if unknown := unknown_values(given):
        cure = f"name one of them, or leave {' and '.join(f'`{key}`' for key in unknown)} out"
        raise BagError(f"metadata_yaml: {'; '.join(unknown.values())}; {cure}")
    return {key: value for key, value in given.items() if value is not None or key not in KNOWN_VALUES}


def unknown_values(session: Mapping[str, Any]) -> dict[str, str]:
    """Values of metadata that no data set understands: by key, what is wrong."""
    return {
        key: f"{key} is `{session[key]}`, known are {', '.join(known)}"
        for key, known in KNOWN_VALUES.items()
        if session.get(key) not in (None, "", *known)
    }


def dump_value(value: Any) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True)).removesuffix("\n...\n").strip()


def load_session(stored: Mapping[str, str]) -> dict[str, Any]:
    """The values behind the strings; what is no YAML stays a string."""
    texts = {"session_id", "recorded_by", "notes", "origin", "scene_id", "split", "domain", "foley_version"}
    texts.add(ROBOT_KEY)
    loaded: dict[str, Any] = {}
    for key, text in stored.items():
        if key in texts or not isinstance(text, str):
            loaded[key] = text
            continue
        try:
            loaded[key] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # the latter of a date that there is not
            loaded[key] = text
    return loaded


def recorded_map(session: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Which foreign topics were recorded for ours, as the metadata of a bag say, and what is wrong with that."""
    stored = session.get(TOPICS_KEY)
    if stored is None:
        return {}, []
    try:
        return topic_map.section(stored, "metadata"), []
    except TopicError as error:
        return {}, [f"{error}; its topics were looked for by name (--map says which they are)"]


def recorded_robot(session: Mapping[str, Any]) -> tuple[RobotFile | None, list[str]]:
    """The robot's file that a bag was recorded with, and what is wrong with it."""
    stored = session.get(ROBOT_KEY)
    if stored is None:
        return None, []
    text = stored if isinstance(stored, str) else yaml.safe_dump(stored)
    try:
        return RobotFile.parse(text, f"metadata: {ROBOT_KEY}"), []
    except RobotFileError as error:
        return None, [f"{error}; it is not used (--robot FILE names a file to be used)"]


def latencies_of(robot: RobotFile | None) -> Latencies:
    """By how much stamps are late, as a robot's file says."""
    return Latencies({key: late.seconds for key, late in robot.latencies.items()} if robot else {})


def recorded_latencies(session: Mapping[str, Any]) -> tuple[Latencies, list[str]]:
    """The same of the robot's file in a bag's metadata, and what is wrong with that."""
    robot, told = recorded_robot(session)
    return latencies_of(robot), told


def _robot_text(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else dump_value(value)
        return RobotFile.parse(text, ROBOT_KEY).kept
    except RobotFileError as error:
        raise BagError(f"metadata_yaml: {error}") from error
