"""What a node senses beside sound: camera, depth behind the arm, tip, force and gripper width, kept for seconds.

One place for every node that asks where the tip is, was, or what stands around it. Poses, forces and joints come at the
robot's control rate and are needed only when something is decided: they are kept as bytes and read when asked for.
Subscriptions call back in the executor's thread and only store; everything else may be called from any thread. The
rules (tip not known, poses in another frame, how many pictures make the background) stand in docs/conventions.md.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from geometry_msgs.msg import WrenchStamped
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_common.topics import Topic
from foley_msgs.msg import ToolTrajectory as ToolTrajectoryMessage
from foley_perception.action.gripper import GripperHand
from foley_perception.action.mimic import MimicJoints
from foley_perception.action.planned_contact import PlannedContactConfig
from foley_perception.action.planned_motion import joint_position
from foley_perception.action.tip import plan_in_fixed_frame, tip_in_tool
from foley_perception.action.tip_history import FOR_NOW, NOT_YET, PLACED, TipHistory, in_one_frame
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.action.wrench import from_sensor
from foley_perception.audit.live_times import LiveTimes
from foley_perception.audit.motion import width_untold
from foley_perception.audit.moving import POSE
from foley_perception.audit.pose_unit import PoseUnit
from foley_perception.clips.action import SERIES
from foley_perception.clips.inputs import MeasuredTool, Streams
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.recording import cdr
from foley_perception.ros import motion
from foley_perception.ros.image_topics import published_form
from foley_perception.ros.sensed_camera import SensedCamera
from foley_perception.ros.tf import TransformListener, without_times
from foley_perception.scene.depth_background import DepthBackground
from foley_perception.scene.sensing import SensingConfig
from foley_perception.stamped_history import VectorHistory
from foley_ros import raw
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller

Array = NDArray[np.float64]

_TIP_PERIOD_NS = NS_PER_S // 10  # what the gripper holds rarely changes
_LATE_NS = NS_PER_S // 2  # transforms that come later after their poses are missed
_JOINTS_SEEN = 64  # names of joints that are kept to say which there are


@dataclasses.dataclass(frozen=True)
class _Tip:
    read_ns: int
    tx_tool_tip: SE3
    problem: str  # empty where there is none


class SensedScene:
    """Make it in ``setup``; its subscriptions go with the node's entities. Call :meth:`poll` now and then.

    Args:
        node: reports faults, tells the time and owns the subscriptions.
        poller: takes what comes at the robot's control rate.

    Raises:
        HandError: the hand file is missing or not valid.
    """

    def __init__(self, node: FoleyNode, poller: Poller, config: SensingConfig) -> None:  # type: ignore[type-arg]
        self.config = config
        self.hand = GripperHand.from_yaml(config.hand)
        self._node = node
        self._tf = TransformListener(node, poller)
        self.background = DepthBackground(PlannedContactConfig(margin_m=config.tip_margin_m))
        self.tips = TipHistory(
            motion.told_poses, self.tx_tool_tip, self._place, known=lambda: self._tf.received
        )
        self.forces = VectorHistory(_force)
        self._wrenches = VectorHistory(self._tool_wrench)
        self.widths = VectorHistory(self._width)
        self._unit = PoseUnit()
        self.times = LiveTimes()  # of the sensors; the owner adds those that it hears itself
        self._seen_ns: dict[str, int] = {}
        self._started_ns = node.now_ns()
        self._robot_description = ""
        self._mimics = MimicJoints()  # joints that follow others, as the robot description says
        self._width_joints = frozenset({self.hand.width_joint})  # any of them tells the width
        self._joints_seen: dict[str, None] = {}
        self._tip = _Tip(-_TIP_PERIOD_NS, SE3.identity(), "")
        subscribe = node.entities.subscribe
        subscribe(topics.ROBOT_DESCRIPTION, self._on_robot)
        poller.subscribe(topics.EE_POSE, self._on_pose, raw=True)
        poller.subscribe(topics.WRENCH, self._on_wrench, raw=True)
        if config.gripper:
            poller.subscribe(topics.JOINT_STATES, self._on_joints, raw=True)
        self.camera = SensedCamera(node, poller, config, self._tf.buffer, self.background, self._saw)

    def poll(self) -> None:
        """In the executor's thread: listen to /tf once it is needed, and to images as they are published."""
        self._tf.poll()
        self.camera.poll()

    # ---- for decisions -------------------------------------------------------------------------------------
    def lookup(self, target: str, source: str, time_ns: int | None = None) -> SE3:
        """``tx_target_source``. Raises TransformUnavailable."""
        return self._tf.buffer.lookup(target, source, time_ns)

    def tx_tool_tip(self) -> SE3:
        """Where the tip is seen from the tool; where nobody knows, the tool point counts, and that is reported."""
        now_ns, tip = self._node.now_ns(), self._tip
        if not 0 <= now_ns - tip.read_ns < _TIP_PERIOD_NS:
            config = self.config
            found, problem = tip_in_tool(
                self.lookup, config.tool_frame, config.tip_frame, self._robot_description
            )
            if np.array_equal(found.matrix, tip.tx_tool_tip.matrix):
                found = tip.tx_tool_tip  # the same object: what was computed with it stays
            # At once and at last: another thread that asks meanwhile must not be told that it was read.
            self._tip = tip = _Tip(now_ns, found, problem)
        return tip.tx_tool_tip

    def tool_plan(self, message: ToolTrajectoryMessage) -> ToolTrajectory:
        """A planned motion of the tool in the fixed frame.

        Raises:
            ValueError: the message is malformed.
            TransformUnavailable: tf does not know the plan's frame.
        """
        plan = motion.tool_trajectory(message)
        frame, start_ns = message.header.frame_id, int(plan.times_ns[0])
        poses = plan_in_fixed_frame(plan.poses, frame, self.config.fixed_frame, start_ns, self.lookup)
        return dataclasses.replace(plan, poses=poses)

    def sensed_until(self, end_ns: int) -> bool:
        """Whether all that a clip is made of has come up to its end; force and width only where they come at all."""
        needed = [self.camera.pictures.newest_ns or 0, self.tips.newest_ns or 0]
        silent_ns = end_ns - NS_PER_S
        needed += [t for t in (self.forces.newest_ns, self.widths.newest_ns) if t and t >= silent_ns]
        placed_ns = self.camera.placed_until_ns()
        return min(needed) >= end_ns and (placed_ns is None or placed_ns >= end_ns)

    def streams(self, start_ns: int, end_ns: int) -> Streams:
        """What was sensed, with the motion between two times, as models are shown it.

        Raises:
            TransformUnavailable: tf does not know where the camera is.
            ValueError: there is no camera_info, or it cannot be used for the images.
        """
        camera, times, picture = self.camera.views()
        tip = self.tips.series(start_ns, end_ns)
        force = self.forces.told(start_ns, end_ns)
        return Streams(
            camera,
            times,
            picture,
            tip,
            width=self._opening(start_ns, end_ns),
            force=(force[0], np.linalg.norm(force[1], axis=1)) if len(force[0]) else None,
            clear_m=self.config.clear_m,
            newest_tip=self.tips.newest_until,
            tool=self.measured_tool(start_ns, end_ns),
        )

    def measured_tool(self, start_ns: int, end_ns: int) -> MeasuredTool | None:
        """How the tool moved between two times; None where fewer than two poses of it are known."""
        times, poses = self.tips.tools(start_ns, end_ns)
        if len(times) < 2:
            return None
        wrench = self._wrenches.told(start_ns, end_ns)
        return MeasuredTool(
            times,
            poses,
            self.tx_tool_tip(),
            self._opening(start_ns, end_ns),
            wrench if len(wrench[0]) else None,
        )

    def _opening(self, start_ns: int, end_ns: int) -> SERIES | None:
        width = self.widths.told(start_ns, end_ns)
        return (width[0], width[1][:, 0]) if len(width[0]) else None

    # ---- for diagnostics -----------------------------------------------------------------------------------
    def problems(self) -> list[str]:
        """What is missing at the moment, one sentence each."""
        now_ns, found = self._node.now_ns(), []
        # Depth alone only sharpens what sound and motion say; whoever looks at pictures cannot do without.
        needed = [topics.CAMERA.name, topics.CAMERA_INFO.name] if self.config.pictures else []
        needed += [topics.CAMERA_DEPTH.name] if self.config.depth and self._has_depth() else []
        for topic in needed:
            silent_s = self._silent_s(topic, now_ns)
            if silent_s > self.config.silent_s:
                found.append(f"nothing usable on {topic} for {silent_s:.1f} s")
        if self._unit.wrong:
            found.append(self._unit.text(topics.EE_POSE.name))
        elif self._silent_s(topics.EE_POSE.name, now_ns) > self.config.silent_s:
            found.append(
                "no ee_pose: without motion no sound counts as a contact and no touch can be predicted from what was "
                "measured; is the arm's driver running, or hand_mapper with joint_states and robot_description?"
            )
        elif self._tips_are_unknown():
            found.append(
                "ee_pose is not finite, has no orientation or no known frame: such poses are left out"
            )
        if self.forces.newest_ns is not None and self.forces.newest() is None:
            found.append(
                "wrench holds NaN: the force is not known; is the sensor mounted, and its driver ready?"
            )
        if self.widths.newest_ns is not None and self.widths.newest() is None:
            found.append(
                f"joint_states: the gripper's width is NaN or outside of [0, {self.hand.max_width:g}] m of the hand "
                f"`{self.hand.name}`: it is not known; is it in metres, and the parameter `hand` that of this gripper?"
            )
        width_needed = self.config.gripper and bool(self.hand.width_joint)
        if width_needed and self._silent_s(topics.JOINT_STATES.name, now_ns) > self.config.silent_s:
            told = topics.JOINT_STATES.name in self._seen_ns
            silent_s = self._silent_s(topics.JOINT_STATES.name, now_ns) if told else None
            hand, joints = self.hand, self._joints_seen
            untold = width_untold(
                topics.JOINT_STATES.name, hand.width_joint, hand.name, hand.default_width, joints, silent_s
            )
            found.append(str(untold))
        self.tx_tool_tip()
        found += [self._tip.problem] if self._tip.problem else []
        found += [finding.text for finding in self.times.findings()[:2]]
        return found + self.camera.problems()

    def _has_depth(self) -> bool:
        """Whether the robot has a depth camera, as far as anybody can see."""
        topic = topics.CAMERA_DEPTH.name
        told = published_form(self._node, self._node.resolve_topic_name(topic)) is not None
        return self.config.pictures and (told or topic in self._seen_ns)

    def _tips_are_unknown(self) -> bool:
        """Whether poses come, and none of the last ones is known; transforms may come a little after them."""
        newest_ns, known_ns = self.tips.newest_ns, self.tips.newest_known_ns()
        return newest_ns is not None and (known_ns is None or newest_ns - known_ns > _LATE_NS)

    @property
    def poses_wrong(self) -> bool:
        """Whether poses come that cannot be in metres: a fault, not a lack."""
        return self._unit.wrong

    def _silent_s(self, topic: str, now_ns: int) -> float:
        return (now_ns - self._seen_ns.get(topic, self._started_ns)) / NS_PER_S

    # ---- callbacks: store ----------------------------------------------------------------------------------
    def _saw(self, topic: str) -> None:
        self._seen_ns[topic] = self._node.now_ns()

    def _on_robot(self, message: String) -> None:
        self._robot_description = message.data
        self._mimics = MimicJoints(message.data)
        self._width_joints = frozenset(self._mimics.family(self.hand.width_joint))
        self._tip = dataclasses.replace(self._tip, read_ns=-_TIP_PERIOD_NS)

    def _stamp(self, topic: Topic, data: bytes) -> int:
        """Of a message; 0, which is reported, where it has none: motion by times of arrival has no velocity."""
        stamp_ns, now_ns = raw.stamp_ns(data), self._node.now_ns()
        self.times.add(topic, stamp_ns, self._node.entities.latencies.arrival_ns(topic, stamp_ns, now_ns))
        self._seen_ns[topic.name] = now_ns
        if not stamp_ns:
            self._node.report(
                f"{topic.name}: header.stamp",
                "it is 0: such messages are left out; the driver must stamp them",
                serious=True,
            )
        return stamp_ns

    def _on_pose(self, data: bytes) -> None:
        time_ns = self._stamp(topics.EE_POSE, data)
        if not time_ns:
            return
        if self._unit.due(time_ns):
            position = cdr.read_doubles(data, POSE)[1][:3]
            if np.isfinite(position).all():
                self._unit.add(time_ns, position.tolist())
        if not self._unit.wrong:
            self.tips.add(time_ns, data)
        elif self.tips.newest_ns is not None:
            self.tips.clear()  # what came before it was noticed is no truer

    def _on_wrench(self, data: bytes) -> None:
        if stamp_ns := self._stamp(topics.WRENCH, data):
            self.forces.add(stamp_ns, data)
            self._wrenches.add(stamp_ns, data)

    def _on_joints(self, data: bytes) -> None:
        # Arm and gripper may publish apart. The arm's stamps, if newer, would make the gripper's late.
        names = motion.joint_names(data)
        if len(self._joints_seen) < _JOINTS_SEEN:
            self._joints_seen |= dict.fromkeys(names)
        if not self._width_joints.isdisjoint(names):
            self._saw(topics.JOINT_STATES.name)
            self.widths.add(raw.stamp_ns(data) or self._node.now_ns(), data)

    # ---- decoding, in the thread that asks -------------------------------------------------------------------
    def _place(self, frame: str, times_ns: NDArray[np.int64], poses: SE3) -> tuple[SE3, NDArray[np.int8]]:
        """Poses [n] of the tool in the fixed frame. See :class:`TipHistory`."""
        fixed_frame = self.config.fixed_frame
        if not frame or frame == fixed_frame:
            return in_one_frame(frame, times_ns, poses)
        nowhere = np.full(len(times_ns), NOT_YET, np.int8)
        try:
            # First, so that what comes meanwhile does not count as interpolated.
            until_ns = self._tf.buffer.known_until_ns(fixed_frame, frame)
            tx_fixed_frame, reached = self._tf.buffer.lookup_all(fixed_frame, frame, times_ns)
            last_ns = times_ns[-1] if until_ns is None else until_ns
            missed = times_ns[~reached & (np.abs(times_ns - last_ns) > _LATE_NS)]
            if len(missed):
                self.lookup(fixed_frame, frame, int(missed[0]))  # says why
        except TransformUnavailable as error:
            said = f"{without_times(error)}; such poses are left out until it is"
            self._node.report(topics.EE_POSE.name, said)
            return poses, nowhere
        states = np.where(reached, np.where(times_ns <= last_ns, PLACED, FOR_NOW), nowhere)
        return tx_fixed_frame @ poses, states.astype(np.int8)

    def _tool_wrench(self, data: bytes) -> Array:
        """[6] of the tool, in its frame; NaN where nobody says how the sensor lies to it."""
        message = deserialize_message(data, WrenchStamped)
        wrench, frame = _vector(message), message.header.frame_id.lstrip("/")
        if not frame or frame == self.config.tool_frame:
            return wrench
        try:
            lies = self.lookup(self.config.tool_frame, frame, raw.stamp_ns(data))
        except TransformUnavailable as error:
            self._node.report(
                topics.WRENCH.name,
                f"its forces are in `{frame}`, and {without_times(error)}: how strong they are is used, their "
                "direction is not; publish the transform, or the forces in the tool's frame",
            )
            return np.full(6, np.nan)
        self._node.faults.clear(topics.WRENCH.name)
        return from_sensor(wrench[None], lies)[0]

    def _width(self, data: bytes) -> Array | None:
        message = deserialize_message(data, JointState)
        try:
            told = motion.joint_positions(message)
        except ValueError as error:
            self._node.report(topics.JOINT_STATES.name, str(error))
            return None
        known = {name: np.array([position]) for name, position in told.items()}
        position = joint_position(self.hand.width_joint, known, self._mimics)
        if position is None:  # it is named, and NaN
            return np.full(1, np.nan) if len(message.position) else None
        return self.hand.measured_width(position)


def _force(data: bytes) -> Array:
    """[3] in newtons; NaN where the sensor does not know all of its wrench."""
    wrench = _wrench(data)
    return wrench[:3] if np.isfinite(wrench).all() else np.full(3, np.nan)


def _wrench(data: bytes) -> Array:
    """Force [N] and torque [N m], [6], as they were measured."""
    return _vector(deserialize_message(data, WrenchStamped))


def _vector(message: WrenchStamped) -> Array:
    wrench = message.wrench
    return np.array([getattr(part, axis) for part in (wrench.force, wrench.torque) for axis in "xyz"])
