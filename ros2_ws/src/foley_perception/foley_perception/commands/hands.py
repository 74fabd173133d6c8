"""`foley hands`: the networks that find human hands, and what they see in pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "find human hands in pictures; fetch the networks for it"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley hands fetch\n"
        "  foley hands detect photo.jpg --out out/hands\n\n"
        "The networks are MediaPipe's (Apache-2.0), 8 MB, taken out of its wheel and checked by hash. Live, the node\n"
        "`hand_tracker` publishes what it sees as hand_keypoints."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="fetch|detect")
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


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    from foley_perception.hands.models import HandModelError

    try:
        return _fetch(args) if args.action == "fetch" else _detect(args)
    except (HandModelError, ValueError, OSError) as error:
        print(f"foley hands: error: {error}", file=sys.stderr)
        return 2


def _fetch(args: argparse.Namespace) -> int:
    from foley_perception.hands.models import fetch

    for path in fetch(args.wheels):
        print(path)
    return 0


def _detect(args: argparse.Namespace) -> int:
    import json
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
    (args.out / "metrics.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0
