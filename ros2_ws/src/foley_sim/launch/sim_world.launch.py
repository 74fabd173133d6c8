"""The simulated robot alone. It waits for `ros2 lifecycle set /sim_world configure` and `activate`."""

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue


def generate_launch_description() -> LaunchDescription:
    share = get_package_share_directory("foley_sim")
    return LaunchDescription(
        [
            DeclareLaunchArgument("scene_seed", default_value="0", description="which scene of the split"),
            DeclareLaunchArgument("split", default_value="test", description="train, validation or test"),
            LifecycleNode(
                package="foley_sim",
                executable="sim_world",
                name="sim_world",
                namespace="",
                output="screen",
                parameters=[
                    f"{share}/config/sim_world.yaml",
                    {
                        "scene_seed": ParameterValue(LaunchConfiguration("scene_seed"), value_type=int),
                        "split": LaunchConfiguration("split"),
                    },
                ],
            ),
        ]
    )
