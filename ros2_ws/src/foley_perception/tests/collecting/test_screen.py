"""What a session shows: meters over time, and the screen at 80 columns, in colour and without."""

from __future__ import annotations

import dataclasses
import io
import math

import pytest
from rich.console import Console

from foley_perception.collecting import lines, screen
from foley_perception.collecting.commands import parse_pedals
from foley_perception.collecting.output import Output
from foley_perception.collecting.session import Event, Phase
from foley_perception.collecting.status import (
    CLIP_S,
    HOLD_S,
    Levels,
    Meter,
    RecorderClock,
    RecorderState,
    UsualRates,
)
from foley_perception.collecting.takes import Outcome, Take
from foley_perception.collecting.view import View, channels, clock, disk_line, duration, rows, size, wrong_now

MIC = Meter(
    "/mic/audio",
    "foley_msgs/msg/AudioChunk",
    True,
    1,
    100,
    9,
    0,
    100.0,
    0.0,
    0.011,
    (-6.0, -30.0),
    (-20.0, -45.0),
)


def state(*meters: Meter, **fields: object) -> RecorderState:
    return RecorderState(**{"state": "recording", "path": "/bags/a", "meters": meters, **fields})  # type: ignore[arg-type]


def drawn(view: View, width: int = 80, height: int = 24, plain: bool = False) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False, color_system=None)
    console.print(screen.draw(view, width, height, plain=plain))
    return out.getvalue().splitlines()


def view_of(told: RecorderState | None, now: float = 1.0, **fields: object) -> View:
    levels, rates = Levels(), UsualRates()
    if told is not None:
        levels.heard(told, now)
    base = View(
        phase=Phase.RECORDING,
        present=True,
        title="mug_taps_004",
        elapsed=12.4,
        remaining=47.6,
        counts={"kept": 3, "discarded": 1, "failed": 0},
        snapshots=0,
        channels=channels(told, levels, now) if told else (),
        rows=rows(told, rates) if told else (),
        disk=disk_line(told) if told else "",
        wrong=wrong_now(told, rates, "", ""),
        prompt="",
        last="mug_taps_003: good",
        segment="",
    )
    return dataclasses.replace(base, **fields)  # type: ignore[arg-type]


# ---- over time ---------------------------------------------------------------------------------------------
def test_a_peak_is_held_and_clipping_marked() -> None:
    levels = Levels()
    levels.heard(state(dataclasses.replace(MIC, clipped=3)), 0.0)
    levels.heard(state(dataclasses.replace(MIC, clipped=3, peak_dbfs=(-40.0, -30.0))), 0.25)
    assert levels.peak("/mic/audio", 0, HOLD_S) == -6.0
    assert levels.peak("/mic/audio", 0, HOLD_S + 1.0) == -26.0, "then it falls"
    assert levels.clips("/mic/audio", CLIP_S - 0.1) and not levels.clips("/mic/audio", CLIP_S + 0.1)
    assert levels.peak("/other", 0, 1.0) == -math.inf and not levels.clips("/other", 1.0)


def test_a_rate_that_falls_is_held_against_what_it_was() -> None:
    rates = UsualRates()
    for tick in range(80):
        rates.heard(state(dataclasses.replace(MIC, rate=180.0 if tick < 16 else 100.0)), tick / 4)
    assert rates.usual("/mic/audio") == 100.0, "it caught up with itself at first"
    assert math.isnan(rates.usual("/other"))
    slow = state(dataclasses.replace(MIC, rate=70.0))
    for tick in range(80, 130):
        rates.heard(slow, tick / 4)
    assert [meter.topic for meter in rates.slow(slow.meters)] == ["/mic/audio"]
    assert "comes at 70.0 Hz; it came at 100.0" in wrong_now(slow, rates, "", "")[0]
    assert rows(slow, rates)[0].bad
    stopped = state(dataclasses.replace(MIC, rate=0.0, expected=False))
    assert wrong_now(stopped, rates, "", "")[0].startswith("/mic/audio has stopped; it came at 100.0 Hz")
    said = dataclasses.replace(slow, trouble=("/mic/audio lost 5 messages",))
    assert wrong_now(said, rates, "", "") == ("/mic/audio lost 5 messages",), "once is enough"


