"""The stages of the demo. Each is a real `foley` command in a process of its own, with its output in a log.

::

    explore ----> bag --+
                        +--> dataset --> train --> checkpoint --> live: `foley up` in new scenes, recorded
    sim generate -> bags+                                               |
                                                              analysis of the recorded bags -> table, report
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


class StageError(RuntimeError):
    """A stage ended badly; the message holds the command, its code and the end of its log."""


@dataclasses.dataclass(frozen=True)
class DemoPlan:
    """How much of everything the demo does."""

    out: Path
    seed: int = 0
    explore_s: float = 60.0
    train_scenes: int = 26
    validation_scenes: int = 6
    scene_s: float = 20.0
    train_minutes: float = 1.5
    live_scenes: int = 2
    live_s: float = 50.0
    jobs: int = 2
    shuffle_labels: bool = False

    def __post_init__(self) -> None:
        for name in ("train_scenes", "validation_scenes", "live_scenes", "jobs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        for name in ("explore_s", "scene_s", "train_minutes", "live_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")

    def quick(self) -> DemoPlan:
        """The same with little of everything: enough to see that it runs, too little for good figures."""
        return dataclasses.replace(
            self,
            explore_s=15.0,
            train_scenes=6,
            validation_scenes=2,
            train_minutes=0.5,
            live_scenes=1,
            live_s=25.0,
        )


class Runner:
    """Runs commands, keeps their logs and the time each stage took."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self.logs = logs
        self.say = say
        self.stages: list[tuple[str, float]] = []
        logs.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.say(f"[bold]{name}[/bold]")
        begun = time.monotonic()
        yield
        self.stages.append((name, time.monotonic() - begun))

    def foley(self, log_name: str, *arguments: str, timeout_s: float = 900.0) -> None:
        """Run ``foley ARGUMENTS`` to its end.

        Raises:
            StageError: it ended with another code than 0, or not in time.
        """
        command = _foley(*arguments)
        with self._log(log_name).open("ab") as log:
            try:
                code = subprocess.run(
                    command, stdout=log, stderr=log, timeout=timeout_s, check=False
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        if code != 0:
            raise StageError(self._account(log_name, arguments, code))

    @contextlib.contextmanager
    def background(self, log_name: str, *arguments: str, ready_file: Path, wait_s: float) -> Iterator[None]:
        """Keep ``foley ARGUMENTS`` running; the body starts once ``ready_file`` exists."""
        ready_file.unlink(missing_ok=True)
        with self._log(log_name).open("ab") as log:
            process = subprocess.Popen(
                _foley(*arguments), stdout=log, stderr=log, start_new_session=True, env=os.environ
            )
        try:
            deadline = time.monotonic() + wait_s
            while not ready_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StageError(self._account(log_name, arguments, process.poll()))
                time.sleep(0.05)
            yield
            if process.poll() is not None:
                raise StageError(self._account(log_name, arguments, process.returncode))
        finally:
            _end(process)

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _account(self, log_name: str, arguments: Sequence[str], code: int | None) -> str:
        tail = self._log(log_name).read_text("utf-8", errors="replace").splitlines()[-15:]
        state = "did not finish in time" if code in (None, -1) else f"ended with code {code}"
        return f"`foley {' '.join(arguments)}` {state}; {self._log(log_name)} ends:\n" + "\n".join(tail)


def _foley(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "foley_bringup.cli", *arguments]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole process group to stop, as Ctrl-C would; insist after a while."""
    for signum, patience_s in ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            # `up` passes the signal on to its nodes; only the last resort goes to the group.
            if signum == signal.SIGKILL:
                os.killpg(process.pid, signum)
            else:
                process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)


@dataclasses.dataclass(frozen=True)
class DemoFiles:
    """What the stages leave behind."""

    explored: Path
    dataset: Path
    checkpoint: Path
    live: tuple[Path, ...]


def run_stages(plan: DemoPlan, runner: Runner) -> DemoFiles:
    """Everything up to the recorded live sessions.

    Raises:
        StageError: a command failed.
    """
    bags, dataset, checkpoint = plan.out / "bags", plan.out / "dataset", plan.out / "checkpoint"
    for stale in (bags, dataset, checkpoint):
        shutil.rmtree(stale, ignore_errors=True)

    with runner.stage(f"Explore and record, {plan.explore_s:.0f} s of real time"):
        explored = live_session(
            plan, runner, "explore", split="train", scene=plan.seed + 1000, seconds=plan.explore_s
        )

    with runner.stage(
        f"Simulate {plan.train_scenes + plan.validation_scenes} more scenes, {plan.scene_s:.0f} s each"
    ):
        for split, scenes in (("train", plan.train_scenes), ("validation", plan.validation_scenes)):
            runner.foley(
                "generate", "sim", "generate", "--out", str(bags / split), "--split", split,
                "--scenes", str(scenes), "--duration", str(plan.scene_s), "--jobs", str(plan.jobs),
                "--seed", str(plan.seed),
            )  # fmt: skip

    with runner.stage("Build the dataset"):
        sources = [
            explored,
            *sorted(p for split in ("train", "validation") for p in (bags / split).iterdir()),
        ]
        runner.foley("dataset", "dataset", "build", *map(str, sources), "--out", str(dataset))

    with runner.stage(f"Train, {plan.train_minutes:.1f} minutes"):
        shuffle = ["--shuffle-labels"] if plan.shuffle_labels else []
        runner.foley(
            "train", "train", str(dataset), "--out", str(checkpoint),
            "--minutes", str(plan.train_minutes), "--seed", str(plan.seed), *shuffle,
        )  # fmt: skip

    live = []
    for index in range(plan.live_scenes):
        with runner.stage(f"Predict and hear in a new scene, {plan.live_s:.0f} s of real time"):
            live.append(
                live_session(plan, runner, f"live_{index + 1}", split="test", scene=plan.seed + index,
                      seconds=plan.live_s, checkpoint=checkpoint)
            )  # fmt: skip
    return DemoFiles(explored, dataset, checkpoint, tuple(live))


def live_session(
    plan: DemoPlan,
    runner: Runner,
    name: str,
    *,
    split: str,
    scene: int,
    seconds: float,
    checkpoint: Path | None = None,
) -> Path:
    """One recorded live session; returns the bag."""
    folder = plan.out / "sessions"
    shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    ready = plan.out / "ready"
    # Nothing can be predicted before something was learned: exploring needs no models. What was trained hears, too.
    model = (
        ["--checkpoint", str(checkpoint), "--set=material.hearing=checkpoint"]
        if checkpoint
        else ["--without", "synthesizer", "material", "contact_advisor"]
    )
    settings = [
        f"sim_world.split={split}",
        f"recorder.output_dir={folder}",
        f"lifecycle_manager.ready_file={ready}",
    ]
    with runner.background(
        name, "up", "--sim", "--scene-seed", str(scene), *(f"--set={s}" for s in settings), *model,
        ready_file=ready, wait_s=90.0,
    ):  # fmt: skip
        runner.foley(
            f"{name}_record", "record", "--name", name, "--max-duration", str(seconds),
            timeout_s=seconds + 60.0,
        )  # fmt: skip
    return folder / name


def existing_files(plan: DemoPlan) -> DemoFiles:
    """What an earlier run left.

    Raises:
        StageError: there was none, or it did not get as far as the live sessions.
    """
    sessions = plan.out / "sessions"
    live = tuple(sorted(sessions.glob("live_*"))) if sessions.is_dir() else ()
    if not live:
        raise StageError(f"{sessions} holds no live session: run `foley demo --out {plan.out}` first")
    return DemoFiles(sessions / "explore", plan.out / "dataset", plan.out / "checkpoint", live)
