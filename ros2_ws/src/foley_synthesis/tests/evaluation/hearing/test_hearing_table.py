"""The table of hearing: what it asks, how it counts, and that what was heard once is not heard again."""

import argparse
import csv
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.signal
import soundfile

from foley_common.session_file import SessionData, write_session
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.checkpoint import Vocabulary, default_path, model_id_of
from foley_synthesis.commands import evaluate as evaluate_command
from foley_synthesis.evaluation.hearing import adaptation, baselines, honesty
from foley_synthesis.evaluation.hearing.answers import Answers, ask
from foley_synthesis.evaluation.hearing.choices import restricted, said
from foley_synthesis.evaluation.hearing.no_contact import KINDS, made_sounds
from foley_synthesis.evaluation.hearing.real import real_table
from foley_synthesis.evaluation.hearing.report import markdown
from foley_synthesis.evaluation.hearing.run import HearingTable, HearingTableConfig
from foley_synthesis.evaluation.hearing.sounds import Sound, SoundsError, read_contacts, read_recordings
from foley_synthesis.flow.what import MATERIALS

RATE = 16_000
WOOD, METAL = (MATERIALS.index(name) for name in ("wood", "metal"))


def tap(material: str, rng: np.random.Generator) -> np.ndarray:
    """0.6 s of noise in a band, another one in each: wood is low and short, anything else high and long."""
    low, high, tau = (250, 900, 0.05) if material == "wood" else (2500, 6000, 0.2)
    time = np.arange(round(0.6 * RATE)) / RATE - 0.1
    band = scipy.signal.butter(2, [low, high], "bandpass", fs=RATE, output="sos")
    noise = scipy.signal.sosfilt(band, rng.standard_normal(len(time)))
    wave = np.where(time >= 0, np.exp(-np.maximum(time, 0) / tau) * noise, 0.0)
    return (0.3 * wave / np.abs(wave).max() + 1e-4 * rng.standard_normal(len(time))).astype(np.float32)


class Ear:
    """Knows wood from metal by the loudest frequency, and abstains on steady sounds."""

    vocabulary = Vocabulary("test", "1", ("metal", "wood"))
    model_id, domain = "ear", "sim"
    asked = 0

    def predict(self, samples, sample_rate, *, onset_s=None):
        self.asked += 1
        spectrum = np.abs(np.fft.rfft(samples))
        hz = np.fft.rfftfreq(len(samples), 1 / sample_rate)[spectrum.argmax()]
        p = (0.9, 0.1) if hz > 1000 else (0.1, 0.9)
        steady = np.abs(samples[: len(samples) // 8]).max() > 0.1 * np.abs(samples).max()
        return MaterialBelief(p, self.vocabulary.labels, 10.0, 0.5, abstain=bool(steady))


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of embeddings are not there, wherever the tests run."""
    for module in ("metrics.perceptual", "hearing.frozen"):
        monkeypatch.setattr(f"foley_synthesis.{module}.cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two sources with six taps of wood and of metal each, and one of grass."""
    folder, rng, rows = tmp_path / "real", np.random.default_rng(0), []
    folder.mkdir()
    for source in ("a", "b"):
        for material in ("wood",) * 6 + ("metal",) * 6 + ("grass",):
            name = f"{len(rows)}.wav"
            soundfile.write(folder / name, tap(material, rng), RATE)
            rows.append((name, material, source, "hit"))
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "material", "source_package", "action"), *rows])
    return folder


def sound(label: str, scene: str = "a", group: str = "g") -> Sound:
    return Sound("s", np.zeros(8, np.float32), RATE, scene, group, label)


def answers(first: list[int], abstain: list[bool]) -> Answers:
    n = len(first)
    return Answers(np.eye(13)[first], np.array(abstain), np.full((n, 2), np.nan), np.zeros(n))


