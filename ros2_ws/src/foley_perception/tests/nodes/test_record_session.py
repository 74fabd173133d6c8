"""`foley record` as a session in a pseudo terminal: keys are pressed, a real recorder records."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.nodes

CODE = (
    "import argparse, sys; from foley_perception.commands import record as r; p = argparse.ArgumentParser();"
    "r.configure(p); sys.exit(r.run(p.parse_args(sys.argv[1:])))"
)
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\r")


class Terminal:
    """A session, and the terminal that it runs in."""

    def __init__(self, context: Any, out: Path, *options: str) -> None:
        self._context, self.out = context, out
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, "--out", str(out), *options],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        )
        os.set_blocking(self._master, False)
        self._shown = b""
        self._seen = 0  # of what was shown

    @property
    def text(self) -> str:
        """All that was shown since the last :meth:`shows`, without colours and movements."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(self._master, 65536):
                self._shown += data
        return _CONTROL.sub("", self._shown.decode(errors="replace"))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def shows(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """Wait until it is shown, after what was waited for before."""

        def look() -> re.Match[str] | None:
            return re.search(pattern, self.text[self._seen :])

        def found() -> Any:
            return look() or self.process.poll() is not None

        with contextlib.suppress(pytest.fail.Exception):
            self._context.spin_until(found, seconds, pattern)
        match = look()
        once = "\n".join(
            dict.fromkeys(line for line in self.text[self._seen :].splitlines() if "? keys" not in line)
        )
        assert match is not None, f"{pattern} in\n{once}"
        self._seen += match.end()
        return match

    def ends(self, seconds: float = 30.0) -> int:
        self._context.spin_until(lambda: (self.text, self.process.poll() is not None)[1], seconds, "the end")
        return int(self.process.returncode)

    @property
    def restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before

    @property
    def figures(self) -> dict[str, Any]:
        return dict(json.loads((self.out / "metrics.json").read_text()))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self.slave)


