"""What recordings hold, as one digest per topic: the same before and after a change that must not change them."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader

from foley_sim.editions import VERSION
from foley_sim.offline.collections import Recording, recordings
from foley_sim.offline.job import job_of
from foley_sim.ros.bag import write_bag
from foley_sim.ros.bag_file import typestore

IMAGELESS = {"camera_rate_hz": 0.0, "depth_rate_hz": 0.0}


def bag_digests(bag: Path) -> dict[str, str]:
    """The first half of the SHA-256 over log times and values of every message, by topic.

    Messages are serialised anew, which leaves zeros in the padding, where a bag may hold anything.

    Raises:
        ValueError: not a bag.
    """
    store = typestore()
    found: dict[str, Any] = {}
    if not (bag / "metadata.yaml").is_file():
        raise ValueError(f"{bag}: is no bag")
    with AnyReader([bag], default_typestore=store) as reader:
        for connection, log_ns, raw in reader.messages():
            total = found.setdefault(connection.topic, hashlib.sha256())
            total.update(log_ns.to_bytes(8, "little", signed=True))
            total.update(store.serialize_cdr(reader.deserialize(raw, connection.msgtype), connection.msgtype))
    return {topic: total.hexdigest()[:32] for topic, total in sorted(found.items())}


def chosen(collection: str) -> list[Recording]:
    """The first interaction of each split of a collection.

    Raises:
        ValueError: unknown collection.
    """
    touched = [r for r in recordings(collection) if r.kind == "interact"]
    return list({r.split: r for r in reversed(touched)}.values())[::-1]


def opening_digests(
    collection: str, seconds: float, edition_version: int = VERSION
) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and digests of the first interaction of each split of a collection, as if it ended after these seconds.

    Without images, which follow from one machine's OpenGL and take most of the time.

    Raises:
        ValueError: unknown collection or version.
        NoRenderer: there is no OpenGL.
    """
    for recording in chosen(collection):
        with tempfile.TemporaryDirectory() as folder:
            whole = job_of(recording, Path(folder), edition_version=edition_version)
            job = dataclasses.replace(whole, duration_s=seconds, **IMAGELESS)
            write_bag(job)
            yield recording.name, bag_digests(job.folder)
