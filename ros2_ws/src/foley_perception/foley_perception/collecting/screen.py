"""A session's screen: a view to what rich draws. It fits 80 columns and any height, and needs no colours."""

from __future__ import annotations

import math

from rich.console import Group, OverflowMethod, RenderableType
from rich.table import Table
from rich.text import Text

from foley_perception.collecting.commands import ROWS, Command, table
from foley_perception.collecting.session import Phase
from foley_perception.collecting.takes import Outcome, Take
from foley_perception.collecting.view import Channel, Row, View, clock

LOWEST_DBFS = -60.0
_HEADS = {
    Phase.IDLE: ("", "ready: the space bar begins a take", "bold"),
    Phase.STARTING: ("...", "the take begins", "bold yellow"),
    Phase.RECORDING: ("REC", "", "bold red"),
    Phase.PAUSED: ("PAUSED", "", "bold yellow"),
    Phase.STOPPING: ("...", "the take is being finished and looked through", "bold yellow"),
    Phase.LOST: ("LOST", "the recorder is gone; it is being looked what is left", "bold red"),
}
_STYLES = {"good": "green", "warning": "yellow", "error": "bold red", "told": ""}
_MARKS = {"good": "+ ", "warning": "! ", "error": "!! ", "told": "  "}


def draw(view: View, width: int, height: int, *, plain: bool = False) -> Group:
    """The screen.

    Args:
        width, height: of the terminal.
        plain: it has ASCII only.
    """
    cut: OverflowMethod = "crop" if plain else "ellipsis"
    head = [_head(view, width, cut)]
    bars = _bars(view.channels, width, plain, cut)
    foot = [Text(view.disk, no_wrap=True, overflow=cut)] if view.disk else []
    wrong = [Text(f"!! {text}", style="bold red" if i == 0 else "red") for i, text in enumerate(view.wrong)]
    if view.last:
        foot.append(Text(f"last take {view.last}", no_wrap=True, overflow=cut))
    foot.append(Text(view.prompt, style="bold") if view.prompt else _keys(width, cut))
    # What is wrong and the keys stay; of topics as many as there is room for.
    taken = len(head) + len(foot) + sum(_lines(text, width) for text in wrong[:4]) + 1
    room = max(height - 1 - taken, 2)
    bars = bars[: max(room - 3, 1)]
    parts: list[RenderableType] = [*head, *bars]
    if view.rows:
        parts += _topics(view.rows, max(room - len(bars) - 1, 1), cut)
    return Group(*parts, *wrong[:4], *foot)


def _lines(text: Text, width: int) -> int:
    return max(math.ceil(len(text.plain) / max(width, 1)), 1)


def _head(view: View, width: int, cut: OverflowMethod) -> Text:
    """The take and the counts; of the rest what there is room for."""
    mark, said, style = _HEADS[view.phase]
    told = " ".join(f"{count} {name}" for name, count in view.counts.items())
    told += f" {view.snapshots} snapshots" if view.snapshots else ""
    line = Text(no_wrap=True, overflow=cut)
    line.append(f"{mark} " if mark else "", style=style)
    if view.phase in (Phase.RECORDING, Phase.PAUSED):
        line.append(f"{view.title}  {clock(view.elapsed)}", style="bold")
        ends = (
            f"  ends by itself in {clock(max(view.remaining, 0.0))}" if math.isfinite(view.remaining) else ""
        )
        for part, how in ((f"  segment {view.segment}" if view.segment else "", "bold cyan"), (ends, "")):
            if line.cell_len + len(part) + len(told) + 2 <= width:
                line.append(part, style=how)
    else:
        waits = view.phase is Phase.IDLE and not view.present
        line.append("waiting for a recorder" if waits else said, style="bold yellow" if waits else style)
    line.append(" " * max(width - line.cell_len - len(told), 2) + told)
    return line


def _keys(width: int, cut: OverflowMethod) -> Text:
    line = Text(style="dim", no_wrap=True, overflow=cut)
    shown = [row for row in ROWS if row.command is not Command.HELP]
    first = "? keys"
    line.append(first)
    for row in (shown[0], shown[-1], *shown[1:-1]):
        word = f"  {row.key} {row.short}"
        if line.cell_len + len(word) >= width:
            break
        line.append(word)
    return line


