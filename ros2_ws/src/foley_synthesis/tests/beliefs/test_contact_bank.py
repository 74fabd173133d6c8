"""The bank of heard contacts, and its file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.contact_bank import (
    FEWEST,
    NUMBERS,
    ContactBank,
    Likeness,
    bank_of,
    file_name,
    load_bank,
    save_bank,
)
from foley_synthesis.checkpoint import CorruptCheckpoint, default_path, load_checkpoint
from foley_synthesis.hearing.inference.opened import hearing_beside

LABELS = ("metal", "wood")


def belief(metal: float) -> MaterialBelief:
    return MaterialBelief((metal, 1.0 - metal), log10_e_mean=10.0, log10_e_std=0.5, roughness=0.2)


def bank() -> ContactBank:
    odd = belief(0.5).abstaining("odd")
    contacts = [(0, "tap", belief(0.8)), (1, "tap", belief(0.3)), (1, "rub", odd)]
    return bank_of(
        contacts, LABELS, likeness=Likeness(0.5, 0.25), heard_model="abc", measured_on={"scenes": 3}
    )


def test_it_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    save_bank(bank(), tmp_path)
    again = load_bank(tmp_path, "abc")
    assert again is not None and load_bank(tmp_path, "def") is None
    for field in dataclasses.fields(ContactBank):
        assert np.array_equal(
            getattr(again, field.name),
            getattr(bank(), field.name),
            equal_nan=field.name == "numbers",
        ), field.name


def test_a_damaged_file_names_itself_and_the_cure(tmp_path: Path) -> None:
    (tmp_path / file_name("abc")).write_bytes(b"nothing")
    with pytest.raises(CorruptCheckpoint, match=r"contacts_abc\.safetensors.*foley evaluate contacts"):
        load_bank(tmp_path, "abc")


def test_few_contacts_by_an_action_are_stood_for_by_all_of_the_material() -> None:
    contacts = [(0, "tap", belief(0.8))] * FEWEST + [(1, "tap", belief(0.2))] * FEWEST
    found = bank_of([*contacts, (0, "rub", belief(0.6)), *[(1, "rub", belief(0.3))] * FEWEST], LABELS)
    rub = found.rows("rub")
    assert (found.material[rub] == 0).sum() == FEWEST + 1  # its one rub and its taps
    assert (found.material[rub] == 1).sum() == FEWEST  # its own alone
    assert len(found.rows("press")) == len(found.material)  # nobody ever pressed: all stand for it


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        dataclasses.replace(bank(), fit=np.ones(4, bool))
    with pytest.raises(ValueError, match="2 probabilities for 3 labels"):
        bank_of([(0, "tap", belief(0.5))], (*LABELS, "glass"))
    with pytest.raises(ValueError, match=r"apart is 2\.0"):
        Likeness(apart=2.0)


def test_the_one_that_ships_is_of_the_models_that_ship() -> None:
    content = load_checkpoint(None, exemplars=False)
    found = load_bank(default_path(), hearing_beside(content).model_id)
    assert found is not None and found.labels == content.vocabulary.labels
    assert found.known.all() and {"tap", "hit", "scratch"} <= set(found.actions)
    assert found.fit_share("tap") > found.fit_share("scratch")
    assert found.numbers.shape[1] == len(NUMBERS) and 0.0 < found.likeness.apart <= found.likeness.at_place
