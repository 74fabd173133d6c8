"""Bags as LeRobotDataset v3.0: its layout and values read with pyarrow and soundfile, against the bag's."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from foley_perception.dataset.export import beside, demonstrations, frame_grid, lerobot, rlds, rows
from foley_perception.dataset.export.demonstrations import Demonstrations
from foley_perception.dataset.export.export import export_bags
from foley_perception.dataset.export.frame_grid import Surveyed
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes.reader import read_episode

Columns = dict[str, np.ndarray]
SHORT = {"seconds": 1.5, "contact_times": (0.9,)}
LITTLE = {"seconds": 0.8, "contact_times": (0.3,)}
BRIEF = {"seconds": 0.6, "contact_times": (0.3,)}
START_NS = 1_800_000_000_000_000_000
_GAIN = 0.5  # of the second channel


def stereo(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
    """The same with a second channel."""
    if topic == "mic/audio":
        message.channels = 2
        left = np.asarray(message.samples, np.float32)
        message.samples = np.stack([left, _GAIN * left], axis=1).ravel()
    return [(time_ns, topic, kind, message)]


def read(folder: Path, episode: int = 0) -> Columns:
    table = pq.read_table(folder / f"data/chunk-000/file-{episode:03d}.parquet")
    return {name: np.array(table.column(name).to_pylist()) for name in table.column_names}


def put_together(columns: Columns, microphone: str = "microphone") -> np.ndarray:
    """The sound [n, ...] of all frames."""
    counts = columns[f"sound.{microphone}.count"]
    return np.concatenate([s[:n] for s, n in zip(columns[f"sound.{microphone}"], counts, strict=True)])


@pytest.fixture(scope="module")
def exported(
    written_bag: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path]]:
    """Two bags, the second of which comes first: it is of `train`."""
    base = tmp_path_factory.mktemp("lerobot")
    tested = written_bag(
        "t", frozenset({**SHORT, "session_id": "t", "split": "test", "scene_id": "b"}.items())
    )
    drifts = {"session_id": "d", "audio_drift_ppm": 80.0, "audio_gap": (0.5, 0.6), "tool_plans": True}
    trained = written_bag("d", frozenset({**SHORT, **drifts, "objects": (("mug", "ceramic"),)}.items()))
    export_bags(Demonstrations((tested, trained), pictures="images"), "lerobot", base / "out")
    return base / "out", [trained, tested]


def test_layout_and_meta(exported: tuple[Path, list[Path]]) -> None:
    out, _ = exported
    info = json.loads((out / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"]) == ("v3.0", 30, 2)
    assert info["splits"] == {"train": "0:1", "test": "1:2"}
    episodes = pq.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [e["foley/session_id"] for e in episodes] == ["d", "t"]
    assert [e["tasks"] for e in episodes] == [["tap ceramic mug"], ["tap wood block-1"]]
    assert episodes[1]["dataset_from_index"] == episodes[0]["length"] == episodes[0]["dataset_to_index"]
    assert info["total_frames"] == episodes[1]["dataset_to_index"] and episodes[0]["foley/materials"] == [
        "ceramic"
    ]
    assert [c["material"] for c in json.loads(episodes[0]["foley/contacts"])] == ["ceramic"]
    tasks = pq.read_table(out / "meta/tasks.parquet")
    assert tasks.to_pydict() == {"task_index": [0, 1], "task": ["tap ceramic mug", "tap wood block-1"]}
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    for number, episode in enumerate(episodes):
        schema = pq.read_schema(out / f"data/chunk-000/file-{number:03d}.parquet")
        told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert set(told) == set(schema.names) == set(info["features"])
        columns = read(out, number)
        count = episode["length"]
        assert np.array_equal(columns["frame_index"], np.arange(count))
        assert np.array_equal(columns["index"], episode["dataset_from_index"] + np.arange(count))
        assert np.allclose(columns["timestamp"], np.arange(count) / 30, atol=1e-6)
        assert (columns["task_index"] == number).all() and (columns["episode_index"] == number).all()
        for name, feature in info["features"].items():
            shape = () if feature["shape"] == [1] else tuple(feature["shape"])
            assert feature["dtype"] == "image" or columns[name].shape[1:] == shape, name
    stats = json.loads((out / "meta/stats.json").read_text())
    assert stats["observation.state"]["count"] == [info["total_frames"]]
    assert np.shape(stats["observation.images.camera"]["mean"]) == (3, 1, 1)


def test_sound_is_put_together_to_what_was_recorded(exported: tuple[Path, list[Path]]) -> None:
    out, bags = exported
    for number, bag in enumerate(bags):
        columns, track = read(out, number), read_episode(bag).audio
        assert track is not None
        (segment,) = track.segments
        first = columns["sound.microphone.first_sample"]
        sound = put_together(columns)
        begin = int(first[0]) - segment.first_sample
        assert np.array_equal(sound, segment.samples[begin : begin + len(sound)])
        received = np.ones(len(segment.samples), np.bool_)
        for low, high in segment.missing:
            received[low:high] = False
        counts = columns["sound.microphone.count"]
        ends = begin + np.cumsum(counts)
        known = [
            np.count_nonzero(received[end - count : end]) for end, count in zip(ends, counts, strict=True)
        ]
        assert np.array_equal(columns["sound.microphone.known"], known)
        assert (sum(known) < sum(counts)) == bool(segment.missing)
        assert np.array_equal(columns["sound.microphone.stamp_ns"], segment.clock.time_ns(first))
        # Nothing of a frame is later than it, and all of it is since the one before.
        last = segment.clock.time_ns(first + columns["sound.microphone.count"] - 1)
        assert (last <= columns["stamp_ns"] + 21_000).all(), "to within a sample"
        assert (columns["sound.microphone.stamp_ns"] >= columns["stamp_ns"] - 33_400_000).all()
        beside = json.loads((out / f"beside/episode-{number:06d}/episode.json").read_text())
        (told,) = beside["sound"]["microphone"]
        flac, rate = soundfile.read(out / f"beside/episode-{number:06d}/microphone.flac", dtype="float32")
        assert (
            rate == 48_000
            and np.abs(flac - segment.samples).max() <= 2.0**-23
            and told["samples"] == len(flac)
        )
        assert told["stamp_ns"] == segment.start_ns and told["period_ns"] == segment.clock.period_ns
        assert [tuple(run) for run in told["missing"]] == list(segment.missing)
    assert abs(told["drift_ppm"]) < 1e-6 and set(columns["sound.microphone.count"]) == {1600}


def test_motion_and_force_are_those_of_the_bag(exported: tuple[Path, list[Path]]) -> None:
    out, bags = exported
    for number, bag in enumerate(bags):
        columns, episode = read(out, number), read_episode(bag)
        times = columns["stamp_ns"]
        assert episode.ee_pose is not None and episode.wrench is not None and episode.frames is not None
        names = json.loads((out / "meta/info.json").read_text())["features"]["observation.state"]["names"]
        state = dict(zip(names, columns["observation.state"].T, strict=True))
        poses = episode.ee_pose.at(times)
        assert np.allclose(state["tool.z"], poses.translation[:, 2], atol=1e-6)
        assert np.allclose(state["tip.z"], (poses @ episode.tx_tool_tip).translation[:, 2], atol=1e-6)
        assert np.allclose(state["width"], 0.02, atol=1e-6) and np.allclose(
            state["joint.z"], state["tool.z"], atol=1e-6
        )
        for name, series in (("wrench", episode.wrench.values), ("pose", None)):
            stamps = episode.wrench.times_ns if name == "wrench" else episode.ee_pose.times_ns
            counts = columns[f"{name}.count"]
            told = np.concatenate([s[:n] for s, n in zip(columns[f"{name}.stamp_ns"], counts, strict=True)])
            kept = (stamps > times[0] - 33_333_333) & (stamps <= times[-1])
            assert np.array_equal(told, stamps[kept])
            file = pq.read_table(out / f"beside/episode-{number:06d}/{name}.parquet")
            assert np.array_equal(file.column("stamp_ns").to_numpy(), stamps), "all of the recording"
            if series is not None:
                values = np.concatenate([v[:n] for v, n in zip(columns[name], counts, strict=True)])
                assert np.array_equal(values, series[kept].astype(np.float32))
                assert np.array_equal(file.column("fz").to_numpy(), series[:, 2])


def test_the_action_is_the_plan_where_one_was_known_and_else_what_came(
    exported: tuple[Path, list[Path]],
) -> None:
    out, bags = exported
    columns, episode = (
        read(out, 0),
        read_episode(bags[0]),
    )  # a plan from 0.5 s before the contact to 0.5 s behind it
    planned = columns["planned"].astype(bool)
    seconds = (columns["stamp_ns"] - episode.start_ns) / 1e9
    assert planned[(seconds > 0.4) & (seconds < 1.35)].all() and not planned[seconds < 0.35].any()
    after = columns["stamp_ns"][:-1] + 33_333_333
    assert episode.ee_pose is not None
    measured = episode.ee_pose.at(after).translation[:, 2]
    assert np.allclose(columns["action"][:-1, 2], measured, atol=2e-3), "the robot does what it planned"
    state = columns["observation.state"]
    assert np.allclose(columns["action"][:9, 2], state[1:10, 2], atol=1e-6), (
        "where no plan is, the next state"
    )
    assert np.isfinite(columns["action"]).all()


def test_images_are_the_nearest_and_bear_their_own_stamps(exported: tuple[Path, list[Path]]) -> None:
    out, bags = exported
    columns = pq.read_table(out / "data/chunk-000/file-001.parquet")
    track = read_episode(bags[1]).frames
    assert track is not None
    times, stamps = (columns.column(name).to_numpy() for name in ("stamp_ns", "stamp_ns.camera"))
    assert times[0] == stamps[0] == track.times_ns[np.searchsorted(track.times_ns, times[0])]
    for row in (0, 7, len(times) - 1):
        nearest = track.nearest(int(times[row]))
        content = columns.column("observation.images.camera")[row].as_py()["bytes"]
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert stamps[row] == track.times_ns[nearest] and np.array_equal(image, track.read(nearest))


def test_all_channels_are_kept(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    bag = make_bag("a", **BRIEF, edit=stereo)
    export_bags(Demonstrations((bag,), fps=25, pictures="images"), "lerobot", tmp_path / "out")
    sound = put_together(read(tmp_path / "out"))
    assert sound.shape[1] == 2 and np.abs(sound[:, 0]).max() > 0.1
    assert np.array_equal(sound[:, 1], np.float32(_GAIN) * sound[:, 0])
    flac, _ = soundfile.read(tmp_path / "out/beside/episode-000000/microphone.flac", dtype="float32")
    assert flac.shape[1] == 2 and read(tmp_path / "out")["sound.microphone"].shape[1:] == (1920, 2)


def paused(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
    """In stereo, without what would have been measured in a pause."""
    inside = 450_000_000 <= time_ns - START_NS < 600_000_000
    sensed = topic not in ("labels", "contacts")
    return [] if inside and sensed else stereo(time_ns, topic, kind, message)


def told_of_it(bag: Any) -> None:
    """Contacts that were detected beside the true one, a force of an arm without poses, a segment, and a pause."""
    time = "builtin_interfaces/msg/Time"

    def label(start: int, end: int, key: str, value: str) -> None:
        times = [bag.new(time, *divmod(START_NS + ms * 1_000_000, 10**9)) for ms in (start, end)]
        kind = "foley_msgs/msg/SegmentLabel"
        bag.put(end * 1e-3, "labels", kind, bag.new(kind, bag.header(START_NS, ""), *times, "", key, value))

    for number in range(50):
        kind, stamp = "geometry_msgs/msg/WrenchStamped", START_NS + number * 10_000_000
        force = bag.new(
            "geometry_msgs/msg/Wrench", bag.vector("Vector3", number, 0, 0), bag.vector("Vector3", 0, 0, 0)
        )
        bag.put(number / 100, "left/wrench", kind, bag.new(kind, bag.header(stamp, "left_tool"), force))
    label(200, 400, "segment", "pour")
    label(450, 600, "pause", "")
    for at in (0.31, 0.7):
        kind = "foley_msgs/msg/ContactEvent"
        head, point = bag.header(START_NS + round(at * 1e9), "world"), bag.vector("Point", 0.05, 0, 0.05)
        event = bag.new(kind, head, f"d{at}", "block-1", point, 1, 0.002, 0.03, -6.0, 1.0, 0, 0, "")
        bag.put(at + 0.1, "contacts", kind, event)


def test_pauses_segments_and_true_contacts(
    make_bag: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = make_bag("a", **LITTLE, edit=paused, more=told_of_it)
    monkeypatch.setattr(rows.Rows.blocks, "__defaults__", (0.4,))
    monkeypatch.setattr(beside, "_BLOCK_S", 0.05)  # so that nothing is received in some blocks
    bags = Demonstrations((bag,), pictures="images", fps=15)
    about = export_bags(bags, "lerobot", tmp_path / "out")
    told = json.loads((tmp_path / "out/beside/episode-000000/episode.json").read_text())
    assert [c["contact_id"] for c in told["contacts"]] == ["c0"], "true ones, and no detected one beside them"
    columns = read(tmp_path / "out")
    forces = zip(columns["left.wrench"], columns["left.wrench.count"], strict=True)
    force = np.concatenate([rows[:count, 0] for rows, count in forces])
    assert len(force) > 20 and np.array_equal(np.diff(force), np.ones(len(force) - 1)), "all that there was"
    times = columns["stamp_ns"] - START_NS
    inside = (times >= 450_000_000) & (times < 600_000_000)
    assert about["paused_frames"] == {"a": np.count_nonzero(inside)} and inside.sum() in (2, 3)
    assert any("lie in pauses" in problem for problem in told["problems"])
    flac, _ = soundfile.read(tmp_path / "out/beside/episode-000000/microphone.flac", dtype="float32")
    assert flac.shape[1] == 2 and not flac[22_000:28_000].any() and flac[29_000:].any()
    tasks = pq.read_table(tmp_path / "out/meta/tasks.parquet").column("task").to_pylist()
    poured = (times >= 200_000_000) & (times < 400_000_000)
    assert [tasks[i] == "pour" for i in columns["task_index"]] == poured.tolist() and poured.any()
    outline = bags.outline(bag, "a")
    found = frame_grid.survey(outline, 15, bags.frames, "", "")
    instructions = rlds._ends(found, 15)["steps/language_instruction"]
    assert [text == b"pour" for text in instructions] == poured.tolist()
    assert not frame_grid.survey(outline, 15, bags.frames, "", "all the same").segments


def test_sound_that_the_disk_does_not_take_is_noticed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros((100, 2)), 48_000, subtype="PCM_24")
    beside._check_whole(tmp_path / "a.flac", 100)
    for damage in ("short", "cut"):
        samples = 101 if damage == "short" else 100
        if damage == "cut":
            (tmp_path / "a.flac").write_bytes(b"fLaC")
        with pytest.raises(OSError, match=r"a\.flac has not got all of its sound: is the disk full"):
            beside._check_whole(tmp_path / "a.flac", samples)


def test_rows_do_not_depend_on_blocks(
    make_bag: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = make_bag("a", **LITTLE, audio_drift_ppm=-50.0, audio_jitter_s=0.001, restart_at=0.4)
    found = []
    for name, seconds in (("whole", 60.0), ("parts", 0.25)):
        monkeypatch.setattr(rows.Rows.blocks, "__defaults__", (seconds,))
        export_bags(Demonstrations((bag,), pictures="images"), "lerobot", tmp_path / name)
        found.append(read(tmp_path / name))
    for name in found[0]:
        if not name.startswith("observation.images"):
            assert np.array_equal(
                found[0][name], found[1][name], equal_nan=name in ("action", "observation.state")
            )
    for file in ("pose", "wrench", "joints"):
        tables = [
            pq.read_table(tmp_path / n / f"beside/episode-000000/{file}.parquet") for n in ("whole", "parts")
        ]
        assert tables[0].equals(tables[1]) and tables[0].num_rows == 200
    assert len(list((tmp_path / "parts/beside/episode-000000").glob("microphone*.flac"))) == 2


def test_it_goes_on_where_it_was_cut_and_does_not_load_before(
    make_bag: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bags = tuple(make_bag(n, **BRIEF, session_id=n, scene_id=n) for n in ("a", "b"))
    given, write, looked = Demonstrations(bags, pictures="images"), lerobot._write_episode, []
    begun = given.identity()["bags"]

    def cut(*args: Any) -> Any:
        looked.append(args[5])
        if len(looked) == 2:
            raise KeyboardInterrupt
        return write(*args)

    monkeypatch.setattr(lerobot, "_write_episode", cut)
    with pytest.raises(KeyboardInterrupt):
        export_bags(given, "lerobot", tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.unfinished/meta").exists()
    with pytest.raises(DatasetError, match="was begun with another content of options `fps`"):
        export_bags(Demonstrations(bags, fps=15, pictures="images"), "lerobot", tmp_path / "out")
    surveys: list[str] = []
    monkeypatch.setattr(demonstrations, "survey", lambda outline, *args: surveys.append(str(outline.path)))
    export_bags(given, "lerobot", tmp_path / "out")
    assert looked == [0, 1, 1] and not surveys, "what was found of the bags is remembered"
    assert len(read(tmp_path / "out", 1)["index"]) > 10
    with open(next(bags[0].glob("*.mcap")), "ab") as file:
        file.write(b"\0")
    now = Demonstrations(bags, pictures="images").identity()["bags"]
    assert now["a"] != begun["a"] and now["b"] == begun["b"], "another content is another source"


def test_bags_without_the_same_devices_are_refused_or_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Surveyed(
        *(
            "",
            "",
            "",
            [],
            0,
            10,
            {"microphone": [48_000, 1]},
            {"microphone": 1600},
            {"camera": [80, 60]},
            ["arm"],
        ),
        *(["arm"], ["arm"], 9, 9, ["z"], "tap", []),
    )
    given = {
        "a": {},
        "b": {"cameras": one.cameras | {"wrist_camera": [80, 60]}},
        "c": {"microphones": {"microphone": [16_000, 1]}},
        "d": {"joints": []},
        "e": {},
        "f": {"split": "foo"},
    }
    for name in given:
        (tmp_path / name).mkdir()

    def surveyed(bags: Any, path: Path, name: str, cache: Path) -> Surveyed:
        return dataclasses.replace(one, session_id=name, scene_id=name, **given[name])

    monkeypatch.setattr(demonstrations, "_surveyed", surveyed)
    bags = tuple(tmp_path / name for name in given)
    with pytest.raises(DatasetError, match=r"/f: split is `foo`, known are train, .*test_seen; .*or none"):
        demonstrations.choose(Demonstrations(bags), tmp_path)
    with pytest.raises(DatasetError, match=r"c: `microphone` has 16000 Hz and 1 channels.*--skip-bad"):
        demonstrations.choose(Demonstrations(bags[:-1]), tmp_path)
    chosen = demonstrations.choose(Demonstrations(bags, skip_bad=True), tmp_path)
    assert sorted(name for _, name, _ in chosen.episodes) == ["a", "b", "e"]
    assert chosen.left_out["d"] == "has no joint `z`, which most of the other bags have"
    assert "f: split is `foo`" in chosen.left_out["f"]
    assert list(chosen.layout.cameras) == ["camera"]
    assert chosen.dropped == ("camera `wrist_camera` is in 1 of 5 bags, which is too few: left out",)


def test_a_recording_without_a_tool_is_refused(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    bag = make_bag("person", **BRIEF, person=True)
    with pytest.raises(DatasetError, match=r"person: there is no pose of the tool.*needs one"):
        export_bags(Demonstrations((bag,), pictures="images"), "lerobot", tmp_path / "out")


def test_without_an_encoder_nothing_is_begun(
    make_bag: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else find(name))
    with pytest.raises(DatasetError, match="pip install av"):
        export_bags(Demonstrations((make_bag("a", **BRIEF),)), "lerobot", tmp_path / "out")
    assert not (tmp_path / "out.unfinished").exists()


def test_a_hand_that_is_no_file_is_named(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    given = Demonstrations((make_bag("a", **BRIEF),), pictures="images", hand="nowhere.yaml")
    with pytest.raises(DatasetError, match=r"hand file `nowhere\.yaml`"):
        export_bags(given, "lerobot", tmp_path / "out")


def test_images_as_video(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("av")
    bag = make_bag("a", **BRIEF)
    export_bags(Demonstrations((bag,)), "lerobot", tmp_path / "out")
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    assert info["features"]["observation.images.camera"]["dtype"] == "video"
    video = cv2.VideoCapture(str(tmp_path / "out/videos/observation.images.camera/chunk-000/file-000.mp4"))
    track = read_episode(bag).frames
    assert track is not None and video.get(cv2.CAP_PROP_FPS) == 30.0
    times = pq.read_table(tmp_path / "out/data/chunk-000/file-000.parquet").column("stamp_ns").to_numpy()
    for time in times:
        good, image = video.read()
        shown = np.asarray(track.read(track.nearest(int(time))), np.float64)
        assert good and np.abs(image[..., ::-1] - shown).max() <= 4, "of 255"
    assert not video.read()[0]
