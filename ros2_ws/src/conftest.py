"""Fixtures that every package's tests share.

``ros_domain``   a ROS_DOMAIN_ID of this test's own, so that tests beside each other never meet
``ros_context``  rclpy in that domain, with an executor: ``create_node``, ``add``, ``spin_until``, ``transition``
``spin_until``   ``spin_until(condition, timeout_s)``: spin until the condition holds, or fail
``start_node``   run a node's executable in a process of its own, wait for its heartbeat, end it afterwards

Every wait is bounded and none is a fixed sleep. rclpy is imported when a fixture needs it, so that tests of pure
modules run without ROS.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import gc
import importlib
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from foley_common import processes

# Tests say how long they wait on a quiet machine. A limit is for what hangs: it must not end what is only slow.
PATIENCE = 6.0

# UDP ports of domains above 101 lie in the range from which Linux takes ephemeral ports.
_DOMAINS = range(50, 102)
_used = itertools.count()
_LOCKS = Path(tempfile.gettempdir()) / f"foley_test_domains.{os.getuid()}"


@contextlib.contextmanager
def private_domain() -> Iterator[int]:
    """A free ROS_DOMAIN_ID in the environment, held by a file lock.

    The next test takes the next domain: processes that were killed leave shared memory behind under its ports.
    """
    _LOCKS.mkdir(exist_ok=True)
    start = (os.getpid() + next(_used)) % len(_DOMAINS)
    for offset in range(len(_DOMAINS)):
        domain = _DOMAINS[(start + offset) % len(_DOMAINS)]
        with open(_LOCKS / str(domain), "w") as lock, pytest.MonkeyPatch.context() as patch:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            patch.setenv("ROS_DOMAIN_ID", str(domain))
            patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
            patch.setenv("ROS_LOG_DIR", tempfile.gettempdir() + "/foley_test_log")
            yield domain
            return
    pytest.fail(f"no free ROS domain in {_DOMAINS}: do other test runs hang?")


@pytest.fixture
def ros_domain() -> Iterator[int]:
    """A ROS_DOMAIN_ID of this test's own."""
    with private_domain() as domain:
        yield domain


@pytest.fixture(scope="module")
def module_ros_domain() -> Iterator[int]:
    """A ROS_DOMAIN_ID for all tests of a module that share one running system."""
    with private_domain() as domain:
        yield domain


class RosContext:
    """rclpy's default context, with a single-threaded executor for the nodes of the test."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        rclpy.init(args=[])
        self.executor = SingleThreadedExecutor()
        self.nodes: list[Any] = []
        self._helper: Any = None

    def create_node(self, name: str = "observer", **kwargs: Any) -> Any:
        import rclpy

        return self.add(rclpy.create_node(name, **kwargs))

    def add(self, node: Any) -> Any:
        """Have ``node`` spun by :meth:`spin_until` and destroyed at the end."""
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    @property
    def helper(self) -> Any:
        if self._helper is None:
            self._helper = self.create_node(f"test_helper_{os.getpid()}")
        return self._helper

    def spin_until(self, condition: Callable[[], Any], timeout_s: float = 15.0, what: str = "") -> Any:
        """Spin until ``condition()`` is true and return what it returned; fail long after ``timeout_s``."""
        timeout_s *= PATIENCE
        deadline = time.monotonic() + timeout_s
        while True:
            result = condition()
            if result:
                return result
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout_s} s: {what or getattr(condition, '__name__', condition)}")
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, service_type: Any, name: str, request: Any, timeout_s: float = 15.0) -> Any:
        """Call a service of any node and return its response."""
        client = self.helper.create_client(service_type, name)
        try:
            self.spin_until(client.service_is_ready, timeout_s, f"service {name}")
            future = client.call_async(request)
            self.spin_until(future.done, timeout_s, f"response of {name}")
            return future.result()
        finally:
            self.helper.destroy_client(client)

    def transition(self, node_name: str, *labels: str, timeout_s: float = 60.0) -> None:
        """Take a lifecycle node through transitions, such as ``"configure", "activate"``; fail if refused."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        for label in labels:
            transition = Transition(id=getattr(Transition, f"TRANSITION_{label.upper()}"), label=label)
            response = self.call(
                ChangeState,
                f"{node_name}/change_state",
                ChangeState.Request(transition=transition),
                timeout_s,
            )
            assert response.success, f"{node_name} refused to {label}"

    def close(self) -> None:
        import rclpy

        for node in self.nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


@pytest.fixture
def ros_context(ros_domain: int) -> Iterator[RosContext]:
    context = RosContext()
    try:
        yield context
    finally:
        context.close()


@pytest.fixture(scope="module")
def module_ros_context(module_ros_domain: int) -> Iterator[RosContext]:
    context = RosContext()
    try:
        yield context
    finally:
        context.close()


@pytest.fixture
def spin_until(ros_context: RosContext) -> Callable[..., Any]:
    return ros_context.spin_until


