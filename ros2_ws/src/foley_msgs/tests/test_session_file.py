"""Session files: what is written is read, and what does not fit together is refused by name."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_common.session_file import SCHEMA, SessionData, read_arrays, read_session, write_session


def a_session(**changes: Any) -> SessionData:
    """Two seconds with one contact and two moments of one view."""
    poses = np.tile(np.array([0, 0, 0.1, 0, 0, 0, 1], np.float32), (250, 1))
    session = SessionData(
        facts={
            "scene_id": "train-00000",
            "split": "train",
            "sound_rate": 16_000,
            "objects": [{"object_id": "a", "material": "wood"}],
            "view_names": ["global"],
        },
        sound=np.arange(32_000).astype(np.int16),
        planned_pose=poses,
        executed_pose=poses + np.float32(0.001),
        planned_width=np.full(250, np.nan, np.float32),
        executed_width=np.full(250, 0.04, np.float32),
        wrench=np.zeros((250, 6), np.float32),
        tool_tip=np.array([0, 0, 0.1, 0, 0, 0, 1], np.float32),
        surface_points=np.array([[1000, -2000, 300]], np.int16),
        surface_colours=np.array([[10, 20, 30]], np.uint8),
        contact_s=np.array([1.25], np.float32),
        contact_planned_s=np.array([1.24], np.float32),
        contact_object=np.array([0], np.int16),
        contact_impulse=np.array([0.02], np.float32),
        view_bytes=np.frombuffer(b"firstsecond", np.uint8).copy(),
        view_offsets=np.array([0, 5, 11], np.int64),
    )
    return dataclasses.replace(session, **changes)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    session = a_session()
    write_session(tmp_path / "a.npz", session)
    read = read_session(tmp_path / "a.npz")
    assert read.facts == session.facts
    for field in dataclasses.fields(SessionData):
        if field.name != "facts":
            assert np.array_equal(
                getattr(read, field.name), getattr(session, field.name), equal_nan="width" in field.name
            )
    assert (read.duration_s, read.views, read.view(1, "global")) == (2.0, 2, b"second")
    assert np.allclose(read.points(), [[0.1, -0.2, 0.03]])
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sound": np.zeros(31_999, np.int16)}, "sound has 31999 samples"),
        ({"sound": np.zeros(32_000, np.float32)}, "sound is float32"),
        ({"wrench": np.zeros((249, 6), np.float32)}, "wrench has 249 rows"),
        ({"contact_object": np.array([1], np.int16)}, "contact_object"),
        ({"facts": {"scene_id": "a"}}, "facts lack split, sound_rate, objects"),
        ({"facts": {**a_session().facts, "objects": None}}, "objects is no list"),
        ({"facts": {**a_session().facts, "sound_rate": "fast"}}, "sound_rate is fast"),
        ({"tool_tip": np.zeros(3, np.float32)}, "tool_tip has 3 numbers"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        a_session(**changes)


def test_some_arrays_are_read_without_the_others(tmp_path: Path) -> None:
    session = a_session()
    write_session(tmp_path / "a.npz", session)
    facts, arrays = read_arrays(tmp_path / "a.npz", "sound", "contact_s")
    assert facts == session.facts and list(arrays) == ["sound", "contact_s"]
    assert np.array_equal(arrays["sound"], session.sound)
    with pytest.raises(ValueError, match=r"a\.npz: lacks wrenches"):
        read_arrays(tmp_path / "a.npz", "wrenches")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_session(path, a_session())
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match=r"a\.npz: damaged"):
        read_session(path)
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"a\.npz: damaged"):
        read_session(path)


def test_a_foreign_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npz: damaged, or no session's file \(one array alone"):
        read_session(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facts", b"no array")
    with pytest.raises(ValueError, match=r"a\.npz: damaged, or no session's file \(facts: no array"):
        read_session(path)
    for text, said in (("{", "no JSON"), ("[]", "no names with values")):
        np.savez(path, schema=np.array(SCHEMA), facts=np.array(text))
        with pytest.raises(ValueError, match=rf"a\.npz: facts are {said}"):
            read_arrays(path)


def test_processes_that_write_one_file_do_not_share_a_partial_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, names = tmp_path / "a.npz", set[str]()
    whole = np.savez

    def save(file: Any, **fields: Any) -> None:
        names.add(file.name)
        if len(names) == 1:  # another process writes it meanwhile, from beginning to end
            with monkeypatch.context() as other:
                other.setattr(os, "getpid", lambda: 1)
                write_session(path, a_session())
        whole(file, **fields)

    monkeypatch.setattr(np, "savez", save)
    write_session(path, a_session())
    assert len(names) == 2 and [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    assert np.array_equal(read_session(path).sound, a_session().sound)
