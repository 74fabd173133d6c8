"""Recordings that are split, paused and compressed, as readers find them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from foley_perception.audit.recording import RecordingAudit
from foley_perception.dataset.cut import CutConfig, Cutter
from foley_perception.episodes.reader import read_episode
from foley_perception.recording import writer as writing
from foley_perception.recording.bag import Bag
from foley_perception.recording.compression import Form
from foley_perception.recording.errors import NoSpaceError
from foley_perception.recording.inspect import inspect_bag
from foley_perception.recording.mcap_output import BagFile
from foley_perception.recording.recovery import recover_bag
from foley_perception.recording.writer import Split

from .modes import record

MakeBag = Callable[..., Path]
Stored = tuple[str, int, bytes]


def stored(path: Path) -> list[Stored]:
    return [(m.topic, m.log_time, bytes(m.data)) for m in Bag(path).messages()]


# ---- splits ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("split", [Split(seconds=0.7), Split(size=300_000)])
def test_a_split_bag_is_one_bag(tmp_path: Path, make_bag: MakeBag, split: Split) -> None:
    source = make_bag(seconds=2.0, contact_times=(1.0,))
    result = record(source, tmp_path / "take", split=split)
    assert result.failure is None
    files = sorted((tmp_path / "take").glob("*.mcap"))
    assert len(files) >= 3 and files[0].name == "take_0.mcap"
    assert sorted(stored(tmp_path / "take")) == sorted(stored(source))  # each message once, in whichever file
    information = yaml.safe_load((tmp_path / "take" / "metadata.yaml").read_text())[
        "rosbag2_bagfile_information"
    ]
    assert information["relative_file_paths"] == [f"take_{n}.mcap" for n in range(len(files))]
    assert [entry["path"] for entry in information["files"]] == information["relative_file_paths"]
    assert sum(entry["message_count"] for entry in information["files"]) == information["message_count"]
    starts = [entry["starting_time"]["nanoseconds_since_epoch"] for entry in information["files"]]
    assert starts == sorted(starts) and starts[0] == information["starting_time"]["nanoseconds_since_epoch"]
    with Reader(tmp_path / "take") as reader:
        assert reader.message_count == len(list(reader.messages())) == len(stored(source))
    for path, entry in zip(files, information["files"], strict=True):
        alone = Bag(path)  # schemas, channels and metadata are in each
        assert len(list(alone.messages())) == entry["message_count"] and alone.session["session_id"] == "s1"
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
            assert summary is not None and summary.statistics is not None
            assert summary.statistics.message_count == entry["message_count"]
    report = inspect_bag(tmp_path / "take", check_index=True)
    assert report.problems == () and {t.topic: t.lost for t in report.topics}["/mic/audio"] == 0


def test_what_is_left_of_a_split_bag(tmp_path: Path, make_bag: MakeBag) -> None:
    """The newest file was cut off, and metadata.yaml does not name it yet; later one in the middle is lost."""
    record(make_bag(seconds=2.0, contact_times=(1.0,)), tmp_path / "take", split=Split(seconds=0.6))
    files = sorted((tmp_path / "take").glob("*.mcap"))
    data = files[-1].read_bytes()
    files[-1].write_bytes(data[: len(data) // 2])
    before = yaml.safe_load((tmp_path / "take" / "metadata.yaml").read_text())
    del before["rosbag2_bagfile_information"]["relative_file_paths"][-1]
    del before["rosbag2_bagfile_information"]["files"][-1]
    (tmp_path / "take" / "metadata.yaml").write_text(yaml.safe_dump(before))
    left = stored(tmp_path / "take")
    whole = recover_bag(tmp_path / "take")
    assert whole.messages == len(left) and any("does not name it" in fault for fault in whole.faults)
    assert stored(whole.path) == left
    files[1].unlink()
    bag = Bag(tmp_path / "take")
    assert len(list(bag.messages())) < len(left)
    assert any("take_1.mcap" in problem and "missing" in problem for problem in bag.problems)


def test_a_disk_that_fills_up_at_a_split(
    tmp_path: Path, make_bag: MakeBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoSecond(BagFile):
        def __init__(self, path: Path, session: Mapping[str, str]) -> None:
            if path.name.endswith("_1.mcap"):
                raise OSError(errno.ENOSPC, "No space left on device")
            super().__init__(path, session)

    monkeypatch.setattr(writing, "BagFile", NoSecond)
    result = record(make_bag(seconds=2.0, contact_times=(1.0,)), tmp_path / "take", split=Split(seconds=0.6))
    assert isinstance(result.failure, NoSpaceError) and "then" not in str(result.failure)
    with Reader(tmp_path / "take") as reader:
        kept = reader.message_count
        assert kept == len(list(reader.messages())) > 100
    assert inspect_bag(tmp_path / "take", check_index=True).problems == ()
    assert sum(report.dropped for report in result.topics) > 0


# ---- pauses ----------------------------------------------------------------------------------------------
def test_a_pause_is_no_loss_and_no_clip_spans_it(tmp_path: Path, make_bag: MakeBag) -> None:
    source = make_bag(seconds=5.5, contact_times=(1.2, 3.6, 4.6))
    result = record(
        source, tmp_path / "take", pauses=[(2.2, 3.0)], split=Split(seconds=2.0), audit=RecordingAudit()
    )
    assert result.duration_s == pytest.approx(4.7, abs=0.05)
    live = {report.topic: (report.messages, report.lost, report.gaps) for report in result.topics}
    report = inspect_bag(tmp_path / "take", check_index=True, audit=RecordingAudit())
    assert report.problems == () and report.duration_s == pytest.approx(4.7, abs=0.05)
    for topic in report.topics:
        assert (topic.messages, topic.lost, topic.gaps) == live[topic.topic], topic
        assert (topic.lost, topic.gaps) == (0, 0), topic
    rates = {topic.topic: topic.rate for topic in report.topics}
    assert rates["/ee_pose"] == pytest.approx(250, rel=0.01) and rates["/mic/audio"] == pytest.approx(
        100, rel=0.01
    )
    paused, whole = read_episode(tmp_path / "take"), read_episode(source)
    (pause,) = paused.pauses
    assert (pause.end_ns - pause.start_ns) * 1e-9 == pytest.approx(0.8)
    new = set(paused.problems) - set(whole.problems)
    assert not [text for text in new if "gap" in text or "sound" in text], new
    assert not [
        finding for finding in paused.findings if finding.rule in ("motion_gap", "width_gap", "two_runs")
    ]

    def clips(episode: Any) -> tuple[dict[float, Any], Any]:
        cutter = Cutter(episode, CutConfig(windows=True))
        found = list(cutter.clips())
        list(cutter.windows([data.clip for data in found]))
        return {(d.clip.contact_ns - episode.start_ns) * 1e-9: d for d in found}, cutter.tally

    of_all, _ = clips(whole)
    found, tally = clips(paused)
    kept = {round(at, 1) for at in found}
    assert {round(at, 1) for at in of_all} == {1.2, 3.6, 4.6} and kept >= {1.2, 4.6}
    for at, clip in found.items():
        same = next(one for when, one in of_all.items() if abs(when - at) < 0.01)
        assert np.array_equal(clip.audio, same.audio) and np.array_equal(clip.frames, same.frames)
        assert clip.clip.start_ns > pause.end_ns or clip.clip.start_ns + 10**9 <= pause.start_ns
        assert clip.clip.contact_ns < pause.start_ns or clip.still is not None
    assert not tally.skipped.get("sound is missing")


def test_a_contact_beside_a_pause_makes_no_clip(tmp_path: Path, make_bag: MakeBag) -> None:
    record(make_bag(seconds=3.0, contact_times=(1.0, 2.6)), tmp_path / "take", pauses=[(2.1, 2.5)])
    cutter = Cutter(read_episode(tmp_path / "take"), CutConfig())
    assert len(list(cutter.clips())) == 1
    assert list(cutter.left_out.values()) == ["the recording was paused"]


def test_a_recording_that_ends_in_a_pause(tmp_path: Path, make_bag: MakeBag) -> None:
    """Latched topics and labels are still kept; nobody misses the rest."""
    source = make_bag(seconds=3.0, contact_times=(1.0,))
    for name, how in (("stopped", [(2.0, 99.0)]), ("begun so", [(0.0, 1.0)])):
        result = record(source, tmp_path / name, pauses=how)
        report = inspect_bag(tmp_path / name)
        for topics in (result.topics, report.topics):
            assert {t.topic: (t.lost, t.gaps) for t in topics}["/mic/audio"] == (0, 0)
            assert max(t.max_gap for t in topics if t.topic == "/mic/audio") < 0.5
        assert len(report.pauses) == 1


# ---- compression -----------------------------------------------------------------------------------------
def with_depth(bag: Any) -> None:
    """Depth of 16 bit, a slope that moves."""
    for k in range(10):
        values = (np.arange(60 * 80) % 700 + 400 + k).astype("<u2")
        header = bag.header(bag.options.start_ns + k * 10**8, "camera_optical")
        image = bag.new("sensor_msgs/msg/Image", header, 60, 80, "16UC1", 0, 160, values.view(np.uint8))
        bag.put(k / 10, "camera/depth/image_raw", "sensor_msgs/msg/Image", image)


def test_episodes_of_compressed_recordings(tmp_path: Path, make_bag: MakeBag) -> None:
    """Colour as JPEG, two images of it of an encoding that is none; depth as PNG; sound in compressed chunks."""

    def spoil(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic == "camera/image_raw" and spoil.left:  # type: ignore[attr-defined]
            spoil.left -= 1  # type: ignore[attr-defined]
            message.encoding = "rgb9"
        return [(time_ns, topic, kind, message)]

    spoil.left = 2  # type: ignore[attr-defined]
    source = make_bag(seconds=1.5, contact_times=(1.0,), more=with_depth, edit=spoil)
    texts = {"/camera/image_raw": "jpeg:95", "/camera/depth/image_raw": "png", "/mic/audio": "zstd"}
    forms = {topic: Form.parse(text, "") for topic, text in texts.items()}
    result = record(source, tmp_path / "take", forms=forms, split=Split(seconds=1.0))
    (told,) = result.findings
    assert told.startswith(
        "note: /camera/image_raw: 2 images were kept as they came, not jpeg:95: encoding is `rgb9`"
    )
    report = inspect_bag(tmp_path / "take", check_index=True)
    assert report.problems == () and len(report.files) == 2
    counts = {topic.topic: topic.messages for topic in report.topics}
    assert counts["/camera/image_raw"] == 2 and counts["/camera/image_raw/compressed"] == 43
    assert counts["/camera/depth/image_raw/compressedDepth"] == 10 and "/camera/depth/image_raw" not in counts
    with Reader(tmp_path / "take") as reader:
        assert reader.message_count == len(list(reader.messages()))
    images = [m for m in Bag(tmp_path / "take").messages() if m.topic == "/camera/image_raw/compressed"]
    assert [m.sequence for m in images] == list(range(3, 46))  # in the order in which they came
    ours, theirs = read_episode(tmp_path / "take"), read_episode(source)
    assert ours.frames is not None and theirs.frames is not None and ours.audio and theirs.audio
    assert np.array_equal(ours.frames.times_ns, theirs.frames.times_ns)
    for index in (0, 20, 42):
        difference = ours.frames.read(index).astype(int) - theirs.frames.read(index).astype(int)
        assert np.abs(difference).max() <= 2
    assert ours.depth is not None and theirs.depth is not None
    assert np.array_equal(ours.depth.times_ns, theirs.depth.times_ns)
    assert np.array_equal(ours.depth.read(3), theirs.depth.read(3), equal_nan=True)
    assert np.array_equal(ours.audio.segments[0].samples, theirs.audio.segments[0].samples)


def test_images_that_could_not_be_encoded_are_not_lost_but_told(tmp_path: Path, make_bag: MakeBag) -> None:
    """Every third, as of an encoder that has no time."""
    seen: list[Any] = []

    def spoil(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic == "camera/image_raw":
            seen.append(message)
            message.encoding = "rgb9" if len(seen) % 3 == 0 else message.encoding
        return [(time_ns, topic, kind, message)]

    source = make_bag(seconds=1.0, contact_times=(0.5,), edit=spoil)
    forms = {"/camera/image_raw": Form("jpeg")}
    session = {"session_id": "s1", "compression": "{/camera/image_raw: 'jpeg:95'}"}
    result = record(source, tmp_path / "take", forms=forms, session=session)
    live = {report.topic: report for report in result.topics}["/camera/image_raw/compressed"]
    found = {topic.topic: topic for topic in inspect_bag(tmp_path / "take").topics}
    raw, encoded = found["/camera/image_raw"], found["/camera/image_raw/compressed"]
    assert (live.messages, live.lost) == (30, 0)
    assert (raw.messages, raw.lost, encoded.messages, encoded.lost) == (10, 0, 20, 0)
    episode = read_episode(tmp_path / "take")
    assert episode.frames is not None and len(episode.frames) == 20
    assert [text for text in episode.problems if "10 images are not used, as 20 of the same camera" in text]
