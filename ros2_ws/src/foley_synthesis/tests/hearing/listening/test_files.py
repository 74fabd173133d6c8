"""Folders, tables, CSV and pictures of sound files made here, with the model that ships."""

import argparse
import csv
import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile

from foley_synthesis.commands import listen
from foley_synthesis.hearing.inference.heard_model import HeardModel
from foley_synthesis.hearing.inference.sound_file import listen as listen_to
from foley_synthesis.hearing.listening import plot
from foley_synthesis.hearing.listening.files import HeardFile, hear_file, short_names, sound_files
from foley_synthesis.hearing.listening.plot import draw, log_spectrogram
from foley_synthesis.hearing.listening.table import COLUMNS, csv_row, rich_table

from .made import RATE, TAPS_S, Staged, ring, taps


def call(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    listen.configure(parser)
    return int(listen.run(parser.parse_args([str(a) for a in arguments])))


@pytest.fixture(scope="module")
def model() -> HeardModel:
    return HeardModel.load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three taps, a bad file deeper down, and what is no sound."""
    root = tmp_path / "sounds"
    (root / "deep" / "er").mkdir(parents=True)
    (root / ".hidden").mkdir()
    soundfile.write(root / "taps.wav", taps(), RATE)
    soundfile.write(root / ".hidden" / "no.wav", taps(), RATE)
    soundfile.write(root / "deep" / "one.FLAC", taps(2.0, (0.7,)), RATE, format="FLAC")
    (root / "deep" / "er" / "bad.mp3").write_text("no sound")
    (root / "notes.txt").write_text("no sound either")
    return root


def test_a_folder_gives_its_sound_files_in_order(folder: Path) -> None:
    found = sound_files([folder, folder / "notes.txt"])
    assert [str(path.relative_to(folder)) for path in found] == [
        *("deep/er/bad.mp3", "deep/one.FLAC", "taps.wav", "notes.txt"),
    ]
    assert [str(name) for name in short_names(found[:2]).values()] == ["er/bad.mp3", "one.FLAC"]
    assert sound_files([folder / ".hidden"]) == [folder / ".hidden" / "no.wav"]


def test_a_folder_gives_a_table_and_csv_with_a_row_for_each_contact(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # room for a name beside what a hearing model says
    (tmp_path / "empty").mkdir()
    target = tmp_path / "heard.csv"
    assert call(folder, tmp_path / "empty", "--csv", target) == 2
    out, err = capsys.readouterr()
    assert "bad.mp3: not a sound file" in err and "empty: holds no sound files" in err
    assert out.count("taps.wav") == 1 and "0.700" in out and "2.600" in out and "error:" in out
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(Path(row["file"]).name, row["contact"]) for row in rows] == [
        *(("bad.mp3", ""), ("one.FLAC", "1"), ("taps.wav", "1"), ("taps.wav", "2"), ("taps.wav", "3")),
        ("empty", ""),
    ]
    assert [float(row["time_s"]) for row in rows if row["contact"]] == pytest.approx(
        (0.7, *TAPS_S), abs=0.005
    )
    assert "not a sound file" in rows[0]["error"] and rows[1]["error"] == ""
    assert sum(float(v) for k, v in rows[2].items() if k.startswith("p_")) == pytest.approx(1.0, abs=1e-3)
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS


def test_json_of_a_folder_lists_its_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "--json") == 2
    files = json.loads(capsys.readouterr().out)["files"]
    assert [len(f.get("contacts", ())) for f in files] == [0, 1, 3] and "error" in files[0]


def test_sets_and_actions_are_shown_where_a_model_says_them(model: HeardModel) -> None:
    from rich.console import Console

    staged = Staged(model, ("metal", "glass", "ceramic"))
    contacts = tuple(listen_to(taps(), RATE, staged))
    file = HeardFile(Path("taps.wav"), contacts)
    console = Console(width=300)
    with console.capture() as captured:
        console.print(rich_table([file], {file.path: file.path}, console.width))
    text = captured.get()
    assert "hard and ringing: metal, glass or ceramic (90 %)" in text and "hit 0.80" in text
    assert "time [s]" in text and "level [dBFS]" in text and "log10 E [Pa]" in text
    row = csv_row(contacts[0])
    assert row["material_set"] == "metal|glass|ceramic" and row["family"] == "hard" and row["action"] == "hit"
    assert contacts[0].to_dict()["material_set"] == ["metal", "glass", "ceramic"]


def test_a_picture_lies_beside_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder / "deep" / "one.FLAC", "--plot") == 0
    assert matplotlib.image.imread(folder / "deep" / "one.FLAC.heard.png").shape[1] == 1300
    assert "1 pictures" in capsys.readouterr().out


def test_pictures_lie_in_a_folder_as_the_files_in_theirs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "draw", lambda file, path: path.write_text(str(file.path)))
    assert call(folder, "--plot", tmp_path / "pictures") == 2
    made = sorted(str(p.relative_to(tmp_path / "pictures")) for p in (tmp_path / "pictures").rglob("*.png"))
    assert made == ["deep/one.FLAC.heard.png", "taps.wav.heard.png"]


def test_a_picture_says_what_was_heard(
    model: HeardModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    said: list[str] = []

    def save(figure: Figure, *_: object, **__: object) -> None:
        figure.canvas.draw()
        axes = figure.get_axes()
        said.extend(text.get_text() for axis in axes if axis.get_visible() for text in axis.texts)
        said.extend(axis.get_title() for axis in axes if axis.get_visible())

    monkeypatch.setattr(Figure, "savefig", save)
    samples = taps()
    staged = Staged(model, ("metal", "glass", "ceramic"))
    contacts = tuple(listen_to(samples, RATE, staged))
    doubted = contacts[0].belief.abstaining("too far away to say")
    first = type(contacts[0])(contacts[0].time_s, -6.0, doubted, contacts[0].heard)
    draw(HeardFile(Path("a$b$.wav"), (first, *contacts[1:]), samples=samples, rate=RATE), tmp_path / "x.png")
    whole = "\n".join(said)
    assert "abstains: too far away to say" in whole and "hard and ringing" in whole
    assert r"a\$b\$.wav" in said and "1: 0.700 s, -6 dBFS" in said and {"1", "2", "3"} <= set(said)
    said.clear()
    draw(HeardFile(Path("hum.wav"), (), samples=samples, rate=RATE), tmp_path / "x.png")
    assert said == ["hum.wav: no contact stands out from what is heard throughout", ""]


def test_a_spectrogram_has_tones_where_they_are_and_clicks_when_they_are() -> None:
    t = np.arange(2 * RATE) / RATE
    level = log_spectrogram((0.1 * np.sin(2 * np.pi * 1000.0 * t)).astype(np.float32), RATE)
    frequency = np.geomspace(40.0, RATE / 2, len(level))
    assert frequency[level.mean(axis=1).argmax()] == pytest.approx(1000.0, rel=0.03)
    click = np.zeros(60 * RATE, np.float32)
    click[45 * RATE] = 1.0
    level = log_spectrogram(click, RATE)
    assert level.max(axis=0).argmax() / level.shape[1] == pytest.approx(0.75, abs=0.002)


def test_a_file_trimmed_to_its_onset_is_one_contact(model: HeardModel, tmp_path: Path) -> None:
    path = tmp_path / "trimmed.wav"
    soundfile.write(
        path, 0.1 + 0.5 * ring(900.0, 0.6)[: RATE // 2], RATE, subtype="FLOAT"
    )  # on a constant offset
    heard = hear_file(path, model)
    assert [c.time_s for c in heard.contacts] == pytest.approx([0.0], abs=0.01)


def test_hum_that_is_switched_on_is_no_material(model: HeardModel, tmp_path: Path) -> None:
    t = np.arange(2 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in range(1, 9))
    sound = 1e-4 * np.random.default_rng(0).standard_normal(3 * RATE)
    sound[RATE:] += 0.01 * np.asarray(hum)
    struck = sound.copy()
    tap = ring(1000.0, 2.0)[:RATE]  # that lasts, at a multiple of the mains
    struck[2 * RATE :] += 3.0 * tap
    soundfile.write(tmp_path / "hum.wav", sound, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "struck.wav", struck - sound, RATE, subtype="FLOAT")
    (contact,) = hear_file(tmp_path / "hum.wav", model).contacts
    assert contact.time_s == pytest.approx(1.0, abs=0.02)
    assert contact.belief.abstain and "mains hum at" in contact.belief.reason
    (contact,) = hear_file(tmp_path / "struck.wav", model).contacts
    assert contact.time_s == pytest.approx(2.0, abs=0.01) and "hum" not in contact.belief.reason


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "nothing to listen to"),
        (("x.wav", "--live"), "--live takes no files"),
        (("--live", "--plot"), "draws nothing"),
        (("--live", "--seconds", "-1"), "--seconds is -1"),
        (("x.wav", "--seconds", "1"), "--seconds is for --live"),
        (("--plot", __file__), "the files first"),
    ],
)
def test_what_does_not_go_together(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    assert told in capsys.readouterr().err


def test_a_csv_that_cannot_be_written_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder / "taps.wav", "--csv", folder / "none" / "heard.csv") == 2
    assert "heard.csv: cannot be written (No such file or directory)" in capsys.readouterr().err
