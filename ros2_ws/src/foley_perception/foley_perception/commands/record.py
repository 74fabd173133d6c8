"""``foley record``: have the running recorder record one take, or a person record many."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_perception.commands import topic_options

if TYPE_CHECKING:
    from foley_perception.recording.watch import Ending
    from foley_perception.ros.record_client import RecorderClient

HELP = "record with the running recorder: one take, or a session with keys and pedals"
_FOR_SESSIONS = ("pedal", "pedal_device", "label", "segment")
_EARLY_S = 1.0  # a recording that is shorter by more than this ended before it was meant to


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "With --max-duration one recording, which ends by itself. Without it, in a terminal, or with --session, a\n"
        "session: takes are begun and ended with keys or pedals, beside meters of everything that arrives."
    )
    parser.epilog = (
        "examples:\n"
        "  foley record --name mug_taps                                    a session: mug_taps_001, mug_taps_002, ...\n"
        "  foley record --name mug_taps --label mug:material=ceramic --pedal b=take --pedal PageDown=discard\n"
        "  foley record --session --name pour --max-duration 120 --pedal-device /dev/input/event5 --pedal F13=take\n"
        "  foley record --name kitchen_1 --max-duration 60                 one recording, as scripts need it\n"
        "  foley record --max-duration 300 --by ann --tag bench --metadata '{scene_id: bench, split: train}'\n"
        f"  foley record --max-duration 60 {topic_options.EXAMPLE}\n"
        f"\nkeys of a session (--pedal KEY=COMMAND adds others):\n{_keys()}\n\n"
        "Ctrl-C ends the recording early and keeps it.\n"
        "Exit codes: 0 recorded, 1 something ended otherwise than it was meant to, 2 it did not begin."
    )
    parser.add_argument(
        "--name",
        default="",
        help="folder name of the bag, of a session with a number (default: made from the time)",
    )
    parser.add_argument(
        "--max-duration",
        type=float,
        metavar="S",
        help="[s] it ends by itself after this; of a session each take (default there: 3600)",
    )
    parser.add_argument(
        "--session", action="store_true", help="a session also with --max-duration, which then is each take's"
    )
    parser.add_argument(
        "--pedal",
        action="append",
        default=[],
        metavar="KEY=COMMAND",
        help="a further key of a session, such as b=take, F13=success or PageDown=discard (may be repeated)",
    )
    parser.add_argument(
        "--pedal-device",
        type=Path,
        metavar="FILE",
        help="read keys from this input device too, whatever window has the focus: /dev/input/eventN, Linux alone",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="[OBJECT:]KEY=VALUE",
        help="a label that every take of a session gets (may be repeated)",
    )
    parser.add_argument(
        "--segment",
        action="append",
        default=[],
        metavar="NAME",
        help="name of the next segment of each take, in their order (may be repeated; default: numbers)",
    )
    parser.add_argument("--by", default="", help="who records")
    parser.add_argument("--notes", default="", help="free text for the session metadata")
    parser.add_argument(
        "--tag", action="append", default=[], help="tag for the session metadata; may be repeated"
    )
    parser.add_argument("--metadata", default="", help="further session metadata as a YAML mapping")
    parser.add_argument(
        "--recorder",
        default="recorder",
        help="name of the recorder's node (default: %(default)s)",
    )
    parser.add_argument(
        "--namespace",
        default="",
        metavar="NS",
        help="of the recorder, as `foley up --namespace` was given it (default: the robot's file)",
    )
    parser.add_argument("--out", default="out/record", help="folder for metrics.json (default: %(default)s)")
    topic_options.add_map(parser)


def _keys() -> str:
    from foley_perception.collecting.commands import table

    return "\n".join(f"  {key:<8}{command:<10}{text}" for key, command, text in table({}))


def _is_session(args: argparse.Namespace) -> bool:
    """Whether a person records takes. Raises OptionError where that is not clear."""
    from foley_perception.collecting.commands import OptionError

    if args.session:
        return True
    given = [f"--{name.replace('_', '-')}" for name in _FOR_SESSIONS if getattr(args, name)]
    if args.max_duration is not None:
        if given:
            raise OptionError(
                f"{given[0]} is for a session, --max-duration alone for one recording; add --session"
            )
        return False
    if not sys.stdin.isatty() and args.pedal_device is None:
        raise OptionError(
            "--max-duration is required where there is no terminal; in one, a session begins without it"
        )
    return True


def run(args: argparse.Namespace) -> int:
    from foley_common.robot_file import RobotFileError
    from foley_common.topics import TopicError
    from foley_perception.collecting.commands import OptionError
    from foley_perception.recording.errors import BagError
    from foley_perception.ros.record_client import RecordClientError, RecorderClient

    try:
        args.metadata = _metadata(args)
        robot = topic_options.robot_of(args)
        namespace = args.namespace or (robot.namespace if robot is not None else "")
        mapping = topic_options.mapping_of(args)
        name = f"/{namespace.strip('/')}/{args.recorder.strip('/')}".replace("//", "/")
        if _is_session(args):
            from foley_perception.commands import record_session

            return record_session.run(args, name, mapping)
        with RecorderClient(name) as recorder:
            if mapping:
                recorder.map_topics(mapping)
            try:
                return _record(args, recorder)
            finally:
                recorder.unmap_topics(_tell)
    except (RecordClientError, TopicError, RobotFileError, BagError, OptionError) as error:
        _tell(f"error: {error}")
        return 2


def _metadata(args: argparse.Namespace) -> str:
    """Session metadata, with the robot's file in them. Raises BagError before anybody touches anything."""
    from foley_perception.recording.session import ROBOT_KEY, dump_value, parse_extra

    extra, robot = parse_extra(args.metadata), topic_options.robot_of(args)
    return str(args.metadata) if robot is None else dump_value(extra | {ROBOT_KEY: robot.kept})


