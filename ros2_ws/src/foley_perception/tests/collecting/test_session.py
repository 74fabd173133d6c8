"""What a session asks of the recorder and tells the person, without either."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from foley_perception.collecting.commands import Command, OptionError
from foley_perception.collecting.labels import Constant
from foley_perception.collecting.machine import Action
from foley_perception.collecting.requests import (
    OPEN_NS,
    Answer,
    Label,
    Look,
    Request,
    Snapshot,
    Start,
    Stop,
    Trigger,
)
from foley_perception.collecting.session import Phase, Session
from foley_perception.collecting.status import RecorderState
from foley_perception.collecting.takes import Names, Outcome, counts
from foley_perception.collecting.view import last_take

S = 1_000_000_000
GOOD = Answer(path="/bags/x", duration_s=3.0, bytes=5_000_000, findings=("note: one",))


class Played:
    """A session, and the recorder as it is told to answer."""

    def __init__(
        self, name: str = "mug", constants: Sequence[Constant] = (), segments: Sequence[str] = ()
    ) -> None:
        self.session = Session(
            Names(name), lambda moment: 1000 * S + round(moment * S), constants=constants, segments=segments
        )
        self.asked: list[Request] = []

    def press(self, command: Command, at: float = 1.0, text: str = "", unheard: str = "") -> None:
        self.session.act(Action(command, at, text), unheard=unheard)

    def answer(self, *answers: Answer, now: float = 2.0) -> list[Request]:
        """Answer the requests that wait, in their order; the last answer goes for all that follow."""
        found = []
        for answer in answers:
            request = self.session.requests.popleft()
            found.append(request)
            self.session.answered(request, answer, now)
        self.asked += found
        return found

    def begin(self, path: str = "/bags/mug_001", at: float = 1.0) -> None:
        self.press(Command.TAKE, at)
        self.answer(Answer(path=path, session_id="s"))

    @property
    def told(self) -> str:
        return "\n".join(f"{event.level} {event.text}" for event in self.session.events)


def test_takes_are_numbered_and_judged_at_once() -> None:
    play = Played()
    play.begin()
    assert play.asked == [Start("mug_001")] and play.session.recording
    play.press(Command.TAKE, 4.0)
    assert play.session.phase is Phase.STOPPING and play.answer(GOOD) == [Stop()]
    (take,) = play.session.takes
    assert take.outcome is Outcome.KEPT and take.good and take.duration_s == 3.0 and take.verdict == "good"
    assert "good mug_001: good; 3.0 s, 5.0 MB" in play.told and "note: one" in play.told
    play.begin("/bags/mug_002")
    play.press(Command.TAKE)
    found = ("error: /mic/audio holds 0", "problem: a", "problem: b")
    play.answer(Answer(path="/bags/mug_002", findings=found))
    assert play.asked[-2:] == [Start("mug_002"), Stop()]
    assert "error mug_002: 1 error, 2 problems" in play.told and not play.session.takes[1].good
    assert counts(play.session.takes) == {"kept": 2, "discarded": 0, "failed": 0}


def test_names_that_are_taken() -> None:
    assert (
        Names("mug", ["mug_007", "mug_012-recovered", "mug_x", "mugs_900", "mug_snapshot_003"]).next()
        == "mug_013"
    )
    assert Names("").next() == "" and Names("mug").next("_snapshot") == "mug_snapshot_001"
    assert Names("mug", ["mug_007", "mug_snapshot_003"]).next("_snapshot") == "mug_snapshot_004"
    play = Played()
    play.press(Command.TAKE)
    refused = Answer(
        error="/bags/mug_001: exists already; give the recording another name", code="not_writable"
    )
    play.answer(refused, refused, Answer(path="/bags/mug_003"))
    assert play.asked == [Start("mug_001"), Start("mug_002"), Start("mug_003")] and play.session.recording
    full = Played()
    full.press(Command.TAKE)
    full.answer(Answer(error="/bags: not writable", code="not_writable"))
    assert full.session.phase is Phase.IDLE and "did not begin: /bags: not writable" in full.told
    assert not full.session.requests


def test_a_take_that_did_not_begin_has_failed() -> None:
    play = Played()
    play.press(Command.TAKE)
    play.answer(Answer(error="/bags: not writable", code="not_writable"))
    play.begin("/bags/mug_002")
    play.press(Command.DISCARD)
    play.answer(GOOD, Answer(error="the disk is full", code="disk_full"))
    assert play.asked[-1] == Start("mug_002") and play.session.phase is Phase.IDLE
    assert counts(play.session.takes) == {"kept": 0, "discarded": 1, "failed": 2}
    first = play.session.takes[0].figures
    assert (first["name"], first["path"], first["outcome"]) == ("mug_001", "", "failed")
    assert first["error"] == "/bags: not writable" and not first["good"]
    assert last_take(play.session.takes) == "mug_002: did not begin"
    unnamed = Played("")
    unnamed.press(Command.TAKE)
    unnamed.press(Command.QUIT)
    unnamed.answer(Answer(error="it did not answer", code="unanswered"))
    assert unnamed.session.done and last_take(unnamed.session.takes) == "unnamed: did not begin"


def test_no_take_is_begun_before_a_recorder_was_there() -> None:
    play = Played()
    play.press(Command.TAKE, unheard="no recorder answers at /recorder")
    assert "warning take: none is begun yet" in play.told and "no recorder answers at /recorder" in play.told
    assert play.session.phase is Phase.IDLE and not play.session.requests and not play.session.takes
    play.begin()
    assert play.asked == [Start("mug_001")], "no number was used up"
    play.press(Command.TAKE, unheard="nothing has been heard")
    assert play.answer(GOOD) == [Stop()], "what has begun can always be ended"


def test_discarded_and_taken_again_by_the_same_name() -> None:
    play = Played()
    play.begin()
    play.press(Command.DISCARD)
    assert play.answer(GOOD, now=9.0) == [Stop(discard=True, again="mug_001")]
    assert list(play.session.requests) == [Start("mug_001")] and play.session.labels.began_ns == 1009 * S
    play.answer(Answer(path="/bags/mug_001"))
    assert counts(play.session.takes)["discarded"] == 1 and play.session.recording
    idle = Played()
    idle.press(Command.DISCARD)
    assert not idle.session.requests and "discard: no take is in progress" in idle.told


def test_labels_are_of_the_moment_of_their_key() -> None:
    play = Played(constants=[Constant.parse("mug:material=ceramic")], segments=["reach"])
    play.begin(at=1.0)
    play.press(Command.SEGMENT, 2.0)
    play.press(Command.MATERIAL, 3.0, "oak")
    play.press(Command.NOTE, 4.0, "slipped")
    play.press(Command.SEGMENT, 5.0)
    play.press(Command.SUCCESS, 6.0)
    play.press(Command.SEGMENT, 7.0)
    play.press(Command.TAKE, 8.0)
    expected: list[Request] = [
        Label("material", "ceramic", 1001 * S, 1001 * S + OPEN_NS, "mug", quiet=True),
        Label("material", "oak", 1003 * S, 1003 * S + OPEN_NS),
        Label("note", "slipped", 1004 * S, 1004 * S),
        Label("segment", "reach", 1002 * S, 1005 * S),
        Label("success", "true", 1001 * S, 1006 * S),
        Label("segment", "2", 1007 * S, 1008 * S),  # open at the end: ended with the take, before it
        Stop(),
    ]
    assert list(play.session.requests) == expected
    play.answer(*[Answer()] * 6, GOOD)
    take = play.session.takes[0]
    assert take.success is True and take.labels == 6


def test_the_last_label_is_made_void() -> None:
    play = Played()
    play.begin()
    play.press(Command.SUCCESS, 3.0)
    play.answer(Answer())
    play.press(Command.FAILURE, 4.0)
    play.answer(Answer())
    assert play.session.takes[0].success is False
    play.press(Command.UNDO, 5.0)
    assert play.answer(Answer()) == [Label("void", "success", 1001 * S, 1004 * S)]
    assert play.session.takes[0].success is True and "label success = false is void" in play.told
    play.press(Command.UNDO)
    play.answer(Answer())
    play.press(Command.NOTE, 6.0, "x")
    play.press(Command.UNDO, 6.1)  # before the recorder has answered
    assert play.answer(Answer(), Answer())[1] == Label("void", "note", 1006 * S, 1006 * S)
    play.press(Command.UNDO)
    assert not play.session.requests and "no label of this take" in play.told
    assert play.session.takes[0].success is None and play.session.takes[0].labels == 0


def test_a_label_that_is_refused_is_told() -> None:
    play = Played()
    play.begin()
    play.press(Command.SUCCESS)
    play.answer(Answer(error="nothing is being recorded", code="not_recording"))
    assert "error label success = true is not in the bag: nothing" in play.told
    assert play.session.takes[0].success is None


def test_labels_of_every_take_are_counted_and_no_key_makes_them_void() -> None:
    play = Played(constants=[Constant.parse("mug:material=ceramic"), Constant.parse("split=train")])
    for count, answer in ((2, Answer()), (1, Answer(error="it did not answer", code="unanswered"))):
        play.begin()
        play.answer(Answer(), answer)
        assert play.session.takes[-1].labels == count
        play.press(Command.UNDO)
        assert not play.session.requests and "no label of this take" in play.told
        play.press(Command.TAKE)
        play.answer(GOOD)
    assert "error label split = train is not in the bag: it did not answer" in play.told


@pytest.mark.parametrize("text", ["material", "=oak", "mug:=oak", "material="])
def test_constant_labels_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="expected KEY=VALUE"):
        Constant.parse(text)


def test_pause_split_and_snapshot() -> None:
    play = Played()
    play.press(Command.SNAPSHOT)
    assert play.answer(GOOD) == [Snapshot("mug_snapshot_001")] and len(play.session.snapshots) == 1
    play.press(Command.SNAPSHOT)
    exists = Answer(error="/bags/mug_snapshot_002: exists already", code="not_writable")
    play.answer(exists, Answer(error="nothing is kept", code="not_kept"))
    assert play.asked[-1] == Snapshot("mug_snapshot_003") and "error snapshot: nothing is kept" in play.told
    play.begin("/bags/mug_002")
    play.press(Command.PAUSE)
    play.answer(Answer(), now=5.0)
    assert play.session.phase is Phase.PAUSED
    play.session.heard(RecorderState("recording", "/bags/mug_002"), 5.1)  # still on its way from before
    assert play.session.phase is Phase.PAUSED
    play.press(Command.PAUSE)
    play.press(Command.SPLIT)
    assert play.answer(Answer(), Answer(error="it is older", code="not_offered"), now=6.0) == [
        Trigger("resume"),
        Trigger("split"),
    ]
    assert play.session.phase is Phase.RECORDING and "error split: it is older" in play.told
    play.session.heard(RecorderState("paused", "/bags/mug_002"), 9.0)  # by somebody else
    assert play.session.phase is Phase.PAUSED
    play.press(Command.TAKE)
    play.answer(GOOD)
    assert play.session.takes[0].outcome is Outcome.KEPT


def test_a_take_whose_time_is_over_is_asked_for() -> None:
    play = Played()
    play.begin()
    play.session.ended("the recorder does not record this any more", can_be_asked=True, now=60.0)
    assert play.answer(GOOD) == [Stop()] and play.session.takes[0].outcome is Outcome.KEPT
    play.begin("/bags/mug_002")
    play.session.ended("over", can_be_asked=True, now=60.0)
    play.answer(Answer(error="nothing is being recorded", code="not_recording"), Answer(text="it lies there"))
    assert "somebody else ended the take" in play.told and play.session.takes[1].outcome is Outcome.LOST


def test_a_segment_that_is_open_ends_with_a_take_that_ends_by_itself() -> None:
    play = Played(segments=["reach"])
    play.begin(at=1.0)
    play.press(Command.SEGMENT, 2.0)
    told = RecorderState(state="recording", path="/bags/mug_001", remaining=5.0)
    play.session.heard(told, 56.0)
    assert not play.session.requests
    for left in (0.5, 0.25):
        play.session.heard(dataclasses.replace(told, remaining=left), 61.0 - left)
    assert play.answer(GOOD) == [Label("segment", "reach", 1002 * S, 1061 * S)] and not play.session.requests


def test_a_dead_recorder_costs_a_take_and_not_the_session() -> None:
    play = Played()
    play.begin()
    play.press(Command.SEGMENT)
    play.press(Command.NOTE, text="late")
    play.session.ended(
        "the recorder died: its process (5) is not there any more", can_be_asked=False, now=3.0
    )
    assert list(play.session.requests) == [Look("/bags/mug_001", "s")] and play.session.phase is Phase.LOST
    assert "note = late did not come into the bag" in play.told and "segment 1 was not ended" in play.told
    play.press(Command.TAKE)
    assert "still being looked" in play.told
    kept = "/bags/mug_001 holds 900 messages of 4.0 s: `foley bag recover /bags/mug_001` finishes it"
    play.answer(Answer(text=kept, duration_s=4.0, bytes=7))
    (take,) = play.session.takes
    assert (
        take.outcome is Outcome.LOST and take.kept == kept and take.duration_s == 4.0 and "died" in take.error
    )
    assert counts(play.session.takes)["failed"] == 1 and f"error {kept}" in play.told
    play.begin("/bags/mug_002")
    assert play.session.recording


def test_a_recorder_that_dies_while_it_ends_a_take() -> None:
    play = Played()
    play.begin()
    play.press(Command.TAKE)
    play.answer(Answer(error="the recorder died", code="unanswered"), Answer(text="what is left"))
    assert play.asked[-1] == Look("/bags/mug_001", "s") and play.session.takes[0].kept == "what is left"
    assert play.session.phase is Phase.IDLE


def test_quitting_ends_and_keeps() -> None:
    play = Played()
    play.press(Command.QUIT)
    assert play.session.done
    play = Played()
    play.begin()
    play.press(Command.QUIT)
    assert not play.session.done
    play.answer(GOOD)
    assert play.session.done and play.session.takes[0].outcome is Outcome.KEPT
    early = Played()
    early.press(Command.TAKE)
    early.press(Command.QUIT)
    early.answer(Answer(path="/bags/a"), GOOD)
    assert early.asked == [Start("mug_001"), Stop()] and early.session.done


def test_commands_that_do_not_fit() -> None:
    play = Played()
    play.press(Command.TAKE)
    play.press(Command.TAKE)
    assert list(play.session.requests) == [Start("mug_001")] and "still starting" in play.told
    play.press(Command.SUCCESS)
    assert "success: the take is about to begin" in play.told
