"""What `foley predicate` prints."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from foley_synthesis.teaching.left_out import CERTAINTY

if TYPE_CHECKING:
    from foley_synthesis.teaching.taught import TaughtPredicate
    from foley_synthesis.teaching.tried import Tried, TriedContact

_MOST_ROWS = 60


def print_left_out(taught: TaughtPredicate) -> None:
    """Every contact as the others judge it; the surest mistakes first."""
    judged = taught.judged
    if judged is None:
        return
    table = _table("contact", "group", "label", "P(TRUE) left out", "")
    own = [p if label else 1.0 - p for p, label in zip(judged.p, judged.labels, strict=True)]
    for k in sorted(range(len(own)), key=lambda k: own[k])[:_MOST_ROWS]:
        example = taught.examples[k]
        table.add_row(
            example.contact_id, _short(example.group), _said(example.label), f"{judged.p[k]:.2f}",
            "" if judged.right[k] else "wrong",
        )  # fmt: skip
    _print(table)
    for title, left in (("contacts", taught.contact), ("groups", taught.group)):
        if left is not None:
            print(
                f"{title} left out in turn: balanced accuracy {left.accuracy:.2f} (chance 0.50, at least "
                f"{left.bound:.2f} with {CERTAINTY:.0%} certainty), log loss {left.log_loss:.2f} (chance 0.69)"
            )


def print_verdict(taught: TaughtPredicate) -> None:
    """Whether it is enough, and what next."""
    print(f"{taught.name}: {taught.positives} positives, {taught.negatives} negatives")
    print(taught.verdict.reason)
    for line in taught.verdict.advice:
        print(f"next: {line}")
    if taught.enough:
        print(f"TRUE from {taught.thresholds.true_above:g} on, FALSE up to {taught.thresholds.false_below:g}")


def print_list(all_taught: Iterable[TaughtPredicate]) -> None:
    """One row each."""
    table = _table("predicate", "positives", "negatives", "left out", "enough", "what it means")
    for taught in all_taught:
        accuracy = "" if math.isnan(taught.accuracy) else f"{taught.accuracy:.2f}"
        table.add_row(
            taught.name, str(taught.positives), str(taught.negatives), accuracy, "yes" if taught.enough else "no",
            taught.text,
        )  # fmt: skip
    _print(table)


def print_tried(taught: TaughtPredicate, result: Tried) -> None:
    """One row per contact, and what they come to."""
    table = _table("contact", "label", "P(TRUE)", "")
    for contact in result.contacts:
        p = contact.probability
        label = "" if contact.label is None else _said(contact.label)
        table.add_row(contact.contact_id, label, "" if math.isnan(p) else f"{p:.2f}", _remark(contact))
    _print(table)
    if not math.isnan(result.accuracy):
        print(
            f"of {result.answered} labelled contacts: balanced accuracy {result.accuracy:.2f} (chance 0.50, at least "
            f"{result.bound:.2f} with {CERTAINTY:.0%} certainty), log loss {result.log_loss:.2f} (chance 0.69)"
        )
    elif any(contact.label is not None for contact in result.contacts):
        print("accuracy needs contacts of both labels that it was not taught with")
    if not taught.enough:
        print(f"`{taught.name}` is not answered yet: {taught.verdict.reason}")


def _remark(contact: TriedContact) -> str:
    if math.isnan(contact.probability):
        return "unlike all that were taught"
    if contact.taught:
        return "taught with it"
    return "wrong" if contact.label not in (None, contact.probability > 0.5) else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _print(table: Table) -> None:
    Console(markup=False, highlight=False).print(table)


def _short(group: str) -> str:
    return group.rpartition("/")[2]


def _said(label: bool) -> str:
    return "TRUE" if label else "FALSE"
