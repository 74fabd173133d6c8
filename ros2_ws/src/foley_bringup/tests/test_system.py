"""system.yaml: what is read, chosen, refused, and the commands that come out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from foley_bringup.system import (
    MANAGER,
    SystemFileError,
    flow_yaml,
    load_system,
    parse_override,
    plan,
    select,
)

CONFIG = Path(__file__).resolve().parents[1] / "config"


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "ear", "package": "dummies", "executable": "dummy", **changes}


def test_the_shipped_system_names_every_node_once() -> None:
    nodes = load_system(CONFIG / "system.yaml")
    assert next(n.name for n in nodes) == "sim_world"
    assert {"recorder", "hand_mapper", "contact_detector", "material", "synthesizer"} <= {
        n.name for n in nodes
    }
    assert [n.name for n in nodes if n.when == "sim"] == ["sim_world"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("nodes: [", "not YAML"),
        ({}, "`nodes` must be a list"),
        ({"nodes": []}, "at least one node"),
        ({"nodes": ["ear"]}, r"nodes\[0\] is 'ear'"),
        ({"nodes": [entry(speed=3)]}, r"unknown fields \['speed'\]"),
        ({"nodes": [{"name": "ear"}]}, r"missing fields \['executable', 'package'\]"),
        ({"nodes": [entry(name="left ear")]}, "name is 'left ear'"),
        ({"nodes": [entry(when="never")]}, "when is 'never', must be one of always, sim"),
        ({"nodes": [entry(lifecycle="yes")]}, "lifecycle is 'yes'"),
        ({"nodes": [entry(), entry()]}, r"\['ear'\] are taken twice"),
        ({"nodes": [entry(name=MANAGER)]}, "always started"),
    ],
)
def test_bad_system_files_are_refused_with_the_place(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(SystemFileError, match=words):
        load_system(write(tmp_path / "system.yaml", content))


def test_missing_system_file(tmp_path: Path) -> None:
    with pytest.raises(SystemFileError, match="No such file"):
        load_system(tmp_path / "none.yaml")


def test_selection() -> None:
    nodes = load_system(CONFIG / "system.yaml")
    names = [n.name for n in nodes]

    def chosen(**options: Any) -> list[str]:
        return [n.name for n in select(nodes, **options)]

    asked = [n.name for n in nodes if n.when == "asked"]
    assert asked == ["hand_tracker", "microphone", "speaker", "scene_reconstructor"]
    usual = [name for name in names if name not in asked]
    assert chosen(sim=True) == usual
    assert chosen() == usual[1:]
    assert chosen(also=["hand_tracker"], without=["hand_mapper"]) == ["hand_tracker", *usual[2:]]
    assert chosen(only=["recorder"], also=["scene_reconstructor"]) == ["recorder", "scene_reconstructor"]
    assert chosen(only=["synthesizer", "sim_world"]) == ["sim_world", "synthesizer"], (
        "order of the system, not asked"
    )
    assert chosen(without=["recorder", ""]) == [n for n in usual[1:] if n != "recorder"]
    with pytest.raises(SystemFileError, match="no node named ear"):
        select(nodes, also=["ear"])
    with pytest.raises(SystemFileError, match="no node named nose; the system has sim_world"):
        select(nodes, only=["nose"])
    with pytest.raises(SystemFileError, match="no node is left"):
        select(nodes, only=["recorder"], without=["recorder"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.b=1", ("a", "b", 1)), ("a.b=x=y", ("a", "b", "x=y")), ("a.b.c=[1, 2]", ("a", "b.c", [1, 2]))],
)
def test_overrides(text: str, expected: tuple[str, str, Any]) -> None:
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["a.b", "ab=1", ".b=1", "a.=1", "a.b=[1"])
def test_bad_overrides(text: str) -> None:
    with pytest.raises(SystemFileError, match="`"):
        parse_override(text)


@pytest.mark.parametrize("value", ["07", 'a "b" \\ c: d', "", True, 3, 2.5, ["a", "b: c"], [""]])
def test_values_on_the_command_line_mean_the_same(value: Any) -> None:
    assert yaml.safe_load(flow_yaml(value)) == value and "\n" not in flow_yaml(value)


def test_plan(dummy_system: Any, tmp_path: Path) -> None:
    slow = [("second", "setup_s", 0.5)]
    programs = plan(system_file=dummy_system.system_file, overrides=slow)
    assert [p.name for p in programs] == ["first", "second", "third", MANAGER]
    manager = programs[-1]
    assert manager.parameters["nodes"] == ["first", "second", "third"]
    assert manager.parameters["system_file"] == str(dummy_system.system_file)
    assert programs[0].parameter_files == (dummy_system.prefix / "share/dummies/config/dummy.yaml",)
    command = plan(system_file=dummy_system.system_file, namespace="/robot/", overrides=slow)[1].command()
    assert command[0] == str(dummy_system.prefix / "lib/dummies/dummy")
    assert "__ns:=/robot" in command and "setup_s:=0.5" in command and "__node:=second" in command
    assert not any("__ns" in word for word in programs[1].command())


def test_plan_gives_the_checkpoint_to_those_that_take_one(dummy_system: Any, tmp_path: Path) -> None:
    content = yaml.safe_load(dummy_system.system_file.read_text())
    content["nodes"][1]["checkpoint"] = True
    write(dummy_system.system_file, content)
    programs = {p.name: p for p in plan(system_file=dummy_system.system_file, checkpoint=str(tmp_path))}
    assert programs["second"].parameters == {"checkpoint": str(tmp_path)} and not programs["first"].parameters
    with pytest.raises(SystemFileError, match=r"no such folder; `foley train`"):
        plan(system_file=dummy_system.system_file, checkpoint=str(tmp_path / "none"))


def test_plan_refuses_what_cannot_be(dummy_system: Any) -> None:
    with pytest.raises(SystemFileError, match="add --sim"):
        plan(system_file=dummy_system.system_file, scene_seed=3)
    with pytest.raises(SystemFileError, match="no node named nose is started"):
        plan(system_file=dummy_system.system_file, overrides=[("nose", "a", 1)])


def test_a_misspelt_parameter_is_refused_before_anything_starts(dummy_system: Any) -> None:
    with pytest.raises(
        SystemFileError, match=r"recorder has no parameter `snapshot_ss`; is `snapshot_s` meant"
    ):
        plan(overrides=[("recorder", "snapshot_ss", 10.0)])
    given: list[tuple[str, str, Any]] = [
        ("recorder", "compression", ["mic/audio=zstd"]),  # a comment in its file
        ("recorder", "topic_map", ["mic/audio=/sound"]),
        ("material", "latencies", ["microphone=0.01"]),
        ("lifecycle_manager", "retry_delay_s", 0.3),
        ("material", "of_somebody_elses", 1),  # is like none: the node tells that it has none
    ]
    plan(
        system_file=dummy_system.system_file, overrides=[("second", "latency", 0.1)]
    )  # nobody knows what it has
    programs = {p.name: p for p in plan(overrides=given)}
    assert all(programs[name].parameters[parameter] == value for name, parameter, value in given)


def test_what_is_not_installed_is_told_with_the_cure(dummy_system: Any) -> None:
    program = plan(system_file=dummy_system.system_file)[0]
    with pytest.raises(SystemFileError, match=r"no executable `ghost`.*make setup"):
        dataclasses.replace(program, executable="ghost").command()
    with pytest.raises(SystemFileError, match=r"`ghosts` is not installed: run `make setup`"):
        dataclasses.replace(program, package="ghosts").command()


def test_what_a_node_knows_is_kept_in_the_folder_of_the_run(tmp_path: Path) -> None:
    told = {p.name: p.parameters for p in plan(run_folder=str(tmp_path))}
    assert told["material"]["state_file"] == str(tmp_path / "material.json")
    assert told["contact_detector"]["state_file"] == str(tmp_path / "contact_detector.json")
    assert "state_file" not in told["synthesizer"]
    assert all("state_file" not in p.parameters for p in plan())


ROBOT = """\
namespace: left
topics: {microphone: /audio, camera: /wrist/color/image_raw}
frames: {fixed: base_link, tool: tool0}
hand: robotiq_2f85
gripper_joint: finger
sound: {microphone: {sample_rate: 44100, channel: 1}}
cameras: {camera: {transport: compressed}}
latencies: {microphone: {seconds: 0.012}}
"""


def test_a_robots_file_is_remappings_and_parameters(tmp_path: Path) -> None:
    robot = write(tmp_path / "robot.yaml", ROBOT)
    programs = {p.name: p for p in plan(robot=robot, overrides=[("material", "channel", 0)])}
    detector, material, recorder = (programs[n] for n in ("contact_detector", "material", "recorder"))
    late = ["microphone=0.012"]
    assert detector.parameters == {
        "fixed_frame": "base_link",
        "tool_frame": "tool0",
        "hand": "robotiq_2f85@finger",
        "camera_transport": "compressed",
        "sample_rate": 44100,
        "channel": 1,
        "latencies": late,
    }
    assert (material.parameters["sample_rate"], material.parameters["channel"]) == (44100, 0)  # --set holds
    assert "hand" not in material.parameters
    assert recorder.parameters == {
        "topic_map": ["mic/audio=/audio", "camera/image_raw=/wrist/color/image_raw"],
        "robot_file": str(robot),
    }
    assert recorder.remappings == {} and programs[MANAGER].remappings == {}
    command = detector.command()
    assert "mic/audio:=/audio" in command and "camera/camera_info:=/wrist/color/camera_info" in command
    assert "__ns:=/left" in command
    assert {p.namespace for p in plan(robot=robot, namespace="other")} == {"other"}


def test_a_simulated_robot_in_a_namespace_has_tf_of_its_own(tmp_path: Path) -> None:
    """All simulated robots have the same frames; what a robot's file says of /tf holds."""
    own = {"/tf": "tf", "/tf_static": "tf_static"}

    def names(**how: Any) -> dict[str, Any]:
        return {p.name: p.remappings for p in plan(**how)}

    simulated = names(sim=True, namespace="left")
    assert simulated.pop(MANAGER) == {} and simulated and all(n == own for n in simulated.values())
    assert names(only=["sim_world"], namespace="left")["sim_world"] == own
    assert names(only=["recorder"], sim=True, around="/left")["recorder"] == own
    assert set(map(str, names(sim=True).values())) == {"{}"}, "one robot alone is where everybody looks"
    assert set(map(str, names(namespace="left").values())) == {"{}"}, "a robot's own drivers say where tf is"
    robot = write(tmp_path / "robot.yaml", "namespace: left\ntopics: {tf: /shared/tf}\n")
    programs = names(sim=True, robot=robot)
    assert programs["hand_mapper"] == own | {"/tf": "/shared/tf"} and programs["recorder"] == {
        "/tf_static": "tf_static"
    }


