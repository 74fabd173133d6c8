"""Taps: a burst in time and as loud as the true one counts; late, quiet and random ones do not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foley_common.session_file import SessionData, write_session
from foley_synthesis.commands import flow
from foley_synthesis.evaluation.measure import Method, measure, weights_of
from foley_synthesis.evaluation.windows.rows import each_window
from foley_synthesis.evaluation.windows.sets import windows_of
from foley_synthesis.evaluation.windows.sounds import window_items
from foley_synthesis.evaluation.windows.taps import TAP_METRICS, taps_of

Make = Callable[..., SessionData]
RATE = 16_000


def test_taps_are_those_that_a_plan_has_and_no_more_than_asked_for(make_session: Make) -> None:
    session = make_session("test-0", "test", 3)
    session.contact_planned_s[1] = np.nan
    first, second = windows_of(session)
    at = [time for time in session.contact_s[[0, 2, 3, 4, 5, 6, 7]] if time < 7.9]
    np.testing.assert_allclose(taps_of(first), at, atol=1e-6)
    assert len(taps_of(second)) > 4 and len(taps_of(second, most=3)) == 0


def test_what_is_in_time_and_as_loud_counts(make_session: Make) -> None:
    items = window_items([w for k in range(2) for w in windows_of(make_session(f"test-{k}", "test", k))])

    def row(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Method:
        return each_window(key, "truth", lambda item: change(item.truth.waveform)[None].astype(np.float32))

    rows = [
        row("same", lambda sound: sound),
        row("half as loud", lambda sound: 0.49 * sound),
        row("a tenth", lambda sound: 0.1 * sound),
        row("0.3 s late", lambda sound: np.roll(sound, round(0.3 * RATE))),
        row("silence", np.zeros_like),
    ]
    table = measure(items, rows, TAP_METRICS, weights_of(items, 20, 0))
    found = {name: {key: cell["value"] for key, cell in row.items()} for name, row in table.figures().items()}
    same = found["same"]
    assert same["burst_share"] > 0.9 and same["level_share"] == 1.0
    assert same["other_bursts"] < 0.7, "second strokes, which are no contacts of their own"
    assert found["half as loud"]["level_share"] == 0.0, "6.02 dB"
    assert found["a tenth"]["level_share"] == 0.0 and found["a tenth"]["both_share"] == 0.0
    assert found["a tenth"]["burst_share"] > 0.8, "onsets stand out of their own noise, however loud it is"
    late = found["0.3 s late"]
    assert late["burst_share"] < 0.2 and late["other_bursts"] > same["other_bursts"] + 0.5
    assert found["silence"] == {
        "burst_share": 0.0,
        "level_share": 0.0,
        "both_share": 0.0,
        "other_bursts": 0.0,
    }


def test_the_command_writes_figures(
    make_session: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, split in (("taps", "test"), ("train", "train")):
        (tmp_path / folder).mkdir()
        for k in range(2):
            write_session(tmp_path / folder / f"{split}-{k}-p0.npz", make_session(f"{split}-{k}", split, k))
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    words = [
        "taps",
        str(tmp_path / "taps"),
        "--train",
        str(tmp_path / "train"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert flow.run(parser.parse_args(words)) == 0
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["scenes"] == 2 and written["planned_taps"] >= 28
    methods = written["methods"]
    assert methods["real sound"]["both_share"]["value"] > 0.9 > methods["random"]["burst_share"]["value"]
    assert (tmp_path / "out" / "bars.png").is_file() and "| random |" in capsys.readouterr().out
    assert flow.run(parser.parse_args([*words, "--model", "x=a", "--live", "x=b"])) == 2
