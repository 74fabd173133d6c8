"""`foley flow table`: models of windows beside what anybody could have produced, on sets of sessions."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_synthesis.commands import flow_draw
from foley_synthesis.commands.training_bars import Bars

_SHOWN = 4  # windows of the picture


def configure(actions: Any) -> None:
    """Arguments."""
    table = actions.add_parser(
        "table",
        help="models on a set of sessions, by metrics on which the true sound wins, beside simple methods",
    )
    table.add_argument(
        "--test", type=Path, required=True, metavar="SET", help="sessions that are asked about"
    )
    table.add_argument(
        "--train",
        type=Path,
        required=True,
        metavar="SET",
        help="sessions that simple methods and probes know",
    )
    table.add_argument(
        "--model", action="append", default=[], metavar="NAME=DIR",
        help="of `foley flow fit`, `reflow`, `regress` or, as VIS, `foley train` (`shipped`: the one that ships); may "
        "be given again; several of one name are the seeds of one model",
    )  # fmt: skip
    table.add_argument(
        "--also", nargs="+", default=[], metavar="WAY",
        help="rows of every flow of contacts that is given more than the plan: executed (motion and force as "
        "measured), told (what is touched, in truth), seen (as sight says), views (to a flow that was trained with "
        "them), context3 (the last three sounds; 1 to 5), handless (no motion at all, not the planned one either), "
        "guidance4.5 (of content; 1: none), or several of these with a plus between them",
    )  # fmt: skip
    flow_draw.eyes(table, "looks at what is touched, for rows that see")
    table.add_argument(
        "--redrawn", action="append", default=[], metavar="KIND=DIR",
        help="the test's contacts rendered anew by `foley sim redraw`; may be given again",
    )  # fmt: skip
    table.add_argument(
        "--codec", action="append", default=[], metavar="NAME=DIR", help="a row of the true sound through it"
    )
    table.add_argument(
        "--compare", action="append", default=[], metavar="'ROW > ROW'",
        help="write the paired difference of two rows, the first less the second, under the table too; may be given "
        "again (metrics.json has those of every model from every other and from simple methods)",
    )  # fmt: skip
    table.add_argument("--draws", type=int, default=6, help="of each window (default: %(default)s)")
    table.add_argument("--seed", type=int, default=0)
    table.add_argument(
        "--sessions", type=int, default=0, help="of the test at most, spread evenly (default: all)"
    )
    table.add_argument(
        "--after", type=float, default=0.0, metavar="SECONDS",
        help="ask about windows that begin this late in their session or later; from 16 on nearly all that is touched "
        "was heard before (default: %(default)s)",
    )  # fmt: skip
    table.add_argument(
        "--train-sessions", type=int, default=200,
        help="at most, spread evenly; 0: all, held in memory (default: %(default)s)",
    )  # fmt: skip
    table.add_argument(
        "--any-split", action="store_true", help="ask about sessions of any split, not of test alone"
    )
    table.add_argument(
        "--seen-scenes", action="store_true",
        help="ask about sessions of `foley sim sessions --split test_seen`: scenes that every model was trained in",
    )  # fmt: skip
    table.add_argument("--threads", type=int, default=2)
    table.add_argument("--out", type=Path, default=Path("out/flow_table"), help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Exit code 0."""
    import torch

    from foley_synthesis.evaluation.windows.judges import judge_metrics, supplied_judges
    from foley_synthesis.evaluation.windows.models import check_seen, check_unseen, load_window_model
    from foley_synthesis.evaluation.windows.nearest_hit import HitCopies, known_touches
    from foley_synthesis.evaluation.windows.rows import (
        codec_of,
        model_row,
        redrawn_row,
        simple_rows,
        through,
        true_rows,
    )
    from foley_synthesis.evaluation.windows.sets import check_apart, read_windows
    from foley_synthesis.evaluation.windows.sounds import window_items
    from foley_synthesis.evaluation.windows.table import learn, score_table

    for name in ("draws", "threads"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}, must be at least 1")
    for name in ("sessions", "train_sessions", "after"):
        if not getattr(args, name) >= 0:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(args, name)}, must not be negative")
    if args.any_split and args.seen_scenes:
        raise ValueError("--any-split and --seen-scenes are both given, must be one of them at most")
    torch.set_num_threads(args.threads)
    models: dict[str, list[Any]] = {}
    for name, path in named_folders("--model", args.model):
        models.setdefault(name, []).append(load_window_model(path))
    seen = flow_draw.seen_of(args)
    models = given_more(models, args.also, seen)
    codecs = {name: through(codec_of(path)) for name, path in named_folders("--codec", args.codec)}
    with Bars() as bars:

        def stage(name: str) -> Callable[[int, int], None]:
            return functools.partial(bars.count, name)

        def told(method: str, seconds: dict[str, float]) -> None:
            bars.say(f"{method}: " + ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()))

        split = "" if args.any_split else "test_seen" if args.seen_scenes else "test"
        test = read_windows(
            args.test, split, most_sessions=args.sessions, after_s=args.after,
            progress=stage("test"),
        )  # fmt: skip
        train = read_windows(
            args.train, "train", most_sessions=args.train_sessions, views=any(w.session.views for w in test),
            progress=stage("training"),
        )  # fmt: skip
        if not args.seen_scenes:
            check_apart(train, test)
        for name, seeds in models.items():
            for model in seeds:
                (check_seen if args.seen_scenes else check_unseen)(name, model, test)
        items = window_items(test, args.seed)
        known = learn(train, stage("probes"))
        copies, why_no_copies = None, ""
        try:
            copies = HitCopies.fit(train)
        except ValueError as error:
            why_no_copies = str(error)
        methods = [
            *true_rows(codecs),
            *(
                redrawn_row(kind, path, test, args.draws)
                for kind, path in named_folders("--redrawn", args.redrawn)
            ),
            *(model_row(name, seeds, args.draws, args.seed) for name, seeds in models.items()),
            *simple_rows(train, known.mean_above, test, args.draws, args.seed),
            *([copies.row(args.draws, args.seed)] if copies else []),
        ]
        pairs = compared(args.compare, [method.key for method in methods])
        shown = _Shown(items)
        table = score_table(
            items, methods, known, judge_metrics(items, *supplied_judges()),
            seed=args.seed, seen=shown.keep, progress=stage("sounds"), told=told,
        )  # fmt: skip
    figures = {
        "test": str(args.test),
        "train": {"set": str(args.train), "windows": len(train)},
        "models": {name: [model.model_id for model in seeds] for name, seeds in models.items()},
        "sight": seen.model_id if seen else "",
        "draws": args.draws,
        "after_s": args.after,
        "seen_scenes": args.seen_scenes,
        "planned_touches": why_no_copies or known_touches(test),
        "probes": known.why_no_probes or "five of each",
        "seconds": table.seconds,
        **table.to_dict(seeds=True),
    }
    figures["differences"] |= table.differences(pairs)
    text = _write(args.out, table, figures, shown, pairs)
    print(text)
    for missing, why in (("probes", known.why_no_probes), ("copies of past hits", why_no_copies)):
        if why:
            print(f"no {missing}: {why}")
    print(f"{args.out}/metrics.json, table.md, bars.png, windows.png and sounds")
    return 0


