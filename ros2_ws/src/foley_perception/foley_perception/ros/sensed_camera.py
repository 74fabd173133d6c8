"""The camera of a node: its pictures of the last seconds, where it stood at each of them, and the depth behind the arm.

The same rules as for recordings (``episodes/cameras.py``), by the same functions: images are undistorted by
camera_info, each by the one of its time, and a camera that moves is placed at the time of each picture. Subscriptions
call back in the executor's thread and only store; everything else may be called from any thread.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_perception.clips.pictures import NoPicture
from foley_perception.geometry.calibration import Calibration, Lens, comes_rectified
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_perception.images import ImageError
from foley_perception.ros.image_source import ImageSource
from foley_perception.scene.depth_background import DepthBackground
from foley_perception.scene.sensing import SensingConfig
from foley_perception.stamped_history import History
from foley_ros import raw
from foley_ros.polling import Poller

Picture = NDArray[np.uint8]  # [H, W, 3]
CameraAt = Callable[[int], CameraModel]

CAMERA_FRAME = "camera_optical"  # where neither camera_info nor images name one, as for recordings
_LOOK_NS = NS_PER_S  # between two looks at where a camera is that stands still
_KEPT = 16  # calibrations


class SensedCamera:
    """See the module's docstring.

    Args:
        node: reports faults, tells the time and owns the subscriptions.
        saw: is told the name of each topic on which something usable came.
    """

    def __init__(
        self,
        node: Any,
        poller: Poller,
        config: SensingConfig,
        tf: TransformBuffer,
        background: DepthBackground,
        saw: Callable[[str], None],
    ) -> None:
        self.pictures: History[Picture] = History()  # as they came, with their distortion
        self._node, self._config, self._tf, self._background, self._saw = node, config, tf, background, saw
        self._lock = threading.Lock()
        self._numbers = b""  # of the newest camera_info, serialised
        self._infos: list[tuple[int, str, Calibration]] = []  # stamp, frame
        self._due_ns = 0
        self.colour = self.depth = None
        if config.pictures or config.depth:
            poller.subscribe(topics.CAMERA_INFO, self._on_info, raw=True)
        if config.pictures:
            self.colour = ImageSource(node, topics.CAMERA, self._on_image, transport=config.camera_transport)
        if config.depth:
            self.depth = ImageSource(
                node, topics.CAMERA_DEPTH, self._on_depth, transport=config.camera_transport
            )

    def poll(self) -> None:
        """In the executor's thread: listen to images as they are published, raw or compressed."""
        for source in (self.colour, self.depth):
            if source is not None:
                source.poll()

    # ---- for decisions -------------------------------------------------------------------------------------
    @property
    def known(self) -> bool:
        """Whether a camera_info came."""
        return bool(self._infos)

    def model(self, time_ns: int | None = None) -> CameraModel:
        """The camera as it stood at a time, or as newest known.

        Raises:
            TransformUnavailable: tf does not know where the camera is.
            ValueError: there is no camera_info, or it cannot be used for the images.
        """
        frame, calibration = self._info(time_ns)
        pose = self._tf.lookup(self._config.fixed_frame, frame, None if self._stands(frame) else time_ns)
        return self._lens(calibration).model(pose)

    def views(self) -> tuple[CameraAt, NDArray[np.int64], Callable[[int], Picture]]:
        """The camera at a time, stamps [n] of the pictures, and each of them without distortion.

        Raises:
            TransformUnavailable, ValueError: as :meth:`model`.
        """
        times, pictures = self.pictures.all()
        self.look()

        def at(time_ns: int) -> CameraModel:
            try:
                return self.model(time_ns)
            except TransformUnavailable as error:
                raise NoPicture(f"nobody knows where the camera was: {error}") from error

        def picture(index: int) -> Picture:
            return self._lens(self._info(int(times[index]))[1]).colour(pictures[index])

        return at, times, picture

    def placed_until_ns(self) -> int | None:
        """The newest time at which a camera that moves can be placed; None for one that stands still."""
        return self._tf.known_until_ns(self._config.fixed_frame, self._info(None)[0]) if self._infos else None

    def look(self) -> CameraModel:
        """The camera as newest known, also for the depth behind the arm. Raises as :meth:`model`."""
        camera = self.model()
        frame, calibration = self._info(None)
        if self._depth_is_used(frame):
            self._set_background(camera, calibration)
        return camera

    # ---- for diagnostics -----------------------------------------------------------------------------------
    def problems(self) -> list[str]:
        """What is wrong at the moment, one sentence each."""
        found = [
            source.problem for source in (self.colour, self.depth) if source is not None and source.problem
        ]
        if not self._infos:
            if self._config.pictures:
                found.append("no camera_info was received on camera/camera_info: does the driver publish it?")
            return found
        frame, calibration = self._info(None)
        try:
            self.look()
            if self.depth is not None and self.depth.size is not None:
                calibration.lens(*self.depth.size, rectified=comes_rectified(self.depth.name))
        except (TransformUnavailable, ValueError) as error:
            found.append(str(error))
        if self._config.depth and not self._depth_is_used(frame):
            found.append(
                f"the camera ({frame}) is carried by the tool: its depth does not show what stands behind the arm and "
                "is not used; planned contacts are the lowest turning points of their paths"
            )
        return found

    # ---- inside --------------------------------------------------------------------------------------------
    def _info(self, time_ns: int | None) -> tuple[str, Calibration]:
        """Frame and numbers of the newest camera_info until a time."""
        with self._lock:
            infos = list(self._infos)
        if not infos:
            raise ValueError("no camera_info was received on camera/camera_info: does the driver publish it?")
        index = (
            len(infos) if time_ns is None else bisect.bisect_right([stamp for stamp, _, _ in infos], time_ns)
        )
        _, frame, calibration = infos[max(index - 1, 0)]
        sources = (source for source in (self.colour, self.depth) if source is not None)
        named = (name for name in (frame, *(source.frame_id for source in sources)) if name)
        return next(named, CAMERA_FRAME), calibration

    def _lens(self, calibration: Calibration) -> Lens:
        source = self.colour or self.depth
        size = source.size if source is not None else None
        width, height = size or (calibration.width, calibration.height)
        return calibration.lens(
            width, height, rectified=comes_rectified(source.name if source is not None else "")
        )

    def _stands(self, frame: str) -> bool:
        return self._tf.fixed(self._config.fixed_frame, frame)

    def _depth_is_used(self, frame: str) -> bool:
        """A camera on the tool sees the tool at one place always: it would be taken for what is touched."""
        return self._stands(frame) or not self._tf.fixed(self._config.tool_frame, frame)

    def _set_background(self, camera: CameraModel, calibration: Calibration) -> None:
        rectified = comes_rectified(self.depth.name if self.depth is not None else "")

        def lens_of(width: int, height: int) -> Lens:
            return calibration.lens(width, height, rectified=rectified)

        self._background.set_camera(camera, lens_of)

    # ---- callbacks: store ----------------------------------------------------------------------------------
    def _on_info(self, data: bytes) -> None:
        self._saw(topics.CAMERA_INFO.name)
        if data[12:] != self._numbers:  # behind the stamp
            self._numbers = data[12:]
            info = deserialize_message(data, CameraInfo)
            entry = (raw.stamp_ns(data), info.header.frame_id, Calibration.of_message(info))
            with self._lock:
                self._infos = [*(e for e in self._infos if e[0] < entry[0]), entry][-_KEPT:]
            self._due_ns = 0
        now_ns = self._node.now_ns()
        if 0 <= self._due_ns - now_ns <= _LOOK_NS:
            return
        self._due_ns = now_ns + _LOOK_NS
        try:
            self.look()
        except (TransformUnavailable, ValueError):
            self._due_ns = now_ns  # said by `problems`; tried again with the next one

    def _on_image(self, time_ns: int, read: Callable[[], NDArray[Any]]) -> None:
        try:
            picture = read()
        except ImageError as error:
            self._node.report(topics.CAMERA.name, str(error))
            return
        self._saw(topics.CAMERA.name)
        self.pictures.add(time_ns, picture)

    def _on_depth(self, time_ns: int, read: Callable[[], NDArray[Any]]) -> None:
        self._saw(topics.CAMERA_DEPTH.name)
        if self._infos:
            frame, calibration = self._info(time_ns)
            if not self._depth_is_used(frame):
                return
            if self._tf.known_until_ns(self._config.fixed_frame, frame) is not None:
                # It moves. What was seen from another place is forgotten before this image is laid upon it.
                try:
                    self._set_background(self.model(time_ns), calibration)
                except (TransformUnavailable, ValueError):
                    return
        self._background.add_depth(time_ns, read())
