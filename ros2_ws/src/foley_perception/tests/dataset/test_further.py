"""A sensor more is one entry of the registry of topics: recorded, read, cut and read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from foley_common import topics
from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.manifest import check
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.recording.bag import Bag
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.recording import RawMessage, Recording

MakeBag = Callable[..., Path]
S = 1_000_000_000
AUDIO = "foley_msgs/msg/AudioChunk"
CONTACTS = (1.0, 2.0, 3.0)
OFFSET_M = 0.03  # of the wrist camera from the tool, along x
CLICK_HZ = 700.0  # of what the second microphone hears


@pytest.fixture
def equipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry each for a second microphone and a camera at the wrist, as in the docstring of the registry."""
    entries = (
        *topics.microphone("table_microphone", "table_mic/audio", "a contact microphone on the table"),
        *topics.camera("wrist_camera", "wrist_camera", "a camera at the wrist"),
    )
    monkeypatch.setattr(topics, "TOPICS", (*topics.TOPICS, *entries))


def height(t: float) -> float:
    return min(0.1, min(abs(t - c) for c in CONTACTS) * 0.4)


def table_sound(bag: Any) -> np.ndarray:
    sound = np.zeros(round(bag.options.seconds * 48_000), dtype=np.float32)
    for c in CONTACTS:
        t = np.arange(4800) / 48_000
        sound[round(c * 48_000) : round(c * 48_000) + 4800] = np.exp(-60 * t) * np.sin(
            2 * np.pi * CLICK_HZ * t
        )
    return 0.25 * sound


def put_table_microphone(bag: Any, until_s: float = 99.0) -> None:
    start, sound = bag.options.start_ns, table_sound(bag)
    for first in range(0, len(sound), 480):
        t = first / 48_000
        if t >= until_s:
            return
        stamp = bag.header(start + round(t * S), "table_microphone")
        chunk = sound[first : first + 480]
        message = bag.new(AUDIO, stamp, "table", first, 48_000, 1, 2, 0.0, chunk)
        bag.put(t + 0.01, "table_mic/audio", AUDIO, message)


def put_wrist_camera(bag: Any, tf: bool = True) -> None:
    """Frame k is k in blue, with a red spot where the contact point is seen from the moving wrist."""
    start, new = bag.options.start_ns, bag.new
    roi = new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    k = np.array([80.0, 0, 39.5, 0, 80.0, 29.5, 0, 0, 1])
    info = new(
        "sensor_msgs/msg/CameraInfo", bag.header(start, "wrist_optical"), 60, 80, "plumb_bob", np.zeros(5), k,
        np.eye(3).ravel(), np.zeros(12), 0, 0, roi,
    )  # fmt: skip
    bag.put(0.0, "wrist_camera/camera_info", "sensor_msgs/msg/CameraInfo", info)
    put_transform(bag, 0.0, "/tf_static", "tool", "wrist_optical", (OFFSET_M, 0, 0), (0, 0, 0, 1))
    for number in range(round(bag.options.seconds * 30)):
        t = number / 30
        pixels = np.zeros((60, 80, 3), dtype=np.uint8)
        pixels[..., 2] = number % 256
        u = 39.5 - 80.0 * OFFSET_M / (0.16 + height(t))
        pixels[24:36, round(u) - 5 : round(u) + 6, 0] = 255
        header = bag.header(start + round(t * S), "wrist_optical")
        image = new("sensor_msgs/msg/Image", header, 60, 80, "rgb8", 0, 240, pixels.ravel())
        bag.put(t + 0.004, "wrist_camera/image_raw", "sensor_msgs/msg/Image", image)
    for number in range(round(bag.options.seconds * 250) if tf else 0):
        t = number / 250
        put_transform(bag, t, "/tf", "world", "tool", (0.05, 0, 0.21 + height(t)), (1, 0, 0, 0))


