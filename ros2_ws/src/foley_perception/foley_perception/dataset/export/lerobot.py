"""LeRobotDataset v3.0 (https://github.com/huggingface/lerobot), written without the library.

An episode is a bag. Each has a file of its own for its rows (``data``) and for the video of each camera (``videos``),
and a folder for what frames cannot hold (``beside/episode-000000``, see ``beside.py``). Only `observation.state`,
`observation.images.*` and `action` bear names that LeRobot's policies take up by themselves; sound, forces, poses at
their own rate and stamps are there for who asks for them.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from foley_perception import __version__
from foley_perception.action.gripper import GripperHand
from foley_perception.contact_event import Contact
from foley_perception.dataset.export import arrow_columns as columns
from foley_perception.dataset.export import lerobot_meta as meta
from foley_perception.dataset.export.beside import SeriesFiles, plain, told_contacts, write_sound
from foley_perception.dataset.export.demonstrations import Chosen, Demonstrations, Layout, choose
from foley_perception.dataset.export.format import BagFormat, Facts, Plan, Shard, Step
from foley_perception.dataset.export.frame_grid import Surveyed, tasks_at
from foley_perception.dataset.export.rows import Block, Rows
from foley_perception.dataset.export.statistics import OfImages, of_numbers
from foley_perception.dataset.export.video import Encoder, VideoWriter, encoder
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes.frames import frame_names
from foley_perception.episodes.outline import Span
from foley_perception.episodes.reader import episode_of

_LOOKED_AT = 100  # images of an episode, for their statistics
_FAR_NS = 250_000_000  # from its frame: an image that is farther is told


def _encoder(bags: Demonstrations) -> Encoder | None:
    return encoder() if bags.pictures == "video" else None


def _plan(bags: Demonstrations, cache: Path) -> Plan:
    one = _encoder(bags)
    chosen = choose(bags, cache)
    tasks = _tasks(chosen)
    features = meta.features(chosen.layout, one)
    starts = np.concatenate([[0], np.cumsum([s.frames for _, _, s in chosen.episodes])]).tolist()
    shards = tuple(
        Shard(
            meta.episode_name(number),
            surveyed.frames,
            functools.partial(
                _write_episode, bags, chosen.layout, tasks, features, one, number, starts[number],
                (path, name, surveyed),
            ),
        )
        for number, (path, name, surveyed) in enumerate(chosen.episodes)
    )  # fmt: skip
    about: Facts = {
        "episodes": len(shards),
        "frames": starts[-1],
        "left_out": dict(chosen.left_out),
        "dropped": list(chosen.dropped),
        "paused_frames": chosen.paused_frames,
        "video": one.name if one is not None and chosen.layout.cameras else "",
    }

    def finish(folder: Path, facts: Mapping[str, Facts]) -> Facts:
        rows = [facts[shard.name] for shard in shards]
        named = [chosen.splits[s.session_id] for _, _, s in chosen.episodes]
        meta.write(folder, chosen.layout, features, tasks, rows, named)
        return {"splits": meta.ranges(named), "largest_image_distance_ms": _largest(rows)}

    return Plan(shards, about, finish)


def _tasks(chosen: Chosen) -> list[str]:
    """In the order in which they come."""
    told = [t for _, _, s in chosen.episodes for t in (s.task, *(str(segment[2]) for segment in s.segments))]
    return list(dict.fromkeys(told))


def _write_episode(
    bags: Demonstrations,
    layout: Layout,
    tasks: list[str],
    features: dict[str, Any],
    one: Encoder | None,
    number: int,
    start: int,
    of: tuple[Path, str, Surveyed],
    folder: Path,
    step: Step,
) -> Facts:
    """One episode into a folder, as it lies in the data set; what its row in `meta/episodes` says."""
    path, name, surveyed = of
    outline = bags.outline(path, name)
    frames = frame_names(bags.frames, outline.robot.frames)
    outline.make_poses(frames)
    hand = GripperHand.from_yaml(bags.hand or outline.robot.hand_reference)
    writer = _EpisodeWriter(folder, layout, tasks, features, one, number, start, surveyed)
    contacts: list[Contact] = []
    problems: dict[str, None] = {}
    with writer:
        for block in Rows(outline, surveyed, layout, hand, frames).blocks():
            writer.add(block, step)
            contacts += block.contacts
            problems |= dict.fromkeys(block.problems)
    beside = folder / "beside" / meta.episode_name(number)
    sound = {device: write_sound(outline, device, beside) for device in layout.microphones}
    probe = episode_of(outline, Span(*[outline.start_ns] * 4), frames=frames)
    labels = [
        {"start_ns": b.start_ns, "end_ns": b.end_ns, "object_id": b.object_id, "key": b.key, "value": b.value}
        for b in probe.labels
    ]
    told = told_contacts(contacts, probe)
    facts = writer.facts()
    about = plain(
        {
            "bag": name,
            "session": probe.session,
            "scene": probe.scene,
            "start_ns": surveyed.start_ns,
            "frames": surveyed.frames,
            "fps": layout.fps,
            "sound": sound,
            "measured": writer.measured,
            "image_distance_ms": facts["image_distance_ms"],
            "planned_frames": facts["planned_frames"],
            "contacts": told,
            "labels": labels,
            "problems": [*outline.verdict.problems(), *problems, *writer.problems],
            "foley_version": __version__,
        }
    )
    (beside / "episode.json").write_text(json.dumps(about, indent=1, allow_nan=False) + "\n", "utf-8")
    return {
        **facts,
        "session_id": surveyed.session_id,
        "scene_id": surveyed.scene_id,
        "start_ns": surveyed.start_ns,
        "contacts": json.dumps(told),
        "labels": json.dumps(plain(labels)),
        "materials": sorted({c["material"] for c in told} - {""}),
    }


class _EpisodeWriter:
    """Rows, videos and what is measured of one episode, block by block."""

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        tasks: list[str],
        features: dict[str, Any],
        one: Encoder | None,
        number: int,
        start: int,
        surveyed: Surveyed,
    ) -> None:
        self._folder, self._layout, self._features = folder, layout, features
        self._tasks, self._number, self._start, self._surveyed = tasks, number, start, surveyed
        self._encoder, self._stack = one, contextlib.ExitStack()
        self._every = max(surveyed.frames // _LOOKED_AT, 1)
        self._images = {camera: OfImages() for camera in layout.cameras}
        self._distances: dict[str, list[int]] = {camera: [] for camera in layout.cameras}
        self._numbers: dict[str, list[Any]] = {name: [] for name in meta.COUNTED}
        self._planned = 0
        self.measured: dict[str, int] = {}

    def __enter__(self) -> _EpisodeWriter:
        layout, stack = self._layout, self._stack
        beside = self._folder / "beside" / meta.episode_name(self._number)
        beside.mkdir(parents=True)
        self._series = stack.enter_context(SeriesFiles(beside))
        self.measured = self._series.counts
        self._schema = columns.schema_of(self._features)
        data = self._folder / meta.data_path(self._number)
        data.parent.mkdir(parents=True)
        self._rows = stack.enter_context(pq.ParquetWriter(data, self._schema, compression="zstd"))
        self._videos = {
            camera: stack.enter_context(
                VideoWriter(
                    self._folder / meta.video_path(camera, self._number), size, layout.fps, self._encoder
                )
            )
            for camera, size in layout.cameras.items()
            if self._encoder is not None
        }
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, block: Block, step: Step) -> None:
        for name, series in block.series.items():
            if len(series.times_ns) or name not in self._series.counts:
                self._series.add(name, series)
        count = len(block.times_ns)
        if not count:
            return
        values = meta.rows(block, self._layout, self._start, self._number, self._task_index(block))
        for camera, images in block.images.items():
            self._distances[camera] += (images.stamps_ns - block.times_ns).tolist()
            kept: list[bytes] = []
            for row, image in enumerate(images):
                if (block.first + row) % self._every == 0:
                    self._images[camera].add(image)
                if camera in self._videos:
                    self._videos[camera].write(image)
                else:
                    kept.append(png(image))
            if kept:
                values[meta.image_key(camera)] = kept
        self._rows.write_table(columns.table_of(self._schema, self._features, values))
        for name in self._numbers:
            self._numbers[name].append(values[name])
        self._planned += int(block.planned.sum())
        for _ in range(count):
            step()

    def _task_index(self, block: Block) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([self._tasks.index(t) for t in tasks_at(self._surveyed, block.times_ns)], np.int64)

    @property
    def problems(self) -> list[str]:
        found = []
        if paused := self._surveyed.paused_frames:
            found.append(
                f"{paused} of {self._surveyed.frames} frames lie in pauses: nothing is known at them"
            )
        for camera, distances in self._distances.items():
            far = int(np.count_nonzero(np.abs(np.array(distances)) > _FAR_NS))
            if far:
                found.append(
                    f"{camera}: of {far} of {len(distances)} frames the nearest image is more than "
                    f"{_FAR_NS / 1e9} s away"
                )
        return found

    def facts(self) -> Facts:
        numbers = {name: np.concatenate(blocks) for name, blocks in self._numbers.items()}
        stats = {name: of_numbers(values) for name, values in numbers.items()}
        stats |= {meta.image_key(camera): images.stats() for camera, images in self._images.items()}
        distance = {
            camera: {
                "median": float(np.median(np.abs(distances))) / 1e6,
                "largest": float(np.max(np.abs(distances))) / 1e6,
            }
            for camera, distances in self._distances.items()
        }
        return {
            "length": self._surveyed.frames,
            "from": self._start,
            "tasks": [self._tasks[i] for i in np.unique(numbers["task_index"]).tolist()],
            "stats": stats,
            "image_distance_ms": distance,
            "planned_frames": self._planned,
        }


def png(image: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """RGB [H, W, 3] as PNG. Raises DatasetError."""
    import cv2

    good, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not good:
        raise DatasetError(f"an image of shape {image.shape} cannot be stored as PNG")
    return bytes(data)


def _largest(rows: list[Facts]) -> float:
    """Of all images, from the times of their frames [ms]."""
    told = [camera["largest"] for row in rows for camera in row["image_distance_ms"].values()]
    return max(told, default=0.0)


LEROBOT = BagFormat(
    "lerobot",
    "of bags: LeRobotDataset v3.0 with true stamps, sound and forces, for LeRobot",
    _plan,
    check=_encoder,
)