def _record(args: argparse.Namespace, recorder: RecorderClient) -> int:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    started = recorder.start(
        name=args.name,
        max_duration=args.max_duration,
        recorded_by=args.by,
        notes=args.notes,
        tags=args.tag,
        metadata_yaml=args.metadata,
    )
    print(f"recording {started.path}", flush=True)
    from foley_perception.recording import kept  # noqa: F401 - ready, should the recorder die

    columns = (TextColumn("recording"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns) as bar:
        task = bar.add_task("", total=args.max_duration)
        ending = recorder.wait(
            args.max_duration,
            lambda seconds, text: bar.update(task, completed=seconds, description=text),
            _tell,
        )
    return _finish(args, recorder, started, ending)


def _finish(args: argparse.Namespace, recorder: RecorderClient, started: Any, ending: Ending | None) -> int:
    """Ask the recorder for the result, or look what is left where it cannot be asked."""
    from foley_common.metrics_file import write_metrics
    from foley_perception.commands.tables import print_findings, print_topics, topic_figures
    from foley_perception.ros.record_client import RecordClientError

    stopped: Any = None
    why = ending.text if ending is not None else ""
    if ending is None or ending.cause.can_be_asked:
        try:
            stopped = recorder.stop(patience_s=10.0 if ending is None else 2.0)
        except RecordClientError as error:
            why = why or str(error)
    if stopped is None or stopped.error_code == stopped.ERROR_NOT_RECORDING:
        if stopped is not None:
            why = f"somebody else stopped the recording ({why or stopped.error_msg})"
        return _look(args, recorder, started, why)
    print_topics(stopped.topics, f"{stopped.path}: {stopped.duration:.1f} s, {stopped.bytes / 1e6:.1f} MB")
    print_findings(stopped.findings)
    if ending is not None and not stopped.error_code and stopped.duration > args.max_duration - _EARLY_S:
        why = ""  # its time was over
    told = "; ".join(filter(None, (why, stopped.error_msg)))
    figures = {
        "path": stopped.path,
        "duration_s": stopped.duration,
        "bytes": stopped.bytes,
        "error_msg": told,
        "findings": list(stopped.findings),
        "topics": topic_figures(stopped.topics),
    }
    write_metrics(args.out, figures)
    if told:
        _tell(f"error: {told}; {stopped.path} is finished and holds {stopped.duration:.1f} s")
    return 1 if told else 0


def _look(args: argparse.Namespace, recorder: RecorderClient, started: Any, why: str) -> int:
    """Tell at once what happened, then what is left."""
    from foley_common.metrics_file import write_metrics
    from foley_perception.commands.tables import print_topics, topic_figures
    from foley_perception.recording.kept import look

    _tell(f"error: {why}")
    kept = look(Path(started.path), started.session_id, local=recorder.local)
    figures: dict[str, Any] = {"path": started.path, "error_msg": why, "kept": kept.text, "topics": {}}
    if (report := kept.report) is not None:
        print_topics(report.topics, f"{report.path}: {report.duration_s:.1f} s, {report.bytes / 1e6:.1f} MB")
        figures |= {
            "duration_s": report.duration_s,
            "bytes": report.bytes,
            "messages": report.messages,
            "finished": kept.finished,
            "topics": topic_figures(report.topics),
        }
    write_metrics(args.out, figures)
    _tell(kept.text)
    return 1


def _tell(sentence: str) -> None:
    print(f"foley record: {sentence}", file=sys.stderr, flush=True)
