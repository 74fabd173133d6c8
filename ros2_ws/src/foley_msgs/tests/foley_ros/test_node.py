"""FoleyNode over real middleware: parameters, life cycle, refusals, heartbeat and diagnostics."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from foley_ros import params, qos
from foley_ros.node import FoleyNode, Health

pytestmark = pytest.mark.nodes


@dataclasses.dataclass(frozen=True)
class TestConfig:
    __test__ = False

    rate_hz: float = dataclasses.field(default=30.0, metadata={"doc": "[Hz] of the work"})
    folder: str = "/tmp"
    count: int = 3
    fast: bool = False
    gains: tuple[float, ...] = (1.0, 2.0)
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rate_hz <= 0:
            raise ValueError(f"rate_hz is {self.rate_hz}, must be positive")


class StepsNode(FoleyNode[TestConfig]):
    def __init__(self, **kwargs: Any) -> None:
        self.steps: list[str] = []
        super().__init__("steps", TestConfig, **kwargs)

    def setup(self, config: TestConfig) -> None:
        self.steps.append("setup")
        if config.folder == "/nowhere":
            raise OSError("folder is `/nowhere`: no such folder")

    def start(self) -> None:
        self.steps.append("start")

    def stop(self) -> None:
        self.steps.append("stop")

    def teardown(self) -> None:
        self.steps.append("teardown")

    def health(self) -> Health:
        return Health.warn("tired", hours=9)


def test_life_cycle_calls_the_hooks_in_order(ros_context: Any) -> None:
    node = ros_context.add(StepsNode())
    ros_context.transition("steps", "configure", "activate")
    assert node.active and node.config == TestConfig()
    ros_context.transition("steps", "deactivate", "cleanup")
    assert node.steps == ["setup", "start", "stop", "teardown"]
    assert not node.active and node.config is None


def test_parameters_reach_the_configuration(ros_context: Any, tmp_path: Path) -> None:
    file = tmp_path / "steps.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    rate_hz: 10\n    gains: [3.0, 4.5]\n    names: [a, b]\n    fast: true\n"
    )
    node = ros_context.add(StepsNode(cli_args=["--ros-args", "--params-file", str(file)], namespace="/robot"))
    ros_context.transition("/robot/steps", "configure")
    assert node.config == TestConfig(rate_hz=10.0, gains=(3.0, 4.5), names=("a", "b"), fast=True)
    assert node.describe_parameter("rate_hz").description == "[Hz] of the work"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("rate_hz", -1.0, "rate_hz is -1.0"), ("folder", "/nowhere", "no such folder"), ("names", [1, 2], "expected str"),
     ("rate_hz", "fast", "expected float")],
)  # fmt: skip
def test_refusal_names_the_value_and_can_be_cured(
    ros_context: Any, name: str, value: Any, words: str
) -> None:
    statuses: list[DiagnosticStatus] = []
    ros_context.helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: statuses.extend(m.status), 10
    )
    node = ros_context.add(StepsNode())
    good = node.get_parameter(name).value
    node.set_parameters([Parameter(name, value=value)])
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    bad = ros_context.spin_until(lambda: [s for s in statuses if s.level == DiagnosticStatus.ERROR])
    assert words in bad[0].message and bad[0].name == "/steps"
    assert node.steps[-1:] == ["teardown"], "what a failed setup left is freed"
    node.set_parameters([Parameter(name, value=list(good) if isinstance(good, tuple) else good)])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_parameters_are_frozen_while_configured(ros_context: Any) -> None:
    node = ros_context.add(StepsNode())
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    result = node.set_parameters([Parameter("count", value=4)])[0]
    assert not result.successful and "count" in result.reason


def test_diagnostics_tell_the_health_while_active(ros_context: Any) -> None:
    statuses: list[DiagnosticStatus] = []
    ros_context.helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: statuses.extend(m.status), 10
    )
    node = ros_context.add(StepsNode())
    node.trigger_configure()
    node.trigger_activate()
    status = ros_context.spin_until(lambda: [s for s in statuses if s.level == DiagnosticStatus.WARN])[0]
    assert status.message == "tired" and {v.key: v.value for v in status.values} == {"hours": "9"}


def test_a_parameter_that_the_node_does_not_have_is_told(ros_context: Any) -> None:
    statuses: list[DiagnosticStatus] = []
    ros_context.helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: statuses.extend(m.status), 10
    )
    given = [
        Parameter("rate", value=5.0),
        Parameter("count", value=4),
        Parameter("use_sim_time", value=False),
    ]
    node = ros_context.add(StepsNode(parameter_overrides=given))
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    node.trigger_activate()
    status = ros_context.spin_until(lambda: [s for s in statuses if "`rate`" in s.message])[0]
    assert status.level == DiagnosticStatus.WARN
    assert "is `rate_hz` meant?" in status.message and status.message.endswith("; tired")
    assert params.unknown(node) == [status.message.removesuffix("; tired")]


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSTOP"])
def test_heartbeat_tells_a_dead_and_a_hung_process(
    ros_context: Any, start_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    import signal

    module = tmp_path / "plain_node.py"
    module.write_text(
        "import sys, dataclasses\nfrom foley_ros.node import FoleyNode, run\n"
        "@dataclasses.dataclass(frozen=True)\nclass C:\n    n: int = 1\n"
        "sys.exit(run(lambda: FoleyNode('plain_node', C)))\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    alive: list[int] = []
    states: list[str] = []
    ros_context.helper.create_subscription(
        State,
        "plain_node/heartbeat",
        lambda m: states.append(m.label),
        qos.HEARTBEAT,
        event_callbacks=SubscriptionEventCallbacks(liveliness=lambda e: alive.append(e.alive_count)),
    )
    node = start_node("plain_node")
    ros_context.spin_until(lambda: states[-1:] == ["unconfigured"] and alive[-1:] == [1])
    os.kill(node.process.pid, getattr(signal, number))
    ros_context.spin_until(lambda: alive[-1:] == [0], what="lost liveliness")
    os.kill(node.process.pid, signal.SIGKILL)


def test_a_node_beats_while_it_is_configured(
    ros_context: Any, start_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long setup blocks the executor, not the heartbeat; afterwards no stale beat follows."""
    module = tmp_path / "slow_node.py"
    module.write_text(
        "import sys, time, dataclasses\nfrom foley_ros.node import FoleyNode, run\n"
        "@dataclasses.dataclass(frozen=True)\nclass C:\n    n: int = 1\n"
        "class Slow(FoleyNode):\n    def setup(self, config):\n        time.sleep(2.2)\n"
        "sys.exit(run(lambda: Slow('slow_node', C)))\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    states: list[str] = []
    ros_context.helper.create_subscription(
        State, "slow_node/heartbeat", lambda m: states.append(m.label), qos.HEARTBEAT
    )
    client = ros_context.helper.create_client(ChangeState, "slow_node/change_state")
    start_node("slow_node")
    ros_context.spin_until(lambda: client.service_is_ready() and states[-1:] == ["unconfigured"])
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    future = client.call_async(request)
    ros_context.spin_until(future.done)
    ros_context.spin_until(lambda: states.count("inactive") >= 3)
    assert states.count("configuring") >= 3
    assert "configuring" not in states[states.index("inactive") :]


def test_unsupported_field_types_are_refused_at_once() -> None:
    @dataclasses.dataclass(frozen=True)
    class Bad:
        table: dict[str, int] = dataclasses.field(default_factory=dict)

    with pytest.raises(TypeError, match="cannot be a ROS parameter"):
        params._check_supported(Bad, "table", dict[str, int])
