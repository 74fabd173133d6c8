"""The audit of whole bags, and what is read of them."""

from __future__ import annotations

import argparse
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audit.bag import of_bag
from foley_perception.audit.recording import RecordingAudit
from foley_perception.commands import bag as bag_command
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.recording.inspect import inspect_bag

MakeBag = Callable[..., Path]
Queued = tuple[int, str, str, Any]
Edit = Callable[[int, str, str, Any], list[Queued]]
START_NS = 1_800_000_000_000_000_000
S = 1_000_000_000


def restamped(change: Callable[[int, str], int], *, arrivals: Callable[[int], int] = lambda t: t) -> Edit:
    """``change(stamp [ns], topic)`` gives each message with a header its new stamp."""

    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        header = getattr(message, "header", None)
        if header is not None:
            stamp = change(header.stamp.sec * S + header.stamp.nanosec, topic)
            header.stamp.sec, header.stamp.nanosec = stamp // S, stamp % S
        return [(arrivals(arrival), topic, kind, message)]

    return edit


def sound(change: Callable[[Any, int], Any]) -> Edit:
    """``change(chunk, running number)`` of each chunk of sound."""
    count = iter(range(10**9))

    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        if topic == "mic/audio":
            message = change(message, next(count))
        return [(arrival, topic, kind, message)]

    return edit


def onset_s(heard: NDArray[np.float32], rate: int) -> float:
    """When a click begins in a piece of sound."""
    return int(np.argmax(np.abs(heard) > 0.05)) / rate


