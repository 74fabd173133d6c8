"""Gripper as hand: ee_pose, or joint_states and robot_description, to hand_keypoints; plans to planned_trajectory.

Callbacks run in the executor's thread. States come as bytes and are read no oftener than ``rate_hz``; mapping one
takes a fifth of a millisecond and is done on the spot. A plan is sampled and mapped in the worker's thread.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from foley_msgs.msg import HandKeypoints, HandTrajectory
from foley_perception.action.config import HandMapperConfig
from foley_perception.action.mapper import HandMapper
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.ros import motion
from foley_perception.ros.problem import RecentProblem
from foley_perception.ros.tf import TransformListener
from foley_ros import convert, qos, raw
from foley_ros.entities import Owned
from foley_ros.node import FoleyNode, Health, run
from foley_ros.polling import Drain
from foley_ros.worker import Worker

TICK_S = 0.01
_REPORTED = (ValueError, LookupError)  # what the core raises about its input


class HandMapperNode(FoleyNode[HandMapperConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("hand_mapper", HandMapperConfig, **kwargs)
        self._owned = Owned(self)
        self._mapper: HandMapper | None = None
        self._worker: Worker[Callable[[], None]] | None = None
        self._tf: TransformListener | None = None
        self._lock = threading.Lock()  # the mapper is used by executor and worker
        self._joint_states: collections.deque[bytes] = collections.deque(maxlen=8)  # not yet read
        self._waiting: JointTrajectory | None = None  # came before robot_description
        self._robot_problem = ""
        self._problem = RecentProblem(self)

    def setup(self, config: HandMapperConfig) -> None:
        frames = TransformBuffer()
        self._mapper = HandMapper(config, frames)
        self._tf = TransformListener(self, frames)
        self._worker = Worker(
            lambda job: job(), name="hand_mapper", on_error=lambda e: self._problem.report(repr(e))
        )
        owned = self._owned
        self._keypoints = owned.publisher(HandKeypoints, "hand_keypoints", qos.STATE)
        self._planned = owned.publisher(HandTrajectory, "planned_trajectory", qos.EVENT)
        owned.subscription(String, "robot_description", self._on_robot, qos.LATCHED)
        drain = Drain(owned, TICK_S, after=self._tf.tend)
        drain.subscription(JointState, "joint_states", self._on_joints, qos.STATE, raw=True)
        drain.subscription(PoseStamped, "ee_pose", self._on_pose, qos.STATE, raw=True)
        owned.subscription(JointTrajectory, "planned_joint_trajectory", self._on_joint_plan, qos.EVENT)
        owned.subscription(Path, "planned_path", self._on_path, qos.EVENT)

    def teardown(self) -> None:
        self._owned.release()
        if self._worker is not None:
            self._worker.stop()
        if self._tf is not None:
            self._tf.close()
        self._mapper = self._worker = self._tf = self._waiting = None
        self._robot_problem = ""
        self._problem.clear()

    # ---- measured ------------------------------------------------------------------------------------------
    def _on_pose(self, data: bytes) -> None:
        mapper, time_ns = self._mapper, raw.stamp_ns(data)
        if not self.active or mapper is None or not mapper.due(time_ns):
            return
        message = deserialize_message(data, PoseStamped)
        pose = motion.pose_to_se3(message.pose)
        if pose is None:
            self._problem.report("ee_pose is not finite or has no orientation: such poses are left out")
        self._publish(mapper, time_ns, lambda: mapper.from_pose(time_ns, message.header.frame_id, pose))

    def _on_joints(self, data: bytes) -> None:
        mapper, time_ns = self._mapper, raw.stamp_ns(data)
        self._joint_states.append(data)
        if not self.active or mapper is None or not mapper.has_robot or mapper.poses_are_fresh(time_ns):
            return
        if mapper.due(time_ns):
            self._publish(mapper, time_ns, lambda: mapper.from_joints(time_ns))

    def _publish(
        self, mapper: HandMapper, time_ns: int, make: Callable[[], NDArray[np.float64] | None]
    ) -> None:
        try:
            with self._lock:
                self._read_joints(mapper)
                keypoints = make()
        except _REPORTED as error:
            self._problem.report(str(error))
            return
        if keypoints is not None:
            frame = mapper.config.fixed_frame
            self._keypoints.publish(convert.array_to_keypoints(keypoints, time_ns=time_ns, frame_id=frame))

    def _read_joints(self, mapper: HandMapper) -> None:
        while self._joint_states:
            message = deserialize_message(self._joint_states.popleft(), JointState)
            mapper.set_joints(motion.joint_positions(message))

    # ---- planned -------------------------------------------------------------------------------------------
    def _on_robot(self, message: String) -> None:
        self._put(lambda mapper: self._load_robot(mapper, message.data))

    def _on_joint_plan(self, message: JointTrajectory) -> None:
        # A stamp of zero means "begin on receipt".
        start_ns = convert.to_ns(message.header.stamp) or self.now_ns()
        if self.active:
            self._put(lambda mapper: self._map_joint_plan(mapper, message, start_ns))

    def _on_path(self, message: Path) -> None:
        if self.active:
            self._put(
                lambda mapper: self._publish_plan(
                    mapper, lambda: mapper.plan_path(*motion.path_poses(message))
                )
            )

    def _put(self, job: Callable[[HandMapper], None]) -> None:
        mapper = self._mapper
        if self._worker is not None and mapper is not None:
            self._worker.put(lambda: job(mapper))

    def _load_robot(self, mapper: HandMapper, urdf: str) -> None:
        try:
            with self._lock:
                mapper.set_robot(urdf)
            self._robot_problem = ""
        except ValueError as error:
            self._robot_problem = str(error)
            self.get_logger().error(self._robot_problem)
        if self._waiting is not None:
            message, self._waiting = self._waiting, None
            self._map_joint_plan(mapper, message, convert.to_ns(message.header.stamp) or self.now_ns())

    def _map_joint_plan(self, mapper: HandMapper, message: JointTrajectory, start_ns: int) -> None:
        if not mapper.has_robot and not self._robot_problem:
            self._waiting = message
            self._problem.report("a plan waits for robot_description: is it published, and transient local?")
            return
        names = list(message.joint_names)
        self._publish_plan(
            mapper, lambda: mapper.plan_joints(start_ns, names, *motion.trajectory_points(message))
        )

    def _publish_plan(self, mapper: HandMapper, plan: Callable[[], ToolTrajectory]) -> None:
        try:
            with self._lock:
                self._read_joints(mapper)
                trajectory = plan()
        except _REPORTED as error:
            mapper.counts.bad_plans += 1
            self._problem.report(f"plan refused: {self._robot_problem or error}")
            return
        mapper.counts.plans += 1
        self._planned.publish(motion.hand_trajectory(mapper, trajectory))

    # ---- health --------------------------------------------------------------------------------------------
    def health(self) -> Health:
        assert self._mapper is not None
        counts = vars(self._mapper.counts)
        if self._robot_problem:
            return Health.error(self._robot_problem, **counts)
        if problem := self._problem.text:
            return Health.warn(problem, **counts)
        if not self._mapper.counts.keypoints:
            return Health.warn("no ee_pose, and no joint_states with a robot_description, yet", **counts)
        return Health.ok(**counts)


def main(args: Sequence[str] | None = None) -> int:
    return run(HandMapperNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
