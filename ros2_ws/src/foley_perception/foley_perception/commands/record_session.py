"""``foley record`` as a session: a person who records takes with keys or pedals."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from foley_perception.collecting.commands import Command, OptionError, parse_pedals
from foley_perception.collecting.evdev import PedalDevice
from foley_perception.collecting.labels import Constant
from foley_perception.collecting.machine import KeyMachine
from foley_perception.collecting.output import Output
from foley_perception.collecting.requests import Start
from foley_perception.collecting.session import Event, Phase, Session
from foley_perception.collecting.status import Levels, RecorderState, UsualRates
from foley_perception.collecting.takes import Names, Outcome, Take, bags_in, counts
from foley_perception.collecting.terminal import Keyboard
from foley_perception.collecting.view import View, channels, disk_line, last_take, rows, wrong_now

if TYPE_CHECKING:
    from foley_perception.ros.session_link import SessionLink

LONGEST_TAKE_S = 3600.0
_WAIT_S = 0.03  # for messages, between two looks at the keys


@dataclasses.dataclass(frozen=True)
class Choices:
    """What the command line says, checked."""

    pedals: Mapping[str, Command]
    constants: tuple[Constant, ...]
    device: PedalDevice | None


def choices_of(args: argparse.Namespace) -> Choices:
    """Raises OptionError or BagError: what is wrong with an option."""
    from foley_perception.recording.session import check_name

    if args.name:
        check_name(args.name)
    pedals = parse_pedals(args.pedal)
    constants = tuple(Constant.parse(text) for text in args.label)
    if args.pedal_device is None and not Keyboard().is_terminal:
        raise OptionError("a session needs keys: run it in a terminal, or name a pedal with --pedal-device")
    try:
        device = PedalDevice(args.pedal_device) if args.pedal_device is not None else None
    except OSError as error:
        raise OptionError(str(error.strerror)) from error
    return Choices(pedals, constants, device)


def run(args: argparse.Namespace, name: str, mapping: Mapping[str, str]) -> int:
    """Record takes until the person quits.

    Args:
        name: of the recorder's node.
        mapping: topics of other names.

    Raises:
        OptionError, BagError: what is wrong with an option.
        RecordClientError: the recorder refuses the mapping.
    """
    from foley_perception.ros.session_link import SessionLink, TakeOptions

    choices = choices_of(args)
    limit = args.max_duration if args.max_duration is not None else LONGEST_TAKE_S
    options = TakeOptions(limit, args.by, args.notes, args.tag, args.metadata)
    try:
        with SessionLink(name, options) as link:
            collector = Collector(args, link, choices, mapping, limit)
            with Keyboard() as keyboard, Output() as output:
                collector.loop(keyboard, output)
            link.unmap_topics(lambda text: output.tell(Event("error", text)))
            return collector.finish(output)
    finally:
        if choices.device is not None:
            choices.device.close()


class Collector:
    """One session: hands keys, requests and answers between the parts, and has it drawn."""

    def __init__(
        self,
        args: argparse.Namespace,
        link: SessionLink,
        choices: Choices,
        mapping: Mapping[str, str],
        limit: float,
    ) -> None:
        self._args, self._link, self._choices = args, link, choices
        self._mapping, self._limit = mapping, limit
        self._keys = KeyMachine(choices.pedals)
        self._names = Names(args.name)
        self._session = Session(self._names, link.ros_ns, constants=choices.constants, segments=args.segment)
        self._levels, self._rates = Levels(), UsualRates()
        self._state: RecorderState | None = None
        self._began = 0.0  # the take
        self._present = False
        self._ever = False
        self._absent = ""
        self._written = -1  # takes in metrics.json

    # ---- the loop ----------------------------------------------------------------------------------------
    def loop(self, keyboard: Keyboard, output: Output) -> None:
        """Until the session is done, or a second interrupt does not wait for that."""
        output.tell(Event("told", f"a session with {self._link.name}: ? shows the keys, q ends it"))
        device = self._choices.device
        if device is not None and not device.alone:
            output.tell(
                Event("warning", f"{self._args.pedal_device} is not ours alone: its keys are also typed")
            )
        while not self._session.done or self._link.saving:
            self._link.spin(_WAIT_S)
            now = time.monotonic()
            if not self._interrupted(keyboard, output, now):
                return
            pressed = self._press(keyboard, output, now)
            self._look(now)
            self._exchange(now)
            told = bool(self._session.events)
            while self._session.events:
                output.tell(self._session.events.popleft())
            output.show(self.view, now, at_once=pressed or told)
            self._write()

    def _interrupted(self, keyboard: Keyboard, output: Output, now: float) -> bool:
        """Quit by signal, or because the terminal was closed; False where it is not waited for any longer."""
        if self._link.interrupts > 1:
            take = self._session.take
            left = f": {take.path} is still being recorded, `foley record` does not end it" if take else ""
            output.tell(Event("error", f"ended at once{left}"))
            return False
        closed = keyboard.gone and self._choices.device is None
        if (self._link.interrupts or closed) and not self._session.quitting:
            self._act(Command.QUIT, output, now)
        return True

    def _press(self, keyboard: Keyboard, output: Output, now: float) -> bool:
        """Hand over keys; whether there were any."""
        session, device = self._session, self._choices.device
        self._keys.tick(now, recording=session.recording)
        keys = [(key, False) for key in keyboard.read(now)]
        if device is not None:
            pressed, told = device.read(now)
            keys += [(key, True) for key in pressed]
            if told:
                output.tell(Event("warning", told))
        for key, of_device in keys:
            for action in self._keys.press(key, now, recording=session.recording, device=of_device):
                if action.command is Command.HELP:
                    output.keys(self._choices.pedals)
                session.act(
                    action, unheard="" if self._ever else self._link.absent(now) or "it came just now"
                )
        return bool(keys)

    def _act(self, command: Command, output: Output, now: float) -> None:
        from foley_perception.collecting.machine import Action

        output.tell(Event("told", "ending: the take in progress is kept; once more ends at once"))
        self._session.act(Action(command, now))

    def _look(self, now: float) -> None:
        """What the recorder says, whether it is there, and whether the take goes on."""
        link, session = self._link, self._session
        if link.state is not None and link.state is not self._state:
            self._state = link.state
            self._levels.heard(self._state, now)
            if self._state.state != "paused":
                self._rates.heard(self._state, now)
            session.heard(self._state, now)
        if session.recording and (ending := link.ending(now)) is not None:
            session.ended(ending.text, can_be_asked=ending.cause.can_be_asked, now=now)
        if session.recording or link.busy or session.requests:
            # What becomes of a take is told with it, and who finishes a bag is silent meanwhile.
            self._absent = ""
            self._present = self._present and session.phase is not Phase.LOST
            return
        self._absent = link.absent(now)
        if not self._absent and not self._present:
            self._came()
        self._present = not self._absent

    def _came(self) -> None:
        """The recorder is there, for the first time or again: give it names, see what its folder holds."""
        from foley_perception.ros.recorder_link import RecordClientError

        try:
            if self._mapping:
                self._link.map_topics(self._mapping)
        except RecordClientError as error:
            if not self._ever:
                raise
            self._session.events.append(Event("error", f"its topics bear other names now: {error}"))
        if not self._ever and (folder := self._link.folder()) is not None:
            self._names.saw(bags_in(folder))
        if self._ever:
            self._session.events.append(Event("good", "the recorder is back"))
        self._ever = True

    def _exchange(self, now: float) -> None:
        """Answers in, and the next request out."""
        link, session = self._link, self._session
        if (found := link.poll(now)) is not None:
            request, answer = found
            session.answered(request, answer, now)
            if isinstance(request, Start) and not answer.error:
                self._began = now
                self._names.saw(bags_in(Path(answer.path).parent))
        while session.requests and not link.busy:
            request = session.requests.popleft()
            if (at_once := link.ask(request, now)) is not None:
                session.answered(request, at_once, now)

    # ---- what is shown -----------------------------------------------------------------------------------
    def view(self, now: float) -> View:
        """Everything that is drawn."""
        session, state = self._session, self._state if not self._absent else None
        take = session.take
        elapsed = now - self._began
        remaining = self._limit - elapsed
        if state is not None and take is not None and state.path == take.path and state.full:
            elapsed, remaining = state.duration, state.remaining
        doubt = self._link.suspicion if session.recording else ""
        return View(
            phase=session.phase,
            present=not self._absent,
            title=take.title if take is not None else "",
            elapsed=elapsed if take is not None else 0.0,
            remaining=remaining,
            counts=counts(session.takes),
            snapshots=len(session.snapshots),
            channels=channels(state, self._levels, now) if state is not None else (),
            rows=rows(state, self._rates) if state is not None else (),
            disk=disk_line(state) if state is not None else "",
            wrong=wrong_now(state, self._rates, self._absent, doubt),
            prompt=self._keys.prompt,
            last=last_take(session.takes),
            segment=session.labels.segment_name if session.labels.open_segment is not None else "",
        )

    # ---- the end -----------------------------------------------------------------------------------------
    def _write(self) -> None:
        """metrics.json after every take: it is there whatever ends the session."""
        over = sum(take.outcome is not None for take in self._session.takes) + len(self._session.snapshots)
        if over != self._written:
            self._written = over
            if (event := self._write_metrics()).level == "error":
                self._session.events.append(event)

    def _write_metrics(self) -> Event:
        """Where it is, or why it is not: a full disk must not end a session in the middle of a take."""
        from foley_common.metrics_file import write_metrics

        snapshots = [
            {"path": s.path, "duration_s": s.duration_s, "bytes": s.bytes, "findings": list(s.findings)}
            for s in self._session.snapshots
        ]
        figures = {
            "recorder": self._link.name,
            **counts(self._session.takes),
            "takes": [take.figures for take in self._session.takes],
            "snapshots": snapshots,
        }
        try:
            return Event("told", f"{write_metrics(self._args.out, figures)} has all of it")
        except OSError as error:
            return Event(
                "error", f"--out {self._args.out}: metrics.json cannot be written ({error.strerror})"
            )

    def finish(self, output: Output) -> int:
        """The table, and the exit code."""
        takes: list[Take] = self._session.takes
        while self._session.events:
            output.tell(self._session.events.popleft())
        output.summary(takes)
        output.tell(self._write_metrics())
        if not self._ever:
            return 2
        kept = [take for take in takes if take.outcome is not Outcome.DISCARDED]
        wrong = [take for take in kept if take.error or take.outcome is None]
        return 1 if wrong else 0
