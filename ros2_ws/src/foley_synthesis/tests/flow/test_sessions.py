"""Sets of sessions: what is in a crop belongs together, and sets that do not are refused."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_common.session_file import read_session, write_session
from foley_perception.action.contact_motion import GROUPS, MOTION_CHANNELS, NAMES, tip_heights
from foley_perception.action.contact_onsets import surface_contacts
from foley_perception.action.gripper import GripperHand
from foley_perception.config_files import find_config
from foley_synthesis.flow.networks.mel import FINE, LogMel
from foley_synthesis.flow.session_features import at_16_khz, noise_floors, session_features
from foley_synthesis.flow.session_items import SessionsError
from foley_synthesis.flow.sessions import Jitter, Place, SessionSet, load_sessions
from foley_synthesis.flow.what import (
    HOLLOW_COLUMN,
    MATERIALS,
    PRESENCE_COLUMN,
    SHAPE_COLUMNS,
    SHAPES,
    SIZE_COLUMNS,
    WHAT_DIMS,
    under,
    what_of,
)


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("session_files", Path(__file__).parent / "session_files.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_files = _load()
contact_times, falling_session, write_falling = (
    getattr(_files, name) for name in ("contact_times", "falling_session", "write_falling")
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sets")
    return write_falling(root / "train"), write_falling(root / "validation", 1, "validation")


@pytest.fixture(scope="module")
def sessions(folders: tuple[Path, Path]) -> SessionSet:
    return load_sessions(folders)


def test_sessions_hold_no_file_open_and_are_mapped_all_the_same(
    folders: tuple[Path, Path], sessions: SessionSet
) -> None:
    held = [str(link.resolve()) for link in Path("/proc/self/fd").iterdir()]
    assert not [name for name in held if name.startswith(str(folders[0].parent))]
    item = sessions.items[0]
    kept = next((folders[0] / ".features").glob(f"*/{item.path.stem}.npy"))
    np.testing.assert_array_equal(item.features.channels, np.load(kept))
    assert str(kept.resolve()) in Path("/proc/self/maps").read_text()


# ---- features ----------------------------------------------------------------------------------------------
def test_the_planned_height_crosses_zero_at_the_click(sessions: SessionSet) -> None:
    item = sessions.items[0]
    found = surface_contacts(tip_heights(item.features.planned.astype(np.float32)))
    clicks = np.flatnonzero(np.abs(item.sound) > 20_000) / 16_000
    np.testing.assert_allclose(found, clicks, atol=2e-4)
    np.testing.assert_allclose(clicks, contact_times(12.0), atol=1e-4)
    # Executed 4 mm higher: it does not touch.
    assert surface_contacts(tip_heights(item.features.executed.astype(np.float32))).size == 0
    known = NAMES.index("force_known") - MOTION_CHANNELS
    assert item.features.force[:, known].all()


def test_what_is_known_of_a_plan_does_not_depend_on_where_the_hand_was() -> None:
    session = falling_session(4.0)
    moved = session.executed_pose + np.float32([0.0137, -0.0041, 0.001, 0, 0, 0, 0])
    hand = GripperHand.from_yaml("parallel_gripper")
    one, other = (
        session_features(dataclasses.replace(session, executed_pose=pose), hand)
        for pose in (session.executed_pose, moved)
    )
    np.testing.assert_array_equal(one.planned, other.planned)
    assert (one.executed != other.executed).any()


def test_what_lies_under_the_tip_is_the_truth(sessions: SessionSet) -> None:
    what = sessions.items[0].what
    assert what.shape == (1500 // 4, WHAT_DIMS) and what[:, PRESENCE_COLUMN].all()
    first, second = what[5], what[150]  # at 0.2 s and 4.8 s
    assert first[MATERIALS.index("wood")] == 1 and first[SHAPE_COLUMNS][SHAPES.index("box")] == 1
    np.testing.assert_allclose(np.exp(first[SIZE_COLUMNS]) * 0.1, [0.08, 0.06, 0.04], rtol=1e-5)
    assert (first[HOLLOW_COLUMN], second[HOLLOW_COLUMN]) == (1, 0)
    # What is no known material has the column of its own.
    assert second[len(MATERIALS)] == 1 and second[: len(MATERIALS)].sum() == 0


def test_the_nearest_footprint_within_three_centimetres_holds_the_tip() -> None:
    turned = {"shape": "bar", "size": [0.2, 0.04, 0.02], "position": [0, 0, 0.01], "yaw": np.pi / 2}
    disc = {"shape": "disc", "size": [0.1, 0.1, 0.02], "position": [0.2, 0, 0.01]}
    tips = np.array([[0.0, 0.09, 0.1], [0.09, 0.0, 0.1], [0.131, 0.0, 0], [0.06, 0.0, 0], [np.nan, 0, 0]])
    assert under(tips, [turned, disc]).tolist() == [0, -1, 1, -1, -1]
    assert under(tips, []).tolist() == [-1] * 5
    assert what_of({**disc, "material": "wood", "hollowness": 0.3})[HOLLOW_COLUMN] == np.float32(0.3)
    unknown = {**disc, "material": None, "hollowness": None, "wall": None}  # as a scene's YAML may say it
    assert what_of(unknown)[HOLLOW_COLUMN] == 0


def test_floors_are_those_of_the_room_before_and_know_nothing_of_what_comes() -> None:
    session = falling_session(duration_s=12.0, noise=0.001)
    louder = session.sound.copy()
    louder[6 * 16_000 :] = np.clip(louder[6 * 16_000 :].astype(np.int32) * 10, -32768, 32767)
    floors = noise_floors(louder).astype(np.float32)
    assert floors.shape == (24, 80)
    np.testing.assert_array_equal(floors[:13], noise_floors(session.sound).astype(np.float32)[:13])
    # Of 8 s before 12 s only 2 s are soft, which is over a fifth: the floor is still theirs at 11.5 s.
    mel = LogMel(**FINE)(torch.from_numpy(session.sound / 32768.0).float()).numpy()
    np.testing.assert_allclose(floors[12], np.percentile(mel[:, :748], 20, axis=1), atol=0.03)
    assert (floors[23] > floors[12] + 0.01).mean() > 0.9


def test_48_khz_is_lowered_and_other_rates_are_refused() -> None:
    time = np.arange(48_000) / 48_000
    sound = np.round(8_000 * np.sin(2 * np.pi * 500 * time)).astype(np.int16)
    np.testing.assert_allclose(at_16_khz(sound, 48_000)[100:-100], sound[::3][100:-100], atol=60)
    with pytest.raises(ValueError, match="sound_rate is 44100"):
        at_16_khz(sound, 44_100)


def test_a_session_whose_surface_nobody_saw_says_so() -> None:
    session = falling_session(duration_s=3.0)
    blind = dataclasses.replace(
        session, surface_points=np.zeros((0, 3), np.int16), surface_colours=np.zeros((0, 3), np.uint8)
    )
    features = session_features(blind, GripperHand.from_yaml("parallel_gripper"))
    assert not features.planned[:, GROUPS["height"]].any()
    assert features.planned[:, GROUPS["velocity"]].any()


def test_one_pose_that_is_far_off_does_not_take_the_surface_away() -> None:
    session = falling_session(duration_s=2.0)
    hand = GripperHand.from_yaml("parallel_gripper")
    off = session.executed_pose.copy()
    off[100, :2] += 50.0
    kept = session_features(dataclasses.replace(session, executed_pose=off), hand)
    whole = session_features(session, hand)
    heights = kept.planned[:, GROUPS["height"]], whole.planned[:, GROUPS["height"]]
    assert heights[0][:, -1].all()
    np.testing.assert_allclose(heights[0][:, 0], heights[1][:, 0], atol=2e-3)


# ---- crops and windows -------------------------------------------------------------------------------------
def test_everything_of_a_crop_is_of_the_same_stretch(sessions: SessionSet) -> None:
    made = sessions.crops(np.random.default_rng(0), batch=16)
    assert made.sound.shape == (16, 40_960) and made.planned.shape == (16, 320, MOTION_CHANNELS)
    assert made.what.shape == (16, 80, WHAT_DIMS) and made.floor.shape == (16, 80)
    for k, place in enumerate(made.places):
        item = sessions.items[place.session]
        assert item.split == "train" and place.row % 4 == 0
        begin = place.row * 128
        np.testing.assert_allclose(made.sound[k] * 32768, item.sound[begin : begin + 40_960], atol=1e-2)
        np.testing.assert_array_equal(made.planned[k], item.features.planned[place.row : place.row + 320])
        np.testing.assert_array_equal(made.what[k], item.what[place.row // 4 : place.row // 4 + 80])
    again = sessions.crops(np.random.default_rng(0), batch=16)
    assert again.places == made.places


def test_clicks_of_a_crop_lie_where_its_height_is_zero(sessions: SessionSet) -> None:
    made = sessions.crops(np.random.default_rng(1), batch=8)
    for k in range(8):
        clicks = np.flatnonzero(made.sound[k].numpy() > 0.5) / 16_000
        found = surface_contacts(tip_heights(made.planned[k].numpy()))
        inner = clicks[(clicks > 0.02) & (clicks < 2.54)]
        assert len(inner) and all(np.abs(found - click).min() < 2e-4 for click in inner)


def test_jitter_moves_the_plan_in_time_and_both_heights_together(sessions: SessionSet) -> None:
    place = Place(0, 400)
    plain = sessions.batch([place] * 6, 2.56)
    rng = np.random.default_rng(3)
    moved = sessions.batch([place] * 6, 2.56, rng=rng, jitter=Jitter(time_s=0.03, height_m=0.005))
    rng = np.random.default_rng(3)
    shift, lift = rng.uniform(-0.03, 0.03, 6), rng.uniform(-0.005, 0.005, 6)
    assert torch.equal(plain.sound, moved.sound) and torch.equal(plain.force, moved.force)
    before = tip_heights(plain.executed.numpy())
    away = before < 0.1  # a height that is clipped remains so
    np.testing.assert_allclose(
        (tip_heights(moved.executed.numpy()) - before)[away],
        np.broadcast_to(lift[:, None], away.shape)[away],
        atol=1e-4,
    )
    lowered = tip_heights(moved.planned.numpy()) - lift[:, None]
    clicks = (contact_times(12.0) - 3.2)[3:5]
    for k in range(6):
        np.testing.assert_allclose(surface_contacts(lowered[k])[:2], clicks + shift[k], atol=5e-4)
    with pytest.raises(ValueError, match=r"height_m in \[0, 0.1\)"):
        Jitter(height_m=1.0)


def test_a_spliced_crop_goes_on_as_another_one(sessions: SessionSet) -> None:
    rng = np.random.default_rng(5)
    made = sessions.crops(rng, batch=4, spliced=0.5)
    plain = sessions.crops(np.random.default_rng(5), batch=4)
    assert made.places == plain.places
    for k in (0, 1):
        same = (made.planned[k] == plain.planned[k]).all(dim=1).numpy()
        cut = int(np.argmin(same))
        assert cut % 4 == 0 and 0 < cut < 320
        sample = (made.sound[k] == plain.sound[k]).numpy()
        assert sample[: cut * 128].all() and not sample[cut * 128 :].all()
    assert torch.equal(made.planned[2:], plain.planned[2:]) and torch.equal(made.sound[2:], plain.sound[2:])


def test_windows_are_of_one_split_and_lie_one_after_another(sessions: SessionSet) -> None:
    assert [(sessions.items[p.session].split, p.row) for p in sessions.windows("validation")] == [
        ("validation", 0)
    ]
    rows = [p.row for p in sessions.windows("train", 4.0)]
    assert rows == [0, 500, 1000] * 2
    made = sessions.batch(sessions.windows("train", 4.0)[1:2], 4.0)
    assert made.sound.shape == (1, 64_000)
    contacts = sessions.contacts_in(Place(0, 500), 4.0)
    np.testing.assert_allclose(
        sessions.items[0].contacts.time_s[contacts], [t for t in contact_times(12.0) if 4 <= t < 8], atol=1e-5
    )
    assert sessions.hours("train") == pytest.approx(24 / 3600)


def test_earlier_contacts_are_of_the_same_thing_and_newest_first(sessions: SessionSet) -> None:
    # Wood is touched four times, then moss four times, then wood again.
    contacts = sessions.items[0].contacts
    assert contacts.earlier(0, 11.0).tolist() == [10, 9, 8, 3, 2]
    assert contacts.earlier(1, 6.0).tolist() == [5, 4] and contacts.earlier(1, 4.0).size == 0
    made = sessions.batch([Place(0, 1000), Place(0, 0)], 2.56)
    assert made.earlier.tolist() == [[3, 2, 1, 0, -1], [-1] * 5]


def test_bad_lengths_and_splits_without_sessions_are_refused(sessions: SessionSet) -> None:
    with pytest.raises(ValueError, match="no multiple of"):
        sessions.crops(np.random.default_rng(0), seconds=1.0)
    with pytest.raises(SessionsError, match="no session of split `test`"):
        sessions.crops(np.random.default_rng(0), "test")


# ---- sets --------------------------------------------------------------------------------------------------
def test_features_are_kept_until_the_file_changes(tmp_path: Path) -> None:
    folder = write_falling(tmp_path, 1)
    first = load_sessions([folder]).items[0].features
    kept = next(folder.glob(".features/*/*.npy"))
    stamp = kept.stat().st_mtime_ns
    again = load_sessions([folder]).items[0].features
    assert kept.stat().st_mtime_ns == stamp and not again.channels.flags.writeable
    # Mapped, not read, and without a descriptor: of those a process may have 1,024, and sets have more files.
    assert str(kept) in Path("/proc/self/maps").read_text()
    assert str(kept) not in {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}
    np.testing.assert_array_equal(again.channels, first.channels)
    np.testing.assert_array_equal(again.under, first.under)
    begin = kept.read_bytes()[:1000]
    kept.unlink()  # what is mapped above stays
    kept.write_bytes(begin)
    np.testing.assert_array_equal(load_sessions([folder]).items[0].features.channels, first.channels)
    path = next(folder.glob("*.npz"))
    session = read_session(path)
    write_session(path, dataclasses.replace(session, planned_pose=session.executed_pose))
    changed = load_sessions([folder]).items[0].features
    np.testing.assert_array_equal(changed.planned[:, GROUPS["height"]], first.executed[:, GROUPS["height"]])


def test_features_of_a_set_that_cannot_be_written_to_are_kept_with_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_falling(tmp_path / "set", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Root may write everywhere.
    monkeypatch.setattr("foley_synthesis.flow.session_cache.os.access", lambda path, mode: False)
    first = load_sessions([folder])
    assert not (folder / ".features").exists() and caplog.text.count("cannot be written to") == 1
    kept = sorted((tmp_path / "cache" / "foley" / "sets").glob("*/features/*/*.npy"))
    assert [path.stem for path in kept] == [item.path.stem for item in first.items]
    stamp = kept[0].stat().st_mtime_ns
    again = load_sessions([folder])
    assert kept[0].stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(again.items[0].features.channels, first.items[0].features.channels)


def test_features_are_of_the_hand_as_its_file_says_now(tmp_path: Path) -> None:
    folder = write_falling(tmp_path, 1)
    text = find_config("hands", "parallel_gripper").read_text()
    hand = tmp_path / "parallel_gripper.yaml"
    found = []
    for wide in (text, text.replace("wrist: [0.0, 0.0, -0.14]", "wrist: [0.0, 0.0, -0.04]")):
        hand.write_text(wide)
        found.append(
            load_sessions([folder], hand=str(hand)).items[0].features.executed[:, GROUPS["keypoints"]]
        )
    assert np.abs(found[0].astype(float) - found[1]).max() > 0.01


def test_a_file_whose_features_cannot_be_is_named(tmp_path: Path) -> None:
    session = falling_session(duration_s=1.0)
    stills = {**session.facts, "sound_rate": 125}
    write_session(
        tmp_path / "s.npz", dataclasses.replace(session, facts=stills, sound=np.zeros(125, np.int16))
    )
    with pytest.raises(ValueError, match=r"s\.npz: sound_rate is 125 Hz"):
        load_sessions([tmp_path])


def test_sets_that_share_a_scene_or_say_another_split_are_refused(tmp_path: Path) -> None:
    train = write_falling(tmp_path / "train", 1)
    (tmp_path / "test").mkdir()
    shared = falling_session(seed=0, split="test", policy_seed=1)
    write_session(tmp_path / "test" / "x.npz", shared)
    with pytest.raises(SessionsError, match="scene `train-00000` is in split `test`"):
        load_sessions([train, tmp_path / "test"])
    seen = dataclasses.replace(shared, facts={**shared.facts, "split": "test_seen"})
    write_session(tmp_path / "test" / "x.npz", seen)
    assert len(load_sessions([train, tmp_path / "test"]).of("test_seen")) == 1
    with pytest.raises(SessionsError, match="is the same session as"):
        load_sessions([train, train])
    (train / "set.json").write_text(json.dumps({"settings": {"split": "validation"}}))
    with pytest.raises(SessionsError, match="split is `train`, its set's is `validation`"):
        load_sessions([train])
    with pytest.raises(SessionsError, match="holds no sessions"):
        load_sessions([tmp_path])
