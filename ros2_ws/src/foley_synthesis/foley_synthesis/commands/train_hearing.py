"""`foley train hearing`: generated contacts in, a hearing model out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_synthesis.commands.training_bars import Bars

if TYPE_CHECKING:
    from foley_perception.dataset.reader import ClipDataset
    from foley_synthesis.hearing.training.generated_set import GeneratedSet
    from foley_synthesis.hearing.training.train_config import HearingTrainConfig

WORD = "hearing"  # in the place of a dataset
EXAMPLES = (
    "  foley train hearing out/heard/train --validation out/heard/validation --beside out/world --out out/hearing\n"
    "  foley train hearing out/heard/train --validation out/heard/validation --out out/hearing --minutes 30\n"
    "  foley train hearing out/heard/train --validation out/heard/validation --out out/hearing --seeds 3 --resume\n"
    "  foley train hearing --adapt taps --out out/my_robot       taps/glass/1.wav, taps/wood/1.wav, ...\n"
)
_OF_DATASETS = {
    "shards": None,
    "epochs": None,
    "shuffle_labels": False,
    "recipe": None,
    "exemplars": None,
    "encoder": None,
}
"""Options that a hearing model does not have, as they are where nobody gives them."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments that only a hearing model has."""
    group = parser.add_argument_group("of `foley train hearing SET`, where SET is of `foley sim hearing`")
    group.add_argument(
        "--validation", type=Path, metavar="SET", help="drawn with another seed: chooses and calibrates"
    )
    group.add_argument("--steps", type=int, help="of each network, where they end before the minutes do")
    group.add_argument(
        "--seeds", type=int, metavar="K", help="networks whose answers are averaged (default 1)"
    )
    group.add_argument("--batch", type=int, help="clips of a step (default 128)")
    group.add_argument("--jobs", type=int, help="processes that make features (default 2)")
    group.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    group.add_argument(
        "--risk",
        type=float,
        help="share of answers about simulated contacts that may be wrong, else it abstains "
        "(default 0.3; of recordings it is 0.4, or the least that can be promised)",
    )
    beside = parser.add_argument_group(
        "of `foley train hearing SET --beside MODEL`, which adds what hears recordings"
    )
    beside.add_argument(
        "--beside",
        metavar="NAME|DIR",
        help="hearing model of the simulated world, beside which linear heads over networks that learned from "
        "recordings (`foley score --fetch-judges`) are put; SET is wide, as `foley sim hearing` draws it",
    )
    beside.add_argument(
        "--world", type=Path, nargs="+", metavar="SET|DATASET",
        help="contacts of the simulated world, which stay with MODEL: what it learned from, others at other rates, "
        "data sets of `foley dataset build`",
    )  # fmt: skip
    beside.add_argument(
        "--recordings", type=Path, metavar="FOLDER", help="labels.csv (file, material, source_package) and sounds "
        "that are calibrated on; no head is fitted to their labels",
    )  # fmt: skip
    beside.add_argument(
        "--clips", type=int, help="of SET that are heard, 21 ms of a core each (default 12000)"
    )
    adapt = parser.add_argument_group("of `foley train hearing --adapt FOLDER`")
    adapt.add_argument(
        "--adapt",
        type=Path,
        metavar="FOLDER",
        help="labelled taps of your robot: a folder for each material, named by it, with sound files or bags in it; "
        "--out then is an adaptation",
    )
    adapt.add_argument(
        "--model", metavar="NAME|DIR", help="hearing model that is adapted (default: the one that ships)"
    )


def given(args: argparse.Namespace) -> list[str]:
    """Options that only a hearing model has and that were given."""
    names = ("validation", "steps", "seeds", "batch", "jobs", "device", "risk", "beside", "world", "recordings",
             "clips", "adapt", "model")  # fmt: skip
    return [f"--{name}" for name in names if getattr(args, name) is not None]


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 2 for what the user can mend, 130 after Ctrl-C."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from foley_synthesis.hearing.frozen import FrozenMissing
    from foley_synthesis.training.state import Interrupted

    try:
        if args.adapt is not None:
            return _adapt(args)
        return _train(args) if args.beside is None else _beside(args)
    except Interrupted as stop:
        print(f"foley train hearing: {stop}; the same command with --resume goes on", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError, FrozenMissing) as error:  # most of them are ValueErrors
        print(f"foley train hearing: error: {error}", file=sys.stderr)
        return 2


