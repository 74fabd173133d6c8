"""What the system is made of: the nodes of system.yaml and the commands that start them.

`foley up` and foley.launch.py both ask :func:`plan` what to start, so they cannot drift apart.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from foley_bringup.robot_programs import (
    as_rules,
    opened_devices,
    own_frames,
    remappings,
    taken_parameters,
)
from foley_bringup.robot_programs import parameters as robot_parameters
from foley_common.robot_file import RobotFile, RobotFileError

MANAGER = "lifecycle_manager"
STARTUP_FAILED = 3  # exit code of the manager, and of `foley up`
_ROS_TOPIC = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
WHEN = ("always", "sim", "asked")
_PARAMETER = re.compile(r"^[ #]*([a-z]\w*):", re.MULTILINE)  # of a file of parameters
_OF_ALL_NODES = frozenset({"latencies", "raw_audio", "use_sim_time"})


class SystemFileError(ValueError):
    """The system file or a choice from it was refused; the message names field, value and cure."""


@dataclasses.dataclass(frozen=True)
class NodeSpec:
    """One entry of system.yaml."""

    name: str
    package: str
    executable: str
    parameters: tuple[str, ...] = ()
    when: Literal["always", "sim", "asked"] = "always"
    lifecycle: bool = True
    checkpoint: bool = False
    state_file: bool = False

    def __post_init__(self) -> None:
        for field in ("name", "package", "executable"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.isidentifier():
                raise SystemFileError(f"{field} is {value!r}: a name of letters, digits and _ is needed")
        if self.when not in WHEN:
            raise SystemFileError(
                f"node `{self.name}`: when is {self.when!r}, must be one of {', '.join(WHEN)}"
            )
        for field in ("lifecycle", "checkpoint", "state_file"):
            if not isinstance(getattr(self, field), bool):
                raise SystemFileError(
                    f"node `{self.name}`: {field} is {getattr(self, field)!r}, must be true or false"
                )


@dataclasses.dataclass(frozen=True)
class Program:
    """One process to start: the executable of a package as a ROS node."""

    name: str
    package: str
    executable: str
    parameter_files: tuple[Path, ...] = ()
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    lifecycle: bool = True
    remappings: Mapping[str, str] = dataclasses.field(default_factory=dict)  # our topics -> the robot's
    namespace: str = ""  # as it was asked for, else of the robot's file

    def command(self) -> list[str]:
        """The argument vector that starts it.

        Raises:
            SystemFileError: the executable is not installed.
        """
        command = [
            str(find_executable(self.package, self.executable)),
            "--ros-args",
            "-r",
            f"__node:={self.name}",
        ]
        if whose := self.namespace.strip("/"):
            command += ["-r", f"__ns:=/{whose}"]
        command += as_rules(self.remappings)
        for file in self.parameter_files:
            command += ["--params-file", str(file)]
        for key, value in self.parameters.items():
            command += ["-p", f"{key}:={flow_yaml(value)}"]
        return command


def flow_yaml(value: Any) -> str:
    """A value on one line, as `-p name:=value` takes it."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).strip().removesuffix("\n...").strip()


