"""`foley sim`: bags from the simulated world without waiting for real time, and pictures of its scenes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics
from foley_sim.commands import (
    sim_hearing,
    sim_noise,
    sim_pictures,
    sim_sessions,
    sim_set,
    sim_states,
    sim_stills,
)
from foley_sim.commands.options import add_edition_version, add_metrics
from foley_sim.commands.progress import simulated
from foley_sim.offline.collections import COLLECTIONS
from foley_sim.spec import ROBOTS
from foley_sim.states import STATES

HELP = "Simulated world: write bags faster than real time, show scenes."

_EXAMPLES = """examples:
  foley sim generate --out out/bags/train --split train --scenes 12 --duration 40 --jobs 2
  foley sim generate --collection foleysim-1-mini --out out/foleysim1_mini --jobs 2
  foley sim sessions --out out/sessions/train --hours 20 --jobs 2
  foley sim stills --out out/stills/train --scenes 2000
  foley sim hearing --out out/hearing_sets/train --hours 20 --jobs 2
  foley sim states --out out/states --state loose full
  foley sim redraw out/sessions/test --out out/redrawn --draws 6 --kind look
  foley sim check out/foleysim1_mini
  foley sim digest --collection foleysim-1-mini
  foley sim noise --scenes 8
  foley sim datasheet out/foleysim1_mini --out docs/foleysim1_datasheet.md
  foley sim show --edition foleysim-1 --seed 3 --split test --out scene.png
  foley sim gallery --out pictures

Live, the same world is the node `sim_world` (`foley up --sim`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    generate = actions.add_parser("generate", help="write bags with all topics of a live recording")
    generate.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the bags; finished ones are kept"
    )
    generate.add_argument("--split", default="train", help="train, validation or test (default: train)")
    generate.add_argument(
        "--scenes", type=int, default=12, metavar="N", help="number of scenes, one bag each (default: 12)"
    )
    generate.add_argument(
        "--duration", type=float, default=40.0, metavar="S", help="simulated seconds per bag (default: 40)"
    )
    generate.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the first scene (default: 0)"
    )
    generate.add_argument(
        "--policy-seed", type=int, default=0, metavar="N", help="seed of the exploration (default: 0)"
    )
    generate.add_argument("--jobs", type=int, default=2, metavar="N", help="scenes at once (default: 2)")
    generate.add_argument(
        "--depth-rate", type=float, default=5.0, metavar="HZ", help="depth images (default: 5)"
    )
    generate.add_argument("--edition", default="tabletop", help="set of scenes (default: tabletop)")
    add_edition_version(generate)
    generate.add_argument(
        "--collection",
        default="",
        metavar="NAME",
        help=f"all recordings of {', '.join(COLLECTIONS)}; the options above then follow from it",
    )
    generate.add_argument("--only", default="", metavar="SPLIT", help="one split of the collection")
    generate.add_argument("--robot", choices=ROBOTS, help="records every scene (default: the scene's own)")
    generate.add_argument(
        "--hands",
        type=int,
        default=1,
        choices=(1, 2),
        help="2: another hand steadies what is touched (default: 1)",
    )
    generate.add_argument(
        "--material", default="", metavar="NAME", help="every object is made of this one, heaps excepted"
    )
    generate.add_argument(
        "--look", default="", metavar="NAME", help="every object is made to look like this material"
    )
    generate.add_argument(
        "--blow-speed",
        type=float,
        default=1.0,
        metavar="X",
        help="factor on the speed of what strikes (default: 1)",
    )
    generate.add_argument(
        "--state",
        choices=STATES,
        help="some objects have a loose part, are full or are cracked, and the others not (default: none are)",
    )
    generate.add_argument(
        "--state-share",
        type=float,
        default=0.5,
        metavar="X",
        help="share of those objects that can be in --state (default: 0.5)",
    )
    generate.add_argument("--no-compress", action="store_true", help="do not compress the bags (zstd)")
    add_metrics(generate, "sim_generate")

    sim_sessions.configure(actions)
    sim_stills.configure(actions)
    sim_hearing.configure(actions)
    sim_states.configure(actions)
    sim_set.configure(actions)
    sim_noise.configure(actions)
    sim_pictures.configure(actions)


def run(args: argparse.Namespace) -> int:
    from foley_sim.headless_gl import NoRenderer

    try:
        if args.action in sim_sessions.ACTIONS:
            return sim_sessions.run(args)
        if args.action in sim_stills.ACTIONS:
            return sim_stills.run(args)
        if args.action in sim_hearing.ACTIONS:
            return sim_hearing.run(args)
        if args.action in sim_states.ACTIONS:
            return sim_states.run(args)
        if args.action in sim_set.ACTIONS:
            return sim_set.run(args)
        if args.action in sim_noise.ACTIONS:
            return sim_noise.run(args)
        return sim_pictures.run(args) if args.action in sim_pictures.ACTIONS else _generate(args)
    except (ValueError, OSError, NoRenderer) as error:
        print(f"foley sim: error: {error}", file=sys.stderr)
        return 2


def _generate(args: argparse.Namespace) -> int:
    from foley_sim.ros.generate import GenerateConfig, bag_jobs, generate

    config = GenerateConfig(
        out=args.out,
        split=args.split,
        scenes=args.scenes,
        duration_s=args.duration,
        first_seed=args.seed,
        policy_seed=args.policy_seed,
        jobs=args.jobs,
        depth_rate_hz=args.depth_rate,
        compress=not args.no_compress,
        edition=args.edition,
        edition_version=args.edition_version,
        collection=args.collection,
        only=args.only,
        robot=args.robot,
        hands=args.hands,
        material=args.material,
        look=args.look,
        blow_speed=args.blow_speed,
        state=args.state,
        state_share=args.state_share,
    )
    total_s = sum(job.duration_s for job in bag_jobs(config))
    with simulated(config.collection or f"{config.split} scenes", total_s) as (advance, warn):
        metrics = generate(config, advance, warn)
    write_metrics(args.metrics, metrics)
    print(
        f"{metrics['scenes_written']} bags written to {args.out} ({metrics['scenes_skipped']} were there), "
        f"{metrics['bytes'] / 1e6:.0f} MB, {metrics['contacts']} contacts "
        f"({metrics['contacts_per_minute'] or 0:.1f} per minute)\n"
        f"real-time factor {metrics['real_time_factor'] or 0:.1f}, "
        f"per process {metrics['real_time_factor_per_process'] or 0:.1f}"
    )
    return 0
