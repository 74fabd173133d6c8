"""Writing a data set, or bags, in any of the formats: whole, or plainly unfinished and to be gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foley_perception import __version__
from foley_perception.dataset.export.demonstrations import Demonstrations
from foley_perception.dataset.export.format import AnyFormat, BagFormat, Facts, Plan
from foley_perception.dataset.export.huggingface import HUGGINGFACE
from foley_perception.dataset.export.lerobot import LEROBOT
from foley_perception.dataset.export.rlds import RLDS
from foley_perception.dataset.export.unfinished import opened
from foley_perception.dataset.export.webdataset import WEBDATASET
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError

ABOUT_FILE = "export.json"
FORMATS: tuple[AnyFormat, ...] = (WEBDATASET, HUGGINGFACE, LEROBOT, RLDS)
Progress = Callable[[int, int], None]


def format_named(name: str) -> AnyFormat:
    """One of FORMATS. Raises DatasetError."""
    chosen = next((form for form in FORMATS if form.name == name), None)
    if chosen is None:
        raise DatasetError(f"format is `{name}`, known are {', '.join(form.name for form in FORMATS)}")
    return chosen


def export_dataset(
    dataset: ClipDataset, name: str, out: Path, progress: Progress = lambda done, total: None
) -> Facts:
    """Write all clips and windows of a data set; returns what `export.json` in the new folder says.

    Args:
        name: of one of FORMATS.
        progress: called with items done and their number.

    Raises:
        DatasetError: no such format, or none for data sets, ``out`` is there already or cannot be written, it was begun
            from another data set, or the data set is damaged.
    """
    form = format_named(name)
    if isinstance(form, BagFormat):
        raise DatasetError(
            f"format `{name}` is made of bags, whole demonstrations; {dataset.path} is a data set of clips: name the "
            f"bags that it was built from ({_sources(dataset)})"
        )
    counts: Facts = {
        "fingerprint": dataset.fingerprint,
        "clips": len(dataset),
        "windows": len(dataset.windows),
    }
    if dataset.leaks:
        counts["leaks"] = list(dataset.leaks)
    return _export(form, lambda folder: form.plan(dataset), counts, out, progress)


def export_bags(
    bags: Demonstrations, name: str, out: Path, progress: Progress = lambda done, total: None
) -> Facts:
    """Write bags, each an episode; returns what `export.json` in the new folder says.

    Raises:
        DatasetError: as of :func:`export_dataset`; a bag cannot be used, or bags do not have the same devices.
        EpisodeError: a bag cannot be read.
    """
    form = format_named(name)
    if not isinstance(form, BagFormat):
        raise DatasetError(
            f"format `{name}` is made of a data set of clips, not of bags: make one with `foley dataset build BAGS... "
            f"--out DATASET`, then `foley dataset export DATASET --format {name}`"
        )
    form.check(bags)
    return _export(form, lambda folder: form.plan(bags, folder), bags.identity(), out, progress)


def _export(
    form: AnyFormat,
    plan_of: Callable[[Path], Plan],
    identity: Mapping[str, Any],
    out: Path,
    progress: Progress,
) -> Facts:
    about: Facts = {"format": form.name, **identity, "foley_version": __version__}
    if isinstance(form, BagFormat):
        about["bags"] = sorted(identity["bags"])
    with opened(out, {"format": form.name, **identity, "foley_version": __version__}) as unfinished:
        plan = plan_of(unfinished.cache)
        done, total = 0, sum(shard.items for shard in plan.shards)
        facts: dict[str, Facts] = {}

        def step() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        for shard in plan.shards:
            known = unfinished.done(shard)
            if known is not None:
                done += shard.items
                progress(done, total)
            facts[shard.name] = unfinished.write(shard, step) if known is None else known
        about |= plan.about

        def finish(folder: Path) -> None:
            about.update(plan.finish(folder, facts))
            text = json.dumps(about, indent=2, allow_nan=False)
            (folder / ABOUT_FILE).write_text(text + "\n", encoding="utf-8")

        unfinished.finish(plan.shards, finish)
    progress(total, total)
    return about


def _sources(dataset: ClipDataset) -> str:
    """The first of the bags that a data set was built from."""
    sources = dataset.manifest.get("sources")
    entries = [entry for entry in sources if isinstance(entry, dict)] if isinstance(sources, list) else []
    names = [str(entry.get("bag") or entry.get("session_id")) for entry in entries]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") or "see its manifest.json"
