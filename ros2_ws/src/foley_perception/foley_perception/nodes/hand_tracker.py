"""Human hands to hand_keypoints: camera/image_raw and camera_info, with camera/depth/image_raw where there is some.

Callbacks run in the executor's thread and store the newest picture and depth; the worker looks at one picture at a
time, and pictures that come meanwhile are left out and counted. The stamp of the keypoints is that of their picture.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image

from foley_common.times import NS_PER_S
from foley_common.topics import CAMERA, CAMERA_DEPTH, CAMERA_INFO, HAND_KEYPOINTS
from foley_msgs.msg import HandKeypoints
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.hands.config import HandTrackerConfig
from foley_perception.hands.detect import HandDetector
from foley_perception.hands.track import TrackConfig
from foley_perception.hands.tracking_pipeline import HandFollower
from foley_perception.ros.problem import RecentProblem
from foley_perception.ros.tf import TransformListener
from foley_ros import convert
from foley_ros.entities import Owned
from foley_ros.node import FoleyNode, Health, run
from foley_ros.topics import profile
from foley_ros.worker import Worker

TEND_S = 0.05


class HandTrackerNode(FoleyNode[HandTrackerConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("hand_tracker", HandTrackerConfig, **kwargs)
        self._owned = Owned(self)
        self._problem = RecentProblem(self)
        self._worker: Worker[Image] | None = None
        self._tf: TransformListener | None = None
        self._info: CameraInfo | None = None
        self._depths: collections.deque[tuple[int, Image]] = collections.deque(maxlen=8)

    def setup(self, config: HandTrackerConfig) -> None:
        detector = HandDetector(
            least_palm=config.least_palm, least_hand=config.least_hand, threads=config.threads
        )
        smoothing = TrackConfig(calm_hz=config.calm_hz, quick_per_m=config.quick_per_m, gap_s=config.gap_s)
        self._follower = HandFollower(detector, smoothing, palm_m=config.palm_m)
        self._config, self._frames = config, TransformBuffer()
        self._next_ns = 0
        self._problem.clear()
        self._tf = TransformListener(self, self._frames)
        self._worker = Worker(
            self._look, name="hand_tracker", capacity=1, on_error=lambda e: self._problem.report(str(e))
        )
        self._keypoints = self._owned.publisher(HandKeypoints, HAND_KEYPOINTS.name, profile(HAND_KEYPOINTS))
        self._owned.subscription(CameraInfo, CAMERA_INFO.name, self._on_info, profile(CAMERA_INFO))
        self._owned.subscription(Image, CAMERA_DEPTH.name, self._on_depth, profile(CAMERA_DEPTH))
        self._owned.subscription(Image, CAMERA.name, self._on_image, profile(CAMERA))
        self._owned.timer(TEND_S, self._tf.tend)

    def teardown(self) -> None:
        self._owned.release()
        if self._worker is not None:
            self._worker.stop()
        if self._tf is not None:
            self._tf.close()
        self._worker = self._tf = self._info = None
        self._depths.clear()

    # ---- callbacks: store ----------------------------------------------------------------------------------
    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_depth(self, message: Image) -> None:
        self._depths.append((convert.to_ns(message.header.stamp), message))

    def _on_image(self, message: Image) -> None:
        time_ns = convert.to_ns(message.header.stamp)
        if time_ns + NS_PER_S < self._next_ns:  # time was set back
            self._next_ns = 0
        if not self.active or self._worker is None or time_ns < self._next_ns:
            return
        self._next_ns = time_ns + int(0.9 * NS_PER_S / self._config.rate_hz)
        self._worker.put(message)

    # ---- worker --------------------------------------------------------------------------------------------
    def _look(self, message: Image) -> None:
        info = self._info
        if info is None:
            self._problem.report("pictures come, but no camera/camera_info; is it published beside them?")
            return
        time_ns = convert.to_ns(message.header.stamp)
        pose = self._frames.lookup(self._config.fixed_frame, info.header.frame_id, time_ns)
        camera = CameraModel(convert.intrinsics(info), info.width, info.height, pose)
        keypoints, confidence = self._follower.follow(
            time_ns, convert.image_to_rgb(message), camera, self._depth_at(time_ns)
        )
        self._keypoints.publish(
            convert.array_to_keypoints(
                keypoints,
                time_ns=time_ns,
                frame_id=self._config.fixed_frame,
                source=HandKeypoints.SOURCE_TRACKER,
                confidence=confidence.tolist(),
            )
        )

    def _depth_at(self, time_ns: int) -> NDArray[np.float32] | None:
        near = min(list(self._depths), key=lambda one: abs(one[0] - time_ns), default=None)
        if near is None or abs(near[0] - time_ns) > self._config.depth_within_s * NS_PER_S:
            return None
        return convert.depth_to_metres(near[1])

    # ---- health --------------------------------------------------------------------------------------------
    def health(self) -> Health:
        assert self._worker is not None
        counts = vars(self._follower.counts) | {"pictures_left_out": self._worker.dropped}
        if problem := self._problem.text:
            return Health.warn(problem, **counts)
        if not self._follower.counts.pictures:
            return Health.warn("no camera/image_raw yet", **counts)
        return Health.ok(**counts)


def main(args: Sequence[str] | None = None) -> int:
    return run(HandTrackerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
