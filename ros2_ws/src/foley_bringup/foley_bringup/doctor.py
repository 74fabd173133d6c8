"""Checks of `foley doctor`: what this machine has and lacks, with the cure for each.

Each check is a function that returns one :class:`Finding`. What might crash, hang or load much (rclpy, EGL) runs in
a process of its own with a time limit. Nothing is changed.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path

from foley_bringup.system import (
    MANAGER,
    NodeSpec,
    SystemFileError,
    default_system_file,
    find_executable,
    load_system,
)

OK, WARN, ERROR = "ok", "warn", "error"
SETUP = "run `make setup`, then `. ./env.sh`"
# A segment must hold several frames, or frames are overwritten before they are read.
MIN_SEGMENT_BYTES = 8 * 2**20
FREE_DISK_GB = (5.0, 20.0)  # error, warning
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "base": ("numpy", "scipy", "yaml", "rich", "soundfile", "rosbags", "mcap", "pyarrow", "cv2", "psutil"),
    "learn": ("torch", "torchvision", "torchaudio", "onnxruntime", "sklearn", "faiss", "safetensors"),
    "sim": ("mujoco", "pinocchio", "numba"),
    "scene": ("gsplat", "open3d", "pytorch_msssim", "pycolmap", "viser", "ai_edge_litert"),
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found: ok, warn (something will not work) or error (nothing will)."""

    check: str
    level: str
    found: str
    cure: str = ""


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    level = OK if sys.version_info >= (3, 11) else ERROR
    return Finding(
        "python",
        level,
        f"{version} at {sys.executable}",
        "" if level == OK else "install Python 3.11 or newer",
    )


def packages() -> Finding:
    absent = {
        extra: [n for n in names if importlib.util.find_spec(n) is None] for extra, names in EXTRAS.items()
    }
    lacking = {extra: names for extra, names in absent.items() if names}
    if not lacking:
        return Finding("packages", OK, ", ".join(EXTRAS))
    level = ERROR if "base" in lacking else WARN
    text = "; ".join(f"{extra} lacks {', '.join(names)}" for extra, names in lacking.items())
    return Finding("packages", level, text, "`make setup` installs all; with base alone you can record")


def ros() -> Finding:
    code = "import rclpy, foley_msgs.msg, tf2_msgs.msg, os; print(rclpy.get_rmw_implementation_identifier())"
    result = _python(code, 20)
    distribution = os.environ.get("ROS_DISTRO", "none")
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Finding("ros", ERROR, f"distribution {distribution}: {reason}", SETUP)
    rmw = result.stdout.strip().splitlines()[-1]
    level = OK if distribution == "jazzy" and rmw == "rmw_fastrtps_cpp" else WARN
    return Finding(
        "ros",
        level,
        f"{distribution}, {rmw}",
        "" if level == OK else "proven only with jazzy and rmw_fastrtps_cpp",
    )


def profile(environment: Mapping[str, str] = os.environ) -> Finding:
    """The Fast DDS profile: without a large shared-memory segment camera frames are lost."""
    value = environment.get("FASTRTPS_DEFAULT_PROFILES_FILE") or environment.get(
        "FASTDDS_DEFAULT_PROFILES_FILE"
    )
    if not value:
        return Finding(
            "dds profile", WARN, "none: camera frames will be lost", "`. ./env.sh` sets one where none is"
        )
    try:
        root = ElementTree.parse(value).getroot()
    except (OSError, ElementTree.ParseError) as error:
        return Finding(
            "dds profile",
            ERROR,
            f"{value}: {error}",
            "name a readable Fast DDS XML file, or unset the variable",
        )
    sizes = [
        int(e.text or 0)
        for e in root.iter()
        if e.tag.endswith("segment_size") and (e.text or "").strip().isdigit()
    ]
    if max(sizes, default=0) < MIN_SEGMENT_BYTES:
        cure = f"give its SHM transport a segment_size of at least {MIN_SEGMENT_BYTES}"
        return Finding(
            "dds profile", WARN, f"{value}: shared-memory segment {max(sizes, default=0)} bytes", cure
        )
    return Finding("dds profile", OK, f"{Path(value).name}: shared-memory segment {max(sizes) // 2**20} MiB")


def shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    try:
        free_mb = shutil.disk_usage(folder).free / 1e6
    except OSError as error:
        return Finding("shared memory", WARN, str(error), "mount a tmpfs at /dev/shm")
    level = OK if free_mb > 400 else WARN
    cure = (
        ""
        if level == OK
        else "in a container: --shm-size=1g; otherwise remove stale /dev/shm/fastrtps_* files"
    )
    return Finding("shared memory", level, f"{free_mb:.0f} MB free", cure)


def domain(environment: Mapping[str, str] = os.environ) -> Finding:
    """The UDP ports of the ROS domain."""
    text = environment.get("ROS_DOMAIN_ID") or "0"
    if not text.isdigit() or int(text) > 232:
        return Finding("domain and ports", ERROR, f"ROS_DOMAIN_ID is `{text}`", "use a number from 0 to 101")
    port = 7400 + 250 * int(text)
    if int(text) > 101:
        return Finding(
            "domain and ports", WARN, f"domain {text}: port {port} may be taken", "use a domain from 0 to 101"
        )
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
    except OSError as error:
        return Finding(
            "domain and ports", ERROR, f"domain {text}, UDP {port}: {error}", "choose another ROS_DOMAIN_ID"
        )
    return Finding("domain and ports", OK, f"domain {text}, UDP {port} upwards")


