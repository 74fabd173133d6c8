"""The views of an interaction: who looks where, what is drawn in, and whole recordings of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from foley_perception.action.gripper import GripperHand
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import save_ply
from foley_perception.gaussians.views.cameras import (
    ViewConfig,
    ViewRenderer,
    around,
    draw_hands,
    local_camera,
    registered,
    square,
)
from foley_perception.gaussians.views.recordings import (
    BulkConfig,
    draw_recording,
    draw_recordings,
    find_scenes,
)
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.scene.analytic import bench_camera
from foley_perception.scene.scan import ScanError

CONFIG = ViewConfig(size=96)


def table() -> Gaussians:
    """A grey table top of 1 m by 1 m."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-0.5, 0.5, 40), np.linspace(-0.5, 0.5, 40)))
    points = torch.tensor(np.stack([x, y, 0 * x], -1), dtype=torch.float32)
    n = len(points)
    return Gaussians(
        points,
        torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4),
        torch.tensor([[0.02, 0.02, 0.002]]).expand(n, 3),
        torch.full((n,), 0.95),
        torch.zeros(n, 1, 3),
    )


def hands(place: tuple[float, float, float] = (0.1, 0.05, 0.1)) -> np.ndarray:
    """One gripper that points down."""
    pose = SE3.from_rotation_vector([[np.pi, 0, 0]], [place])
    return GripperHand.from_yaml("parallel_gripper").keypoints(pose, 0.04)[0]


def test_a_square_view_holds_the_whole_picture() -> None:
    camera = bench_camera()
    view = square(camera, 96)
    for corner in ((-0.5, -0.5), (319.5, -0.5), (-0.5, 239.5), (319.5, 239.5), (160.0, 120.0)):
        point = camera.unproject(np.array(corner), np.array(0.8))
        pixel, depth = view.project(point)
        assert depth == pytest.approx(0.8)
        np.testing.assert_allclose(pixel, (np.array(corner) + 0.5) * 0.3 - 0.5 + [0, 12], atol=1e-9)


def test_a_local_view_has_the_hand_in_its_middle() -> None:
    camera, point = bench_camera(), np.array([0.1, 0.05, 0.02])
    view = local_camera(camera, point, CONFIG)
    np.testing.assert_allclose(view.project(point)[0], [47.5, 47.5], atol=1e-6)
    np.testing.assert_allclose(view.tx_world_camera.translation, camera.tx_world_camera.translation)
    beside = point + CONFIG.local_half_m * view.tx_world_camera.rotation[:, 0]
    np.testing.assert_allclose(view.project(beside)[0], [95.5, 47.5], atol=1e-6)
    with pytest.raises(ValueError, match=r"the hand is 0\.050 m from the camera"):
        local_camera(camera, camera.tx_world_camera.translation + np.array([0, 0, 0.05]), CONFIG)
    above = CameraModel.looking_at((0, 0, 1), (0, 0, 0), width=96, height=96, fovy_deg=40, up=(0, 1, 0))
    assert np.isfinite(local_camera(above, np.zeros(3), CONFIG).project(np.zeros(3))[0]).all()


def test_top_and_side_look_at_the_middle_from_as_far() -> None:
    camera, centre = bench_camera(), np.array([0.0, 0.0, 0.03])
    views = around(camera, centre, CONFIG)
    away = np.linalg.norm(camera.tx_world_camera.translation - centre)
    for view in views.values():
        np.testing.assert_allclose(view.project(centre)[0], [47.5, 47.5], atol=1e-6)
        assert np.linalg.norm(view.tx_world_camera.translation - centre) == pytest.approx(away)
    top = views["top"].tx_world_camera.translation - centre
    assert np.rad2deg(np.arcsin(top[2] / away)) == pytest.approx(80.0)
    side, front = (c.tx_world_camera.translation - centre for c in (views["side"], camera))
    turn = np.rad2deg(np.arctan2(side[1], side[0]) - np.arctan2(front[1], front[0]))
    assert turn % 360 == pytest.approx(60.0)


def test_hands_are_drawn_where_they_are() -> None:
    camera, keypoints = square(bench_camera(), 224), hands()
    empty = np.zeros((224, 224, 3), np.uint8)
    drawn = draw_hands(empty, camera, keypoints)
    assert not empty.any()
    pixels, _ = camera.project(keypoints[1])
    for u, v in np.round(pixels).astype(int):
        assert drawn[v, u].any(), "a keypoint is not drawn"
    painted = np.argwhere(drawn.any(axis=2))[:, ::-1]
    nearest = np.linalg.norm(painted[:, None] - pixels[None], axis=2).min(axis=1)
    assert nearest.max() < 25 and len(painted) < 0.1 * drawn[..., 0].size
    red, _, blue = drawn[drawn.any(axis=2)].mean(axis=0)
    assert red > blue  # a right hand
    unknown = np.full((2, 21, 3), np.nan)
    assert not draw_hands(empty, camera, unknown).any()
    behind = keypoints + 10 * (camera.tx_world_camera.translation - keypoints[1].mean(axis=0))
    assert not draw_hands(empty, camera, behind).any()


