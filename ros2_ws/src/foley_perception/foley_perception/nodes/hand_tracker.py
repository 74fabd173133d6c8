"""Human hands to hand_keypoints: camera/image_raw and camera_info, with camera/depth/image_raw where there is some.
Images may come raw or compressed, and are undistorted.

Callbacks run in the executor's thread and store the newest picture and depth; the worker looks at one picture at a
time, and pictures that come meanwhile are left out and counted. The stamp of the keypoints is that of their picture.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import HandKeypoints
from foley_perception.geometry.calibration import Calibration, Lens, comes_rectified
from foley_perception.hands.config import HandTrackerConfig
from foley_perception.hands.detect import HandDetector
from foley_perception.hands.track import TrackConfig
from foley_perception.hands.tracking_pipeline import HandFollower
from foley_perception.ros.image_source import ImageSource
from foley_perception.ros.sensed_camera import CAMERA_FRAME
from foley_perception.ros.tf import TransformListener
from foley_ros import convert
from foley_ros.node import FoleyNode, run
from foley_ros.polling import Poller

POLL_S = 0.05
Read = Callable[[], NDArray[np.generic]]  # decodes an image


class HandTrackerNode(FoleyNode[HandTrackerConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("hand_tracker", HandTrackerConfig, **kwargs)
        self._info: CameraInfo | None = None
        self._depths: collections.deque[tuple[int, Read]] = collections.deque(maxlen=8)

    def setup(self, config: HandTrackerConfig) -> None:
        detector = HandDetector(
            least_palm=config.least_palm, least_hand=config.least_hand, threads=config.threads
        )
        smoothing = TrackConfig(calm_hz=config.calm_hz, quick_per_m=config.quick_per_m, gap_s=config.gap_s)
        self._follower = HandFollower(detector, smoothing, palm_m=config.palm_m)
        self._config = config
        self._next_ns = 0
        self._tf = TransformListener(self, Poller(self.entities, POLL_S, after=self._poll))
        self.start_worker(capacity=1)
        self._keypoints = self.entities.publish(topics.HAND_KEYPOINTS)
        self.entities.subscribe(topics.CAMERA_INFO, self._on_info)
        self._sources = {
            topic.name: ImageSource(self, topic, take, transport=config.camera_transport)
            for topic, take in ((topics.CAMERA_DEPTH, self._on_depth), (topics.CAMERA, self._on_image))
        }

    def _poll(self) -> None:
        self._tf.poll()
        for source in self._sources.values():
            source.poll()

    def teardown(self) -> None:
        self._info = None
        self._depths.clear()

    # ---- callbacks: store ----------------------------------------------------------------------------------
    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_depth(self, time_ns: int, read: Read) -> None:
        self._depths.append((time_ns, read))

    def _on_image(self, time_ns: int, read: Read) -> None:
        if time_ns + NS_PER_S < self._next_ns:  # time was set back
            self._next_ns = 0
        if not self.active or time_ns < self._next_ns:
            return
        self._next_ns = time_ns + int(0.9 * NS_PER_S / self._config.rate_hz)
        self.put(lambda: self._look(time_ns, read))

    # ---- worker --------------------------------------------------------------------------------------------
    def _look(self, time_ns: int, read: Read) -> None:
        info = self._info
        if info is None:
            self.report(
                topics.CAMERA_INFO.name,
                "pictures come, but no camera/camera_info; is it published beside them?",
            )
            return
        pose = self._tf.buffer.lookup(self._config.fixed_frame, info.header.frame_id or CAMERA_FRAME, time_ns)
        lens = self._lens(info, topics.CAMERA.name)
        keypoints, confidence = self._follower.follow(
            time_ns,
            lens.colour(np.asarray(read(), dtype=np.uint8)),
            lens.model(pose),
            self._depth_at(info, time_ns),
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

    def _lens(self, info: CameraInfo, topic: str) -> Lens:
        """For the images of one of the topics. Raises CalibrationError."""
        source = self._sources[topic]
        width, height = source.size or (info.width, info.height)
        return Calibration.of_message(info).lens(width, height, rectified=comes_rectified(source.name))

    def _depth_at(self, info: CameraInfo, time_ns: int) -> NDArray[np.float32] | None:
        near = min(list(self._depths), key=lambda one: abs(one[0] - time_ns), default=None)
        if near is None or abs(near[0] - time_ns) > self._config.depth_within_s * NS_PER_S:
            return None
        return self._lens(info, topics.CAMERA_DEPTH.name).depth(np.asarray(near[1](), dtype=np.float32))

    # ---- health --------------------------------------------------------------------------------------------
    def figures(self) -> dict[str, Any]:
        return vars(self._follower.counts) | {"pictures_left_out": self.dropped_jobs}

    def problems(self) -> list[str]:
        found = [source.problem for source in self._sources.values() if source.problem]
        return found if self._follower.counts.pictures else [*found, "no camera/image_raw yet"]


def main(args: Sequence[str] | None = None) -> int:
    return run(HandTrackerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
