"""Clips, splits, manifests."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from foley_perception.action.gripper import HandError
from foley_perception.commands.dataset_report import mixed_lines
from foley_perception.config_files import find_config
from foley_perception.contact_event import Contact
from foley_perception.dataset import schema, splits, store
from foley_perception.dataset.build import build_dataset, editions_of, find_bags, without_scans
from foley_perception.dataset.contacts import merge_contacts
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.manifest import check
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import Clip, DatasetError, LeakError
from foley_perception.dataset.splits import SessionGroup, assign, check_leaks
from foley_perception.dataset.synthetic import MATERIALS, write_synthetic_dataset

MakeBag = Callable[..., Path]
START = 1_800_000_000_000_000_000


def build(folder: Path, *bags: Path, **options: Any) -> Any:
    return build_dataset(bags, folder, workers=1, **options)


# ---- from bags ---------------------------------------------------------------------------------------------
def test_clips_of_a_bag(make_bag: MakeBag, tmp_path: Path) -> None:
    pytest.importorskip("pinocchio")
    report = build(tmp_path / "ds", make_bag())
    assert report.manifest["splits"]["train"]["clips"] == 3 and not report.manifest["skipped"]
    data = ClipDataset(tmp_path / "ds")
    assert [round((c.contact_ns - START) / 1e9, 6) for c in data.clips] == [1.0, 2.0, 3.0]
    clip = data.clips[1]
    assert (clip.material, clip.object_id, clip.scene_id, clip.action) == (
        "wood",
        "block-1",
        "bench-1",
        "tap",
    )
    assert (clip.domain, clip.split, clip.merged, clip.audio_gap_s) == ("sim", "train", 1, 0.0)
    assert clip.speed == pytest.approx(0.4, rel=1e-6) and clip.impulse == pytest.approx(0.03)
    assert clip.contact_ns - clip.start_ns == 250_000_000
    sound = data.audio(1)
    assert sound.shape == (48_000,) and sound.dtype == np.float32
    assert np.abs(sound[:11_990]).max() < 0.01 < 0.3 < np.abs(sound[12_000:12_100]).max()
    # Frame k shows the number k everywhere. Clip frame i is the newest with stamp <= start + (i + 1) / 30 s.
    start_s = (clip.start_ns - START) / 1e9
    newest = [int(np.floor((start_s + (i + 1) / 30) * 30 + 1e-6)) for i in range(30)]
    assert np.abs(data.frames(1)[:, 64, 64, 0].astype(int) - newest).max() <= 1  # JPEG
    still = round((2.0 - 0.6) * 30)
    assert abs(int(data.still(1)[64, 64, 0]) - still) <= 1
    executed, planned = data.action_executed(1), data.action_planned(1)
    row = np.arange(90) / 90 - 0.25
    assert np.allclose(executed[:, 2], np.minimum(0.1, 0.4 * np.abs(row)), atol=1e-3)
    assert np.allclose(executed[:, 6], 0.02) and executed[:, 7].max() > 5 and not planned[:, 7].any()
    inside = np.abs(row) < 0.25
    assert np.allclose(planned[inside, 2], executed[inside, 2], atol=3e-3)
    keypoints = data.keypoints(1)
    assert keypoints.shape == (30, 2, 21, 3)
    assert np.isnan(keypoints[:, 0]).all() and np.isfinite(keypoints[:, 1]).all()
    assert check(tmp_path / "ds")["fingerprint"] == data.fingerprint


def test_without_plans_the_planned_action_is_nan(make_bag: MakeBag, tmp_path: Path) -> None:
    build(tmp_path / "ds", make_bag(plans=False))
    assert np.isnan(ClipDataset(tmp_path / "ds").action_planned(0)).all()


def test_clips_of_a_person(make_bag: MakeBag, tmp_path: Path) -> None:
    """No robot: the tip of a finger is what touches."""
    report = build(
        tmp_path / "ds",
        make_bag(person=True, plans=False, seconds=10.0, contact_times=(1.0, 2.0, 3.0)),
        config=CutConfig(windows=True),
    )
    assert report.manifest["splits"]["train"]["clips"] == 3
    assert "the index finger of the right hand counts as the tool" in str(report.manifest["problems"])
    data = ClipDataset(tmp_path / "ds")
    row = np.arange(90) / 90 - 0.25
    height = data.action_executed(1)[:, 2]
    assert np.abs(height - np.minimum(0.1, 0.4 * np.abs(row))).max() < 0.01  # 30 Hz cut the corner
    assert np.isnan(data.keypoints(1)[:, 0]).all() and np.isfinite(data.keypoints(1)[:, 1]).all()
    assert len(data.windows) == 1 and np.isfinite(data.window_array("action_executed")[0, :, :3]).all()


def test_scans_of_scenes_are_left_out(make_bag: MakeBag, tmp_path: Path) -> None:
    bag, scan = make_bag("a"), make_bag("b", session_id="s2")
    text = (scan / "metadata.yaml").read_text()
    (scan / "metadata.yaml").write_text(text.replace("session_id: s2", "session_id: s2\\nkind: scan"))
    missing = tmp_path / "nothing"  # told where it is read
    assert without_scans([bag, scan, missing]) == [bag, missing]


def test_versions_of_an_edition_in_one_dataset_are_told(make_bag: MakeBag, tmp_path: Path) -> None:
    """Bags of the first version do not say which they are; those of robots are of no edition."""
    bags = []
    for name, more in (
        ("a", "edition: foleysim-1"),
        ("b", "edition: foleysim-1\\nedition_version: '2'"),
        ("c", ""),
    ):
        bag = make_bag(name, plans=False, session_id=f"s-{name}", scene_id=name, objects=((name, "wood"),))
        text = (bag / "metadata.yaml").read_text()
        (bag / "metadata.yaml").write_text(text.replace(f"s-{name}", f"s-{name}\\n{more}"))
        bags.append(bag)
    report = build(tmp_path / "ds", *bags)
    assert report.manifest["editions"] == {"foleysim-1": {"1": 1, "2": 1}}
    (line,) = mixed_lines(report.manifest["editions"])
    assert line.startswith("warning: foleysim-1 is mixed of 1 bags of version 1, 1 bags of version 2")
    assert list(mixed_lines(editions_of(bags[1:]))) == [] and editions_of(bags[2:]) == {}


def test_windows(make_bag: MakeBag, tmp_path: Path) -> None:
    contacts = tuple(float(t) for t in range(1, 17, 2))
    build(
        tmp_path / "ds",
        make_bag(seconds=17.0, contact_times=contacts, plans=False),
        config=CutConfig(windows=True),
    )
    data = ClipDataset(tmp_path / "ds")
    assert len(data.windows) == 2 and len(data.windows[0].contacts) == 4
    assert data.window_audio(1).shape == (8 * 48_000,) and data.window_frames(1).shape == (32, 60, 80, 3)
    assert abs(int(data.window_frames(0)[3, 5, 5, 0]) - 30) <= 1
    assert data.window_array("keypoints").shape == (2, 240, 2, 21, 3)
    tip = data.window_array("action_executed")[0]
    assert np.isfinite(tip[1:-1]).all() and tip[:, 2].min() == pytest.approx(0.05, abs=3e-3)


def test_close_contacts_are_merged(make_bag: MakeBag, tmp_path: Path) -> None:
    build(tmp_path / "ds", make_bag(close_pair=True, plans=False))
    assert [c.merged for c in ClipDataset(tmp_path / "ds").clips] == [2, 1, 1]
    events = tuple(Contact(round(t * 1e9), "", "", (0.0, 0.0, 0.0), 1, 0.0, 0.0) for t in (0, 0.2, 0.4, 0.8))
    assert [m.merged for m in merge_contacts(events, 0.3)] == [3, 1]
    assert [m.merged for m in merge_contacts(events, 0.0)] == [1, 1, 1, 1]


def test_contacts_with_missing_sound_are_left_out(make_bag: MakeBag, tmp_path: Path) -> None:
    report = build(tmp_path / "ds", make_bag(audio_gap=(2.1, 2.3)))
    assert report.manifest["splits"]["train"]["clips"] == 2
    assert report.manifest["skipped"] == {"sound is missing": 1}
    assert "gaps" in json.dumps(report.manifest["problems"])


def test_contacts_by_ear(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = make_bag(truth=False, scene=False)
    build(tmp_path / "ds", bag)
    data = ClipDataset(tmp_path / "ds")
    assert [c.domain for c in data.clips] == ["real"] * 3 and data.clips[0].material == ""
    assert [(c.contact_ns - START) / 1e9 for c in data.clips] == pytest.approx([1.0, 2.0, 3.0], abs=0.01)
    assert data.clips[0].position[2] == pytest.approx(0.05, abs=0.005)


def test_44100_hz_becomes_48000(make_bag: MakeBag, tmp_path: Path) -> None:
    build(tmp_path / "ds", make_bag(sample_rate=44_100))
    sound = ClipDataset(tmp_path / "ds").audio(0)
    assert np.abs(sound[:11_900]).max() < 0.01 < 0.3 < np.abs(sound[12_000:12_100]).max()


# ---- again and again ---------------------------------------------------------------------------------------
def test_same_input_same_fingerprint(make_bag: MakeBag, tmp_path: Path) -> None:
    bags = [
        make_bag("a", plans=False),
        make_bag(
            "b", plans=False, session_id="s2", scene_id="bench-2", split="test", objects=(("cup", "glass"),)
        ),
    ]
    first = build(tmp_path / "one", *bags)
    again = build_dataset(bags[::-1], tmp_path / "two", workers=2)
    assert first.manifest["fingerprint"] == again.manifest["fingerprint"]
    assert first.cut == 2
    resumed = build(tmp_path / "one", *bags)
    assert resumed.cut == 0 and resumed.manifest == first.manifest
    assert build(tmp_path / "one", bags[0]).manifest["fingerprint"] != first.manifest["fingerprint"]
    assert len(list((tmp_path / "one" / "audio").iterdir())) == 3  # what is no longer part is gone
    changed = build(tmp_path / "one", bags[0], config=CutConfig(merge_s=0.1))
    assert changed.cut == 1


def test_what_a_gripper_s_file_says_is_part_of_a_cut(make_bag: MakeBag, tmp_path: Path) -> None:
    bag, hand = make_bag("a", plans=False, seconds=2.0, contact_times=(1.0,)), tmp_path / "mine.yaml"
    text = find_config("hands", "parallel_gripper").read_text()
    cut = []
    for content in (text, text, text.replace("default: 0.01", "default: 0.02")):
        hand.write_text(content)
        cut.append(build(tmp_path / "ds", bag, config=CutConfig(hand=str(hand))).cut)
    assert cut == [1, 0, 1]
    with pytest.raises(HandError, match="nowhere"):
        build(tmp_path / "ds", bag, config=CutConfig(hand="nowhere.yaml"), skip_bad=True)


def test_tampering_is_noticed(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path / "ds", clips_per_split=2)
    assert check(tmp_path / "ds")["splits"]["test"]["clips"] == 2
    media = sorted((tmp_path / "ds" / "audio").iterdir())
    original = media[0].read_bytes()
    media[0].write_bytes(media[1].read_bytes())
    with pytest.raises(DatasetError, match="changed after it was built"):
        check(tmp_path / "ds")
    media[0].unlink()
    with pytest.raises(DatasetError, match="build the dataset again"):
        check(tmp_path / "ds")
    with pytest.raises(DatasetError, match="cannot read audio"):
        ClipDataset(tmp_path / "ds").audio(0)
    media[0].write_bytes(original)
    check(tmp_path / "ds")


def test_unreadable_datasets(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no manifest\.json"):
        ClipDataset(tmp_path)
    write_synthetic_dataset(tmp_path / "ds", clips_per_split=1)
    (tmp_path / "ds" / "clips.parquet").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"clips\.parquet"):
        ClipDataset(tmp_path / "ds")
    manifest = tmp_path / "ds" / "manifest.json"
    manifest.write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(DatasetError, match="schema_version is 99"):
        ClipDataset(tmp_path / "ds")
    with pytest.raises(DatasetError, match="split is `dev`"):
        write_synthetic_dataset(tmp_path / "two", clips_per_split=1, splits=("dev",))


def test_bad_bags(make_bag: MakeBag, tmp_path: Path) -> None:
    good, bad = make_bag("good", plans=False), make_bag("bad", encoding="hsv8")
    with pytest.raises(DatasetError, match=r"bad: .*hsv8.*--skip-bad"):
        build(tmp_path / "ds", good, bad)
    assert not (tmp_path / "ds" / "manifest.json").exists()
    report = build(tmp_path / "ds", good, bad, skip_bad=True)
    assert list(report.failed) == [str(bad)] and report.manifest["left_out"]
    with pytest.raises(DatasetError, match="does not exist"):
        find_bags([tmp_path / "nowhere"])
    assert set(find_bags([tmp_path, good])) == {good, bad}


# ---- splits ------------------------------------------------------------------------------------------------
def clip(**fields: Any) -> Clip:
    values: dict[str, Any] = {
        "clip_id": "c",
        "session_id": "s",
        "scene_id": "scene",
        "object_id": "o",
        "split": "train",
        "domain": "real",
        "contact_ns": 0,
        "start_ns": 0,
        "action": "tap",
        "material": "",
        "log10_youngs_modulus": 0.0,
        "roughness": 0.0,
        "hollowness": 0.0,
        "impulse": 0.0,
        "speed": 0.0,
        "position": (0.0, 0.0, 0.0),
    }
    return Clip(**{**values, **fields})


@pytest.mark.parametrize("shared", ["session_id", "scene_id", "object_id"])
def test_leaks_are_refused(shared: str) -> None:
    other = {"session_id": "s2", "scene_id": "scene2", "object_id": "o2", "clip_id": "d", "split": "test"}
    check_leaks([clip(), clip(**other)])
    del other[shared]
    with pytest.raises(LeakError, match=shared.removesuffix("_id")):
        check_leaks([clip(), clip(**other)])


def test_overlapping_times_of_one_machine_are_refused() -> None:
    first = clip(origin="robot", start_ns=10 * 10**9)
    other = {"session_id": "s2", "scene_id": "x2", "object_id": "o2", "clip_id": "d", "split": "test"}
    with pytest.raises(LeakError, match="overlap in time on `robot`"):
        check_leaks([first, clip(**other, origin="robot", start_ns=10_900_000_000)])
    check_leaks([first, clip(**other, origin="robot", start_ns=11_000_000_000)])
    check_leaks([first, clip(**other, origin="other", start_ns=10_900_000_000)])
    check_leaks([first, clip(**{**other, "split": "train"}, origin="robot", start_ns=10_900_000_000)])


def test_a_leaking_build_is_refused(make_bag: MakeBag, tmp_path: Path) -> None:
    """The same object in a train scene and in a test scene."""
    bags = [
        make_bag("a", plans=False),
        make_bag("b", plans=False, session_id="s2", scene_id="bench-2", split="test"),
    ]
    with pytest.raises(LeakError, match="block-1") as raised:
        build(tmp_path / "ds", *bags)
    told = str(raised.value)
    assert f"session `s2` ({bags[1]}) is given to test and session `s1` ({bags[0]}) to train" in told
    assert "metadata (`foley record --metadata`), else of its sim/scene: give both one split" in told
    assert not (tmp_path / "ds" / "manifest.json").exists()


def test_assignment() -> None:
    groups = [SessionGroup(f"s{i}", f"scene{i // 2}", frozenset({f"o{i // 4}"}), "") for i in range(400)]
    sides = assign(groups)
    for i in range(0, 400, 4):  # an object ties four sessions in two scenes
        assert len({sides[f"s{j}"] for j in range(i, i + 4)}) == 1
    shares = [sum(side == split for side in sides.values()) / 400 for split in schema.ASSIGNED]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.12)
    assert assign(groups[:200]) == {s: side for s, side in sides.items() if int(s[1:]) < 200}
    given = assign(
        [SessionGroup("a", "x", frozenset({"o"}), "test"), SessionGroup("b", "y", frozenset({"o"}), "")]
    )
    assert given == {"a": "test", "b": "test"}
    assert set(assign(groups, {"validation": 1.0}).values()) == {"validation"}
    for shares_ in ({"dev": 1.0}, {"train": 0.0}, {"train": 2.0, "test": -1.0}):
        with pytest.raises(DatasetError, match="shares"):
            assign(groups, shares_)
    with pytest.raises(DatasetError, match="split is `dev`"):
        assign([SessionGroup("a", "x", frozenset(), "dev")])
    assert splits.DEFAULT_SHARES["train"] == 0.7


def test_seen_scenes_may_be_shared_with_training_only() -> None:
    """`test_seen` shares scenes and objects with `train`, never a session, and nothing with other sides."""
    train, seen = clip(), clip(clip_id="d", session_id="s2", split="test_seen")
    check_leaks([train, seen])
    with pytest.raises(LeakError, match="session `s`"):
        check_leaks([train, clip(clip_id="d", split="test_seen")])
    for side in ("validation", "test"):
        with pytest.raises(LeakError, match="scene"):
            check_leaks([seen, clip(clip_id="e", session_id="s3", split=side)])
    with pytest.raises(LeakError, match="overlap in time"):
        check_leaks(
            [clip(origin="robot"), clip(clip_id="d", session_id="s2", split="test_seen", origin="robot")]
        )


def test_seen_scenes_are_given_and_never_assigned() -> None:
    def group(name: str, scene: str, split: str) -> SessionGroup:
        return SessionGroup(name, scene, frozenset({f"o-{scene}"}), split)

    sessions = [group("a", "x", "train"), group("b", "x", "test_seen"), group("c", "x", "")]
    assert assign(sessions) == {"a": "train", "b": "test_seen", "c": "train"}
    for side in ("validation", "test"):
        with pytest.raises(LeakError, match="test_seen"):
            assign([group("a", "x", side), group("b", "x", "test_seen")])
    with pytest.raises(LeakError, match="one split"):
        assign([group("a", "x", "train"), group("a", "x", "test_seen")])
    with pytest.raises(DatasetError, match="shares"):
        assign(sessions, {"test_seen": 1.0})


# ---- the made-up one -----------------------------------------------------------------------------------------
def test_synthetic_dataset(tmp_path: Path) -> None:
    manifest = write_synthetic_dataset(tmp_path / "a", clips_per_split=6, seed=1)
    assert (
        manifest["fingerprint"]
        == write_synthetic_dataset(tmp_path / "b", clips_per_split=6, seed=1)["fingerprint"]
    )
    assert (
        manifest["fingerprint"]
        != write_synthetic_dataset(tmp_path / "c", clips_per_split=6, seed=2)["fingerprint"]
    )
    data = ClipDataset(tmp_path / "a")
    assert len(data) == 18 and {len(data.indices(s)) for s in schema.ASSIGNED} == {6}
    assert manifest["vocabulary"]["materials"] == sorted(MATERIALS[:4])
    frames, still = data.frames_and_still(0)
    assert np.array_equal(frames, data.frames(0)) and np.array_equal(still, data.still(0))
    with pytest.raises(DatasetError, match="split is `dev`"):
        data.indices("dev")


def test_a_dataset_older_than_reactions_is_read_and_whole(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path, clips_per_split=2)
    path = tmp_path / "clips.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["reaction"]), path)
    assert [c.reaction for c in ClipDataset(tmp_path).clips] == [""] * len(ClipDataset(tmp_path))
    assert check(tmp_path)
    pq.write_table(pq.read_table(path).drop_columns(["material"]), path)
    with pytest.raises(DatasetError, match="columns material are missing"):
        ClipDataset(tmp_path)


def test_sound_that_the_disk_does_not_take_is_an_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-1.0, 1.0, 17_000).astype(np.float32)  # 51 kB
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError):
            store.write_audio(tmp_path / "a.flac", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
