"""A bag cut piece by piece, so that two hours of it need no more memory than a minute.

::

    bag --(once)--> outline --> survey --> pieces of 60 s, each an episode --> clips and windows

A piece owns the contacts within it and the windows that end within it, and is read with all that their rules look at
beyond. What comes out is what cutting the whole episode gives, byte by byte.
"""

from __future__ import annotations

import bisect
import dataclasses
import re
from collections.abc import Iterator

from foley_common.times import NS_PER_S
from foley_perception.audit.finding import Severity
from foley_perception.clips.action import MAX_GAP_NS
from foley_perception.clips.grid import CLIP_BEFORE_S, CLIP_S
from foley_perception.clips.inputs import AROUND_NS
from foley_perception.clips.pictures import STALE_NS, STILL_BACK_S, STILL_BEFORE_S
from foley_perception.contact_event import Contact
from foley_perception.dataset.contacts import MergedContact
from foley_perception.dataset.cut import CutConfig, Cutter, Tally
from foley_perception.dataset.further import absent_problems
from foley_perception.dataset.rows import Rows
from foley_perception.dataset.schema import Clip
from foley_perception.dataset.staging import Cut
from foley_perception.dataset.survey import WINDOW_NS, Survey, survey_outline
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of
from foley_perception.episodes.tracks import EpisodeError

PIECE_S = 60.0
# What the rules of a clip look at: the still back from the contact, and motion on each side of it.
_BEFORE_NS = round(max(STILL_BEFORE_S + STILL_BACK_S, CLIP_BEFORE_S) * NS_PER_S) + max(STALE_NS, MAX_GAP_NS)
_AFTER_NS = max(AROUND_NS, round((CLIP_S - CLIP_BEFORE_S) * NS_PER_S)) + MAX_GAP_NS


@dataclasses.dataclass(frozen=True)
class Piece:
    """A stretch of a recording and what it owns."""

    span: Span
    contacts: tuple[tuple[int, MergedContact], ...]  # with their numbers in the recording
    windows: range  # starts


def cut_bag(outline: Outline, config: CutConfig, rows: Rows, *, piece_s: float = PIECE_S) -> Cut:
    """Cut the bag of an outline.

    Raises:
        EpisodeError, DatasetError, OwnNoiseError: it cannot be used.
    """
    survey = survey_outline(
        outline,
        merge_s=config.merge_s,
        onsets=config.onsets,
        frames=config.frames,
        own_noise=config.own_noise,
    )
    rows.claim(str(outline.session["session_id"]))
    tally, told = Tally(), _Told(survey)
    episode = episode_of(outline, Span(*[outline.start_ns] * 4), frames=config.frames)
    told.add(Cutter(episode, config, survey, Tally()), episode)
    clips: list[Clip] = []
    for piece in pieces(survey, round(piece_s * NS_PER_S), windows=config.windows):
        episode = episode_of(outline, piece.span, frames=config.frames)
        cutter = Cutter(episode, config, survey, tally)
        for data in cutter.clips(_placed(piece, survey, episode)):
            rows.add_clip(data)
            clips.append(data.clip)
        for window in cutter.windows(clips, piece.windows):
            rows.add_window(window)
        clips = [clip for clip in clips if clip.contact_ns >= piece.span.end_ns - WINDOW_NS]
        told.add(cutter, episode)
    return Cut(
        session_id=episode.session_id,
        scene_id=episode.scene_id or episode.session_id,
        split=episode.split,
        skipped=dict(tally.skipped),
        problems=(*told.all(), *absent_problems(tally.devices), *tally.problems),
    )


def pieces(survey: Survey, length_ns: int, *, windows: bool) -> Iterator[Piece]:
    """The pieces of a recording that own something, in order of time."""
    starts = survey.windows if windows else range(0)
    times = [merged.contact.time_ns for merged in survey.contacts]
    done = ended = 0
    while done < len(times) or ended < len(starts):
        # From the first that no piece owns yet: a recording may pause, and stamps may be wrong by years.
        start = min([*times[done : done + 1], *(t + WINDOW_NS for t in starts[ended : ended + 1])]) - 1
        end = start + length_ns
        own = range(done, bisect.bisect_left(times, end))
        cut = starts[ended : bisect.bisect_right(starts, end - WINDOW_NS)]  # all contacts in them are known
        needed = [(times[i] - _BEFORE_NS, times[i] + _AFTER_NS) for i in (*own[:1], *own[-1:])]
        needed += [(t - AROUND_NS, t + WINDOW_NS + AROUND_NS) for t in (*cut[:1], *cut[-1:])]
        span = Span(start, end, min(n[0] for n in needed), max(n[1] for n in needed))
        yield Piece(span, tuple((i, survey.contacts[i]) for i in own), cut)
        done, ended = own.stop, ended + len(cut)


# ---- inside --------------------------------------------------------------------------------------------
def _placed(piece: Piece, survey: Survey, episode: Episode) -> list[tuple[int, MergedContact]]:
    """A piece's contacts in the world, where they were recorded in another frame."""
    if survey.by_ear:
        return list(piece.contacts)
    placed = {_identity(contact): contact for contact in episode.truth or episode.detected}
    return [(i, m._replace(contact=placed[_identity(m.contact)])) for i, m in piece.contacts]


def _identity(contact: Contact) -> tuple[int, str, str]:
    return contact.time_ns, contact.contact_id, contact.object_id


class _Told:
    """What is wrong with a recording, once, whatever the pieces say of it."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._problems: dict[str, str] = {}
        self._found: dict[tuple[str, str], dict[str, None]] = {}  # by rule and topic: what was said
        self._unplaced: list[str] = []
        self._located = False

    def add(self, cutter: Cutter, episode: Episode) -> None:
        for problem in cutter.problems:
            # A count of one piece is another than that of the next.
            self._problems.setdefault(re.sub(r"(?<![\w/.])\d+(\.\d+)?", "#", problem), problem)
        for finding in episode.findings:
            if finding.severity == Severity.PROBLEM:
                self._found.setdefault((finding.rule, finding.topic), {})[str(finding)] = None
        self._unplaced += episode.unplaced
        self._located |= any(c.located for c in (*episode.truth, *episode.detected))

    def all(self) -> list[str]:
        """Raises EpisodeError where no contact at all can be placed."""
        recorded = any(merged.contact.located for merged in self._survey.contacts)
        if self._unplaced and recorded and not self._located:
            raise EpisodeError(self._unplaced[0])
        found = []
        for first, *others in self._found.values():
            found.append(first + (f" (and {len(others)} more like this)" if others else ""))
        return [*self._problems.values(), *found]
