"""Names, features, rows and the folder `meta` of a LeRobotDataset v3.0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foley_perception.dataset.export.demonstrations import Layout
from foley_perception.dataset.export.format import Facts
from foley_perception.dataset.export.rows import (
    POSE,
    WRENCH,
    Block,
    High,
    action_names,
    of,
    state_names,
)
from foley_perception.dataset.export.statistics import of_all
from foley_perception.dataset.export.video import GROUP, PIXELS, Encoder

VERSION = "v3.0"
FILES_PER_CHUNK = 1000
COUNTED = (
    *("observation.state", "action", "timestamp", "frame_index", "episode_index", "index", "task_index"),
)
"""Features whose statistics are kept. Of sound, forces and stamps there are none: their means say nothing."""
_FIXED: dict[str, dict[str, Any]] = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
}


# ---- names ---------------------------------------------------------------------------------------------
def episode_name(number: int) -> str:
    return f"episode-{number:06d}"


def _file(number: int) -> str:
    return f"chunk-{number // FILES_PER_CHUNK:03d}/file-{number % FILES_PER_CHUNK:03d}"


def data_path(number: int) -> str:
    return f"data/{_file(number)}.parquet"


def video_path(camera: str, number: int) -> str:
    return f"videos/{image_key(camera)}/{_file(number)}.mp4"


def image_key(camera: str) -> str:
    return f"observation.images.{camera}"


# ---- features and rows ---------------------------------------------------------------------------------
def features(layout: Layout, one: Encoder | None) -> dict[str, Any]:
    """As `info.json` has them, in the order of the columns."""
    found: dict[str, Any] = {
        "observation.state": _numbers("float32", state_names(layout)),
        "action": _numbers("float32", action_names(layout)),
    }
    for camera, (width, height) in layout.cameras.items():
        found[image_key(camera)] = {
            "dtype": "image" if one is None else "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        } | ({"info": _video_info(width, height, layout.fps, one)} if one is not None else {})
    found["planned"] = _one("bool")
    found["stamp_ns"] = _one("int64")
    found |= {f"stamp_ns.{camera}": _one("int64") for camera in layout.cameras}
    for microphone, (_, channels) in layout.microphones.items():
        most = layout.most_samples[microphone]
        shape = [most] if channels == 1 else [most, channels]
        found[f"sound.{microphone}"] = {"dtype": "float32", "shape": shape, "names": None}
        found |= {
            f"sound.{microphone}.{name}": _one("int64")
            for name in ("count", "known", "first_sample", "stamp_ns")
        }
    for arm in layout.wrenches:
        found |= _high_features(f"{of(arm)}wrench", layout.most_wrenches, WRENCH)
    for arm in layout.arms:
        found |= _high_features(f"{of(arm)}pose", layout.most_poses, POSE)
    return found | _FIXED


def _one(kind: str) -> dict[str, Any]:
    return {"dtype": kind, "shape": [1], "names": None}


def _numbers(kind: str, names: Sequence[str]) -> dict[str, Any]:
    return {"dtype": kind, "shape": [len(names)], "names": list(names)}


def _high_features(name: str, most: int, numbers: Sequence[str]) -> dict[str, Any]:
    return {
        name: {"dtype": "float32", "shape": [most, len(numbers)], "names": None},
        f"{name}.count": _one("int64"),
        f"{name}.stamp_ns": {"dtype": "int64", "shape": [most], "names": None},
    }


def _video_info(width: int, height: int, fps: int, one: Encoder) -> dict[str, Any]:
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": one.codec,
        "video.pix_fmt": PIXELS,
        "video.fps": fps,
        "video.channels": 3,
        "video.g": GROUP,
        "video.crf": int(dict(one.options).get("crf", 0)) or None,
        "is_depth_map": False,
        "has_audio": False,
    }


def rows(
    block: Block, layout: Layout, start: int, episode: int, task_index: NDArray[np.int64]
) -> dict[str, Any]:
    """The columns of a block's frames [n, ...], but for images that are no video."""
    count = len(block.times_ns)
    number = np.arange(block.first, block.first + count, dtype=np.int64)
    found: dict[str, Any] = {
        "observation.state": block.state.astype(np.float32),
        "action": block.action.astype(np.float32),
        "planned": block.planned,
        "stamp_ns": block.times_ns,
        "timestamp": (number / layout.fps).astype(np.float32),
        "frame_index": number,
        "episode_index": np.full(count, episode, np.int64),
        "index": number + start,
        "task_index": task_index,
    }
    found |= {f"stamp_ns.{camera}": images.stamps_ns for camera, images in block.images.items()}
    for microphone, sound in block.sound.items():
        mono = sound.samples.shape[2] == 1
        name = f"sound.{microphone}"
        found[name] = sound.samples[..., 0] if mono else sound.samples
        found[f"{name}.count"], found[f"{name}.first_sample"] = sound.counts, sound.first_samples
        found[f"{name}.known"], found[f"{name}.stamp_ns"] = sound.known, sound.stamps_ns
    for name, given in (("wrench", block.wrenches), ("pose", block.poses)):
        for arm, high in given.items():
            found |= _high_rows(f"{of(arm)}{name}", high)
    return found


