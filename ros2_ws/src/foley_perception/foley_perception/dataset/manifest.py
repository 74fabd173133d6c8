"""Finishing a dataset: tables, counts, fingerprint, manifest. And checking a finished one."""

from __future__ import annotations

import collections
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from foley_perception.clips import grid
from foley_perception.dataset import schema, store
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import Clip, DatasetError, Window
from foley_perception.dataset.splits import check_leaks
from foley_perception.geometry import crop


def finish(
    folder: Path,
    clip_rows: Sequence[store.Row] | pa.Table,
    window_rows: Sequence[store.Row] | pa.Table,
    *,
    sources: Sequence[Mapping[str, Any]] = (),
    notes: Mapping[str, Any] | None = None,
    leaks: Sequence[str] = (),
) -> dict[str, Any]:
    """Check for leaks, write tables and manifest (the manifest last: without it nothing is a dataset).

    Splits that are known to leak (``leaks``, in sentences) are written as they are, and marked.

    Raises:
        LeakError: the splits leak; nothing is written.
    """
    clips = clip_rows if isinstance(clip_rows, pa.Table) else store.to_table(clip_rows, store.CLIP_SCHEMA)
    windows = (
        window_rows if isinstance(window_rows, pa.Table) else store.to_table(window_rows, store.WINDOW_SCHEMA)
    )
    clips, windows = clips.sort_by("clip_id"), windows.sort_by("window_id")
    clip_list, window_list = store.table_clips(clips), store.table_windows(windows)
    _check_unique(clip_list, window_list)
    if not leaks:
        check_leaks(clip_list, window_list)
    (folder / "manifest.json").unlink(missing_ok=True)
    store.write_table(folder / "clips.parquet", clips)
    store.write_table(folder / "windows.parquet", windows)
    manifest = {
        "schema_version": schema.SCHEMA_VERSION,
        "rates": {
            "audio_hz": grid.SAMPLE_RATE,
            "frames_hz": grid.FRAME_RATE,
            "action_hz": grid.ACTION_RATE,
            "window_frames_hz": grid.WINDOW_FRAME_RATE,
        },
        "clip": {"length_s": grid.CLIP_S, "before_contact_s": grid.CLIP_BEFORE_S},
        "window": {"length_s": grid.WINDOW_S},
        "crop": {"size_px": crop.CROP_SIZE, "half_size_m": crop.CROP_HALF_SIZE_M},
        "vocabulary": {
            "materials": sorted({clip.material for clip in clip_list if clip.material}),
            "actions": sorted({clip.action for clip in clip_list}),
        },
        "domains": sorted({clip.domain for clip in clip_list}),
        "splits": _counts(clip_list, window_list),
        **_devices(clip_list, window_list),
        "sources": [dict(source) for source in sources],
        "fingerprint": store.fingerprint(folder, (clips, windows)),
        **({"leaks": list(leaks)} if leaks else {}),
        **(dict(notes) if notes else {}),
    }
    temporary = folder / "manifest.json.tmp"
    temporary.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / "manifest.json")
    return manifest


def check(folder: Path) -> dict[str, Any]:
    """Read a finished dataset as a stranger would: leaks, media, counts and fingerprint.

    Returns:
        Counts per split, the fingerprint, and by what the splits leak where that was known when they were taken.

    Raises:
        LeakError: the splits leak, and the manifest does not say so.
        DatasetError: something is missing, damaged or was changed after the build.
    """
    dataset = ClipDataset(folder)
    if not dataset.leaks:
        check_leaks(dataset.clips, dataset.windows)
    tables = (
        store.read_table(folder / "clips.parquet", store.CLIP_SCHEMA),
        store.read_table(folder / "windows.parquet", store.WINDOW_SCHEMA),
    )
    found = store.fingerprint(folder, tables)
    if found != dataset.fingerprint:
        raise DatasetError(
            f"{folder}: the content's fingerprint is {found[:12]}, the manifest says "
            f"{dataset.fingerprint[:12]}; the dataset was changed after it was built: build it again"
        )
    counts = _counts(dataset.clips, dataset.windows)
    if counts != dataset.manifest["splits"]:
        raise DatasetError(f"{folder}: counts per split differ from the manifest; build it again")
    return {
        "splits": counts,
        "fingerprint": found,
        "materials": dataset.manifest["vocabulary"]["materials"],
        "without": dataset.manifest.get("without", {}),
        "leaks": dataset.leaks,
    }


def _check_unique(clips: Sequence[Clip], windows: Sequence[Window]) -> None:
    ids = [clip.clip_id for clip in clips] + [window.window_id for window in windows]
    twice = [item for item, count in collections.Counter(ids).items() if count > 1]
    if twice:
        raise DatasetError(f"ids appear twice: {', '.join(twice[:5])}; is one bag given under two names?")


def _devices(clips: Sequence[Clip], windows: Sequence[Window]) -> dict[str, Any]:
    """How much of the dataset further devices gave, and how much lacks a main one; no entry where there is none."""
    items: list[Clip | Window] = [*clips, *windows]
    sessions = {item.session_id for item in items}
    devices: dict[str, dict[str, Any]] = {}
    for kind in schema.DEVICES:
        for device in sorted({device for item in items for device in getattr(item, kind)}):
            having = [item for item in items if device in getattr(item, kind)]
            devices.setdefault(kind, {})[device] = {
                "clips": sum(isinstance(item, Clip) for item in having),
                "windows": sum(isinstance(item, Window) for item in having),
                "sessions_without": sorted(sessions - {item.session_id for item in having}),
            }
    without: dict[str, dict[str, int]] = {}
    for device in sorted({device for item in items for device in item.without}):
        lacking = [item for item in items if device in item.without]
        without[device] = {
            "clips": sum(isinstance(item, Clip) for item in lacking),
            "windows": sum(isinstance(item, Window) for item in lacking),
        }
    return {
        **({"further_devices": devices} if devices else {}),
        **({"without": without} if without else {}),
    }


def _counts(clips: Sequence[Clip], windows: Sequence[Window]) -> dict[str, dict[str, Any]]:
    counts: dict[str, dict[str, Any]] = {}
    for split in schema.SPLITS:
        own = [clip for clip in clips if clip.split == split]
        cut = sum(window.split == split for window in windows)
        if split == schema.SEEN and not own and not cut:
            continue
        counts[split] = {
            "clips": len(own),
            "windows": cut,
            "sessions": len({clip.session_id for clip in own}),
            "scenes": len({clip.scene_id for clip in own}),
            "objects": len({clip.object_id for clip in own}),
            "materials": dict(sorted(collections.Counter(clip.material for clip in own).items())),
            "actions": dict(sorted(collections.Counter(clip.action for clip in own).items())),
        }
    return counts
