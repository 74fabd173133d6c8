"""What YAMNet's scores say of a sound that may be no contact."""

from __future__ import annotations

import numpy as np
import pytest

from foley_synthesis.hearing.inference.contact_likeness import NotContact, not_a_contact
from foley_synthesis.hearing.sound_groups import class_names


def scores(**of: float) -> np.ndarray:
    """Scores of some classes, by their names with _ for a space."""
    found = np.zeros(521, np.float32)
    for name, score in of.items():
        found[class_names().index(name.replace("_", " "))] = score
    return found


@pytest.mark.parametrize(
    ("given", "name", "probability", "refused"),
    [
        ({"Speech": 0.9, "Wood": 0.1}, "speech", 0.9, False),
        ({"Speech": 0.9, "Wood": 0.03}, "speech", 0.9 / 0.93, True),
        ({"Music": 0.8, "Ding": 0.2}, "music", 0.8, False),  # bars that ring are music to it, too
        ({"Music": 0.98, "Ding": 0.01}, "music", 0.98 / 0.99, True),
        ({"Rain": 0.4, "Rustle": 0.03}, "wind or water", 0.4 / 0.43, False),
        ({"Sine wave": 0.5}, "tone", 0.5 / 0.5001, True),
        ({"Speech": 0.05}, "speech", 0.0, False),  # nothing is recognised at all
        ({"Silence": 1.0, "Speech": 0.01}, "speech", 0.0, False),  # of loudness it knows nothing
    ],
)
def test_what_is_refused(given: dict[str, float], name: str, probability: float, refused: bool) -> None:
    found = not_a_contact(scores(**given))
    assert found.name == name and found.refused is refused
    assert found.probability == pytest.approx(probability, abs=1e-6)


def test_the_reason_is_a_sentence() -> None:
    assert NotContact("speech", 0.9).reason == "sounds like speech, not like a contact"
    assert NotContact("engine", 0.9).reason == "sounds like an engine, not like a contact"
