"""The datasheet of a set of bags (Gebru et al. 2021, Datasheets for Datasets), from its figures alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

_MOTIVATION = """\
A robot's contacts can be heard before they are seen, and models that predict or hear them need recordings
in which every contact is known: when, where, with what motion, on what material. Real recordings name few
of these. This set is simulated, so that all of them are known exactly."""

_PROCESS = """\
MuJoCo moves a robot that touches things on a table. Its contacts (impulse, speed, point, force) drive modal
sound: Hertzian impacts, friction, grains of loose matter, a room and a microphone. Everything follows from
the scene's name and a policy seed; sound, poses and labels repeat bit for bit, images on one machine with
one OpenGL driver. `foley sim generate` writes it again from its name."""

_SPLITS = """| split | what it holds |
| --- | --- |
| `train` | training scenes; held-out objects stand there and are never touched |
| `validation` | scenes and object instances of their own |
| `test` | scenes and object instances of their own, among them shape families that training never shows |
| `test_seen` | training scenes again with other policy seeds; held-out objects are touched too |"""

_LIMITS = """\
- The physics is MuJoCo's with hard shapes; sound comes from modal models of simple shells and solids, not
  from meshes.
- Rooms are shoeboxes, and one microphone hears them. Speech, music and other sources are absent.
- Touches come from one policy at table-top speeds; nothing is grasped, poured or broken.
- Images are rendered without shadows at low resolution.
- What a model scores here says how it does in this world, not on a robot."""


def datasheet(figures: Mapping[str, Any]) -> str:
    """Markdown. ``figures`` as from summary.summary."""
    splits: Mapping[str, Mapping[str, Any]] = figures["splits"]
    title = "; ".join(figures["editions"]) or "recordings"
    return "\n".join(
        (
            f"# Datasheet: {title}",
            "",
            "Made by `foley sim datasheet` from the reports of the bags; figures are counts, not estimates.",
            "",
            "## Motivation",
            "",
            _MOTIVATION,
            "",
            "## Composition",
            "",
            *_table(
                ("split", "recordings", "scans", "hours", "contacts", "on held-out objects", "GB"),
                [_row(name, part) for name, part in (*splits.items(), ("all", figures))],
            ),
            "",
            f"Robots: {', '.join(f'{name} ({n} recordings)' for name, n in figures['robots'].items())}.",
            "",
            *_counts("action", "contacts_by_action", figures),
            *_counts("material", "contacts_by_material", figures),
            *_counts("reaction", "contacts_by_reaction", figures),
            *_cells(splits),
            "### Size by topic",
            "",
            "Bytes of the messages before the chunks are compressed (zstd).",
            "",
            *_topics(figures),
            "",
            "### Sound",
            "",
            f"Largest sample {figures['peak']:.4f} of full scale; {figures['not_finite_samples']} samples are NaN or "
            f"infinite; {figures['limited_samples']} were bent by the guard against overload.",
            "",
            "## Process",
            "",
            _PROCESS,
            "",
            "## Splits",
            "",
            _SPLITS,
            "",
            "## Licence",
            "",
            "The licence of this repository holds for the generator and for what it writes.",
            "",
            "## Known limits",
            "",
            _LIMITS,
            "",
        )
    )


def _row(name: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        str(part["recordings"]),
        str(part["scans"]),
        f"{part['interaction_s'] / 3600:.2f}",
        str(part["contacts"]),
        str(part["held_out_contacts"]),
        f"{part['bytes'] / 1e9:.2f}",
    )


def _counts(title: str, key: str, figures: Mapping[str, Any]) -> list[str]:
    """Contacts by one property, a column per split."""
    splits: Mapping[str, Mapping[str, Any]] = figures["splits"]
    rows = [
        (name or "table", *(str(part[key].get(name, 0)) for part in splits.values()), str(count))
        for name, count in figures[key].items()
    ]
    return [f"### Contacts by {title}", "", *_table((title, *splits, "all"), rows), ""]


def _cells(splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Contacts by material and action, each split a table; reactions behind the material."""
    lines: list[str] = []
    for split, part in splits.items():
        counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for cell, number in part["contacts_by_cell"].items():
            material, action, reaction, _ = cell.split("/")
            counts[(material or "table", reaction or "-")][action] += number
        if not counts:
            continue
        actions = sorted({action for row in counts.values() for action in row})
        rows = [
            (material, reaction, *(str(row.get(action, 0)) for action in actions))
            for (material, reaction), row in sorted(counts.items())
        ]
        lines += [f"### Contacts in `{split}`", "", *_table(("material", "reaction", *actions), rows), ""]
    return lines


def _topics(figures: Mapping[str, Any]) -> list[str]:
    seconds = figures["interaction_s"] + figures["scan_s"]
    rows = [
        (
            f"`{name}`",
            str(figures["messages"].get(name, 0)),
            f"{size / 1e6:.1f}",
            f"{size / max(seconds, 1e-9) / 1e3:.1f}",
        )
        for name, size in sorted(figures["topic_bytes"].items(), key=lambda item: -item[1])
    ]
    return _table(("topic", "messages", "MB", "kB per second"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = tuple(head)
    lines = [f"| {' | '.join(names)} |", f"| {' | '.join('---' for _ in names)} |"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]
