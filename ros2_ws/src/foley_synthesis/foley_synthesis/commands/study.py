"""`foley study`: a real-or-fake study with people, from its clips to its figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics

HELP = "let people judge which of two sounds is real: make, serve, analyse"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley study make out/dataset --out out/study            # clips of the shipped model\n"
        "  foley study serve out/study                             # http://127.0.0.1:8400, on this machine only\n"
        "  foley study serve out/study --host 0.0.0.0              # for others, with a token in the address\n"
        "  foley study analyse out/study                           # per cent labelled real, with tests"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make", help="render held-out contacts with real and made sounds")
    make.add_argument("dataset", type=Path, help="folder written by `foley dataset build`")
    make.add_argument(
        "--checkpoint", action="append", default=[], metavar="NAME=DIR",
        help="a model and its name; may be given several times (default: the shipped one)",
    )  # fmt: skip
    make.add_argument("--split", default="test", help="of the dataset (default: test)")
    make.add_argument("--clips", type=int, default=40, metavar="N", help="contacts (default: 40)")
    make.add_argument("--seed", type=int, default=0, help="of the choice of contacts")
    make.add_argument(
        "--out", type=Path, default=Path("out/study"), metavar="DIR", help="folder, empty or new"
    )
    serve = actions.add_parser("serve", help="show them to people in a web page and keep the answers")
    serve.add_argument("study", type=Path, metavar="DIR", help="folder written by `foley study make`")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    serve.add_argument("--port", type=int, default=8400, help="0 for any free one (default: 8400)")
    serve.add_argument(
        "--token", default="", help="part of the address beyond this machine (default: a new one)"
    )
    serve.add_argument("--trials", type=int, default=32, metavar="N", help="for each person (default: 32)")
    serve.add_argument(
        "--answers", type=Path, metavar="FILE", help="SQLite file (default: DIR/answers.sqlite)"
    )
    look = actions.add_parser("analyse", help="per cent labelled real, by model and by what was touched")
    look.add_argument("study", type=Path, metavar="DIR", help="folder of the study")
    look.add_argument(
        "--answers", type=Path, metavar="FILE", help="SQLite file (default: DIR/answers.sqlite)"
    )
    look.add_argument(
        "--out",
        type=Path,
        default=Path("out/study_analysis"),
        metavar="DIR",
        help="metrics.json, study.md, study.png",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    from foley_perception.dataset.reader import DatasetError
    from foley_synthesis.checkpoint import CorruptCheckpoint
    from foley_synthesis.evaluation.listening_test.trials import StudyError

    try:
        return {"make": _make, "serve": _serve, "analyse": _analyse}[args.action](args)
    except (StudyError, DatasetError, CorruptCheckpoint, OSError) as error:
        print(f"foley study: error: {error}", file=sys.stderr)
        return 2


def _make(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.evaluation.listening_test.prepare import make_study
    from foley_synthesis.evaluation.listening_test.trials import StudyError
    from foley_synthesis.vis.inference.predictor import Predictor

    predictors = {}
    for text in args.checkpoint or ["shipped=shipped"]:
        name, equals, path = text.partition("=")
        if not (equals and name and path) or name in ("real", "random", "noise"):
            raise StudyError(f"--checkpoint is `{text}`, must be NAME=DIR with a name that is not taken")
        for synthesis in ("example", "parametric"):
            predictors[f"{name}-{synthesis}"] = Predictor.load(path, synthesis=synthesis)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("contacts", total=args.clips)
        count = make_study(
            open_complete(args.dataset),
            predictors,
            args.out,
            split=args.split,
            clips=args.clips,
            seed=args.seed,
            progress=lambda: bar.advance(task),
        )
    print(f"{count} contacts with {len(predictors) + 1} made sounds each in {args.out}")
    return 0


def _serve(args: argparse.Namespace) -> int:
    import secrets
    import socket

    import uvicorn

    from foley_synthesis.evaluation.listening_test.server import LOOPBACK, make_app
    from foley_synthesis.evaluation.listening_test.store import StudyStore
    from foley_synthesis.evaluation.listening_test.trials import read_study

    study = read_study(args.study)
    store = StudyStore(args.answers or args.study / "answers.sqlite", study, trials=args.trials)
    alone = args.host in LOOPBACK_HOSTS
    token = args.token or ("" if alone else secrets.token_urlsafe(12))
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    listener = socket.create_server((args.host, args.port), family=family)
    port = listener.getsockname()[1]
    shown = f"[{args.host}]" if ":" in args.host else args.host
    print(f"http://{shown}:{port}/" + (f"?token={token}" if token else ""), flush=True)
    print(f"{len(study.clips)} clips, models {', '.join(study.models)}; Ctrl-C ends", flush=True)
    app = make_app(study, store, token=token, hosts=LOOPBACK if alone else ("*",))
    config = uvicorn.Config(app, log_level="warning", server_header=False, date_header=False)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        store.close()
    return 0


def _analyse(args: argparse.Namespace) -> int:

    from foley_synthesis.evaluation.listening_test.analyse import analyse
    from foley_synthesis.evaluation.listening_test.report import markdown, plot
    from foley_synthesis.evaluation.listening_test.store import read_answers
    from foley_synthesis.evaluation.listening_test.trials import read_study

    answered = read_answers(args.answers or args.study / "answers.sqlite")
    figures = analyse(read_study(args.study), answered)
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out, figures)
    text = markdown(figures)
    (args.out / "study.md").write_text(text, "utf-8")
    plot(figures, args.out / "study.png")
    print(text, end="")
    return 0
