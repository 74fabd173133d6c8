"""`foley features`: what a sound model looks at, encoded once for a whole dataset."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics

HELP = "encode the rendered views of a dataset's clips and windows, and keep them in it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley scene views bags --scenes out/scene --out out/views     # first, render them\n"
        "  foley features out/dataset --views out/views\n"
        "  foley features out/dataset --views out/views --encoder clip   # weights from you, see docs/scene.md\n\n"
        "Again after more views were rendered: what changed is encoded anew, the rest is kept."
    )
    parser.add_argument("dataset", type=Path, help="folder written by `foley dataset build`")
    parser.add_argument("--views", type=Path, required=True, help="folder written by `foley scene views`")
    parser.add_argument(
        "--encoder",
        default="efficientnet-lite0",
        help="efficientnet-lite0, alexnet, clip or colour (default: %(default)s)",
    )
    parser.add_argument(
        "--names",
        nargs="+",
        metavar="VIEW",
        help="global local_left local_right top side (default: the first three)",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--out", type=Path, default=Path("out/features"), help="figures (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    import time

    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.vision.dataset_views import dataset_views
    from foley_synthesis.vision.encoders import load_encoder
    from foley_synthesis.vision.view_features import VIEWS

    try:
        dataset = open_complete(args.dataset)
        encoder = load_encoder(args.encoder, threads=args.threads)
        began = time.monotonic()
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("sessions", total=None)
            found = dataset_views(
                dataset,
                args.views,
                encoder,
                tuple(args.names or VIEWS),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except (ValueError, OSError) as error:  # DatasetError and ViewsError are ValueErrors
        print(f"foley features: error: {error}", file=sys.stderr)
        return 2
    if found.without:
        print(
            f"foley features: {len(found.without)} sessions have no rendered views, such as {found.without[0]}; their "
            "features are NaN",
            file=sys.stderr,
        )
    figures = {
        "dataset_fingerprint": dataset.fingerprint,
        "encoder": encoder.identity,
        "file": str(found.path),
        "seconds": time.monotonic() - began,
        "sessions_without_views": len(found.without),
        "clips": {"count": len(found.clips), "share": found.share(found.clips)},
        "windows": {"count": len(found.windows), "share": found.share(found.windows)},
    }
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out, figures)
    for kind, items in (("clips", found.clips), ("windows", found.windows)):
        if len(items):
            shares = ", ".join(f"{name} {share:.0%}" for name, share in found.share(items).items())
            print(f"{len(items)} {kind} of {items.shape[1]} moments: {shares}")
    print(f"{found.path}, {found.path.stat().st_size / 1e6:.0f} MB")
    return 0
