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
    ],
)
def test_a_folder_that_cannot_be_used_says_why(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ScanError, match=message):
        read_scan(broken(write_scan(tmp_path / "scan", ring_of_cameras(3)), **change))


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
