"""A bag copied with one more topic: what publishers offered goes along, and the copy is whole or told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from foley_perception.recording import definitions
from foley_perception.recording.bag import Bag
from foley_perception.recording.copy import copy_with
from foley_perception.recording.errors import BagError
from foley_perception.recording.inspect import inspect_bag, verdicts
from foley_perception.recording.mcap_records import Attachment
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.writer import BagWriter
from foley_perception.scene.analytic import bench_camera

LATCHED = {"history": "keep_last", "depth": 1, "reliability": "reliable", "durability": "transient_local"}


def text(name: str, **options: object) -> TopicInfo:
    found = definitions.find("std_msgs/msg/String")
    return TopicInfo(name, "std_msgs/msg/String", found.text, type_hash=found.type_hash, **options)  # type: ignore[arg-type]


def string(word: str) -> bytes:
    data = word.encode() + b"\0"
    return b"\0\1\0\0" + len(data).to_bytes(4, "little") + data


def write(folder: Path) -> Path:
    writer = BagWriter(folder, session={"session_id": "s"}, min_free_bytes=0)
    writer.add_topic(text("/description", offered_qos=(LATCHED,)))
    for k in range(3):
        writer.put("/description", 10 * k, string(f"w{k}"), publish_time=10 * k - (k > 0), sequence=k)
    writer.close()
    return folder


def test_what_lies_beside_messages_goes_along(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "a", session={"session_id": "s"}, min_free_bytes=0)
    writer.add_record("operator", {"name": "A"})
    attachment = Attachment("notes.txt", "text/plain", 7, 8, b"quiet room")
    writer.add_attachment(attachment)
    writer.close()
    copy_with(tmp_path / "a", tmp_path / "b", text("/extra"), [(0, string("x"))])
    copy = Bag(tmp_path / "b")
    assert [m.topic for m in copy.messages()] == ["/extra"]
    assert copy.foreign_metadata == [("operator", {"name": "A"})] and list(copy.attachments()) == [attachment]


def test_what_was_offered_goes_along(tmp_path: Path) -> None:
    source = write(tmp_path / "a")
    added = [(0, string("x")), (10, string("y")), (99, string("z"))]
    copied = copy_with(source, tmp_path / "b", text("/extra"), added)
    assert (
        copied.messages == 6
        and not copied.problems
        and copied.summary.counts == {"/description": 3, "/extra": 3}
    )
    bag = Bag(tmp_path / "b")
    messages = [(m.topic, m.log_time, m.sequence) for m in bag.messages()]
    assert [(t, at) for t, at, _ in messages] == [
        ("/extra", 0),
        ("/description", 0),
        ("/extra", 10),
        ("/description", 10),
        ("/description", 20),
        ("/extra", 99),
    ]
    assert [s for t, _, s in messages if t == "/description"] == [0, 1, 2]
    assert [m.publish_time for m in bag.messages() if m.topic == "/description"] == [0, 9, 19]
    assert bag.topics["/description"].qos == (LATCHED,) and bag.topics["/description"].type_hash.startswith(
        "RIHS"
    )
    listed = yaml.safe_load((tmp_path / "b" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    profiles = {
        t["topic_metadata"]["name"]: t["topic_metadata"]["offered_qos_profiles"]
        for t in listed["topics_with_message_count"]
    }
    assert profiles["/description"] == [LATCHED]


def test_an_old_topic_is_kept_or_replaced(tmp_path: Path) -> None:
    source = write(tmp_path / "a")
    more = [(5, string("x"))]
    both = copy_with(source, tmp_path / "b", text("/description"), more)
    assert both.summary.counts == {"/description": 4}
    assert copy_with(source, tmp_path / "c", text("/description"), more, replace=True).summary.counts == {
        "/description": 1
    }
    with pytest.raises(BagError, match="exists already"):
        copy_with(source, tmp_path / "b", text("/extra"), more)
    with pytest.raises(BagError, match="does not exist"):
        copy_with(tmp_path / "nothing", tmp_path / "d", text("/extra"), more)
    assert not (tmp_path / "d").exists()


def test_of_a_bag_that_was_cut_off_the_whole_messages_are_copied(tmp_path: Path) -> None:
    source = write(tmp_path / "a")
    file = source / "a_0.mcap"
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.rindex(b"w2") + 1])
    copied = copy_with(source, tmp_path / "b", text("/extra"), [(5, string("x"))])
    assert copied.problems and "foley bag recover" in copied.problems[0]
    assert copied.summary.counts.get("/extra") == 1 and verdicts(inspect_bag(tmp_path / "b"))


def test_no_part_of_a_copy_is_left(tmp_path: Path) -> None:
    source = write(tmp_path / "a")

    def interrupted(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_with(source, tmp_path / "b", text("/extra"), [], progress=interrupted)
    assert not (tmp_path / "b").exists() and source.exists()


def test_pictures_may_be_recorded_compressed(film: Callable[..., Path], tmp_path: Path) -> None:
    raw = film([np.zeros((24, 32, 3), np.uint8)] * 3, bench_camera(32, 24))
    wrong = verdicts(inspect_bag(raw))
    assert "camera/image_raw" not in {one.topic for one in wrong} and "mic/audio" in {
        one.topic for one in wrong
    }
    jpeg = definitions.find("sensor_msgs/msg/CompressedImage")
    topic = TopicInfo("/camera/image_raw/compressed", "sensor_msgs/msg/CompressedImage", jpeg.text)
    writer = BagWriter(tmp_path / "jpeg", session={}, min_free_bytes=0)
    writer.add_topic(topic)
    writer.put(topic.name, 1, b"\0\1\0\0" + bytes(20))
    writer.close()
    assert not any("camera/image_raw" in one.text for one in verdicts(inspect_bag(tmp_path / "jpeg")))