def test_views_of_one_moment() -> None:
    keypoints = hands()
    tips = np.full((2, 3), np.nan)
    tips[1] = (0.1, 0.05, 0.0)
    renderer = ViewRenderer(table(), bench_camera(), np.array([0, 0, 0.03]), CONFIG)
    views = renderer.views(keypoints, ("global", "local_left", "local_right", "top", "side"), tips)
    assert set(views.images) == {"global", "local_right", "top", "side"}  # no left hand is known
    for name, image in views.images.items():
        assert image.shape == (96, 96, 3) and image.dtype == np.uint8
        assert views.coverage[name] > 0.2
    np.testing.assert_allclose(views.cameras["local_right"].project(tips[1])[0], [47.5, 47.5], atol=1e-6)
    # The local view shows the scene without the hand.
    assert int(np.ptp(views.images["local_right"].reshape(-1, 3), axis=1).max()) <= 2
    # What stays is drawn once, and hands do not stay in it.
    without = renderer.views(np.full((2, 21, 3), np.nan), ("global",)).images["global"]
    assert not np.array_equal(without, views.images["global"])
    assert int(np.ptp(without.reshape(-1, 3), axis=1).max()) <= 2
    fingertips = renderer.views(keypoints, ("local_right",)).cameras["local_right"]
    centre = keypoints[1, [4, 8, 12, 16, 20]].mean(axis=0)
    np.testing.assert_allclose(fingertips.project(centre)[0], [47.5, 47.5], atol=1e-6)
    with pytest.raises(ValueError, match=r"keypoints have shape \(21, 3\)"):
        renderer.views(keypoints[1])


def test_a_registered_camera_sees_the_same() -> None:
    move = SE3.from_rotation_vector([0.0, 0.0, 0.7], [0.3, -0.2, 0.1])
    camera = bench_camera()
    there = registered(camera, move)
    point = np.array([0.1, 0.0, 0.05])
    np.testing.assert_allclose(there.project(move.apply(point))[0], camera.project(point)[0], atol=1e-9)


@pytest.mark.parametrize("change", [{"size": 4}, {"local_half_m": 0.0}, {"top_deg": 90.0}])
def test_bad_sizes_are_named(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ViewConfig(**change)  # type: ignore[arg-type]


# ---- recordings --------------------------------------------------------------------------------------------
def write_scene(folder: Path, scene_id: str) -> Path:
    folder.mkdir(parents=True)
    save_ply(table(), folder / "scene.ply")
    (folder / "scene.json").write_text(json.dumps({"scene_id": scene_id, "focus": [0.05, 0.0, 0.0]}))
    return folder


def test_a_recording_is_drawn_once(make_bag, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bag, out = make_bag(), tmp_path / "views"
    scenes = {"bench-1": write_scene(tmp_path / "scene", "bench-1")}
    config = BulkConfig(names=("global", "local_right"), views=CONFIG)
    made = draw_recording(bag, scenes, out, config)
    folder = next(out.iterdir())
    table_ = pq.read_table(folder / "views.parquet").to_pydict()
    assert made["rendered_now"] and made["moments"] == len(table_["time_ns"]) > 10
    np.testing.assert_allclose(np.diff(table_["time_ns"]) * 1e-9, 0.25, atol=1e-6)
    assert len(list((folder / "global").glob("*.jpg"))) == made["moments"]
    assert len(list((folder / "local_right").glob("*.jpg"))) == sum(table_["has_local_right"]) > 0
    assert len(table_["keypoints"][5]) == 126
    picture = folder / "global" / "00003.jpg"
    assert cv2.imread(str(picture)).shape == (96, 96, 3)
    before = picture.stat().st_mtime_ns
    assert not draw_recording(bag, scenes, out, config)["rendered_now"]
    assert picture.stat().st_mtime_ns == before
    (folder / "views.json").write_text("{damaged")
    assert draw_recording(bag, scenes, out, config)["rendered_now"]
    assert draw_recording(bag, scenes, out, dataclasses.replace(config, rate_hz=2.0))["rendered_now"]


def test_a_persons_hands_are_drawn_without_a_robot(make_bag, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    scenes = {"bench-1": write_scene(tmp_path / "scene", "bench-1")}
    config = BulkConfig(names=("global", "local_left", "local_right"), views=CONFIG)
    made = draw_recording(make_bag(person=True), scenes, tmp_path / "views", config)
    rows = pq.read_table(tmp_path / "views" / "s1" / "views.parquet").to_pydict()
    assert made["moments"] > 10 and sum(rows["has_local_right"]) > 10 and not any(rows["has_local_left"])
    hand = np.array(rows["keypoints"][4]).reshape(2, 21, 3)
    assert np.isnan(hand[0]).all() and np.isfinite(hand[1]).all() and np.isnan(rows["tips"][4]).all()


def test_bags_without_a_scene_are_left_out_and_named(make_bag, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bag = make_bag()
    scenes = {"elsewhere": write_scene(tmp_path / "scene", "elsewhere")}
    made, failed = draw_recordings([bag, tmp_path / "nothing"], scenes, tmp_path / "out", BulkConfig())
    assert not made and "was not reconstructed; there are elsewhere" in failed[str(bag)]
    assert str(tmp_path / "nothing") in failed


def test_scenes_are_found_by_their_id(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="no reconstructed scene"):
        find_scenes(tmp_path)
    first, second = write_scene(tmp_path / "a", "kitchen"), write_scene(tmp_path / "b", "hall")
    assert find_scenes(tmp_path) == {"kitchen": first, "hall": second}
    write_scene(tmp_path / "c", "hall")
    with pytest.raises(ScanError, match="both of scene hall"):
        find_scenes(tmp_path)


@pytest.mark.parametrize("change", [{"rate_hz": -1.0}, {"names": ("global", "bottom")}])
def test_a_bad_bulk_configuration_says_so(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"rate_hz|bottom"):
        BulkConfig(**change)  # type: ignore[arg-type]
