"""Contacts of session files as clips."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from foley_common.session_file import MOTION_RATE, SessionData, write_session
from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.training.aligned import heard_lag_s
from foley_synthesis.vis.training.sessions import BLIND, session_clips

RATE = 16_000
CONTACTS_S = (0.1, 1.0, 1.12, 2.0, 3.0)  # the first is too near to the beginning, the third joins the second


def session(scene: str, split: str = "train") -> SessionData:
    """4 s in which a tip comes straight down, at 0.2 m/s, to the surface at each contact, and up again."""
    rows, rng = 4 * MOTION_RATE, np.random.default_rng(3)
    times = np.arange(rows) / MOTION_RATE
    height = 0.2 * np.abs(times[:, None] - np.array(CONTACTS_S)[None]).min(axis=1)
    pose = np.zeros((rows, 7), np.float32)
    pose[:, 2], pose[:, 6] = 0.3 + height, 1.0
    sound = 5.0 * rng.standard_normal(4 * RATE)
    for at in CONTACTS_S:
        begin = round(at * RATE)
        time = np.arange(len(sound) - begin) / RATE
        sound[begin:] += 8000.0 * np.exp(-time / 0.02) * rng.standard_normal(len(time))
    tip = np.array([0, 0, 0.1, 0, 0, 0, 1], np.float32)
    tip[2] = -0.3  # the tip is where the tool's height is 0.3
    wrench = np.zeros((rows, 6), np.float32)
    wrench[:, 2] = 2.0
    facts = {
        "scene_id": scene,
        "split": split,
        "sound_rate": RATE,
        "objects": [{"object_id": f"{scene}-a", "material": "wood", "hollowness": 0.5}],
        "contact_actions": ["tap", "hit", "hit", "press", "tap"],
    }
    count = len(CONTACTS_S)
    return SessionData(
        facts=facts,
        sound=sound.astype(np.int16),
        planned_pose=pose,
        executed_pose=pose,
        planned_width=np.full(rows, 0.02, np.float32),
        executed_width=np.full(rows, 0.02, np.float32),
        wrench=wrench,
        tool_tip=tip,
        surface_points=np.zeros((0, 3), np.int16),
        surface_colours=np.zeros((0, 3), np.uint8),
        contact_s=np.array(CONTACTS_S, np.float32),
        contact_planned_s=np.array([*CONTACTS_S[:-1], np.nan], np.float32),
        contact_object=np.array([0, 0, 0, -1, 0], np.int16),
        contact_impulse=np.zeros(count, np.float32),
        view_bytes=np.zeros(0, np.uint8),
        view_offsets=np.zeros(1, np.int64),
    )


def test_contacts_become_clips_as_the_builder_cuts_them(tmp_path: Path) -> None:
    write_session(tmp_path / "a-p0.npz", session("a"))
    write_session(tmp_path / "b-p0.npz", session("b", "validation"))
    features, rate = session_clips([tmp_path], ModelConfig(**BLIND))
    assert rate == RATE
    # Of each session the contacts at 1 and 2 s: the last has no plan.
    assert [(c.clip_id, c.action, c.material, c.split) for c in features.clips] == [
        ("a-p0_0001", "hit", "wood", "train"),
        ("a-p0_0003", "press", "", "train"),
        ("b-p0_0001", "hit", "wood", "validation"),
        ("b-p0_0003", "press", "", "validation"),
    ]
    assert features.clips[1].object_id == "a-table"
    at = int(ONSET_FRAME)
    for action in (features.planned, features.executed):
        assert action[0, at - 8, :3] == pytest.approx([0, 0, 0.2 * 8.5 / 90], abs=1e-4)
        assert action[0, at - 8, 5] == pytest.approx(-0.2, abs=1e-3)
    assert np.all(features.planned[..., 7] == 0.0) and features.executed[0, at, 7] == pytest.approx(2.0)
    assert features.aligned is not None
    assert features.aligned.lag_s == pytest.approx(np.zeros(4), abs=0.004)
    assert [heard_lag_s(one) for one in features.cochleagram] == pytest.approx(np.zeros(4), abs=0.004)
    assert features.still.shape == (4, 3, 1) and features.frames.shape == (4, 10, 1)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no sessions"):
        session_clips([tmp_path], ModelConfig(**BLIND))
    write_session(tmp_path / "a-p0.npz", session("a"))
    write_session(tmp_path / "a-p1.npz", session("a", "test"))
    with pytest.raises(ValueError, match=r"a-p1.npz: scene `a` is in splits `test` and `train`"):
        session_clips([tmp_path], ModelConfig(**BLIND))
    only = session("a")
    late = dataclasses.replace(only, contact_planned_s=np.full(len(CONTACTS_S), np.nan, np.float32))
    (tmp_path / "a-p1.npz").unlink()
    write_session(tmp_path / "a-p0.npz", late)
    with pytest.raises(ValueError, match="no contact with a second of sound"):
        session_clips([tmp_path], ModelConfig(**BLIND))