def test_the_whole_table_is_right_of_an_ear_that_is(recordings: Path, tmp_path: Path) -> None:
    ear = Ear()
    config = HearingTableConfig(replicates=20, no_contacts=2, draws=3)
    found = HearingTable({"ear": ear}, tmp_path / "kept", config).measure(recordings)
    figures = json.loads(json.dumps(found.to_dict()))
    assert figures["real"]["recordings"] == 24
    assert figures["real"]["pooled"]["ear"]["balanced_accuracy"]["value"] == 1.0
    assert figures["real"]["pooled"]["chance"]["balanced_accuracy"]["value"] == 0.25
    assert figures["real"]["pooled"][baselines_name("MFCC")]["balanced_accuracy"]["value"] == 1.0
    assert figures["honesty"]["contacts"]["ear"]["first_choice_right"]["count"] == 24
    assert list(figures["honesty"]["other_materials"]["ear"]["kinds"]) == ["grass"]
    assert figures["honesty"]["no_contact"]["ear"]["kinds"]["hum"]["value"] == 1.0
    assert figures["adaptation"]["a"]["materials"] == ["metal", "wood"]
    assert figures["adaptation"]["a"]["methods"]["ear"]["3"]["value"] == 1.0
    assert [note[:15] for note in found.notes if "is not there" in note] == [
        "without YAMNet:",
        "without aiSFX: ",
    ]
    assert "| ear |" in markdown(found, {"ear": "ear"})
    asked = ear.asked
    HearingTable({"ear": ear}, tmp_path / "kept", config).measure(recordings)
    assert ear.asked == asked


def baselines_name(features: str) -> str:
    return f"{features} + LR, of other real sources"


def test_what_is_known_to_be_asked_is_all_that_is_said() -> None:
    p = np.full((1, 13), 0.0)
    p[0, [WOOD, METAL, MATERIALS.index("foam")]] = 0.2, 0.1, 0.7
    assert restricted(p, ("wood", "metal")) == pytest.approx(np.array([[2 / 3, 1 / 3]]))
    prior = np.full(13, 0.1)
    prior[WOOD] = 0.4  # wood was likely before anything was heard
    assert restricted(p, ("wood", "metal"), prior) == pytest.approx(np.array([[1 / 3, 2 / 3]]))


def test_shares_of_a_set_are_those_of_its_contacts(tmp_path: Path, generated: ModuleType) -> None:
    shares = baselines.shares_of(generated.write_set(tmp_path / "made", clips=24, seed=0))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[[WOOD, METAL]] == pytest.approx(
        [12 / 18, 6 / 18]
    )  # every fourth clip, of metal, is no contact
    found = baselines.generated_sounds(tmp_path / "made", ("wood", "metal"), 8)
    assert sorted(s.label for s in found) == ["metal"] * 4 + ["wood"] * 4
    assert all(s.onset_s == pytest.approx(0.2, abs=0.05) and np.isfinite(s.log10_e) for s in found)


def test_who_says_nothing_is_right_by_chance() -> None:
    counts = np.bincount(said(np.full((4000, 4), 0.25)), minlength=4)
    assert counts.min() > 900


def test_a_source_counts_by_the_materials_that_it_has() -> None:
    sounds = [
        sound("wood", "a", "1"),
        sound("wood", "a", "2"),
        sound("metal", "b", "3"),
        sound("wood", "b", "4"),
    ]
    p = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    table = real_table(sounds, ("wood", "metal"), {"always wood": p}, replicates=20)
    row = table.pooled.cells["always wood"]
    assert row["balanced_accuracy"].found.value == 0.5
    assert row["mean_over_scenes"].found.value == pytest.approx((1.0 + 0.5) / 2)
    assert table.sources["a"].cells["always wood"]["balanced_accuracy"].found.value == 1.0


