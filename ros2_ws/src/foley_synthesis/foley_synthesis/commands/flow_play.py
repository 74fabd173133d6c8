"""`foley flow play`: move a hand in a reconstructed scene and hear the sound."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foley_perception.commands import topic_options


def configure(actions: Any) -> None:
    """Add the command's arguments."""
    play = actions.add_parser("play", help="move a hand in a scene, in the browser, and hear the sound")
    play.add_argument(
        "checkpoint",
        type=Path,
        help="folder written by `foley flow train` or `foley flow fit`, or `contact_flow`, which ships",
    )
    play.add_argument(
        "--sight",
        type=Path,
        metavar="DIR",
        help="of a contact flow: trained by `foley flow sight`: says what is touched (default: the one within the "
        "flow's folder)",
    )
    play.add_argument("--scene", type=Path, required=True, metavar="DIR", help="a reconstructed scene")
    play.add_argument(
        "--bag",
        type=Path,
        required=True,
        help="a recording in it: where the camera stands, what the hand holds",
    )
    play.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="of its motion (default: %(default)s)"
    )
    play.add_argument("--hand", default="parallel_gripper", help="hand file: gripper as keypoints")
    play.add_argument("--to", type=Path, metavar="FLAC", help="no page: write the sound of --motion and end")
    play.add_argument(
        "--motion", default="recorded", metavar="tap|stroke|recorded", help="of --to (default: %(default)s)"
    )
    play.add_argument(
        "--at",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="where the tip starts [m] (default: as recorded)",
    )
    topic_options.add(play)
    play.add_argument("--port", type=int, default=8080)
    play.add_argument("--host", default="127.0.0.1", help="default: this machine only")
    play.add_argument("--threads", type=int, default=2)
    play.add_argument("--seed", type=int, default=0)
    play.add_argument(
        "--steps",
        type=int,
        help="of Euler's method (default: 25, of a contact flow what its checkpoint says)",
    )
    play.add_argument(
        "--guidance", type=float, help="1: none (default: 4.5, of a contact flow what its checkpoint says)"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; errors are raised."""
    import torch
    from rich.console import Console

    from foley_synthesis.flow.networks.rectified_flow import SampleConfig
    from foley_synthesis.flow.play.opening import open_player
    from foley_synthesis.flow.play.player import PRESETS

    if args.threads < 1:
        raise ValueError(f"--threads is {args.threads}, must be at least 1")
    if args.motion not in PRESETS:
        raise ValueError(f"--motion is `{args.motion}`, known are {', '.join(PRESETS)}")
    if args.to and args.to.suffix.lower() != ".flac":
        raise ValueError(f"--to is {args.to}, must end in .flac")
    torch.set_num_threads(args.threads)
    if args.steps is not None and args.steps < 1:
        raise ValueError(f"--steps is {args.steps}, must be at least 1")
    with Console(stderr=True).status("reading the scene and the flow"):
        player = open_player(
            args.checkpoint,
            args.scene,
            args.bag,
            start_s=args.start,
            hand=args.hand,
            threads=args.threads,
            naming=topic_options.naming_of(args, [args.bag]),
            sight=args.sight,
        )
    own = player.sampling
    sampling = SampleConfig(
        own.steps if args.steps is None else args.steps,
        own.guidance if args.guidance is None else args.guidance,
    )
    return _write(args, player, sampling) if args.to else _serve(args, player, sampling)


def _write(args: argparse.Namespace, player: Any, sampling: Any) -> int:
    import numpy as np
    import soundfile

    from foley_perception.geometry.se3 import SE3

    pose = player.scene.motion[0]
    if args.at:
        offset = np.array(args.at) - player.tip(pose)
        pose = SE3(pose.quaternion, pose.translation + offset)
    played = player.play(player.preset(args.motion, pose), args.seed, sampling)
    args.to.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(args.to, played.sound.clip(-1, 1), played.rate)
    parts = ", ".join(f"{name} {value:.1f} s" for name, value in played.seconds.items())
    print(f"{args.to}: 8 s, made in {sum(played.seconds.values()):.1f} s ({parts})")
    return 0


def _serve(args: argparse.Namespace, player: Any, sampling: Any) -> int:
    from foley_perception.commands.serving import serve
    from foley_synthesis.flow.play.page import Page

    page = Page(player, args.scene, host=args.host, port=args.port, sampling=sampling, seed=args.seed)
    return serve(args.host, page.server.get_port(), "play in this scene", page.close)