def given_more(models: dict[str, list[Any]], texts: list[str], seen: Any) -> dict[str, list[Any]]:
    """The same, each flow of contacts followed by itself given more.

    Raises:
        ValueError: a way is not known or there twice, sight is missing or not used, or no model is a flow of contacts.
    """
    from foley_synthesis.flow.contact.model import ContactFlowModel
    from foley_synthesis.flow.contact.ways import Way

    ways = [Way.of(text) for text in texts]
    if len(set(ways)) < len(ways):
        raise ValueError("--also names one way twice")
    looking = {name for name, seeds in models.items() if any(getattr(m, "looks", False) for m in seeds)}
    if seen and not looking and not any(way.seen or way.views for way in ways):
        raise ValueError("--sight is for rows that see: name one with --also seen")
    for name in looking:
        models = models | {name: [model.looking(seen) for model in models[name]]}
    found: dict[str, list[Any]] = {}
    for name, seeds in models.items():
        found[name] = seeds
        if all(isinstance(model, ContactFlowModel) for model in seeds):
            found |= {f"{name}, {way.title}": [way.given_to(model, seen) for model in seeds] for way in ways}
    if ways and len(found) == len(models):
        raise ValueError("--also is for flows of contacts (`foley flow fit`), and --model names none")
    return found


