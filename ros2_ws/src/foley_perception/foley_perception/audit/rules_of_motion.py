"""Rows of docs/recording.md about what moves and what is seen. The rules are in moving.py, motion.py and camera.py."""

from __future__ import annotations

from foley_perception.audit.motion import (
    ENDS_S,
    PLAN_AHEAD_S,
    PLAN_LATE_S,
    STILL_M,
    STUCK_S,
    WIDTH_GAP_S,
    WIDTH_SLACK,
)
from foley_perception.audit.moving import FAR_M, JUMP_M, JUMP_M_S, MAX_GAP_S, UNIT_HIGH, UNIT_LOW
from foley_perception.audit.pose_unit import REACH_M
from foley_perception.audit.rule import Rule

MOTION: tuple[Rule, ...] = (
    Rule(
        "message_unreadable",
        "the bytes of a message are what its type says",
        "any; error of a microphone of which no chunk is",
        "how many, first time, why",
        "those messages",
    ),
    Rule(
        "stamp_wild",
        "stamps follow those beside them",
        "more than 1 s off, and the next two are not",
        "how many, the first and by how much",
        "those messages",
    ),
    # ---- frames ----
    Rule(
        "frame_empty",
        "messages name the frame they are given in",
        "any empty frame_id",
        "how many; name the frame",
        "nothing: it means the world",
    ),
    Rule(
        "frame_unplaced",
        "tf says where a frame was at a message's time",
        "any; error where tf never connects the frame with the world",
        "how many, first time; record /tf from the start",
        "those messages; error: the bag",
    ),
    Rule(
        "static_changed",
        "a static transform is told once, or again with the same value",
        "0.1 mm, 0.0001 rad; error between a tool and its tip",
        "which frame, when, by how much",
        "nothing: each value is used from when it was told on; of two parents neither; error: the bag",
    ),
    # ---- poses ----
    Rule("pose_value", "poses are finite", "any NaN or infinity", "how many, first time", "those poses"),
    Rule(
        "pose_quaternion",
        "length of the quaternion",
        f"[{UNIT_LOW:g}, {UNIT_HIGH:g}], within which it is normalised",
        "the length, how many, first time",
        "those poses",
    ),
    Rule(
        "pose_made",
        "somebody records the pose of the tool",
        "no ee_pose; a problem where it can be made neither of joint_states and robot_description nor of tf",
        "of what it is made, or why it cannot be",
        "nothing: a note; a problem: no contacts, no clips",
    ),
    Rule(
        "pose_reach",
        "how far the tool goes in a second",
        f"{REACH_M:g} m, twice, in steps none of which is half of it",
        "the way and its time; millimetres?",
        "the bag",
    ),
    Rule(
        "pose_unit", "distance from the origin", f"{FAR_M:g} m", "the position; millimetres?", "nothing: told"
    ),
    Rule(
        "pose_jump",
        "steps between poses of one frame",
        f"{JUMP_M:g} m and {JUMP_M_S:g} m/s",
        "the step, how many, first time; two publishers, wrong unit",
        "nothing: told",
    ),
    Rule(
        "pose_rests",
        "the tool moves while things are touched",
        f"less than {STILL_M * 1e3:g} mm and 0.001 of the quaternion in the whole recording, 2 contacts",
        "where it stays; publish the pose of the tool",
        "nothing: told",
    ),
    Rule(
        "motion_gap",
        "poses and forces come without a pause",
        f"{MAX_GAP_S:g} s",
        "how many, the longest, when",
        "contacts in a gap of the poses are left out; a force in a gap is not known (NaN)",
    ),
    # ---- forces, joints, plans ----
    Rule(
        "wrench_value", "forces are finite", "any NaN", "how many, from when to when", "the force then: NaN"
    ),
    Rule(
        "wrench_unplaced",
        "tf says where a force is measured on the tool",
        "a frame_id other than the tool's (or empty, which means it) that nothing connects with it",
        "the frame; publish its transform",
        "the force's direction and the torque; its strength is used",
    ),
    Rule(
        "wrench_stuck",
        "forces change",
        f"the same to the last bit in the whole recording, of {STUCK_S:g} s and more",
        "the value; is the sensor connected?",
        "the force: NaN",
    ),
    Rule(
        "wrench_frozen",
        "forces do not stop to change",
        f"the same to the last bit for {STUCK_S:g} s and more; 0 only where it is 0 at no other time",
        "how many times, the longest: value, from when to when",
        "the force there: NaN",
    ),
    Rule(
        "motion_ends",
        "forces and the gripper's width are told for as long as poses",
        f"{ENDS_S:g} s",
        "from when to when they are told, and poses",
        "the force or width before and after: NaN",
    ),
    Rule(
        "joints_names",
        "as many positions as names, each name once",
        "any other",
        "what, how many, first time",
        "those messages",
    ),
    Rule("joints_value", "positions are finite", "any NaN", "which joint, how many", "that joint then"),
    Rule("joints_positions", "messages carry positions", "any without", "how many", "nothing: a note"),
    Rule(
        "width_untold",
        "somebody tells the joint of the hand's file, or one that moves with it",
        "never",
        "the joint, those that were told; `--hand`",
        "the width: NaN; a hand is drawn with its file's default",
    ),
    Rule(
        "width_range",
        "the gripper's opening lies in the range of the hand's file",
        f"{WIDTH_SLACK:.0%} of the range beyond its ends",
        "the lowest and the highest; metres, `--hand`",
        "the width outside: NaN",
    ),
    Rule(
        "width_gap",
        "the joint of the gripper is told without a pause",
        f"{WIDTH_GAP_S:g} s",
        "the longest, when",
        "the width there: NaN",
    ),
    Rule(
        "plan_refused",
        "plans have finite points, times that increase, joints and frames that are known",
        "any other",
        "which plan, why",
        "that plan",
    ),
    Rule(
        "plan_time",
        "plans begin near the time at which they came",
        f"{PLAN_LATE_S:g} s before it, {PLAN_AHEAD_S:g} s after it",
        "how many, of the first when and by how much; stamp with ROS time or 0",
        "those plans (stamps of arrival's clock in a recording of simulated time are brought to it)",
    ),
    Rule(
        "plan_kinematics",
        "joint plans can be followed: robot_description, its tool",
        "cannot",
        "why",
        "planned actions: those of the tool's plans, or NaN",
    ),
)

