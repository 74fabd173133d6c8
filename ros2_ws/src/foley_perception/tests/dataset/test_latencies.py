"""A recording whose devices are late gives the data set that it would give were they not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from foley_common.latencies import Latencies
from foley_perception.dataset import store
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.pieces import cut_bag
from foley_perception.dataset.rows import Rows
from foley_perception.episodes import read_episode
from foley_perception.episodes.names import Naming
from foley_perception.episodes.outline import Outline
from foley_perception.recording.session import ROBOT_KEY, recorded_latencies

MakeBag = Callable[..., Path]
LATE = Latencies({"microphone": 0.15, "wrench": 0.02, "camera": 0.3, "arm": 0.075})
_SHIFTED = {
    "mic/audio": "microphone",
    "wrench": "wrench",
    "ee_pose": "arm",
    "joint_states": "arm",
    "/tf": "arm",
    "camera/image_raw": "camera",
    "camera/camera_info": "camera",
    "camera/depth/image_raw": "camera",
}
SHAPE: dict[str, Any] = {"seconds": 5.0, "contact_times": (1.0, 2.0, 3.2), "base": "moving", "plans": False}


def late(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
    """Stamps as late devices give them; what is planned and what is known of contacts is not late."""
    if topic in _SHIFTED:
        arrival += round(LATE.seconds[_SHIFTED[topic]] * 1e9)
        by_ns = round(LATE.seconds[_SHIFTED[topic]] * 1e9)
        for stamped in message.transforms if topic == "/tf" else (message,):
            stamp = stamped.header.stamp
            seconds, stamp.nanosec = divmod(stamp.sec * 10**9 + stamp.nanosec + by_ns, 10**9)
            stamp.sec = seconds
    return [(arrival, topic, kind, message)]


def cut(folder: Path, outline: Outline) -> dict[str, Any]:
    """Every column of a data set, and the bytes of its files by name."""
    store.make_folders(folder)
    with Rows(folder, folder / "clips", folder / "windows") as rows:
        cut_bag(outline, CutConfig(windows=True), rows, piece_s=2.0)
        assert rows.clips == 3
    found: dict[str, Any] = {}
    for part, schema in (("clips", store.CLIP_SCHEMA), ("windows", store.WINDOW_SCHEMA)):
        table = store.read_table(folder / part, schema)
        found |= {f"{part} {name}": repr(table.column(name).to_pylist()) for name in table.column_names}
        for files in store.media_of(folder, table):
            found |= {str(file.relative_to(folder)): file.read_bytes() for file in files}
    return found


def test_the_data_set_is_the_same_to_the_byte(make_bag: MakeBag, tmp_path: Path) -> None:
    expected = cut(tmp_path / "expected", Outline(make_bag("true", **SHAPE)))
    bag = make_bag("late", edit=late, **SHAPE)
    assert cut(tmp_path / "found", Outline(bag, latencies=LATE)) == expected
    raw = cut(tmp_path / "raw", Outline(bag))
    assert raw.keys() == expected.keys() and raw != expected, "the option changes something"


def test_the_robot_file_in_the_metadata_counts_and_an_option_wins(make_bag: MakeBag) -> None:
    bag = make_bag("late", edit=late, **SHAPE)
    plain = read_episode(bag)
    entry = {key: {"seconds": value, "std": 0.001} for key, value in LATE.seconds.items()}
    _put_metadata(bag, yaml.safe_dump({"name": "r", "latencies": entry}))
    told = read_episode(bag)
    assert told.latencies == LATE and not plain.latencies
    assert plain.wrench is not None and told.wrench is not None
    np.testing.assert_array_equal(plain.wrench.times_ns - 20_000_000, told.wrench.times_ns)
    assert plain.audio is not None and told.audio is not None
    assert plain.audio.segments[0].start_ns - told.audio.segments[0].start_ns == 150_000_000
    asked = read_episode(bag, latencies=Latencies({"wrench": 0.05}))
    assert asked.wrench is not None and asked.audio is not None
    np.testing.assert_array_equal(plain.wrench.times_ns - 50_000_000, asked.wrench.times_ns)
    assert asked.audio.segments[0].start_ns == plain.audio.segments[0].start_ns


def test_metadata_that_cannot_be_read_are_told(make_bag: MakeBag) -> None:
    bag = make_bag(**SHAPE)
    _put_metadata(bag, "latencies: {mic: {seconds: 0.1}}")
    episode = read_episode(bag)
    assert not episode.latencies
    assert any("`latencies.mic` is not known" in problem for problem in episode.problems)
    assert recorded_latencies({}) == (Latencies(), [])


def test_a_data_set_is_built_anew_where_latencies_change() -> None:
    names = [Naming(), Naming(latencies=Latencies()), Naming(latencies=LATE)]
    assert len({naming.identity for naming in names}) == 3 and names[0].identity == ""


def _put_metadata(bag: Path, robot: str) -> None:
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    custom = content["rosbag2_bagfile_information"]["custom_data"]
    session = yaml.safe_load(custom["foley.session"])
    custom["foley.session"] = yaml.safe_dump({**session, ROBOT_KEY: robot})
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_messages_without_a_stamp_are_moved_by_their_arrival(seconds: float) -> None:
    from foley_perception.episodes.earlier import Earlier
    from foley_perception.recording.bag import BagMessage, BagTopic

    topic = BagTopic("/audio", "audio_common_msgs/msg/AudioData", "uint8[] data\n", "ros2msg")
    move = Earlier({"/audio": topic}, {"microphone": "/audio"}, Latencies({"microphone": seconds}))
    message = BagMessage("/audio", 10**12, 10**12, 0, lambda: b"\x00\x01\x00\x00\x04\x00\x00\x00abcd")
    moved = move(message)
    assert moved.log_time == 10**12 - round(seconds * 1e9) and moved.data == message.data
