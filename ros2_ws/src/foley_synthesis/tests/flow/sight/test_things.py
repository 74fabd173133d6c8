from types import ModuleType

import numpy as np
import pytest

from foley_synthesis.flow.sight.things import Things


@pytest.fixture(scope="module")
def things(seen: ModuleType) -> Things:
    return Things.of(seen.ground())


def test_the_thing_under_a_tip_is_found_and_the_table_is_none(seen: ModuleType, things: Things) -> None:
    box, disc, table, beyond = things.under(np.array([*seen.PLACES, (0.0, 0.0), (5.0, 0.0)]))
    assert box >= 0 and disc >= 0 and box != disc
    assert table == beyond == -1
    assert things.under(np.array([[np.nan, 0.0]])) == -1
    assert things.table == pytest.approx(0.0, abs=1e-3)
    assert np.allclose(things.centres[[box, disc]], seen.PLACES, atol=0.002)


def test_a_tip_beside_a_thing_counts_as_over_it_up_to_three_centimetres(
    seen: ModuleType, things: Things
) -> None:
    x, y = seen.PLACES[0]
    edge = seen.SIZES["box"][1] / 2
    box = things.under(np.array([seen.PLACES[0]]))[0]
    assert things.under(np.array([[x, y + edge + 0.025], [x, y + edge + 0.035]])).tolist() == [box, -1]


def test_form_measures_extents_and_tells_round_from_square(seen: ModuleType, things: Things) -> None:
    box, disc = things.forms[things.under(np.array(seen.PLACES))]
    assert np.allclose(np.exp(box[:3]), (0.09, 0.06, 0.05), atol=0.004)
    assert np.allclose(np.exp(disc[2]), 0.02, atol=0.002)
    assert box[3] == pytest.approx(1.0, abs=0.05)
    assert disc[3] == pytest.approx(np.pi / 4, abs=0.05) and disc[4] == pytest.approx(1.0, abs=0.08)
    assert box[9] > 0.8  # flat on top


def test_an_empty_table_has_no_things(seen: ModuleType) -> None:
    flat = seen.ground()
    flat.heights[:] = 0.0
    empty = Things.of(flat)
    assert not len(empty.centres) and empty.under(np.array([seen.PLACES[0]])) == -1