CAMERAS: tuple[Rule, ...] = (
    Rule(
        "pictures_readable",
        "images are whole, of a known encoding and of the size of most",
        "any other; error where none is left",
        "how many, first time, why",
        "those images; error: the camera",
    ),
    Rule(
        "picture_colours",
        "the encoding names its colours",
        "8UC3, 8UC4",
        "that blue counts as first",
        "nothing",
    ),
    Rule(
        "depth_unit",
        "median of the first images with readings",
        "16UC1: 10-60 cm, 60-10,000 mm, above 0.1 mm; 32FC1: 0.03-60 m, 60-60,000 mm",
        "the value and the unit that is taken, where it is not the standard's",
        "nothing: it is used so",
    ),
    Rule(
        "depth_readable",
        "depth can be decoded, has readings, a unit and the shape of its camera_info",
        "cannot; no reading in the first 300 images, nor in 300 of the others",
        "why",
        "depth",
    ),
    Rule(
        "camera_calibration",
        "camera_info has a focal length, the images' shape and a known distortion model",
        "any other",
        "what; calibrate",
        "where things are in its images: clips have no pictures",
    ),
    Rule(
        "camera_size",
        "camera_info is of the images' size",
        "ROI, binning, a whole scale",
        "what was applied",
        "nothing",
    ),
    Rule(
        "camera_distortion",
        "distortion of camera_info",
        "any, on a topic that is not `image_rect*`",
        "that images are undistorted, or were so already",
        "nothing: a note",
    ),
    Rule(
        "camera_changes",
        "one calibration in a recording",
        "any other",
        "when",
        "nothing: each image by its own",
    ),
    Rule(
        "camera_place",
        "tf connects the camera with the world, always or at times",
        "never",
        "which frame; record /tf_static, and /tf where the camera moves",
        "where things are in its images: clips have no pictures",
    ),
)
