"""Many bags to one page: each measured in a process of its own, or taken as it was kept; what is outside is told."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_common.quality_limits import QualityLimits
from foley_perception.dataset.workers import each
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.quality import judge
from foley_perception.quality.judge import Judged
from foley_perception.quality.kept import Kept, file_names, identity
from foley_perception.quality.measure import MeasureOptions, measure
from foley_perception.quality.page import bag_page, folder_page, is_current
from foley_perception.quality.shown_text import printable
from foley_perception.recording.bag_name import distinct_names

PAGE = "report.html"
_NOT_PLAIN = frozenset({"name", "path", "identity", "thumb"})
Progress = Callable[[int, int, str], None]  # done, of how many, which


@dataclasses.dataclass(frozen=True)
class _Job:
    """What a worker is given."""

    bag: Path
    name: str
    file: str
    out: Path
    options: MeasureOptions
    limits: QualityLimits | None  # None: those that the bag was recorded with


def report(
    bags: Sequence[Path],
    out: Path,
    options: MeasureOptions,
    *,
    limits: QualityLimits | None = None,
    workers: int = 1,
    cached: bool = False,
    notes: Sequence[str] = (),
    progress: Progress = lambda done, total, name: None,
) -> list[Judged]:
    """Measure and judge bags; write ``out/report.html``, ``out/metrics.json`` and a page for each bag.

    Args:
        limits: None: of each bag those of the robot's file that it was recorded with.
        cached: bags that were measured before, and whose files are the same, are taken as they were kept.
        notes: what was told of the bags beforehand, for the page.

    Returns:
        The bags in the order in which they were given. One that cannot be read costs itself alone.
    """
    names = [printable(name) for name in distinct_names(bags)]
    jobs = [
        _Job(bag, name, file, out, options, limits)
        for bag, name, file in zip(bags, names, file_names(names), strict=True)
    ]
    done: dict[str, Judged] = {}

    def tell(job: _Job, judged: Judged) -> None:
        done[job.file] = judged
        progress(len(done), len(jobs), job.name)

    waiting = []
    for job in jobs:
        known = _kept(job) if cached else None
        if known is None:
            waiting.append(job)
        else:
            tell(job, known)
    for job, result in each(waiting, _measured, workers):
        tell(job, _unreadable(job, result) if isinstance(result, str) else result)
    judged = [done[job.file] for job in jobs]
    _write(out, judged, notes)
    return judged


def totals(judged: Sequence[Judged]) -> dict[str, Any]:
    """Of all bags together."""
    known = [j.figures for j in judged if j.figures is not None]
    return {
        "bags": len(judged),
        **{state: sum(j.state == state for j in judged) for state in judge.STATES},
        "outside": sum(bool(j.outside or j.error) for j in judged),
        "unreadable": sum(bool(j.error) for j in judged),
        "hours": sum(f["duration_s"] for f in known) / 3600,
        "contacts": sum(f["contacts"]["count"] for f in known),
        "gigabytes": sum(f["bytes"] for f in known) / 1e9,
        "cached": sum(j.cached for j in judged),
    }


# ---- inside --------------------------------------------------------------------------------------------
def _measured(job: _Job) -> Judged | str:
    """In a worker. Why it cannot be read, as a string."""
    try:
        mark = identity(job.bag, _options_mark(job.options))
        measured = measure(job.bag, job.options)
    except (EpisodeError, OSError) as error:
        return str(error)
    about = {"identity": mark, "name": job.name, "path": str(job.bag)}
    kept = Kept(job.out, job.file)
    figures = kept.write(about | measured.figures, measured.pictures)
    return _judged(job, kept, figures, fresh=True)


def _kept(job: _Job) -> Judged | None:
    """What was measured before; None where there is nothing, or it is of other files."""
    kept = Kept(job.out, job.file)
    try:
        figures = kept.figures(identity(job.bag, _options_mark(job.options)))
    except OSError:
        return None  # told where it is read
    return None if figures is None else _judged(job, kept, figures, fresh=False)


def _judged(job: _Job, kept: Kept, figures: dict[str, Any], *, fresh: bool) -> Judged:
    limits = job.limits or QualityLimits(
        **{name: math.nan if value is None else value for name, value in figures["quality"].items()}
    )
    beyond = judge.outside(figures, limits)
    state = judge.state_of(figures, beyond)
    judged = Judged(
        job.name,
        printable(str(job.bag)),
        job.file,
        figures,
        tuple(beyond),
        state,
        cached=not fresh,
        limits=limits,
    )
    if fresh or not is_current(kept.page, limits):
        kept.page.write_text(bag_page(judged, kept.pictures()), encoding="utf-8")
    return judged


def _unreadable(job: _Job, why: str) -> Judged:
    return Judged(job.name, printable(str(job.bag)), job.file, None, error=printable(why))


def _options_mark(options: MeasureOptions) -> str:
    return f"{options.gallery} {options.naming.identity}"


def _write(out: Path, judged: Sequence[Judged], notes: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    whole = totals(judged)
    write_metrics(out, {"totals": whole, "notes": list(notes), "bags": {j.name: _plain(j) for j in judged}})
    single = judged[0] if len(judged) == 1 and judged[0].figures is not None else None
    if single is not None:
        page = bag_page(single, Kept(out, single.file).pictures(), notes=notes)
    else:
        page = folder_page(judged, whole, notes)
    (out / PAGE).write_text(page, encoding="utf-8")


def _plain(judged: Judged) -> dict[str, Any]:
    """A bag for metrics.json, without what only drawings need."""
    figures = _without_lines(judged.figures or {})
    return {
        "path": judged.path,
        "state": judged.state,
        "error": judged.error,
        "outside": [dataclasses.asdict(o) for o in judged.outside],
        **{key: value for key, value in figures.items() if key not in _NOT_PLAIN},
        "limits": judged.limits.judged(),
        "limits_of_roles": figures.get("limits", {}),
    }


def _without_lines(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_lines(v) for k, v in value.items() if not k.endswith("_line")}
    return value
