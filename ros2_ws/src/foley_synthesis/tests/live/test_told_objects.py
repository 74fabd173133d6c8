"""Evidence put together from published beliefs fuses to what was published."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusedBelief, FusionConfig, fuse
from foley_synthesis.live.told_objects import ToldBelief, ToldObjects

CONFIG = FusionConfig(heard_correlation=0.6, sight_weight=0.8, temperature=0.7)
PLACE = (0.1, 0.2, 0.05)


def belief(*p: float, unsure: bool = False) -> MaterialBelief:
    return MaterialBelief(p, log10_e_mean=10.0, log10_e_std=0.5, abstain=unsure, unsure=unsure)


def heard(number: int, said: MaterialBelief, place: tuple[float, float, float] = PLACE) -> Evidence:
    return Evidence("heard", f"c{number}", number + 1, said, position=place)


def told(item: Evidence) -> ToldBelief:
    return ToldBelief("mug", item.time_ns, item.belief, item.position, "world", item.key)


def published(fused: FusedBelief) -> ToldBelief:
    looked = bool(fused.contacts_predicted)
    return ToldBelief(
        "mug", fused.newest_ns, fused.belief, fused.position, "world", "", fused.contacts_heard, looked
    )


CONTACTS = [heard(0, belief(0.5, 0.3, 0.2)), heard(1, belief(0.2, 0.7, 0.1), (0.2, 0.2, 0.05))]
LOOK = Evidence("seen", "plan", 1, belief(0.1, 0.2, 0.7))


@pytest.mark.parametrize(
    ("items", "told_of"),
    [
        (CONTACTS, CONTACTS),  # all was told
        ([*CONTACTS, LOOK], CONTACTS),  # sight is in the sum alone
        (CONTACTS, CONTACTS[1:]),  # the first contact was before this process
        (CONTACTS, []),
        ([LOOK], []),
    ],
)
def test_evidence_fuses_to_what_was_published(items: list[Evidence], told_of: list[Evidence]) -> None:
    objects = ToldObjects(CONFIG)
    for item in told_of:
        objects.tell(told(item))
    fused = fuse(items, CONFIG)
    objects.tell(published(fused))
    evidence = objects.evidence("mug")
    assert fuse(evidence, CONFIG).belief.p() == pytest.approx(fused.belief.p(), abs=1e-3)
    assert sum(item.kind == "heard" for item in evidence) == fused.contacts_heard
    assert objects.believed("mug") == fused.belief


def test_what_changed_nothing_was_not_fit_to_be_fused() -> None:
    objects = ToldObjects(CONFIG)
    objects.tell(told(CONTACTS[0]))
    fused = fuse(CONTACTS[:1], CONFIG)
    objects.tell(published(fused))
    for number, changes in ((2, False), (3, True)):
        objects.tell(told(heard(number, belief(0.4, 0.3, 0.3, unsure=True))))
        more = fused.belief if not changes else belief(0.45, 0.3, 0.25)
        objects.tell(ToldBelief("mug", number, more, PLACE, "world", "", number, False))
    fit = {item.key: item.belief.fit for item in objects.evidence("mug") if item.key.startswith("c")}
    assert fit == {"c0": True, "c2": False, "c3": True}


def test_places_are_known_contacts_each_once_the_newest_first() -> None:
    objects = ToldObjects(CONFIG)
    assert objects.places("mug") == [] and objects.nearest(PLACE, 1.0) == ""
    nearby = (PLACE[0] + 0.005, *PLACE[1:])
    for number, place in enumerate((PLACE, (0.2, 0.2, 0.05), (math.nan,) * 3, nearby)):
        objects.tell(told(heard(number, belief(0.5, 0.3, 0.2), place)))
    assert objects.places("mug") == [nearby, (0.2, 0.2, 0.05)]
    assert objects.nearest((0.21, 0.2, 0.05), 0.06) == "mug" and objects.nearest((0.5, 0, 0), 0.06) == ""
    objects.act("c0", "tap")
    assert objects.actions("mug") == {"tap": 1.0}
    objects.forget(["mug"])
    assert objects.objects == () and objects.evidence("mug") == []


def test_objects_are_bounded() -> None:
    objects = ToldObjects(CONFIG)
    for number in range(300):
        item = heard(number, belief(0.5, 0.3, 0.2))
        objects.tell(ToldBelief(f"o{number}", number, item.belief, PLACE, "world", item.key))
    assert len(objects.objects) == 256 and "o299" in objects.objects and "o0" not in objects.objects
    assert np.isfinite(objects.places("o299")).all()
