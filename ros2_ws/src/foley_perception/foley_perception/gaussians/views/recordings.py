"""Views of whole recordings, drawn in bulk: resumable bag by bag, several bags at once.

Of each bag a folder::

    <session>/global/00000.jpg, local_right/00000.jpg, ...   one picture a moment and view
    <session>/views.parquet      time, hands, which local views there are, coverage
    <session>/views.json         written last: what was rendered from what
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from foley_common.times import NS_PER_S
from foley_common.worker_processes import end_with_parent
from foley_perception.action.gripper import SIDES, GripperHand
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.hands import hand_keypoints
from foley_perception.episodes.names import Naming
from foley_perception.episodes.reader import read_episode
from foley_perception.episodes.tracks import EpisodeError, Times
from foley_perception.gaussians.ply import load_ply
from foley_perception.gaussians.views.cameras import Array, ViewConfig, ViewName, ViewRenderer
from foley_perception.scene.scan import ScanError

ALL_VIEWS: tuple[ViewName, ...] = ("global", "local_left", "local_right", "top", "side")
_JPEG_QUALITY = 95


@dataclasses.dataclass(frozen=True)
class BulkConfig:
    """What is rendered of each recording.

    Raises:
        ValueError: a rate or a name that cannot be.
    """

    rate_hz: float = 4.0  # as Hearing Hands; 0: every camera frame
    names: tuple[ViewName, ...] = ALL_VIEWS
    hand: str = "parallel_gripper"  # hand file, where no hand_keypoints were recorded
    views: ViewConfig = dataclasses.field(default_factory=ViewConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.rate_hz <= 1000:
            raise ValueError(f"rate_hz is {self.rate_hz}, must be within [0, 1000]")
        if unknown := sorted(set(self.names) - set(ALL_VIEWS)):
            raise ValueError(f"view `{unknown[0]}` is not known, there are {', '.join(ALL_VIEWS)}")


def find_scenes(folder: Path) -> dict[str, Path]:
    """Reconstructed scenes below a folder by the id of their scene.

    Raises:
        ScanError: none is there, or two are of the same scene.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.glob("**/scene.json")):
        scene_id = str(json.loads(file.read_text()).get("scene_id") or file.parent.name)
        if scene_id in found:
            raise ScanError(
                f"{found[scene_id]} and {file.parent} are both of scene {scene_id}; move one away"
            )
        found[scene_id] = file.parent
    if not found:
        raise ScanError(
            f"{folder}: no reconstructed scene is there; make them with `foley scene reconstruct`"
        )
    return found


def hands_at(episode: Episode, times_ns: Times, hand: str) -> tuple[Array, Array]:
    """Keypoints [n, 2, 21, 3] and ends of held tools [n, 2, 3] in the world, NaN where unknown."""
    gripper = GripperHand.from_yaml(hand)
    tips = np.full((len(times_ns), 2, 3), np.nan)
    if episode.ee_pose is not None:
        poses = episode.ee_pose.at(times_ns)
        tips[:, SIDES.index(gripper.main_side)] = (poses @ episode.tx_tool_tip).translation
    return hand_keypoints(episode, times_ns, gripper), tips


