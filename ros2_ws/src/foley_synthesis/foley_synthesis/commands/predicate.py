"""`foley predicate`: teach a predicate with a handful of labelled contacts, list, test and remove what was taught."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foley_synthesis.teaching.example import Example
    from foley_synthesis.teaching.library import TaughtLibrary
    from foley_synthesis.teaching.taught import TaughtPredicate

HELP = "teach a predicate, such as lid_is_tight, with 5 to 20 labelled contacts"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley predicate teach lid_is_tight --positive tight/*.wav --negative loose/*.wav --plot tight.png\n"
        "  foley predicate teach lid_is_tight --positive bags/monday@object_id=jar --negative bags/tuesday\n"
        "  foley predicate teach is_full --positive out/data@object_id=mug_1 --negative out/data@object_id=mug_2\n"
        "  foley predicate list\n"
        "  foley predicate test lid_is_tight knock.wav\n"
        "  foley predicate test lid_is_tight --positive other/tight --negative other/loose\n"
        "  foley predicate remove lid_is_tight --contact knock.wav@0.52-3fa0c1\n"
        "  foley predicate remove lid_is_tight\n\n"
        "CONTACTS are a sound file (every contact that is heard in it), a folder of sound files and bags, a bag, or\n"
        "a data set; of the last two PATH@FIELD=VALUE[,FIELD=VALUE] takes some: object_id, action, and of a data set\n"
        "also material, scene_id, session_id, clip_id, split. Contacts of one file, or with one object, are judged\n"
        "together where each label has several, because they are alike in more than their label. So the best that\n"
        "can be labelled is both states of the same thing, in turn, and then of another thing; struck alike, where\n"
        "it will be struck when it matters. Labels add up: what was labelled before stays, and --fresh begins anew.\n\n"
        "It is enough where the contacts that were left out are told rightly in at least 70 % with 90 % certainty\n"
        "(Clopper and Pearson; contacts count as independent): 7 of 7, 11 of 12, 18 of 20. Before that the predicate\n"
        "is kept and stays UNKNOWN. A running `material` node whose `taught_predicates` names the folder takes over\n"
        "every change; while it runs, its service material/teach_predicate labels contacts as they are made.\n\n"
        "exit codes: 0 enough (teach), all right (test); 1 not enough, not told from chance; 2 an error"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="teach|list|test|remove")
    teach = actions.add_parser(
        "teach", help="label contacts; a table of each judged by the others, and advice"
    )
    _common(teach, model=True)
    teach.add_argument("name", help="lower case letters, digits and underscores: lid_is_tight")
    _labelled(teach)
    teach.add_argument("--text", default="", help="what it means, for people and planners")
    teach.add_argument("--fresh", action="store_true", help="forget what was labelled before")
    teach.add_argument("--dry-run", action="store_true", help="judge, and keep nothing")
    teach.add_argument(
        "--plot", type=Path, metavar="PNG", help="contacts by probability, and what differs between them"
    )
    teach.add_argument("--json", action="store_true", help="JSON instead of tables")
    shown = actions.add_parser("list", help="what was taught, and whether it was enough")
    _common(shown, model=False)
    shown.add_argument("--json", action="store_true", help="JSON instead of a table")
    test = actions.add_parser("test", help="what it says of other contacts; with labels, how often rightly")
    _common(test, model=True)
    test.add_argument("name")
    test.add_argument("contacts", nargs="*", metavar="CONTACTS", help="whose label is not known")
    _labelled(test)
    test.add_argument("--json", action="store_true", help="JSON instead of a table")
    remove = actions.add_parser("remove", help="forget a predicate, or the labels of some contacts")
    _common(remove, model=False)
    remove.add_argument("name")
    remove.add_argument(
        "--contact", nargs="+", default=[], metavar="ID", help="only the labels of these contacts"
    )


def _common(parser: argparse.ArgumentParser, *, model: bool) -> None:
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="where predicates are kept (default: $XDG_DATA_HOME/foley/predicates, ~/.local/share without it)",
    )
    if model:
        parser.add_argument(
            "--checkpoint",
            type=Path,
            help="hearing model whose frozen networks are used (default: the one that ships)",
        )
        parser.add_argument("--threads", type=int, default=1)


def _labelled(parser: argparse.ArgumentParser) -> None:
    for label, meaning in (("positive", "TRUE"), ("negative", "FALSE")):
        parser.add_argument(
            f"--{label}", nargs="+", default=[], metavar="CONTACTS", help=f"of which it is {meaning}"
        )


def run(args: argparse.Namespace) -> int:
    """Exit code: see the epilog."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from foley_synthesis.checkpoint import CorruptCheckpoint
    from foley_synthesis.teaching.embedding import CannotEmbed
    from foley_synthesis.teaching.example import TeachingError

    actions = {"teach": _teach, "list": _list, "test": _test, "remove": _remove}
    try:
        return actions[args.action](args)
    except (TeachingError, CannotEmbed, CorruptCheckpoint, OSError) as error:
        print(f"foley predicate: error: {error}", file=sys.stderr)
        return 2


