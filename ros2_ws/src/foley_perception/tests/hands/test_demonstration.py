"""A person's demonstration from the tripod's bag to clips and views, by the commands alone, without a robot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from foley_perception.commands import dataset, hands, scene
from foley_perception.dataset.reader import ClipDataset
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import save_ply
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.hands.analytic import DrawnHand
from foley_perception.recording.bag import Bag

RATE_HZ = 10.0
TOUCH_S = 1.2
HAND = DrawnHand(right=True, curl=0.3)


def looking(angle_deg: float) -> CameraModel:
    a = np.deg2rad(angle_deg)
    eye = (0.8 * np.cos(a), 0.8 * np.sin(a), 0.6)
    return CameraModel.looking_at(eye, (0, 0, 0.05), width=320, height=240, fovy_deg=45.0)


TRIPOD = looking(-80.0)


def pose_at(time_s: float) -> SE3:
    """The hand comes down to the place that it touches, and goes up again."""
    height = 0.24 + 0.3 * min(abs(time_s - TOUCH_S), 0.4)
    return SE3.from_rotation([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]], (0.12, -0.1, height))


def call(module: ModuleType, *words: object) -> None:
    parser = argparse.ArgumentParser()
    module.configure(parser)
    assert module.run(parser.parse_args([str(word) for word in words])) == 0


@pytest.fixture
def recorded(
    carpet: Gaussians,
    film: Callable[..., Path],
    hamer_of: Callable[..., dict[str, np.ndarray]],
    tmp_path: Path,
) -> Path:
    """A tripod's bag whose camera nobody placed; beside it the scene, and what HaMeR saw."""
    place = tmp_path / "scenes" / "carpet"
    place.mkdir(parents=True)
    save_ply(carpet, place / "scene.ply")
    cameras = {
        str(a): {"tx_world_camera": looking(a).tx_world_camera.matrix.tolist()} for a in (-120, -85, -50)
    }
    head = {"scene_id": "carpet", "focus": [0.0, 0.0, 0.05], "cameras": cameras}
    (place / "scene.json").write_text(json.dumps(head))
    with torch.no_grad():
        drawn = render(carpet, TRIPOD)
    empty = (drawn.rgb.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    far = torch.where(drawn.alpha > 0.5, drawn.depth, torch.nan).numpy().astype(np.float32)
    (tmp_path / "hamer").mkdir()
    pictures, depths = [], []
    for k in range(round(2.4 * RATE_HZ)):
        pose = pose_at(k / RATE_HZ)
        rgb, depth = HAND.draw(TRIPOD, pose, empty, far)
        pictures.append(rgb)
        depths.append(depth)
        np.savez(tmp_path / "hamer" / f"{k:05d}.npz", **hamer_of(TRIPOD, HAND.joints(pose)))
    return film(
        pictures,
        TRIPOD,
        tf=False,
        depths=depths,
        rate_hz=RATE_HZ,
        clicks=(0.1 + TOUCH_S,),  # the film's first picture is taken 0.1 s after its start
        session={"session_id": "demo", "scene_id": "carpet"},
    )


@pytest.mark.long
def test_from_the_tripods_bag_to_clips_and_views(recorded: Path, tmp_path: Path) -> None:
    scenes, placed, followed = tmp_path / "scenes", tmp_path / "placed", tmp_path / "followed"
    call(scene, "register", scenes / "carpet", recorded, "--to", placed, "--out", tmp_path / "register")
    call(hands, "track", placed, "--hamer", tmp_path / "hamer", "--to", followed, "--out", tmp_path / "hands")
    call(dataset, "build", followed, "--out", tmp_path / "dataset")
    call(
        scene,
        "views",
        followed,
        "--scenes",
        scenes,
        "--out",
        tmp_path / "views",
        "--size",
        "96",
        "--workers",
        "1",
    )

    (clip,) = ClipDataset(tmp_path / "dataset").clips
    first = min(message.log_time for message in Bag(recorded).messages())
    assert (clip.contact_ns - first) * 1e-9 == pytest.approx(0.1 + TOUCH_S, abs=0.015)
    tip = HAND.joints(pose_at(TOUCH_S))[8]
    assert np.linalg.norm(np.array(clip.position) - tip) < 0.05
    rows = pq.read_table(tmp_path / "views" / "demo" / "views.parquet").to_pydict()
    assert sum(rows["has_local_right"]) >= 6 and not any(rows["has_local_left"])
    index = int(np.argmin(np.abs(np.array(rows["time_ns"]) - clip.contact_ns)))
    local = cv2.imread(str(tmp_path / "views" / "demo" / "local_right" / f"{index:05d}.jpg"))
    assert local.shape == (96, 96, 3) and local.std() > 10  # the carpet, from near
