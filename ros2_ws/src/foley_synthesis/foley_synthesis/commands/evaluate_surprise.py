"""`foley evaluate surprise`: what a predicted contact's sound may differ by, at the rates that microphones have."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from foley_common.metrics_file import METRICS_FILE, write_metrics

LEVEL = 0.95


def run(args: argparse.Namespace) -> int:
    """Exit code 0. Raises ValueError and OSError for what the user can mend."""
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.checkpoint import load_checkpoint
    from foley_synthesis.evaluation.surprise_rates import alarms, expected_distances
    from foley_synthesis.metrics import surprise
    from foley_synthesis.vis.inference.predictor import Predictor

    console, out = Console(), args.out or Path("out/surprise")
    checkpoint = load_checkpoint(args.sight)
    if not surprise.calibration_of(checkpoint.metrics).rates:
        raise ValueError(f"{checkpoint.path}: metrics.json has no `{surprise.METRICS_KEY}`: train it again")
    predictor = Predictor(checkpoint, threads=args.threads)
    rates = (*surprise.LOWER_RATES, surprise.CALIBRATION_RATE)
    with Progress(console=console, transient=True) as bar:

        def distances_of(path: Path, split: str) -> tuple[str, dict[int, list[float]]]:
            dataset = open_complete(path)
            task = bar.add_task(f"{path} {split}", total=None)
            found = expected_distances(
                predictor, dataset, split, rates,
                lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
            return dataset.fingerprint, found

        fingerprint, expected = distances_of(args.dataset, "validation")
        if not expected[surprise.LOWER_RATES[0]]:
            raise ValueError(f"{args.dataset}: no planned contact in its validation split")
        entry = dict(checkpoint.metrics[surprise.METRICS_KEY])
        entry["lower_rates"] = {str(rate): expected[rate] for rate in surprise.LOWER_RATES}
        entry["lower_rates_dataset"] = fingerprint
        metrics = {**checkpoint.metrics, surprise.METRICS_KEY: entry}
        calibration = surprise.calibration_of(metrics)
        figures: dict[str, Any] = {
            "level": LEVEL,
            "calibrated_on": {"dataset": fingerprint, "contacts": len(expected[surprise.LOWER_RATES[0]])},
            surprise.METRICS_KEY: entry,
            "alarms": {"validation at 48 kHz": alarms(calibration, {48_000: expected[48_000]}, LEVEL)},
        }
        for path in args.test:
            _, found = distances_of(path, "test")
            told = {str(rate): share for rate, share in alarms(calibration, found, LEVEL).items()}
            figures["alarms"][str(path)] = {"contacts": len(found[48_000]), **told}
    write_metrics(out, figures)
    if not args.no_record:
        write_metrics(checkpoint.path, metrics)
    console.print_json(json.dumps(figures["alarms"]))
    console.print(f"figures in {out / METRICS_FILE}")
    return 0
