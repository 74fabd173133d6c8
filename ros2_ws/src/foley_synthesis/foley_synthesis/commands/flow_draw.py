"""`foley flow draw` and `tune`: sounds of a flow of contacts, and how they are best sampled."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from pathlib import Path
from typing import Any


def configure(actions: Any) -> None:
    """Add the actions."""
    draw = actions.add_parser("draw", help="write sounds of a flow of contacts, each beside the true one")
    _windows(draw)
    draw.add_argument("--draws", type=int, default=1, help="of each window (default: %(default)s)")
    draw.add_argument("--to", type=Path, required=True, metavar="DIR", help="for <window>-<draw>.flac")
    eyes(
        draw,
        "what is touched is drawn from it anew for each sound, and a flow that takes its views is given them",
    )
    sampling(draw)
    tune = actions.add_parser(
        "tune", help="choose steps and guidance of a flow of contacts on windows of validation"
    )
    _windows(tune)
    tune.add_argument("--draws", type=int, default=4, help="of each window (default: %(default)s)")
    for name, default, meaning in (
        ("guidance", (1.0, 1.25, 1.5), "1: none"),
        ("steps", (12,), "of the method"),
        ("rescale", (0.7,), "share of its spread that guided content gets back"),
        ("temperature", (1.0,), "of the noise; less: nearer to what is expected"),
    ):
        kind = int if name == "steps" else float
        text = " ".join(map(str, default))
        tune.add_argument(
            f"--{name}", type=kind, nargs="+", default=list(default), help=f"{meaning} (default: {text})"
        )
    tune.add_argument("--method", nargs="+", default=["euler"], help="euler or heun (default: euler)")
    tune.add_argument("--out", type=Path, default=Path("out/flow_tune"), help="default: %(default)s")


def _windows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("flow", type=Path, help="folder written by `foley flow fit` or `reflow`")
    parser.add_argument("set", type=Path, metavar="SET", help="folder of sessions")
    parser.add_argument(
        "--windows", type=int, default=24, help="with contacts, at most (default: %(default)s)"
    )
    parser.add_argument("--executed", action="store_true", help="give it motion and force as measured")
    parser.add_argument(
        "--told", default="nothing", help="of what is touched: nothing or true (default: %(default)s)"
    )
    parser.add_argument(
        "--context", type=int, default=0, help="earlier sounds of each surface (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)


def eyes(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Options of what is seen."""
    parser.add_argument("--sight", type=Path, metavar="DIR", help=f"trained by `foley flow sight`: {meaning}")
    parser.add_argument(
        "--stills",
        type=Path,
        nargs="+",
        default=[],
        metavar="SET",
        help="show the scenes of sessions that have no views (`foley sim stills`)",
    )


def sight_of(args: argparse.Namespace) -> Any:
    """The sight that is asked for; None where none is.

    Raises:
        ValueError: there are stills, but nobody who looks at them; or as `open_sight`.
    """
    from foley_synthesis.flow.sight.inference import open_sight

    if args.stills and args.sight is None:
        raise ValueError("--stills are looked at by sight, name it with --sight")
    return None if args.sight is None else open_sight(args.sight, threads=args.threads)


def seen_of(args: argparse.Namespace) -> Any:
    """What sight says of windows; None where there is none. Raises ValueError as `sight_of`."""
    from foley_synthesis.flow.sight.windows import SeenWindows

    sight = sight_of(args)
    return None if sight is None else SeenWindows(sight, tuple(args.stills))


def sampling(parser: argparse.ArgumentParser) -> None:
    """Options of how to sample; those that are not given are the flow's own."""
    parser.add_argument("--sample-steps", type=int, help="of the sampling (default: the flow's own)")
    parser.add_argument("--method", help="euler or heun (default: the flow's own)")
    parser.add_argument("--guidance", type=float, help="of content, 1: none (default: the flow's own)")
    parser.add_argument("--rescale", type=float, help="of guided content (default: the flow's own)")
    parser.add_argument("--temperature", type=float, help="of the noise (default: the flow's own)")
    parser.add_argument(
        "--interval",
        type=float,
        nargs=2,
        metavar=("FROM", "TO"),
        help="of guidance (default: the flow's own)",
    )


def sampling_of(args: argparse.Namespace, own: Any) -> Any:
    """A flow's own way to sample, with what was given in its place."""
    given = {
        "steps": args.sample_steps,
        "method": args.method,
        "guidance": args.guidance,
        "rescale": args.rescale,
        "temperature": args.temperature,
        "interval": args.interval and tuple(args.interval),
    }
    return dataclasses.replace(own, **{name: value for name, value in given.items() if value is not None})


