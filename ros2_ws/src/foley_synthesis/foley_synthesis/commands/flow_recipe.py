"""`foley flow recipe`: every command from nothing to the contact flow that ships, in their order.

::

    sessions --> codec ----------------------+
        |                                    v
        +------------------------------> flow (fit) --> tune --> table --> ship
    stills ----> sight ----------------------^

Each step is a command of its own, which anybody could type. What is done is kept: the same line goes on where it
stopped, in the middle of a step too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATE_FILE = "recipe.json"
COMMANDS_FILE = "commands.txt"
SESSION_S = 40.0


@dataclasses.dataclass(frozen=True)
class RecipeConfig:
    """How much of everything.

    Raises:
        ValueError: an amount is not positive.
    """

    hours: float = 8.0  # of sessions to train on
    minutes: float = 150.0  # of the flow's training
    codec_minutes: float = 12.0
    views: float = 0.1  # share of these sessions with views; stills show the scenes of the others
    jobs: int = 2  # sessions at once
    threads: int = 2  # of trainings
    small: bool = False  # too little of everything for good figures, but enough to see that it runs

    def __post_init__(self) -> None:
        for name in ("hours", "minutes", "codec_minutes", "jobs", "threads"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")
        if not 0.0 <= self.views <= 1.0:
            raise ValueError(f"views is {self.views}, must be in [0, 1]")


@dataclasses.dataclass(frozen=True)
class Step:
    """One command of `foley`."""

    name: str
    words: tuple[str, ...]

    def line(self) -> str:
        """As it is typed."""
        return shlex.join(["foley", *self.words])


def steps(config: RecipeConfig, out: Path) -> list[Step]:
    """The whole chain."""
    small = config.small
    duration = 16.0 if small else SESSION_S
    sessions = 6 if small else max(1, round(config.hours * 3600 / SESSION_S))
    data, stills = out / "sets", out / "stills"
    codec, sight, flow, table = (out / name for name in ("codec", "sight", "flow", "table"))

    def step(name: str, *words: object) -> Step:
        return Step(name, tuple(str(word) for word in words))

    def recorded(split: str, count: int, views: float) -> Step:
        return step(
            f"sessions of {split}", "sim", "sessions", "--out", data / split, "--split", split,
            "--sessions", count, "--duration", duration, "--views", views, "--jobs", config.jobs,
            "--metrics", out / "metrics" / f"sessions_{split}",
        )  # fmt: skip

    def looked_at(split: str, scenes: int) -> Step:
        return step(
            f"stills of {split}", "sim", "stills", "--out", stills / split, "--split", split, "--scenes", scenes,
            "--jobs", config.jobs, "--metrics", out / "metrics" / f"stills_{split}",
        )  # fmt: skip

    threads = ("--threads", config.threads)
    few = {
        "codec": ("--steps", 12),
        "sight": ("--epochs", 2, "--least-steps", 20, "--members", 1, "--replicates", 50, "--no-curve"),
        "flow": ("--size", "tiny", "--steps", 12, "--batch", 8),
        "tune": ("--windows", 2, "--draws", 2, "--guidance", 1, "--steps", 2),
        "table": ("--draws", 2, "--sessions", 2),
    }
    much = {
        "codec": ("--minutes", config.codec_minutes),
        "sight": ("--epochs", 40, "--least-steps", 600),
        "flow": ("--minutes", config.minutes),
        "tune": ("--windows", 24),
        "table": ("--draws", 6, "--sessions", 12),
    }
    size: dict[str, tuple[object, ...]] = {**(few if small else much)}
    return [
        recorded("train", sessions, 0.5 if small else config.views),
        recorded("validation", 2 if small else 32, 1.0),
        looked_at("train", 6 if small else max(550, sessions)),
        looked_at("validation", 2 if small else 8),
        looked_at("test", 2 if small else 24),
        step(
            "codec", "codec", "train", data / "train", data / "validation", "--out", codec, *size["codec"],
            *threads, "--resume",
        ),
        step(
            "sight", "flow", "sight", stills / "train", "--validation", stills / "validation",
            "--test", stills / "test", "--out", sight, *size["sight"], *threads, "--resume",
        ),
        step(
            "flow", "flow", "fit", "--train", data / "train", "--validation", data / "validation",
            "--codec", codec, "--sight", sight, "--stills", stills / "train", "--out", flow, *size["flow"],
            *threads, "--resume",
        ),
        step(
            "tune", "flow", "tune", flow, data / "validation", *size["tune"], "--out", out / "tune", *threads
        ),
        step(
            "table", "flow", "table", "--test", data / "validation", "--any-split", "--train", data / "train",
            "--model", f"flow={flow}", "--sight", sight, "--also", "seen", "seen+views", "told",
            "--codec", f"codec={codec}", *size["table"], "--out", table, *threads,
        ),
        step(
            "ship", "flow", "ship", flow, "--sight", sight, "--table", table, "--commands", out / COMMANDS_FILE,
            "--to", out / "ship",
        ),
    ]  # fmt: skip


Runner = Callable[[Step], int]


def cook(
    config: RecipeConfig, out: Path, runner: Runner, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Run what is not done yet; seconds of each step.

    Args:
        runner: runs a step to its end and returns its exit code.

    Raises:
        ValueError: the folder holds a recipe of other amounts.
        StepFailed: a step did not end well; all before it are kept.
    """
    chain = steps(config, out)
    amounts = dataclasses.asdict(config)
    state: dict[str, Any] = {"amounts": amounts, "seconds": {}}
    if (out / STATE_FILE).is_file():
        state = json.loads((out / STATE_FILE).read_text("utf-8"))
        if other := [name for name in amounts if state["amounts"].get(name) != amounts[name]]:
            was, wanted = state["amounts"].get(other[0]), amounts[other[0]]
            raise ValueError(f"{out} holds a recipe with {other[0]} {was}, not {wanted}; name another --out")
    out.mkdir(parents=True, exist_ok=True)
    (out / COMMANDS_FILE).write_text("".join(f"{step.line()}\n" for step in chain[:-1]), "utf-8")
    for number, step in enumerate(chain, 1):
        title = f"{number} of {len(chain)}, {step.name}"
        if step.name in state["seconds"]:
            say(f"{title}: done before")
            continue
        say(f"{title}: {step.line()}")
        began = time.monotonic()
        if code := runner(step):
            raise StepFailed(step, code)
        state["seconds"][step.name] = round(time.monotonic() - began, 1)
        part = out / f".{STATE_FILE}"
        part.write_text(json.dumps(state, indent=2), "utf-8")
        part.replace(out / STATE_FILE)
    return state


