"""The pages of a quality report: one for a folder of bags, one for each bag. Self-contained: nothing is fetched."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_common.quality_limits import QualityLimits
from foley_perception.audit.rules import RULES
from foley_perception.quality import columns, judge, plots
from foley_perception.quality.judge import Judged

if TYPE_CHECKING:
    from jinja2 import Template

_HEAD = 600  # bytes of a page in which its mark stands


def is_current(page: Path, limits: QualityLimits) -> bool:
    """Whether a bag's page was written by this version, and by these limits."""
    try:
        with page.open("rb") as file:
            return _mark(limits).encode() in file.read(_HEAD)
    except OSError:
        return False


def bag_page(judged: Judged, pictures: Mapping[str, Any], notes: Sequence[str] = ()) -> str:
    """All of one bag."""
    figures = judged.figures
    assert figures is not None
    return _template("bag.html.j2").render(
        **_common(judged.limits),
        bag=judged,
        figures=figures,
        notes=list(notes),
        facts=_facts(figures),
        outside=judged.outside,
        findings=[f | {"costs": _COSTS.get(f["rule"], "")} for f in figures["findings"]],
        thumbs=pictures["thumbs"],
        contacts=pictures["contacts"],
        sounds=[_sound(name, f, figures, judged) for name, f in figures["microphones"].items()],
        cameras=[_camera(name, f, figures, judged) for name, f in figures["cameras"].items()],
        topics=[_topic(name, f, figures) for name, f in figures["topics"].items()],
        skews=_skews(figures, judged),
    )


def folder_page(bags: Sequence[Judged], totals: Mapping[str, Any], notes: Sequence[str]) -> str:
    """The table of all bags, and how their figures are spread."""
    known = [j for j in bags if j.figures is not None]
    limits = known[0].limits if known else QualityLimits()
    same = all(repr(j.limits) == repr(limits) for j in known)
    return _template("folder.html.j2").render(
        **_common(limits),
        totals=totals,
        notes=list(notes),
        columns=columns.COLUMNS,
        rows=sorted((columns.row(j) for j in bags), key=lambda row: int(row["rank"])),
        reasons=columns.reasons(bags),
        histograms=columns.histograms(
            [j.figures for j in known if j.figures is not None], limits if same else None
        ),
        same_limits=same,
    )


# ---- inside --------------------------------------------------------------------------------------------
_COSTS: Mapping[str, str] = {rule.name: rule.costs for rule in RULES}


def _mark(limits: QualityLimits) -> str:
    """Of the templates and the limits that a page was made by."""
    return hashlib.sha256(f"{_sources()} {limits!r}".encode()).hexdigest()[:16]


@functools.cache
def _sources() -> str:
    return "".join(_source(name) for name in ("bag.html.j2", "page.css"))


def _source(name: str) -> str:
    return (
        importlib.resources.files("foley_perception").joinpath(f"data/bag_report/{name}").read_text("utf-8")
    )


@functools.cache
def _template(name: str) -> Template:
    from jinja2 import DictLoader, Environment

    names = ("bag.html.j2", "folder.html.j2", "parts.html.j2")
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({n: _source(n) for n in names}),
    )
    environment.filters["shown"] = lambda value, name: (
        "-" if value is None else judge.shown(name, float(value))
    )
    return environment.get_template(name)


def _common(limits: QualityLimits) -> dict[str, Any]:
    from markupsafe import Markup

    return {
        "mark": _mark(limits),
        "css": Markup(_source("page.css")),
        "js": Markup(_source("page.js")),
        "limits": [
            (name, judge.title_of(name), judge.shown(name, bound).removeprefix("+"))
            for name, bound in limits.judged().items()
        ],
        "draw": lambda svg: Markup(svg),  # of plots.py, which escapes
        "plots": plots,
    }


def _facts(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tiles at the top."""
    main = next(iter(figures["microphones"].values()), None)
    camera = next(iter(figures["cameras"].values()), None)
    contacts, labels = figures["contacts"], figures["labels"]
    found = [
        ("duration", columns.duration(figures["duration_s"])),
        ("size", columns.size(figures["bytes"])),
        ("contacts", f"{contacts['count']}"),
    ]
    if contacts["count"] and labels["coverage"] is not None:
        found.append(("labelled", judge.shown("_coverage", labels["coverage"])))
    if main is not None and main["noise_floor_dbfs"] is not None:
        found.append(("noise floor", judge.shown("_dbfs", main["noise_floor_dbfs"])))
    if contacts["margin_db"] is not None:
        found.append(("contacts over it", judge.shown("_db", contacts["margin_db"])))
    if camera is not None and camera["blur_median"] is not None:
        found.append(("blur", judge.shown("_blur", camera["blur_median"])))
    return found


def _sound(name: str, f: Mapping[str, Any], figures: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    first = name == next(iter(figures["microphones"]))
    level = plots.plot(
        f["level_line"],
        lambda v: f"{v:.0f} dB",
        marks=figures["contacts"]["times_s"] if first else (),
        bound=judged.limits.max_noise_floor_dbfs,
        duration_s=figures["duration_s"],
    )
    return {"name": name, "figures": f, "level": level, "bad": columns.bad(judged, name)}


def _camera(name: str, f: Mapping[str, Any], figures: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    size = {"duration_s": figures["duration_s"], "span": (0.0, 1.0), "width": 400, "height": 84}
    return {
        "name": name,
        "figures": f,
        "bad": columns.bad(judged, name),
        "blur": plots.plot(f["blur_line"], lambda v: f"{v:.2g}", bound=judged.limits.max_blur, **size),
        "brightness": plots.plot(f["brightness_line"], lambda v: f"{v:.2g}", **size),
    }


def _topic(name: str, f: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "rate": plots.spark(f.get("rate_line"), bottom=0.0), **f}


def _skews(figures: Mapping[str, Any], judged: Judged) -> list[tuple[str, str, float | None]]:
    """Arrival minus stamp of each sensor over time, and its slope."""
    found = []
    for name, f in figures["topics"].items():
        if "skew_line" in f and f["sensor"]:
            drawn = plots.plot(
                f["skew_line"],
                lambda v: f"{v * 1e3:.1f} ms",
                duration_s=figures["duration_s"],
                least=1e-3,
                width=420,
                height=84,
            )
            found.append((name, drawn, f["drift_ppm"]))
    return found