@pytest.fixture
def terminal(ros_context: Any, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    running: list[Terminal] = []

    def start(*options: str) -> Terminal:
        running.append(Terminal(ros_context, tmp_path / f"out{len(running)}", *options))
        return running[-1]

    yield start
    for one in running:
        one.close()


def pressed(code: int) -> bytes:
    """A key of an input device that is pressed and released."""
    return struct.pack("llHHi", 1, 2, 1, code, 1) + struct.pack("llHHi", 1, 3, 1, code, 0)


def labels(path: str) -> list[tuple[str, str, str]]:
    from foley_perception.episodes import read_episode

    return [
        (label.object_id, label.key, label.value)
        for label in read_episode(path).labels
        if label.key != "pause"
    ]


def test_takes_by_keys_and_pedals(
    ros_context: Any, recorder: Any, poses: Any, terminal: Any, tmp_path: Path
) -> None:
    """Begun, labelled, ended; begun by a pedal's device, discarded, taken again; the terminal as it was."""
    poses("/ee_pose")
    recorder()
    (tmp_path / "bags" / "mug_004").mkdir(parents=True)  # numbering goes on behind it
    pedal = tmp_path / "event5"
    os.mkfifo(pedal)
    writer = os.open(pedal, os.O_RDWR)
    run = terminal(
        *(
            "--name",
            "mug",
            "--label",
            "mug:material=ceramic",
            "--pedal",
            "b=take",
            "--pedal",
            "PageDown=discard",
        ),
        *("--pedal-device", str(pedal), "--pedal", "F13=take"),
    )
    run.shows("ready: the space bar")
    assert not run.restored, "keys come one by one"
    run.press("?")
    run.shows("Space, b, F13 +take")
    run.press(" ")
    run.shows(f"recording {tmp_path}/bags/mug_005")
    run.shows(r"REC mug_005  0:0[1-9]")
    run.shows(r"/ee_pose +\d+\.\d +")  # its meter
    run.press("p")
    run.shows("paused after")
    run.shows("PAUSED mug_005")
    run.press("px")
    run.shows("goes on after a pause")
    run.shows("it goes on in a new file")
    run.press("s")
    run.shows(f"s are kept in {tmp_path}/bags/mug_snapshot_001")
    run.press("gmoak\rtslipped a bit\rgyu")
    run.shows("label material = oak")
    run.shows("label note = slipped a bit")
    run.shows("label segment = 1")
    run.shows("label success = true")
    run.shows("label success = true is void")
    run.press("nb")
    run.shows(r"mug_005: ")
    run.shows("ready")
    first = str(tmp_path / "bags" / "mug_005")
    given = [("mug", "material", "ceramic"), ("", "material", "oak"), ("", "note", "slipped a bit")]
    assert sorted(labels(first)) == sorted([*given, ("", "segment", "1"), ("", "success", "false")])
    os.write(writer, pressed(183))
    run.shows("REC mug_006")
    run.press("\x1b[6~")
    run.shows("discard this take and begin it again")
    run.press("\x1b[6~")
    run.shows("mug_006: discarded after")
    run.shows("REC mug_006")
    run.press("q")
    assert run.ends() == 0 and run.restored, run.text
    figures = run.figures
    assert (figures["kept"], figures["discarded"], figures["failed"]) == (2, 1, 0)
    assert [Path(one["path"]).name for one in figures["snapshots"]] == ["mug_snapshot_001"]
    takes = figures["takes"]
    assert [take["outcome"] for take in takes] == ["kept", "discarded", "kept"]
    assert takes[0]["path"] == first and takes[0]["success"] is False and takes[0]["labels"] == 5
    assert takes[0]["topics"]["/ee_pose"]["messages"] > 50
    assert takes[2]["labels"] == 1 and labels(takes[2]["path"]) == [("mug", "material", "ceramic")]
    assert takes[1]["path"] == takes[2]["path"] and Path(takes[2]["path"], "metadata.yaml").is_file()
    os.close(writer)


@pytest.mark.long
def test_a_dead_recorder_is_told_and_the_session_goes_on(
    ros_context: Any, recorder: Any, poses: Any, terminal: Any
) -> None:
    poses("/ee_pose")
    run = terminal("--name", "cup")
    run.shows("no recorder answers at /recorder")
    run.press(" ")
    run.shows("take: none is begun yet, .*: no recorder answers at /recorder")
    node = recorder()
    run.shows("ready: the space bar")
    run.press(" ")
    run.shows(r"REC cup_001  0:0[1-9]")
    node.kill()
    run.shows(r"!! cup_001: the recorder died: its process \(\d+\) is not there any more")
    run.shows(r"cup_001 holds \d+ messages of [\d.]+ s.*\n?.*foley bag recover")
    run.shows("nothing has been heard of the recorder")
    run.press(" ")
    run.shows("the take did not begin: nothing has been heard")
    recorder()
    run.shows("the recorder is back")
    run.press(" ")
    run.shows(r"REC cup_00[23]")
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.ends() == 1 and run.restored, run.text
    figures = run.figures
    assert [take["outcome"] for take in figures["takes"]] == ["lost", "failed", "kept"]
    assert figures["failed"] == 2 and figures["takes"][1]["error"].startswith("nothing has been heard")
    lost = figures["takes"][0]
    assert "foley bag recover" in lost["kept"] and lost["topics"]["/ee_pose"]["messages"] > 20


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "--max-duration is required where there is no terminal"),
        (["--session"], "run it in a terminal, or name a pedal"),
        (["--max-duration", "5", "--pedal", "b=take"], "--pedal is for a session"),
        (["--session", "--pedal", "b=dance"], "`dance` is no command"),
        (["--session", "--label", "oak"], "expected KEY=VALUE"),
        (["--session", "--name", "a/b"], "name is `a/b`"),
        (["--session", "--pedal-device", "/nowhere/event5"], "names what is plugged in"),
    ],
)
def test_options_that_are_refused(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a recorder is asked for anything, and without a terminal."""
    import argparse

    from foley_perception.commands import record

    parser = argparse.ArgumentParser()
    record.configure(parser)
    assert record.run(parser.parse_args(["--out", str(tmp_path), *options])) == 2
    assert told in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_what_ends_a_session() -> None:
    """A terminal that is closed is told by its shell, and by the kernel once more; Ctrl-C twice means it."""
    from foley_perception.ros.recorder_link import RecorderLink

    link = RecorderLink("recorder")
    for number, count in ((signal.SIGHUP, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2)):
        link._on_signal(number, None)
        assert link.interrupts == count


def test_a_take_is_ended_while_a_snapshot_is_written() -> None:
    from concurrent.futures import Future
    from types import SimpleNamespace

    from foley_msgs.srv import SaveSnapshot, StopRecording
    from foley_perception.collecting.requests import Snapshot, Stop
    from foley_perception.ros.session_link import SessionLink, TakeOptions

    link = SessionLink("recorder", TakeOptions(60.0))
    link._presence.sign(0.0)
    answers: dict[str, Future[Any]] = {"snapshot": Future(), "stop": Future()}
    link._clients = {
        name: SimpleNamespace(service_is_ready=lambda: True, call_async=lambda _, answer=answer: answer)
        for name, answer in answers.items()
    }
    assert link.ask(Snapshot("one"), 0.0) is None and link.saving and not link.busy
    second = link.ask(Snapshot("two"), 0.0)
    assert second is not None and "still being written" in second.error
    assert link.ask(Stop(), 0.0) is None and link.busy and link.poll(0.1) is None
    answers["stop"].set_result(StopRecording.Response(path="/bags/a"))
    found = link.poll(0.2)
    assert found is not None and found[0] == Stop() and found[1].path == "/bags/a" and link.saving
    answers["snapshot"].set_result(SaveSnapshot.Response(path="/bags/one"))
    found = link.poll(0.3)
    assert found is not None and found[1].path == "/bags/one" and not (link.saving or link.busy)


def test_the_end_of_a_session_whose_figures_cannot_be_written(tmp_path: Path) -> None:
    import argparse
    import io
    from types import SimpleNamespace

    from rich.console import Console

    from foley_perception.collecting.output import Output
    from foley_perception.collecting.takes import Outcome, Take
    from foley_perception.commands.record_session import Choices, Collector

    (tmp_path / "out").write_text("no folder")
    args = argparse.Namespace(name="mug", segment=[], out=str(tmp_path / "out"))
    link: Any = SimpleNamespace(name="/recorder", ros_ns=round)
    collector = Collector(args, link, Choices({}, (), None), {}, 60.0)
    collector._ever = True
    discarded = Take("a", "/bags/a", outcome=Outcome.DISCARDED, error="nothing was received on /wrench")
    collector._session.takes += [Take("b", "/bags/b", outcome=Outcome.KEPT), discarded]
    collector._write()
    assert "metrics.json cannot be written" in collector._session.events[0].text
    assert collector.finish(Output(Console(file=io.StringIO()))) == 0
    collector._session.takes[0].error = "nothing was received on /wrench"
    assert collector.finish(Output(Console(file=io.StringIO()))) == 1


def test_a_take_that_did_not_begin_is_told_by_the_exit_code(tmp_path: Path) -> None:
    """Also one that was asked for in the first moment, and not counted, as no recorder had been heard."""
    import argparse
    import io
    from types import SimpleNamespace

    from rich.console import Console

    from foley_perception.collecting.output import Output
    from foley_perception.collecting.requests import Answer
    from foley_perception.collecting.session import Phase
    from foley_perception.commands.record_session import Choices, Collector

    args = argparse.Namespace(name="mug", segment=[], out=str(tmp_path))
    refused = Answer(error="/bags: not writable", code="not_writable")
    absent = ["no recorder answers at /recorder"]
    link: Any = SimpleNamespace(
        name="/recorder", ros_ns=round, busy=False, absent=lambda _: absent[0],
        poll=lambda _: None, ask=lambda *_: refused,
    )  # fmt: skip
    keyboard: Any = SimpleNamespace(read=lambda _: ["Space"])
    shown = io.StringIO()
    collector, output = Collector(args, link, Choices({}, (), None), {}, 60.0), Output(Console(file=shown))
    collector._press(keyboard, output, 1.0)
    collector._exchange(1.0)
    assert not collector._session.takes and collector._session.phase is Phase.IDLE
    assert "none is begun yet" in collector._session.events[0].text
    absent[0], collector._ever = "", True
    collector._press(keyboard, output, 2.0)
    collector._exchange(2.0)
    assert collector.finish(output) == 1
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert figures["failed"] == 1 and figures["takes"][0]["error"] == "/bags: not writable"
    assert figures["takes"][0]["name"] == "mug_001" and "did not begin" in shown.getvalue()
