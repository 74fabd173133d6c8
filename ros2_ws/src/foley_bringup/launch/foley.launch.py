"""The live system under ROS's launch: the nodes, parameter files and order of system.yaml, as `foley up` has them."""

import tempfile

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from foley_bringup.system import plan

ARGUMENTS = {
    "config": ("", "System file: which nodes, in which order. Empty: the installed system.yaml."),
    "sim": ("false", "Also start the simulated robot (true or false)."),
    "scene_seed": ("", "Which scene the simulated robot stands before."),
    "only": ("", "Start these nodes alone, separated by commas."),
    "also": ("", "Start these nodes too, separated by commas: hand_tracker, scene_reconstructor."),
    "without": ("", "Start all but these nodes, separated by commas."),
    "checkpoint": ("", "Model folder. Empty: the one that ships."),
    "robot": ("", "The robot's file: its topics, frames, hand, microphones and namespace."),
    "namespace": ("", "Put all nodes and topics under this name. Empty: that of the robot's file."),
}


def start_nodes(context):
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    programs = plan(
        system_file=value["config"],
        sim=value["sim"].lower() in ("true", "1"),
        only=value["only"].split(","),
        also=value["also"].split(","),
        without=value["without"].split(","),
        checkpoint=value["checkpoint"],
        scene_seed=int(value["scene_seed"]) if value["scene_seed"] else None,
        robot=value["robot"],
        run_folder=tempfile.mkdtemp(prefix="foley_run_"),
    )
    return [
        Node(
            package=program.package,
            executable=program.executable,
            name=program.name,
            namespace=value["namespace"] or program.namespace,
            remappings=list(program.remappings.items()),
            parameters=[str(file) for file in program.parameter_files]
            + ([dict(program.parameters)] if program.parameters else []),
            output="screen",
            respawn=True,
            respawn_delay=0.1,
        )
        for program in programs
    ]


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start_nodes)])