def test_what_happens_now_and_then_has_not_stopped_and_a_busy_machine_is_told_once() -> None:
    rates = UsualRates()
    meters = [
        dataclasses.replace(MIC, topic=f"/t{i}", rate=rate) for i, rate in enumerate((0.5, 30.0, 50.0, 250.0))
    ]
    for second in range(20):
        rates.heard(state(*meters), second)
    still = state(*(dataclasses.replace(meter, rate=meter.rate / 2) for meter in meters))
    assert wrong_now(still, rates, "", "")[0].startswith("3 topics come slower than they did (/t1, /t2, ...)")
    assert not rates.slow([dataclasses.replace(meters[0], rate=0.0)])


def test_the_recorders_time_of_a_moment() -> None:
    clock_of = RecorderClock()
    assert clock_of.at(4.0, 1_000_000_000_000, 5.0) == 999_000_000_000
    clock_of.heard(0, 5.0)
    clock_of.heard(77_000_000_000, 6.0)  # simulated time
    assert clock_of.at(4.0, 1_000_000_000_000, 9.0) == 75_000_000_000
    assert clock_of.at(8.5, 1_000_000_000_000, 9.0) == 79_500_000_000
    for k in range(5):  # at half the pace, while a line is typed
        clock_of.heard(80_000_000_000 + k * 500_000_000, 10.0 + k)
    assert clock_of.at(10.2, 1_000_000_000_000, 14.5) == 80_200_000_000


# ---- what is drawn -----------------------------------------------------------------------------------------
def test_eighty_columns() -> None:
    pose = Meter("/ee_pose", "x", True, 0, silence=3.2, lost=7)
    told = state(MIC, pose, write_rate=45.2e6, disk_free=123e9, disk_lasts=2700.0, bytes=120_000_000,
                 trouble=("nothing arrives on /ee_pose for 3.2 s: is its driver running?",))  # fmt: skip
    found = drawn(view_of(told))
    assert all(len(line) <= 80 for line in found) and len(found) <= 24
    assert found[0].startswith("REC mug_taps_004  0:12.4  ends by itself in 0:47.6")
    assert found[0].rstrip().endswith("3 kept 1 discarded 0 failed")
    text = "\n".join(found)
    assert "/mic/audio 0" in text and "-20.0 peak  -6.0 dBFS" in text and "/mic/audio 1" in text
    bars = [line[line.index("[") + 1 : line.index("]")] for line in found if "dBFS" in line]
    assert 2 * bars[1].count("█") > bars[0].count("█") > 1.5 * bars[1].count("█") > 0 and all(
        "│" in bar for bar in bars
    )
    assert "! /ee_pose" in text and "3.2 s" in text and "11 ms" in text
    assert "45.2 MB/s, 123 GB free, lasts 45 min, 120 MB written" in text
    assert "!! nothing arrives on /ee_pose for 3.2 s: is its driver running?" in text
    assert "last take mug_taps_003: good" in text and "Space take" in text and "q quit" in text


def test_clipping_is_told_without_colour() -> None:
    levels = Levels()
    loud = state(dataclasses.replace(MIC, clipped=12, peak_dbfs=(0.0, -3.0)))
    levels.heard(loud, 1.0)
    view = view_of(loud, channels=channels(loud, levels, 1.5))
    assert "CLIPS" in "\n".join(drawn(view, plain=True))
    later = view_of(loud, channels=channels(loud, levels, 9.0))
    assert "clipped 12" in "\n".join(drawn(later)) and "CLIPS" not in "\n".join(drawn(later))
    drawn_plain = "\n".join(drawn(view, plain=True))
    assert drawn_plain.isascii()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 10), (40, 12), (200, 60), (20, 5)])
def test_any_size(width: int, height: int) -> None:
    """What is wrong, the head and the keys stay; topics that are cut are counted, and bad ones are the last to go."""
    camera = dataclasses.replace(MIC, peak_dbfs=(), rms_dbfs=())
    meters = [dataclasses.replace(camera, topic=f"/camera_{i}/image_raw") for i in range(30)]
    meters[20] = dataclasses.replace(meters[20], lost=9)
    view = view_of(state(MIC, *meters, trouble=("the disk is full in 5 s",)))
    found = drawn(view, width, height)
    assert all(len(line) <= width for line in found)
    if height >= 10 and width >= 40:
        assert len(found) < height
        text = "\n".join(found)
        assert found[0].startswith("REC mug_taps_004") and "the disk is full" in text and "? keys" in text
        assert height > 30 or "more" in text
        assert "camera_20" in text or width < 80