def test_what_is_said_is_counted_where_it_does_not_abstain() -> None:
    sounds = [sound("wood"), sound("metal"), sound("metal"), sound("snow")]
    found = honesty.on_contacts(
        sounds, answers([WOOD, WOOD, METAL, WOOD], [False, False, True, False]), ("wood", "metal")
    )
    assert (found["answered"]["count"], found["answered"]["of"]) == (2, 3)
    assert (found["first_choice_right"]["count"], found["first_choice_right"]["of"]) == (1, 2)
    # Clopper and Pearson, 1 of 2: scipy.stats.binomtest(1, 2).proportion_ci()
    assert found["first_choice_right"]["low"] == pytest.approx(0.01258, abs=1e-5)
    assert found["first_choice_right"]["high"] == pytest.approx(0.98742, abs=1e-5)


def test_sets_are_counted_where_a_model_has_them() -> None:
    sets = np.zeros((2, 13), bool)
    sets[:, [WOOD, METAL]] = True
    said = Answers(
        np.eye(13)[[WOOD, WOOD]],
        np.zeros(2, bool),
        np.full((2, 2), np.nan),
        np.zeros(2),
        sets,
        np.full(2, 0.9),
    )
    found = honesty.on_contacts([sound("metal"), sound("glass")], said, ("wood", "metal"))["material_set"]
    assert (found["promised"], found["covered"]["count"], found["mean_size"]) == (0.9, 1, 2.0)


def test_taps_and_what_judges_them_share_no_recording() -> None:
    sounds = [sound(m, "a", f"{m}{k // 3}") for m in ("wood", "metal") for k in range(12)]
    draws = adaptation.draws_of(sounds, ("wood", "metal"), "a", draws=5)
    assert len(draws) == 5
    for draw in draws:
        told = {sounds[row].group for rows in draw.taps.values() for row in rows}
        assert not told & {sounds[row].group for row in draw.judged}
        assert {sounds[row].group for row in draw.taps[0][:2]} < told  # the first two are of two recordings
        assert len({sounds[row].group for row in draw.taps[0][:2]}) == 2


def test_a_material_of_variants_of_two_recordings_takes_no_part() -> None:
    sounds = [sound("wood", "a", f"w{k // 5}") for k in range(10)]
    sounds += [sound("metal", "a", f"m{k}") for k in range(10)]
    assert adaptation.draws_of(sounds, ("wood", "metal"), "a") == []


def test_more_taps_are_told_to_who_learns_from_them() -> None:
    sounds = [sound(m, "a", f"{m}{k}") for m in ("wood", "metal") for k in range(20)]
    truth = baselines.classes_of(sounds, ("wood", "metal"))
    draws = adaptation.draws_of(sounds, ("wood", "metal"), "a", draws=4)

    def knows_at_five(told: np.ndarray, asked: np.ndarray) -> np.ndarray:
        right = np.eye(2)[truth[asked]]
        return right if len(told) >= 10 else 1.0 - right

    curve = adaptation.curve(draws, truth, 2, knows_at_five, np.full((40, 2), [0.9, 0.1]))
    assert curve is not None
    assert {k: values.mean() for k, values in curve.points.items()} == {0: 0.5, 3: 0.0, 5: 1.0, 10: 1.0}
    mean = adaptation.mean_over({"a": {"chance": 0.5}, "b": {"chance": 0.25}}, [{"m": curve}, {"m": curve}])
    assert (mean["chance"], mean["methods"]["m"]["5"]["value"]) == (0.375, 1.0)


def test_an_embedding_is_judged_on_sources_that_it_has_not_learned_from() -> None:
    rng = np.random.default_rng(0)
    truth = np.tile([0, 1], 30)
    # In each source the second number says the opposite of what it says in the others.
    sources = np.repeat(["a", "b", "c"], 20)
    x = np.stack([truth + 0.01 * rng.standard_normal(60), rng.standard_normal(60)], axis=1).astype(np.float32)
    p = baselines.left_out(x, truth, sources.tolist(), 2)
    assert (p.argmax(axis=1) == truth).all()
    only_in_a = np.where(sources == "a", truth, 0.0)[:, None].astype(np.float32)
    p = baselines.left_out(only_in_a + 1e-6 * rng.standard_normal((60, 1)), truth, sources.tolist(), 2)
    assert (p.argmax(axis=1) == truth)[sources == "a"].mean() < 0.8


