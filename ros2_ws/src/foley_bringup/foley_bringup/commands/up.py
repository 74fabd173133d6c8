"""`foley up`: the live system, one process per node, kept running."""

from __future__ import annotations

import argparse

HELP = "start the live system: one process per node, kept running, brought up in order"

EPILOG = """\
examples:
  foley up                                      beside the drivers of your camera, microphone and arm
  foley up --robot robot.yaml                   the same, by the robot's file
  foley up --sim --scene-seed 7                 beside the simulated robot
  foley up --sim --checkpoint out/train/latest  with your own model
  foley up --without recorder synthesizer       less of it
  foley up --also hand_tracker --without hand_mapper    the hands of a person, seen by the camera
  foley up --set contact_detector.min_speed=0.02 --namespace left_arm

Ctrl-C ends everything. The same nodes and parameter files under ROS's own launch:
  ros2 launch foley_bringup foley.launch.py sim:=true
Exit codes: 0 ended by Ctrl-C, 2 wrong arguments or a system of this namespace runs already, 3 start-up failed (the
reason is in the last lines).
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "--config", default="", metavar="FILE", help="system file (default: the installed system.yaml)"
    )
    parser.add_argument("--sim", action="store_true", help="also start the simulated robot")
    parser.add_argument(
        "--scene-seed", type=int, metavar="N", help="which scene the simulated robot stands before"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NODE", help="start these nodes alone")
    parser.add_argument(
        "--also",
        nargs="+",
        default=[],
        metavar="NODE",
        help="start these nodes too: hand_tracker, scene_reconstructor",
    )
    parser.add_argument("--without", nargs="+", default=[], metavar="NODE", help="start all but these nodes")
    parser.add_argument(
        "--checkpoint", default="", metavar="DIR", help="model folder (default: the one that ships)"
    )
    parser.add_argument(
        "--robot",
        default="",
        metavar="FILE",
        help="the robot's file: its topics, frames, hand, microphones, namespace (foley robot init writes one)",
    )
    parser.add_argument(
        "--namespace", default="", metavar="NS", help="put all nodes and topics under this name"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.PARAM=VALUE",
        help="a parameter's value (may be repeated)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="start although a system of this namespace runs already in this ROS domain",
    )
    parser.add_argument("--print", action="store_true", help="print the commands that would be run, and end")


def run(args: argparse.Namespace) -> int:
    import contextlib
    import os
    import shlex
    import signal
    import sys
    import tempfile

    from foley_bringup import only_system, shared_memory
    from foley_bringup.supervisor import Supervisor, Task
    from foley_bringup.system import MANAGER, STARTUP_FAILED, SystemFileError, parse_override, plan

    # Beliefs outlive the process that holds them, but not this run: the next one may stand before another table.
    run_folder = tempfile.TemporaryDirectory(prefix="foley_run_")
    try:
        programs = plan(
            system_file=args.config,
            sim=args.sim,
            only=args.only,
            also=args.also,
            without=args.without,
            checkpoint=args.checkpoint,
            scene_seed=args.scene_seed,
            run_folder=run_folder.name,
            robot=args.robot,
            namespace=args.namespace,
            overrides=[parse_override(text) for text in args.set] + only_system.overrides(args.force),
        )
        commands = {program.name: program.command() for program in programs}
    except SystemFileError as error:
        sys.stderr.write(f"foley up: error: {error}\n")
        return 2
    if args.print:
        for command in commands.values():
            print(shlex.join(command))
        return 0

    try:
        claim = None if args.force else only_system.claim(programs[0].namespace, list(commands))
    except only_system.OtherSystemError as error:
        sys.stderr.write(f"foley up: error: {error}; --force starts it all the same\n")
        return 2
    width = max(map(len, commands))
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def write(name: str, line: str) -> None:
        label = f"[{name}]".ljust(width + 2)
        if colours:
            label = f"\033[{31 + list(commands).index(name) % 6}m{label}\033[0m"
        sys.stdout.write(f"{label} {line}\n")
        sys.stdout.flush()

    leftovers, size = shared_memory.clean()
    if leftovers:
        sys.stdout.write(
            f"removed {size / 1e6:.0f} MB of shared memory that {leftovers} killed processes left\n"
        )
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, frame: stopping.append(signum))
    tasks = [
        Task(
            name,
            command,
            {"RCUTILS_COLORIZED_OUTPUT": "1" if colours else "0"},
            final_codes=frozenset({STARTUP_FAILED}) if name == MANAGER else frozenset(),
        )
        for name, command in commands.items()
    ]
    with run_folder, claim or contextlib.nullcontext():
        return Supervisor(tasks, write).run(lambda: bool(stopping))
