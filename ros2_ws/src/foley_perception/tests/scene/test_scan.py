"""Pictures of a scene from known places: folders, and what is wrong with some."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from foley_perception.scene.analytic import render_picture, ring_of_cameras, write_scan
from foley_perception.scene.scan import ScanError, read_scan


def test_a_folder_gives_back_what_was_written(tmp_path: Path) -> None:
    cameras = ring_of_cameras(5)
    scan = read_scan(write_scan(tmp_path / "scan", cameras))
    assert len(scan.views) == 5 and not scan.problems and scan.has_depth
    for view, camera in zip(scan.views, cameras, strict=True):
        np.testing.assert_allclose(view.camera.K, camera.K, atol=1e-9)
        np.testing.assert_allclose(
            view.camera.tx_world_camera.matrix, camera.tx_world_camera.matrix, atol=1e-9
        )
        rgb, depth = render_picture(camera)
        np.testing.assert_array_equal(view.rgb(), rgb)
        assert view.depth is not None
        np.testing.assert_allclose(view.depth(), depth, atol=6e-4)


def test_blurred_views_are_left_out_and_told(tmp_path: Path) -> None:
    folder = write_scan(tmp_path / "scan", ring_of_cameras(20))
    for k in (4, 11):
        sharp = cv2.imread(str(folder / f"{k:03d}.png"))
        cv2.imwrite(str(folder / f"{k:03d}.png"), cv2.GaussianBlur(sharp, (0, 0), 4.0))
    scan = read_scan(folder).without_blurred()
    assert [view.name for view in scan.views] == [f"{k:03d}" for k in range(20) if k not in (4, 11)]
    assert scan.problems == ("2 of 20 views are blurred and were left out",)


def test_missing_images_are_told(tmp_path: Path) -> None:
    folder = write_scan(tmp_path / "scan", ring_of_cameras(5), depth=False)
    (folder / "002.png").unlink()
    scan = read_scan(folder)
    assert len(scan.views) == 4 and not scan.has_depth
    assert scan.problems == ("1 of 5 images are missing, as 002.png",)


def broken(folder: Path, **change: object) -> Path:
    content = json.loads((folder / "transforms.json").read_text())
    (folder / "transforms.json").write_text(json.dumps({**content, **change}))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k1": 0.1}, "k1 is 0.1; undistort"),
        ({"camera_model": "OPENCV_FISHEYE"}, "camera_model is 'OPENCV_FISHEYE'"),
        ({"fl_x": 0.0}, "frame 0: .*not calibrated"),
        ({"frames": [{"file_path": "000.png"}]}, "frame 0: KeyError: 'transform_matrix'"),
        ({"frames": 3}, "not Nerfstudio's layout"),
        ({"frames": []}, "none of its 0 images"),
        ({"frames": ["000.png"]}, "frame 0: is a str"),
        *(({name: 0.3}, f"{name} is 0.3; undistort") for name in ("k2", "k3", "k4", "k5", "k6", "p1", "p2")),
        ({"k1": "0.1"}, "k1 is '0.1'; undistort"),
        ({"k1": None}, "k1 is None; undistort"),
        ({"k1": float("nan")}, "k1 is nan; undistort"),
        ({"distortion_params": [0, 0, 0.2, 0]}, "distortion_params is .*; undistort"),
        ({"is_fisheye": True, "k1": 0.0}, "is_fisheye is True; undistort"),
        ({"is_fisheye": 1}, "is_fisheye is 1; undistort"),
        ({"latlong": True}, "latlong is True; undistort"),
        ({"equirectangular": 1}, "equirectangular is 1; undistort"),
        ({"ftheta_p0": 0.0, "ftheta_p1": 1e-3}, "ftheta_p0 is 0.0; undistort"),
        ({"camera_model": "EQUIRECTANGULAR"}, "camera_model is 'EQUIRECTANGULAR'"),
        ({"camera_model": ["OPENCV"]}, "camera_model is "),
        ({"w": 1e400}, "frame 0: OverflowError"),
        (
            {"w": 32, "h": 24},
            "000.png is 64x48, its camera 32x24; give the picture that these numbers are of",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ScanError, match=message):
        read_scan(broken(write_scan(tmp_path / "scan", ring_of_cameras(3)), **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k1": 0.25, "k2": -0.1, "p1": 0, "p2": 0}, "frame 1: k1 is 0.25; undistort"),
        ({"k3": 0.3}, "frame 1: k3 is 0.3; undistort"),
        ({"is_fisheye": True}, "frame 1: is_fisheye is True; undistort"),
        ({"camera_model": "OPENCV_FISHEYE"}, "frame 1: camera_model is 'OPENCV_FISHEYE'; undistort"),
        ({"transform_matrix": np.diag([2.0, 2.0, 2.0, 1.0]).tolist()}, "frame 1: .*without scale or mirror"),
        ({"transform_matrix": np.diag([1.0, 1.0, -1.0, 1.0]).tolist()}, "frame 1: .*without scale or mirror"),
        ({"transform_matrix": [[1.0, 0.0], [0.0, 1.0]]}, r"frame 1: .*transform_matrix has shape \(2, 2\)"),
        (
            {"transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.5, 0, 2, 1]]},
            r"frame 1: .*last row of transform_matrix is \[0.5, 0, 2, 1\], .* it is transposed",
        ),
        (
            {"transform_matrix": np.diag([1.0, 1.0, 1.0, 2.0]).tolist()},
            "frame 1: .*write poses without scale",
        ),
        ({"cx": "left"}, "frame 1: ValueError: .*'left'"),
        ({"h": 47}, "frame 1: 001.png is 64x48, its camera 64x47"),
    ],
)
def test_one_frame_that_cannot_be_used_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    folder = write_scan(tmp_path / "scan", ring_of_cameras(3), depth=False)
    frames = json.loads((folder / "transforms.json").read_text())["frames"]
    frames[1].update(change)
    with pytest.raises(ScanError, match=message):
        read_scan(broken(folder, frames=frames))


def test_coefficients_of_zero_are_a_pinhole_and_a_frame_may_have_its_own_numbers(tmp_path: Path) -> None:
    cameras = ring_of_cameras(3)
    folder = write_scan(tmp_path / "scan", cameras, depth=False)
    content = json.loads((folder / "transforms.json").read_text())
    content.update(
        camera_model="SIMPLE_RADIAL", k1=0, k2=0.0, is_fisheye=False, distortion_params=[0, 0, 0, 0]
    )
    content["frames"][2].update(k3=0.0, fl_x=50.0)
    del content["w"], content["h"]  # the pictures tell
    (folder / "transforms.json").write_bytes(json.dumps(content).encode("utf-8-sig"))
    scan = read_scan(folder)
    assert [view.camera.K[0, 0] for view in scan.views] == [cameras[0].K[0, 0], cameras[1].K[0, 0], 50.0]
    assert {(view.camera.width, view.camera.height) for view in scan.views} == {
        (64, 48)
    } and not scan.problems


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_pictures_are_taken_as_they_are_stored(
    tmp_path: Path, orientation: int, set_orientation: Callable[..., None]
) -> None:
    cameras = ring_of_cameras(3)
    folder = write_scan(tmp_path / "scan", cameras, depth=False)
    for k in (0, 2):
        set_orientation(folder / f"{k:03d}.png", orientation)
    scan = read_scan(folder)
    for view, camera in zip(scan.views, cameras, strict=True):
        np.testing.assert_array_equal(view.rgb(), render_picture(camera)[0])
    assert len(scan.problems) == 1
    assert f"2 of 3 images have an EXIF orientation, as 000.png ({orientation})" in scan.problems[0]


def test_numbers_of_the_turned_picture_and_mirror_images_are_refused(
    tmp_path: Path, set_orientation: Callable[..., None]
) -> None:
    folder = write_scan(tmp_path / "scan", ring_of_cameras(3), depth=False)
    set_orientation(folder / "001.png", 6)
    frames = json.loads((folder / "transforms.json").read_text())["frames"]
    frames[1].update(w=48, h=64)
    with pytest.raises(
        ScanError, match=r"frame 1: 001\.png is 64x48, its camera 48x64; its EXIF orientation is 6 "
    ):
        read_scan(broken(folder, frames=frames))
    set_orientation(folder / "002.png", 2)
    frames[1].update(w=64, h=48)
    with pytest.raises(
        ScanError, match=r"EXIF orientation is 2: it is stored as a mirror image; .*auto-orient"
    ):
        read_scan(broken(folder, frames=frames))


def test_a_missing_depth_image_is_told(tmp_path: Path) -> None:
    folder = write_scan(tmp_path / "scan", ring_of_cameras(3))
    (folder / "001_depth.png").unlink()
    scan = read_scan(folder)
    assert not scan.has_depth and scan.problems == ("1 of 3 depth images are missing, as 001_depth.png",)


def test_a_json_of_anything_is_refused(tmp_path: Path) -> None:
    folder = write_scan(tmp_path / "scan", ring_of_cameras(3), depth=False)
    whole, rng = (folder / "transforms.json").read_bytes(), np.random.default_rng(0)
    for content in (b"[" * 100_000, b"\xff", b"[]", b"null", b'{"frames": null}', b'{"frames": [null]}'):
        (folder / "transforms.json").write_bytes(content)
        with pytest.raises(ScanError):
            read_scan(folder)
    for _ in range(200):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] ^= 1 << int(rng.integers(8))
        (folder / "transforms.json").write_bytes(damaged)
        try:
            scan = read_scan(folder)
        except ScanError:
            continue
        assert all(np.isfinite(view.camera.K).all() for view in scan.views)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    folder = write_scan(tmp_path / "scan", ring_of_cameras(3))
    (folder / "001.png").write_bytes(b"nothing")
    (folder / "001_depth.png").write_bytes(b"nothing")
    view = read_scan(folder).views[1]
    assert view.depth is not None
    with pytest.raises(ScanError, match=r"001\.png: not an image"):
        view.rgb()
    with pytest.raises(ScanError, match=r"001_depth\.png: not a depth image"):
        view.depth()


def test_a_bag_with_a_moving_camera(make_moving_bag: Callable[..., Path]) -> None:
    cameras = ring_of_cameras(6)
    bag = make_moving_bag(
        [render_picture(camera)[0] for camera in cameras],
        [camera.tx_world_camera for camera in cameras],
        cameras[0].K,
        child="camera_optical",
    )
    scan = read_scan(bag)
    assert len(scan.views) == 6 and not scan.has_depth and not scan.problems
    for view, camera in zip(scan.views, cameras, strict=True):
        np.testing.assert_allclose(
            view.camera.tx_world_camera.matrix, camera.tx_world_camera.matrix, atol=1e-9
        )
        np.testing.assert_array_equal(view.rgb(), render_picture(camera)[0])
    with pytest.raises(ScanError, match=r"no picture has a pose .*record /tf and /tf_static"):
        read_scan(bag, world_frame="map")


def test_what_is_no_scan_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScanError):
        read_scan(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScanError, match="neither a bag nor a folder of images"):
        read_scan(tmp_path / "empty")
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ScanError, match="images without poses"):
        read_scan(tmp_path / "photos")