def check(bag: Path, out: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and metrics of `foley bag check`."""
    parser = argparse.ArgumentParser()
    bag_command.configure(parser)
    code = bag_command.run(parser.parse_args(["check", str(bag), "--out", str(out)]))
    return code, json.loads((out / "metrics.json").read_text())


def test_a_good_bag_is_good(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, metrics = check(make_bag(audio_jitter_s=0.001, audio_drift_ppm=60.0), tmp_path)
    assert (code, metrics["findings"]) == (0, []) and capsys.readouterr().out.endswith("good\n")


# ---- what is refused -----------------------------------------------------------------------------------
def _integers(chunk: Any, number: int) -> Any:
    chunk.samples = np.round(chunk.samples * 32767).astype(np.float32)
    return chunk


def _uncounted(chunk: Any, number: int) -> Any:
    chunk.first_sample = 0
    return chunk


def _dead(chunk: Any, number: int) -> Any:
    chunk.samples = np.zeros_like(chunk.samples)
    return chunk


def _turns(chunk: Any, number: int) -> Any:
    chunk.stream_id = "ab"[number % 2]
    return chunk


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        (_integers, "sound_range", "divide by 32768"),
        (_uncounted, "sound_count", "first_sample never increases"),
        (_dead, "sound_dead", "holds 0 in all 192000 samples"),
        (_turns, "sound_streams", "two streams interleave (a, b"),
    ],
)
def test_a_main_microphone_that_cannot_be_believed_refuses_the_bag(
    make_bag: MakeBag,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Any, int], Any],
    rule: str,
    words: str,
) -> None:
    bag = make_bag(edit=sound(change))
    with pytest.raises(EpisodeError, match=r"/mic/audio") as error:
        read_episode(bag)
    assert words in str(error.value)
    code, metrics = check(bag, tmp_path)
    (found,) = metrics["findings"]
    assert code == 1 and (found["rule"], found["severity"], found["topic"]) == (rule, "error", "/mic/audio")
    assert capsys.readouterr().out.count(words) == 1, "one sentence, once"


def test_two_runs_in_one_bag_are_refused(make_bag: MakeBag) -> None:
    bag = make_bag(edit=restamped(lambda stamp, topic: START_NS + (stamp - START_NS) % (2 * S)))
    with pytest.raises(EpisodeError, match=r"go back by 2\.0 s.*a bag of its own"):
        read_episode(bag)


@pytest.mark.parametrize("anew", [True, False])
def test_a_pause_after_which_the_microphone_began_anew_is_two_runs(make_bag: MakeBag, anew: bool) -> None:
    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        header = getattr(message, "header", None)
        stamp = header.stamp.sec * S + header.stamp.nanosec if header is not None else arrival
        if stamp < START_NS + 2 * S:
            return [(arrival, topic, kind, message)]
        if header is not None:
            header.stamp.sec += 600
        return [(arrival + 600 * S, topic, kind, message)]

    bag = make_bag(restart_at=2.0 if anew else None, edit=edit)
    if not anew:
        assert "two runs" not in "".join(read_episode(bag).problems)
        return
    with pytest.raises(
        EpisodeError, match=r"after 600\.\d s in which no sensor sent .* from 1\.9.* two runs"
    ):
        read_episode(bag)


def _second_run(
    pause_s: float, *, counts_on: bool = False, told_again: bool = False, sound: bool = True
) -> Edit:
    """Everything from 2 s on comes later by a pause; the microphone keeps its name, and counts anew."""
    late, began, again = round(pause_s * S), list[int](), list[Queued]()

    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        if topic == "mic/audio" and not sound:
            return []
        if topic in ("/tf_static", "robot_description"):
            again.append((START_NS + 2 * S + late, topic, kind, copy.deepcopy(message)))
        header = getattr(message, "header", None)
        stamp = header.stamp.sec * S + header.stamp.nanosec if header is not None else arrival
        if stamp < START_NS + 2 * S:
            return [(arrival, topic, kind, message)]
        if header is not None:
            header.stamp.sec, header.stamp.nanosec = (stamp + late) // S, (stamp + late) % S
        if topic == "mic/audio" and not counts_on:
            began.append(message.first_sample)
            message.first_sample -= began[0]
        here, again[:] = list(again) if told_again else [], []
        return [*here, (arrival + late, topic, kind, message)]

    return edit


@pytest.mark.parametrize("pause_s", [1.5, 3.0, 86400.0])
def test_a_microphone_that_counts_anew_after_a_pause_is_two_runs(make_bag: MakeBag, pause_s: float) -> None:
    with pytest.raises(
        EpisodeError, match=rf"after {pause_s:.0f}\.\d s in which no sensor|after 1\.5 s .* two runs"
    ):
        read_episode(make_bag(edit=_second_run(pause_s)))


def test_a_pause_in_which_the_count_goes_on_is_one_run(make_bag: MakeBag) -> None:
    assert "two runs" not in "".join(read_episode(make_bag(edit=_second_run(3.0, counts_on=True))).problems)


@pytest.mark.parametrize("told_again", [True, False])
def test_without_a_microphone_what_is_told_again_shows_the_second_run(
    make_bag: MakeBag, told_again: bool
) -> None:
    bag = make_bag(edit=_second_run(30.0, told_again=told_again, sound=False))
    if not told_again:
        assert "two runs" not in "".join(read_episode(bag).problems)
        return
    with pytest.raises(EpisodeError, match=r"told again after 30\.\d s .* two runs"):
        read_episode(bag)


def test_poses_whose_clock_steps_are_refused(make_bag: MakeBag) -> None:
    def step(stamp: int, topic: str) -> int:
        return stamp + 30_000_000 * (topic == "ee_pose" and stamp > START_NS + 2 * S)

    with pytest.raises(EpisodeError, match=r"/ee_pose: its stamps step by \+30 ms .* at 2\.0"):
        read_episode(make_bag(edit=restamped(step)))


# ---- what is told, and put right -----------------------------------------------------------------------
@pytest.mark.parametrize("size_ms", [20, 100, -30])
def test_each_side_of_a_set_clock_is_right(make_bag: MakeBag, tmp_path: Path, size_ms: int) -> None:
    shift = size_ms * 1_000_000

    def later(time_ns: int, topic: str = "") -> int:
        return time_ns + shift * (time_ns >= START_NS + 2_500_000_000)

    bag = make_bag(
        seconds=5.0,
        contact_times=(1.0, 2.0, 3.0, 4.0),
        audio_jitter_s=0.001,
        audio_drift_ppm=50.0,
        edit=restamped(later, arrivals=later),
    )
    episode = read_episode(bag)
    (step,) = re.findall(r"first_sample by ([+-]\d+) ms at 2\.", "\n".join(episode.problems))
    assert int(step) == pytest.approx(size_ms, abs=1)
    assert episode.audio is not None and len(episode.audio.segments) == 2
    for contact in (1.0, 2.0, 3.0, 4.0):
        at = later(START_NS + round(contact * 1e9))
        heard, known = episode.audio.slice(at - S // 4, 24_000, 48_000)
        assert known.all() and onset_s(heard, 48_000) == pytest.approx(0.25, abs=0.002)
        assert episode.ee_pose is not None
        tip = episode.ee_pose.at(np.array([at])).translation[0]
        assert tip[2] == pytest.approx(0.05 + 0.16, abs=0.002)
    reports = {topic.topic: topic for topic in inspect_bag(bag, audit=RecordingAudit()).topics}
    assert all(report.lost == 0 for report in reports.values()), "nothing was lost while the clock was set"


def test_samples_that_are_lost_uncounted_begin_a_new_clock(make_bag: MakeBag) -> None:
    count = iter(range(10**9))

    def overrun(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        if topic == "mic/audio":
            number = next(count)
            if 150 <= number < 155:
                return []
            message.first_sample -= 5 * 480 * (number >= 155)
        return [(arrival, topic, kind, message)]

    episode = read_episode(make_bag(edit=overrun))
    (told,) = episode.problems
    assert "first_sample by +50 ms at 1.550 s" in told
    assert episode.audio is not None
    for contact in (1.0, 2.0, 3.0):
        heard, _ = episode.audio.slice(START_NS + round((contact - 0.25) * 1e9), 24_000, 48_000)
        assert onset_s(heard, 48_000) == pytest.approx(0.25, abs=0.001)


def test_a_microphone_whose_clock_alone_is_set_is_refused(make_bag: MakeBag) -> None:
    def step(stamp: int, topic: str) -> int:
        return stamp + 50_000_000 * (topic == "mic/audio" and stamp > START_NS + 2 * S)

    with pytest.raises(EpisodeError, match=r"/mic/audio: its stamps step by \+(49|50|51) ms"):
        read_episode(make_bag(edit=restamped(step), audio_jitter_s=0.002))


def test_sound_without_stamps_goes_by_arrival(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = make_bag(edit=restamped(lambda stamp, topic: 0 if topic == "mic/audio" else stamp))
    episode = read_episode(bag)
    assert any("header.stamp is 0 in all 400 messages" in problem for problem in episode.problems)
    assert episode.audio is not None
    heard, _ = episode.audio.slice(START_NS + S - S // 4, 24_000, 48_000)
    assert onset_s(heard, 48_000) == pytest.approx(0.25, abs=0.002)
    code, metrics = check(bag, tmp_path)
    assert code == 1 and [f["rule"] for f in metrics["findings"]] == ["stamp_zero"]


def test_messages_without_a_stamp_are_left_out(make_bag: MakeBag) -> None:
    def some(stamp: int, topic: str) -> int:
        return 0 if topic == "ee_pose" and START_NS + S < stamp < START_NS + S + 40_000_000 else stamp

    episode = read_episode(make_bag(edit=restamped(some)))
    assert episode.ee_pose is not None and int(episode.ee_pose.times_ns[0]) == START_NS
    assert "/ee_pose: 9 of 1000 messages have header.stamp 0, first at 1.004 s" in episode.problems[0]


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_plans_meet_contacts_where_stamps_are_simulated(
    make_bag: MakeBag, tmp_path: Path, factor: float
) -> None:
    def simulated(stamp: int, topic: str) -> int:
        return 100 * S + stamp - START_NS

    bag = make_bag(
        edit=restamped(simulated, arrivals=lambda t: START_NS + round((t - START_NS) / factor)), gripper=True
    )
    episode = read_episode(bag)
    assert episode.problems == ()
    for plan, true in zip(episode.joint_plans, (0.1, 1.1, 2.1), strict=True):
        assert (plan.received_ns - 100 * S) * 1e-9 == pytest.approx(true, abs=0.02)
    code, metrics = check(bag, tmp_path)
    assert code == 0 and [f["rule"] for f in metrics["findings"]] == ["clock_differs"]
    assert all(topic["lost"] == 0 and topic["gaps"] == 0 for topic in metrics["topics"].values())


def test_a_further_microphone_that_cannot_be_believed_is_left_out(make_bag: MakeBag) -> None:
    def also(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        if topic != "mic/audio":
            return [(arrival, topic, kind, message)]
        second = copy.deepcopy(message)
        second.first_sample = 7
        return [(arrival, topic, kind, message), (arrival, "contact_mic/audio", kind, second)]

    episode = read_episode(make_bag(edit=also))
    assert list(episode.microphones) == ["microphone"]
    assert any("first_sample never increases" in p and "is left out" in p for p in episode.problems)


def test_findings_of_a_bag_have_their_times(make_bag: MakeBag, tmp_path: Path) -> None:
    def loud(chunk: Any, number: int) -> Any:
        if number >= 150:
            chunk.samples = np.clip(chunk.samples * 4, -1, 1)
        return chunk

    _, metrics = check(make_bag(edit=sound(loud)), tmp_path)
    (found,) = metrics["findings"]
    assert found["rule"] == "sound_clipped" and found["time_s"] == pytest.approx(2.0, abs=0.01)


def test_losses_are_not_told_of_what_cannot_be_believed(make_bag: MakeBag) -> None:
    def jumps(chunk: Any, number: int) -> Any:
        chunk.first_sample *= 2
        return chunk

    audit = RecordingAudit()
    found = of_bag(inspect_bag(make_bag(edit=sound(jumps)), audit=audit), audit.verdict())
    assert [f.rule for f in found] == ["sound_count"]


def test_a_bag_whose_messages_came_twice_is_read_once(make_bag: MakeBag) -> None:
    def twice(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        return [(arrival, topic, kind, message), (arrival + 2_000_000, topic, kind, message)]

    episode = read_episode(make_bag(edit=twice))
    assert episode.audio is not None and len(episode.audio.segments) == 1
    assert any("400 chunks came twice" in problem for problem in episode.problems)