def load_system(path: Path) -> tuple[NodeSpec, ...]:
    """Read a system file.

    Raises:
        SystemFileError: it cannot be read, is not YAML, or an entry is refused.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SystemFileError(f"system file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SystemFileError(f"system file {path} is not YAML: {error}") from error
    entries = content.get("nodes") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise SystemFileError(f"system file {path}: `nodes` must be a list with at least one node")
    known = {field.name for field in dataclasses.fields(NodeSpec)}
    nodes: list[NodeSpec] = []
    for index, entry in enumerate(entries):
        where = f"system file {path}: nodes[{index}]"
        if not isinstance(entry, dict):
            raise SystemFileError(
                f"{where} is {entry!r}, expected a mapping with name, package and executable"
            )
        unknown = sorted(set(entry) - known)
        absent = sorted({"name", "package", "executable"} - set(entry))
        if unknown or absent:
            raise SystemFileError(f"{where}: unknown fields {unknown}, missing fields {absent}")
        try:
            nodes.append(NodeSpec(**{**entry, "parameters": tuple(entry.get("parameters") or ())}))
        except SystemFileError as error:
            raise SystemFileError(f"{where}: {error}") from error
    names = [node.name for node in nodes]
    twice = sorted({name for name in names if names.count(name) > 1} | ({MANAGER} & set(names)))
    if twice:
        raise SystemFileError(
            f"system file {path}: the names {twice} are taken twice ({MANAGER} is always started)"
        )
    return tuple(nodes)


def select(
    nodes: Sequence[NodeSpec],
    *,
    sim: bool = False,
    only: Iterable[str] = (),
    also: Iterable[str] = (),
    without: Iterable[str] = (),
) -> tuple[NodeSpec, ...]:
    """The nodes to start, in order. A node named in ``only`` or ``also`` is started whatever its ``when``.

    Raises:
        SystemFileError: a name that the system does not have, or nothing left.
    """
    only, also, without = ([n for n in names if n] for names in (only, also, without))
    known = [node.name for node in nodes]
    unknown = [name for name in [*only, *also, *without] if name not in known]
    if unknown:
        raise SystemFileError(f"no node named {', '.join(unknown)}; the system has {', '.join(known)}")
    usual = ("always", "sim") if sim else ("always",)
    chosen = tuple(
        node
        for node in nodes
        if (node.name in also or (node.name in only if only else node.when in usual))
        and node.name not in without
    )
    if not chosen:
        raise SystemFileError("no node is left to start")
    return chosen


def parse_override(text: str) -> tuple[str, str, Any]:
    """``node.parameter=value`` as (node, parameter, value); the value is read as YAML.

    Raises:
        SystemFileError: it does not have that form.
    """
    path, equals, value = text.partition("=")
    node, dot, parameter = path.partition(".")
    if not (equals and dot and node and parameter):
        raise SystemFileError(f"`{text}`: expected NODE.PARAMETER=VALUE, such as recorder.output_dir=/data")
    try:
        return node, parameter, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SystemFileError(f"`{text}`: the value is not YAML") from error


def plan(
    *,
    system_file: str | os.PathLike[str] = "",
    sim: bool = False,
    only: Iterable[str] = (),
    also: Iterable[str] = (),
    without: Iterable[str] = (),
    checkpoint: str = "",
    scene_seed: int | None = None,
    run_folder: str = "",
    robot: str | os.PathLike[str] = "",
    namespace: str = "",
    around: str = "",
    overrides: Iterable[tuple[str, str, Any]] = (),
) -> tuple[Program, ...]:
    """Every process of the system, the lifecycle manager last.

    Args:
        robot: file of the robot; what ``overrides`` says comes before it.
        namespace: of all nodes, in place of that of the robot's file.
        around: a namespace in which whoever starts the programs puts them besides.
        run_folder: where nodes keep what has to outlive their process, but not this run; empty: nowhere.

    Raises:
        SystemFileError: the file, the robot's file, a name or the checkpoint folder is refused.
    """
    file = Path(system_file) if str(system_file) else default_system_file()
    whose = _read_robot(robot)
    nodes, only = load_system(file), [name for name in only if name]
    if not only:
        also = [*also, *_openers(whose, nodes)]
    chosen = select(nodes, sim=sim, only=only, also=also, without=without)
    names = [node.name for node in chosen]
    files = {node.name: parameter_files(node) for node in chosen}
    values: dict[str, dict[str, Any]] = {name: {} for name in [*names, MANAGER]}
    if whose is not None:
        for name in names:
            values[name] |= robot_parameters(whose, name, taken_parameters(files[name]))
    if checkpoint:
        folder = Path(checkpoint).resolve()
        if not folder.is_dir():
            raise SystemFileError(f"checkpoint is `{checkpoint}`: no such folder; `foley train` makes one")
        for node in chosen:
            if node.checkpoint:
                values[node.name]["checkpoint"] = str(folder)
    if run_folder:
        for node in chosen:
            if node.state_file:
                values[node.name]["state_file"] = str(Path(run_folder) / f"{node.name}.json")
    if scene_seed is not None:
        if "sim_world" not in names:
            raise SystemFileError("a scene seed needs the simulated robot: add --sim (sim:=true)")
        values["sim_world"]["scene_seed"] = scene_seed
    values[MANAGER] |= {
        "system_file": str(file.resolve()),
        "nodes": [node.name for node in chosen if node.lifecycle],
    }
    manager = NodeSpec(name=MANAGER, package="foley_bringup", executable=MANAGER, lifecycle=False)
    for name, parameter, value in overrides:
        if name not in values:
            raise SystemFileError(f"no node named {name} is started; started are {', '.join(values)}")
        _check_parameter(name, parameter, files[name] if name in files else parameter_files(manager))
        values[name][parameter] = value
    namespace = namespace or (whose.namespace if whose is not None else "")
    simulated = sim or any(node.when == "sim" for node in chosen)
    frames = own_frames(whose) if simulated and f"{around}{namespace}".strip("/") else {}
    return tuple(
        Program(
            name=node.name,
            package=node.package,
            executable=node.executable,
            parameter_files=files.get(node.name, parameter_files(node)),
            parameters=values[node.name],
            lifecycle=node.lifecycle,
            remappings={**frames, **(remappings(whose, node.name) if whose is not None else {})}
            if node is not manager
            else {},
            namespace=namespace,
        )
        for node in (*chosen, manager)
    )


def _check_parameter(name: str, parameter: str, files: Sequence[Path]) -> None:
    """Raises SystemFileError for a name that is like one in a node's files, and is none of them (comments count).

    Only of nodes with files of Foley's own, which name all that the node has.
    """
    if not files or "." in parameter or not all(f.parent.parent.name.startswith("foley_") for f in files):
        return
    known = {word for file in files for word in _PARAMETER.findall(file.read_text(encoding="utf-8"))}
    if parameter in known or parameter in _OF_ALL_NODES:
        return
    if near := difflib.get_close_matches(parameter, sorted(known | _OF_ALL_NODES), n=1):
        raise SystemFileError(
            f"{name} has no parameter `{parameter}`; is `{near[0]}` meant? {files[0]} explains all"
        )


def _read_robot(path: str | os.PathLike[str]) -> RobotFile | None:
    if not str(path):
        return None
    try:
        robot = RobotFile.read(Path(path))
    except RobotFileError as error:
        raise SystemFileError(str(error)) from error
    for name, topic in robot.topic_map.items():
        if not _ROS_TOPIC.fullmatch(topic):
            raise SystemFileError(
                f"{path}: `topics` maps {name} to {topic}, and no topic of ROS 2 is called that: letters, digits and _ "
                "are allowed between `/`, and no digit behind one"
            )
    return robot


def _openers(robot: RobotFile | None, nodes: Sequence[NodeSpec]) -> list[str]:
    """Nodes that open the devices which a robot's file names.

    Raises:
        SystemFileError: the system has none of that name.
    """
    names = opened_devices(robot) if robot is not None else ()
    known = {node.name for node in nodes}
    if absent := [name for name in names if name not in known]:
        raise SystemFileError(
            f"{robot.path if robot else ''}: `sound.{absent[0]}.device` is to be opened here, and the system has no "
            f"node named {absent[0]}; add one that runs the executable `microphone` to system.yaml, or leave `device` "
            "out where a driver publishes it"
        )
    return list(names)


# ---- the ament index ---------------------------------------------------------------------------------------
def package_prefix(package: str) -> Path:
    """Where a package is installed, by the ament resource index.

    Raises:
        SystemFileError: it is nowhere on AMENT_PREFIX_PATH.
    """
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        if (Path(prefix) / "share/ament_index/resource_index/packages" / package).exists():
            return Path(prefix)
    raise SystemFileError(
        f"package `{package}` is not installed: run `make setup`, then `. ./env.sh` in this shell"
    )


def find_executable(package: str, executable: str) -> Path:
    """The executable of a package. Raises SystemFileError if there is none."""
    path = package_prefix(package) / "lib" / package / executable
    if not os.access(path, os.X_OK):
        raise SystemFileError(
            f"package `{package}` has no executable `{executable}` ({path}): run `make setup` again"
        )
    return path


def config_file(package: str, name: str) -> Path:
    return package_prefix(package) / "share" / package / "config" / name


def default_system_file() -> Path:
    return config_file("foley_bringup", "system.yaml")


def parameter_files(node: NodeSpec) -> tuple[Path, ...]:
    """The parameter files of a node, those named or its default one if that exists.

    Raises:
        SystemFileError: a named file does not exist.
    """
    if not node.parameters:
        default = config_file(node.package, f"{node.executable}.yaml")
        return (default,) if default.exists() else ()
    files = []
    for reference in node.parameters:
        package, _, name = reference.partition("/")
        file = Path(reference) if reference.startswith("/") else config_file(package, name)
        if not file.exists():
            raise SystemFileError(f"node `{node.name}`: parameter file `{reference}` does not exist ({file})")
        files.append(file)
    return tuple(files)
