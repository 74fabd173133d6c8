import pytest

from foley_bringup.examples.sorting.episode import Episode
from foley_bringup.examples.sorting.picture import draw
from foley_bringup.examples.sorting.run import Row, figures_of, markdown


def _rows():
    for seed in range(8):
        for name, wrong, touches in (("never", 2, 0), ("random", 1, 3), ("suggested", seed % 2, 3)):
            episode = Episode(5 - wrong, wrong, touches, 2, True, "", 5 - 6 * wrong - 0.2 * touches)
            yield Row(seed, f"scene{seed % 4}", name, episode)


def test_figures_are_means_over_tables_and_differences_are_of_the_same_tables():
    figures = figures_of(list(_rows()), replicates=200)
    assert (figures["tables"], figures["scenes"], figures["not_reached"]) == (8, 4, 0)
    never, suggested = figures["strategies"]["never"], figures["strategies"]["suggested"]
    assert never["success"] == {"value": 0.0, "low": 0.0, "high": 0.0} and never["wrong"]["value"] == 2.0
    assert suggested["success"]["value"] == 0.5 and suggested["success"]["low"] < 0.5
    difference = figures["differences"]["suggested - random"]
    assert difference["wrong"]["value"] == pytest.approx(-0.5) and difference["touches"]["value"] == 0.0
    assert "worth - vision" not in figures["differences"]
    text = markdown(figures)
    assert "| never touch: sight alone decides | 0.00 [0.00, 0.00] | 2.00 [2.00, 2.00] |" in text


def test_the_picture_is_drawn(tmp_path):
    draw(figures_of(list(_rows()), replicates=20), tmp_path / "sorting.png")
    assert (tmp_path / "sorting.png").read_bytes().startswith(b"\x89PNG")
