import dataclasses
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_common.session_file import read_session, write_session
from foley_synthesis.flow.sight import pictures
from foley_synthesis.flow.sight.looks import FOLDER, look_at, looks_of
from foley_synthesis.flow.sight.moments import NEAR_M, VIEWS_PER_THING, Moments, session_moments
from foley_synthesis.flow.sight.things import Things
from foley_synthesis.vision.coarse_colour import ColourEncoder


class CountingEncoder(ColourEncoder):
    """Remembers how many pictures it was given."""

    def __init__(self) -> None:
        self.pictures = 0

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.pictures += len(images)
        return super().encode(images)


def test_a_vector_holds_whole_middle_colours_and_texture() -> None:
    encoder = ColourEncoder()
    layout = pictures.Layout(encoder.dims)
    image = np.zeros((224, 224, 3), np.uint8)
    image[48:176, 48:176] = (255, 0, 0)  # the middle at full resolution is all red
    found = pictures.vectors([image], encoder)[0]
    assert found.shape == (layout.width,)
    whole, middle = found[: encoder.dims], found[encoder.dims : 2 * encoder.dims]
    assert np.allclose(middle[0:48:3], 255 / 128 - 1) and not np.allclose(whole[0:48:3], 255 / 128 - 1)
    colours = found[layout.colours]
    assert colours.max() == pytest.approx(1.0) and np.square(colours).sum() == pytest.approx(1.0)


def test_texture_tells_a_coarse_surface_from_a_smooth_one() -> None:
    rng = np.random.default_rng(0)
    flat = np.full((128, 128, 3), 120, np.uint8)
    rough = np.clip(120 + rng.normal(0, 30, flat.shape), 0, 255).astype(np.uint8)
    texture = pictures.vectors([flat, rough], ColourEncoder())[:, -pictures.TEXTURE :]
    assert texture[1, 0] > texture[0, 0] + 5  # luma in the finest octave, in logarithms


def test_moments_know_what_is_near_and_choose_few_views_of_each(seen: ModuleType) -> None:
    things = Things.of(seen.ground())
    box, disc = things.under(np.array(seen.PLACES))
    place = np.array([*seen.PLACES[0], 0.05])
    tips = np.array(
        [place + (0, 0, rise) for rise in (*np.linspace(0.1, 0.01, 30), NEAR_M + 0.01)]  # noqa: RUF005
        + [(0.0, 0.0, 0.02), (*seen.PLACES[1], 0.02), (np.nan,) * 3]
    )
    moments = Moments.of(things, tips)
    assert moments.thing.tolist() == [box] * 30 + [-1, -1, disc, -1]
    assert moments.rise[0] == pytest.approx(0.1, abs=1e-3)
    usable = np.ones(len(tips), bool)
    usable[20] = False
    rows = moments.chosen(usable)
    ours = rows[moments.thing[rows] == box]
    assert len(ours) == VIEWS_PER_THING and ours.min() >= 14 and 20 not in ours  # from the nearer half
    assert 32 in rows and not {30, 31, 33} & set(rows.tolist())
    form = moments.forms(rows)
    assert np.isfinite(form).all() and form[:, -4] == pytest.approx(10 * moments.rise[rows], abs=1e-4)


def test_a_session_is_looked_at_once_and_what_was_seen_is_kept(tmp_path: Path, seen: ModuleType) -> None:
    path = tmp_path / "a.npz"
    write_session(path, seen.hopping_session())
    encoder = CountingEncoder()
    first = looks_of(tmp_path, encoder, [path])[0]
    assert set(first.object.tolist()) == {0, 1}
    moments = session_moments(read_session(path))
    assert (moments.tip[first.moment, 0] > 0).tolist() == (first.object == 1).tolist()
    after = encoder.pictures
    assert after == 2 * len(first.moment)  # whole and middle of distinct pictures
    again = looks_of(tmp_path, encoder, [path])[0]
    assert encoder.pictures == after
    for field in dataclasses.fields(first):
        assert np.array_equal(getattr(first, field.name), getattr(again, field.name))
    kept = next((tmp_path / FOLDER).glob("*.safetensors"))
    kept.write_bytes(b"damaged")
    assert np.array_equal(looks_of(tmp_path, encoder, [path])[0].vector, first.vector)
    write_session(path, seen.hopping_session(("metal", "wood")))
    assert not np.array_equal(looks_of(tmp_path, encoder, [path])[0].vector, first.vector)


def test_equal_pictures_are_encoded_once(seen: ModuleType) -> None:
    session = seen.hopping_session()
    file = session.view(0, "local")
    count = session.views
    still = dataclasses.replace(
        session,
        view_bytes=np.frombuffer(file * count, np.uint8).copy(),
        view_offsets=np.arange(count + 1, dtype=np.int64) * len(file),
    )
    encoder = CountingEncoder()
    look = look_at(still, encoder)
    assert encoder.pictures == 2 and len(look.moment) > 2


def test_what_was_not_rendered_and_what_is_damaged_are_named(seen: ModuleType) -> None:
    session = seen.hopping_session()
    blind = dataclasses.replace(session, facts={**session.facts, "view_names": []})
    with pytest.raises(ValueError, match="no local views"):
        look_at(blind, ColourEncoder())
    broken = dataclasses.replace(session, view_bytes=np.zeros_like(session.view_bytes))
    with pytest.raises(ValueError, match="damaged"):
        look_at(broken, ColourEncoder())
