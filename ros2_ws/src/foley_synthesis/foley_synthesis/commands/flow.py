"""`foley flow`: sound by rectified flow from rendered views and hands (Hearing Hands)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_synthesis.commands import (
    flow_ablate,
    flow_curve,
    flow_draw,
    flow_fit,
    flow_play,
    flow_recipe,
    flow_regress,
    flow_ship,
    flow_sight,
    flow_table,
    flow_taps,
)

HELP = "train, score and play a rectified flow from rendered views and hands to 8 s of sound (Hearing Hands)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley flow train out/dataset --views out/views --out out/flow\n"
        "  foley flow train out/dataset --views out/views --out out/blind --without vision --autoencoder out/flow\n"
        "  foley flow score out/dataset --views out/views --model flow=out/flow --split test\n"
        "  foley flow sample out/flow out/dataset --views out/views --to out/sounds\n"
        "  foley flow fit --train out/sets/train --validation out/sets/validation --codec out/codec --out out/contact\n"
        "  foley flow regress out/sets/train out/sets/validation --out out/regression\n"
        "  foley flow table --test out/sets/test --train out/sets/train --model flow=out/flow\n"
        "  foley flow table --test out/test --train out/train --model flow=out/flow --sight out/sight --also seen\n"
        "  foley flow curve --train out/sets/train --validation out/sets/validation --codec out/codec --hours 1 5 20"
        " --steps 5000\n"
        "  foley flow ablate --train out/sets/train --validation out/sets/validation --codec out/codec --steps 600"
        " --seeds 0 1 2\n"
        "  foley flow play out/flow --scene out/scene/test-00000-scan --bag bags/test-00000    # in the browser\n"
        "  foley flow sight out/st/train --validation out/st/validation --test out/st/test --out out/sight\n"
        "  foley flow sight out/st/test out/st/test_gaussians --score out/sight --out out/sight_score\n"
        "  foley flow play contact_flow --scene out/scene/test-00000-scan --bag bags/test-00000    # as it ships\n"
        "  foley flow recipe --out out/recipe    # makes that one, from nothing\n\n"
        "The dataset needs windows (`foley dataset build --windows`), the views come from `foley scene views`. Sounds\n"
        "have 16 kHz; Griffin and Lim's method makes them of spectrograms."
    )
    actions = parser.add_subparsers(
        dest="action",
        required=True,
        metavar="train|score|sample|play|fit|reflow|tune|draw|regress|sight|table|curve|ablate|taps|ship|recipe",
    )
    train = actions.add_parser("train", help="train the autoencoder of spectrograms and the flow")
    _common(train)
    train.add_argument(
        "--out", type=Path, required=True, help="checkpoint folder; an existing flow is replaced"
    )
    train.add_argument(
        "--size", default="small", help="tiny, small or paper (157 million parameters) (default: %(default)s)"
    )
    train.add_argument("--without", default="", metavar="vision|action", help="ablation: leave one out")
    train.add_argument("--minutes", type=float, default=15.0, help="of the flow (default: %(default)s)")
    train.add_argument(
        "--autoencoder-minutes", type=float, default=5.0, help="of the autoencoder (default: %(default)s)"
    )
    train.add_argument(
        "--autoencoder", type=Path, metavar="DIR", help="take that of a flow trained on the same dataset"
    )
    train.add_argument("--epochs", type=int, help="of each stage, where they end before the minutes do")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--resume", action="store_true", help="go on where an interrupted training stopped")
    score = actions.add_parser("score", help="distances to the real sounds, beside simple methods")
    _common(score)
    score.add_argument("--model", action="append", default=[], metavar="NAME=DIR", help="may be given again")
    score.add_argument("--split", default="test", help="default: %(default)s")
    score.add_argument("--out", type=Path, default=Path("out/flow_score"), help="default: %(default)s")
    score.add_argument("--seed", type=int, default=0)
    _sampling(score)
    sample = actions.add_parser("sample", help="write the sounds of a model")
    sample.add_argument("checkpoint", type=Path)
    _common(sample)
    sample.add_argument("--split", default="test", help="default: %(default)s")
    sample.add_argument("--to", type=Path, required=True, metavar="DIR", help="for <window>.flac")
    sample.add_argument("--seed", type=int, default=0)
    _sampling(sample)
    flow_fit.configure(actions)
    flow_draw.configure(actions)
    flow_play.configure(actions)
    flow_table.configure(actions)
    flow_regress.configure(actions)
    flow_sight.configure(actions)
    flow_curve.configure(actions)
    flow_ablate.configure(actions)
    flow_taps.configure(actions)
    flow_ship.configure(actions)
    flow_recipe.configure(actions)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, help="folder written by `foley dataset build --windows`")
    parser.add_argument("--views", type=Path, required=True, help="folder written by `foley scene views`")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--encoder", default="efficientnet-lite0", help="of the views (default: %(default)s)")


def _sampling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=25, help="of Euler's method (default: %(default)s)")
    parser.add_argument("--guidance", type=float, default=4.5, help="1: none (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 2 for what the user can mend, 130 after Ctrl-C."""
    if args.action == "recipe":  # waits for other commands for hours, and so without torch
        return flow_recipe.run(args)
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from foley_synthesis.training.state import Interrupted

    try:
        runs = {"train": _train, "score": _score, "sample": _sample, **flow_fit.ACTIONS, **flow_draw.ACTIONS}
        runs |= {"play": flow_play.run, "regress": flow_regress.run}
        runs |= {
            "sight": flow_sight.run,
            "table": flow_table.run,
            "curve": flow_curve.run,
            "ablate": flow_ablate.run,
            "taps": flow_taps.run,
            "ship": flow_ship.run,
        }
        return runs[args.action](args)
    except Interrupted as stop:
        print(f"foley flow: {stop}; the same command with --resume goes on", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(
            f"foley flow: error: {error.name} is not installed; set up with FOLEY_EXTRAS='learn scene'",
            file=sys.stderr,
        )
        return 2
    except (ValueError, OSError, FloatingPointError) as error:  # most of them are ValueErrors
        print(f"foley flow: error: {error}", file=sys.stderr)
        return 2


def _open(args: argparse.Namespace, bar: Any) -> tuple[Any, Any, str]:
    """The dataset, its items, and the identity of the encoder."""
    import torch

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.flow.training.build import open_items

    if args.threads < 1:
        raise ValueError(f"--threads is {args.threads}, must be at least 1")
    torch.set_num_threads(args.threads)
    tasks: dict[str, Any] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=total)
        bar.update(tasks[stage], completed=done, total=total)

    dataset = open_complete(args.dataset)
    items, identity = open_items(dataset, args.views, args.encoder, threads=args.threads, progress=progress)
    return dataset, items, identity