def _teach(args: argparse.Namespace) -> int:
    from foley_synthesis.commands.predicate_tables import print_left_out, print_verdict
    from foley_synthesis.teaching.example import TeachingError, check_name
    from foley_synthesis.teaching.taught import teach

    check_name(args.name)
    if not args.positive and not args.negative:
        raise TeachingError("nothing to learn from; name contacts with --positive and --negative")
    library, model = _library_and_model(args)
    examples = _collect(args, model)
    if args.dry_run:
        known = () if args.fresh or args.name not in library.taught else library[args.name].examples
        new = {example.contact_id for example in examples}
        taught = teach(
            args.name, [*(e for e in known if e.contact_id not in new), *examples], _id(model), args.text
        )
    else:
        taught = library.add(args.name, examples, text=args.text, fresh=args.fresh)
    if args.plot is not None:
        _plot(taught, args.plot)
    if args.json:
        print(json.dumps(taught.to_dict(), indent=2))
    else:
        print_left_out(taught)
        print_verdict(taught)
        print("kept nothing (--dry-run)" if args.dry_run else f"kept in {library.folder / args.name}")
    return 0 if taught.enough else 1


def _list(args: argparse.Namespace) -> int:
    from foley_synthesis.commands.predicate_tables import print_list
    from foley_synthesis.teaching.library import TaughtLibrary

    library = TaughtLibrary(_folder(args))
    if args.json:
        print(json.dumps({name: taught.to_dict() for name, taught in library.taught.items()}, indent=2))
    elif library.taught:
        print_list(library.taught.values())
    else:
        print(f"nothing was taught in {library.folder}")
    for problem in library.problems:
        print(f"foley predicate: error: {problem}", file=sys.stderr)
    return 2 if library.problems else 0


def _test(args: argparse.Namespace) -> int:
    from foley_synthesis.commands.predicate_tables import print_tried
    from foley_synthesis.teaching.example import TeachingError
    from foley_synthesis.teaching.tried import try_on

    if not (args.contacts or args.positive or args.negative):
        raise TeachingError(
            "nothing to test with; name CONTACTS, or labelled ones with --positive and --negative"
        )
    library, model = _library_and_model(args)
    taught = library[args.name]
    if taught.head is None:
        raise TeachingError(f"`{args.name}` says nothing yet: {taught.verdict}")
    result = try_on(
        taught, _collect(args, model), _collect(args, model, args.contacts) if args.contacts else []
    )
    if args.json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        print_tried(taught, result)
    return 0 if result.right else 1


def _remove(args: argparse.Namespace) -> int:
    from foley_synthesis.commands.predicate_tables import print_verdict
    from foley_synthesis.teaching.library import TaughtLibrary

    library = TaughtLibrary(_folder(args))
    if args.contact:
        taught = library.take_back(args.name, args.contact)
        print_verdict(taught)
    else:
        library.remove(args.name)
        print(f"`{args.name}` is forgotten")
    return 0


def _folder(args: argparse.Namespace) -> Path:
    from foley_synthesis.teaching.library import default_folder

    return (args.folder or default_folder()).expanduser()


def _id(model: Any) -> str:
    from foley_synthesis.teaching.embedding import embedding_id

    return embedding_id(model)


def _library_and_model(args: argparse.Namespace) -> tuple[TaughtLibrary, Any]:
    """Raises CannotEmbed for a model that predicates cannot be taught with."""
    from foley_synthesis.hearing.inference.opened import open_heard
    from foley_synthesis.teaching.embedding import embed
    from foley_synthesis.teaching.library import TaughtLibrary

    model = open_heard(args.checkpoint, threads=args.threads)
    library = TaughtLibrary(
        _folder(args), _id(model), lambda sound: embed(model, sound.samples, sound.rate, sound.onset_s)
    )
    return library, model


def _collect(args: argparse.Namespace, model: Any, unlabelled: Sequence[str] = ()) -> list[Example]:
    """Examples of what is labelled, or those of other contacts, whose label means nothing."""
    from foley_synthesis.commands.training_bars import Bars
    from foley_synthesis.teaching.collect import collect

    positive, negative = (unlabelled, ()) if unlabelled else (args.positive, args.negative)
    if not positive and not negative:
        return []
    with Bars() as bars:
        examples, notes = collect(
            model, positive, negative, lambda done, total: bars.count("listening", done, total)
        )
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return examples


def _plot(taught: TaughtPredicate, path: Path) -> None:
    from foley_synthesis.teaching.plot import draw

    path.parent.mkdir(parents=True, exist_ok=True)
    draw(taught, path)
