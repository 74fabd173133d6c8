"""`foley predicate` as a user calls it, with the model that ships."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.commands import predicate

RATE = 24_000


def call(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    predicate.configure(parser)
    return int(predicate.run(parser.parse_args([str(a) for a in arguments])))


def taps(path: Path, loose: bool, count: int, seed: int) -> Path:
    """A file in which a thing is struck so often; what is loose beats again and rings shorter."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(0.9 * RATE)) / RATE
    parts = []
    for _ in range(count):
        sound = 1e-4 * rng.standard_normal(len(t))
        for k in range(3 if loose else 1):
            after = t - 0.3 - 0.03 * k * rng.uniform(0.8, 1.2)
            for hz in (700.0, 1900.0, 3700.0):
                decay = (60.0 if loose else 25.0) * rng.uniform(0.9, 1.1)
                ring = rng.uniform(0.5, 1.0) * np.exp(-decay * after) * np.sin(2 * np.pi * hz * after)
                sound += np.where(after > 0, 0.1 * (1.0 if k == 0 else 0.5) * ring, 0.0)
        parts.append(sound)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


def test_teach_list_test_and_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for state, loose in (("tight", False), ("loose", True)):
        taps(tmp_path / state / "one.wav", loose, 3, 1 + loose)
        taps(tmp_path / state / "two.wav", loose, 3, 3 + loose)
        taps(tmp_path / "other" / f"{state}.wav", loose, 4, 5 + loose)
    folder = ("--folder", tmp_path / "taught")
    labels = ("--positive", tmp_path / "tight", "--negative", tmp_path / "loose")
    picture = tmp_path / "pictures" / "tight.png"
    assert (
        call("teach", "lid_is_tight", *labels, *folder, "--text", "the lid is tight", "--plot", picture) == 0
    )
    said = capsys.readouterr().out
    assert (
        "groups left out in turn: balanced accuracy 1.00 (chance 0.50, at least 0.83 with 90% certainty)"
        in said
    )
    assert "lid_is_tight: 6 positives, 6 negatives" in said and "one.wav@0.29-" in said
    assert picture.read_bytes().startswith(b"\x89PNG")

    assert call("list", *folder, "--json") == 0
    listed = json.loads(capsys.readouterr().out)["lid_is_tight"]
    assert listed["enough"] and listed["groups"] == 4

    other = tmp_path / "other"
    assert call(
        "test", "lid_is_tight", "--positive", other / "tight.wav", "--negative", other / "loose.wav", *folder, "--json"
    ) == 0  # fmt: skip
    result = json.loads(capsys.readouterr().out)
    assert result["answered"] == 8 and result["balanced_accuracy"] == 1.0
    assert call("test", "lid_is_tight", other / "tight.wav", tmp_path / "tight" / "one.wav", *folder) == 0
    assert capsys.readouterr().out.count("taught with it") == 3
    swapped = ("--positive", other / "loose.wav", "--negative", other / "tight.wav")
    assert call("test", "lid_is_tight", *swapped, *folder) == 1

    capsys.readouterr()
    contact = next(line.split()[0] for line in said.splitlines() if line.startswith("one.wav@0.29"))
    assert call("remove", "lid_is_tight", "--contact", contact, *folder) == 0
    capsys.readouterr()
    assert call("list", *folder, "--json") == 0
    listed = json.loads(capsys.readouterr().out)["lid_is_tight"]
    assert listed["positives"] + listed["negatives"] == 11
    assert call("remove", "lid_is_tight", *folder) == 0
    assert call("list", *folder) == 0
    assert "nothing was taught" in capsys.readouterr().out
    assert call("remove", "lid_is_tight", *folder) == 2


def test_what_is_not_enough_ends_with_1_and_says_what_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tight, loose = taps(tmp_path / "tight.wav", False, 3, 1), taps(tmp_path / "loose.wav", True, 2, 2)
    folder = ("--folder", tmp_path / "taught")
    assert call("teach", "is_tight", "--positive", tight, "--negative", loose, *folder) == 1
    assert "next: label 1 more negative\n" in capsys.readouterr().out
    assert call("test", "is_tight", loose, *folder) == 2
    more = taps(tmp_path / "more.wav", True, 2, 4)
    assert (
        call("teach", "is_tight", "--negative", more, *folder, "--dry-run") == 0
    )  # with what was labelled before
    assert call("list", *folder, "--json") == 0
    assert '"negatives": 2' in capsys.readouterr().out


def test_clips_of_a_data_set_are_chosen_by_their_fields(
    tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    materials = sorted({clip.material for clip in tiny_dataset.clips})[:2]
    a, b = (f"{tiny_dataset.path}@material={name},split=test" for name in materials)
    arguments = ("teach", "x_is", "--positive", a, "--negative", b, "--folder", tmp_path, "--json")
    assert call(*arguments) in (0, 1)
    taught = json.loads(capsys.readouterr().out)
    counts = [sum(c.material == name and c.split == "test" for c in tiny_dataset.clips) for name in materials]
    assert [taught["positives"], taught["negatives"]] == counts
    assert call("teach", "x_is", "--positive", f"{tiny_dataset.path}@stuff=wood", "--folder", tmp_path) == 2
    assert "has no field `stuff`" in capsys.readouterr().err


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ("--folder", tmp_path / "taught")
    sound = taps(tmp_path / "a.wav", False, 2, 1)
    for arguments, said in (
        (("teach", "x_is"), "nothing to learn from"),
        (("teach", "X is", "--positive", sound), "name is `X is`"),
        (("teach", "x_is", "--positive", tmp_path / "none.wav"), "there is no such file or folder"),
        (("teach", "x_is", "--positive", sound, "--negative", sound), "one sound under both labels"),
        (("teach", "x_is", "--positive", f"{sound}@object_id=a"), "only bags and data sets know object_id"),
        (("test", "x_is", sound), "no predicate `x_is` was taught"),
    ):
        assert call(*arguments, *folder) == 2
        assert said in capsys.readouterr().err
