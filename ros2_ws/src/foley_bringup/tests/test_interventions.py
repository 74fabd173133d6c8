"""Interventions on touches that are made up here, and refusals; the simulated ones are `foley intervene`'s own."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from foley_bringup.commands import intervene as command
from foley_bringup.interventions import (
    AS_IT_IS,
    InterventionConfig,
    Output,
    _louder,
    _retextured,
    check_looks,
    draw,
)

KEYS = [(f"s{i // 5}", f"p{i}") for i in range(20)]


def touches(
    seen: float, heard: float, louder: tuple[float, float] = (0.0, 0.0)
) -> dict[tuple[str, str], Output]:
    """Wooden things that are taken for metal with these probabilities."""
    return {
        key: Output(
            key[0], f"{key[0]}/o", "wood", "tap", {"metal": seen, "wood": 1 - seen},
            {"metal": heard, "wood": 1 - heard}, (-20.0 + louder[0], -18.0 + louder[1]), i,
        )
        for i, key in enumerate(KEYS)
    }  # fmt: skip


def test_sight_that_follows_and_hearing_that_does_not() -> None:
    found = _retextured(touches(0.1, 0.2), touches(0.7, 0.2), KEYS, "metal", 50)
    assert found["touches"] == 20
    assert found["seen: change for metal"]["value"] == pytest.approx(0.6)
    assert found["heard: change for metal"]["value"] == pytest.approx(0.0)
    assert found["seen says the truth, retextured"]["value"] == pytest.approx(0.3)


def test_loudness_is_compared_touch_by_touch() -> None:
    found = _louder(touches(0.1, 0.1), touches(0.1, 0.1, (4.0, 6.0)), KEYS, 50)
    assert found["predicted_db"]["value"] == pytest.approx(4.0) and found["real_db"][
        "value"
    ] == pytest.approx(6.0)
    with pytest.raises(ValueError, match="no touch is the same"):
        _louder({}, {}, [], 50)


def test_the_picture_shows_all_three(tmp_path: Path) -> None:
    base = touches(0.1, 0.2)
    cell = {"value": 100.0, "low": 90.0, "high": 110.0}
    found = {
        "retexture": {"metal": _retextured(base, touches(0.6, 0.2), KEYS, "metal", 20)},
        "speed": {"2": _louder(base, touches(0.1, 0.2, (5.0, 6.0)), KEYS, 20)},
        "shift": {"onset_ms": {"0": {**cell, "value": 0.0}, "100": cell}},
    }
    draw(found, tmp_path / "interventions.png")
    assert (tmp_path / "interventions.png").stat().st_size > 10_000


def test_variants_differ_in_one_thing_and_nonsense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = InterventionConfig(tmp_path)
    assert config.variants[AS_IT_IS] == {} and all(len(v) <= 1 for v in config.variants.values())
    assert len(config.variants) == 1 + len(config.looks) + len(config.speeds)
    with pytest.raises(ValueError, match="at least 2"):
        InterventionConfig(tmp_path, scenes=1)
    with pytest.raises(ValueError, match="0 to 400 ms"):
        InterventionConfig(tmp_path, shifts_ms=(0, 700))
    check_looks(config, ("metal", "wood", "glass"))
    with pytest.raises(ValueError, match="the simulator knows"):
        check_looks(InterventionConfig(tmp_path, looks=("velvet",)), ("metal", "velvet"))
    with pytest.raises(ValueError, match="names wood; the checkpoint knows metal"):
        check_looks(config, ("metal",))
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([str(tmp_path / "nothing"), "--out", str(tmp_path)])) == 2
    assert "foley intervene: error:" in capsys.readouterr().err
