"""RLDS (https://github.com/google-research/rlds) as TensorFlow Datasets reads it, written without TensorFlow.

An episode is a bag, and a file. Its steps hold what frames of `lerobot` hold, under the same names with `_` for the
dots, as `observation`, beside `action`, `is_first`, `is_last`, `is_terminal`, `reward` and `discount` (nothing tells
them: 0 and 1 throughout; no step is terminal) and `language_instruction`. What steps cannot hold (all of the sound,
motion at its own rate) is written by `lerobot` alone.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from foley_perception.action.gripper import GripperHand
from foley_perception.contact_event import Contact
from foley_perception.dataset.export import lerobot_meta as meta
from foley_perception.dataset.export.beside import told_contacts
from foley_perception.dataset.export.demonstrations import Chosen, Demonstrations, choose
from foley_perception.dataset.export.format import BagFormat, Facts, Plan, Shard, Step
from foley_perception.dataset.export.frame_grid import Surveyed, frame_times, tasks_at
from foley_perception.dataset.export.lerobot import png
from foley_perception.dataset.export.rows import Rows
from foley_perception.dataset.export.tfrecord import example, record
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes.frames import frame_names
from foley_perception.episodes.outline import Span
from foley_perception.episodes.reader import episode_of

NAME = "foley"
VERSION = "1.0.0"
_OUTSIDE = ("action", "episode_index", "index", "task_index")
"""Columns that are no observation."""
_FLAGS = ("is_first", "is_last", "is_terminal")
_MOST_BYTES = (1 << 31) - 1  # of a protocol buffer
_CLASS = "tensorflow_datasets.core.features"


def _plan(bags: Demonstrations, cache: Path) -> Plan:
    if bags.pictures == "video":
        raise DatasetError("format rlds holds images, not video: give --pictures images")
    chosen = choose(bags, cache)
    features = meta.features(chosen.layout, None)
    named = [chosen.splits[s.session_id] for _, _, s in chosen.episodes]
    shards = []
    for number, (_, _, surveyed) in enumerate(chosen.episodes):
        split, first = named[number], named.index(named[number])
        file = f"{NAME}-{split}.tfrecord-{number - first:05d}-of-{named.count(split):05d}"
        write = functools.partial(_write_episode, bags, chosen, features, number, file)
        shards.append(Shard(file, surveyed.frames, write))

    def finish(folder: Path, facts: Mapping[str, Facts]) -> Facts:
        _write_json(folder / "features.json", _features(features))
        _write_json(folder / "dataset_info.json", _info(folder, named, [shard.name for shard in shards]))
        return {"splits": {split: named.count(split) for split in dict.fromkeys(named)}}

    about: Facts = {
        "episodes": len(shards),
        "frames": sum(shard.items for shard in shards),
        "left_out": dict(chosen.left_out),
        "dropped": list(chosen.dropped),
        "paused_frames": chosen.paused_frames,
    }
    return Plan(tuple(shards), about, finish)


def _write_episode(
    bags: Demonstrations,
    chosen: Chosen,
    features: dict[str, Any],
    number: int,
    file: str,
    folder: Path,
    step: Step,
) -> Facts:
    path, name, surveyed = chosen.episodes[number]
    outline = bags.outline(path, name)
    frames = frame_names(bags.frames, outline.robot.frames)
    outline.make_poses(frames)
    hand = GripperHand.from_yaml(bags.hand or outline.robot.hand_reference)
    columns: dict[str, list[Any]] = {}
    contacts: list[Contact] = []
    for block in Rows(outline, surveyed, chosen.layout, hand, frames).blocks():
        contacts += block.contacts
        nothing = np.zeros(len(block.times_ns), np.int64)
        if not len(nothing):
            continue
        for column, values in meta.rows(block, chosen.layout, 0, number, nothing).items():
            columns.setdefault(column, []).append(values)
        for camera, images in block.images.items():
            columns.setdefault(meta.image_key(camera), []).append([png(image) for image in images])
        for _ in nothing:
            step()
    probe = episode_of(outline, Span(*[outline.start_ns] * 4), frames=frames)
    told: dict[str, Any] = {}
    for column, feature in features.items():
        blocks = columns[column]
        joined = list(itertools.chain(*blocks)) if feature["dtype"] == "image" else np.concatenate(blocks)
        if column not in _OUTSIDE:
            told[f"steps/observation/{_key(column)}"] = joined
        elif column == "action":
            told["steps/action"] = joined
    told |= _ends(surveyed, chosen.layout.fps)
    told |= {
        "episode_metadata/session_id": [surveyed.session_id.encode()],
        "episode_metadata/scene_id": [surveyed.scene_id.encode()],
        "episode_metadata/contacts": [json.dumps(told_contacts(contacts, probe)).encode()],
        "episode_metadata/start_ns": np.array([surveyed.start_ns], np.int64),
    }
    content = record(example(told))
    if len(content) > _MOST_BYTES:
        raise DatasetError(
            f"{path}: its episode has {len(content) / 1e9:.1f} GB, TensorFlow reads at most 2 GB of one: record "
            "shorter takes, or give fewer --fps, or --format lerobot"
        )
    (folder / file).write_bytes(content)
    return {"bytes": len(content)}


def _ends(surveyed: Surveyed, fps: int) -> dict[str, Any]:
    """What RLDS asks of every step. A demonstration ends where it was ended."""
    count = surveyed.frames
    times = frame_times(surveyed.start_ns, 0, count, fps)
    number = np.arange(count)
    return {
        "steps/is_first": number == 0,
        "steps/is_last": number == count - 1,
        "steps/is_terminal": np.zeros(count, np.bool_),
        "steps/reward": np.zeros(count, np.float32),
        "steps/discount": np.ones(count, np.float32),
        "steps/language_instruction": [task.encode() for task in tasks_at(surveyed, times)],
    }


def _key(column: str) -> str:
    return column.removeprefix("observation.").replace("images.", "image_").replace(".", "_")


# ---- what TensorFlow Datasets reads --------------------------------------------------------------------
def _features(features: Mapping[str, Any]) -> dict[str, Any]:
    observation = {_key(c): _feature(f) for c, f in features.items() if c not in _OUTSIDE}
    steps: dict[str, Any] = {"observation": _dict(observation), "action": _feature(features["action"])}
    steps |= {flag: _tensor("bool", ()) for flag in _FLAGS}
    steps |= {name: _tensor("float32", ()) for name in ("reward", "discount")}
    steps["language_instruction"] = _text()
    about = {name: _text() for name in ("session_id", "scene_id", "contacts")}
    about["start_ns"] = _tensor("int64", ())
    dataset = {
        "pythonClassName": f"{_CLASS}.dataset_feature.Dataset",
        "sequence": {"feature": _dict(steps), "length": "-1"},
    }
    return _dict({"steps": dataset, "episode_metadata": _dict(about)})


def _feature(feature: Mapping[str, Any]) -> dict[str, Any]:
    shape = tuple(feature["shape"])
    if feature["dtype"] == "image":
        image = {"dtype": "uint8", "encodingFormat": "png", "shape": _shape(shape)}
        return {"pythonClassName": f"{_CLASS}.image_feature.Image", "image": image}
    return _tensor(feature["dtype"], () if shape == (1,) else shape)


def _dict(features: Mapping[str, Any]) -> dict[str, Any]:
    name = f"{_CLASS}.features_dict.FeaturesDict"
    return {"pythonClassName": name, "featuresDict": {"features": dict(features)}}


def _tensor(kind: str, shape: tuple[int, ...]) -> dict[str, Any]:
    tensor = {"dtype": kind, "encoding": "none", "shape": _shape(shape)}
    return {"pythonClassName": f"{_CLASS}.tensor_feature.Tensor", "tensor": tensor}


def _text() -> dict[str, Any]:
    return {"pythonClassName": f"{_CLASS}.text_feature.Text", "text": {}}


def _shape(shape: tuple[int, ...]) -> dict[str, Any]:
    return {"dimensions": [str(size) for size in shape]} if shape else {}


def _info(folder: Path, named: list[str], files: list[str]) -> dict[str, Any]:
    splits = []
    for split in dict.fromkeys(named):
        own = [file for file, of in zip(files, named, strict=True) if of == split]
        splits.append(
            {
                "name": split,
                "numBytes": str(sum((folder / file).stat().st_size for file in own)),
                "shardLengths": ["1"] * len(own),
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
        )
    return {
        "name": NAME,
        "version": VERSION,
        "description": "Demonstrations with contact sounds, exported by Foley.",
        "fileFormat": "tfrecord",
        "moduleName": "foley.exported",
        "releaseNotes": {VERSION: "Exported."},
        "splits": splits,
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


RLDS = BagFormat(
    "rlds",
    "of bags: TFRecord with images, sound and forces in steps, for TensorFlow Datasets",
    _plan,
    video=False,
)
