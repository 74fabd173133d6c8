"""The measuring loop, with methods whose figures are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.measure import Detail, Item, Method, Metric, Table, measure, weights_of
from foley_synthesis.metrics.statistics import correlation, f1, mean

ITEMS = [Item(row, f"scene{row // 4}", f"thing{row // 2}", float(row)) for row in range(12)]
TRUTH = np.arange(12.0)


def outputs(*values: np.ndarray | None) -> Callable[..., Sequence[Any]]:
    return lambda items, step: [step() for _ in items] and values


def apart(output: np.ndarray | None, items: Sequence[Item]) -> np.ndarray | None:
    return None if output is None else output - np.array([item.truth for item in items])


def largest(values: np.ndarray, weights: np.ndarray | None) -> float:
    return float(np.nanmax(values))


METRICS = (
    Metric("bias", "bias", "lower", apart, unit="m", note="A note."),
    Metric("most", "most", "none", apart, largest, format=".1f", bootstrap=False),
    Metric("hidden", "hidden", "lower", apart, shown=False),
)


@pytest.fixture(scope="module")
def table() -> Table:
    noise = np.random.default_rng(0).normal(size=12)
    gap = np.where(TRUTH < 6, TRUTH, np.nan)
    methods = (
        Method("exact", outputs(TRUTH), "truth"),
        Method("off", outputs(TRUTH + 2.0 + noise, TRUTH + 3.0 + noise), "plan"),
        Method("half | known", outputs(gap)),
        Method("mute", outputs(None)),
    )
    count = Detail("seeds_seen", apart, len)
    return measure(ITEMS, methods, METRICS, weights_of(ITEMS, 200, 1), details=[count])


def test_figures_are_means_over_items_and_seeds(table: Table) -> None:
    exact, off = table.cells["exact"]["bias"], table.cells["off"]["bias"]
    assert (exact.found.value, exact.found.low, exact.found.high) == (0.0, 0.0, 0.0)
    noise = np.random.default_rng(0).normal(size=12)
    assert off.found.value == pytest.approx(2.5 + noise.mean()) and off.seeds == 2
    assert off.seed_std == pytest.approx(np.std([2.0, 3.0], ddof=1))
    assert off.found.low < off.found.value < off.found.high
    assert table.cells["half | known"]["bias"].found.value == 0.0, "what is unknown is left out"
    assert table.cells["mute"] == {} and table.details["off"] == {"seeds_seen": 2}
    assert table.count("contacts", "things") == {"contacts": 12, "scenes": 3, "things": 6}


def test_what_is_stored(table: Table) -> None:
    stored = table.to_dict()["methods"]
    assert set(stored["exact"]) == {"bias", "most", "hidden", "seeds_seen"}
    assert set(stored["exact"]["bias"]) == {"value", "low", "high"}
    assert stored["exact"]["most"] == {"value": 0.0}, "no interval"
    assert table.figures(seeds=True)["off"]["bias"]["seeds"] == 2


def test_differences_are_paired_and_of_what_both_have(table: Table) -> None:
    found = table.differences([("off", "exact"), ("off", "mute"), ("off", "nobody")])
    assert set(found) == {"off > exact", "off > mute"} and found["off > mute"] == {}
    assert found["off > exact"]["bias"] == table.figures()["off"]["bias"]
    assert "most" not in found["off > exact"]


def test_reports_show_any_metric(table: Table, tmp_path: Any) -> None:
    lines = report.cells(table)
    assert lines[0] == ["method", "given", "bias [m]", "most"]
    assert lines[1] == ["exact", "truth", "0.00 [0.00, 0.00]", "0.0"] and lines[-1] == [
        "mute",
        "nothing",
        "",
        "",
    ]
    text = report.markdown(table, ["off", "exact", "nobody"], {"paper": {"off": "40 %"}})
    assert [line.split(" |")[0] for line in text.splitlines()[:4]] == [
        "| method",
        "| ---",
        "| off",
        "| exact",
    ]
    assert "| 40 % |" in text and text.endswith("A note.\n")
    assert report.rich_table(table, "title").row_count == 4
    report.draw_bars(table, tmp_path / "bars.png", "exact")
    assert (tmp_path / "bars.png").stat().st_size > 5_000


def test_progress_counts_every_item_of_every_method() -> None:
    ticks: list[tuple[int, int]] = []
    seen: list[str] = []
    told: list[tuple[str, list[str]]] = []
    batch = Method("batch", lambda items, step: [TRUTH])
    found = measure(
        ITEMS, [Method("one", outputs(TRUTH)), batch], METRICS, np.ones((2, 12)),
        seen=lambda method, output: seen.append(method), progress=lambda *tick: ticks.append(tick),
        told=lambda method, seconds: told.append((method, sorted(seconds))),
    )  # fmt: skip
    assert told == [("one", ["measuring", "predicting"]), ("batch", ["measuring", "predicting"])]
    assert list(found.seconds) == ["one", "batch"] and min(found.seconds["one"].values()) >= 0.0
    assert (
        ticks[0] == (1, 24) and ticks[11] == (12, 24) and ticks[-1] == (24, 24) and seen == ["one", "batch"]
    )


def test_what_cannot_be_measured_is_refused() -> None:
    one = Method("one", outputs(TRUTH))
    with pytest.raises(ValueError, match="methods are one, one: every key must be there once"):
        measure(ITEMS, [one, one], METRICS, np.ones((2, 12)))
    with pytest.raises(ValueError, match="metrics are bias, bias"):
        measure(ITEMS, [one], METRICS[:1] * 2, np.ones((2, 12)))
    with pytest.raises(ValueError, match="0 items"):
        measure([], [one], METRICS, np.ones((2, 0)))


def test_statistics_count_items_as_often_as_they_weigh() -> None:
    pairs = np.array([[1.0, 2.0], [2.0, 4.1], [5.0, 0.0], [np.nan, 1.0]])
    weights = np.array([2.0, 1.0, 0.0, 3.0])
    assert mean(pairs[:, 0], weights) == pytest.approx(4 / 3) and np.isnan(mean(pairs[3:, 0]))
    assert correlation(pairs, weights) == pytest.approx(1.0)
    assert correlation(pairs) == pytest.approx(np.corrcoef(pairs[:3].T)[0, 1])
    assert correlation(np.ones((3, 2))) == 0.0 and np.isnan(correlation(pairs, np.array([0.0, 0, 0, 1])))
    counts = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert f1(counts) == 0.5 and f1(counts, np.array([1.0, 0.0])) == 1.0 and np.isnan(f1(0 * counts))