def test_level_counts_for_nothing_in_mfcc() -> None:
    wave = tap("wood", np.random.default_rng(0))
    loud, quiet = (Sound("s", wave * gain, RATE, "a", "g", "wood") for gain in (1.0, 0.01))
    rows = baselines.mfcc([loud, quiet])
    assert rows[0] == pytest.approx(rows[1], abs=0.05)


def test_sounds_of_no_contact_repeat_from_their_seed() -> None:
    first, again, other = made_sounds(2, 0), made_sounds(2, 0), made_sounds(2, 1)
    assert [s.label for s in first] == [kind for kind in KINDS for _ in range(2)]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.samples, b.samples) for a, b in zip(first, other, strict=True))
    assert all(0 < np.abs(s.samples).max() <= 1.0 and s.material == -1 for s in first)


def test_a_hum_is_at_the_mains() -> None:
    hums = [s for s in made_sounds(5, 3) if s.label == "hum"]
    for s in hums:
        spectrum = np.abs(np.fft.rfft(s.samples * np.hanning(len(s.samples))))
        hz = np.fft.rfftfreq(len(s.samples), 1 / s.rate)[spectrum.argmax()]
        assert min(abs(hz / k - mains) for mains in (50, 60) for k in range(1, 20)) < 1.0


def session(folder: Path, times: list[float], rises: list[float]) -> None:
    rows, count = 125 * 4, len(times)
    data = SessionData(
        facts={
            "scene_id": "scene", "split": "test", "sound_rate": RATE, "contact_actions": ["tap"] * count,
            "contact_rise_db": rises,
            "objects": [{"object_id": "o", "material": "glass", "youngs_modulus": 7e10, "size": [0.1] * 3}],
        },
        sound=np.arange(4 * RATE, dtype=np.int16),
        planned_pose=np.zeros((rows, 7), np.float32), executed_pose=np.zeros((rows, 7), np.float32),
        planned_width=np.zeros(rows, np.float32), executed_width=np.zeros(rows, np.float32),
        wrench=np.zeros((rows, 6), np.float32), tool_tip=np.zeros(7, np.float32),
        surface_points=np.zeros((0, 3), np.int16), surface_colours=np.zeros((0, 3), np.uint8),
        contact_s=np.array(times, np.float32), contact_planned_s=np.full(count, np.nan, np.float32),
        contact_object=np.zeros(count, np.int16), contact_impulse=np.ones(count, np.float32),
        view_bytes=np.zeros(0, np.uint8), view_offsets=np.zeros(1, np.int64),
    )  # fmt: skip
    folder.mkdir()
    write_session(folder / "scene-p0.npz", data)


def test_contacts_are_cut_from_sessions_where_they_are_heard_alone(tmp_path: Path) -> None:
    # The second is followed too soon, the third ends where the fourth begins, which cannot be heard.
    session(tmp_path / "set", [0.5, 2.0, 2.2, 2.75], [10.0, 10.0, 10.0, 1.0])
    found = read_contacts(tmp_path / "set")
    assert [s.name for s in found] == ["scene-p0:0", "scene-p0:2"]
    first, second = found
    assert first.samples[0] * 2**15 == round(0.3 * RATE)
    assert first.onset_s == pytest.approx(0.2, abs=1e-4)
    assert len(first.samples) / RATE == pytest.approx(1.2, abs=1e-3)
    assert len(second.samples) / RATE == pytest.approx(0.2 + 0.55 - 0.03, abs=1e-3)
    assert (MATERIALS[first.material], first.log10_e) == ("glass", pytest.approx(10.845, abs=1e-3))


def test_labels_that_cannot_be_used_are_told(tmp_path: Path, recordings: Path) -> None:
    with pytest.raises(SoundsError, match=r"labels\.csv"):
        read_recordings(tmp_path)
    (recordings / "labels.csv").write_text("file,material\nx.wav,wood\n")
    with pytest.raises(SoundsError, match="source_package, action"):
        read_recordings(recordings)
    (recordings / "labels.csv").write_text("file,material,source_package,action\nx.wav,wood,a,hit\n")
    with pytest.raises(SoundsError, match=r"x\.wav: no such file"):
        read_recordings(recordings)


