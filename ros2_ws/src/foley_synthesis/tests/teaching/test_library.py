"""The folder of taught predicates: written whole, read by others, embedded anew for another model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from foley_synthesis.teaching.embedding import Embedding
from foley_synthesis.teaching.example import TeachingError
from foley_synthesis.teaching.files import FILE
from foley_synthesis.teaching.library import TaughtLibrary, default_folder


def test_what_was_taught_is_the_same_after_it_was_read(tmp_path, examples):
    taught = TaughtLibrary(tmp_path, "m").add(
        "lid_is_tight", examples(5, 4, sound=True), text="the lid is tight"
    )
    read = TaughtLibrary(tmp_path, "m")["lid_is_tight"]
    assert read.to_dict() == taught.to_dict() and read.text == "the lid is tight"
    probe = taught.examples[0].embedding.values
    assert read.probability(probe) == pytest.approx(taught.probability(probe))
    first = read.examples[0]
    assert (first.contact_id, first.label, first.group, first.sound.rate) == ("p0", True, "p0", 24_000)
    assert first.sound.samples == pytest.approx(taught.examples[0].sound.samples, abs=1e-6)


def test_another_reader_takes_over_what_was_added_changed_and_removed(tmp_path, examples):
    writer, reader = TaughtLibrary(tmp_path, "m"), TaughtLibrary(tmp_path, "m")
    assert not reader.reload()
    writer.add("x_is", examples(3, 3))
    assert reader.reload() and reader["x_is"].positives == 3 and not reader.reload()
    writer.add("x_is", [dataclasses.replace(examples(1, 1)[0], label=False)])  # p0 again, with another label
    assert reader.reload() and (reader["x_is"].positives, reader["x_is"].negatives) == (2, 4)
    writer.take_back("x_is", ["p0"])
    assert reader.reload() and (reader["x_is"].positives, reader["x_is"].negatives) == (2, 3)
    writer.remove("x_is")
    assert reader.reload() and not reader.taught and not (tmp_path / "x_is").exists()


def test_two_writers_lose_no_label(tmp_path, examples):
    one, other = TaughtLibrary(tmp_path, "m"), TaughtLibrary(tmp_path, "m")
    one.add("x_is", examples(3, 0))
    assert other.add("x_is", examples(0, 3)).positives == 3


def test_files_that_nothing_names_any_more_are_gone(tmp_path, examples):
    library = TaughtLibrary(tmp_path, "m")
    library.add("x_is", examples(3, 3, sound=True))
    library.take_back("x_is", ["p1", "n2"])
    assert len(list((tmp_path / "x_is" / "sounds").iterdir())) == 4
    assert len(list((tmp_path / "x_is").glob("examples-*"))) == 1


def test_another_hearing_model_embeds_the_sounds_anew_or_refuses(tmp_path, examples):
    TaughtLibrary(tmp_path, "old").add("with_sound", examples(3, 3, sound=True))
    TaughtLibrary(tmp_path, "old").add("without", examples(3, 3))

    def embed(sound):
        plain = examples(1, 0)[0].embedding.plain
        return Embedding(sound.samples[:30].astype(np.float32), (30,), plain)

    library = TaughtLibrary(tmp_path, "new", embed)
    anew = library["with_sound"]
    assert anew.features_id == "new" and anew.examples[0].embedding.values.shape == (30,)
    assert len(library.problems) == 1 and "hear with that model" in library.problems[0]
    with pytest.raises(TeachingError, match="were not kept"):
        library["without"]


def test_a_damaged_file_costs_its_own_predicate_alone(tmp_path, examples):
    library = TaughtLibrary(tmp_path, "m")
    for name in ("good", "bad", "worse"):
        library.add(name, examples(3, 3))
    (tmp_path / "bad" / FILE).write_text("schema: foley-taught-1\nname: bad\n")
    next((tmp_path / "worse").glob("examples-*")).write_bytes(b"nonsense")
    library = TaughtLibrary(tmp_path, "m")
    assert list(library.taught) == ["good"]
    assert len(library.problems) == 2 and all("foley predicate remove" in p for p in library.problems)
    library.remove("bad")
    assert TaughtLibrary(tmp_path, "m").problems == tuple(p for p in library.problems if "worse" in p)


def test_an_unknown_name_is_told_with_those_near_it(tmp_path, examples):
    library = TaughtLibrary(tmp_path, "m")
    library.add("lid_is_tight", examples(1, 1))
    with pytest.raises(TeachingError, match="did you mean `lid_is_tight`"):
        library.remove("lid_is_tigt")


def test_the_folder_follows_the_xdg_base_directories(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "foley" / "predicates"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/robot")
    assert str(default_folder()) == "/home/robot/.local/share/foley/predicates"
