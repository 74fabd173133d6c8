"""What the recorder records where topics bear other names."""

from __future__ import annotations

import pytest

from foley_perception.recording import session
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.errors import BagError


def test_mapped_topics_are_recorded_under_their_names() -> None:
    entries = ("microphone=/robot/mic", "camera/image_raw=/wrist/color", "teleop/target_pose=/goal")
    specs = {spec.name: spec for spec in RecorderConfig(topic_map=entries).specs}
    assert specs["/robot/mic"].type == "foley_msgs/msg/AudioChunk" and specs["/robot/mic"].required
    assert specs["/wrist/color"].profile == "image"
    assert specs["/wrist/camera_info"].required  # beside the pictures
    assert specs["/goal"].type == "geometry_msgs/msg/PoseStamped"  # of no use to a data set, and asked for
    assert not {"mic/audio", "camera/image_raw", "camera/camera_info"} & set(specs)
    assert len(specs) == len(RecorderConfig().specs) + 1


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (("mic/audoi=/a",), "topic_map: no topic of Foley is called `mic/audoi`; is `mic/audio`"),
        (("mic/audio=/tf",), "topics: /tf is listed more than once"),
        (("nonsense",), "topic_map: `nonsense` is not NAME=TOPIC"),
    ],
)
def test_mappings_that_are_refused(entries: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        RecorderConfig(topic_map=entries)
    assert said in str(refused.value)


def test_metadata_say_what_topics_are() -> None:
    mapping = {"mic/audio": "/robot/mic", "/tf": "/robot/tf"}
    stored = session.session_metadata("s", start_ns=1, max_duration_s=2.0, topics=mapping)
    assert session.recorded_map(session.load_session(stored)) == (mapping, [])
    assert "topics" not in session.session_metadata("s", start_ns=1, max_duration_s=2.0)
    with pytest.raises(BagError, match="`topics` is set by the recorder"):
        session.session_metadata("s", start_ns=1, max_duration_s=2.0, extra_yaml="{topics: {}}")
