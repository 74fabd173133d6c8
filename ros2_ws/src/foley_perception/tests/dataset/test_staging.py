"""One bag's failure costs that bag; nothing is mixed, and nothing is left out without a word."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from foley_perception.commands import dataset as command
from foley_perception.commands.dataset_report import MAX_PROBLEMS, problem_lines
from foley_perception.dataset import build as building
from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.manifest import check
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.workers import DIED, each

MakeBag = Callable[..., Path]
START = 1_800_000_000_000_000_000


def build(folder: Path, *bags: Path, **options: Any) -> Any:
    return build_dataset(bags, folder, **{"workers": 1, "skip_bad": True, **options})


def run(*words: str) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))


# ---- failures ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (MemoryError(), "MemoryError"),
        (OSError("no space"), "no space"),
        (ValueError("a wrong value"), "a wrong value"),
    ],
)
def test_whatever_one_bag_does_costs_that_bag(
    error: Exception, told: str, make_bag: MakeBag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = make_bag("good", plans=False), make_bag("bad", plans=False, session_id="s2")
    real = building.cut_bag

    def cut(outline: Any, *args: Any) -> Any:
        if outline.path == bad:
            raise error
        return real(outline, *args)

    monkeypatch.setattr(building, "cut_bag", cut)
    report = build(tmp_path / "ds", bad, good)
    assert list(report.failed) == [str(bad)] and told in report.failed[str(bad)]
    assert {clip.session_id for clip in ClipDataset(tmp_path / "ds").clips} == {"s1"}
    assert not list((tmp_path / "ds" / "parts").glob("bad*")) and report.cut == 1
    with pytest.raises(DatasetError, match="leave such out with --skip-bad"):
        build(tmp_path / "other", bad, good, skip_bad=False)


def give_split(folder: Path, split: str) -> None:
    """To a bag's metadata, as a recorder did that took any."""
    file = folder / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    custom = content["rosbag2_bagfile_information"]["custom_data"]
    custom["foley.session"] = yaml.safe_dump(yaml.safe_load(custom["foley.session"]) | {"split": split})
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("of_scene", [False, True])
def test_a_split_that_there_is_not_costs_that_bag(
    of_scene: bool, make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, out = make_bag("good", plans=False), tmp_path / "ds"
    other = {"plans": False, "session_id": "s2", "scene_id": "x2", "objects": (("cup", "glass"),)}
    bad = make_bag("bad", **other, split="foo" if of_scene else "test")
    if not of_scene:
        give_split(bad, "foo")
    words = ("build", str(good), str(bad), "--out", str(out), "--workers", "1")
    assert run(*words) == 2
    told = f"{bad}: split is `foo`, known are train, validation, test, test_seen; "
    printed = capsys.readouterr().err
    assert told in printed and "name one of these there, or none; correct it, or leave such out" in printed
    assert run(*words, "--skip-bad") == 0
    assert f"left out {told}" in capsys.readouterr().out
    assert {clip.session_id for clip in ClipDataset(out).clips} == {"s1"}


def test_a_kept_part_with_a_split_that_there_is_not_is_cut_again(make_bag: MakeBag, tmp_path: Path) -> None:
    """As earlier releases kept it."""
    build(tmp_path, make_bag("good", plans=False))
    (part,) = (tmp_path / "parts").glob("*.json")
    kept = json.loads(part.read_text())
    part.write_text(json.dumps(kept | {"split": "foo"}))
    assert build(tmp_path, tmp_path / "good").cut == 1 and json.loads(part.read_text()) == kept


def test_an_interruption_is_none_of_a_bags_failures(
    make_bag: MakeBag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "cut_bag", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "ds", make_bag())


WORK = """
import os, signal
def work(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 5:
        raise ZeroDivisionError("division by zero")
    return "is bad" if item == 7 else item * item
"""


def test_a_worker_that_dies_takes_no_other_item_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work_of_a_test.py").write_text(WORK)  # a process that is spawned must be able to import it
    monkeypatch.syspath_prepend(tmp_path)
    found = dict(each(range(9), importlib.import_module("work_of_a_test").work, 2))
    assert found.pop(3) == DIED and found.pop(5) == "cannot be used (ZeroDivisionError: division by zero)"
    assert found.pop(7) == "is bad"
    assert found == {n: n * n for n in (0, 1, 2, 4, 6, 8)}


def test_a_build_of_which_nothing_is_left_fails(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = make_bag("silent", plans=False, audio_gap=(0.0, 3.9))
    bad = make_bag("bad", plans=False, session_id="s2", encoding="hsv8")
    out = tmp_path / "ds"
    assert run("build", str(silent), str(bad), "--out", str(out), "--skip-bad", "--workers", "1") == 2
    told = capsys.readouterr().err
    assert "no clip and no window is left of 2 recordings" in told
    assert f"{silent}: 3 contacts: sound is missing" in told and f"{bad}: " in told and "hsv8" in told
    assert not (out / "manifest.json").exists()


def test_what_was_left_out_is_told_at_the_end(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holed = make_bag("holed", plans=False, audio_gap=(2.1, 2.3))
    bad = make_bag("bad", plans=False, session_id="s2", encoding="hsv8")
    out = tmp_path / "ds"
    assert run("build", str(holed), str(bad), "--out", str(out), "--skip-bad", "--workers", "1") == 0
    told = capsys.readouterr().out
    assert f"left out {bad}: " in told and "hsv8" in told
    assert "1 contacts without a clip: sound is missing" in told
    assert "holed: /mic/audio: 1 gaps, 0.200 s of sound are missing" in told


def test_problems_are_few_lines() -> None:
    many = {f"bag{i}": ["the same", f"its own {i}"] for i in range(50)}
    lines = list(problem_lines(many))
    assert lines[0] == "bag0, bag1, bag2 and 47 more: the same"
    assert len(lines) == MAX_PROBLEMS + 1 and lines[-1].startswith("31 more problems are in manifest.json")


# ---- names -------------------------------------------------------------------------------------------------
def test_names_are_not_cut_at_a_dot_and_are_kept_apart(make_bag: MakeBag, tmp_path: Path) -> None:
    bags = []
    for k, name in enumerate(("run.1", "run.2", "monday/run", "tuesday/run", "a b", "a_b")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        bags.append(
            make_bag(name, plans=False, session_id="", scene_id=f"scene{k}", objects=((f"o{k}", "wood"),))
        )
    report = build(tmp_path / "ds", *bags)
    assert not report.failed
    data = ClipDataset(tmp_path / "ds")
    sessions = {clip.session_id: clip.scene_id for clip in data.clips}
    assert sessions == {
        "run.1": "scene0", "run.2": "scene1", "monday/run": "scene2", "tuesday/run": "scene3", "a b": "scene4",
        "a_b": "scene5",
    }  # fmt: skip
    assert len({clip.clip_id for clip in data.clips}) == 18
    assert all(set("/ ").isdisjoint(clip.clip_id) for clip in data.clips)
    assert check(tmp_path / "ds")["fingerprint"] == data.fingerprint


def test_two_recordings_of_one_session_are_not_mixed(make_bag: MakeBag, tmp_path: Path) -> None:
    one, two = make_bag("one", plans=False), make_bag("two", plans=False, contact_times=(1.5,))
    for workers in (1, 2):
        out = tmp_path / f"{workers}"
        report = build(out, one, two, workers=workers)
        told = f"its session_id `s1` is that of {one} as well"
        assert list(report.failed) == [str(two)] and told in report.failed[str(two)]
        assert [round((c.contact_ns - 1_800_000_000 * 10**9) / 1e9, 3) for c in ClipDataset(out).clips] == [
            1.0,
            2.0,
            3.0,
        ]
        assert check(out)
    with pytest.raises(DatasetError, match="the same recording twice"):
        build(tmp_path / "ds", one, two, skip_bad=False)


# ---- without a camera, without a microphone ----------------------------------------------------------------
def without(*topics: str) -> Callable[..., list[Any]]:
    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        return [] if topic in topics else [(arrival, topic, kind, message)]

    return edit


@pytest.mark.parametrize(
    ("lacking", "lacks", "told"),
    [
        (("camera/image_raw", "camera/camera_info"), "camera", "no camera/image_raw was recorded"),
        (("camera/camera_info",), "camera", "where it stands is not known"),
        (("mic/audio",), "microphone", "no mic/audio was recorded"),
    ],
)
def test_a_bag_gives_what_it_has(
    lacking: tuple[str, ...],
    lacks: str,
    told: str,
    make_bag: MakeBag,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = make_bag("whole", plans=False, seconds=10.0)
    poor = make_bag(
        "poor", plans=False, seconds=10.0, session_id="s2", scene_id="bench-2", objects=(("cup", "glass"),),
        edit=without(*lacking),
    )  # fmt: skip
    out = tmp_path / "ds"
    assert run("build", str(whole), str(poor), "--out", str(out), "--windows", "--workers", "1") == 0
    said = capsys.readouterr().out
    assert "poor: " in said and told in said
    assert "3 of 6 clips" in said and f"are without a {lacks}" in said
    everything, complete = ClipDataset(out), ClipDataset(out, complete=True)
    assert [clip.without for clip in everything.clips] == [()] * 3 + [(lacks,)] * 3
    assert [clip.session_id for clip in complete.clips] == ["s1"] * 3
    assert complete.left_out[0] == f"3 clips of 6 are left out: their recordings had no {lacks}"
    assert everything.action_executed(3)[22, 2] == pytest.approx(complete.action_executed(0)[22, 2])
    with pytest.raises(DatasetError, match=f"its recording had no {lacks}"):
        everything.still(3) if lacks == "camera" else everything.audio(3)
    if lacks == "camera":
        assert (everything.audio(3) == everything.audio(0)).all()
    else:
        assert (everything.frames(3) == everything.frames(0)).all()
    # Whole pictures need no calibration.
    assert [w.without for w in everything.windows] == [
        (),
        () if lacking == ("camera/camera_info",) else (lacks,),
    ]
    assert run("check", str(out)) == 0 and "are without a" in capsys.readouterr().out
    shards = tmp_path / "shards"
    assert run("export", str(out), "--format", "webdataset", "--out", str(shards)) == 0
    assert json.loads((shards / "export.json").read_text())["clips"] == 6


def test_without_sound_and_contacts_there_are_no_clips(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = make_bag(plans=False, truth=False, edit=without("mic/audio"))
    with pytest.raises(DatasetError, match="no contacts are known"):
        build(tmp_path / "ds", bag)


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        (("mic/audio", "camera/image_raw"), "no mic/audio, no camera/image_raw"),
        (("ee_pose", "joint_states", "/tf"), "no ee_pose or"),
    ],
)
def test_a_bag_that_has_too_little_is_refused(
    lacking: tuple[str, ...], told: str, make_bag: MakeBag, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=told):
        build(tmp_path / "ds", make_bag(plans=False, edit=without(*lacking)), skip_bad=False)