def _bars(channels: tuple[Channel, ...], width: int, plain: bool, cut: OverflowMethod) -> list[Text]:
    """A level bar for each channel: its level, the highest of the last seconds, and whether it clips."""
    clips = [" CLIPS" if c.clips else f" clipped {c.clipped}" if c.clipped else "" for c in channels]
    long = min(max(width // 4, 12), 24)
    room = max(width - long - len(_told(-1.0, -1.0)) - max([6, *map(len, clips)]) - 4, 8)
    return [_bar(c, clip, long, room, plain, cut) for c, clip in zip(channels, clips, strict=True)]


def _bar(channel: Channel, clip: str, long: int, room: int, plain: bool, cut: OverflowMethod) -> Text:
    full, edge = ("#", "|") if plain else ("█", "│")
    line = Text(no_wrap=True, overflow=cut)
    line.append(_fitted(f"{channel.topic} {channel.channel}", long) + " ")
    filled, held = _cells(channel.peak_dbfs, room), _cells(channel.held_dbfs, room)
    style = "red" if channel.clips else "yellow" if channel.held_dbfs > -6.0 else "green"
    cells = [full if i < filled else " " for i in range(room)]
    if held:
        cells[held - 1] = edge
    line.append("[")
    line.append("".join(cells), style=style)
    line.append(f"] {_told(channel.rms_dbfs, channel.held_dbfs)}")
    line.append(clip, style="bold red")
    return line


def _told(rms_dbfs: float, held_dbfs: float) -> str:
    return f"{_level(rms_dbfs)} peak {_level(held_dbfs)} dBFS"


def _cells(dbfs: float, room: int) -> int:
    """Cells of a bar from LOWEST_DBFS to 0."""
    if not dbfs > LOWEST_DBFS:
        return 0
    return min(math.ceil((dbfs / -LOWEST_DBFS + 1.0) * room), room)


def _level(dbfs: float) -> str:
    return f"{dbfs:5.1f}" if dbfs > -100.0 else " none"


def _fitted(name: str, width: int) -> str:
    """The end of a name that is too long tells more than its beginning."""
    return name.ljust(width) if len(name) <= width else "." + name[len(name) - width + 1 :]


def _topics(rows: tuple[Row, ...], most: int, cut: OverflowMethod) -> list[RenderableType]:
    """As many topics as there is room for, what is bad first among those that would be cut."""
    made = Table(box=None, pad_edge=False, expand=True, show_header=True, header_style="dim")
    made.add_column("topic", no_wrap=True, overflow=cut, ratio=1, min_width=16)
    for name in ("Hz", "of", "silent", "latency", "lost"):
        made.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    shown = list(rows)
    if len(shown) > most:
        kept = sorted(range(len(rows)), key=lambda i: (not rows[i].bad, i))[: max(most - 1, 1)]
        shown = [rows[i] for i in sorted(kept)]
    for row in shown:
        made.add_row(*_cells_of(row), style="bold red" if row.bad else None)
    if len(rows) == len(shown):
        return [made]
    return [made, Text(f"and {len(rows) - len(shown)} more topics", style="dim")]


def _cells_of(row: Row) -> tuple[str, ...]:
    usual = f"{row.usual:.1f}" if row.usual >= 1.0 else "-"
    silence = "never" if row.silence < 0 else f"{row.silence:.1f} s" if row.silence >= 0.1 else "-"
    latency = f"{row.latency * 1e3:.0f} ms" if math.isfinite(row.latency) else "-"
    mark = "! " if row.bad else "  "
    return (mark + row.topic, f"{row.rate:.1f}", usual, silence, latency, str(row.lost))


def event_text(level: str, text: str) -> Text:
    """A sentence, told by its mark as well as by its colour."""
    return Text(_MARKS[level] + text, style=_STYLES[level])


def keys_table(pedals: dict[str, Command]) -> Table:
    """What every key does."""
    made = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    made.add_column("key", no_wrap=True)
    made.add_column("command", no_wrap=True)
    made.add_column("what it does")
    for keys, command, text in table(pedals):
        made.add_row(Text(keys), command, Text(text))
    return made


def takes_table(takes: list[Take]) -> Table:
    """All takes of a session, for its end."""
    made = Table(title="takes", title_justify="left")
    made.add_column("path", overflow="fold")
    for name in ("outcome", "s", "MB", "error", "problem", "note", "success", "labels"):
        made.add_column(name, justify="right" if name != "outcome" else "left", no_wrap=True)
    for take in takes:
        said = {None: "-", True: "yes", False: "no"}[take.success]
        outcome = take.outcome.value if take.outcome is not None else "in progress"
        counts = [str(n) if take.outcome is Outcome.KEPT else "-" for n in take.severities.values()]
        style = None if take.good else "dim" if take.outcome is Outcome.DISCARDED else "red"
        incomplete = " !" if take.outcome is Outcome.KEPT and take.error else ""
        made.add_row(
            Text(take.path or take.title), outcome + incomplete, f"{take.duration_s:.1f}", f"{take.bytes / 1e6:.1f}",
            *counts, said, str(take.labels), style=style,
        )  # fmt: skip
    return made
