"""`foley evaluate contacts`: what hearing says of contacts with known things, so that the next one can be weighed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from foley_common.metrics_file import write_metrics


def run(args: argparse.Namespace) -> int:
    """Exit code 0. Raises ValueError and OSError for what the user can mend."""
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.beliefs.contact_bank import save_bank
    from foley_synthesis.beliefs.fitted import load_fitted
    from foley_synthesis.beliefs.fusion import FusionConfig
    from foley_synthesis.checkpoint import load_checkpoint
    from foley_synthesis.evaluation.contacts.bank import heard_objects, measured_bank
    from foley_synthesis.evaluation.contacts.check import expected_and_found
    from foley_synthesis.hearing.inference.opened import hearing_beside

    console, out = Console(), args.out or Path("out/contacts")
    checkpoint = load_checkpoint(args.sight)
    labels = checkpoint.vocabulary.labels
    hears = hearing_beside(checkpoint, args.hearing, threads=args.threads)
    fits = load_fitted(checkpoint.path)
    config = next(
        (fit.config for fit in fits if fit.is_for(hears.model_id, checkpoint.model_id)), FusionConfig()
    )
    with Progress(console=console, transient=True) as bar:

        def heard(path: Path, split: str) -> tuple[list[Any], str]:
            dataset = open_complete(path)
            task = bar.add_task(f"{path} {split}", total=None)
            told = heard_objects(
                hears,
                labels,
                dataset,
                split,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
            return told, dataset.fingerprint

        known = [heard(path, "validation") for path in (args.dataset, *args.more)]
        objects = [thing for things, _ in known for thing in things]
        bank = measured_bank(
            objects, labels, hears.model_id, {"datasets": [fingerprint for _, fingerprint in known]}
        )
        tested = {str(path): heard(path, "test")[0] for path in args.test}
    out.mkdir(parents=True, exist_ok=True)
    path = save_bank(bank, out if args.no_record else checkpoint.path)
    hit = bank.probabilities.argmax(axis=1) == bank.material
    actions: dict[str, dict[str, Any]] = {}
    for number, action in enumerate(bank.actions):
        own = bank.action == number
        fit = own & bank.fit
        actions[action] = {
            "contacts": int(own.sum()),
            "say_something": round(float(bank.fit[own].mean()), 5),
            "right": round(float(hit[fit].mean()), 5) if fit.any() else None,
        }
    checked = {
        name: expected_and_found(things, bank, config, replicates=args.replicates, seed=args.seed)
        for name, things in tested.items()
    }
    write_metrics(
        out,
        {
            "heard_model": bank.heard_model,
            "sight_model": checkpoint.model_id,
            "measured_on": dict(bank.measured_on),
            "likeness": {"at_place": bank.likeness.at_place, "apart": bank.likeness.apart},
            "actions": actions,
            "expected_and_found": checked,
        },
    )
    for action, row in actions.items():
        right = "" if row["right"] is None else f", of these right {row['right']:.2f}"
        console.print(
            f"{action}: {row['contacts']} contacts, say something {row['say_something']:.2f}{right}"
        )
    like = bank.likeness
    console.print(f"alike: at one place {like.at_place:.2f}, apart {like.apart:.2f}")
    for name, figures in checked.items():
        for before, row in figures.items():
            found = row["found"]
            console.print(
                f"{name}: after {before} contacts {row['expected']:.3f} nat expected of the next, "
                f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}] found"
            )
    console.print(f"{np.size(bank.material)} contacts in {path}, figures in {out / 'metrics.json'}")
    return 0