@pytest.mark.parametrize(
    ("label", "material", "outside"),
    [("cloth", MATERIALS.index("fabric"), False), ("snow", -1, True), ("unobtainium", -1, False)],
)
def test_a_label_is_a_material_or_known_to_be_none_or_left_out(
    label: str, material: int, outside: bool
) -> None:
    assert (sound(label).material, sound(label).outside) == (material, outside)


def test_what_a_model_does_not_know_has_no_probability(tmp_path: Path) -> None:
    wave = tap("wood", np.random.default_rng(0))
    found = ask(Ear(), [Sound("s", wave, RATE, "a", "g", "wood")], tmp_path)
    assert found.p[0, [WOOD, METAL]] == pytest.approx([0.9, 0.1])
    assert found.p.sum() == pytest.approx(1.0)
    assert found.sets is None


def test_a_material_that_somebody_taught_is_none_of_the_thirteen(tmp_path: Path) -> None:
    class Taught(Ear):
        vocabulary = Vocabulary("test", "1", ("metal", "cork", "wood"))

        def predict(self, samples, sample_rate, *, onset_s=None):
            return MaterialBelief((0.1, 0.5, 0.4), self.vocabulary.labels)

    found = ask(Taught(), [sound("wood")], tmp_path)
    assert found.p[0, [METAL, WOOD]] == pytest.approx([0.2, 0.8])


def evaluate(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    evaluate_command.configure(parser)
    return evaluate_command.run(parser.parse_args(arguments))


def test_the_command_writes_figures_tables_and_pictures(
    recordings: Path, tmp_path: Path, tiny_hearing: Path, generated: ModuleType
) -> None:
    session(tmp_path / "set", [0.5, 2.0], [10.0, 10.0])
    made = generated.write_set(tmp_path / "made", clips=24, seed=0)
    arguments = [
        "--real",
        recordings,
        "--sets",
        f"{tmp_path / 'set'}=there",
        "--model",
        f"tiny={tiny_hearing}",
    ]
    arguments += ["--train", made, "--validation", f"{made}=made", "--out", tmp_path / "out"]
    arguments += ["--replicates", 10, "--no-contacts", 1, "--draws", 1, "--threads", 1]
    assert evaluate("hearing", *map(str, arguments)) == 0
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["models"] == {
        "as it was": model_id_of(default_path()),
        "tiny": model_id_of(tiny_hearing),
    }
    assert figures["simulated"]["there"]["contacts"] == 2
    assert figures["simulated"]["made"]["contacts"] == 18
    assert list(figures["stages"]) == ["tiny"]
    assert list(figures["stages"]["tiny"]) == ["0.06", "0.15", "0.5", "all"]
    whole = figures["real"]["pooled"]["tiny"]["balanced_accuracy"]
    assert figures["stages"]["tiny"]["all"]["balanced_accuracy"] == whole
    assert figures["honesty"]["contacts"]["tiny"]["material_set"]["covered"]["of"] == 24
    assert "MFCC + SVM, of the simulation" in figures["real"]["pooled"]
    assert "## Simulated: there" in (tmp_path / "out" / "table.md").read_text()
    pictures = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert pictures == {"real.png", "confusion.png", "adaptation.png", "simulated_0.png", "simulated_1.png"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("hearing",), "--real is not given"),
        (("shipped",), "which dataset?"),
        (("hearing", "--real", "nowhere"), "labels.csv"),
        (("hearing", "--real", ".", "--sets", "a=x", "--sets", "b=x"), "--sets has two sets of the name `x`"),
        (("hearing", "--real", ".", "--model", "as it was=x"), "must be there once"),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*arguments) == 2
    assert told in capsys.readouterr().err