def put_transform(bag: Any, t: float, topic: str, parent: str, child: str, xyz: Any, q: Any) -> None:
    header = bag.header(bag.options.start_ns + round(t * S), parent)
    rotation = bag.new("geometry_msgs/msg/Quaternion", *map(float, q))
    transform = bag.new("geometry_msgs/msg/Transform", bag.vector("Vector3", *xyz), rotation)
    stamped = bag.new("geometry_msgs/msg/TransformStamped", header, child, transform)
    bag.put(t, topic, "tf2_msgs/msg/TFMessage", bag.new("tf2_msgs/msg/TFMessage", [stamped]))


def put_both(bag: Any) -> None:
    put_table_microphone(bag)
    put_wrist_camera(bag)


def put_left_arm(bag: Any) -> None:
    """Above the right one, at rest, holding with 3 N, which its sensor tells to 10 mN."""
    start, new = bag.options.start_ns, bag.new
    for number in range(round(bag.options.seconds * 250)):
        t = number / 250
        header = bag.header(start + round(t * S), "world")
        down = new("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0)
        pose = new("geometry_msgs/msg/Pose", bag.vector("Point", 0.3, 0, 0.4), down)
        stamped = new("geometry_msgs/msg/PoseStamped", header, pose)
        bag.put(t, "left/ee_pose", "geometry_msgs/msg/PoseStamped", stamped)
        wrench = new(
            "geometry_msgs/msg/Wrench",
            bag.vector("Vector3", 0, 3 - 0.01 * (number % 2), 0),
            bag.vector("Vector3", 0, 0, 0),
        )
        force = new("geometry_msgs/msg/WrenchStamped", header, wrench)
        bag.put(t, "left/wrench", "geometry_msgs/msg/WrenchStamped", force)
    put_transform(bag, 0.0, "/tf_static", "left_tool", "left_tip", (0, 0, 0.1), (0, 0, 0, 1))


def recorded_with_defaults(source: Path, folder: Path) -> Path:
    """What the recorder with its default topics makes of the messages of a bag."""
    specs = {f"/{spec.name.lstrip('/')}": spec for spec in RecorderConfig().specs}
    bag = Bag(source)
    start = min(message.log_time for message in bag.messages())
    recording = Recording(folder, specs, session={"session_id": "s1"}, start_ns=start, min_free_bytes=0)
    for message in bag.messages():
        if message.topic in specs:
            recording.add(message.topic, RawMessage(bytes(message.data), message.log_time))
    recording.finish(start + 5 * S)
    return folder


@pytest.mark.usefixtures("equipped")
def test_a_second_microphone_and_a_wrist_camera_reach_a_dataset(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = recorded_with_defaults(make_bag(plans=False, more=put_both), tmp_path / "recorded")
    episode = read_episode(bag)
    assert episode.problems == ()
    assert list(episode.microphones) == ["microphone", "table_microphone"]
    assert list(episode.cameras) == ["camera", "wrist_camera"]
    wrist = episode.cameras["wrist_camera"]
    assert wrist.model is None and wrist.frames is not None
    assert np.allclose(wrist.at(episode.start_ns + 2 * S).tx_world_camera.translation[2], 0.21, atol=1e-3)

    report = build_dataset([bag], tmp_path / "ds", workers=1)
    assert report.manifest["further_devices"] == {
        "microphones": {"table_microphone": {"clips": 3, "windows": 0, "sessions_without": []}},
        "cameras": {"wrist_camera": {"clips": 3, "windows": 0, "sessions_without": []}},
    }
    data = ClipDataset(tmp_path / "ds")
    clip = data.clips[1]
    assert (clip.microphones, clip.cameras, clip.arms) == (("table_microphone",), ("wrist_camera",), ())
    t = np.arange(4800) / 48_000
    click = 0.25 * np.exp(-60 * t) * np.sin(2 * np.pi * CLICK_HZ * t)
    heard = data.audio(1, microphone="table_microphone")
    assert np.allclose(heard[12_000:16_800], click, atol=1e-6) and not heard[:12_000].any()
    assert not np.allclose(data.audio(1)[12_000:16_800], click, atol=0.01)
    frames, still = data.frames_and_still(1, camera="wrist_camera")
    start_s = (clip.start_ns - episode.start_ns) / S
    newest = [int(np.floor((start_s + (i + 1) / 30) * 30 + 1e-6)) for i in range(30)]
    assert frames.shape == (30, 128, 128, 3)
    assert np.abs(frames[:, 5, 64, 2].astype(int) - newest).max() <= 3  # JPEG
    assert abs(int(still[5, 64, 2]) - round((2.0 - 0.6) * 30)) <= 3
    # The crop follows the contact point as the wrist moves.
    assert frames[:, 64, 64, 0].min() > 150 and still[64, 64, 0] > 150 and frames[:, 5, 64, 0].max() < 60
    assert check(tmp_path / "ds")["fingerprint"] == data.fingerprint

    file = tmp_path / "ds/audio/table_microphone" / f"{clip.clip_id}.flac"
    file.write_bytes(file.read_bytes() + b"0")
    with pytest.raises(DatasetError, match="changed after it was built"):
        check(tmp_path / "ds")


@pytest.mark.usefixtures("equipped")
def test_windows_hold_them_too(make_bag: MakeBag, tmp_path: Path) -> None:
    def more(bag: Any) -> None:
        put_both(bag)
        put_left_arm(bag)

    bag = make_bag(seconds=9.0, plans=False, more=more)
    build_dataset([bag], tmp_path / "ds", workers=1, config=CutConfig(windows=True))
    data = ClipDataset(tmp_path / "ds")
    assert data.windows[0].microphones == ("table_microphone",) and data.windows[0].arms == ("left",)
    assert np.abs(data.window_audio(0, microphone="table_microphone")).max() == pytest.approx(0.24, abs=0.02)
    assert data.window_frames(0, camera="wrist_camera").shape == (32, 60, 80, 3)
    action = data.window_action(0, arm="left")
    assert np.allclose(action[5:-5, :6], [0.3, 0, 0.3, 0, 0, 0], atol=1e-6)
    assert np.array_equal(data.window_action(0), data.window_array("action_executed")[0], equal_nan=True)


@pytest.mark.usefixtures("equipped")
def test_under_a_namespace(make_bag: MakeBag) -> None:
    bag = make_bag(plans=False, namespace="/robot1", more=put_both)
    for namespace in ("", "robot1"):
        episode = read_episode(bag, namespace=namespace)
        assert list(episode.microphones) == ["microphone", "table_microphone"]
        assert list(episode.cameras) == ["camera", "wrist_camera"] and not episode.problems
    with pytest.raises(EpisodeError, match="they lie in robot1: --namespace robot1"):
        read_episode(bag, namespace="robot2")


def test_a_second_arm(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = make_bag(plans=False, more=put_left_arm)
    episode = read_episode(bag)
    left = episode.arms["left"]
    assert left.ee_pose is not None and left.force is not None and left.force[1].max() == 3.0
    assert np.allclose(episode.tip_path_of("left")[1], [0.3, 0, 0.3])
    assert episode.ee_pose is not None and episode.ee_pose.poses.translation[0, 0] == pytest.approx(0.05)
    build_dataset([bag], tmp_path / "ds", workers=1)
    data = ClipDataset(tmp_path / "ds")
    action = data.action_executed(0, arm="left")
    assert np.allclose(action[:, :3], [0.25, 0, 0.25], atol=1e-6) and np.allclose(
        action[:, 7], 3.0, atol=0.02
    )
    assert not np.allclose(data.action_executed(0), action)


# ---- what may be missing -----------------------------------------------------------------------------------
@pytest.mark.usefixtures("equipped")
def test_what_is_missing_is_told_and_not_made_up(make_bag: MakeBag, tmp_path: Path) -> None:
    def more(bag: Any) -> None:
        put_table_microphone(bag, until_s=2.5)
        put_wrist_camera(bag, tf=False)

    full = make_bag("full", plans=False, more=more)
    bare = make_bag("bare", plans=False, session_id="s2", scene_id="bench-2", objects=(("block-2", "stone"),))
    report = build_dataset([full, bare], tmp_path / "ds", workers=1)
    assert report.manifest["further_devices"] == {
        "microphones": {"table_microphone": {"clips": 1, "windows": 0, "sessions_without": ["s2"]}}
    }
    assert report.manifest["problems"] == {
        "full": [
            "table_microphone: not in 2 items: sound is missing",
            "wrist_camera: not in 3 items: no transform from wrist_optical to world at that time; "
            "record /tf and /tf_static",
        ]
    }
    data = ClipDataset(tmp_path / "ds")
    assert [c.microphones for c in data.clips if c.session_id == "s1"] == [("table_microphone",), (), ()]
    without = next(i for i, c in enumerate(data.clips) if c.session_id == "s2")
    with pytest.raises(
        DatasetError, match=r"nothing of `table_microphone`, its further microphones are none"
    ):
        data.audio(without, microphone="table_microphone")
    with pytest.raises(DatasetError, match="nothing of `wrist_camera`"):
        data.frames(0, camera="wrist_camera")
    with pytest.raises(DatasetError, match="nothing of `left`"):
        data.action_executed(0, arm="left")
    assert check(tmp_path / "ds")


@pytest.mark.usefixtures("equipped")
def test_a_further_sensor_that_cannot_be_read_is_left_out(make_bag: MakeBag) -> None:
    def wrong_type(bag: Any) -> None:
        bag.put(0.0, "table_mic/audio", "std_msgs/msg/String", bag.new("std_msgs/msg/String", "sound"))

    def chunk(bag: Any, count: int) -> Any:
        silence = np.zeros(count, dtype=np.float32)
        return bag.new(AUDIO, bag.header(1, "table"), "x", 0, 48_000, 1, 2, 0.0, silence)

    def two(bag: Any) -> None:
        for robot in ("other", "another"):
            bag.put(0.0, f"/{robot}/table_mic/audio", AUDIO, chunk(bag, 480))

    def empty(bag: Any) -> None:
        bag.put(0.0, "table_mic/audio", AUDIO, chunk(bag, 0))

    for name, more, told in (
        (
            "type",
            wrong_type,
            "/table_mic/audio has type std_msgs/msg/String, expected foley_msgs/msg/AudioChunk",
        ),
        (
            "two",
            two,
            "several topics could be table_mic/audio: /another/table_mic/audio, /other/table_mic/audio",
        ),
        ("empty", empty, "/table_mic/audio: no samples"),
    ):
        episode = read_episode(make_bag(name, plans=False, more=more))
        assert list(episode.microphones) == ["microphone"] and len(episode.truth) == 3
        (problem,) = episode.problems
        assert problem.startswith(told) and "left out" in problem


def test_without_further_sensors_nothing_changes(make_bag: MakeBag, tmp_path: Path) -> None:
    """Content and manifest of a dataset of before: no new columns count, no new entries, no new folders."""
    bag = make_bag(plans=False)
    report = build_dataset([bag], tmp_path / "ds", workers=1)
    assert "further_devices" not in report.manifest and report.manifest["schema_version"] == 1
    assert sorted(p.name for p in (tmp_path / "ds").iterdir() if p.is_dir()) == ["audio", "frames", "parts"]
    path = tmp_path / "ds/clips.parquet"
    older = pq.read_table(path).drop_columns(["microphones", "cameras", "arms"])
    pq.write_table(older, path)
    assert check(tmp_path / "ds")["fingerprint"] == report.manifest["fingerprint"]
    assert ClipDataset(tmp_path / "ds").clips[0].microphones == ()
