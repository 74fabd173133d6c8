"""Stills by Gaussians: the simulator's set with its views drawn anew from scans."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from foley_common.session_file import MOTION_RATE, VIEW_RATE, SessionData, read_session, write_session
from foley_common.view_geometry import VIEW_SIZE
from foley_perception.commands import scene_stills as command
from foley_perception.gaussians.reconstruction.optimise import OptimiseConfig
from foley_perception.gaussians.views import stills as module
from foley_perception.gaussians.views.cameras import ViewConfig, local_camera
from foley_perception.gaussians.views.stills import draw_still, draw_stills, figures_of, planned_tips, scanned
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.analytic import BOXES, render_picture, ring_of_cameras, write_scan
from foley_perception.scene.scan import ScanError, read_scan
from foley_perception.scene.transforms_file import read_camera

CAMERA = CameraModel.looking_at([0, -0.75, 0.65], [0, 0, 0.05], width=96, height=72, fovy_deg=50.0)
QUICK = OptimiseConfig(steps=1, voxel=0.02, hold_out=0)
STICK = 0.2


def still(tips: np.ndarray) -> SessionData:
    """Views of the analytic scene at tips [n, 3], as the simulator would write them."""
    rows = int(np.ceil(len(tips) * MOTION_RATE / VIEW_RATE))
    which = np.minimum(np.round(np.arange(rows) * VIEW_RATE / MOTION_RATE).astype(int), len(tips) - 1)
    # The tool points down: its x axis as the world's, its z axis against it.
    pose = np.hstack([tips[which] + [0, 0, STICK], np.tile([1.0, 0, 0, 0], (rows, 1))]).astype(np.float32)
    files = []
    for tip in tips:
        rgb, _ = render_picture(local_camera(CAMERA, tip, ViewConfig()))
        files.append(cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes())
    return SessionData(
        facts={"scene_id": "boxes", "split": "test", "stills": True, "sound_rate": MOTION_RATE,
               "objects": [{"object_id": "a", "material": "wood"}], "view_names": ["local_right"]},
        sound=np.zeros(rows, np.int16), planned_pose=pose, executed_pose=pose,
        planned_width=np.zeros(rows, np.float32), executed_width=np.zeros(rows, np.float32),
        wrench=np.zeros((rows, 6), np.float32), tool_tip=np.array([0, 0, STICK, 0, 0, 0, 1], np.float32),
        surface_points=np.ones((5, 3), np.int16), surface_colours=np.ones((5, 3), np.uint8),
        contact_s=np.zeros(0, np.float32), contact_planned_s=np.zeros(0, np.float32),
        contact_object=np.zeros(0, np.int16), contact_impulse=np.zeros(0, np.float32),
        view_bytes=np.frombuffer(b"".join(files), np.uint8).copy(),
        view_offsets=np.cumsum([0, *map(len, files)]).astype(np.int64),
    )  # fmt: skip


@pytest.fixture(scope="module")
def tips() -> np.ndarray:
    tops = [(*(np.add(low, high) / 2)[:2], high[2] + 0.01) for low, high in BOXES]
    return np.array([*tops, [0.2, 0.2, 0.02]])


@pytest.fixture
def folder(tmp_path: Path, tips: np.ndarray) -> Path:
    """A set with one scene that was scanned, and one that was not."""
    stills = tmp_path / "simulator"
    scan = write_scan(stills / "scans" / "boxes", ring_of_cameras(10))
    told = json.loads((scan / "transforms.json").read_text())
    K, pose = CAMERA.K, CAMERA.tx_world_camera.matrix @ np.diag([1.0, -1, -1, 1])
    told["view_camera"] = {
        "fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5, "w": 96, "h": 72,
        "transform_matrix": pose.tolist(),
    }  # fmt: skip
    (scan / "transforms.json").write_text(json.dumps(told))
    session = still(tips)
    write_session(stills / "boxes-stills.npz", session)
    other = {**session.facts, "scene_id": "elsewhere"}
    write_session(stills / "elsewhere-stills.npz", SessionData(**{**vars(session), "facts": other}))
    return stills


def view(session: SessionData, moment: int) -> np.ndarray:
    file = np.frombuffer(session.view(moment, "local_right"), np.uint8)
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_only_the_pictures_change_and_they_show_the_same_things(
    folder: Path, tmp_path: Path, tips: np.ndarray
) -> None:
    path, scan = scanned(folder)[0]
    out = tmp_path / "gaussians"
    drawn = draw_still(path, scan, out, QUICK)
    assert drawn.made and drawn.moments == len(tips) and drawn.coverage > 0.9
    own, other = read_session(path), read_session(out / path.name)
    assert other.facts["rendered_by"] == "gaussians"
    assert {k: other.facts[k] for k in own.facts} == own.facts
    for name in ("planned_pose", "surface_points", "tool_tip"):
        assert np.array_equal(getattr(own, name), getattr(other, name))
    apart = np.array(
        [[np.abs(view(own, i) - view(other, k)).mean() for k in range(len(tips))] for i in range(len(tips))]
    )
    assert view(other, 0).shape == (VIEW_SIZE, VIEW_SIZE, 3)
    assert (apart.argmin(axis=1) == np.arange(len(tips))).all(), "each view is most like the same one"
    assert drawn.psnr > 15


def test_what_was_drawn_is_kept_until_its_scan_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path, scan), *others = scanned(folder)
    assert not others, "a scene without a scan is left out"
    out, fits = tmp_path / "gaussians", []
    fit = module.reconstruct
    monkeypatch.setattr(
        module, "reconstruct", lambda *rest, **named: fits.append(rest) or fit(*rest, **named)
    )
    first, second = (draw_still(path, scan, out, QUICK) for _ in range(2))
    assert first.made and not second.made and len(fits) == 1
    assert [file.name for file in out.iterdir()] == [path.name], "what was fitted is not kept"
    assert second.gaussians == first.gaussians and second.psnr == pytest.approx(first.psnr)
    assert figures_of([first, second], {})["drawn_now"] == 1
    (scan / "000.png").write_bytes((scan / "001.png").read_bytes())
    assert draw_still(path, scan, out, QUICK).made and len(fits) == 2


def test_tips_are_where_the_plan_is_at_the_views(tips: np.ndarray) -> None:
    np.testing.assert_allclose(planned_tips(still(tips)), tips, atol=1e-6)


def test_what_cannot_be_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is the set itself"):
        draw_stills(folder, folder)
    (folder / "scans" / "boxes" / "transforms.json").unlink()
    with pytest.raises(ScanError, match="foley sim stills --scan"):
        scanned(folder)


def test_a_scan_tells_the_camera_of_the_views(folder: Path) -> None:
    scan = folder / "scans" / "boxes"
    camera = read_camera(scan / "transforms.json", "view_camera")
    np.testing.assert_allclose(camera.K, CAMERA.K)
    np.testing.assert_allclose(camera.tx_world_camera.matrix, CAMERA.tx_world_camera.matrix, atol=1e-9)
    assert len(read_scan(scan).views) == 10
    with pytest.raises(ValueError, match="no camera `other`"):
        read_camera(scan / "transforms.json", "other")


def test_the_command_tells_figures_and_what_was_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser.add_subparsers())
    args = parser.parse_args(
        ["stills", str(folder), "--out", str(tmp_path / "out"), "--steps", "1", "--voxel", "0.02",
         "--metrics", str(tmp_path / "metrics")]
    )  # fmt: skip
    assert command.run(args) == 0 and "1 scenes (1 drawn now), 3 views" in capsys.readouterr().out
    figures = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    assert figures["scenes"] == 1 and figures["fit_s_per_scene"] > 0 and figures["failed"] == {}
    for number in range(3, 10):
        (folder / "scans" / "boxes" / f"{number:03d}.png").unlink()
    assert command.run(args) == 2 and "at least 8 are needed" in capsys.readouterr().err
