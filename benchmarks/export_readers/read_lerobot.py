"""Run by `benchmarks/export_formats.py` in LeRobot's own environment: all that it reads, as arrays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lerobot
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def main(root: str, out: str) -> None:
    data = LeRobotDataset("local/export", root=root)
    pictures = [key for key, feature in data.meta.features.items() if feature["dtype"] in ("video", "image")]
    rows: dict[str, list[Any]] = {}
    for index in range(len(data)):
        item = data[index]
        for key, value in item.items():
            if key == "task":
                rows.setdefault(key, []).append(value)
                continue
            array = np.asarray(value)
            if key in pictures:
                array = np.rint(np.moveaxis(array, 0, -1) * 255.0).astype(np.uint8)
            rows.setdefault(key, []).append(array)
    found = {key: np.stack(values) for key, values in rows.items()}
    episodes = data.meta.episodes
    about = {
        "library": "lerobot",
        "version": lerobot.__version__,
        "episodes": data.num_episodes,
        "frames": data.num_frames,
        "splits": dict(data.meta.info.splits),
        "sessions": [episodes[i]["foley/session_id"] for i in range(data.num_episodes)],
        "tasks": [list(episodes[i]["tasks"]) for i in range(data.num_episodes)],
        "contacts": [json.loads(episodes[i]["foley/contacts"]) for i in range(data.num_episodes)],
    }
    # As a training loop does: a window of frames before each, across the ends of episodes.
    window = LeRobotDataset(
        "local/export", root=root, delta_timestamps={"observation.state": [-1.0 / data.fps, 0.0]}
    )
    about["window_shape"] = list(window[0]["observation.state"].shape)
    np.savez(out, about=json.dumps(about), **found)


if __name__ == "__main__":
    main(*map(str, map(Path, sys.argv[1:3])))
