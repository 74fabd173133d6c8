"""The live loop, fed by a recording that is played in chunks, with the model that ships."""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from foley_perception.audio_devices.mailbox import Chunk
from foley_synthesis.commands import listen, listen_live
from foley_synthesis.hearing.inference.heard_model import HeardModel
from foley_synthesis.hearing.inference.opened import open_heard
from foley_synthesis.hearing.inference.sound_file import listen as listen_to_file
from foley_synthesis.hearing.listening.live import STAGES_S, Estimate, LiveListening, LouderChannel

from .made import RATE, TAPS_S, Recording, Staged, taps

RINGING = ("metal", "glass", "ceramic")


@pytest.fixture(scope="module")
def model() -> HeardModel:
    return HeardModel.load()


def played(live: LiveListening, capture: Recording) -> list[Estimate]:
    told = [estimate for chunk in capture.chunks() for estimate in live.process(chunk)]
    return [*told, *live.finish()]


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    listen.configure(parser)
    return parser.parse_args(["--live", *(str(a) for a in given)])


@pytest.mark.parametrize("chunk", [128, 480, 100_000])
def test_each_tap_is_told_once_and_as_in_the_file(model: HeardModel, chunk: int) -> None:
    sound = taps()
    told = played(LiveListening(model, RATE), Recording(sound[:, None], chunk))
    filed = listen_to_file(sound, RATE, model)
    assert [e.number for e in told] == [1, 2, 3] and all(e.first and e.last for e in told)
    assert [e.contact.time_s for e in told] == pytest.approx(TAPS_S, abs=0.005)
    for estimate, contact in zip(told, filed, strict=True):
        assert estimate.contact.belief.best == contact.belief.best
        assert estimate.contact.belief.probabilities == pytest.approx(contact.belief.probabilities, abs=0.02)
        assert estimate.contact.level_dbfs == pytest.approx(contact.level_dbfs, abs=0.1)


def test_a_model_that_hears_in_stages_is_asked_at_each(model: HeardModel) -> None:
    live = LiveListening(Staged(model, RINGING), RATE)
    told: list[tuple[float, Estimate]] = []
    for chunk in Recording(taps()[:, None]).chunks():
        told += [(live.seen_s, estimate) for estimate in live.process(chunk)]
    first = [(seen_s, e) for seen_s, e in told if e.number == 1]
    assert [e.heard_s for _, e in first] == list(STAGES_S)
    assert [(e.first, e.last) for _, e in first] == [(True, False), (False, False), (False, True)]
    for seen_s, estimate in first:
        # Said with the chunk that completes it, and resting on no more than that.
        assert 0.0 <= seen_s - estimate.contact.time_s - estimate.heard_s <= 0.0101
        assert estimate.contact.heard is not None
        assert estimate.contact.heard.heard_s == pytest.approx(estimate.heard_s, abs=1e-3)  # type: ignore[attr-defined]


def test_a_hearing_model_refines_what_it_says(tiny_hearing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = open_heard(tiny_hearing)
    assert listen_live.listen_live(arguments("--json"), model, Recording(taps()[:, None])) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(t["number"], t["heard_s"], t["last"]) for t in told] == [
        (number, stage, stage == STAGES_S[-1]) for number in (1, 2, 3) for stage in STAGES_S
    ]
    filed = listen_to_file(taps(), RATE, model)
    for last, contact in zip(told[2::3], filed, strict=True):
        assert last["material_set"] and set(last["families"]) == set(contact.to_dict()["families"])
        assert last["time_s"] == pytest.approx(contact.time_s, abs=0.005)


def test_a_contact_that_another_follows_is_heard_up_to_it(model: HeardModel) -> None:
    sound = taps(times=(0.7, 0.95))
    told = played(LiveListening(Staged(model, RINGING), RATE), Recording(sound[:, None]))
    assert [(e.number, e.first, e.last) for e in told] == [
        *((1, True, False), (1, False, False), (1, False, True)),
        *((2, True, False), (2, False, False), (2, False, True)),
    ]
    assert told[2].heard_s == pytest.approx(0.25, abs=0.01)
    assert told[2].contact.heard.heard_s == pytest.approx(0.22, abs=0.01)  # type: ignore[union-attr]


