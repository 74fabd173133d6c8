"""The `foley` command: finds its subcommands through entry points, so that each package brings its own.

An entry point of the group ``foley.commands`` names a module with ``HELP``, ``configure(parser)`` and
``run(args) -> int``. Only the module of the subcommand that was asked for is imported; the help page imports each,
one at a time, and a package that cannot be imported costs only its own line.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from types import ModuleType

GROUP = "foley.commands"
DEBUG_HINT = "set FOLEY_DEBUG=1 to see where"

DESCRIPTION = (
    "Foley: predict the sound of a touch before it happens, listen to it, and tell what was touched."
)
EPILOG = """\
first steps:
  foley doctor                        what this machine has and lacks, with the cure for each
  foley demo                          the whole loop in a simulated world, with a report
  foley up --sim                      the live system beside the simulated robot
  foley listen knock.wav              what is this made of?

on a robot:
  foley up                            the live system beside your drivers
  foley record --name desk --max-duration 60
  foley dataset build BAG... --out DIR   bags to clips
  foley train DIR --out CHECKPOINT    clips to a checkpoint

`foley COMMAND --help` explains one command, with examples.
"""


class CommandUnavailable(Exception):
    """A subcommand's module is missing something; the message says what."""


def find_commands() -> dict[str, EntryPoint]:
    """Subcommands by name, sorted; of two with one name the first found on the path counts."""
    found: dict[str, EntryPoint] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def load(entry: EntryPoint) -> ModuleType:
    """Import the module of a subcommand.

    Raises:
        CommandUnavailable: it cannot be imported, or lacks one of its three parts.
    """
    try:
        module = entry.load()
    except Exception as error:
        raise CommandUnavailable(f"{type(error).__name__}: {error}") from error
    absent = [part for part in ("HELP", "configure", "run") if not hasattr(module, part)]
    if absent:
        raise CommandUnavailable(f"{entry.value} has no {', '.join(absent)}")
    assert isinstance(module, ModuleType)
    return module


def version() -> str:
    try:
        return importlib.metadata.version("foley_bringup")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def build_parser(commands: Mapping[str, EntryPoint], chosen: str | None) -> argparse.ArgumentParser:
    """The parser of `foley`, with the arguments of the ``chosen`` subcommand alone (None: a line for each)."""
    parser = argparse.ArgumentParser(
        prog="foley",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"foley {version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, entry in commands.items():
        if chosen is not None and name != chosen:
            subparsers.add_parser(name)
            continue
        try:
            module = load(entry)
        except CommandUnavailable as error:
            if chosen is not None:
                raise
            subparsers.add_parser(name, help=f"(not available: {error})")
            continue
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if chosen is not None:
            module.configure(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = find_commands()
    chosen = next((a for a in arguments if not a.startswith("-")), None)
    if chosen is not None and chosen not in commands:
        known = ", ".join(commands) or "none; is the workspace built and sourced?"
        sys.stderr.write(f"foley: error: no command `{chosen}`; known are {known}\n")
        return 2
    try:
        parser = build_parser(commands, chosen)
    except CommandUnavailable as error:
        sys.stderr.write(
            f"foley {chosen}: error: not available on this machine: {error}; try `foley doctor`\n"
        )
        return 3
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return int(options.run(options) or 0)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:  # noqa: BLE001 - a user sees one line, a developer may ask for more
        import os

        if os.environ.get("FOLEY_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"foley {chosen}: error: {type(error).__name__}: {error} ({DEBUG_HINT})\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
