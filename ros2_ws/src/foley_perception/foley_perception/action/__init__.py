"""What the robot does: gripper as hand, kinematics, planned motion and contact."""
