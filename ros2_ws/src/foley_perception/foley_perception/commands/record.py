"""``foley record``: have the running recorder record one session."""

from __future__ import annotations

import argparse
import sys
from typing import Any

HELP = "record a session with the running recorder"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n  foley record --name kitchen_1 --max-duration 60\n"
        "  foley record --max-duration 300 --by ann --tag bench --metadata '{scene_id: bench, split: train}'\n"
        "Ctrl-C ends the recording early and keeps it."
    )
    parser.add_argument("--name", default="", help="folder name of the bag (default: made from the time)")
    parser.add_argument("--max-duration", type=float, required=True, help="[s] it ends by itself after this")
    parser.add_argument("--by", default="", help="who records")
    parser.add_argument("--notes", default="", help="free text for the session metadata")
    parser.add_argument(
        "--tag", action="append", default=[], help="tag for the session metadata; may be repeated"
    )
    parser.add_argument("--metadata", default="", help="further session metadata as a YAML mapping")
    parser.add_argument(
        "--recorder", default="recorder", help="name of the recorder's node (default: %(default)s)"
    )
    parser.add_argument("--out", default="out/record", help="folder for metrics.json (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from foley_common.metrics_file import write_metrics
    from foley_perception.commands.tables import print_findings, print_topics, topic_figures
    from foley_perception.ros.record_client import RecordClientError, RecorderClient

    try:
        with RecorderClient(args.recorder) as recorder:
            started = recorder.start(
                name=args.name,
                max_duration=args.max_duration,
                recorded_by=args.by,
                notes=args.notes,
                tags=args.tag,
                metadata_yaml=args.metadata,
            )
            print(f"recording {started.path}")
            columns = (
                TextColumn("recording"),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
            )
            with Progress(*columns) as bar:
                task = bar.add_task("", total=args.max_duration)
                recorder.wait(
                    args.max_duration,
                    lambda seconds, text: bar.update(task, completed=seconds, description=text),
                )
            stopped = recorder.stop()
    except RecordClientError as error:
        print(f"foley record: error: {error}", file=sys.stderr)
        return 2
    print_topics(stopped.topics, f"{stopped.path}: {stopped.duration:.1f} s, {stopped.bytes / 1e6:.1f} MB")
    write_metrics(args.out, _figures(stopped, topic_figures(stopped.topics)))
    print_findings(stopped.findings)
    if stopped.error_code:
        print(f"foley record: error: {stopped.error_msg}", file=sys.stderr)
        return 1
    return 0


def _figures(stopped: Any, topics: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": stopped.path,
        "duration_s": stopped.duration,
        "bytes": stopped.bytes,
        "error_msg": stopped.error_msg,
        "findings": list(stopped.findings),
        "topics": topics,
    }
