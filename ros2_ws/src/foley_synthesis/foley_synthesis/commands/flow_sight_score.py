"""`foley flow sight --score`: a trained sight on several sets of views of the same things; nothing is trained."""

from __future__ import annotations

import argparse
from pathlib import Path

from foley_common.metrics_file import METRICS_FILE, write_metrics


def score_sets(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: sets that cannot be compared, or a folder that cannot be written.
        CorruptCheckpoint: no sight, or a damaged one.
    """
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from foley_synthesis.evaluation.report import grid
    from foley_synthesis.flow.sight.comparison import compare
    from foley_synthesis.flow.sight.examples import examples, split_of
    from foley_synthesis.flow.sight.inference import open_sight
    from foley_synthesis.flow.sight.model_file import is_sight

    if is_sight(args.out):
        raise ValueError(f"--out {args.out} is a sight; name another folder for its figures")
    titles = _titles(args.sets)
    torch.set_num_threads(args.threads)
    sight = open_sight(args.score, threads=args.threads)
    with Progress(console=Console(stderr=True)) as bar:
        tasks = {title: bar.add_task(title, total=None) for title in titles}
        found = {
            title: examples(
                [path],
                split_of(path),
                sight.encoder,
                args.sessions,
                lambda done, total, t=title: bar.update(tasks[t], completed=done, total=total),  # type: ignore[misc]
            )
            for title, path in titles.items()
        }
    result = compare(sight.model, found, args.seed, args.replicates)
    write_metrics(
        args.out,
        {
            "sight": sight.model.model_id,
            "sets": {title: str(path) for title, path in titles.items()},
            **result.figures,
        },
    )
    print(grid(result.lines()))
    for title, like in result.likeness.items():
        print(
            f"features of {title}: cosine {like['cosine_same_thing'].text('.2f')} to those of the same thing, "
            f"{like['cosine_other_things'].text('.2f')} to those of others"
        )
    print(f"{result.things} things of {result.scenes} scenes in all sets; {args.out / METRICS_FILE}")
    return 0


def _titles(sets: list[Path]) -> dict[str, Path]:
    """Names of folders; their paths where two have one name.

    Raises:
        ValueError: a folder is given twice.
    """
    if len({path.resolve() for path in sets}) < len(sets):
        raise ValueError("a set is given twice")
    short = {path.name: path for path in sets}
    return short if len(short) == len(sets) else {str(path): path for path in sets}