def _model(args: argparse.Namespace) -> Any:
    import torch

    from foley_synthesis.flow.contact.model import load_model

    for name in ("threads", "draws", "windows"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}, must be at least 1")
    torch.set_num_threads(args.threads)
    return load_model(args.flow, executed=args.executed, told=args.told, context=args.context)


def _read(args: argparse.Namespace, model: Any, split: str = "", views: bool = False) -> list[Any]:
    """Windows with contacts, evenly over the set."""
    from foley_synthesis.evaluation.sound_metrics import spread
    from foley_synthesis.evaluation.windows.models import check_unseen
    from foley_synthesis.evaluation.windows.sets import read_windows

    found = read_windows(args.set, split, most_sessions=args.windows, views=views)
    touched = [window for window in found if len(window.contacts)]
    if not touched:
        raise ValueError(f"{args.set}: no window of 8 s has a contact")
    chosen = [touched[k] for k in spread(len(touched), args.windows)]
    check_unseen(str(args.flow), model, chosen)
    return chosen


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True))


def draw(args: argparse.Namespace) -> int:
    """Exit code 0."""
    import soundfile

    from foley_synthesis.flow.contact.seen import SeenContactFlow
    from foley_synthesis.flow.contact.ways import takes_views
    from foley_synthesis.flow.networks.mel import RATE

    model, seen = _model(args), seen_of(args)
    model = dataclasses.replace(model, sampling=sampling_of(args, model.sampling))
    if seen is not None:
        conditions = dataclasses.replace(model.conditions, views=seen if takes_views(model, seen) else None)
        model = SeenContactFlow(dataclasses.replace(model, conditions=conditions), seen)
    windows = _read(args, model, views=seen is not None)
    args.to.mkdir(parents=True, exist_ok=True)
    with _bar() as bar:
        task = bar.add_task("sounds", total=len(windows))
        made = model.draw(windows, args.draws, args.seed, lambda: bar.advance(task))
    for window, sounds in zip(windows, made, strict=True):
        soundfile.write(args.to / f"{window.window_id}-true.flac", window.sound().clip(-1, 1), RATE)
        for index, sound in enumerate(sounds):
            soundfile.write(args.to / f"{window.window_id}-{index}.flac", sound.clip(-1, 1), RATE)
    print(f"{len(windows)} windows of 8 s, {args.draws} sounds of each beside the true one, in {args.to}")
    return 0


def tune(args: argparse.Namespace) -> int:
    """Exit code 0."""
    import json

    from foley_common.metrics_file import METRICS_FILE, write_metrics
    from foley_synthesis.flow.contact.model import save_model
    from foley_synthesis.flow.contact.tuning import tune as best_of

    model = _model(args)
    if not args.flow.is_dir():
        raise ValueError(
            f"{args.flow} ships with the package and stays as it is: copy its folder and tune that"
        )
    metrics = json.loads((args.flow / METRICS_FILE).read_text(encoding="utf-8"))
    windows = _read(args, model, "validation")
    ways = [
        dataclasses.replace(
            model.sampling,
            guidance=guidance,
            steps=steps,
            rescale=rescale,
            temperature=temperature,
            method=method,
        )
        for guidance, steps, rescale, temperature, method in itertools.product(
            args.guidance, args.steps, args.rescale, args.temperature, args.method
        )
        if guidance != 1.0 or rescale == args.rescale[0]
    ]
    with _bar() as bar:
        task = bar.add_task("sounds", total=len(windows) * len(ways))
        results = best_of(
            model, windows, ways, draws=args.draws, seed=args.seed, step=lambda: bar.advance(task)
        )
    best = results[0].sampling
    model_id = save_model(dataclasses.replace(model, sampling=best), args.flow, metrics)
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(
        args.out,
        {
            "model": model_id,
            "windows": len(windows),
            "draws": args.draws,
            "ways": [dataclasses.asdict(result) for result in results],
        },
    )
    for result in results:
        way = result.sampling
        print(
            f"{way.steps:3d} steps of {way.method}, guidance {way.guidance:g}, rescale {way.rescale:g}, "
            f"temperature {way.temperature:g}: energy score {result.energy_score:.2f} dB, "
            f"one draw {result.foreground_db:.2f} dB"
        )
    print(f"{args.flow} samples by the first of these from now on, model id {model_id}")
    return 0


ACTIONS = {"draw": draw, "tune": tune}
