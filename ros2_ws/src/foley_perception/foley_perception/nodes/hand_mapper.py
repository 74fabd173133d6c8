"""Gripper as hand: ee_pose, or what the robot has in its place, to hand_keypoints; plans to what they mean.

    ee_pose ----------------------------------+--> hand_keypoints
    joint_states, robot_description --FK------+--> ee_pose, where nobody else publishes it
    /tf, where neither comes -----------------+
    planned_joint_trajectory, planned_path ------> planned_tool_trajectory, planned_trajectory

Callbacks run in the executor's thread. States come as bytes; mapping one takes a tenth of a millisecond and is done on
the spot, keypoints no oftener than ``rate_hz``. A plan is sampled and mapped in the worker's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from numpy.typing import NDArray
from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_perception.action import trajectory
from foley_perception.action.config import HandMapperConfig
from foley_perception.action.mapper import HandMapper
from foley_perception.action.pace import JOINT_AGE_S, Pace
from foley_perception.geometry.rigid import Rigid
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.recording import cdr
from foley_perception.ros import motion
from foley_perception.ros.tf import TransformListener, without_times
from foley_perception.ros.tool_in_tf import ToolInTf
from foley_ros import convert, qos, raw
from foley_ros.node import FoleyNode, Health, run
from foley_ros.polling import Poller

POLL_S = 0.01
LOOK_S = 0.5  # between looks at who publishes ee_pose
LOOKS = 5  # in a row without a publisher, before it is taken for true: discovery takes up to 2.7 s
_PUBLISHERS = 32  # of joint_states, each of some joints
_REPORTED = (ValueError, LookupError)  # what the core raises about its input


class HandMapperNode(FoleyNode[HandMapperConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("hand_mapper", HandMapperConfig, **kwargs)
        self._lock = threading.Lock()  # the mapper is used by executor and worker
        self._joint_states: dict[tuple[str, ...], bytes] = {}  # by the joints they name: newest not yet read
        self._waiting: JointTrajectory | None = None  # came before robot_description
        self._robot_problem = ""
        self._own_pose: Publisher | None = None  # while nobody else publishes ee_pose
        self._looks_without = 0
        self._pose_seen_ns: int | None = None  # when somebody else's ee_pose came last
        self._source = ""  # topic that the newest pose was of

    def setup(self, config: HandMapperConfig) -> None:
        poller = Poller(self.entities, POLL_S, after=self._poll)
        self._tf = TransformListener(self, poller)
        self._mapper = HandMapper(config, self._tf.buffer)
        self._pace = Pace(config.pose_rate_hz or config.rate_hz)  # of its own poses
        self._pose_seen_ns = None
        self._joint_pose_ns: int | None = None  # when joints told a pose last
        self._source = ""
        self._moved_ns = 0  # when joints that move the tool came last
        self._joint_states.clear()
        self.start_worker()
        self._keypoints = self.entities.publish(topics.HAND_KEYPOINTS)
        self._planned = self.entities.publish(topics.HAND_PLAN)
        self._planned_tool = self.entities.publish(topics.TOOL_PLAN)
        self.entities.subscribe(topics.ROBOT_DESCRIPTION, self._on_robot)
        poller.subscribe(topics.JOINT_STATES, self._on_joints, raw=True)
        poller.subscribe(topics.EE_POSE, self._on_pose, raw=True)
        self._in_tf = ToolInTf(
            self.entities,
            poller,
            config.fixed_frame,
            config.tool_frame,
            config.pose_rate_hz or config.rate_hz,
            wanted=lambda: self.active and not self._known_without_tf(),
            found=self._on_tf_pose,
        )
        self.entities.subscribe(topics.JOINT_PLAN, self._on_joint_plan)
        self.entities.subscribe(topics.PLANNED_PATH, self._on_path)
        self.entities.timer(LOOK_S, self._look_for_poses)

    def stop(self) -> None:
        self._stop_own_pose()

    def teardown(self) -> None:
        self._waiting = None
        self._robot_problem = ""
        self._stop_own_pose()

    def _poll(self) -> None:
        self._tf.poll()

    # ---- measured ------------------------------------------------------------------------------------------
    def _stamp(self, topic: str, data: bytes) -> int:
        """Of a message; where it has none, that is reported and it goes by arrival."""
        if stamp_ns := raw.stamp_ns(data):
            return stamp_ns
        said = "it is 0: the time of arrival is used, which is late by an unknown time; the driver must stamp them"
        self.report(f"{topic}: header.stamp", said)
        return self.now_ns()

    def _on_pose(self, data: bytes) -> None:
        time_ns = self._stamp(topics.EE_POSE.name, data)
        if self._own_pose is None:
            self._pose_seen_ns = self.now_ns()
        if not self.active or self._own_pose is not None or not self._mapper.due(time_ns):
            return
        message = deserialize_message(data, PoseStamped)
        pose = motion.pose_to_se3(message.pose)
        self._source = topics.EE_POSE.name
        if pose is None:
            self.report(
                topics.EE_POSE.name, "ee_pose is not finite or has no orientation: such poses are left out"
            )
        self._publish(
            time_ns,
            lambda mapper: mapper.from_pose(time_ns, message.header.frame_id, pose),
            topics.EE_POSE.name,
        )

    def _on_joints(self, data: bytes) -> None:
        mapper, names = self._mapper, motion.joint_names(data)
        time_ns = self._stamp(topics.JOINT_STATES.name, data)
        if names not in self._joint_states and len(self._joint_states) >= _PUBLISHERS:
            self._joint_states = {}
        self._joint_states[names] = data
        if not self.active or not mapper.has_robot:
            return
        if self._own_pose is None and mapper.poses_are_fresh(time_ns):
            return
        if not mapper.moves_tool(names):
            # The gripper's publisher, say. It tells no pose; that the arm's has ceased is seen by it.
            if abs(self.now_ns() - self._moved_ns) > JOINT_AGE_S * NS_PER_S:
                self._publish(time_ns, lambda mapper: mapper.check_joints(time_ns), topics.JOINT_STATES.name)
            return
        self._moved_ns = self.now_ns()
        own, due = self._own_pose is not None and self._pace.due(time_ns), mapper.due(time_ns)
        if own or due:
            self._publish(
                time_ns,
                lambda mapper: self._from_joints(mapper, time_ns, own=own, due=due),
                topics.JOINT_STATES.name,
            )

    def _from_joints(
        self, mapper: HandMapper, time_ns: int, *, own: bool, due: bool
    ) -> NDArray[np.float64] | None:
        pose = mapper.pose_from_joints(time_ns)
        if pose is None:
            return None
        self._joint_pose_ns, self._source = self.now_ns(), topics.JOINT_STATES.name
        return self._of_own(mapper, time_ns, pose, own=own, due=due)

    def _on_tf_pose(self, time_ns: int, pose: Rigid) -> None:
        mapper = self._mapper
        if self._own_pose is None and mapper.poses_are_fresh(time_ns):
            return
        mapper.counts.from_tf += 1
        self._source = topics.TF.name
        own, due = self._own_pose is not None, mapper.due(time_ns)
        if own or due:
            self._publish(
                time_ns, lambda mapper: self._of_own(mapper, time_ns, pose, own=own, due=due), topics.TF.name
            )

    def _of_own(
        self, mapper: HandMapper, time_ns: int, pose: Rigid, *, own: bool, due: bool
    ) -> NDArray[np.float64] | None:
        """Keypoints, if they are due, of a pose that is published as well if nobody else does that."""
        keypoints = mapper.keypoints_at(time_ns, SE3(np.array(pose[3:]), np.array(pose[:3]))) if due else None
        if own and self._own_pose is not None and not mapper.unit.wrong:
            # As late as what it is made of: whoever listens takes the arm's latency off again.
            late_ns = self.entities.latencies.ns(topics.EE_POSE)
            self._own_pose.publish(cdr.write_pose(time_ns + late_ns, mapper.config.fixed_frame, pose))
        return keypoints

    def _publish(
        self, time_ns: int, make: Callable[[HandMapper], NDArray[np.float64] | None], source: str
    ) -> None:
        mapper = self._mapper
        try:
            with self._lock:
                self._read_joints(mapper)
                keypoints = make(mapper)
        except TransformUnavailable as error:
            self.report(source, without_times(error))
            return
        except _REPORTED as error:
            self.report(source, str(error))
            return
        if keypoints is not None:
            self.faults.clear(source)
            frame = mapper.config.fixed_frame
            self._keypoints.publish(convert.array_to_keypoints(keypoints, time_ns=time_ns, frame_id=frame))

    def _read_joints(self, mapper: HandMapper) -> None:
        waiting = self._joint_states
        while waiting:
            _, data = waiting.popitem()
            try:
                header, names, positions = cdr.read_joints(data)
                mapper.set_joints(header.time_ns or self.now_ns(), motion.told_positions(names, positions))
            except ValueError as error:
                self.report(topics.JOINT_STATES.name, str(error))

    # ---- ee_pose where there is none -----------------------------------------------------------------------
    def _look_for_poses(self) -> None:
        """Publish ee_pose from what the robot has as long as nobody else does."""
        # By the name after remapping, which rclpy's count does not do itself.
        name = self.resolve_topic_name(topics.EE_POSE.name)
        others = self.count_publishers(name) - (self._own_pose is not None)
        if others > 0 or (self._own_pose is None and self._poses_come()):
            if self._own_pose is not None:
                self.get_logger().info("ee_pose has a publisher: own poses are no longer published")
            self._stop_own_pose()
        elif self._own_pose is None and self.active:
            self._looks_without += 1
            if self._looks_without < LOOKS:
                return
            if not self._known_without_tf():
                self._in_tf.listen()
            of_joints = self._mapper.has_robot
            if self._mapper.config.pose_rate_hz > 0 and (of_joints or self._in_tf.connected):
                how = "joint_states and robot_description" if of_joints else topics.TF.name
                self.get_logger().info(f"nobody publishes ee_pose: it is made from {how}")
                self._own_pose = self.create_publisher(PoseStamped, topics.EE_POSE.name, qos.STATE)
        elif self.active and not self._known_without_tf():
            self._in_tf.listen()

    def _known_without_tf(self) -> bool:
        """Whether poses came of late by ee_pose or by joints."""
        timeout_ns = self._mapper.config.pose_timeout_s * NS_PER_S
        of_joints = self._joint_pose_ns
        return self._poses_come() or (of_joints is not None and abs(self.now_ns() - of_joints) < timeout_ns)

    def _poses_come(self) -> bool:
        """Whether somebody's ee_pose came of late, whatever the graph tells of publishers."""
        if self._pose_seen_ns is None:
            return False
        return abs(self.now_ns() - self._pose_seen_ns) < self._mapper.config.pose_timeout_s * NS_PER_S

    def _stop_own_pose(self) -> None:
        self._looks_without = 0
        if self._own_pose is not None:
            self.destroy_publisher(self._own_pose)
            self._own_pose = None

    # ---- planned -------------------------------------------------------------------------------------------
    def _on_robot(self, message: String) -> None:
        self.put(lambda: self._load_robot(message.data))

    def _on_joint_plan(self, message: JointTrajectory) -> None:
        # A stamp of zero means "begin on receipt".
        start_ns = convert.to_ns(message.header.stamp) or self.now_ns()
        if self.active:
            self.put(lambda: self._map_joint_plan(message, start_ns))

    def _on_path(self, message: Path) -> None:
        if self.active:
            self.put(lambda: self._publish_plan(lambda mapper: mapper.plan_path(*motion.path_poses(message))))

    def _load_robot(self, urdf: str) -> None:
        try:
            with self._lock:
                self._mapper.set_robot(urdf)
            self._robot_problem = ""
        except ValueError as error:
            self._robot_problem = str(error)
            self.get_logger().error(self._robot_problem)
        if self._waiting is not None:
            message, self._waiting = self._waiting, None
            self._map_joint_plan(message, convert.to_ns(message.header.stamp) or self.now_ns())

    def _map_joint_plan(self, message: JointTrajectory, start_ns: int) -> None:
        if not self._mapper.has_robot and not self._robot_problem:
            self._waiting = message
            self.report("plan", "it waits for robot_description: is it published, and transient local?")
            return
        names = list(message.joint_names)
        self._publish_plan(
            lambda mapper: mapper.plan_joints(start_ns, names, *motion.trajectory_points(message))
        )

    def _publish_plan(self, plan: Callable[[HandMapper], trajectory.ToolTrajectory]) -> None:
        mapper = self._mapper
        try:
            with self._lock:
                self._read_joints(mapper)
                planned = plan(mapper)
        except _REPORTED as error:
            mapper.counts.bad_plans += 1
            self.report("plan", f"plan refused: {self._robot_problem or error}")
            return
        mapper.counts.plans += 1
        self.faults.clear("plan")
        self._planned_tool.publish(motion.tool_trajectory_message(planned, mapper.config.fixed_frame))
        self._planned.publish(motion.hand_trajectory(mapper, planned))

    # ---- health --------------------------------------------------------------------------------------------
    def figures(self) -> dict[str, Any]:
        own = self._own_pose is not None
        return {**vars(self._mapper.counts), "makes_ee_pose": own, "pose_source": self._source or "none"}

    def problems(self) -> list[str]:
        if self._mapper.counts.keypoints:
            beside = [self._robot_problem, self._in_tf.doubled]
            return [*filter(None, beside), *self._mapper.problems()]
        why = self._in_tf.problem or "no poses in tf"
        return [f"no ee_pose, no joint_states with a robot_description, and {why}"]

    def health(self) -> Health:
        if self._mapper.unit.wrong:
            return Health.error(self._mapper.unit.text(self._source), **self.figures())
        if self._robot_problem and self._source != topics.TF.name:
            return Health.error(self._robot_problem, **self.figures())
        return super().health()


def main(args: Sequence[str] | None = None) -> int:
    return run(HandMapperNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
