"""In which form a topic's images are published: raw, or only as image_transport compresses them."""

from __future__ import annotations

from typing import Protocol


class Graph(Protocol):
    """What a node knows of publishers."""

    def count_publishers(self, topic_name: str) -> int: ...

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str: ...


def compressed_names(raw: str) -> tuple[str, ...]:
    """Where image_transport publishes a topic's images compressed: depth without loss, before all else."""
    return (f"{raw}/compressedDepth", f"{raw}/compressed") if "depth" in raw else (f"{raw}/compressed",)


def published_form(graph: Graph, raw: str, transport: str = "auto") -> str | None:
    """The topic to listen to: the raw one, or a compressed one where only that is published; None: nobody publishes.

    Args:
        raw: the topic's resolved name.
    """
    there = [name for name in (raw, *compressed_names(raw)) if graph.count_publishers(name)]
    if transport == "raw":
        return raw
    if transport == "compressed":
        return next((name for name in there if name != raw), None)
    return there[0] if there else None
