"""Probes find what was planted, find nothing where nothing is, and learn from nothing they are asked about."""

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foley_perception.dataset import manifest, store
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import ClipData
from foley_perception.dataset.synthetic import make_clip
from foley_synthesis.commands import probe as command
from foley_synthesis.evaluation.probes.classifier import Training, answer
from foley_synthesis.evaluation.probes.inputs import (
    background_of,
    load_inputs,
    quiet_before,
    session_times,
    sound_statistics,
)
from foley_synthesis.evaluation.probes.probe import SHORTCUTS, probe
from foley_synthesis.evaluation.probes.score import permutation_p_value, score
from foley_synthesis.vision.coarse_colour import ColourEncoder
from foley_synthesis.vision.encoders import load_encoder

MATERIALS = ("wood", "metal", "glass")
Change = Callable[[ClipData], ClipData]


def call(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return int(command.run(parser.parse_args([str(a) for a in arguments])))


def write(
    path: Path, change: Change, *, splits: tuple[str, ...], clips: int = 24, seed: int = 0
) -> ClipDataset:
    """Materials in random order, so that neither place nor time tells them; `change` plants what does."""
    store.make_folders(path)
    rng = np.random.default_rng(seed)
    rows = []
    for split in splits:
        for index, k in enumerate(rng.permutation(np.arange(clips) % len(MATERIALS))):
            data = make_clip(MATERIALS[k], split, index, rng)
            place = tuple(float(v) for v in rng.uniform(-0.2, 0.2, 3))
            data = dataclasses.replace(data, clip=dataclasses.replace(data.clip, position=place))
            rows.append(store.store_clip(path, change(data)))
    manifest.finish(path, rows, [], sources=[{"synthetic": True, "seed": seed}])
    return ClipDataset(path)


def silent_of_material(data: ClipData) -> ClipData:
    """Sound and picture of one material for all: what is called metal is not."""
    index = int(data.clip.clip_id[-5:])
    other = make_clip("wood", data.clip.split, index, np.random.default_rng([index, len(data.clip.split)]))
    return dataclasses.replace(other, clip=data.clip)


def told_by_place(data: ClipData) -> ClipData:
    """The material by where it lies, and by nothing else."""
    x = 0.1 * MATERIALS.index(data.clip.material)
    clip = dataclasses.replace(data.clip, position=(x, *data.clip.position[1:]))
    return dataclasses.replace(silent_of_material(data), clip=clip)


@pytest.fixture(scope="module")
def planted(private_cache: None, tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    path = tmp_path_factory.mktemp("probe") / "planted"
    return write(path, lambda data: data, splits=("train", "validation", "test"))


@pytest.fixture(scope="module")
def absent(private_cache: None, tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    path = tmp_path_factory.mktemp("probe") / "absent"
    return write(path, silent_of_material, splits=("train", "validation", "test"))


def test_what_is_planted_is_found(planted: ClipDataset) -> None:
    result = probe(planted, ColourEncoder(), seeds=2, replicates=200)
    (query,) = result.queries
    assert (query.name, query.contacts, query.classes, query.chance) == ("test", 24, 3, pytest.approx(1 / 3))
    for name in ("sight", "sound", "sight and sound"):
        found = query.scores[name]
        assert found.balanced.value > 0.8 and found.beats_chance and found.p_value < 0.01
        assert found.confusion.sum() == 24
    assert any("test_seen" in note for note in result.notes)


def test_what_is_absent_is_not_found(absent: ClipDataset) -> None:
    result = probe(absent, ColourEncoder(), seeds=2, replicates=200)
    for found in result.queries[0].scores.values():
        assert not found.beats_chance and found.p_value > 0.01


@pytest.mark.long
def test_shortcuts_and_their_exit_codes(
    absent: ClipDataset, planted: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--shortcuts", "--require", "--encoder", "colour", "--seeds", 2, "--replicates", 200)
    assert call(absent.path, *options, "--out", tmp_path / "a") == 0
    document = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert set(document["sets"][0]["scores"]) == set(SHORTCUTS) and document["failures"] == []
    for name in ("shortcuts_material.md", "shortcuts_material.png", "shortcuts_material_confusion.png"):
        assert (tmp_path / "a" / name).stat().st_size > 0
    # The planted materials each have one pitch and one decay: two numbers tell them.
    assert call(planted.path, *options, "--out", tmp_path / "b") == 1
    assert "centroid and T60: accuracy is" in capsys.readouterr().err
    told = write(tmp_path / "told", told_by_place, splits=("train", "validation", "test"))
    assert call(told.path, *options, "--out", tmp_path / "c") == 1
    error = capsys.readouterr().err
    assert "position: lower end" in error and "motor noise" not in error
    assert call(told.path, *options[:1], *options[2:], "--out", tmp_path / "c") == 0


def test_a_judge_is_asked_and_not_learned_from(
    planted: ClipDataset, absent: ClipDataset, tmp_path: Path
) -> None:
    judge = write(tmp_path / "other", lambda data: data, splits=("train",), clips=12, seed=5)
    alone = probe(planted, ColourEncoder(), seeds=2, replicates=100)
    judged = probe(planted, ColourEncoder(), judges=[judge, absent], seeds=2, replicates=100)
    assert [query.name for query in judged.queries] == ["test", "judge other", "judge absent"]
    assert [query.contacts for query in judged.queries] == [24, 12, 24]
    assert judged.queries[1].scores["sound"].balanced.value > 0.9
    assert not judged.queries[2].scores["sight"].beats_chance
    for name, found in judged.queries[0].scores.items():
        assert found.to_dict() == alone.queries[0].scores[name].to_dict()


def write_views(folder: Path, dataset: ClipDataset) -> None:
    """Views of every clip's session whose local view has the colour of the material."""
    for session in {clip.session_id for clip in dataset.clips}:
        clips = [clip for clip in dataset.clips if clip.session_id == session]
        place = folder / session
        (place / "global").mkdir(parents=True)
        (place / "local_left").mkdir()
        rows = []
        for index, clip in enumerate(sorted(clips, key=lambda clip: clip.start_ns)):
            colour = [0, 0, 0]
            colour[MATERIALS.index(clip.material)] = 200
            for name, value in (("global", [90, 90, 90]), ("local_left", colour)):
                cv2.imwrite(str(place / name / f"{index:05d}.jpg"), np.full((128, 128, 3), value, np.uint8))
            drawn = {"has_global": True, "has_local_left": True, "has_local_right": False}
            rows.append({"time_ns": clip.start_ns + 375_000_000, **drawn})
        pq.write_table(pa.Table.from_pylist(rows), place / "views.parquet")
        (place / "views.json").write_text(json.dumps({"fingerprint": session}))


def test_rendered_views_are_asked_where_there_are_some(absent: ClipDataset, tmp_path: Path) -> None:
    write_views(tmp_path, absent)
    (query,) = probe(
        absent, ColourEncoder(), seeds=1, replicates=50, splits=("test",), views=tmp_path
    ).queries
    assert query.scores["rendered views"].balanced.value > 0.9 > query.scores["sight"].balanced.value + 0.3
    assert set(query.scores) == {
        "sight",
        "sound",
        "sight and sound",
        "rendered views",
        "rendered views and sound",
    }
    with pytest.raises(ValueError, match="views are of one dataset"):
        probe(absent, ColourEncoder(), shortcuts=True, views=tmp_path)


def test_answers_do_not_depend_on_what_else_is_asked() -> None:
    rng = np.random.default_rng(0)
    block, labels = rng.normal(size=(60, 20)).astype(np.float32), np.arange(60) % 3
    names = [str(i // 6) for i in range(60)]
    half = [
        Training([block[part]], labels[part], names[:30], names[:30]) for part in (slice(30), slice(30, 60))
    ]
    few = rng.normal(size=(5, 20)).astype(np.float32)
    far = 1e3 + few
    one = answer(half[0], half[1], [[few]], classes=3, seeds=2)
    two = answer(half[0], half[1], [[few], [far]], classes=3, seeds=2)
    assert np.array_equal(one.fitted_once[0], two.fitted_once[0]) and np.array_equal(one.said[0], two.said[0])


def test_action_is_a_target_and_absent_reactions_are_named(planted: ClipDataset) -> None:
    result = probe(planted, ColourEncoder(), target="action", seeds=1, replicates=50)
    assert result.labels == ("hit", "tap")
    with pytest.raises(ValueError, match="target is `shape`, known are material, action, reaction"):
        probe(planted, ColourEncoder(), target="shape")
    with pytest.raises(ValueError, match="target is `reaction`, which no clip"):
        probe(planted, ColourEncoder(), target="reaction")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "shape"), "target is `shape`"),
        (("--splits", "train"), "splits hold `train`, which is learned from"),
        (("--splits", "test_seen"), "splits are test_seen"),
        (("--seeds", "0"), "seeds is 0"),
        (("--require",), "--require belongs to --shortcuts"),
        (("--encoder", "eye"), "vision encoder is `eye`"),
    ],
)
def test_errors_name_field_value_and_cure(
    planted: ClipDataset,
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(planted.path, "--encoder", "colour", "--out", tmp_path, *options) == 2
    assert message in capsys.readouterr().err


def test_a_judge_that_is_the_dataset_and_a_missing_validation_are_refused(
    planted: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(planted.path, "--judge", planted.path, "--encoder", "colour", "--out", tmp_path) == 2
    assert "is the dataset itself" in capsys.readouterr().err
    bare = write(tmp_path / "bare", lambda data: data, splits=("train", "test"), clips=6)
    with pytest.raises(ValueError, match="validation holds 0 contacts"):
        probe(bare, ColourEncoder())
    assert call(tmp_path / "none", "--out", tmp_path) == 2


def test_inputs_of_the_real_encoder_come_from_the_cache(private_cache: None, tmp_path: Path) -> None:
    dataset = write(tmp_path / "few", lambda data: data, splits=("train",), clips=3)
    encoder = load_encoder("efficientnet-lite0")
    steps: list[int] = []
    first = load_inputs(dataset, encoder, lambda done, of: steps.append(done))
    assert steps == [1, 2, 3, 4, 5, 6]
    assert first["sight"].shape == (3, 2560) and first["background"].shape == (3, 1280)
    again = load_inputs(dataset, encoder, lambda done, of: steps.append(done))
    assert len(steps) == 6 and all(np.array_equal(first[k], again[k], equal_nan=True) for k in first)


def test_motor_input_ends_before_the_contact(private_cache: None, tmp_path: Path) -> None:
    loud = write(tmp_path / "loud", lambda data: data, splits=("train",), clips=3)

    def cut(data: ClipData) -> ClipData:
        audio = data.audio.copy()
        audio[12_000 - 480 :] = 0.0
        return dataclasses.replace(data, audio=audio)

    mute = write(tmp_path / "mute", cut, splits=("train",), clips=3)
    a, b = load_inputs(loud, ColourEncoder()), load_inputs(mute, ColourEncoder())
    assert np.array_equal(a["motor"], b["motor"]) and not np.allclose(a["sound"], b["sound"])


def test_background_hides_the_middle() -> None:
    still = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    other = still.copy()
    other[16:112, 16:112] = 0
    assert np.array_equal(background_of(still), background_of(other))
    assert np.array_equal(background_of(still)[:16], still[:16])


def test_time_counts_from_the_first_contact_of_the_session(planted: ClipDataset) -> None:
    clips = planted.clips[:8]  # six contacts of one session, 3 s apart, and two of the next
    assert np.array_equal(session_times(clips)[:, 0], [0, 3, 6, 9, 12, 15, 0, 3])
    assert np.array_equal(session_times(clips)[:, 1], [0, 1, 2, 3, 4, 5, 0, 1])
    ringing = [dataclasses.replace(clip, duration=2.0) for clip in clips]
    assert quiet_before(clips).all()
    assert quiet_before(ringing).tolist() == [True, False, False, False, False, False, True, False]


def test_modulation_is_found_in_its_octave() -> None:
    time_s = np.arange(68) / 90.0
    envelope = (0.5 + 0.2 * np.sin(2 * np.pi * 11.9 * time_s))[:, None]
    *_, low, middle, high, highest = sound_statistics(envelope, 90.0)
    assert high > 5 * max(low, middle, highest)


def test_permutations_keep_objects_whole() -> None:
    truth = np.repeat([0, 1], 20)
    said = truth.copy()
    two, many = [str(i // 20) for i in range(40)], [str(i) for i in range(40)]
    # With two objects half of all dealings are the true one, however many contacts there are.
    assert permutation_p_value(truth, said, two, classes=2, permutations=400) == pytest.approx(0.5, abs=0.1)
    assert permutation_p_value(truth, said, many, classes=2, permutations=400) < 0.01


def test_interval_takes_in_the_seeds() -> None:
    truth = np.zeros(10, np.int64)
    weights = np.ones((500, 10))
    wrong = np.stack([truth, truth + 1])
    still = score(truth, truth, np.stack([truth, truth]), ["o"] * 10, weights, classes=2, permutations=5)
    moved = score(truth, truth, wrong, ["o"] * 10, weights, classes=2, permutations=5)
    assert (still.balanced.low, still.balanced.high) == (1.0, 1.0)
    assert moved.balanced.low < 0.5 and moved.seeds_mean == 0.5
    with pytest.raises(ValueError, match="0 contacts to score"):
        score(truth[:0], truth[:0], wrong[:, :0], [], weights[:, :0], classes=2)


def test_reaction_is_a_target_where_clips_have_it(private_cache: None, tmp_path: Path) -> None:
    def rolls(data: ClipData) -> ClipData:
        reaction = "rolls" if data.clip.material == "metal" else "static"
        return dataclasses.replace(data, clip=dataclasses.replace(data.clip, reaction=reaction))

    dataset = write(tmp_path / "rolling", rolls, splits=("train", "validation", "test"), clips=12)
    result = probe(dataset, ColourEncoder(), target="reaction", seeds=1, replicates=50)
    assert result.labels == ("rolls", "static") and result.queries[0].scores["sound"].balanced.value > 0.8