@pytest.mark.parametrize("phase", list(Phase))
def test_each_phase_says_what_it_is(phase: Phase) -> None:
    head = drawn(view_of(None, phase=phase))[0]
    words = {Phase.IDLE: "ready", Phase.RECORDING: "REC", Phase.PAUSED: "PAUSED", Phase.STOPPING: "finished"}
    assert words.get(phase, "") in head and "3 kept" in head
    assert "waiting for a recorder" in drawn(view_of(None, phase=Phase.IDLE, present=False))[0]


def test_a_line_that_is_typed_takes_the_place_of_the_keys() -> None:
    found = drawn(view_of(None, prompt="note: the mug sl"))
    assert found[-1].startswith("note: the mug sl")


def test_an_older_recorder_is_told() -> None:
    told = RecorderState("recording", "/bags/a", duration=2.0, full=False, trouble=("3 messages dropped",))
    wrong = wrong_now(told, UsualRates(), "", "")
    assert wrong[0] == "3 messages dropped" and "sends no ~/status" in wrong[1]
    assert wrong_now(told, UsualRates(), "no recorder answers", "") == ("no recorder answers",)


def test_no_terminal_gets_a_line_now_and_then() -> None:
    out = io.StringIO()
    view = view_of(state(dataclasses.replace(MIC, lost=4), trouble=("a", "b")))
    with Output(Console(file=out)) as output:
        for tick in range(100):
            output.show(lambda _: view, tick / 10, at_once=True)
        output.tell(Event("error", "the recorder died"))
        output.keys(parse_pedals(["b=take"]))
    found = out.getvalue().splitlines()
    shown = [line for line in found if line.startswith("recording mug_taps_004 0:12.4")]
    assert len(shown) == 2 and shown[0] == lines.line(view)
    assert "/mic/audio 0: -6 dBFS" in shown[0] and "4 lost" in shown[0] and "WRONG: a; and 1 more" in shown[0]
    assert "!! the recorder died" in found and any(line.startswith("Space, b") for line in found)


def test_a_terminal_that_was_closed_ends_nothing() -> None:
    class Closed(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    with Output(Console(file=Closed(), force_terminal=True, width=80, height=24)) as output:
        output.show(lambda _: view_of(None), 1.0)
        output.tell(Event("told", "x"))
        output.summary([Take("a", "/bags/a")])


def test_the_table_of_takes() -> None:
    takes = [
        Take(
            "a",
            "/bags/a",
            outcome=Outcome.KEPT,
            duration_s=3.0,
            findings=("problem: x", "note: y"),
            success=True,
        ),
        Take("b", "/bags/b", outcome=Outcome.LOST, error="died"),
        Take("cup_001", "", outcome=Outcome.FAILED, error="the disk is full"),
    ]
    out = io.StringIO()
    Console(file=out, width=100).print(screen.takes_table(takes))
    found = [line for line in out.getvalue().splitlines() if "/bags" in line or "cup_001" in line]
    assert "failed" in found[2]
    assert "kept" in found[0] and "yes" in found[0] and "lost" in found[1]
    assert takes[0].verdict == "1 problem, 1 note" and not takes[0].good and takes[1].verdict == "lost"
    assert takes[0].figures["severities"] == {"error": 0, "problem": 1, "note": 1}


def test_words_for_numbers() -> None:
    assert [size(n) for n in (5, 1500, 2.5e6, 123e9, 4.2e12)] == ["5 B", "2 kB", "2.5 MB", "123 GB", "4.2 TB"]
    assert [duration(s) for s in (42, 720, 12_240, 432_000, math.inf)] == [
        "42 s", "12 min", "3.4 h", "5 days", "for ever"
    ]  # fmt: skip
    assert [clock(s) for s in (4.2, 62.0, 3723.0)] == ["0:04.2", "1:02.0", "1:02:03"]