def draw_recording(
    bag: Path, scenes: Mapping[str, Path], out: Path, config: BulkConfig, naming: Naming | None = None
) -> dict[str, Any]:
    """Draw the views of one bag in its scene; at once done, without reading it, if the same were rendered before.

    Raises:
        EpisodeError, ScanError: the bag has no camera or hands, or its scene is not there or cannot be read.
    """
    naming = naming or Naming()
    for before in _drawn(bag, out):
        scene = Path(before["scene"])
        if scene in scenes.values() and before["fingerprint"] == _fingerprint(bag, scene, config, naming):
            return before | {"rendered_now": False}
    episode = read_episode(
        bag,
        **naming.reading,
    )
    if episode.scene_id not in scenes:
        raise ScanError(
            f"{bag}: its scene `{episode.scene_id}` was not reconstructed; there are {', '.join(sorted(scenes))}"
        )
    scene, folder = scenes[episode.scene_id], out / episode.session_id
    mark, done = _fingerprint(bag, scene, config, naming), folder / "views.json"
    if episode.camera is None:
        raise EpisodeError(
            f"{bag}: the camera's place is not known, or it moves; record camera/camera_info and /tf_static of one "
            "that stands still"
        )
    times = _times(episode, config.rate_hz)
    keypoints, tips = hands_at(episode, times, config.hand)
    manifest = json.loads((scene / "scene.json").read_text())
    renderer = ViewRenderer(
        load_ply(scene / "scene.ply"), episode.camera, np.array(manifest["focus"]), config.views
    )
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for index, time_ns in enumerate(times):
        views = renderer.views(keypoints[index], config.names, tips[index])
        for name, image in views.images.items():
            path = folder / name / f"{index:05d}.jpg"
            path.parent.mkdir(exist_ok=True)
            if not cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
                raise OSError(f"{path}: cannot be written")
        rows.append(
            {
                "time_ns": int(time_ns),
                "keypoints": keypoints[index].astype(np.float32).ravel(),
                "tips": tips[index].astype(np.float32).ravel(),
                **{f"has_{name}": name in views.images for name in config.names},
                **{f"coverage_{name}": float(views.coverage.get(name, np.nan)) for name in config.names},
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), folder / "views.parquet")
    made = {
        "fingerprint": mark,
        "bag": str(bag),
        "scene": str(scene),
        "moments": len(rows),
        "config": dataclasses.asdict(config),
        "coverage": {n: _mean([row[f"coverage_{n}"] for row in rows]) for n in config.names},
    }
    part = folder / "views.json.part"
    part.write_text(json.dumps(made, indent=1) + "\n")
    part.replace(done)
    return made | {"rendered_now": True}


def draw_recordings(
    bags: Sequence[Path],
    scenes: dict[str, Path],
    out: Path,
    config: BulkConfig,
    *,
    naming: Naming | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Views of many bags; what was made, and why some bags were left out."""
    made: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    jobs = [(bag, scenes, out, config, naming) for bag in bags]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=alone) as pool:
        for done, (bag, result) in enumerate(zip(bags, pool.map(_job, jobs), strict=True), start=1):
            if isinstance(result, str):
                failed[str(bag)] = result
            else:
                made.append(result)
            progress(done, len(bags))
    return made, failed


# ---- inside ------------------------------------------------------------------------------------------------
def alone() -> None:
    """One thread for each process."""
    end_with_parent()
    import numba
    import torch

    numba.set_num_threads(1)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _job(job: tuple[Path, dict[str, Path], Path, BulkConfig, Naming | None]) -> dict[str, Any] | str:
    try:
        return draw_recording(*job)
    except (ValueError, OSError) as error:  # EpisodeError, ScanError and PlyError are ValueErrors
        return str(error)


def _drawn(bag: Path, out: Path) -> list[dict[str, Any]]:
    """What was made of a bag before."""
    found = []
    for file in out.glob("*/views.json"):
        try:
            before = json.loads(file.read_text())
        except ValueError:
            continue  # damaged: rendered anew
        if before.get("bag") == str(bag) and {"scene", "fingerprint"} <= set(before):
            found.append(dict(before))
    return found


def _times(episode: Episode, rate_hz: float) -> Times:
    if rate_hz > 0:
        count = int((episode.end_ns - episode.start_ns) * rate_hz / NS_PER_S) + 1
        return episode.start_ns + np.round(np.arange(count) * NS_PER_S / rate_hz).astype(np.int64)
    if episode.frames is None:
        raise EpisodeError(f"{episode.path}: no camera frames; give a rate")
    return episode.frames.times_ns


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else None


def _fingerprint(bag: Path, scene: Path, config: BulkConfig, naming: Naming) -> str:
    digest = hashlib.sha256((scene / "scene.ply").read_bytes())
    for file in [bag] if bag.is_file() else sorted(part for part in bag.iterdir() if part.is_file()):
        digest.update(f"{file.name} {file.stat().st_size}".encode())
    digest.update(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    digest.update(naming.identity.encode())
    return digest.hexdigest()
