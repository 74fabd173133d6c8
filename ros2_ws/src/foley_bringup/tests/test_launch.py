"""foley.launch.py starts what `foley up` starts: with a stand-in for `launch`, and under the real one."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest

from foley_bringup.only_system import OtherSystemError
from foley_bringup.system import plan
from foley_common import processes

LAUNCH_FILE = Path(__file__).resolve().parents[1] / "launch" / "foley.launch.py"


class Recorded:
    """Stands for a class of `launch`: keeps its arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


class Context(dict):  # type: ignore[type-arg]
    """Values of the launch arguments."""

    launch_configurations: ClassVar[dict[str, str]] = {}


class LaunchConfiguration:
    def __init__(self, name: str) -> None:
        self.name = name

    def perform(self, context: Context) -> str:
        return str(context[self.name])


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> Any:
    stand_ins = {
        "launch": {"LaunchDescription": type("LaunchDescription", (Recorded,), {})},
        "launch.actions": {
            "DeclareLaunchArgument": type("DeclareLaunchArgument", (Recorded,), {}),
            "OpaqueFunction": type("OpaqueFunction", (Recorded,), {}),
        },
        "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
        "launch_ros": {},
        "launch_ros.actions": {"Node": type("Node", (Recorded,), {})},
    }
    for name, content in stand_ins.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return load()


def load() -> Any:
    spec = importlib.util.spec_from_file_location("foley_launch_file", LAUNCH_FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(launch_file: Any, **given: str) -> Context:
    """Of a launch beside which others may run."""
    defaults = {name: default for name, (default, _) in launch_file.ARGUMENTS.items()}
    return Context(defaults | {"force": "true"} | given)


def test_every_argument_is_declared_with_a_description(launch_file: Any) -> None:
    (entities,) = launch_file.generate_launch_description().args
    declared = {e.args[0]: e.kwargs for e in entities if type(e).__name__ == "DeclareLaunchArgument"}
    assert set(declared) == {
        "config",
        "sim",
        "scene_seed",
        "only",
        "also",
        "without",
        "checkpoint",
        "robot",
        "namespace",
        "force",
    }
    assert all(
        len(kwargs["description"]) > 20 and isinstance(kwargs["default_value"], str)
        for kwargs in declared.values()
    )


def test_it_starts_what_foley_up_starts(launch_file: Any, dummy_system: Any) -> None:
    config = str(dummy_system.system_file)
    nodes = launch_file.start_nodes(values(launch_file, config=config, without="third", namespace="robot"))
    forced = [("lifecycle_manager", "force", True)]
    programs = plan(system_file=config, without=["third"], overrides=forced)
    assert len(nodes) == len(programs) == 3
    for node, program in zip(nodes, programs, strict=True):
        assert (node.kwargs["package"], node.kwargs["executable"]) == (program.package, program.executable)
        assert (node.kwargs["name"], node.kwargs["namespace"]) == (program.name, "robot")
        files = [p for p in node.kwargs["parameters"] if isinstance(p, str)]
        overrides = [p for p in node.kwargs["parameters"] if isinstance(p, dict)]
        assert files == [str(f) for f in program.parameter_files]
        assert overrides == ([dict(program.parameters)] if program.parameters else [])
        assert node.kwargs["respawn"] is True and node.kwargs["output"] == "screen"
        assert processes.PARENT in node.kwargs["additional_env"], "so that it ends with the launch"


def test_a_start_up_that_failed_ends_the_launch(launch_file: Any, dummy_system: Any) -> None:
    nodes = launch_file.start_nodes(values(launch_file, config=str(dummy_system.system_file)))
    *others, manager = nodes
    assert [node.kwargs["on_exit"] for node in others] == [None] * 3
    ended = types.SimpleNamespace(returncode=-9)
    assert manager.kwargs["on_exit"](ended, None) is None, "one that was killed is started again"
    ended.returncode = 3
    with pytest.raises(RuntimeError, match="start-up failed"):
        manager.kwargs["on_exit"](ended, None)


def test_a_second_launch_beside_the_first_is_refused(
    launch_file: Any, dummy_system: Any, ros_domain: int
) -> None:
    given = values(launch_file, config=str(dummy_system.system_file), force="false", namespace="one")
    launch_file.start_nodes(given)
    with pytest.raises(OtherSystemError, match="namespace /one"):
        load().start_nodes(given)
    assert len(load().start_nodes(Context(given | {"namespace": "two"}))) == 4


def test_a_robots_file(launch_file: Any, tmp_path: Path) -> None:
    robot = tmp_path / "robot.yaml"
    robot.write_text("namespace: left\ntopics: {microphone: /audio}\nframes: {fixed: base}\n")
    nodes = {
        n.kwargs["name"]: n.kwargs for n in launch_file.start_nodes(values(launch_file, robot=str(robot)))
    }
    assert {node["namespace"] for node in nodes.values()} == {"left"}
    assert nodes["material"]["remappings"] == [("mic/audio", "/audio")]
    assert {"fixed_frame": "base"} in nodes["hand_mapper"]["parameters"]


def test_a_simulated_robot_in_a_namespace_has_tf_of_its_own(launch_file: Any) -> None:
    """Be it the launch file's own, or one in which another launch file puts it."""

    def tf(context: Context) -> list[Any]:
        return [dict(node.kwargs["remappings"]) for node in launch_file.start_nodes(context)]

    own = {"/tf": "tf", "/tf_static": "tf_static"}
    pushed = type("Pushed", (Context,), {"launch_configurations": {"ros_namespace": "/left"}})
    given = values(launch_file, sim="true")
    for context in (Context(given | {"namespace": "left"}), pushed(given)):
        *nodes, manager = tf(context)
        assert nodes and all(node == own for node in nodes) and manager == {}
    assert not any(tf(given))


def test_the_simulated_robot_is_an_argument(launch_file: Any) -> None:
    def names(**given: str) -> list[str]:
        return [node.kwargs["name"] for node in launch_file.start_nodes(values(launch_file, **given))]

    assert "sim_world" not in names()
    assert names(sim="true")[0] == "sim_world" and names(sim="true")[-1] == "lifecycle_manager"
    with_hands = names(also="hand_tracker", without="hand_mapper")
    assert with_hands[0] == "hand_tracker" and "hand_mapper" not in with_hands
    seeded = launch_file.start_nodes(values(launch_file, sim="true", scene_seed="7"))
    assert {"scene_seed": 7} in seeded[0].kwargs["parameters"]


def test_the_real_launch_loads_it() -> None:
    launch = pytest.importorskip("launch", reason="ROS's launch is not installed (there is no wheel of it)")
    pytest.importorskip("launch_ros", reason="ROS's launch_ros is not installed (there is no wheel of it)")
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    description = PythonLaunchDescriptionSource(str(LAUNCH_FILE)).get_launch_description(
        launch.LaunchContext()
    )
    assert len(description.get_launch_arguments()) == len(load().ARGUMENTS)
    context = launch.LaunchContext()
    for argument in description.get_launch_arguments():
        argument.execute(context)
    started = [e for entity in description.entities for e in (entity.execute(context) or [])]
    assert len(started) == len(plan())
