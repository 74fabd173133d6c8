import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from foley_common.session_file import MOTION_RATE, VIEW_RATE, SessionData, read_session
from foley_common.view_geometry import VIEW_SIZE
from foley_sim.foleysim1.appearances import draw_appearance
from foley_sim.foleysim1.scenes import make_scene
from foley_sim.offline.scans import VIEWS as VIEWS_OF_A_SCAN
from foley_sim.offline.scans import scanned
from foley_sim.offline.stills import StillsConfig, _finished, _write, make_stills, stills

SCENE = make_scene(2, "validation")
VIEWS = 2


@pytest.fixture(scope="module")
def still() -> SessionData:
    return stills(SCENE, VIEWS, {"scene_seed": 2})


def _view(session: SessionData, moment: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(session.view(moment, "local_right"), np.uint8), cv2.IMREAD_COLOR)
    return image[:, :, ::-1].astype(np.float64)


def test_each_view_is_from_over_a_thing_where_the_plan_then_is(still: SessionData) -> None:
    assert still.views == VIEWS * len(SCENE.objects) and still.facts["split"] == "validation"
    assert not still.sound.any() and len(still.sound) == len(still.planned_pose)
    for moment in range(still.views):
        item = SCENE.objects[moment // VIEWS]
        row = round(moment * MOTION_RATE / VIEW_RATE)
        tip = still.planned_pose[row, :3] - np.float32([0, 0, SCENE.striker.length])
        assert np.linalg.norm(tip[:2] - item.position[:2]) < 0.6 * np.hypot(*item.size[:2])
        rise = tip[2] - item.top
        assert -1e-6 <= rise <= (0.0081 if moment % VIEWS == 0 else 0.081)


def test_the_thing_below_the_tip_is_in_the_middle_of_its_view(still: SessionData) -> None:
    """By its colour: the middle of a view is most like the texture of its own thing."""
    textures = [
        draw_appearance(item.look_material or item.material.name, item.look_seed).texture.mean(axis=(0, 1))
        for item in SCENE.objects
    ]
    right = 0
    for number in range(len(SCENE.objects)):
        middle = slice(VIEW_SIZE // 2 - 4, VIEW_SIZE // 2 + 12)
        seen = _view(still, number * VIEWS)[middle, middle].mean(axis=(0, 1))
        chroma = [np.linalg.norm(_chroma(seen) - _chroma(texture)) for texture in textures]
        right += int(np.argmin(chroma)) == number
    assert right >= len(SCENE.objects) - 2


def _chroma(colour: np.ndarray) -> np.ndarray:
    return np.append(colour / colour.sum(), 0.002 * colour.mean())


def test_surface_and_truth_are_those_of_a_session(still: SessionData) -> None:
    points = still.points()
    for item, told in zip(SCENE.objects, still.facts["objects"], strict=True):
        assert told["material"] == item.material.name and told["size"] == list(item.size)
        near = np.linalg.norm(points[:, :2] - np.array(item.position[:2]), axis=1) < 0.01
        assert points[near, 2].max() == pytest.approx(item.top, abs=0.004)


@pytest.mark.long
def test_a_set_is_made_once_and_the_same_each_time(tmp_path: Path, still: SessionData) -> None:
    config = StillsConfig(tmp_path / "a", scenes=1, views=VIEWS, split="validation", seed=2, jobs=1)
    assert make_stills(config)["scenes_written"] == 1
    assert make_stills(config)["scenes_written"] == 0
    again = read_session(next((tmp_path / "a").glob("*.npz")))
    assert again.view_bytes.tobytes() == still.view_bytes.tobytes()
    assert np.array_equal(again.surface_points, still.surface_points)
    with pytest.raises(ValueError, match="views 2 and not 3"):
        make_stills(StillsConfig(tmp_path / "a", scenes=1, views=3, split="validation", jobs=1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": "judge"}, "known are train"),
        ({"views": 0}, "1 to 100 views"),
        ({"seed": 8}, "scenes 0 to 7"),
        ({"scan": 1.5}, "--scan is 1.5"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StillsConfig(**{"out": tmp_path, "scenes": 1, "split": "validation", **changes})


def test_a_share_of_the_scenes_is_scanned_and_a_set_gets_the_scans_that_it_lacks(tmp_path: Path) -> None:
    """What the scan has measured is where the scene is."""
    assert [seed for seed in range(10) if scanned(seed, 0.3)] == [0, 3, 6]
    assert all(scanned(seed, 1.0) for seed in range(50)) and not any(scanned(seed, 0.0) for seed in range(50))
    config = StillsConfig(tmp_path / "a", scenes=1, views=VIEWS, split="validation", seed=2, jobs=1, scan=1.0)
    config.out.mkdir()
    _write((dataclasses.replace(config, scan=0.0), 2), lambda scenes: None)
    assert not _finished((config, 2)) and _finished((dataclasses.replace(config, scan=0.0), 2))
    _, _, _, scans = _write((config, 2), lambda scenes: None)
    assert scans == 1 and _finished((config, 2)) and _write((config, 2), lambda scenes: None)[3] == 0
    folder = tmp_path / "a" / "scans" / SCENE.scene_id
    told = json.loads((folder / "transforms.json").read_text())
    assert told["scene_id"] == SCENE.scene_id and len(told["frames"]) == VIEWS_OF_A_SCAN
    assert not list(folder.parent.glob(".*")), "no partial folder is left"
    item = max(SCENE.objects, key=lambda one: one.size[0] * one.size[1])
    heights = []
    for frame in told["frames"]:
        depth = cv2.imread(str(folder / frame["depth_file_path"]), cv2.IMREAD_UNCHANGED) / 1000.0
        points = _world(depth, told, np.array(frame["transform_matrix"]))
        near = np.linalg.norm(points[:, :2] - np.array(item.position[:2]), axis=1) < 0.008
        heights += points[near, 2].tolist()
    assert np.percentile(heights, 95) == pytest.approx(item.top, abs=0.004)
    own = np.array(told["view_camera"]["transform_matrix"])
    assert own[:3, 3] == pytest.approx(SCENE.camera.eye)
    ahead = np.array(SCENE.camera.target) - own[:3, 3]
    assert -own[:3, 2] == pytest.approx(ahead / np.linalg.norm(ahead))


def _world(depth: np.ndarray, told: dict, pose: np.ndarray) -> np.ndarray:
    """Points [n, 3] of an OpenGL camera's depth, by Nerfstudio's convention."""
    v, u = np.indices(depth.shape) + 0.5
    x, y = (u - told["cx"]) / told["fl_x"] * depth, (v - told["cy"]) / told["fl_y"] * depth
    return np.stack([x, -y, -depth], axis=-1).reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3]