def _train(args: argparse.Namespace) -> int:
    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.hearing.model_file import is_hearing
    from foley_synthesis.hearing.training.build import build_hearing
    from foley_synthesis.hearing.training.calibrate import HonestyConfig
    from foley_synthesis.hearing.training.generated_set import GeneratedSet

    foreign = [name for name, default in _OF_DATASETS.items() if getattr(args, name) != default]
    if foreign:
        raise ValueError(f"--{foreign[0].replace('_', '-')} is for `foley train DATASET`")
    if args.model is not None:
        raise ValueError("--model goes with --adapt; of a training the result is --out")
    _check_risk(args)
    if beside := [name for name in ("world", "recordings", "clips") if getattr(args, name) is not None]:
        raise ValueError(f"--{beside[0]} goes with --beside")
    if len(args.dataset) != 2 or args.validation is None:
        raise ValueError("it takes one SET, and another one with --validation")
    if args.out.exists() and any(args.out.iterdir()) and not is_hearing(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no hearing model; name another folder")
    train, validation = GeneratedSet.open(Path(args.dataset[1])), GeneratedSet.open(args.validation)
    honesty, config = HonestyConfig(risk=_or(args.risk, 0.3)), _config(args)
    with Bars() as bars:
        model_id, metrics = build_hearing(
            train, validation, args.out, config, honesty=honesty, commands=(_typed(args, config),),
            resume=args.resume, report=bars.share,
        )  # fmt: skip
    steps = ", ".join(map(str, metrics["steps"]))
    print(
        f"{steps} steps, {1000 * metrics['seconds_per_step']:.0f} ms each; "
        f"on validation (chance {metrics['chance']:.3f}):"
    )
    for heard, row in metrics["validation"].items():
        print(f"  {heard:>6} heard: " + ", ".join(f"{name} {value:.3f}" for name, value in row.items()))
    print(f"{args.out}, model id {model_id}; figures in {args.out / METRICS_FILE}")
    return 0


def _beside(args: argparse.Namespace) -> int:
    import dataclasses

    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.hearing.model_file import is_hearing, load_hearing
    from foley_synthesis.hearing.training.calibrate import HonestyConfig
    from foley_synthesis.hearing.training.generated_set import GeneratedSet
    from foley_synthesis.hearing.training.recorded import RecordedConfig, add_recorded, save_with_recorded
    from foley_synthesis.hearing.training.recordings import LABELS_FILE

    if len(args.dataset) != 2 or args.validation is None:
        raise ValueError("it takes one SET, and another one with --validation")
    if args.out.exists() and any(args.out.iterdir()) and not is_hearing(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no hearing model; name another folder")
    _check_risk(args)
    foreign = [name for name in ("minutes", "steps", "seeds", "batch") if getattr(args, name) is not None]
    if foreign or args.resume:
        raise ValueError(f"--{[*foreign, 'resume'][0]} does not go with --beside, which trains no network")
    if args.clips is not None and args.clips < 1:
        raise ValueError(f"--clips is {args.clips}, must be 1 or more")
    if args.recordings is not None and not (args.recordings / LABELS_FILE).is_file():
        raise ValueError(f"--recordings {args.recordings} holds no {LABELS_FILE}")
    file = load_hearing(args.beside)
    config = RecordedConfig(clips=_or(args.clips, RecordedConfig.clips), jobs=_or(args.jobs, 2))
    worlds = [_world(path) for path in args.world or ()]
    with Bars() as bars:
        file, figures = add_recorded(
            file, GeneratedSet.open(Path(args.dataset[1])), GeneratedSet.open(args.validation), worlds, args.recordings,
            config, HonestyConfig(risk=_or(args.risk, 0.3)), report=bars.share,
        )  # fmt: skip
    figures["config"] = dataclasses.asdict(config)
    typed = [f"foley train hearing {args.dataset[1]} --validation {args.validation} --beside {args.beside}"]
    typed += [
        f"--{name} {value}"
        for name, value in (("world", " ".join(map(str, args.world or ()))), ("recordings", args.recordings))
        if value
    ]
    typed.append(f"--clips {config.clips} --out {args.out}")
    model_id = save_with_recorded(file, args.out, figures, commands=(" ".join(typed),))
    print("balanced accuracy over all materials on generated contacts: "
          + ", ".join(f"{name} {value:.3f}" for name, value in figures["validation"].items()))  # fmt: skip
    if "left_out" in figures:
        left = figures["left_out"]
        print(f"recordings, each source left out of what was calibrated: {', '.join(left['asked'])} "
              f"{left['balanced_accuracy']:.3f}; of all materials {left['answered']:.0%} are answered, "
              f"{left['right_where_answered']:.0%} of those are right")  # fmt: skip
    print(f"{args.out}, model id {model_id}; figures in {args.out / METRICS_FILE}")
    return 0


def _typed(args: argparse.Namespace, config: HearingTrainConfig) -> str:
    """The command, for the card."""
    ended = f"--minutes {config.minutes:g}" + (f" --steps {config.steps}" if config.steps else "")
    drawn = f"--seeds {len(config.seeds)} --seed {config.seeds[0]} --batch {config.batch}"
    return f"foley train hearing {args.dataset[1]} --validation {args.validation} --out {args.out} {ended} {drawn}"


def _adapt(args: argparse.Namespace) -> int:
    """Exit code 0; 1 where the model stays as it is, and nothing but figures is written."""
    from foley_common.metrics_file import METRICS_FILE, write_metrics
    from foley_synthesis.hearing.inference.adaptation import is_adaptation
    from foley_synthesis.hearing.inference.hearing_model import HearingModel
    from foley_synthesis.hearing.training.adaptation import adapt_model

    if args.model is not None and is_adaptation(Path(args.model)):
        raise ValueError(
            f"--model {args.model} is an adaptation itself; name the model that it was made from"
        )
    others = [name for name in given(args) if name not in ("--adapt", "--model")]
    if args.resume or others or len(args.dataset) > 1:
        what = "a SET" if len(args.dataset) > 1 else others[0] if others else "--resume"
        raise ValueError(f"{what} does not go with --adapt, which takes seconds and trains no network")
    there = args.out.exists() and any(file.name != METRICS_FILE for file in args.out.iterdir())
    if there and not is_adaptation(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no adaptation; name another folder")
    model = HearingModel.load(args.model, threads=args.threads, recordings_only=True)
    with Bars() as bars:
        run = adapt_model(
            args.adapt, model, args.out, progress=lambda stage, done: bars.share(stage, done, {})
        )
    report = run.report
    for name, count in report.taps.items():
        right = f", {100 * report.recall[name]:.0f} % right when left out" if name in report.recall else ""
        print(f"{name}: {count} taps in {report.recordings[name]} recordings{right}")
    for note in run.notes:
        print(f"note: {note}")
    for title, score in (("as it is", report.before), ("told what there is", report.before_asked),
                         ("adapted", report.after)):  # fmt: skip
        if score is not None:
            print(f"{title:>18}: accuracy {score.balanced_accuracy:.2f}, log loss {score.log_loss:.2f}")
    print(report.reason)
    print(f"next: {report.record_next}")
    if run.model_id:
        print(f"{args.out}, model id {run.model_id}; figures in {args.out / METRICS_FILE}")
    elif not there:
        args.out.mkdir(parents=True, exist_ok=True)
        write_metrics(args.out, run.to_dict())
    return 0 if run.model_id else 1


def _config(args: argparse.Namespace) -> HearingTrainConfig:
    import torch

    from foley_synthesis.hearing.training.train_config import HearingTrainConfig

    return HearingTrainConfig(
        minutes=_or(args.minutes, 30.0),
        steps=args.steps,
        seeds=tuple(range(args.seed, args.seed + _or(args.seeds, 1))),
        batch=_or(args.batch, 128),
        threads=args.threads,
        jobs=_or(args.jobs, 2),
        device=args.device or ("cuda" if torch.cuda.is_available() else "cpu"),
    )


def _check_risk(args: argparse.Namespace) -> None:
    if args.risk is not None and not 0.0 < args.risk < 1.0:
        raise ValueError(f"--risk is {args.risk}, must lie inside (0, 1)")


def _world(path: Path) -> GeneratedSet | ClipDataset:
    from foley_perception.dataset.reader import ClipDataset
    from foley_synthesis.hearing.training.generated_set import GeneratedSet

    return ClipDataset(path) if (path / "manifest.json").is_file() else GeneratedSet.open(path)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
