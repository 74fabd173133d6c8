"""The live system under ROS's launch: the nodes, parameter files and order of system.yaml, as `foley up` has them."""

import tempfile

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from foley_bringup import only_system
from foley_bringup.system import MANAGER, STARTUP_FAILED, plan
from foley_common import processes

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
    "force": ("false", "Start although a system of this namespace runs already in this ROS domain (true or false)."),
}  # fmt: skip
HELD = []  # for as long as this launch runs: its claim, and the folder of its run


def end_if_startup_failed(event, context):
    """What failed cannot be mended by starting it again; everything else is started again when it ends."""
    if event.returncode == STARTUP_FAILED:
        raise RuntimeError("start-up failed; lifecycle_manager has told the reason (`start-up failed: ...`)")


def start_nodes(context):
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    force = value["force"].lower() in ("true", "1")
    pushed = context.launch_configurations.get("ros_namespace", "")
    run_folder = tempfile.TemporaryDirectory(prefix="foley_run_")
    HELD.append(run_folder)
    programs = plan(
        system_file=value["config"],
        sim=value["sim"].lower() in ("true", "1"),
        only=value["only"].split(","),
        also=value["also"].split(","),
        without=value["without"].split(","),
        checkpoint=value["checkpoint"],
        scene_seed=int(value["scene_seed"]) if value["scene_seed"] else None,
        robot=value["robot"],
        namespace=value["namespace"],
        around=pushed,
        run_folder=run_folder.name,
        overrides=only_system.overrides(force),
    )
    if not force:
        own = programs[0].namespace
        space = own if own.startswith("/") else f"{pushed}/{own}"
        HELD.append(only_system.claim(space, [program.name for program in programs]))
    return [
        Node(
            package=program.package,
            executable=program.executable,
            name=program.name,
            namespace=program.namespace,
            remappings=list(program.remappings.items()),
            parameters=[str(file) for file in program.parameter_files]
            + ([dict(program.parameters)] if program.parameters else []),
            additional_env=processes.ends_with_this(),
            output="screen",
            respawn=True,
            # Longer where launch may have to end, so that this one is not started again meanwhile.
            respawn_delay=1.0 if program.name == MANAGER else 0.1,
            on_exit=end_if_startup_failed if program.name == MANAGER else None,
        )
        for program in programs
    ]


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start_nodes)])