def test_the_end_cuts_a_contact_short_and_it_is_told(model: HeardModel) -> None:
    sound = taps()[: round(0.9 * RATE)]
    told = played(LiveListening(Staged(model, RINGING), RATE), Recording(sound[:, None]))
    assert [(e.number, e.last) for e in told] == [(1, False), (1, False), (1, True)]
    assert told[-1].heard_s == pytest.approx(0.2, abs=0.005)


def test_what_is_lost_is_counted_and_times_go_on(model: HeardModel) -> None:
    live = LiveListening(model, RATE)
    told = played(live, Recording(taps()[:, None], lost={10: 4800, 200: 480}))
    assert (live.overruns, live.lost, live.contacts) == (2, 5280, 3)
    assert [e.contact.time_s for e in told] == pytest.approx(TAPS_S, abs=0.005)
    assert live.seen_s == pytest.approx(4.0, abs=0.011)


def test_the_louder_channel_is_heard_and_channels_that_cancel_do_not(model: HeardModel) -> None:
    sound = taps()
    stereo = np.stack([0.1 * sound, -sound], axis=1)
    told = played(LiveListening(model, RATE), Recording(stereo))
    assert [e.contact.level_dbfs for e in told] == pytest.approx(
        [c.level_dbfs for c in listen_to_file(sound, RATE, model)], abs=0.1
    )
    louder = LouderChannel(RATE)
    quiet, loud = np.full((RATE, 1), 0.01, np.float32), np.full((RATE, 1), 0.5, np.float32)
    assert louder.take(np.hstack([loud, quiet])) is not None and louder.channel == 0
    assert louder.take(np.hstack([quiet, loud]))[1] and louder.channel == 1
    assert not louder.take(np.hstack([quiet, loud]))[1]


def test_the_command_tells_contacts_and_what_was_lost(
    model: HeardModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = Recording(taps()[:, None], lost={10: 4800})
    args = arguments("--csv", tmp_path / "heard.csv")
    assert listen_live.listen_live(args, Staged(model, RINGING), capture) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 9 and sum("dBFS" in line for line in lines) == 3
    assert "hard and ringing: metal, glass or ceramic (90 %)" in lines[0] and " 60 ms" in lines[0]
    assert "0.100 s of sound were lost" in err and "3 contacts in 4.0 s; 1 overruns lost 0.100 s" in err
    with (tmp_path / "heard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time_s"]) for row in rows] == pytest.approx(TAPS_S, abs=0.005)
    assert rows[0]["material_set"] == "metal|glass|ceramic" and rows[0]["action"] == "hit"
    assert not capture.open


def test_the_command_as_json_and_for_some_seconds(
    model: HeardModel, capsys: pytest.CaptureFixture[str]
) -> None:
    args = arguments("--json", "--seconds", 2.3)
    assert listen_live.listen_live(args, model, Recording(taps()[:, None])) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [t["time_s"] for t in told] == pytest.approx(TAPS_S[:2], abs=0.005)
    assert all(t["last"] and t["late_s"] >= 0 for t in told)


def test_an_interrupt_ends_cleanly(model: HeardModel, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted(Recording):
        def chunks(self) -> Iterator[Chunk]:
            for number, chunk in enumerate(super().chunks()):
                if number == 90:  # 0.9 s: 0.2 s of the first tap
                    raise KeyboardInterrupt
                yield chunk

    capture = Interrupted(taps()[:, None])
    assert listen_live.listen_live(arguments(), Staged(model, RINGING), capture) == 0
    out, err = capsys.readouterr()
    assert "1 contacts in 0.9 s, nothing lost" in err and len(out.splitlines()) == 3
    assert not capture.open
