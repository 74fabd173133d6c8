"""`foley codec`: the neural codec that a flow works in."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

from foley_synthesis.commands.training_bars import Bars

HELP = "train and score a neural codec of contact sounds: waveform to a small latent and back"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley codec train out/sets/train out/sets/validation --out out/codec --minutes 40\n"
        "  foley codec train out/sets/train out/sets/validation my/sounds --out out/codec48 --rate 48000\n"
        "  foley codec score out/codec out/sets/test\n\n"
        "A set is a folder written by `foley sim sessions`; any other folder is searched for WAV and FLAC files, of\n"
        "which one in twenty is kept for validation and one for test, by a hash of their names."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="train|score")
    train = actions.add_parser("train", help="train a codec")
    train.add_argument(
        "sets", type=Path, nargs="+", help="sets of sessions, and folders of WAV or FLAC files"
    )
    train.add_argument(
        "--out", type=Path, required=True, help="checkpoint folder; an existing codec is replaced"
    )
    train.add_argument("--minutes", type=float, default=40.0, help="default: %(default)s")
    train.add_argument("--steps", type=int, help="where they end before the minutes do")
    train.add_argument("--rate", type=int, default=16_000, help="16000 or 48000 Hz (default: %(default)s)")
    train.add_argument("--causal", action="store_true", help="a decoder that can stream")
    train.add_argument("--latent", type=int, default=256, help="channels (default: %(default)s)")
    train.add_argument("--no-level", action="store_true", help="ablation: no level track beside the content")
    train.add_argument("--hours", type=float, default=8.0, help="of sound, at most (default: %(default)s)")
    train.add_argument("--batch", type=int, default=16)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--threads", type=int, default=1)
    train.add_argument("--resume", action="store_true", help="go on where an interrupted training stopped")
    score = actions.add_parser("score", help="what is kept of sounds, beside what the grid itself keeps")
    score.add_argument("codec", type=Path, help="folder written by `foley codec train`")
    score.add_argument(
        "sets", type=Path, nargs="+", help="sets of sessions, and folders of WAV or FLAC files"
    )
    score.add_argument("--split", default="test", help="default: %(default)s")
    score.add_argument("--windows", type=int, default=48, help="of 8 s, at most (default: %(default)s)")
    score.add_argument("--out", type=Path, default=Path("out/codec_score"), help="default: %(default)s")
    score.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 2 for what the user can mend, 130 after Ctrl-C."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from foley_synthesis.training.state import Interrupted

    try:
        return {"train": _train, "score": _score}[args.action](args)
    except Interrupted as stop:
        print(f"foley codec: {stop}; the same command with --resume goes on", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError) as error:  # most of them are ValueErrors
        print(f"foley codec: error: {error}", file=sys.stderr)
        return 2


def _opened(bars: Bars, args: argparse.Namespace, config: Any, **options: Any) -> Any:
    from foley_synthesis.flow.codec.sounds import open_sounds

    progress = functools.partial(bars.count, "sounds")
    return open_sounds(args.sets, config, progress=progress, **options)


def _tell_skipped(skipped: tuple[str, ...]) -> None:
    if skipped:
        more = f", and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        print(f"foley codec: left out: {'; '.join(skipped[:3])}{more}", file=sys.stderr)


def _train(args: argparse.Namespace) -> int:
    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.flow.codec.build import build_codec
    from foley_synthesis.flow.codec.config import CodecConfig, CodecTrainConfig
    from foley_synthesis.flow.codec.model_file import is_codec

    if args.out.exists() and any(args.out.iterdir()) and not is_codec(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no codec; name another folder")
    size = CodecConfig(rate=args.rate, latent=args.latent, level=not args.no_level, causal=args.causal)
    config = CodecTrainConfig(
        minutes=args.minutes, steps=args.steps, batch=args.batch, heard=min(args.batch, 8), seed=args.seed,
        threads=args.threads,
    )  # fmt: skip
    with Bars() as bars:
        sounds = _opened(bars, args, size, splits=("train", "validation"), hours=args.hours)
        report = functools.partial(bars.share, "training")
        model_id, metrics = build_codec(sounds, size, config, args.out, resume=args.resume, report=report)
    _tell_skipped(sounds.skipped)
    print(
        f"{metrics['steps']} steps, {metrics['seconds_per_step']:.2f} s each; foreground error on validation "
        f"{metrics['validation_foreground_db']:.2f} dB"
    )
    print(f"{args.out}, model id {model_id}; figures in {args.out / METRICS_FILE}")
    return 0


def _score(args: argparse.Namespace) -> int:
    import dataclasses

    import torch

    from foley_common.metrics_file import write_metrics
    from foley_synthesis.flow.codec.model_file import load_codec
    from foley_synthesis.flow.codec.score import kept, onsets_of, rows
    from foley_synthesis.flow.codec.sounds import SPLITS, SoundsError, windows

    if args.split not in SPLITS:
        raise ValueError(f"--split is `{args.split}`, must be one of {', '.join(SPLITS)}")
    torch.set_num_threads(args.threads)
    codec, _, model_id = load_codec(args.codec)
    with Bars() as bars:
        sounds = _opened(bars, args, codec.config, splits=(args.split,))
        cut = windows(sounds, args.split, 250, codec.config.samples, args.windows)
        if not len(cut):
            raise SoundsError(f"no sound of `{args.split}` lasts 8 s")
        heard = onsets_of(cut, codec.config.rate)
        figures = {
            name: kept(made, cut, codec.config, heard=heard, progress=functools.partial(bars.count, name))
            for name, made in rows(codec).items()
        }
    _tell_skipped(sounds.skipped)
    print("| through | foreground [dB] | onset F1 | level [dB] |\n| --- | --- | --- | --- |")
    for name, row in figures.items():
        print(f"| {name} | {row.foreground_db:.2f} | {row.onset_f1:.3f} | {row.level_db:.2f} |")
    table = {name: dataclasses.asdict(row) for name, row in figures.items()}
    write_metrics(args.out, {"model_id": model_id, "split": args.split, "windows": len(cut), "rows": table})
    return 0
