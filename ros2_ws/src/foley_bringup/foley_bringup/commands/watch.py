"""`foley watch`: a live page of what is seen, predicted, heard, believed and told to planners."""

from __future__ import annotations

import argparse
import sys
from typing import Any

HELP = "show the running system on a live page: camera, sounds to play, beliefs, predicates, health"

EPILOG = """\
what it shows
  the camera's picture with the hand and what each object is believed to be; for every contact the spectrogram of what
  was predicted above what was heard, both to be played; predicates with their history of the last minute; contacts
  that were expected and did not sound; the state of every node.
  It only listens: nothing in the system waits for it, and it may be started and ended at any time. A predicate whose
  lease is over is shown as unknown, as a planner must read it.
  Beliefs are also published as `markers` for RViz, while somebody listens.

examples
  foley up --sim            in one terminal, and in another
  foley watch               http://127.0.0.1:8600/
  foley watch --robot robot.yaml
  foley watch --host 0.0.0.0      for other machines: the address that is printed holds a token

Exit codes: 0 ended by Ctrl-C, 2 wrong arguments, or the address is taken.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="where it listens (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8600, help="0: any that is free (default: %(default)s)")
    parser.add_argument(
        "--token",
        default="",
        metavar="TEXT",
        help="what the first address must carry (default: none on loopback, else one that is drawn)",
    )
    parser.add_argument(
        "--robot", default="", metavar="FILE", help="the robot's file: its topics, frames, namespace"
    )
    parser.add_argument(
        "--namespace", default="", metavar="NS", help="of the system (default: the robot's file)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="PARAM=VALUE", help="a parameter's value, as channel=1"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code; see `EPILOG`."""
    import secrets
    import socket

    from foley_common.robot_file import RobotFileError

    if not 0 <= args.port <= 65535:
        sys.stderr.write(f"foley watch: error: --port is {args.port}, must be 0 to 65535\n")
        return 2
    alone = args.host in ("127.0.0.1", "::1", "localhost")
    token = args.token or ("" if alone else secrets.token_urlsafe(12))
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    try:
        ros_arguments = _ros_arguments(args)
        listener = socket.create_server((args.host, args.port), family=family)
    except (RobotFileError, ValueError) as error:
        sys.stderr.write(f"foley watch: error: {error}\n")
        return 2
    except OSError as error:
        cure = "is another one running? --port 0 takes any that is free"
        sys.stderr.write(f"foley watch: error: cannot listen on {args.host}:{args.port}: {error}; {cure}\n")
        return 2
    shown = f"[{args.host}]" if ":" in args.host else args.host
    print(f"http://{shown}:{listener.getsockname()[1]}/" + (f"?token={token}" if token else ""), flush=True)
    print("Ctrl-C ends", flush=True)
    from foley_bringup.ros.watch_server import serve

    return serve(listener, ros_arguments, token=token, alone=alone)


def _ros_arguments(args: argparse.Namespace) -> list[str]:
    """What the node is started with. Raises RobotFileError, ValueError."""
    import os

    from foley_bringup.robot_programs import as_rules, parameters, remappings
    from foley_common.robot_file import RobotFile

    found, namespace, values = ["-r", f"__node:=watch_{os.getpid()}"], args.namespace, dict[str, Any]()
    if args.robot:
        robot = RobotFile.read(args.robot)
        namespace = namespace or robot.namespace
        found += as_rules(remappings(robot, "watch"))
        values = parameters(robot, "watch", ("fixed_frame", "camera_transport", "sample_rate", "channel"))
        values.pop("sample_rate", None)  # it takes what comes
    for text in args.set:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"--set is `{text}`, must be PARAM=VALUE, as channel=1")
        values[name] = value
    if namespace:
        found += ["-r", f"__ns:=/{namespace.strip('/')}"]
    for name, value in values.items():
        found += ["-p", f"{name}:={value}"]
    return ["--ros-args", *found]
