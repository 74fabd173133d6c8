"""Is it a contact at all? By what YAMNet takes a sound for, from its scores alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.sound_groups import CONTACTS, LEAST_SCORE, OTHERS, group_scores

# With it 3 of 420 real contacts are refused (a footstep in water and a rubbed glass among them), 16 of 100 simulated
# ones before voices, music and motors, and 72 of 100 sounds that are none; with 0.75 it is 32, 36 and 85.
_LEAST_SHARE = 0.95
_LEAST_SCORE = 0.1  # below which nothing is recognised, and nothing is refused
# Quiet clicks are "silence" to YAMNet as recordings without anything are; how loud a sound is, it does not know.
_ASKED = tuple(name for name in OTHERS if name != "silence")
_COLUMNS = [len(CONTACTS) + list(OTHERS).index(name) for name in _ASKED]
_CALLED = {"engine": "an engine", "animal": "an animal", "tone": "a tone"}


class NotContact(NamedTuple):
    """What a sound is rather than a contact."""

    name: str  # of one of the groups OTHERS
    probability: float  # the group's score over its sum with the best score of a contact; not calibrated

    @property
    def refused(self) -> bool:
        """Whether that is so sure that nothing should be said of materials."""
        return self.probability > _LEAST_SHARE

    @property
    def reason(self) -> str:
        """For a belief that abstains."""
        return f"sounds like {_CALLED.get(self.name, self.name)}, not like a contact"


def not_a_contact(
    scores: NDArray[np.float32],  # [521], of YAMNet
) -> NotContact:
    """The likeliest thing that is no contact, however unlikely; its probability is 0 where none is recognised."""
    groups = group_scores(scores)
    others = groups[_COLUMNS]
    best = int(others.argmax())
    score = float(others[best])
    if score < _LEAST_SCORE:
        return NotContact(_ASKED[best], 0.0)
    contact = max(float(groups[: len(CONTACTS)].max()), LEAST_SCORE)
    return NotContact(_ASKED[best], score / (score + contact))
