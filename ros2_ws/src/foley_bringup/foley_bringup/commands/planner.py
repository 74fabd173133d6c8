"""`foley planner`: what is known now, in the language of a planner."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foley_bringup.planners.snapshot_file import Known

HELP = "write what is known now as PDDL, XML of BehaviorTree.CPP, facts of CLIPS, or JSON"

_EPILOG = """\
examples
  foley planner export --format pddl --out kitchen      # kitchen_domain.pddl, kitchen_problem.pddl
  foley planner export --format pddl --unknown contingent
  foley planner export --format bt-xml
  foley planner export --format clips --namespace /left_robot
  foley planner export --format json > now.json         # and, without a running system:
  foley planner export --format pddl --snapshot now.json
  foley planner check kitchen.pddl --snapshot now.json  # which predicates of your domain Foley can find out

Exit codes: 0 written; 1 a predicate of the domain has another number of arguments; 2 for what the user can mend.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    export = parts.add_parser("export", help="write what is known now")
    export.add_argument("--format", choices=("pddl", "bt-xml", "clips", "json"), required=True)
    export.add_argument(
        "--unknown",
        choices=("literal", "contingent", "false"),
        default="literal",
        help="what PDDL says of an UNKNOWN p(x): (unknown_p x), (unknown (p x)), or nothing (default: literal)",
    )
    export.add_argument(
        "--out", metavar="STEM", help="beginning of the files' names; printed where it is not given"
    )
    check = parts.add_parser("check", help="which predicates of a PDDL domain Foley can find out")
    check.add_argument("domain", type=Path, metavar="DOMAIN.pddl")
    for part in (export, check):
        part.add_argument("--snapshot", type=Path, metavar="FILE.json", help="instead of a running system")
        part.add_argument("--namespace", default="", help="of the robot (default: none)")


def run(args: argparse.Namespace) -> int:
    """See the epilog."""
    from foley_bringup.planners.optional import PlannerMissingError
    from foley_bringup.planners.snapshot_file import SnapshotFileError, load

    try:
        if args.snapshot is not None:
            known = load(args.snapshot)
        else:
            from foley_bringup.ros.known_now import known_now

            known = known_now(args.namespace)
        return _check(args, known) if args.part == "check" else _export(args, known)
    except (SnapshotFileError, PlannerMissingError, OSError, ValueError, RuntimeError) as error:
        print(f"foley planner: error: {error}", file=sys.stderr)
        return 2


def _export(args: argparse.Namespace, known: Known) -> int:
    for name, text in texts(args.format, known, unknown=args.unknown).items():
        if args.out is None:
            print(text, end="")
        else:
            path = Path(f"{args.out}{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)
    return 0


def texts(kind: str, known: Known, *, unknown: str = "literal") -> dict[str, str]:
    """The files of a format by the end of their names."""
    from foley_bringup.planners import behavior_tree_cpp, clips, pddl, snapshot_file
    from foley_bringup.planners.symbols import symbols

    if kind == "json":
        return {".json": snapshot_file.dumps(known)}
    if kind == "clips":
        return {".clp": clips.templates() + clips.deffacts(known.facts)}
    if kind == "bt-xml":
        if not known.facts:
            raise ValueError("no predicate is told of any object yet: touch one")
        ids = symbols(
            "-".join((fact.name, *fact.arguments)) for fact in known.facts
        )  # a tree's ID is as strict
        trees = {
            ids["-".join((fact.name, *fact.arguments))]: behavior_tree_cpp.knowing(fact.name, *fact.arguments)
            for fact in known.facts
        }
        return {".xml": behavior_tree_cpp.document(trees)}
    how = pddl.Unknown(unknown)
    return {
        "_domain.pddl": pddl.domain(known.descriptions, unknown=how),
        "_problem.pddl": pddl.problem(known.facts, unknown=how, descriptions=known.descriptions),
    }


def _check(args: argparse.Namespace, known: Known) -> int:
    from foley_bringup.planners.pddl import observability

    found = observability(args.domain.read_text(encoding="utf-8"), known.descriptions)
    for text, names in (
        ("can be observed", found.observable),
        ("is told, but no action of the robot brings evidence", found.told),
        ("has another number of arguments than Foley's", found.other_arity),
        ("is not Foley's", found.unheard_of),
    ):
        for name in names:
            print(f"{name}: {text}")
    return 1 if found.other_arity else 0
