"""The camera: pictures and depth of a world's snapshots, drawn off-screen by MuJoCo.

The OpenGL context belongs to the thread that made it: make a `Camera` in the thread that draws with it. It keeps
its own MuJoCo state, so that drawing and physics do not wait for each other.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.headless_gl import PACKAGES, NoRenderer, import_mujoco
from foley_sim.physics import mjcf
from foley_sim.rendering.lens import Lens
from foley_sim.robots import OTHER
from foley_sim.robots.tool import TIP
from foley_sim.spec import CameraSpec

MAX_DEPTH_M = 10.0


def intrinsics(camera: CameraSpec) -> NDArray[np.float64]:
    """K [3, 3] in pixels; the centre of the first pixel is (0, 0)."""
    focal = camera.height / 2 / math.tan(math.radians(camera.fovy_deg) / 2)
    return np.array(
        [[focal, 0.0, (camera.width - 1) / 2], [0.0, focal, (camera.height - 1) / 2], [0.0, 0.0, 1.0]]
    )


class Camera:
    """Draws one model.

    Args:
        model: mujoco.MjModel.
        spec: size of the pictures; the pose is in the model.
        name: camera of the model.

    Raises:
        NoRenderer: the OpenGL context could not be made.
    """

    def __init__(self, model: Any, spec: CameraSpec, name: str = mjcf.CAMERA) -> None:
        mujoco = import_mujoco(draws=True)
        self._mujoco = mujoco
        self._model = model
        self._data = mujoco.MjData(model)
        self._name = name
        self._lens = Lens(spec)
        self._pictures = 0
        try:
            # No text is drawn, and the larger fonts cost more than all textures.
            font = mujoco.mjtFontScale.mjFONTSCALE_50
            self._renderer = mujoco.Renderer(model, spec.height, spec.width, font_scale=font)
        except Exception as error:  # the backends raise errors of many types
            backend = os.environ.get("MUJOCO_GL", "")
            raise NoRenderer(
                f"MUJOCO_GL={backend}: no OpenGL context ({type(error).__name__}: {error}); install the packages "
                f"`{PACKAGES.get(backend, PACKAGES['egl'])}`, or set MUJOCO_GL to egl or osmesa"
            ) from error

    def pose(self, qpos: NDArray[np.float64]) -> None:
        """Draw the world in this configuration from now on."""
        self._data.qpos[:] = qpos
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)
        self._renderer.update_scene(self._data, self._name)
        self._renderer.scene.flags[self._mujoco.mjtRndFlag.mjRND_SHADOW] = 0

    def aim(self, eye: NDArray[np.float64], axes: NDArray[np.float64], fovy_deg: float | None = None) -> None:
        """Move the camera, in the model itself: give a camera that moves a model of its own.

        Args:
            eye: [3] in the world [m].
            axes: [3, 3] of the optical frame, columns x right, y down, z forward.
            fovy_deg: angle of view from the lower to the upper edge; None: as it is.
        """
        camera = self._model.camera(self._name)
        quaternion = np.zeros(4)
        # MuJoCo's cameras look along -z with y up.
        self._mujoco.mju_mat2Quat(quaternion, (axes * np.array([1.0, -1.0, -1.0])).ravel())
        camera.pos[:], camera.quat[:] = eye, quaternion
        if fovy_deg is not None:
            camera.fovy[:] = fovy_deg

    def colour(self) -> NDArray[np.uint8]:
        """[height, width, 3] RGB, with the faults of its lens and sensor; noise follows the number of the picture."""
        pixels = self._lens.apply(np.asarray(self._renderer.render()), self._pictures)
        self._pictures += 1
        return pixels

    def depth_mm(self) -> NDArray[np.uint16]:
        """[height, width] along the optical axis in millimetres, 0 beyond MAX_DEPTH_M."""
        self._renderer.enable_depth_rendering()
        try:
            metres = self._renderer.render()
        finally:
            self._renderer.disable_depth_rendering()
        millimetres = np.round(metres * 1000.0)
        millimetres[metres > MAX_DEPTH_M] = 0
        return np.asarray(millimetres, dtype=np.uint16)

    def close(self) -> None:
        self._renderer.close()


def remove_robot(model: Any) -> None:
    """Make everything invisible that hangs on the same root as a tip: what is seen without them is
    what was there before they came."""
    mujoco = import_mujoco()
    tips = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, prefix + TIP) for prefix in ("", OTHER)]
    roots = [model.body_rootid[model.geom_bodyid[tip]] for tip in tips if tip >= 0]
    robot = np.flatnonzero(np.isin(model.body_rootid[model.geom_bodyid], roots))
    model.geom_matid[robot] = -1
    model.geom_rgba[robot] = 0.0  # what is fully transparent is not drawn
