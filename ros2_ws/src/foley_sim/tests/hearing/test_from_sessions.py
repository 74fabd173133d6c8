"""Clips of sessions: which there are, where they are cut, what they say, and that a set grows with its sessions."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from foley_common.session_file import SessionData, write_session
from foley_sim.commands import sim_hearing
from foley_sim.editions import make_scene
from foley_sim.hearing import from_sessions
from foley_sim.hearing.from_sessions import (
    FromSessionsConfig,
    make_from_sessions,
    plan_clips,
    session_clips,
    untouched,
    whole_sessions,
)
from foley_sim.hearing.vocabulary import ACTIONS, KINDS, RATE, STRIKERS, SUPPORTS
from foley_sim.materials import MATERIALS
from foley_sim.offline.session_set import CONTACTS, SetConfig
from foley_sim.offline.set_folder import claimed
from foley_sim.sound.events import Impact
from foley_sim.world import contact_log
from foley_sim.world.contact_log import SavedContacts

LASTS_S = 20.0
#          time, object, action, rise: of a session with ...
CONTACTS_OF = [
    (0.125, 0, "tap", 30.0),  # before which the file holds less than a clip
    (3.0, 1, "pat", 20.0),
    (3.2, 1, "pat", 20.0),  # before which it was quiet for long enough, unlike after the one before
    (5.0, -1, "tap", 30.0),  # the table
    (6.0, 2, "hit", 5.9),  # too quiet
    (8.0, 2, "press", 6.0),
    (8.5, 2, "hit", 31.5),
    *[(10.0 + 0.5 * i, 0, "knock", 15.0) for i in range(10)],
    (19.8, 1, "hit", 20.0),  # of which the file holds too little
]


def _sound(duration_s: float) -> NDArray[np.int16]:
    """A slow wave that shows the time by its value, as no filter changes it."""
    times = np.arange(round(duration_s * 16_000)) / 16_000
    return np.round(1000 + 100 * times).astype(np.int16)


def _write(folder: Path, seed: int, contacts: list[tuple[float, int, str, float]] = CONTACTS_OF) -> Path:
    scene = make_scene(seed, "stream", "foleysim-1")
    rows = round(LASTS_S * 125)
    pose = np.zeros((rows, 7), np.float32)
    objects = [
        {"object_id": o.object_id, "material": o.material.name, "shape": o.shape, "size": list(o.size)}
        for o in scene.objects
    ]
    facts = {
        "scene_id": scene.scene_id, "split": "train", "edition": "foleysim-1", "scene_split": "stream",
        "scene_seed": seed, "policy_seed": 0, "sound_rate": 16_000, "objects": objects,
        "contact_actions": [action for _, _, action, _ in contacts],
        "contact_rise_db": [rise for *_, rise in contacts],
    }  # fmt: skip
    count = len(contacts)
    data = SessionData(
        facts, _sound(LASTS_S), pose, pose, *np.zeros((2, rows), np.float32), np.zeros((rows, 6), np.float32),
        np.zeros(7, np.float32), np.zeros((0, 3), np.int16), np.zeros((0, 3), np.uint8),
        np.array([c[0] for c in contacts], np.float32), np.zeros(count, np.float32),
        np.array([c[1] for c in contacts], np.int16), np.zeros(count, np.float32), np.zeros(0, np.uint8),
        np.zeros(1, np.int64),
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    path = folder / f"stream-{seed:05d}-p0.npz"
    contact_log.write(path.with_name(path.stem + CONTACTS), _saved([c[0] for c in contacts]))
    write_session(path, data)
    return path


def _saved(times: list[float]) -> SavedContacts:
    events = tuple(Impact(t, "a", (0, 0, 0), (0, 0, 1), 0.01, 0.1) for t in times)
    return SavedContacts("scene", "foleysim-1", 0, LASTS_S, events, np.zeros((0, 2)))


def _set(folder: Path, **changes: Any) -> Path:
    config = SetConfig(**{"out": folder, "sessions": 1, "duration_s": LASTS_S, **changes})
    with claimed(folder, "foley-session-set-1", config.settings):
        return folder


def test_what_stands_by_itself_becomes_a_clip(tmp_path: Path) -> None:
    plan = plan_clips([_write(tmp_path, 3)])
    contacts = [place for place in plan.places if place.contact >= 0]
    assert [CONTACTS_OF[p.contact] for p in contacts] == [CONTACTS_OF[i] for i in (0, 2, 5, 6, *range(7, 17))]
    assert plan.figures == {
        "sessions": 1, "onsets": 18, "contacts": 14, "no_contact": 1, "onsets_of_the_table": 1,
        "onsets_too_quiet": 1, "onsets_not_alone": 2,
    }  # fmt: skip


def test_a_clip_says_what_its_scene_says(tmp_path: Path) -> None:
    path = _write(tmp_path, 3)
    plan = plan_clips([path])
    clips = session_clips(path, plan.places)
    objects = make_scene(3, "stream", "foleysim-1").objects
    assert len(clips) == len(plan.places) == 15
    for place, clip in zip(plan.places, clips, strict=True):
        if place.contact < 0:
            continue
        _, thing, action, rise = CONTACTS_OF[place.contact]
        item = objects[thing]
        assert MATERIALS[clip.material] == item.material.name
        assert clip.log10_e == math.log10(item.material.youngs_modulus)
        assert clip.log10_density == math.log10(item.material.density)
        assert (clip.roughness, clip.hollowness) == (item.material.roughness, item.hollowness)
        assert (ACTIONS[clip.action], clip.snr_db, clip.kind) == (action, rise, 0)
        assert STRIKERS[clip.striker] == ("rubber" if action in ("press", "pat") else "plastic")
        assert SUPPORTS[clip.support] == ("clamped" if item.grasp > 0 else "table")
        assert (clip.onset_s, clip.bandwidth_hz, clip.object_id) == (0.2, 8000.0, 3 * 32 + thing)


def test_sound_is_cut_before_the_next_onset_and_zeros_mean_unknown(tmp_path: Path) -> None:
    path = _write(tmp_path, 3)
    first, _, press, hit, *_ = session_clips(path, plan_clips([path]).places)
    begin = round(0.075 * RATE)
    assert not first.audio[:begin].any() and first.audio[begin:].all()
    end = round((0.2 + 0.5 - 0.03) * RATE)
    assert press.audio[:end].all() and not press.audio[end:].any()
    # 0.6 s into the clip of 8.5 s is 8.9 s.
    assert hit.audio[round(0.6 * RATE)] == pytest.approx(1000 + 100 * 8.9, abs=2)


def test_a_clip_of_no_contact_lies_where_nothing_is_touched(tmp_path: Path) -> None:
    touched = [0.0, 2.0, 3.4, 18.6]
    for seed in range(20):
        begins = sorted(untouched(_saved(touched), np.random.default_rng(seed)))
        assert len(begins) == 2  # 1.4 s are too few, and so are the last ones
        assert 0.3 <= begins[0] <= 0.8 and 3.7 <= begins[1] <= 17.4
    path = _write(tmp_path, 3)
    place = plan_clips([path]).places[-1]
    (clip,) = session_clips(path, [place])
    assert place.contact == -1 and KINDS[clip.kind] == "noise" and clip.audio.all()
    assert (clip.material, clip.action, clip.striker, clip.object_id) == (-1, -1, -1, -1)
    assert math.isnan(clip.onset_s) and math.isnan(clip.log10_e) and math.isnan(clip.snr_db)


def test_a_scene_that_is_another_now_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, 3)
    places = plan_clips([path]).places
    path.replace(tmp_path / "kept.npz")
    with np.load(tmp_path / "kept.npz") as archive:
        fields = dict(archive)
    facts = json.loads(str(fields["facts"]))
    facts["scene_seed"] = 4
    np.savez(path, **{**fields, "facts": np.array(json.dumps(facts))})
    with pytest.raises(ValueError, match="has changed; write it again"):
        session_clips(path, places)


def _here(jobs: Any, work: Any, *, progress: Any, **options: Any) -> tuple[list[int], int]:
    return [work(job, progress) for job in jobs], 0


def test_a_set_grows_with_its_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = _set(tmp_path / "sessions")
    _write(sessions, 1)
    half = _write(sessions, 2)
    half.with_name(half.stem + CONTACTS).rename(tmp_path / "contacts")
    config = FromSessionsConfig(sessions, tmp_path / "out", jobs=1, shard_clips=12)

    def write() -> dict[str, Any]:
        return make_from_sessions(config, plan_clips(whole_sessions(sessions)))

    made = write()
    assert (made["sessions"], made["clips"], made["shards"], made["clips_written"]) == (1, 15, 2, 15)
    assert made["sessions_set"] == json.loads((sessions / "set.json").read_text())["settings"]
    assert made["kind"]["contact"] == 14 and made["action"]["knock"] == 10
    said = json.loads((config.out / "set.json").read_text())
    assert (said["rate"], said["samples"], said["seed"], said["split"]) == (24000, 28800, 0, "train")
    assert said["materials"] == list(MATERIALS) and said["actions"] == list(ACTIONS)
    first = config.out / "shard_00000.safetensors"
    kept = first.stat().st_mtime_ns
    # That it works in other processes is seen; to begin these takes seconds.
    monkeypatch.setattr(from_sessions, "work_off", _here)
    (tmp_path / "contacts").rename(half.with_name(half.stem + CONTACTS))
    made = write()
    assert (made["sessions"], made["clips"], made["shards_written"]) == (2, 30, 2)
    assert first.stat().st_mtime_ns == kept
    assert write()["shards_written"] == 0
    parts = [load_file(path) for path in sorted(config.out.glob("shard_*"))]
    assert [len(part["audio"]) for part in parts] == [12, 12, 6]
    ids = np.concatenate([part["object_id"] for part in parts])
    assert set(ids.tolist()) == {-1, 32, 33, 34, 64, 65, 66}
    with pytest.raises(ValueError, match="sessions"):
        _set(tmp_path / "other", seed=7)
        _write(tmp_path / "other", 7)
        plan = plan_clips(whole_sessions(tmp_path / "other"))
        make_from_sessions(FromSessionsConfig(tmp_path / "other", config.out, 1, 12), plan)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    judge = _set(tmp_path / "judge", edition="foleysim-b", split="test")
    with pytest.raises(ValueError, match="nothing trains on it"):
        FromSessionsConfig(judge, tmp_path / "out")
    with pytest.raises(ValueError, match="holds no set"):
        FromSessionsConfig(tmp_path, tmp_path / "out")
    empty = _set(tmp_path / "empty")
    with pytest.raises(ValueError, match="stands by itself yet"):
        make_from_sessions(FromSessionsConfig(empty, tmp_path / "out"), plan_clips([]))
    parser = argparse.ArgumentParser()
    sim_hearing.configure(parser.add_subparsers())
    args = parser.parse_args(["hearing", "--sessions", str(empty), "--out", "x", "--hours", "2"])
    with pytest.raises(ValueError, match="--hours does not go with --sessions"):
        sim_hearing.run(args)
