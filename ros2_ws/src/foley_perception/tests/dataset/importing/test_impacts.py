"""RealImpact and ObjectFolder Real: small copies in their layouts, imported and read back."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from foley_perception.commands import dataset as command
from foley_perception.dataset.importing.impacts import force_pulse
from foley_perception.dataset.importing.importer import ImportOptions, read_materials
from foley_perception.dataset.importing.objectfolder_real import _MADE_OF, import_objectfolder_real
from foley_perception.dataset.importing.realimpact import import_realimpact, named_material
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError

RATE = 48_000
OPTIONS = ImportOptions(workers=1)


def ring(seconds: float, at_s: float, level: float, hz: float = 900.0) -> NDArray[np.float32]:
    """Silence, then a ringing [n]."""
    sound = np.zeros(round(seconds * RATE))
    t = np.arange(len(sound) - round(at_s * RATE)) / RATE
    sound[round(at_s * RATE) :] = level * np.exp(-20 * t) * np.cos(2 * np.pi * hz * t)
    return sound.astype(np.float32)


def half_sine(seconds: float, at_s: float, long_s: float, peak: float) -> NDArray[np.float32]:
    """A push [n], whose impulse is 2 / pi of peak times length."""
    force = np.zeros(round(seconds * RATE), np.float32)
    count = round(long_s * RATE)
    force[round(at_s * RATE) :][:count] = peak * np.sin(np.pi * (np.arange(count) + 0.5) / count)
    return force


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def test_the_impulse_of_a_force() -> None:
    pulse = force_pulse(
        -half_sine(1.0, 0.4, 0.002, 50.0) + 3.0, RATE, "f"
    )  # pressed on a sensor with an offset
    assert abs(pulse.impulse - 2 / math.pi * 50.0 * 0.002) < 1e-3
    assert abs(pulse.first / RATE - 0.4) < 1e-4 and abs(pulse.duration_s - 0.002) < 2e-4
    with pytest.raises(DatasetError, match="f: the force is the same throughout"):
        force_pulse(np.ones(10), RATE, "f")


# ---- RealImpact --------------------------------------------------------------------------------------------
def write_realimpact(root: Path, name: str, *, recorded: bool = False) -> Path:
    """2 places, each heard by 15 microphones from 2 angles; row r is r + 1 loud."""
    folder = root / name / "preprocessed"
    folder.mkdir(parents=True)
    rows = [(vertex, angle, mic) for vertex in (71, 12) for angle in (20, 0) for mic in range(15)]
    vertices, angles, mics = (np.array(column) for column in zip(*rows, strict=True))
    np.save(folder / "vertexID.npy", vertices)
    np.save(folder / "angle.npy", angles)
    np.save(folder / "micID.npy", mics)
    np.save(folder / "distance.npy", np.full(len(rows), 333))
    np.save(folder / "vertexXYZ.npy", np.stack([vertices * 0.001, mics * 0.0, vertices * 0.0], axis=1))
    np.save(folder / "listenerXYZ.npy", np.zeros((len(rows), 3)))
    at_s = 0.5 if recorded else 0.0
    sounds = np.stack([ring(1.5, at_s, r + 1.0) for r in range(len(rows))])
    np.save(folder / ("sounds_0db.npy" if recorded else "deconvolved_0db.npy"), sounds)
    if recorded:
        np.save(
            folder / "hammer_newtons.npy", np.stack([half_sine(1.5, 0.5, 0.001, 10.0 + k) for k in range(4)])
        )
    return folder


def test_realimpact_by_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_realimpact(tmp_path / "copy", "17_IronSkillet")
    write_realimpact(tmp_path / "copy", "22_Cup")
    out = tmp_path / "d"
    assert run("import", "--from", "realimpact", tmp_path / "copy", "--out", out, "--workers", 1) == 0
    told = capsys.readouterr().out
    assert (
        "its name says no material" in told
        and "licence: " in told
        and "unproven without the data: no file tells" in told
    )
    assert run("check", out) == 0
    data = ClipDataset(out)
    first = [clip for clip in data.clips if clip.material == "iron"]
    # Straight ahead, the microphone in the middle: rows 15 + 7 of place 71, 45 + 7 of place 12.
    assert [(c.clip_id, c.contact_id) for c in first] == [
        ("realimpact_17_IronSkillet_0022", "vertex_71"),
        ("realimpact_17_IronSkillet_0052", "vertex_12"),
    ]
    assert (
        np.allclose(first[0].position, (0.071, 0.0, 0.0))
        and math.isnan(first[0].impulse)
        and first[0].without == ("camera",)
    )
    assert {clip.material for clip in data.clips} == {"iron", ""}
    assert all(clip.scene_id == clip.object_id == clip.session_id for clip in data.clips)
    sound = data.audio(0)
    assert not sound[:11_999].any() and abs(sound[12_000]) > 0.3 and data.clips[0].audio_gap_s == 0.25
    quiet, loud = (np.abs(data.audio(index)).max() for index in (0, 1))
    assert abs(loud - 0.99) < 1e-3 and abs(quiet / loud - 23 / 53) < 1e-3, "levels compare within an object"


def test_realimpact_with_its_forces(tmp_path: Path) -> None:
    write_realimpact(tmp_path / "copy", "1_Stone", recorded=True)
    options = ImportOptions(workers=1, listeners=2, materials={"1_Stone": "stone"})
    import_realimpact(tmp_path / "copy", tmp_path / "d", options)
    data = ClipDataset(tmp_path / "d")
    assert len(data) == 4 and {clip.material for clip in data.clips} == {"stone"}
    heard = {clip.clip_id[-4:]: clip for clip in data.clips}
    # Of each place the nearest microphone and the farthest; every stand of the microphones had a blow of its own.
    newtons = {number: round(clip.impulse * math.pi / 2 / 0.001) for number, clip in heard.items()}
    assert newtons == {"0014": 10, "0022": 11, "0044": 12, "0052": 13}
    sound = data.audio(0)
    assert abs(int((np.abs(sound) > 0.05).argmax()) - 12_000) <= 3 and data.clips[0].audio_gap_s == 0.0


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "angle.npy").unlink(), "angle.npy is missing"),
        (lambda f: np.save(f / "micID.npy", np.zeros(3)), "micID.npy: has 3 rows, the sounds have 60"),
        (lambda f: np.save(f / "deconvolved_0db.npy", np.full((60, 9), np.nan)), "its sound holds NaN"),
        (lambda f: (f / "vertexID.npy").write_bytes(b"x"), "vertexID.npy: cannot be read"),
        (lambda f: np.save(f / "vertexXYZ.npy", np.zeros(60)), "vertexXYZ.npy: is float64 of shape"),
    ],
)
def test_what_is_wrong_with_realimpact_is_named(tmp_path: Path, spoil: object, told: str) -> None:
    folder = write_realimpact(tmp_path / "copy", "9_BowlCeramic")
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(DatasetError, match=told):
        import_realimpact(tmp_path / "copy", tmp_path / "d", OPTIONS)


def test_names_say_materials() -> None:
    named = {"17_IronSkillet": "iron", "33_WoodWineGlass": "wood", "94_GlassGoblet": "glass", "22_Cup": ""}
    named |= {"62_Pot_Hexagonal": "", "61_PlanterCeramic": "ceramic", "90_MetalLadle": "metal"}
    assert {name: named_material(name) for name in named} == named


# ---- ObjectFolder Real -------------------------------------------------------------------------------------
def write_blow(root: Path, number: int, name: str, at_s: float, *, newtons: float | None = None) -> Path:
    folder = root / str(number) / "audio" / name
    folder.mkdir(parents=True)
    soundfile.write(folder / "mic.wav", ring(2.0, at_s + 0.001, 0.5), RATE, subtype="PCM_16")
    if newtons is not None:
        soundfile.write(folder / "Force.wav", half_sine(2.0, at_s, 0.001, 0.25), RATE, subtype="PCM_16")
        (folder / "striking_force.yaml").write_text(f"- striking_force_newtons: {newtons}\n")
        (folder / "metadata.yaml").write_text("{}\n")
    place = root / "contacts" / str(number)
    place.mkdir(parents=True, exist_ok=True)
    np.save(place / f"{name}.npy", np.array([0.1, 0.2, float(number)]))
    return folder


def test_objectfolder_real_by_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    write_blow(copy, 43, "0", 0.8, newtons=40.0)
    write_blow(copy, 43, "13_deprecated", 0.8, newtons=40.0)
    write_blow(copy, 43, "2", 0.9)
    write_blow(copy, 60, "0", 1.6, newtons=20.0)
    write_blow(copy, 60, "1", 0.5, newtons=20.0)
    (tmp_path / "materials.yaml").write_text("iron: metal\n")
    out = tmp_path / "d"
    words = ("--workers", 1, "--materials", tmp_path / "materials.yaml")
    assert run("import", "--from", "objectfolder-real", copy, "--out", out, *words) == 0
    told = capsys.readouterr().out
    assert "left out 43/audio/13_deprecated: its name is no number" in told
    assert "1 impacts without a clip: its sound ends before the clip does" in told
    assert "1 impacts have no Force.wav" in told
    assert run("check", out) == 0
    data = ClipDataset(out)
    assert [(c.clip_id, c.material) for c in data.clips] == [
        ("objectfolder_real_043_0000", "metal"),
        ("objectfolder_real_043_0002", "metal"),
        ("objectfolder_real_060_0001", "glass"),
    ]
    assert abs(data.clips[0].impulse - 2 / math.pi * 40.0 * 0.001) < 1e-3 and math.isnan(
        data.clips[1].impulse
    )
    assert data.clips[0].position == (0.1, 0.2, 43.0)
    for index, late in ((0, 48), (1, 0)):  # by its force, 1 ms before the sound; by ear
        assert abs(int((np.abs(data.audio(index)) > 0.1).argmax()) - 12_000 - late) < 150


def test_the_benchmark_s_copy_is_read_where_the_recordings_are_not(tmp_path: Path) -> None:
    (tmp_path / "copy/audio/91").mkdir(parents=True)
    soundfile.write(tmp_path / "copy/audio/91/18.wav", ring(2.0, 0.7, 0.5), RATE, subtype="PCM_16")
    report = import_objectfolder_real(tmp_path / "copy", tmp_path / "d", OPTIONS)
    data = ClipDataset(tmp_path / "d")
    assert data.clips[0].material == "glass" and np.isnan(data.clips[0].position).all()
    assert "found by ear" in report.parts[0].problems[0]


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("striking_force.yaml", "- striking_force_newtons: hard\n", "striking_force_newtons is `hard`"),
        ("striking_force.yaml", "[", "is not YAML"),
        ("mic.wav", "x", "not a sound file"),
    ],
)
def test_what_is_wrong_with_objectfolder_real_is_named(
    tmp_path: Path, file: str, content: str, told: str
) -> None:
    (write_blow(tmp_path / "copy", 5, "0", 0.5, newtons=1.0) / file).write_text(content)
    with pytest.raises(DatasetError, match=told):
        import_objectfolder_real(tmp_path / "copy", tmp_path / "d", OPTIONS)


def test_every_object_is_of_one_material() -> None:
    assert sorted(number for numbers in _MADE_OF.values() for number in numbers) == list(range(1, 101))


def test_options_of_other_data_sets_and_empty_folders_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", tmp_path / "d")
    assert run("import", "--from", "realimpact", tmp_path, *out, "--their-split") == 2
    assert "--their-split is nothing that --from realimpact knows" in capsys.readouterr().err
    for option, value, bound in (("--limit", 0, "at least 1"), ("--merge", -1, "0 or more")):
        assert run("import-greatest-hits", tmp_path / "nowhere", *out, option, value) == 2
        assert f"{option} is {value}, must be {bound}" in capsys.readouterr().err
    (tmp_path / "17_IronSkillet.zip").touch()
    assert run("import", "--from", "realimpact", tmp_path, *out) == 2
    assert "unpack its 1 .zip files" in capsys.readouterr().err
    assert run("import", "--from", "objectfolder-real", tmp_path, *out) == 2
    assert "archives of audio" in capsys.readouterr().err
    assert run("import-greatest-hits", tmp_path, *out) == 2, "the earlier name"
    assert "holds no complete recording of The Greatest Hits" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["- iron", "iron: 3", "iron: ''", "{"])
def test_a_file_of_materials_maps_names(content: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(content)
    with pytest.raises(DatasetError, match=r"m\.yaml: (must map|is not YAML)"):
        read_materials(tmp_path / "m.yaml")
