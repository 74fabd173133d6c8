"""``foley bag``: look into recordings, judge them, save what is left of damaged ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_perception.commands import bag_report, frame_options, topic_options

if TYPE_CHECKING:
    from foley_perception.audit.finding import Finding

HELP = "look into recordings, check and judge them, or recover one that was cut off or damaged"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n  foley bag info bags/kitchen_1\n  foley bag check bags/kitchen_1\n  foley bag report bags\n"
        f"  foley bag check bags/theirs {topic_options.EXAMPLE}\n"
        "  foley bag recover bags/kitchen_1\n"
        "  foley bag migrate bags/of_last_year\n"
        "  foley bag add-transform bags/kitchen_1 out/hand_eye/camera.yaml --to bags/kitchen_1-tf"
    )
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="info|check|report|recover|migrate|add-transform"
    )
    info = actions.add_parser("info", help="topics, rates, losses, session metadata")
    check = actions.add_parser("check", help="say what is wrong with it; exit code 1 if anything is")
    bag_report.configure(actions)
    recover = actions.add_parser(
        "recover",
        help="write a whole bag of what is left of one that was cut off or damaged, which stays as it is",
    )
    add = actions.add_parser(
        "add-transform", help="copy a bag, with a static transform that was found after it was recorded"
    )
    migrate = actions.add_parser(
        "migrate",
        help="write a bag of an earlier release in today's definitions, beside it; it can be read without",
    )
    for sub in (info, check, recover, migrate, add):
        sub.add_argument("path", help="bag folder, or one .mcap or .db3 file")
    for sub in (info, check):
        sub.add_argument("--out", default="out/bag", help="folder for metrics.json (default: %(default)s)")
        topic_options.add(sub)
    frame_options.add(check)
    check.add_argument(
        "--hand", default="", help="hand file whose joint joint_states must tell (default: any)"
    )
    add.add_argument("transform", help="file that `foley calibrate` or `foley scene register` wrote")
    add.add_argument("--to", required=True, metavar="DIR", help="new bag, must not exist")
    for sub, suffix in ((recover, "recovered"), (migrate, "migrated")):
        sub.add_argument(
            "--to",
            metavar="DIR",
            help=f"new bag, must not exist (default: beside the old one, BAG-{suffix})",
        )
        sub.add_argument(
            "--in-place",
            action="store_true",
            help="give the new bag the name of the old one, which is kept as BAG.original",
        )


def run(args: argparse.Namespace) -> int:
    try:
        actions = {
            "info": _info,
            "check": _check,
            "report": bag_report.run,
            "recover": _recover,
            "migrate": _migrate,
            "add-transform": _add_transform,
        }
        return actions[args.action](args)
    except ValueError as error:  # a BagError is one
        print(f"foley bag: error: {error}", file=sys.stderr)
        return 2


def _info(args: argparse.Namespace) -> int:
    from foley_perception.recording.foreign_sound import Codings
    from foley_perception.recording.inspect import inspect_bag

    naming = topic_options.naming_of(args, [Path(args.path)])
    codings = Codings()
    report = inspect_bag(args.path, namespace=naming.namespace, mapping=naming.mapping, audit=codings)
    _print(args, report)
    for line in codings.lines():
        print(f"  {line}")
    for key, value in report.session.items():
        print(f"  {key}: {value}")
    for problem in report.problems:
        print(f"  ! {problem}")
    return 0


def _print(
    args: argparse.Namespace, report: object, findings: Sequence[Finding] = (), start_ns: int = 0
) -> None:
    from foley_common.metrics_file import write_metrics
    from foley_perception.commands.tables import print_topics, topic_figures
    from foley_perception.recording.inspect import BagReport

    assert isinstance(report, BagReport)
    title = (
        f"{report.path}: {report.duration_s:.1f} s, {report.messages} messages, {report.bytes / 1e6:.1f} MB"
    )
    print_topics(report.topics, title)
    pauses = [
        [(min(t, report.end_ns) - report.start_ns) * 1e-9 for t in (pause.start_ns, pause.end_ns)]
        for pause in report.pauses
    ]
    if pauses:
        when = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in pauses)
        print(f"  paused: {when}, which no duration counts")
    figures = {
        "path": str(report.path),
        "duration_s": report.duration_s,
        "pauses_s": pauses,
        "messages": report.messages,
        "bytes": report.bytes,
        "topics": topic_figures(report.topics),
        "problems": list(report.problems),
        "findings": [
            {"rule": f.rule, "severity": f.severity.name.lower(), "topic": f.topic, "text": f.text}
            | {"time_s": None if f.time_ns is None else (f.time_ns - start_ns) * 1e-9}
            for f in findings
        ],
    }
    write_metrics(args.out, figures)


def _check(args: argparse.Namespace) -> int:
    from foley_common.foreign_audio import raw_formats
    from foley_common.robot_file import USUAL_HAND
    from foley_perception.action.gripper import GripperHand
    from foley_perception.audit.bag import of_bag
    from foley_perception.audit.finding import Finding, Severity
    from foley_perception.audit.recording import RecordingAudit
    from foley_perception.audit.roles import roles_of
    from foley_perception.commands.tables import print_findings
    from foley_perception.episodes import EpisodeError
    from foley_perception.episodes.outline import Outline
    from foley_perception.episodes.planned_path import plan_findings
    from foley_perception.episodes.reader import episode_of
    from foley_perception.recording.inspect import inspect_bag
    from foley_perception.recording.session import recorded_robot

    naming = topic_options.naming_of(args, [Path(args.path)])
    named: dict[str, Any] = {"namespace": naming.namespace, "mapping": naming.mapping}
    audit, clocks = RecordingAudit(), []
    report = inspect_bag(args.path, check_index=True, audit=audit, **named)
    types = {topic.topic: topic.type for topic in report.topics}
    robot = naming.robot or recorded_robot(report.session)[0]
    sound, roles = robot.sound if robot else {}, roles_of(types, report.named, naming.namespace)
    channels = {
        n: sound[t.device].channel for n, t in roles.items() if t.reader == "audio" and t.device in sound
    }
    verdict = audit.verdict(roles, channels, raw_formats(sound))
    outline: Outline | EpisodeError
    try:
        outline = Outline(Path(args.path), keep=True, **naming.reading)
        if outline.latencies:
            verdict = outline.verdict  # of stamps as they are read, not as they came
    except EpisodeError as error:
        outline = error
    found = of_bag(report, verdict)
    told = [finding.text for finding in found]
    try:
        hand = GripperHand.from_yaml(args.hand) if args.hand else None
        if isinstance(outline, EpisodeError):
            raise outline
        episode = episode_of(outline, frames=frame_options.frames_of(args))
    except EpisodeError as error:
        rest = str(error)
        for text in told:
            rest = rest.replace(text, "")
        if rest.strip("; "):
            found.insert(0, Finding("reader", Severity.ERROR, "", str(error)))
    else:
        if hand is None and (episode.robot.hand or episode.robot.gripper_joint):
            hand = GripperHand.from_yaml(episode.robot.hand_reference)
        planned = plan_findings(episode, hand or GripperHand.from_yaml(USUAL_HAND))
        found += [f for f in (*episode.findings, *planned) if f.text not in told]
        told += [finding.text for finding in found]
        more = [*episode.problems, *episode.motion_problems(hand)]
        if hand is None:
            more += map(str, episode.width_findings(GripperHand.from_yaml(USUAL_HAND)))
        more = [text for text in dict.fromkeys(more) if text not in told]
        found += [Finding("reader", Severity.PROBLEM, "", text) for text in more]
        for segment in episode.audio.segments if episode.audio is not None else ():
            clocks.append(
                f"sound `{segment.stream_id}`: {segment.sample_rate} Hz, "
                f"clock {segment.clock.drift_ppm(segment.sample_rate):+.1f} ppm, stamp jitter "
                f"{segment.clock.jitter_s * 1e3:.3f} ms, {segment.clock.rejected} stamps rejected"
            )
    _print(args, report, found, verdict.clock.stamp_ns(report.start_ns))
    print_findings(clocks, mark="")
    print_findings([finding.line for finding in found])
    wrong = sum(finding.severity > Severity.NOTE for finding in found)
    print("good" if not wrong else f"{wrong} problem(s)")
    return 1 if wrong else 0


def _recover(args: argparse.Namespace) -> int:
    from foley_perception.recording.recovery import recover_bag

    if args.to and args.in_place:
        print("foley bag: error: --to and --in-place exclude each other", file=sys.stderr)
        return 2
    done = recover_bag(Path(args.path), to=Path(args.to) if args.to else None, in_place=args.in_place)
    for fault in done.faults:
        print(f"  ! {fault}")
    if not done.faults:
        print(f"{done.path}: is whole, {done.messages} messages; nothing was written")
        return 0
    lost = f"{done.lost or 'no'} messages are lost"
    if done.lost_more:
        counted = f"{done.lost} messages are lost, and" if done.lost else "messages may be lost:"
        lost = f"{counted} it is unknown how many were in what is damaged or missing"
    print(f"{done.path}: a whole bag, {done.messages} messages; {lost}")
    print(f"{done.original}: {'the original, kept here' if args.in_place else 'the original, as it was'}")
    return 0


def _migrate(args: argparse.Namespace) -> int:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from foley_perception.recording.migrate import migrate_bag
    from foley_perception.recording.versions import BAG_VERSION

    if args.to and args.in_place:
        print("foley bag: error: --to and --in-place exclude each other", file=sys.stderr)
        return 2
    with Progress(SpinnerColumn(), TextColumn("{task.completed} messages"), TimeElapsedColumn()) as bar:
        task = bar.add_task("", total=None)
        done = migrate_bag(
            Path(args.path),
            to=Path(args.to) if args.to else None,
            in_place=args.in_place,
            progress=lambda count: bar.update(task, completed=count),
        )
    for problem in done.problems:
        print(f"  ! {problem}")
    if not done.changes:
        print(
            f"{done.path}: its definitions are those of today, {done.messages} messages; nothing was written"
        )
        return 0
    for change in done.changes:
        print(f"  {change}")
    print(f"{done.path}: bag version {BAG_VERSION}, was {done.version}; {done.messages} messages")
    print(f"{done.original}: {'the original, kept here' if args.in_place else 'the original, as it was'}")
    return 0


def _add_transform(args: argparse.Namespace) -> int:
    from foley_perception.geometry.static_transform import StaticTransform
    from foley_perception.ros.derived_topics import copy_with_transform

    transform = StaticTransform.read(Path(args.transform))
    copied = copy_with_transform(Path(args.path), Path(args.to), transform)
    for problem in copied.problems:
        print(f"foley bag: {problem}", file=sys.stderr)
    print(
        f"{args.to}: {copied.messages} messages; /tf_static says where {transform.child} is in "
        f"{transform.parent}"
    )
    return 0
