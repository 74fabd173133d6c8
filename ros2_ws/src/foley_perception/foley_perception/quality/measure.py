"""One bag to its figures: read once from front to back, then in pieces of a minute for what its reader says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foley_common.robot_file import UNKNOWN_ROBOT, RobotFile
from foley_common.times import NS_PER_S
from foley_perception.audit.bag import of_bag
from foley_perception.audit.roles import roles_of
from foley_perception.clips.grid import CLIP_S
from foley_perception.dataset.contacts import MergedContact
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.names import Naming
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.quality import contacts as touches
from foley_perception.quality import figures
from foley_perception.quality.gallery import contact_figure
from foley_perception.quality.told import Told
from foley_perception.quality.watch import BagWatch
from foley_perception.recording.errors import BagError
from foley_perception.recording.inspect import BagReport
from foley_perception.recording.session import recorded_robot

PIECE_NS = 60 * NS_PER_S
_BESIDE_NS = round(2 * CLIP_S * NS_PER_S)  # is read on each side of a piece, for clips at its edges
_MOST_PIECES = 24 * 60


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of one bag. Both hold what JSON can hold, but for NaN."""

    figures: dict[str, Any]
    pictures: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class MeasureOptions:
    """How bags are measured."""

    naming: Naming = dataclasses.field(default_factory=Naming)
    gallery: int = 6  # contacts that are shown, the first ones


def measure(path: Path, options: MeasureOptions) -> Measured:
    """The figures and pictures of a bag. What is wrong with it is told in them.

    Raises:
        EpisodeError: it is no bag, or none of its files can be read.
    """
    watch, outline, why = _read_right(path, options.naming)
    report = _report(watch, options.naming)
    roles = roles_of({t.topic: t.type for t in report.topics}, report.named, options.naming.namespace)
    assert watch.bag is not None and watch.audit is not None
    verdict = outline.verdict if outline is not None else watch.audit.verdict(roles)
    told = Told(of_bag(report, verdict), watch.bag.unheard)
    found, shown, episode = touches.Found((), "", ()), list[dict[str, Any]](), None
    if outline is not None:
        found = touches.found_contacts(outline, watch.sounds)
        episode, shown = _look(outline, found, options.gallery, told)
    elif why:
        told.reader(why)
    robot = options.naming.robot or recorded_robot(report.session)[0] or UNKNOWN_ROBOT
    known = figures.about(report, verdict) | {
        "topics": figures.of_topics(watch, report, roles, verdict),
        "microphones": figures.of_microphones(watch, outline, roles),
        "cameras": figures.of_cameras(watch, roles),
        "labels": touches.label_figures(episode, found.contacts),
        "findings": told.figures(verdict.clock.stamp_ns(report.start_ns)),
        "quality": robot.quality.told(),
        "limits": robot.content().get("limits", {}),
    }
    known["contacts"] = figures.of_contacts(found, known["microphones"], outline)
    seen = {name: watch.pictures[c["topic"]].thumbs() for name, c in known["cameras"].items()}
    known["thumb"] = figures.thumb_of(next(iter(seen.values()), []))
    watch.bag.close()
    thumbs = {name: figures.of_thumbs(pictures) for name, pictures in seen.items()}
    return Measured(known, {"thumbs": thumbs, "contacts": shown})


# ---- reading -------------------------------------------------------------------------------------------
def _read(path: Path, naming: Naming, robot: RobotFile | None) -> tuple[BagWatch, Outline | None, str]:
    """One pass; without an outline, why it has none. Raises EpisodeError where nothing could be read."""
    watch = BagWatch(naming.mapping, robot)
    try:
        outline = Outline(path, watch=watch, **naming.reading)
    except EpisodeError as error:
        watch.finish()
        if watch.bag is None or not watch.lines:
            raise
        return watch, None, str(error)
    watch.finish()
    return watch, outline, ""


def _read_right(path: Path, naming: Naming) -> tuple[BagWatch, Outline | None, str]:
    """The same by the robot's file of the recording, of which metadata may tell at the end of the bag alone."""
    watch, outline, why = _read(path, naming, naming.robot)
    if outline is not None and (robot := _other_channel(watch, outline)) is not None:
        return _read(path, naming, robot)
    return watch, outline, why


def _report(watch: BagWatch, naming: Naming) -> BagReport:
    """What `foley bag info` tells of the bag."""
    assert watch.bag is not None
    named: dict[str, Any] = {"namespace": naming.namespace, "mapping": naming.mapping}
    try:
        return watch.inspection.report(watch.bag, check_index=True, audit=watch.audit, **named)
    except BagError as error:
        raise EpisodeError(str(error)) from error


def _other_channel(watch: BagWatch, outline: Outline) -> RobotFile | None:
    """The robot whose file says that another channel is heard than was."""
    for device, sound in outline.robot.sound.items():
        meter = watch.sounds.get(outline.names.get(device, ""))
        if meter is not None and meter.channel != sound.channel:
            return outline.robot
    return None


def _look(
    outline: Outline, found: touches.Found, gallery: int, told: Told
) -> tuple[Episode | None, list[dict[str, Any]]]:
    """What the reader of episodes says of the bag, piece by piece; the first contacts for the page."""
    episode = None
    shown: list[dict[str, Any]] = []
    waiting = list(found.contacts[:gallery])
    for number, span in enumerate(_spans(outline)):
        if number == _MOST_PIECES:
            told.reader("messages arrived over more than a day: what the reader says is of the first day")
            break
        try:
            piece = episode_of(outline, span)
        except EpisodeError as error:
            told.reader(str(error))
            break
        episode = episode or piece
        told.episode(piece)
        while waiting and waiting[0].contact.time_ns < span.end_ns:
            shown.append(_placed_figure(piece, waiting.pop(0), outline.start_ns))
    return episode, shown


def _placed_figure(episode: Episode, merged: MergedContact, start_ns: int) -> dict[str, Any]:
    """Of a contact where its episode has it: in the world."""
    same = (c for c in (*episode.truth, *episode.detected) if c.time_ns == merged.contact.time_ns)
    return contact_figure(episode, next(same, merged.contact), start_ns) | {"merged": merged.merged}


def _spans(outline: Outline) -> Iterator[Span]:
    """The recording in pieces; stamps that are wrong by years make no more of them than there is time."""
    start, end = outline.start_ns, max(outline.end_ns, outline.start_ns) + 1
    while start < end:
        stop = min(start + PIECE_NS, end)
        yield Span(start, stop, start - _BESIDE_NS, stop + _BESIDE_NS)
        start = stop