def compared(texts: list[str], methods: list[str]) -> list[tuple[str, str]]:
    """Pairs of rows. Raises ValueError where a text names no two of the methods."""
    known = {f"{a} > {b}": (a, b) for a in methods for b in methods if a != b}
    for text in texts:
        if text not in known:
            raise ValueError(
                f"--compare is `{text}`, must be `ROW > ROW` of rows that are {', '.join(methods)}"
            )
    return [known[text] for text in texts]


class _Shown:
    """The first draw of every method, of a few windows."""

    def __init__(self, items: Any) -> None:
        self._items = items
        self._rows = list(range(0, len(items), max(1, len(items) // _SHOWN)))[:_SHOWN]
        self.above: dict[str, dict[str, Any]] = {items[row].truth.window.window_id: {} for row in self._rows}
        self.sounds: dict[str, dict[str, Any]] = {name: {} for name in self.above}

    def keep(self, method: str, output: Any) -> None:
        """Of one method."""
        for name, row in zip(self.above, self._rows, strict=True):
            self.above[name][method] = output.above[row, 0].copy()
            if output.sounds is not None:
                self.sounds[name][method] = output.sounds[row, 0].copy()


def _write(
    out: Path, table: Any, figures: dict[str, Any], shown: _Shown, pairs: list[tuple[str, str]]
) -> str:
    """All files, and the table's text."""
    from foley_synthesis.evaluation import report
    from foley_synthesis.evaluation.windows.report import draw_strips, write_sounds
    from foley_synthesis.flow.window_model import EVALUATION_S

    out.mkdir(parents=True, exist_ok=True)
    write_metrics(out, figures)
    text = f"{heading(table.facts, figures)}\n\n{report.markdown(table)}"
    if pairs:
        text += f"\nPaired differences, the first less the second:\n\n{report.differences(table, pairs)}\n"
    (out / "table.md").write_text(text, "utf-8")
    report.draw_bars(table, out / "bars.png")
    draw_strips(shown.above, EVALUATION_S, (0.0, 50.0), out / "windows.png")
    for name, sounds in shown.sounds.items():
        write_sounds(name, sounds, out)
    return text


def heading(facts: dict[str, Any], figures: dict[str, Any]) -> str:
    """What the table is of."""
    text = (
        f"{facts['windows']} windows of {facts['sessions']} sessions in {facts['scenes']} scenes, {facts['touches']} "
        f"touches, {facts['onsets']} onsets; up to {figures['draws']} draws of each window."
    )
    if figures["after_s"]:
        text += f" Windows begin {figures['after_s']:g} s into their session or later."
    if figures["seen_scenes"]:
        text += (
            " Every model was trained in these scenes; simple methods and probes may know some of them, too."
        )
    return text


def named_folders(option: str, texts: list[str]) -> list[tuple[str, Path]]:
    """What an option names, as NAME=DIR each. Raises ValueError where one is not."""
    found = []
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ValueError(f"{option} is `{text}`, must be NAME=DIR")
        found.append((name, Path(path)))
    return found