class StepFailed(RuntimeError):
    """A step did not end well."""

    def __init__(self, step: Step, code: int) -> None:
        super().__init__(f"`{step.line()}` ended with code {code}")
        self.code = code


def configure(actions: Any) -> None:
    """Arguments."""
    recipe = actions.add_parser(
        "recipe", help="make the contact flow that ships, from nothing: data, codec, sight, flow, table, card"
    )
    recipe.add_argument("--out", type=Path, default=Path("out/recipe"), help="default: %(default)s")
    own = RecipeConfig()
    for name, unit, meaning in (
        ("hours", "H", "of simulated sessions to train on"),
        ("minutes", "M", "of the flow's training"),
        ("codec_minutes", "M", "of the codec's training"),
        ("views", "SHARE", "of these sessions with views of their own; stills show the scenes of the others"),
        ("jobs", "N", "simulations at once"),
        ("threads", "N", "of trainings"),
    ):
        default = getattr(own, name)
        recipe.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, metavar=unit,
            help=f"{meaning} (default: %(default)s)",
        )  # fmt: skip
    recipe.add_argument(
        "--small", action="store_true", help="too little of everything for good figures: to see that it runs"
    )
    recipe.add_argument("--dry-run", action="store_true", help="print the commands and end")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or that of the step that failed; 2 for what the user can mend, 130 after Ctrl-C."""
    try:
        return _run(args)
    except (ValueError, OSError) as error:
        print(f"foley flow recipe: error: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    from foley_common.metrics_file import METRICS_FILE, write_metrics

    config = RecipeConfig(
        **{field.name: getattr(args, field.name) for field in dataclasses.fields(RecipeConfig)}
    )
    if args.dry_run:
        print("\n".join(step.line() for step in steps(config, args.out)))
        return 0
    try:
        state = cook(config, args.out, _typed, lambda text: print(f"\n== {text}", flush=True))
    except (StepFailed, KeyboardInterrupt) as stop:
        why = stop if isinstance(stop, StepFailed) else "stopped"
        print(f"foley flow recipe: {why}; the same line goes on there", file=sys.stderr)
        return stop.code if isinstance(stop, StepFailed) else 130
    tables = json.loads((args.out / "table" / METRICS_FILE).read_text("utf-8"))
    write_metrics(args.out, {**state, "table": tables})
    print(f"\n{args.out / 'ship'} holds what ships; figures in {args.out / METRICS_FILE}")
    return 0


def _typed(step: Step) -> int:
    """As if somebody had typed it."""
    process = subprocess.Popen([sys.executable, "-m", "foley_bringup.cli", *step.words])
    try:
        return process.wait()
    except KeyboardInterrupt:  # the step was told so too, and saves what it has
        process.wait()
        raise
