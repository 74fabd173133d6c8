"""Contacts as rows: of a table on the terminal, and of CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_synthesis.hearing.inference.families import Hierarchy
from foley_synthesis.hearing.inference.sound_file import HeardContact
from foley_synthesis.hearing.listening.files import HeardFile, printable
from foley_synthesis.hearing.listening.listener import SHOWN, Heard, best_of, is_unknown, likeliest, set_said

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    *(
        "file",
        "contact",
        "time_s",
        "level_dbfs",
        "material",
        "probability",
        "material_set",
        "coverage",
        "family",
    ),
    *("action", "log10_e_mean", "log10_e_std", "roughness", "hollowness", "abstain", "reason", "error"),
)


_LIKELY = 0.5  # probability over which something is said
_WIDE = 120  # columns of a terminal that hold all that a hearing model says


def rich_table(files: Sequence[HeardFile], names: Mapping[Path, Path], width: int = 80) -> Table:
    """One row per contact; a file without one, and one that cannot be heard, is a row that says so.

    Several files make a table of short rows, with the name of each; of a single file all is told that is known, as far
    as a terminal of so many columns has room for it.
    """
    from rich.markup import escape
    from rich.table import Table

    single = len(files) == 1
    more = any(contact.heard for file in files for contact in file.contacts)
    whole = single and (not more or width >= _WIDE)
    table = Table(title=escape(printable(files[0].path)) if single else None)
    if not single:
        table.add_column("file", overflow="fold", max_width=28)
    table.add_column(escape("time [s]"), justify="right", no_wrap=True)
    table.add_column(escape("level [dBFS]" if whole else "dBFS"), justify="right")
    table.add_column("material", no_wrap=not whole)
    for heading in (*(("what it can be",) if more else ()), *(("action",) if more and whole else ())):
        table.add_column(heading)
    for heading in ("log10 E [Pa]", "rough", "hollow") if whole else ():
        table.add_column(escape(heading), justify="right")
    table.add_column("note")
    for file in files:
        name = [] if single else [escape(printable(names[file.path]))]
        rows = [_cells(contact, more=more, whole=whole) for contact in file.contacts]
        if not rows:
            told = escape(f"error: {file.reason}") if file.error else "no contact stands out"
            rows = [[*[""] * (len(table.columns) - len(name) - 1), told]]
        for row in rows:
            table.add_row(*name, *row)
            name = [""] * len(name)
    return table


def _cells(contact: HeardContact, *, more: bool, whole: bool) -> list[str]:
    b, heard = contact.belief, contact.heard
    cells = [f"{contact.time_s:.3f}", f"{contact.level_dbfs:.0f}", likeliest(b, SHOWN if whole else 1)]
    if more:
        cells.append(set_text(heard) if heard else "")
    if more and whole:
        cells.append(_share(heard.action) if heard else "")
    if whole:
        cells += [_pm(b.log10_e_mean, b.log10_e_std), _number(b.roughness), _number(b.hollowness)]
    reason = b.reason if b.reason.startswith("abstains") else f"abstains: {b.reason}"
    return [*cells, reason if b.abstain else ""]


def set_text(heard: Heard) -> str:
    """`hard and ringing: metal, glass or ceramic (90 %)`."""
    return f"{set_said(heard)} ({100 * heard.coverage:.0f} %)"


def likely(shares: Mapping[str, float]) -> tuple[str, float]:
    """What is more probable than all else together; empty where nothing is."""
    name, p = best_of(shares)
    return (name, p) if p > _LIKELY else ("", math.nan)


def family_of(heard: Heard) -> str:
    """The smallest family that is more probable than all else together; empty where none is."""
    nodes = Hierarchy.over(heard.belief.vocabulary).nodes
    told = [node for node in nodes if heard.families.get(node.name, 0.0) > _LIKELY]
    return max(told, key=lambda node: node.depth).name if told else ""


def _share(shares: Mapping[str, float]) -> str:
    name, p = likely(shares)
    return f"{name} {p:.2f}" if name else ""


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else ""


def _pm(mean: float, std: float) -> str:
    return f"{mean:.1f} ± {std:.1f}" if math.isfinite(mean) else ""


def write_csv(path: Path, files: Iterable[HeardFile], vocabulary: Sequence[str]) -> None:
    """:data:`COLUMNS`, then the probability of each material as `p_NAME`; unknown numbers are empty.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, (*COLUMNS, *(f"p_{name}" for name in vocabulary)))
        table.writeheader()
        for file in files:
            name = printable(file.path)
            if not file.contacts:
                table.writerow({"file": name, "error": file.error})
            for number, contact in enumerate(file.contacts, 1):
                table.writerow({"file": name, "contact": number, **csv_row(contact)})


def csv_row(contact: HeardContact) -> dict[str, Any]:
    """Of one contact, by column."""
    b, heard = contact.belief, contact.heard
    row: dict[str, Any] = {
        "time_s": f"{contact.time_s:.4f}",
        "level_dbfs": f"{contact.level_dbfs:.1f}",
        "material": "" if is_unknown(b) else b.best,
        "probability": "" if is_unknown(b) else f"{max(b.probabilities):.5f}",
        "abstain": int(b.abstain),
        "reason": b.reason,
    }
    for column in ("log10_e_mean", "log10_e_std", "roughness", "hollowness"):
        value = getattr(b, column)
        row[column] = f"{value:.4f}" if math.isfinite(value) else ""
    if heard is not None:
        row |= {
            "material_set": "|".join(heard.material_set),
            "coverage": f"{heard.coverage:.3f}",
            "family": family_of(heard),
            "action": likely(heard.action)[0],
        }
    return row | {f"p_{name}": f"{p:.5f}" for name, p in zip(b.vocabulary, b.probabilities, strict=True)}
