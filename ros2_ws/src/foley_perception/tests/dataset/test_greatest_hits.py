"""The Greatest Hits: a small copy in its layout, imported and read back."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from foley_perception.commands import dataset as command
from foley_perception.dataset.greatest_hits import find_recordings, import_greatest_hits
from foley_perception.dataset.hit_times import read_times
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError

FPS, RATE, SECONDS = 30.0, 96_000, 6.0
HITS = {
    "2015-02-16-16-49-06": (
        "1.500 wood hit static", "3.200 None hit None", "3.310 wood scratch deform", "5.800 wood hit static",
    ),
    "2015-03-01-10-00-00": ("2.000 plastic-bag scratch deform", "4.000 water hit splash"),
    "2015-09-12-03-21-14": ("0.100 metal hit static", "2.500 metal other static"),
}  # fmt: skip


def write_recording(folder: Path, name: str, hits: tuple[str, ...], *, suffix: str = "_denoised") -> None:
    """A light flashes in the picture's middle and a click sounds at every hit."""
    times = [float(hit.split()[0]) for hit in hits]
    writer = cv2.VideoWriter(
        str(folder / f"{name}{suffix}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (456, 256)
    )
    for k in range(round(SECONDS * FPS)):
        picture = np.full((256, 456, 3), 40, np.uint8)
        picture[:, :80] = (255, 0, 0)  # outside of the square, blue
        if any(0 <= k / FPS - t + 0.5 / FPS < 2 / FPS for t in times):
            picture[90:170, 190:270] = (0, 0, 255)  # red
        writer.write(picture)
    writer.release()
    sound = 1e-4 * np.random.default_rng(0).standard_normal(round(SECONDS * RATE))
    for t in times:
        at = round(t * RATE)
        sound[at : at + 960] += 0.5 * np.exp(-np.arange(960) / 200)
    soundfile.write(folder / f"{name}_denoised.wav", sound, RATE, subtype="PCM_16")
    (folder / f"{name}_times.txt").write_text("\n".join(hits) + "\n")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("greatest") / "vis-data"
    folder.mkdir()
    for name, hits in HITS.items():
        write_recording(folder, name, hits)
    (folder.parent / "train.txt").write_text("2015-02-16-16-49-06\n2015-09-12-03-21-14\n")
    (folder.parent / "test.txt").write_text("2015-03-01-10-00-00\n")
    return folder


@pytest.fixture(scope="module")
def imported(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    out = tmp_path_factory.mktemp("imported") / "dataset"
    parser = argparse.ArgumentParser()
    command.configure(parser)
    words = ["import", "--from", "greatest-hits", str(copy), "--out", str(out)]
    assert command.run(parser.parse_args(words)) == 0
    assert command.run(parser.parse_args(["check", str(out)])) == 0
    return ClipDataset(out)


def test_labels_sides_and_what_is_skipped(imported: ClipDataset) -> None:
    told = {c.clip_id: (c.material, c.action, c.reaction, c.merged) for c in imported.clips}
    assert told == {
        "2015-02-16-16-49-06_0000": ("wood", "hit", "static", 1),
        "2015-02-16-16-49-06_0001": ("", "hit", "", 2),
        "2015-03-01-10-00-00_0000": ("plastic-bag", "scratch", "deform", 1),
        "2015-03-01-10-00-00_0001": ("water", "hit", "splash", 1),
        "2015-09-12-03-21-14_0000": ("metal", "unknown", "static", 1),
    }
    sides = {c.session_id: c.split for c in imported.clips}
    assert sides["2015-03-01-10-00-00"] == "test"
    assert {sides["2015-02-16-16-49-06"], sides["2015-09-12-03-21-14"]} <= {"train", "validation"}
    assert imported.manifest["skipped"] == {"a whole second of sound is not there": 2}
    assert imported.manifest["domains"] == ["real"] and imported.manifest["origin"] == "The Greatest Hits"
    assert all(np.isnan(c.position).all() and np.isnan(c.log10_youngs_modulus) for c in imported.clips)


def test_sound_and_picture_are_those_of_the_hit(imported: ClipDataset) -> None:
    for index in range(len(imported)):
        sound = imported.audio(index)
        assert abs(int((np.abs(sound) > 0.2).argmax()) / 48_000 - 0.25) < 1e-3
        frames = imported.frames(index).astype(int)
        assert frames.shape == (30, 128, 128, 3)
        red = frames[:, 64, 64, 0] - frames[:, 64, 64, 2] > 60
        # Frame i is the newest at (i + 1) / 30 s: the hit at 0.25 s is first seen in frame 7.
        assert abs(int(np.flatnonzero(red)[0]) - 7) <= 1 and red.sum() <= 6, imported.clips[index].clip_id
        assert frames[0, 64, 2, 2] < 120, "the square is the middle: no blue"
        still = imported.still(index).astype(int)
        assert still[64, 64, 0] - still[64, 64, 2] < 60, "the still is from before"
    assert np.isnan(imported.action_executed(0)).all() and np.isnan(imported.keypoints(0)).all()


def test_an_import_goes_on_and_sees_changes(copy: Path, tmp_path: Path) -> None:
    first = import_greatest_hits(copy, tmp_path, limit=1, workers=1).manifest
    kept = (tmp_path / "parts" / "2015-02-16-16-49-06.json").stat().st_mtime_ns
    report = import_greatest_hits(copy, tmp_path, workers=2)
    whole = report.manifest
    assert report.cut == 2
    assert (tmp_path / "parts" / "2015-02-16-16-49-06.json").stat().st_mtime_ns == kept
    assert sum(s["clips"] for s in first["splits"].values()) == 2
    assert sum(s["clips"] for s in whole["splits"].values()) == 5
    again = import_greatest_hits(copy, tmp_path)
    assert again.manifest["fingerprint"] == whole["fingerprint"] and again.cut == 0
    import_greatest_hits(copy, tmp_path, limit=1)
    assert {p.stem for p in (tmp_path / "audio").iterdir()} == {
        f"2015-02-16-16-49-06_{k:04d}" for k in range(2)
    }


def test_thumbs_do_and_incomplete_ones_are_named(tmp_path: Path) -> None:
    write_recording(tmp_path, "a", ("2.0 wood hit static",), suffix="_denoised_thumb")
    write_recording(tmp_path, "b", ("2.0 wood hit static",))
    (tmp_path / "b_denoised.wav").unlink()
    found, left_out = find_recordings(tmp_path)
    assert [(r.name, r.split) for r in found] == [("a", "")] and left_out == {"b": "no b_denoised.wav"}
    content = import_greatest_hits(tmp_path, tmp_path / "out", workers=1).manifest
    assert sum(s["clips"] for s in content["splits"].values()) == 1 and content["incomplete"] == left_out


@pytest.mark.parametrize(
    "line",
    [f"{time} wood hit static" for time in ("soon", "-1.0", "nan", "inf", "1e308", "1e999", "90000", "1,5")],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x_times.txt"
    path.write_text(f"1.0 wood hit static\n\n{line}\n")
    with pytest.raises(DatasetError, match=r"x_times\.txt, line 3"):
        read_times(path)
    path.write_text("2.0 wood\n1.0\n")
    assert [(h.time_s, h.material, h.action) for h in read_times(path)] == [(1.0, "", ""), (2.0, "wood", "")]


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_time(tmp_path: Path, code: str) -> None:
    path = tmp_path / "x_times.txt"
    path.write_bytes("1.000000 bär hit static\r\n2.5 wood hit None\r\n".encode(code))
    assert [(h.time_s, h.material) for h in read_times(path)] == [(1.0, "bär"), (2.5, "wood")]


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x_times.txt"
    path.write_bytes("1.0 wood\n2.0 bär\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"x_times\.txt, line 2: is not UTF-8"):
        read_times(path)
    path.write_bytes("1.0 wood\n".encode("utf-16-le"))  # without a mark: what cannot be seen is shown
    with pytest.raises(DatasetError, match=r"line 1: time is `1\\x00"):
        read_times(path)


def test_channels_that_cancel_are_heard(tmp_path: Path) -> None:
    write_recording(tmp_path, "a", ("2.0 wood hit static",))
    sound, rate = soundfile.read(tmp_path / "a_denoised.wav")
    soundfile.write(tmp_path / "a_denoised.wav", np.stack([sound, -sound], axis=1), rate)
    import_greatest_hits(tmp_path, tmp_path / "out", workers=1)
    assert np.abs(ClipDataset(tmp_path / "out").audio(0)).max() > 0.2


def test_what_cannot_be_imported_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        find_recordings(tmp_path / "none")
    with pytest.raises(DatasetError, match="no complete recording"):
        find_recordings(tmp_path)
    write_recording(tmp_path, "a", ("2.0 wood hit static",))
    (tmp_path / "a_denoised.mp4").write_bytes(b"no video")
    parser = argparse.ArgumentParser()
    command.configure(parser)
    arguments = parser.parse_args(["import-greatest-hits", str(tmp_path), "--out", str(tmp_path / "out")])
    assert command.run(arguments) == 2
    assert "cannot be read as a video" in capsys.readouterr().err
    (tmp_path / "a_denoised.wav").write_bytes(b"no sound")
    assert command.run(arguments) == 2
    write_recording(tmp_path, "b", ("2.0 wood hit static",))
    arguments.skip_bad = True
    assert command.run(arguments) == 0
    told = capsys.readouterr().out
    assert "left out" in told and "a_denoised.mp4" in told
    (tmp_path / "again").mkdir()
    write_recording(tmp_path / "again", "b", ("2.0 wood hit static",))
    with pytest.raises(DatasetError, match="`b` is there twice"):
        find_recordings(tmp_path)
    for side in ("train", "test"):
        (tmp_path / f"{side}.txt").write_text("a\n")
    with pytest.raises(DatasetError, match=r"in train\.txt and in test\.txt"):
        find_recordings(tmp_path)
