"""`foley example`: robots that plan with what Foley knows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_common.metrics_file import write_metrics

if TYPE_CHECKING:
    from foley_bringup.examples.sorting.run import Row
    from foley_bringup.examples.sorting.task import SortingTask

HELP = "robots that plan with what Foley knows: sort things by what they are made of"

_EPILOG = """\
what it does
  sorting   Things on a table go into two bins, by whether a predicate holds of them. A planner (unified-planning) makes
            the plans; ways to choose what is touched first are compared with sight alone: without --live on
            recorded touches of scenes that no model has met, with it in the simulator, every node running.

examples
  foley example sorting --seeds 100                  # needs `make evaluate`'s data set; out/sorting/metrics.json
  foley example sorting --live --seeds 10            # starts `foley up --sim` for every seed
  foley example sorting --live --seeds 1 --strategies never suggested --say
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("name", choices=("sorting",), help="which example")
    parser.add_argument("--seeds", type=int, default=0, metavar="N", help="tables (default: 100, live 10)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="of these (default: 0)")
    parser.add_argument(
        "--predicate", default="is_hard", help="that says which bin is right (default: %(default)s)"
    )
    parser.add_argument(
        "--touches",
        type=int,
        default=3,
        metavar="N",
        help="that may be made at a table (default: %(default)s)",
    )
    parser.add_argument(
        "--strategies",
        nargs="+",
        default=[],
        metavar="NAME",
        help="never, all, random, vision, suggested, worth (default: all of them; live never and suggested)",
    )
    parser.add_argument(
        "--engine", default="pyperplan", help="planner of unified-planning (default: %(default)s)"
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        default=Path("out/held_out/dataset_live"),
        metavar="DIR",
        help="recorded touches, of its test split (default: %(default)s)",
    )
    parser.add_argument("--live", action="store_true", help="in the simulator, with every node running")
    parser.add_argument("--say", action="store_true", help="tell every step")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/sorting"),
        metavar="DIR",
        help="metrics.json, table.md, sorting.png (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    from foley_bringup.examples.sorting.run import figures_of, markdown
    from foley_bringup.examples.sorting.strategies import NAMES
    from foley_bringup.examples.sorting.task import SortingTask
    from foley_bringup.planners.optional import PlannerMissingError
    from foley_bringup.planners.unified_planning import PlanningError

    try:
        task = SortingTask(args.predicate, touches=args.touches)
        names = args.strategies or (["never", "suggested"] if args.live else list(NAMES))
        if unknown := [name for name in names if name not in NAMES]:
            raise ValueError(f"--strategies names {', '.join(unknown)}, known are {', '.join(NAMES)}")
        rows = _live(args, task, names) if args.live else _recorded(args, task, names)
    except (ValueError, OSError, PlannerMissingError, PlanningError) as error:
        sys.stderr.write(f"foley example: error: {error}\n")
        return 2
    figures = figures_of(rows)
    args.out.mkdir(parents=True, exist_ok=True)
    about = {"predicate": task.predicate, "budget": task.touches, "engine": args.engine, "live": args.live}
    episodes = [
        {"seed": row.seed, "scene": row.scene, "strategy": row.strategy, **vars(row.episode)} for row in rows
    ]
    write_metrics(args.out, {**about, **figures, "episodes": episodes})
    (args.out / "table.md").write_text(markdown(figures), "utf-8")
    _draw(figures, args.out)
    print(markdown(figures))
    print(f"figures in {args.out / 'metrics.json'}")
    return 0


def _recorded(args: argparse.Namespace, task: SortingTask, names: list[str]) -> list[Row]:
    from foley_bringup.examples.sorting.contacts import open_contacts
    from foley_bringup.examples.sorting.run import run_tables

    opened = open_contacts(args.dataset, args.predicate, args.out / "contacts.json")
    seeds = range(args.first_seed, args.first_seed + (args.seeds or 100))
    return run_tables(
        opened.scenes,
        opened.models,
        task,
        seeds,
        names=names,
        engine=args.engine,
        say=print if args.say else lambda line: None,
    )


def _live(args: argparse.Namespace, task: SortingTask, names: list[str]) -> list[Row]:
    from foley_bringup.ros.sorting_live import run_live

    seeds = range(args.first_seed, args.first_seed + (args.seeds or 10))
    return run_live(task, seeds, names=names, engine=args.engine, say=print, folder=args.out)


def _draw(figures: dict[str, Any], out: Path) -> None:
    from foley_bringup.examples.sorting.picture import draw

    draw(figures, out / "sorting.png")
