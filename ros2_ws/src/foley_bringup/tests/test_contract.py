"""One recorded bag through the live nodes' callbacks and through the data set builder: the same arrays."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo
from tf2_msgs.msg import TFMessage

from foley_bringup.commands import replay as command
from foley_bringup.contract import ARRAYS, HEARD_SAMPLES, compare, figures_of
from foley_bringup.ros.replay import replay_bag
from foley_perception.clips import inputs as clip_inputs
from foley_perception.episodes import read_episode
from foley_perception.recording.bag import Bag
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.writer import BagWriter
from foley_perception.ros.sensed_scene import SensedScene
from foley_ros import convert
from foley_sim.offline.job import BagJob
from foley_sim.ros.bag import write_bag
from foley_synthesis.live import synthesis_core
from foley_synthesis.live.synthesis_core import SynthesisCore
from foley_synthesis.nodes.synthesizer import SynthesizerNode

pytestmark = pytest.mark.nodes


@pytest.fixture(scope="module", params=["raw", "compressed"])
def bag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s in a scene of FoleySim-1: seven actions, plans, measured force, gripper width."""
    return _bag(tmp_path_factory, request.param, 12.0)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first contacts of it."""
    return _bag(tmp_path_factory, "compressed", 5.0)


def _bag(tmp_path_factory: pytest.TempPathFactory, images: Any, duration_s: float) -> Path:
    folder = tmp_path_factory.mktemp("bags") / f"{images}_{duration_s:g}"
    write_bag(BagJob(folder, "test", 3, 0, duration_s, edition="foleysim-1", images=images))
    return folder


@pytest.fixture(scope="module")
def replayed(bag: Path, module_ros_domain: int) -> Any:
    return replay_bag(bag, "parallel_gripper")


def test_every_array_of_every_contact_is_the_same(replayed: Any) -> None:
    data, live = replayed
    assert len(data.clips) >= 3 and not live.refused and not data.left_out
    figures = figures_of([compare(data, live)])
    assert set(figures["arrays"]) == set(ARRAYS)
    for name, row in figures["arrays"].items():
        assert row["compared"] == row["within"] == len(data.clips), (name, row)
        assert row["largest"] == 0.0, (name, row)
    assert figures["within"] and figures["contacts"] == len(data.clips)
    # The expected contact is another matter: it is found on the depth image, before the touch.
    expected = figures["planned_contact"]
    assert expected["plans"] == len(data.clips)
    assert expected["time_error_ms"]["median_absolute"] < 100
    assert expected["position_error_mm"]["median_absolute"] < 20


def test_topics_of_other_names_change_nothing(short: Path, ros_domain: int, tmp_path: Path) -> None:
    """The same bag as a robot with other names would have recorded it."""
    from foley_perception.episodes.names import Naming
    from foley_perception.recording.bag import Bag
    from foley_perception.recording.metadata import TopicInfo
    from foley_perception.recording.writer import BagWriter

    mapping = {
        "mic/audio": "/robot/mic",
        "camera/image_raw": "/wrist/color",
        "camera/camera_info": "/wrist/info",
        "camera/depth/image_raw": "/wrist/depth",
        "joint_states": "/arm/joints",
    }
    names = {"/" + name: topic for name, topic in mapping.items()} | {
        "/camera/image_raw/compressed": "/wrist/color/compressed",
        "/camera/depth/image_raw/compressedDepth": "/wrist/depth/compressedDepth",
    }
    source = Bag(short)
    messages = list(source.messages())
    writer = BagWriter(tmp_path / "theirs", session={"session_id": "s"}, min_free_bytes=0)
    for topic in source.topics.values():
        writer.add_topic(
            TopicInfo(names.get(topic.name, topic.name), topic.type, topic.definition, topic.encoding)
        )
    for message in messages:
        writer.put(names.get(message.topic, message.topic), message.log_time, bytes(message.data))
    writer.close()
    data, live = replay_bag(tmp_path / "theirs", "parallel_gripper", naming=Naming("", mapping))
    assert data.clips and not live.refused
    ours = figures_of([compare(*replay_bag(short, "parallel_gripper"))])
    theirs = figures_of([compare(data, live)])
    assert theirs["within"] and theirs["contacts"] == ours["contacts"]
    assert all(row["largest"] == 0.0 and row["missing"] == 0 for row in theirs["arrays"].values())


def test_devices_that_are_late_by_what_is_known_change_nothing(
    short: Path, ros_domain: int, tmp_path: Path
) -> None:
    """The same bag as late devices would have told it, live and as a data set."""
    from foley_common.latencies import Latencies, earlier_bytes, latency_key
    from foley_common.topics import TOPICS
    from foley_perception.episodes.names import Naming
    from foley_perception.recording.bag import Bag
    from foley_perception.recording.metadata import TopicInfo
    from foley_perception.recording.writer import BagWriter

    late = Latencies({"microphone": 0.15, "wrench": 0.02, "arm": 0.075, "camera": 0.1})
    by_ns = {f"/{t.name.strip('/')}": late.ns(t) for t in TOPICS if latency_key(t)}
    source = Bag(short)
    messages = list(source.messages())
    writer = BagWriter(tmp_path / "late", session={"session_id": "s"}, min_free_bytes=0)
    for topic in source.topics.values():
        writer.add_topic(TopicInfo(topic.name, topic.type, topic.definition, topic.encoding))
    moved = 0
    for message in messages:
        data, ns = bytes(message.data), by_ns.get(message.topic, 0)
        if ns:
            data, moved = earlier_bytes(data, -ns, transforms=message.topic == "/tf"), moved + 1
        writer.put(message.topic, message.log_time + ns, data)
    writer.close()
    data_side, live = replay_bag(tmp_path / "late", "parallel_gripper", naming=Naming(latencies=late))
    assert moved > 1000 and data_side.clips and not live.refused
    figures = figures_of([compare(data_side, live)])
    assert figures["within"], figures["arrays"]
    assert all(row["largest"] == 0.0 and row["missing"] == 0 for row in figures["arrays"].values())


@pytest.mark.parametrize("latency_s", [0.02, 0.2])
def test_pictures_that_come_late_change_nothing(short: Path, ros_domain: int, latency_s: float) -> None:
    data, live = replay_bag(short, "parallel_gripper", camera_latency_s=latency_s)
    assert data.clips and not live.refused
    figures = figures_of([compare(data, live)])
    assert figures["within"], figures["arrays"]
    # One tick, one period of the camera, and its latency.
    assert figures["executed_delay_s"]["largest_absolute"] < 0.05 + 1 / 30 + latency_s + 0.01


@pytest.mark.parametrize("carried", ["by the tool", "by something else"])
def test_a_distorted_camera_that_moves_is_the_same_live(
    short: Path, tmp_path: Path, ros_domain: int, carried: str
) -> None:
    """Each picture is undistorted, and cut by the camera as it stood then."""
    bag = _with_moving_camera(short, tmp_path / "moving", by_tool=carried == "by the tool")
    data, live = replay_bag(bag, "parallel_gripper")
    assert data.clips and not data.left_out
    figures = figures_of([compare(data, live)])
    for name, row in figures["arrays"].items():
        assert row["compared"] == row["within"] == len(data.clips), (name, row, live.refused)
        assert row["largest"] == 0.0, (name, row)
    cameras = read_episode(bag).cameras["camera"]
    places = np.array(
        [cameras.at(int(t)).tx_world_camera.translation for t in cameras.frames.times_ns[10:120:10]]
    )
    assert cameras.model is None and np.ptp(places, axis=0).max() > 0.02


def _with_moving_camera(bag: Path, out: Path, *, by_tool: bool) -> Path:
    """The same pictures, said to be of a distorted camera that moves."""
    source = Bag(bag)
    messages = list(source.messages())
    writer = BagWriter(out, session={key: str(value) for key, value in source.session.items()})
    for topic in source.topics.values():
        writer.add_topic(TopicInfo(topic.name, topic.type, topic.definition, topic.encoding, topic.type_hash))
    for message in messages:
        data = bytes(message.data)
        if message.topic.endswith("camera_info"):
            info = deserialize_message(data, CameraInfo)
            info.d = [-0.2, 0.05, 0.001, -0.002, 0.0]
            data = serialize_message(info)
        elif message.topic == "/tf_static":
            frames = deserialize_message(data, TFMessage)
            for transform in frames.transforms:
                if transform.child_frame_id == "camera_optical":
                    eye = transform
            frames.transforms = [t for t in frames.transforms if t is not eye]
            if by_tool:
                pose = np.array([0.02, -0.05, -1.2]), np.array([0.0, 0.0, 0.0, 1.0])
                frames.transforms.append(convert.arrays_to_transform(*pose, 0, "tool", "camera_optical"))
            data = serialize_message(frames)
        elif message.topic == "/tf" and not by_tool:
            frames = deserialize_message(data, TFMessage)
            stamp = frames.transforms[0].header.stamp
            moved = copy.deepcopy(eye)
            moved.header.stamp = stamp
            moved.transform.translation.x += 0.1 * math.sin(convert.to_ns(stamp) % 10**10 / 1e9)
            frames.transforms.append(moved)
            data = serialize_message(frames)
        writer.put(message.topic, message.log_time, data, publish_time=message.publish_time)
    writer.close()
    return out


@pytest.mark.parametrize(
    ("owner", "name", "arrays"),  # none: it is no job of the worker's, and the replay ends as the node would
    [
        (SynthesizerNode, "_on_plan", {"action_planned"}),
        (SynthesizerNode, "_on_contact", set()),
        (SynthesizerNode, "_predict_plan", {"action_planned"}),
        (SynthesizerNode, "_predict_contact", {"still", "frames", "action_executed"}),
        (SynthesizerNode, "_hand_over", set()),
        (SensedScene, "sensed_until", set()),
        (SynthesizerNode, "_in_fixed_frame", {"still", "frames", "action_executed"}),
        (SynthesizerNode, "_answer", {"action_planned"}),
        (SynthesisCore, "planned", {"action_planned"}),
        (SynthesisCore, "executed", {"still", "frames", "action_executed"}),
        (SynthesisCore, "_predict", {"still", "frames", "action_executed", "action_planned"}),
    ],
)
def test_the_replay_goes_the_nodes_own_road(
    short: Path, ros_domain: int, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, arrays: set[str]
) -> None:
    """Where a part of the node does not work, what it makes is missing."""

    def broken(*args: Any) -> Any:
        raise ZeroDivisionError("this part is broken")

    monkeypatch.setattr(owner, name, broken)
    if not arrays:
        with pytest.raises(ZeroDivisionError):
            replay_bag(short, "parallel_gripper")
        return
    data, live = replay_bag(short, "parallel_gripper")
    found = compare(data, live).differences
    assert {d.array for d in found if not d.within} == arrays
    assert any("this part is broken" in sentence for sentence in live.refused)


def test_what_the_model_is_handed_is_compared_and_not_what_was_computed_on_the_way(
    short: Path, ros_domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*args: Any) -> Any:
        return clip_inputs.planned_action(*args) + np.float32(1e-4)

    monkeypatch.setattr(synthesis_core, "planned_action", other)
    found = compare(*replay_bag(short, "parallel_gripper")).differences
    assert {d.array for d in found if not d.within} == {"action_planned"}
    assert max(d.value for d in found) == pytest.approx(1e-4, rel=1e-2)


def _copy(live: Any) -> Any:
    return dataclasses.replace(
        live, executed=dict(live.executed), plans=dict(live.plans), heard=dict(live.heard)
    )


@pytest.mark.parametrize("array", sorted(ARRAYS))
def test_a_difference_in_any_array_is_found(replayed: Any, array: str) -> None:
    data, live = replayed[0], _copy(replayed[1])
    clip = data.clips[1].clip
    at, inputs = clip.contact_ns, live.executed[clip.contact_ns]
    if array == "still":
        live.executed[at] = dataclasses.replace(inputs, still=np.roll(inputs.still, 1, axis=0))
    elif array == "frames":
        live.executed[at] = dataclasses.replace(inputs, frames=np.roll(inputs.frames, 1, axis=0))
    elif array == "action_executed":
        action = inputs.action.copy()
        action[40, 6] += 1e-4  # a tenth of a millimetre of the gripper's width
        live.executed[at] = dataclasses.replace(inputs, action=action)
    elif array == "action_planned":
        name = data.plan_of(at).plan_id
        plan = live.plans[name]
        later = dataclasses.replace(plan.path, times_ns=plan.path.times_ns + 1_000_000)
        live.plans[name] = dataclasses.replace(plan, path=later)
    else:
        live.heard[at] = dataclasses.replace(live.heard[at], samples=live.heard[at].samples * 0.99)
    found = [d for d in compare(data, live).differences if not d.within]
    assert {(d.clip_id, d.array) for d in found} == {(clip.clip_id, array)}


@pytest.mark.parametrize("count", [0, 40, 144, HEARD_SAMPLES - 1])
def test_sound_that_is_too_short_is_missing(replayed: Any, count: int) -> None:
    data, live = replayed[0], _copy(replayed[1])
    at = data.clips[1].clip.contact_ns
    live.heard[at] = dataclasses.replace(live.heard[at], samples=live.heard[at].samples[:count])
    row = figures_of([compare(data, live)])["arrays"]["audio"]
    assert row["missing"] == 1 and row["within"] == len(data.clips) - 1


def test_what_only_one_side_has_is_a_difference(replayed: Any) -> None:
    data, live = replayed
    missing = dataclasses.replace(live, executed={}, plans={}, heard={})
    figures = figures_of([compare(data, missing)])
    assert not figures["within"]
    assert all(row["missing"] == row["compared"] == len(data.clips) for row in figures["arrays"].values())

    fewer = dataclasses.replace(data, clips=data.clips[1:])
    lost = data.clips[0].clip.contact_ns
    found = [d for d in compare(fewer, live).differences if not d.within]
    assert {d.array for d in found} == {"still", "frames", "action_executed", "audio"}
    assert all(np.isnan(d.value) and str(lost) in d.clip_id for d in found)
    figures = figures_of([compare(dataclasses.replace(fewer, left_out={lost: "sound is missing"}), live)])
    assert figures["within"] and figures["left_out"] == {"sound is missing": 1}

    unplanned = [d for d in compare(dataclasses.replace(data, plans=()), live).differences if not d.within]
    assert {d.clip_id for d in unplanned} == {f"plan {name}" for name in live.plans}


def test_the_command_writes_its_figures(
    short: Path, tmp_path: Path, ros_domain: int, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    late = ["--camera-latency-ms", "20"]
    assert command.run(parser.parse_args([str(short), *late, "--out", str(tmp_path / "out")])) == 0
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["within"] and figures["bags"] == [short.name] and figures["camera_latency_ms"] == 20.0
    assert "action_planned" in capsys.readouterr().out
    assert command.run(parser.parse_args([str(tmp_path / "nothing"), "--out", str(tmp_path)])) == 2
    assert command.run(parser.parse_args([str(short), "--camera-latency-ms", "nan"])) == 2
    assert "camera_latency" in capsys.readouterr().err