def _high_rows(name: str, high: High) -> dict[str, Any]:
    return {
        name: high.values.astype(np.float32),
        f"{name}.count": high.counts,
        f"{name}.stamp_ns": high.stamps_ns,
    }


# ---- meta ----------------------------------------------------------------------------------------------
def ranges(named: Sequence[str]) -> dict[str, str]:
    """Of the episodes of each split, which stand together: `first:stop`."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(named):
        first = named.index(name)
        found[name] = f"{first}:{first + named.count(name)}"
    return found


def write(
    folder: Path,
    layout: Layout,
    given: Mapping[str, Any],
    tasks: Sequence[str],
    episodes: Sequence[Facts],
    named: Sequence[str],
) -> None:
    """Info comes last: without it nothing is loaded."""
    place = folder / "meta"
    (place / "episodes/chunk-000").mkdir(parents=True, exist_ok=True)
    _write_tasks(place / "tasks.parquet", tasks)
    videos = [key for key, feature in given.items() if feature["dtype"] == "video"]
    table = pa.Table.from_pylist([_episode(i, facts, layout, videos) for i, facts in enumerate(episodes)])
    pq.write_table(table, place / "episodes/chunk-000/file-000.parquet")
    stats = {name: of_all([facts["stats"][name] for facts in episodes]) for name in episodes[0]["stats"]}
    _write_json(place / "stats.json", stats)
    info = {
        "codebase_version": VERSION,
        "fps": layout.fps,
        "features": given,
        "total_episodes": len(episodes),
        "total_frames": sum(facts["length"] for facts in episodes),
        "total_tasks": len(tasks),
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
        if videos
        else None,
        "robot_type": None,
        "splits": ranges(named),
    }
    _write_json(place / "info.json", info)


def _episode(number: int, facts: Facts, layout: Layout, videos: Sequence[str]) -> dict[str, Any]:
    """A row of `meta/episodes`; what begins with `foley/` is ours."""
    chunk, file = divmod(number, FILES_PER_CHUNK)
    row: dict[str, Any] = {
        "episode_index": number,
        "tasks": facts["tasks"],
        "length": facts["length"],
        "data/chunk_index": chunk,
        "data/file_index": file,
        "dataset_from_index": facts["from"],
        "dataset_to_index": facts["from"] + facts["length"],
    }
    for key in videos:
        row |= {
            f"videos/{key}/chunk_index": chunk,
            f"videos/{key}/file_index": file,
            f"videos/{key}/from_timestamp": 0.0,
            f"videos/{key}/to_timestamp": facts["length"] / layout.fps,
        }
    for feature, stats in facts["stats"].items():
        row |= {f"stats/{feature}/{name}": value for name, value in stats.items()}
    for name in ("session_id", "scene_id", "start_ns", "contacts", "labels", "materials", "planned_frames"):
        row[f"foley/{name}"] = facts[name]
    return row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}


def _write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """With the task as the index of its row, as pandas writes and reads it."""
    table = pa.table(
        {"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())}
    )

    def column(name: str, kind: str, numpy_kind: str) -> dict[str, Any]:
        return {
            "name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None
        }  # fmt: skip

    about = {
        "index_columns": ["task"],
        "column_indexes": [column("", "unicode", "object") | {"name": None, "field_name": None}],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(about)}), path)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
