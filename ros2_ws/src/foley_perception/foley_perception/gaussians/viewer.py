"""A scene in the browser, by viser: turn it, fly through it, see from where it was scanned."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import numpy as np

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import load_ply
from foley_perception.gaussians.rendering.reference import rotation_matrices
from foley_perception.geometry.se3 import SE3


def open_viewer(scene: Path, *, host: str = "127.0.0.1", port: int = 8080) -> Any:
    """Serve a scene's folder or a PLY of Gaussians; the server, which runs until it is stopped.

    Raises:
        PlyError: the file cannot be used.
        OSError: the port is taken.
    """
    import viser

    folder = scene if scene.is_dir() else scene.parent
    gaussians = load_ply(scene / "scene.ply" if scene.is_dir() else scene)
    server = viser.ViserServer(host=host, port=port, label=f"Foley: {folder.name}", verbose=False)
    server.scene.set_up_direction("+z")
    server.scene.add_gaussian_splats(
        "/scene",
        centers=gaussians.means.numpy(),
        covariances=covariances(gaussians),
        rgbs=gaussians.colours.numpy(),
        opacities=gaussians.opacities[:, None].numpy(),
    )
    middle, away = gaussians.means.median(dim=0).values.numpy(), 1.0
    if (manifest := folder / "scene.json").is_file():
        known = json.loads(manifest.read_text())
        middle, away = np.array(known["focus"]), float(known["radius"])
        _add_cameras(server, known["cameras"])
    server.initial_camera.position = tuple(middle + away * np.array([0.0, -0.8, 0.6]))
    server.initial_camera.look_at = tuple(middle)
    server.gui.add_markdown(f"**{folder.name}**: {len(gaussians)} Gaussians")
    return server


def covariances(gaussians: Gaussians) -> np.ndarray[Any, Any]:
    """[N, 3, 3] in the world."""
    spread = rotation_matrices(gaussians.quats) * gaussians.scales[:, None, :]
    return np.asarray((spread @ spread.transpose(1, 2)).numpy())


def is_loopback(host: str) -> bool:
    """Whether nobody else can reach a server that is bound to a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _add_cameras(server: Any, cameras: dict[str, Any], count: int = 24) -> None:
    """Frustums of some of the views, hidden until they are asked for."""
    frustums = []
    names = list(cameras)[:: max(1, len(cameras) // count)]
    for name in names:
        camera = cameras[name]
        pose = SE3.from_matrix(camera["tx_world_camera"])
        x, y, z, w = pose.quaternion.tolist()
        width, height = camera["size"]
        frustums.append(
            server.scene.add_camera_frustum(
                f"/cameras/{name}",
                fov=float(2 * np.arctan(height / 2 / camera["K"][1][1])),
                aspect=width / height,
                scale=0.05,
                wxyz=(w, x, y, z),
                position=tuple(pose.translation),
                visible=False,
            )
        )
    box = server.gui.add_checkbox("cameras of the scan", initial_value=False)

    def show(_event: Any) -> None:
        for frustum in frustums:
            frustum.visible = box.value

    box.on_update(show)
