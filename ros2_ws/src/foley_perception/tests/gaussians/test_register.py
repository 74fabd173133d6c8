"""A camera put into a scene by what it sees."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from foley_perception.commands import bag as bag_command
from foley_perception.commands import scene as command
from foley_perception.episodes.reader import read_episode
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import save_ply
from foley_perception.gaussians.register import RegisterError, register, register_still
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3


def looking(eye: tuple[float, float, float]) -> CameraModel:
    return CameraModel.looking_at(eye, (0.0, 0.0, 0.0), width=320, height=240, fovy_deg=40.0)


def photograph(scene: Gaussians, camera: CameraModel) -> np.ndarray:
    with torch.no_grad():
        image = render(scene, camera).rgb.clamp(0, 1)
    return np.ascontiguousarray((image * 255).round().to(torch.uint8).numpy())


GUESSES = [
    looking((0.8 * np.cos(a), 0.8 * np.sin(a), 0.6)).tx_world_camera for a in np.deg2rad([-90, -60, -30, 60])
]


def test_the_camera_is_found_although_something_is_in_the_way(carpet: Gaussians) -> None:
    scene, truth = carpet, looking((0.15, -0.75, 0.6))
    picture = photograph(scene, truth)
    picture[60:150, 120:170] = (40, 40, 40)  # a robot
    found = register(scene, picture, truth.K, GUESSES)
    shift, turn = found.camera.tx_world_camera.distance_to(truth.tx_world_camera)
    assert float(shift) < 0.01 and np.rad2deg(float(turn)) < 0.5
    points = np.random.default_rng(1).uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 0.1], (50, 3))
    assert np.linalg.norm(found.camera.project(points)[0] - truth.project(points)[0], axis=1).max() < 1.5
    assert found.inliers >= 20 and found.rms_px < 1.5 and found.matches > found.inliers


def test_a_picture_of_something_else_is_refused(carpet: Gaussians) -> None:
    scene = carpet
    K = looking((0, -1, 1)).K
    with pytest.raises(RegisterError, match="none of 4 views of the scene has 20 features in common"):
        register(scene, np.full((240, 320, 3), 128, np.uint8), K, GUESSES)
    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    with pytest.raises(RegisterError):
        register(scene, noise, K, GUESSES)
    with pytest.raises(RegisterError, match="no guess"):
        register(scene, noise, K, [SE3.identity()][:0])


# ---- a camera that stands still ------------------------------------------------------------------------------
TRIPOD = looking((0.15, -0.75, 0.6))


def pictures_with_a_robot(scene: Gaussians) -> list[np.ndarray]:
    """What is in the way is elsewhere in each."""
    empty, found = photograph(scene, TRIPOD), []
    for k in range(4):
        picture = empty.copy()
        picture[60:150, 60 + 40 * k : 110 + 40 * k] = (40, 40, 40)
        found.append(picture)
    return found


def test_several_pictures_are_better_than_one(carpet: Gaussians) -> None:
    pictures = pictures_with_a_robot(carpet)
    other = photograph(carpet, looking((0.35, -0.7, 0.6)))  # somebody pushed the tripod
    black = np.zeros_like(other)
    done: list[int] = []
    found = register_still(carpet, [*pictures, other, black], TRIPOD.K, GUESSES, done.append)
    shift, turn = found.camera.tx_world_camera.distance_to(TRIPOD.tx_world_camera)
    assert float(shift) < 0.005 and np.rad2deg(float(turn)) < 0.3
    assert found.pictures == 6 and len(found.each) == 4 and done[-1] == 6
    assert found.spread_mm < 5 and found.spread_deg < 0.5
    assert any("1 of 6 pictures were not found" in text for text in found.problems)
    assert any("1 of 5 pictures say another place" in text and "move?" in text for text in found.problems)
    with pytest.raises(RegisterError, match="no pictures"):
        register_still(carpet, [], TRIPOD.K, GUESSES)


def test_from_a_bag_without_tf_to_one_that_says_where_the_camera_is(
    carpet: Gaussians,
    film: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene = tmp_path / "scene"
    scene.mkdir()
    save_ply(carpet, scene / "scene.ply")
    cameras = {str(k): {"tx_world_camera": pose.matrix.tolist()} for k, pose in enumerate(GUESSES)}
    (scene / "scene.json").write_text(json.dumps({"cameras": cameras}))
    pictures = pictures_with_a_robot(carpet)
    bag, known = film(pictures, TRIPOD, tf=False), film(pictures, TRIPOD)

    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        return command.run(parser.parse_args(["register", *words, "--out", str(tmp_path / "out")]))

    assert run(str(scene), str(bag), "--to", str(tmp_path / "copy")) == 0, capsys.readouterr().err
    assert read_episode(bag).camera is None
    camera = read_episode(tmp_path / "copy").camera
    assert camera is not None
    assert float(camera.tx_world_camera.distance_to(TRIPOD.tx_world_camera)[0]) < 0.005
    transform = yaml.safe_load((tmp_path / "out" / "camera.yaml").read_text())
    assert transform["parent_frame"] == "world" and transform["child_frame"] == "camera_optical"
    assert cv2.imread(str(tmp_path / "out" / "register.jpg")).shape == (240, 960, 3)
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["agree"] == 4 and figures["spread_mm"] < 5 and "from_tf_mm" not in figures

    # The file does the same later.
    parser = argparse.ArgumentParser()
    bag_command.configure(parser)
    words = [
        "add-transform",
        str(bag),
        str(tmp_path / "out" / "camera.yaml"),
        "--to",
        str(tmp_path / "later"),
    ]
    assert bag_command.run(parser.parse_args(words)) == 0
    later = read_episode(tmp_path / "later").camera
    assert later is not None
    np.testing.assert_allclose(later.tx_world_camera.matrix, camera.tx_world_camera.matrix, atol=1e-12)
    (tmp_path / "bad.yaml").write_text(
        "parent_frame: world\nchild_frame: camera\nrotation: {x: 0, y: 0, z: 0}\n"
    )
    words[2] = str(tmp_path / "bad.yaml")
    assert bag_command.run(parser.parse_args(words)) == 2
    assert "not a static transform (KeyError: 'w')" in capsys.readouterr().err

    # Where tf knows the place already, it is compared, not overwritten.
    assert run(str(scene), str(known)) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["from_tf_mm"] < 5
    assert "tf says a place" in capsys.readouterr().out
    assert run(str(scene), str(known), "--to", str(tmp_path / "more")) == 2
    assert "says already where camera_optical is" in capsys.readouterr().err
    assert run(str(tmp_path), str(bag)) == 2
    assert "no scene.json of a reconstruction" in capsys.readouterr().err
    assert run(str(scene), str(bag), "--pictures", "0") == 2
    assert "--pictures is 0" in capsys.readouterr().err
