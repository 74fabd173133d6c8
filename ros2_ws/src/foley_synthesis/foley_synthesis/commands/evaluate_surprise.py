"""`foley evaluate surprise`: what a contact may differ by from what was expected of it, and what that notices."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foley_common.metrics_file import METRICS_FILE, write_metrics


def configure(group: Any) -> None:
    """Arguments of its own; it takes those of `foley evaluate fusion` as well."""
    group.add_argument(
        "--states", type=Path, metavar="DIR",
        help="set of `foley sim states`: how surprising things are that changed since they were touched before",
    )  # fmt: skip
    group.add_argument(
        "--sessions", action="append", default=[], type=Path, metavar="DIR",
        help="set of `foley sim sessions` at 48 kHz: how surprising contacts are that nobody planned; may be repeated",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Exit code 0. Raises ValueError and OSError for what the user can mend."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.beliefs.fitted import load_fitted
    from foley_synthesis.beliefs.fusion import FusionConfig
    from foley_synthesis.checkpoint import load_checkpoint
    from foley_synthesis.evaluation.surprise import report
    from foley_synthesis.evaluation.surprise import run as surprise_run
    from foley_synthesis.evaluation.surprise.measure import LEVEL
    from foley_synthesis.evaluation.surprise.rates import distance_alarms, expected_distances
    from foley_synthesis.hearing.inference.opened import hearing_beside
    from foley_synthesis.metrics import surprise
    from foley_synthesis.metrics.surprise_ranks import save_test
    from foley_synthesis.vis.inference.predictor import Predictor

    console, out = Console(), args.out or Path("out/surprise")
    checkpoint = load_checkpoint(args.sight)
    if not surprise.calibration_of(checkpoint.metrics).rates:
        raise ValueError(f"{checkpoint.path}: metrics.json has no `{surprise.METRICS_KEY}`: train it again")
    hears = hearing_beside(checkpoint, args.hearing, threads=args.threads)
    fits = [f.config for f in load_fitted(checkpoint.path) if f.is_for(hears.model_id, checkpoint.model_id)]
    prior = fits[0] if fits else FusionConfig()
    all_rates = (*surprise.LOWER_RATES, surprise.CALIBRATION_RATE)
    rates, low = (surprise.CALIBRATION_RATE, surprise_run.LOW_HZ), surprise_run.LOW_HZ
    config = surprise_run.SurpriseRun(args.replicates, args.seed)
    with Progress(console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        listener = surprise_run.Listener(Predictor(checkpoint, threads=args.threads), hears, progress)
        first = open_complete(args.dataset)
        datasets = [first, *(open_complete(path) for path in args.more)]
        contacts = listener.contacts(first, "validation", all_rates)
        expected = expected_distances(contacts)
        for dataset in datasets[1:]:
            contacts += listener.contacts(dataset, "validation", rates)
        test = surprise_run.fitted(contacts, prior, listener, [d.fingerprint for d in datasets], args.seed)
        entry = {
            **checkpoint.metrics[surprise.METRICS_KEY],
            "lower_rates": {str(rate): expected[rate] for rate in surprise.LOWER_RATES},
            "lower_rates_dataset": first.fingerprint,
        }
        metrics = {**checkpoint.metrics, surprise.METRICS_KEY: entry}
        calibration = surprise.calibration_of(metrics)
        sets = {"validation": surprise_run.on_validation(test, contacts, config)}
        distances: dict[str, Any] = {}
        for path in args.test:
            unseen = open_complete(path)
            of_test = listener.contacts(unseen, "test", all_rates)
            known = calibration.of(surprise.CALIBRATION_RATE)
            sets[str(path)] = surprise_run.on_unseen(test, of_test, known, config)
            softer = listener.contacts(unseen, "test", (low,), low)
            sets[str(path)][f"alarms at {low} Hz"] = surprise_run.at_low_rate(test, softer, config)
            distances[str(path)] = distance_alarms(calibration, expected_distances(of_test), 1 - LEVEL)
        changes: dict[str, Any] = {}
        if args.states is not None:
            changes = surprise_run.on_changes(test, listener.changes(args.states, "test"), config)
        heard_only = {
            str(path): surprise_run.on_sessions(test, listener.sessions(path), config)
            for path in args.sessions
        }
    text = f"{report.alarms_table(sets)}\n{report.power_table(sets)}"
    text += f"\n{report.sessions_table(heard_only)}" if heard_only else ""
    text += f"\n{report.changes_table(changes)}" if changes else ""
    out.mkdir(parents=True, exist_ok=True)
    write_metrics(
        out,
        {
            "level": LEVEL,
            "fitted_on": test.fitted_on,
            "ranked_among": surprise_run.counted(test),
            "rules": {name: rule.rule.to_dict() for name, rule in test.rules.items()},
            "sets": sets,
            "changes": changes,
            "sessions": heard_only,
            "alarms by distance alone, by rate": distances,
        },
    )
    (out / "table.md").write_text(text, "utf-8")
    save_test(test, out if args.no_record else checkpoint.path)
    if not args.no_record:
        write_metrics(checkpoint.path, metrics)
    console.print(Markdown(text))
    console.print(f"figures in {out / METRICS_FILE}")
    return 0