@dataclasses.dataclass
class NodeProcess:
    """A node in a process of its own, leader of its process group."""

    name: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would."""
        self._signal(signal.SIGKILL)
        self.process.wait(60)

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGINT, then SIGKILL if it does not end in time. Returns the exit code."""
        self._signal(signal.SIGINT)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return int(self.process.returncode)

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


StartNode = Callable[..., NodeProcess]


@pytest.fixture
def start_node(ros_context: RosContext, tmp_path: Path) -> Iterator[StartNode]:
    """``start_node("foley_x.nodes.y", name="y", parameters={...}, parameter_files=[...], remap={...})``.

    A node ends with this process, even where that is killed: it would answer the next tests of its ROS domain.
    """
    running: list[NodeProcess] = []

    def start(
        module: str,
        *,
        name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        parameter_files: Sequence[str | os.PathLike[str]] = (),
        remap: Mapping[str, str] | None = None,
        namespace: str = "",
        env: Mapping[str, str] | None = None,
        heartbeat_timeout_s: float | None = 40.0,
    ) -> NodeProcess:
        name = name or module.rsplit(".", 1)[-1]
        arguments = ["--ros-args", "-r", f"__node:={name}"]
        if namespace:
            arguments += ["-r", f"__ns:={namespace}"]
        for file in parameter_files:
            arguments += ["--params-file", str(file)]
        for key, value in (parameters or {}).items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ["-p", f"{key}:={text}"]
        for old, new in (remap or {}).items():
            arguments += ["-r", f"{old}:={new}"]
        log_file = tmp_path / f"{name}.{len(running)}.log"
        command = [sys.executable, "-m", module, *arguments]
        with open(log_file, "wb") as log:
            log.write((shlex.join(command) + "\n").encode())
            log.flush()
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **processes.ends_with_this(), **(env or {})},
            )
        node = NodeProcess(name, process, log_file)
        running.append(node)
        if heartbeat_timeout_s is not None:
            _await_heartbeat(ros_context, node, f"{namespace}/{name}/heartbeat", heartbeat_timeout_s)
        return node

    yield start
    for node in running:
        node.stop()


def _await_heartbeat(context: RosContext, node: NodeProcess, topic: str, timeout_s: float) -> None:
    from lifecycle_msgs.msg import State

    beats: list[Any] = []
    subscription = context.helper.create_subscription(State, topic, beats.append, 1)
    try:
        context.spin_until(
            lambda: beats or node.process.poll() is not None, timeout_s, f"heartbeat on {topic}\n{node.log}"
        )
    finally:
        context.helper.destroy_subscription(subscription)
    if not beats:
        pytest.fail(f"`{node.name}` ended with {node.process.returncode}:\n{node.log}")


# ---- parts, order, and what is made once -----------------------------------------------------------------------
def pytest_configure() -> None:
    """Load triton, which torch loads when it first trains, before OpenGL: behind Mesa's LLVM its own one crashes.

    Beside each other, pure tests get one thread each, whatever a command's default is: what one of them sets would
    hold for all after it in its process, and threads that wait for each other's processor are slower than one.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")
    if os.environ.get("FOLEY_TEST_PART") == "pure" and "PYTEST_XDIST_WORKER" in os.environ:
        with contextlib.suppress(ImportError):
            torch = importlib.import_module("torch")
            torch.set_num_threads(1)
            setattr(torch, "set_num_threads", lambda count: None)  # noqa: B010


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """Hundreds of thousands of objects of torch and others are made while files are imported, and all stay: to look for
    garbage among them takes a tenth of that time, and as much again with each look during the tests."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """The parts over middleware import only files that name their marker: all of them take every process 10 s."""
    marks = {"nodes": ("mark.nodes", "mark.system"), "real_time": ("mark.real_time",)}
    wanted = marks.get(os.environ.get("FOLEY_TEST_PART", ""))
    if wanted is None or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    return not any(mark in text for mark in wanted) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first; otherwise the order stays."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """``made_once("name", make)``: a folder that ``make(folder)`` filled, once for all workers of this run."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with open(root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                done.touch()
        return folder

    return once


# ---- figures of a run ------------------------------------------------------------------------------------------
def pytest_terminal_summary(terminalreporter: Any, exitstatus: int) -> None:
    """Write the counts of this run, under its part's name, to the file that FOLEY_TEST_METRICS names."""
    name = os.environ.get("FOLEY_TEST_METRICS")
    if not name:
        return
    path, part = Path(name), os.environ.get("FOLEY_TEST_PART", "all")
    kinds = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
    counts: dict[str, object] = {kind: len(terminalreporter.stats.get(kind, [])) for kind in kinds}
    parts = json.loads(path.read_text()) if path.exists() else {}
    parts[part] = {**counts, "exit_status": int(exitstatus)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(parts, indent=2) + "\n")