def _train(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.flow.inference.model import is_flow
    from foley_synthesis.flow.training.build import build_flow
    from foley_synthesis.flow.training.config import FlowTrainConfig

    if args.out.exists() and any(args.out.iterdir()) and not is_flow(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no flow; name another folder")
    config = FlowTrainConfig(
        size=args.size,
        without=args.without,
        minutes=args.minutes,
        autoencoder_minutes=args.autoencoder_minutes,
        epochs=args.epochs,
        seed=args.seed,
        threads=args.threads,
    )
    columns = (
        TextColumn("{task.description:11}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures_text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        dataset, items, identity = _open(args, _Quiet(bar))
        tasks: dict[str, Any] = {}

        def report(stage: str, done: float, figures: dict[str, float]) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0, figures_text="")
            figures_text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
            bar.update(tasks[stage], completed=done, figures_text=figures_text)

        model_id, metrics = build_flow(
            dataset,
            items,
            args.out,
            config,
            encoder=(args.encoder, identity),
            autoencoder=args.autoencoder,
            resume=args.resume,
            report=report,
        )
    for name, stage in metrics["stages"].items():
        print(f"{name}: {stage['epoch']} epochs, validation {stage['best'][name]:.4f}")
    windows = metrics["windows"]
    print(f"{windows['train']} windows, {metrics['seconds']:.0f} s; {args.out}, model id {model_id}")
    print(f"figures in {args.out / METRICS_FILE}; `foley flow score` measures on the test split")
    return 0


class _Quiet:
    """Tasks of a bar whose columns want a text."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def add_task(self, name: str, total: int) -> Any:
        return self._bar.add_task(name, total=total, figures_text="")

    def update(self, task: Any, **values: int) -> None:
        self._bar.update(task, **values)


def _score(args: argparse.Namespace) -> int:

    from rich.console import Console
    from rich.progress import Progress

    from foley_synthesis.evaluation.windows.report import draw, markdown
    from foley_synthesis.evaluation.windows.score import (
        model_methods,
        score_windows,
        simple_methods,
    )
    from foley_synthesis.flow.inference.model import load_model
    from foley_synthesis.flow.networks.rectified_flow import SampleConfig

    sampling = SampleConfig(args.steps, args.guidance)
    models = {}
    for text in args.model:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ValueError(f"--model is `{text}`, must be NAME=DIR")
        models[name] = load_model(Path(path))
    with Progress(console=Console(stderr=True)) as bar:
        dataset, items, identity = _open(args, bar)
        for name, model in models.items():
            _fits(model, items, args.split, identity, name)
        rows = items.rows(args.split).numpy()
        methods = [m for name, model in models.items()
                   for m in model_methods(name, model, items, rows, args.seed, sampling)]  # fmt: skip
        methods += simple_methods(dataset, items, rows, next(iter(models.values()), None), args.seed)
        shown: dict[int, dict[str, Any]] = {int(row): {} for row in rows[:: max(1, len(rows) // 4)][:4]}

        def keep(method: str, output: Any) -> None:
            if method in models or method.startswith("real spectrogram"):
                for row, sound in zip(rows, output.waveforms, strict=True):
                    if int(row) in shown:
                        shown[int(row)][method] = sound

        task = bar.add_task("sounds", total=None)
        table = score_windows(
            dataset,
            items,
            args.split,
            methods,
            seed=args.seed,
            seen=keep,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    args.out.mkdir(parents=True, exist_ok=True)
    figures = {
        "dataset": dataset.fingerprint,
        "models": {name: model.model_id for name, model in models.items()},
        "steps": args.steps,
        "guidance": args.guidance,
        **table.to_dict(),
    }
    write_metrics(args.out, figures)
    text = markdown(table)
    (args.out / "table.md").write_text(text, "utf-8")
    draw(items, shown, args.out)
    print(text)
    print(f"{args.out}/metrics.json, table.md, windows.png and sounds")
    return 0


def _sample(args: argparse.Namespace) -> int:
    import soundfile
    from rich.console import Console
    from rich.progress import Progress

    from foley_synthesis.flow.inference.model import load_model
    from foley_synthesis.flow.networks.mel import RATE
    from foley_synthesis.flow.networks.rectified_flow import SampleConfig
    from foley_synthesis.flow.windows import ItemsError, batch

    model, sampling = load_model(args.checkpoint), SampleConfig(args.steps, args.guidance)
    with Progress(console=Console(stderr=True)) as bar:
        _, items, identity = _open(args, bar)
        _fits(model, items, args.split, identity, str(args.checkpoint))
        rows = items.rows(args.split)
        if not len(rows):
            raise ItemsError(f"split `{args.split}` has no windows with views")
        args.to.mkdir(parents=True, exist_ok=True)
        for row in bar.track(rows.tolist(), description="sounds"):
            sound = model.sounds(batch(items, rows[:0].new_tensor([row])), args.seed + row, sampling)[0]
            soundfile.write(args.to / f"{items.windows[row].window_id}.flac", sound.clip(-1, 1), RATE)
    print(f"{len(rows)} sounds of 8 s in {args.to}")
    return 0


def _fits(model: Any, items: Any, split: str, identity: str, name: str) -> None:
    """Raises ValueError where a model has seen through other eyes, or has seen what is to be unseen."""
    if model.facts["encoder"]["identity"] != identity:
        raise ValueError(
            f"{name} saw its views through {model.facts['encoder']['name']}; name the same encoder with --encoder"
        )
    known = set(model.facts["dataset"]["train_scenes"])
    shared = known & {w.scene_id for w in items.windows if w.split == split}
    if shared and split in ("validation", "test"):
        raise ValueError(
            f"{name} was trained in {len(shared)} scenes of split `{split}`, such as {sorted(shared)[0]}"
        )
