"""The dependency rules of docs/architecture.md, enforced: which module may know what."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
PACKAGES = ("foley_perception", "foley_synthesis", "foley_sim", "foley_bringup")
ROS_FOLDERS = {"ros", "nodes"}
ROS_MODULES = {
    "rclpy",
    "foley_ros",
    "launch",
    "launch_ros",
    "rcl_interfaces",
    "builtin_interfaces",
    "std_srvs",
}
HEAVY = (
    "torch",
    "torchvision",
    "torchaudio",
    "mujoco",
    "open3d",
    "pinocchio",
    "sklearn",
    "onnxruntime",
    "faiss",
    "gsplat",
    "numba",
)
ALLOWED = {
    "foley_perception": set(),
    "foley_synthesis": {"foley_perception"},
    "foley_sim": set(),
    "foley_bringup": {"foley_perception", "foley_synthesis", "foley_sim"},
}


def modules(package: str, *, pure: bool) -> list[str]:
    """Dotted names of a package's modules: the pure ones, or all."""
    found = []
    for path in sorted((SOURCE / package / package).rglob("*.py")):
        parts = path.relative_to(SOURCE / package).with_suffix("").parts
        if parts[-1] == "__main__" or "data" in parts or (pure and ROS_FOLDERS & set(parts)):
            continue
        found.append(".".join(parts).removesuffix(".__init__"))
    return found


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(path: Path) -> Iterator[str]:
    """Top-level names of everything that a file imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def run_python(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_pure_modules_import_without_ros(package: str) -> None:
    names = modules(package, pure=True)
    assert names
    run_python(
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    ros = sorted(m for m in sys.modules if m.split('.')[0] in ('rclpy', 'foley_ros') or m.endswith('_msgs'))\n"
        "    assert not ros, f'{name} brings in {ros}'\n"
    )


def test_recording_needs_nothing_heavy() -> None:
    """Every module of foley_perception but its Gaussians, nodes included, and the command line import there."""
    names = [*modules("foley_perception", pure=False), *modules("foley_bringup", pure=False)]
    names = [n for n in names if ".demo" not in n and not n.startswith("foley_perception.gaussians")]
    run_python(
        "import importlib, sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {HEAVY!r}:\n"
        "            raise ModuleNotFoundError(f'{name} is not on a recording machine')\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"found = sorted(set(sys.modules) & set({HEAVY!r}))\n"
        "assert not found, found\n"
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_depend_in_one_direction(package: str) -> None:
    others = {*PACKAGES} - {package}
    for path in sorted((SOURCE / package / package).rglob("*.py")):
        wrong = (set(imported(path)) & others) - ALLOWED[package]
        assert not wrong, f"{path.relative_to(SOURCE)} imports {sorted(wrong)}"


def test_shared_helpers_know_nobody() -> None:
    """foley_common knows neither ROS nor any package; foley_ros, the glue, knows no package but foley_common."""
    for name, allowed in (("foley_common", set()), ("foley_ros", {"foley_common"})):
        for path in sorted((SOURCE / "foley_msgs" / name).rglob("*.py")):
            names = set(imported(path)) - {name}
            wrong = (names & {*PACKAGES, "foley_ros", "foley_common"}) - allowed
            ros = (
                {n for n in names if n in ROS_MODULES or n.endswith("_msgs")}
                if name == "foley_common"
                else set()
            )
            assert not wrong | ros, f"{path.relative_to(SOURCE)} imports {sorted(wrong | ros)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_only_ros_and_nodes_name_ros(package: str) -> None:
    for path in sorted((SOURCE / package / package).rglob("*.py")):
        parts = path.relative_to(SOURCE / package).parts
        names = set(imported(path))
        ros = {n for n in names if n in ROS_MODULES or n.endswith("_msgs")}
        if not ROS_FOLDERS & set(parts):
            assert not ros, f"{path.relative_to(SOURCE)} imports {sorted(ros)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_pickles_no_eval_no_path_edits(package: str) -> None:
    for path in sorted((SOURCE / package / package).rglob("*.py")):
        where = path.relative_to(SOURCE)
        assert not {"pickle", "cloudpickle", "joblib", "dill"} & set(imported(path)), (
            f"{where} imports a pickler"
        )
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), f"{where}:{node.lineno} calls {node.func.id}"
            if isinstance(node, ast.Attribute) and node.attr == "path" and isinstance(node.value, ast.Name):
                assert node.value.id != "sys", f"{where}:{node.lineno} touches sys.path"


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_complete(package: str) -> None:
    folder = SOURCE / package
    for part in ("package.xml", "setup.py", "config", "tests", f"{package}/py.typed"):
        assert (folder / part).exists(), f"{package} has no {part}"


@pytest.mark.parametrize("package", (*PACKAGES, "foley_msgs"))
def test_launch_and_config_hold_what_they_are_named_for(package: str) -> None:
    """Launch files and parameters; a package that has none has no folder for them."""
    for name in ("launch", "config"):
        folder = SOURCE / package / name
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"]
        assert files or not folder.exists(), f"{folder} holds neither launch files nor parameters; remove it"