def test_a_robots_file_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemFileError, match=r"robot\.yaml:1: `hnad` is not known; is hand meant"):
        plan(robot=write(tmp_path / "robot.yaml", "hnad: x"))
    with pytest.raises(SystemFileError, match="maps mic/audio to /usb-mic/audio, and no topic"):
        plan(robot=write(tmp_path / "robot.yaml", "topics: {microphone: /usb-mic/audio}"))


def test_microphones_that_are_opened_here_are_started(dummy_system: Any, tmp_path: Path) -> None:
    content = yaml.safe_load(dummy_system.system_file.read_text())
    taken = write(tmp_path / "taken.yaml", "/**: {ros__parameters: {device: x, role: y, sample_rate: 0}}")
    content["nodes"][0] |= {"name": "contact_microphone", "when": "asked", "parameters": [str(taken)]}
    content["nodes"][1] |= {"name": "speaker", "parameters": [str(taken)]}
    write(dummy_system.system_file, content)
    robot = write(tmp_path / "robot.yaml", "sound: {contact_microphone: {device: USB, sample_rate: 16000}}")
    assert "contact_microphone" not in [p.name for p in plan(system_file=dummy_system.system_file)]
    started = {p.name: p for p in plan(system_file=dummy_system.system_file, robot=robot)}
    assert started["contact_microphone"].parameters == {
        "device": "USB",
        "role": "contact_microphone",
        "sample_rate": 16000,
    }
    assert started["speaker"].parameters == {}  # a device of another kind
    other = write(tmp_path / "other.yaml", "sound: {microphone: {device: USB}}")
    with pytest.raises(SystemFileError, match="no node named microphone; add one that runs"):
        plan(system_file=dummy_system.system_file, robot=other)