def middleware() -> Finding:
    """Images between two processes, as the camera's will go."""
    result = _python("import sys, foley_bringup.nodes.image_probe as probe; sys.exit(probe.main())", 45)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["none in 30 s"])[-1]
        return Finding(
            "middleware", ERROR, f"no image came through: {reason}", "see `ros` and `dds profile` above"
        )
    received, sent = map(int, result.stdout.split()[-2:])
    level = OK if received >= 0.995 * sent else WARN
    cure = "" if level == OK else "see `dds profile`; is the machine busy?"
    return Finding("middleware", level, f"{received} of {sent} images 640x480 came through", cure)


def egl() -> Finding:
    """Rendering without a screen, for the simulated camera."""
    if importlib.util.find_spec("mujoco") is None:
        return Finding(
            "rendering", WARN, "MuJoCo is not installed: no simulated robot", "`make setup` installs it"
        )
    code = (
        'import mujoco\nm = mujoco.MjModel.from_xml_string(\'<mujoco><worldbody><light pos="0 0 3"/>'
        '<geom size=".1"/></worldbody></mujoco>\')\n'
        "d = mujoco.MjData(m); mujoco.mj_forward(m, d)\nr = mujoco.Renderer(m, 48, 64); r.update_scene(d)\n"
        "assert r.render().max() > 0; print('rendered', flush=True)"
    )
    backend = os.environ.get("MUJOCO_GL", "egl")
    result = _python(code, 40, {"MUJOCO_GL": backend})
    if "rendered" in result.stdout:
        return Finding("rendering", OK, f"MuJoCo renders through {backend}")
    reason = (result.stderr.strip().splitlines() or ["no answer in 40 s"])[-1]
    cure = "apt install libegl1 libegl-mesa0 libgl1-mesa-dri (or MUJOCO_GL=osmesa with libosmesa6)"
    return Finding("rendering", WARN, f"MuJoCo through {backend}: {reason}", cure)


def scenes() -> Finding:
    """Open3D also needs libraries of the system."""
    if importlib.util.find_spec("open3d") is None:
        return Finding("scenes", WARN, "Open3D is not installed: no scenes in 3D", "`make setup` installs it")
    result = _python("import open3d", 60)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no answer in 60 s"])[-1]
        return Finding("scenes", WARN, f"Open3D: {reason}", "apt install libusb-1.0-0 libgomp1 libgl1")
    return Finding("scenes", OK, "Open3D starts")


def hands() -> Finding:
    """Networks that find a person's hands; only hand_tracker and `foley hands` need them."""
    from foley_perception.hands.models import HandModelError, model_path

    try:
        folder = {model_path(name).parent for name in ("palm", "landmarks")}.pop()
    except HandModelError:
        cure = "`foley hands fetch` (8 MB), if a person's hands are to be seen"
        return Finding("hands", OK, "the networks were not fetched", cure)
    return Finding("hands", OK, f"the networks lie in {folder}")


def disk(folder: Path = Path()) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 1e9
    level = ERROR if free_gb < FREE_DISK_GB[0] else WARN if free_gb < FREE_DISK_GB[1] else OK
    cure = "" if level == OK else "free some space; the recorder refuses to start when it cannot finish"
    return Finding(
        "disk", level, f"{free_gb:.0f} GB free; a camera at 320x240@30 writes 0.4 GB a minute", cure
    )


def nodes() -> Finding:
    try:
        system = load_system(default_system_file())
        manager = NodeSpec(name=MANAGER, package="foley_bringup", executable=MANAGER)
        for node in (*system, manager):
            find_executable(node.package, node.executable)
    except SystemFileError as error:
        return Finding("nodes", ERROR, str(error), SETUP)
    return Finding("nodes", OK, f"{len(system)} nodes of system.yaml are installed")


def checkpoint() -> Finding:
    """The model that ships: is it there and whole?"""
    if importlib.util.find_spec("safetensors") is None:
        return Finding("checkpoint", WARN, "models need the extra `learn`", "`make setup` installs it")
    code = (
        "from foley_synthesis.checkpoint import default_path, model_id_of\n"
        "print(default_path(), model_id_of(default_path()))"
    )
    result = _python(code, 60)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no answer"])[-1]
        return Finding(
            "checkpoint",
            WARN,
            reason,
            "`foley demo` or `foley train DATASET` makes one; --checkpoint DIR uses it",
        )
    path, model_id = result.stdout.split()[-2:]
    return Finding("checkpoint", OK, f"{Path(path).name} {model_id[:12]}")


def cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpu = "an NVIDIA GPU" if shutil.which("nvidia-smi") else "no GPU needed, none seen"
    level = OK if count >= 2 else WARN
    return Finding(
        "cores", level, f"{count} CPU cores, {gpu}", "" if level == OK else "live use is proven on 2 cores"
    )


CHECKS: tuple[Callable[[], Finding], ...] = (
    python, packages, ros, profile, shared_memory, domain, middleware, nodes, checkpoint, egl, scenes, hands,
    disk, cores,
)  # fmt: skip


def examine(checks: tuple[Callable[[], Finding], ...] = CHECKS) -> list[Finding]:
    """Run every check; one that raises is a finding itself."""
    findings = []
    for check in checks:
        try:
            findings.append(check())
        except Exception as error:  # noqa: BLE001 - a doctor must outlive its patients
            findings.append(
                Finding(check.__name__, WARN, f"the check failed: {error!r}", "please report this")
            )
    return findings


def _python(
    code: str, timeout_s: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "")
