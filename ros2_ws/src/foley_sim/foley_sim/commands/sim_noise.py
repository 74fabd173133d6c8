"""`foley sim noise`: whether noise and hum of scenes are their own."""

from __future__ import annotations

import argparse
from typing import Any

from foley_sim.commands.options import add_metrics
from foley_sim.commands.progress import simulated

ACTIONS: tuple[str, ...] = ("noise",)


def configure(actions: Any) -> None:
    parser = actions.add_parser(
        "noise",
        help="correlate what scenes' microphones hear before the first touch; where mains and motors hum",
    )
    parser.add_argument("--edition", default="foleysim-1", help="set of scenes (default: foleysim-1)")
    parser.add_argument("--split", default="test", help="of the scenes (default: test)")
    parser.add_argument(
        "--scenes", type=int, default=8, metavar="N", help="the first ones, two or more (default: 8)"
    )
    parser.add_argument(
        "--policy-seed", type=int, default=0, metavar="N", help="which all of them share (default: 0)"
    )
    add_metrics(parser, "sim_noise")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: there are no such scenes, or the metrics cannot be written.
    """
    from foley_common.metrics_file import write_metrics
    from foley_sim.offline.noise_figures import noise_figures

    _check(args)
    with simulated(f"noise of {args.split} scenes", 2.0 * args.scenes) as (advance, _):
        figures = noise_figures(args.edition, args.split, range(args.scenes), args.policy_seed, advance)
    write_metrics(args.metrics, figures)
    pairs = args.scenes * (args.scenes - 1) // 2
    print(f"{args.edition}, {args.scenes} {args.split} scenes, |r| of {pairs} pairs, mean (largest)")
    for version, found in figures["versions"].items():
        for stretch, seconds in figures["seconds"].items():
            heard = found[stretch]
            felt = heard.get("contact_microphone")
            also = f"; contact microphone {_shown(felt)}" if felt else ""
            print(f"version {version}, {seconds:.2f} s {stretch.replace('_', ' ')}: {_shown(heard)}{also}")
        for scene, hum in found["hum_hz"].items():
            heard = "" if hum["ambience"] == "mains" else " (not in this room)"
            print(f"  {scene}: motors {hum['motors']:.2f} Hz, mains {hum['mains']:.2f} Hz{heard}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises ValueError where an option has a value that cannot work."""
    from foley_sim.editions import make_scene

    if args.scenes < 2:
        raise ValueError(f"--scenes is {args.scenes}, must be at least 2")
    if args.policy_seed < 0:
        raise ValueError(f"--policy-seed is {args.policy_seed}, must not be negative")
    make_scene(0, args.split, args.edition)  # the names
    try:
        make_scene(args.scenes - 1, args.split, args.edition)
    except ValueError as error:
        raise ValueError(f"--scenes is {args.scenes}, which are too many: {error}; name fewer") from None


def _shown(found: dict[str, Any]) -> str:
    return f"{found['mean_magnitude']:.3f} ({found['largest_magnitude']:.3f})"
