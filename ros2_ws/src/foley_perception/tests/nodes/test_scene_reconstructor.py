"""The ReconstructScene action over real middleware."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.action import ActionClient
from rclpy.parameter import Parameter

from foley_msgs.action import ReconstructScene
from foley_perception.nodes.scene_reconstructor import SceneReconstructorNode
from foley_perception.scene.analytic import ring_of_cameras, write_scan

pytestmark = pytest.mark.nodes
Result = ReconstructScene.Result


class Rig:
    def __init__(self, context: Any) -> None:
        self.context = context
        self.node = context.add(SceneReconstructorNode())
        self.node.set_parameters([Parameter("voxel", value=0.03)])
        self.planner = context.create_node("planner")
        self.client = ActionClient(self.planner, ReconstructScene, "scene_reconstructor/reconstruct_scene")
        self.feedback: list[Any] = []
        context.spin_until(self.client.server_is_ready, what="the action server")

    def ask(self, source: Path, output: Path, **goal: Any) -> tuple[Any, Any]:
        """Goal handle, and the future of its result where it was accepted."""
        request = ReconstructScene.Goal(source=str(source), output=str(output), **goal)
        sent = self.client.send_goal_async(request, lambda message: self.feedback.append(message.feedback))
        self.context.spin_until(sent.done, what="acceptance")
        handle = sent.result()
        return handle, handle.get_result_async() if handle.accepted else None

    def answer(self, *args: Any, **goal: Any) -> Any:
        _, result = self.ask(*args, **goal)
        self.context.spin_until(result.done, 90.0, "a result")
        return result.result().result


@pytest.fixture
def rig(ros_context: Any) -> Iterator[Rig]:
    rig = Rig(ros_context)
    yield rig
    rig.client.destroy()
    rig.node._release()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scan(tmp_path_factory.mktemp("scan") / "ring", ring_of_cameras(16))


def test_a_scene_is_made_and_progress_told(rig: Rig, scan: Path, tmp_path: Path) -> None:
    assert not rig.ask(scan, tmp_path / "out")[0].accepted, "the node is not active"
    rig.context.transition("/scene_reconstructor", "configure", "activate")
    answer = rig.answer(scan, tmp_path / "out", max_steps=30)
    assert answer.error_code == Result.ERROR_NONE, answer.error_msg
    assert Path(answer.ply_path).is_file() and answer.gaussians > 100 and answer.psnr > 15
    assert rig.feedback and all(f.max_steps == 30 and 0 < f.step <= 30 for f in rig.feedback)
    assert not rig.ask(scan, tmp_path / "out", deadline=math.nan)[0].accepted


def test_what_cannot_be_done_has_its_code(rig: Rig, scan: Path, tmp_path: Path) -> None:
    rig.context.transition("/scene_reconstructor", "configure", "activate")
    nowhere = rig.answer(tmp_path / "nowhere", tmp_path / "out")
    assert nowhere.error_code == Result.ERROR_BAD_SOURCE and "nowhere" in nowhere.error_msg
    few = write_scan(tmp_path / "few", ring_of_cameras(4))
    assert rig.answer(few, tmp_path / "out").error_code == Result.ERROR_TOO_FEW_IMAGES
    (tmp_path / "file").write_text("in the way")
    assert rig.answer(scan, tmp_path / "file" / "out").error_code == Result.ERROR_NOT_WRITABLE


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_run_can_be_given_up_and_keeps_what_it_had(rig: Rig, scan: Path, tmp_path: Path, how: str) -> None:
    rig.context.transition("/scene_reconstructor", "configure", "activate")
    deadline = 3.0 if how == "deadline" else 0.0
    handle, result = rig.ask(scan, tmp_path / "out", max_steps=100_000, deadline=deadline)
    rig.context.spin_until(lambda: rig.feedback, 60.0, "progress")
    assert not rig.ask(scan, tmp_path / "other")[0].accepted, "one at a time"
    if how == "cancel":
        handle.cancel_goal_async()
    rig.context.spin_until(result.done, 60.0, "a result")
    answer = result.result().result
    code = Result.ERROR_CANCELLED if how == "cancel" else Result.ERROR_DEADLINE
    assert answer.error_code == code and "steps" in answer.error_msg
    assert (tmp_path / "out" / "scene.ply").is_file() and (tmp_path / "out" / "state.safetensors").is_file()
