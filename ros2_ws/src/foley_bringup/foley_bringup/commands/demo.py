"""`foley demo`: the closed loop in a simulated world."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics

HELP = "Run the whole loop in a simulated world: explore, record, train, predict, hear, compare."

_EPILOG = """\
what it does
  A simulated robot explores a scene while every topic is recorded. More scenes are simulated offline, a
  dataset is built from all bags and a model is trained on it. That model then runs live in scenes with objects
  it has never met: it announces the sound of each contact before the touch, listens, and tells what things are
  made of. The recorded live sessions are compared with the simulator's own account.

what it writes
  out/demo/metrics.json   the table's figures
  out/demo/report.html    pictures and sounds, one self-contained page
  out/demo/picture.png    one contact: the hand, the predicted and the heard sound
  out/demo/logs/          what each stage printed

exit code
  0 the loop closes; 1 a joint is broken (the sentence says which); 2 wrong arguments.

examples
  foley demo
  foley demo --quick                   # a few minutes; too little data for good figures
  foley demo --shuffle-labels          # a model that cannot know anything: must end with 1
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--out", type=Path, default=Path("out/demo"), help="folder to write (default: out/demo)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of scenes, motions and training (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="simulators at once (default: 2)")
    parser.add_argument("--quick", action="store_true", help="a small run to see that everything works")
    parser.add_argument(
        "--shuffle-labels",
        action="store_true",
        help="train on permuted labels: the demo's own check must then fail",
    )
    parser.add_argument(
        "--check-report",
        action="store_true",
        help="only open the report of --out in headless Chromium and see whether all pictures show",
    )
    parser.add_argument(
        "--analyse-only",
        action="store_true",
        help="compare and report again what an earlier run left in --out",
    )


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from foley_bringup.demo import analysis, pipeline, report, results

    console = Console()
    if args.check_report:
        return _check_report(args.out)
    try:
        plan = pipeline.DemoPlan(
            out=args.out.resolve(), seed=args.seed, jobs=args.jobs, shuffle_labels=args.shuffle_labels
        )
        plan = plan.quick() if args.quick else plan
        plan.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print(f"foley demo: error: {error}", file=sys.stderr)
        return 2
    runner = pipeline.Runner(plan.out / "logs", console.print)
    try:
        files = pipeline.existing_files(plan) if args.analyse_only else pipeline.run_stages(plan, runner)
        with runner.stage("Compare what was predicted, heard and true"):
            live = analysis.analyse(files, trained_in_this_run=not args.analyse_only)
    except (pipeline.StageError, analysis.AnalysisError) as error:
        console.print(f"[red]The loop is broken.[/red] {escape(str(error))}", highlight=False)
        return 1

    wrong = results.broken_joints(live.metrics)
    metrics = {**live.metrics, "broken_joints": wrong, "stages_s": dict(runner.stages)}
    write_metrics(plan.out, metrics)
    evidence = report.Evidence(live.pairs, live.hands, live.sync, runner.stages)
    picture = report.picture(evidence)
    if picture is not None:
        (plan.out / "picture.png").write_bytes(picture)
    report.write(plan.out / "report.html", metrics, wrong, live.sessions, evidence)

    table = Table(title="Foley: the closed loop")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("")
    for row in report.table_rows(metrics):
        table.add_row(*row)
    console.print(table)
    console.print(f"figures: {plan.out / 'metrics.json'}\nreport:  {plan.out / 'report.html'}")
    for sentence in wrong:
        console.print(f"[red]broken:[/red] {escape(sentence)}", highlight=False)
    return 1 if wrong else 0


def _check_report(out: Path) -> int:
    """Writes the browser's findings and a screenshot beside the report."""
    import dataclasses

    from foley_bringup.demo import browser

    report = out / "report.html"
    if not report.is_file():
        print(
            f"foley demo: error: {report} does not exist; run `foley demo --out {out}` first", file=sys.stderr
        )
        return 2
    target = out.parent / f"{out.name}_report"
    try:
        look = browser.look_at(report, target / "screenshot.png")
    except browser.BrowserError as error:
        print(f"foley demo: error: {error}", file=sys.stderr)
        return 1
    write_metrics(target, dataclasses.asdict(look))
    print(
        f"{look.images_shown} of {look.images} pictures shown, {look.players_ready} of {look.players} players ready"
    )
    print(f"screenshot: {target / 'screenshot.png'}")
    return 0 if look.whole else 1
