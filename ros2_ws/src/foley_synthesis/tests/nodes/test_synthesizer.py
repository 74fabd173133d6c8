"""The synthesizer over real middleware: predictions in time, and inputs that are missing or wrong."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from foley_synthesis.checkpoint import model_id_of

pytestmark = pytest.mark.nodes


def _world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_world", Path(__file__).parents[1] / "live_world.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _world().make_checkpoint(tmp_path_factory.mktemp("model"))  # type: ignore[no-any-return]


class Rig:
    """An active synthesizer, a bench that feeds it and an observer that listens."""

    def __init__(self, context: Any, parameters: dict[str, Any]) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.parameter import Parameter

        from foley_msgs.msg import AudioChunk, MaterialEstimate, PredictedAudio
        from foley_ros import qos
        from foley_synthesis.nodes.synthesizer import SynthesizerNode

        self.context, self.world = context, _world()
        self.observer = context.create_node()
        self.bench = self.world.Bench(self.observer)
        self.audio: list[Any] = []
        self.material: list[Any] = []
        self.arrived_ns: list[int] = []
        self.diagnoses: list[str] = []
        self.observer.create_subscription(PredictedAudio, "predicted_audio", self._on_audio, qos.EVENT)
        self.chunks: list[Any] = []
        self.observer.create_subscription(AudioChunk, "predicted_audio/chunk", self.chunks.append, qos.EVENT)
        self.observer.create_subscription(
            MaterialEstimate, "predicted_material", self.material.append, qos.EVENT
        )
        self.observer.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = context.add(SynthesizerNode(parameter_overrides=overrides))

    def _on_audio(self, message: Any) -> None:
        self.arrived_ns.append(self.world.now_ns())
        self.audio.append(message)

    def _on_diagnostics(self, message: Any) -> None:
        self.diagnoses += [s.message for s in message.status if s.name.endswith("synthesizer")]

    def activate(self) -> None:
        from rclpy.lifecycle import TransitionCallbackReturn

        assert self.node.trigger_configure() == TransitionCallbackReturn.SUCCESS, self.node._failure
        assert self.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        publishers = (self.bench.plan, self.bench.image, self.bench.depth, self.bench.tf, self.bench.pose)
        self.context.spin_until(
            lambda: (
                all(p.get_subscription_count() for p in publishers)
                and self.observer.count_publishers("predicted_audio")
                and self.observer.count_publishers("predicted_audio/chunk")
            ),
            what="matching",
        )

    def seen(self, **how: Any) -> None:
        """Feed pictures until the node holds them."""

        def fed() -> bool:
            self.bench.see(**how)
            return len(self.node._scene.camera.pictures) >= 3

        self.context.spin_until(fed, what="frames held")

    def diagnosed(self, text: str, feed: Any = None) -> None:
        def said() -> bool:
            if feed is not None:
                feed()
            return any(text in message for message in self.diagnoses)

        self.context.spin_until(said, 15.0, f"diagnosis `{text}`, there were {set(self.diagnoses)}")

    def plan(self, in_s: float = 4.0, **path: Any) -> int:
        contact_ns = self.world.now_ns() + round(in_s * 1e9)
        self.bench.plan.publish(self.world.plan_message(contact_ns, **path))
        return int(contact_ns)


@pytest.fixture
def rig(ros_context: Any, checkpoint: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    parameters = {"checkpoint": str(checkpoint), **getattr(request, "param", {})}
    rig = Rig(ros_context, parameters)
    yield rig
    rig.node._quietly(rig.node._release)


@pytest.mark.real_time
def test_sound_is_predicted_before_the_touch(rig: Rig) -> None:
    rig.activate()
    rig.bench.transforms()
    rig.seen()
    contact_ns = rig.plan(plan_id="plan_7", x=0.05)
    rig.context.spin_until(lambda: rig.audio and rig.material, 10.0, "a prediction")
    (message,), (material,) = rig.audio, rig.material
    said_ns = message.predicted_contact_time.sec * 10**9 + message.predicted_contact_time.nanosec
    assert rig.arrived_ns[0] < contact_ns, "it must come before the contact"
    assert abs(said_ns - contact_ns) < 15_000_000
    assert message.lead_time >= (said_ns - rig.arrived_ns[0]) / 1e9
    assert 0 < message.latency < message.lead_time + message.latency < 4.1
    assert (message.mode, message.plan_id, message.frame_id) == (message.MODE_PLANNED, "plan_7", "world")
    assert (message.position.x, message.position.y, message.position.z) == pytest.approx(
        (0.05, 0, 0), abs=5e-3
    )
    samples = np.asarray(message.audio.samples)
    assert samples.size == 48_000 == message.audio.sample_rate and np.abs(samples).max() > 1e-4
    start_ns = message.audio.header.stamp.sec * 10**9 + message.audio.header.stamp.nanosec
    assert 0.15 < (said_ns - start_ns) / 1e9 < 0.35
    assert len(message.features) == 90 * message.features_dims
    assert material.header.stamp == message.predicted_contact_time
    assert sum(material.probabilities) == pytest.approx(1.0, abs=1e-4)
    assert (material.contacts_heard, material.contacts_predicted) == (0, 1)
    assert material.model_id == message.model_id and len(message.model_id) == 64
    (chunk,) = rig.context.spin_until(lambda: rig.chunks, 10.0, "its sound alone")
    assert chunk == message.audio


# ---- a flow ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _world().make_flow(tmp_path_factory.mktemp("flow") / "flow")  # type: ignore[no-any-return]


@pytest.fixture
def flow_rig(ros_context: Any, flow: Path) -> Iterator[Rig]:
    rig = Rig(ros_context, {"checkpoint": str(flow), "solver_steps": 2, "seed": 7})
    yield rig
    rig.node._quietly(rig.node._release)


@pytest.mark.real_time
def test_a_flow_predicts_a_plan(flow_rig: Rig) -> None:
    flow_rig.activate()
    flow_rig.bench.transforms()
    flow_rig.seen()
    contact_ns = flow_rig.plan(plan_id="plan_7", x=0.05)
    flow_rig.context.spin_until(lambda: flow_rig.audio, 20.0, "a prediction")
    (message,) = flow_rig.audio
    said_ns = message.predicted_contact_time.sec * 10**9 + message.predicted_contact_time.nanosec
    start_ns = message.audio.header.stamp.sec * 10**9 + message.audio.header.stamp.nanosec
    assert abs(said_ns - contact_ns) < 15_000_000 and said_ns - start_ns == 250_000_000
    samples = np.asarray(message.audio.samples)
    assert (samples.size, message.audio.sample_rate) == (16_000, 16_000) and np.abs(samples).max() > 0
    assert (message.solver_steps, message.seed, message.features_dims) == (2, 7, 0)
    assert message.plan_id == "plan_7" and len(message.model_id) == 64
    assert message.lead_time == pytest.approx((said_ns - flow_rig.arrived_ns[0]) / 1e9, abs=1.0)
    assert not flow_rig.material, "a flow has no belief about the material"
    values = flow_rig.node.health().values
    assert values["planned"] == 1 and values["model_id"] == message.model_id
    assert "no scene is given" in values["note"] and "planned contacts only" in values["note"]
    assert flow_rig.observer.count_subscribers("contacts") == 0


@pytest.fixture
def contact_rig(ros_context: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    checkpoint = _world().make_contact_flow(tmp_path / "contact")
    rig = Rig(ros_context, {"checkpoint": str(checkpoint), "stream_lead_s": getattr(request, "param", 60.0)})
    yield rig
    rig.node._quietly(rig.node._release)


def test_a_contact_flow_tells_the_sound_of_a_plan_as_it_goes_on(contact_rig: Rig) -> None:
    from foley_msgs.msg import AudioChunk
    from foley_ros import qos

    chunks: list[Any] = []
    rig, observer = contact_rig, contact_rig.observer
    observer.create_subscription(AudioChunk, "predicted_sound", chunks.append, qos.AUDIO)
    rig.activate()
    rig.bench.transforms()
    rig.seen()
    rig.context.spin_until(lambda: observer.count_publishers("predicted_sound"), what="matching")
    contact_ns = rig.plan(
        30.0, plan_id="plan_7"
    )  # its sound is told long before, however slow the machine is
    rig.context.spin_until(lambda: len(chunks) == 15 and rig.audio, 30.0, "chunks and a prediction")
    begins = [c.header.stamp.sec * 10**9 + c.header.stamp.nanosec for c in chunks]
    assert begins == [contact_ns - 500_000_000 + k * 100_000_000 for k in range(15)], (
        "until after the plan's end"
    )
    assert [c.first_sample for c in chunks] == [1600 * k for k in range(15)]
    assert {(len(c.samples), c.sample_rate, c.stream_id) for c in chunks} == {
        (1600, 16_000, f"plan_7/{begins[0]}")
    }
    (message,) = rig.audio
    assert (message.audio.sample_rate, message.solver_steps, len(message.audio.samples)) == (
        16_000,
        4,
        16_000,
    )
    values = rig.node.health().values
    assert values["chunks"] == 15 and values["chunks_late"] == 0 and "surface" not in values["note"]

    def heard() -> bool:
        rig.bench.hear(0.01 * np.ones(4800, np.float32), rig.world.now_ns())
        return rig.node.health().values["note"] == ""

    rig.context.spin_until(heard, 15.0, "the room is heard")


@pytest.fixture
def seeing_rig(ros_context: Any, tmp_path: Path) -> Iterator[Rig]:
    checkpoint = _world().make_contact_flow(tmp_path / "contact")
    _world().make_sight(checkpoint / "sight")
    rig = Rig(ros_context, {"checkpoint": str(checkpoint), "stream": False, "executed": False})
    yield rig
    rig.node._quietly(rig.node._release)


def test_a_contact_flow_looks_at_the_place_and_remembers_touches(seeing_rig: Rig) -> None:
    rig = seeing_rig
    rig.activate()
    rig.bench.transforms()

    def values() -> dict[str, Any]:
        return dict(rig.node.health().values)

    rig.plan(30.0)
    rig.context.spin_until(lambda: values()["skipped"], 20.0, "no camera is known")
    rig.context.spin_until(lambda: rig.observer.count_publishers("contacts"), what="matching")
    rig.seen()
    planned = [-math.inf]

    def predicted() -> bool:
        # The camera's message may be found later than its pictures: a plan is skipped until it is there.
        if not rig.audio and time.monotonic() > planned[-1] + 1.0:
            rig.bench.see()
            rig.plan(30.0, plan_id=f"seen_{len(planned)}")
            planned.append(time.monotonic())
        return bool(rig.audio)

    rig.context.spin_until(predicted, 20.0, "a prediction")
    assert "picture" not in values()["note"] and values()["touches_remembered"] == 0
    touched_ns = rig.world.now_ns() - 3 * 10**9
    sound = np.random.default_rng(0).normal(0, 0.01, 4 * 48_000).astype(np.float32)
    times, tips = rig.world.tap_path(touched_ns)

    def heard() -> bool:
        ring = rig.node._hearing._room.ring
        return ring is not None and ring.end_ns is not None and ring.end_ns > touched_ns + 10**9

    rig.bench.hear(sound, touched_ns - 2 * 10**9)
    for time_ns, tip in zip(times.tolist(), tips, strict=True):
        rig.bench.move(time_ns, tip)
    rig.context.spin_until(heard, 20.0, "its sound")
    rig.bench.contact.publish(rig.world.contact_message("c1", touched_ns))
    rig.context.spin_until(lambda: values()["touches_remembered"] == 1, 20.0, "memory of a touch")


def test_a_flow_is_heard_and_vis_says_the_material(
    ros_context: Any, checkpoint: Path, tmp_path: Path
) -> None:
    flow = _world().make_contact_flow(tmp_path / "contact")
    rig = Rig(ros_context, {"checkpoint": str(checkpoint), "sound_checkpoint": str(flow)})
    try:
        rig.activate()
        rig.bench.transforms()
        rig.seen()
        rig.plan(30.0, plan_id="plan_7")
        rig.context.spin_until(lambda: rig.audio and rig.material, 30.0, "a sound and a material")
        (message,), (material,) = rig.audio, rig.material
        assert (message.audio.sample_rate, len(message.audio.samples)) == (16_000, 16_000)
        ids = {Path(checkpoint): material.model_id, flow: message.model_id}
        assert ids == {folder: model_id_of(folder) for folder in ids}
        assert sum(material.probabilities) == pytest.approx(1.0, abs=1e-4)
        assert rig.node.health().values["model_id"] == message.model_id
    finally:
        rig.node._quietly(rig.node._release)


@pytest.mark.real_time
def test_the_sound_of_what_was_done_follows_it(
    ros_context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from foley_synthesis.live.plan_stream import PlanSound

    told: list[
        tuple[int, int, int]
    ] = []  # when a chunk is made, what it is of, the newest pose that is known
    chunk = PlanSound.chunk

    def spied(self: Any, background: Any, now_ns: int, measured: Any = None) -> Any:
        made = chunk(self, background, now_ns, measured)
        if made is not None:
            told.append((now_ns, made.begin_ns, int(measured.times_ns[-1])))
        return made

    monkeypatch.setattr(PlanSound, "chunk", spied)
    checkpoint = _world().make_contact_flow(tmp_path / "contact")
    rig = Rig(ros_context, {"checkpoint": str(checkpoint), "stream_lead_s": -0.7, "stream_measured": True})
    try:
        rig.activate()
        rig.bench.transforms()
        rig.seen()
        contact_ns = rig.plan(1.0)
        times, tips = rig.world.tap_path(contact_ns)

        def moves() -> bool:
            now_ns = rig.world.now_ns()
            rig.bench.move(now_ns, tips[np.abs(times - now_ns).argmin()])
            return len(told) >= 3

        rig.context.spin_until(moves, 30.0, "chunks")
        for made_ns, begin_ns, newest_ns in told:
            assert begin_ns + 700_000_000 <= made_ns and newest_ns > begin_ns
    finally:
        rig.node._quietly(rig.node._release)


@pytest.mark.parametrize("contact_rig", [0.0], indirect=True)
def test_chunks_that_come_too_late_to_be_heard_are_counted_and_said(contact_rig: Rig) -> None:
    contact_rig.activate()
    contact_rig.bench.transforms()
    contact_rig.seen()
    contact_rig.plan(2.5)  # it begins half a second before
    contact_rig.diagnosed("after it was to be heard, which leaves gaps")
    values = contact_rig.node.health().values
    assert 0 < values["chunks_late"] <= values["chunks"]


def test_a_late_prediction_is_published_and_said(flow_rig: Rig) -> None:
    import threading

    flow_rig.activate()
    flow_rig.bench.transforms()
    flow_rig.seen()
    gate = threading.Event()
    flow_rig.node.put(gate.wait)  # a worker that is slow
    try:
        contact_ns = flow_rig.plan(1.0)
        flow_rig.context.spin_until(
            lambda: flow_rig.world.now_ns() > contact_ns and flow_rig.node._worker.pending() == 2,
            what="the contact to pass",
        )
    finally:
        gate.set()
    flow_rig.context.spin_until(lambda: flow_rig.audio, 20.0, "a prediction")
    assert flow_rig.audio[0].lead_time < 0.0
    flow_rig.diagnosed("s after its contact")
    assert flow_rig.node.health().values["late"] == 1
    flow_rig.plan(30.0)
    flow_rig.context.spin_until(lambda: len(flow_rig.audio) == 2, 20.0, "a prediction in time")
    assert flow_rig.audio[1].lead_time > 0.0
    flow_rig.context.spin_until(
        lambda: "after its contact" not in flow_rig.node.health().message, what="the fault is cleared"
    )


def test_a_plan_that_is_over_makes_room_for_the_next(flow_rig: Rig) -> None:
    import threading

    flow_rig.activate()
    flow_rig.bench.transforms()
    flow_rig.seen()
    gate = threading.Event()
    flow_rig.node.put(gate.wait)  # a worker that is slow
    try:
        flow_rig.plan(-1.0, plan_id="over")
        flow_rig.plan(30.0, plan_id="ahead")
        flow_rig.context.spin_until(lambda: flow_rig.node.pending_jobs == 3, what="both plans to wait")
    finally:
        gate.set()
    flow_rig.context.spin_until(lambda: flow_rig.audio, 20.0, "a prediction")
    assert [message.plan_id for message in flow_rig.audio] == ["ahead"]
    assert flow_rig.node.health().values["plans_dropped"] == 1


@pytest.mark.real_time
def test_what_if_of_a_flow_has_no_estimate(flow_rig: Rig) -> None:
    flow_rig.activate()
    flow_rig.bench.transforms()
    flow_rig.seen()
    trajectory = flow_rig.world.hand_plan_message(flow_rig.world.now_ns() + 10**9)
    _, asked = ask(flow_rig, trajectory=trajectory, deadline=30.0)
    flow_rig.context.spin_until(asked.done, 30.0, "a result")
    answer = asked.result().result
    assert answer.error_code == 0 and answer.predicted.audio.sample_rate == 16_000
    assert answer.material.abstain and not answer.material.probabilities


@pytest.mark.real_time
def test_executed_prediction_follows_a_contact(rig: Rig) -> None:
    rig.activate()
    rig.bench.transforms()
    contact_ns = rig.world.now_ns() - 900_000_000
    times, tips = rig.world.tap_path(contact_ns)
    for time_ns, tip in zip(times, tips, strict=True):
        rig.bench.move(int(time_ns), tip, 5.0 if abs(time_ns - contact_ns) < 2e7 else 0.0)
    for later_ms in range(500, 780, 20):  # it rests until after the clip's end
        rig.bench.move(contact_ns + later_ms * 1_000_000, tips[-1])
    frames = rig.node._scene.camera.pictures
    for i in range(-22, 24):  # best effort: one at a time, so that none is lost
        held = len(frames)
        rig.bench.see(contact_ns + i * 33_000_000, depth=False)
        rig.context.spin_until(lambda held=held: len(frames) > held, what="frame held")
    rig.bench.contact.publish(rig.world.contact_message("c1", contact_ns, object_id="object_1"))

    def goes_on() -> bool:
        rig.bench.see()
        rig.bench.move(rig.world.now_ns(), tips[-1])
        return bool(rig.audio)

    rig.context.spin_until(goes_on, 10.0, "a prediction")
    (message,) = rig.audio
    assert message.mode == message.MODE_EXECUTED and message.object_id == "object_1"
    assert message.lead_time < 0 and not rig.material


@pytest.mark.real_time
def test_a_contact_waits_until_its_last_picture_has_come(rig: Rig) -> None:
    """A camera's picture comes late; without it the model would be shown the one before."""
    rig.activate()
    rig.bench.transforms()
    rig.node._settings = dataclasses.replace(rig.node._settings, executed_patience_s=10.0)
    contact_ns = rig.world.now_ns() - 900_000_000
    times, tips = rig.world.tap_path(contact_ns)
    for time_ns, tip in zip(times, tips, strict=True):
        rig.bench.move(int(time_ns), tip)
    for later_ms in range(500, 780, 20):
        rig.bench.move(contact_ns + later_ms * 1_000_000, tips[-1])
    rig.context.spin_until(
        lambda: (rig.node._scene.tips.newest_ns or 0) >= contact_ns + 750_000_000, what="the motion held"
    )
    frames = rig.node._scene.camera.pictures
    for i in range(-22, 23):  # up to 24 ms before the clip's end
        held = len(frames)
        rig.bench.see(contact_ns + i * 33_000_000, depth=False)
        rig.context.spin_until(lambda held=held: len(frames) > held, what="frame held")
    rig.bench.contact.publish(rig.world.contact_message("c1", contact_ns))
    rig.context.spin_until(lambda: rig.node._waiting, what="the contact to wait")
    rig.node._hand_over()
    assert len(rig.node._waiting) == 1 and rig.node.pending_jobs == 0
    rig.bench.see(contact_ns + 23 * 33_000_000, depth=False)
    rig.context.spin_until(lambda: rig.audio, 10.0, "a prediction")


def test_wrong_encoding_is_diagnosed_and_recovers(rig: Rig) -> None:
    rig.activate()
    rig.bench.transforms()
    rig.diagnosed("encoding is `hsv8`", lambda: rig.bench.see(encoding="hsv8"))
    rig.plan()
    rig.diagnosed("no image", lambda: rig.bench.see(encoding="hsv8"))
    assert not rig.audio
    rig.seen()
    rig.plan()
    rig.context.spin_until(lambda: rig.audio, 10.0, "a prediction after the encoding was put right")


def test_missing_inputs_are_named_and_recover(rig: Rig) -> None:
    rig.activate()
    rig.seen(info=False)
    rig.plan()
    rig.diagnosed("no transform tool <- tip")
    rig.bench.transforms(camera=False)
    rig.diagnosed("nothing usable on camera/camera_info", lambda: rig.bench.see(info=False))
    rig.plan()
    rig.diagnosed("no camera_info was received", lambda: rig.bench.see(info=False))
    rig.seen()
    rig.diagnosed("no transform world <- camera_optical", lambda: rig.bench.see())
    assert not rig.audio
    rig.bench.transforms()
    rig.context.spin_until(lambda: _known(rig), 5.0, "the camera's place")
    rig.plan()
    rig.context.spin_until(lambda: rig.audio, 10.0, "a prediction after all is there")


def _known(rig: Rig) -> bool:
    return not any("camera_optical" in problem for problem in rig.node._scene.problems())


def test_without_depth_the_plan_itself_tells_the_contact(rig: Rig) -> None:
    rig.activate()
    rig.bench.transforms()
    rig.seen(depth=False)
    contact_ns = rig.plan()
    rig.context.spin_until(lambda: rig.audio, 10.0, "a prediction")
    said = rig.audio[0].predicted_contact_time
    # 13 ms later: the lowest point of the tap, not its crossing of the surface.
    assert abs(said.sec * 10**9 + said.nanosec - contact_ns) < 40_000_000


def test_nan_plan_is_diagnosed_and_skipped(rig: Rig) -> None:
    rig.activate()
    rig.bench.transforms()
    rig.seen()
    message = rig.world.plan_message(rig.world.now_ns() + 10**9)
    for pose in message.poses[10:60]:
        pose.position.x = float("nan")
    rig.bench.plan.publish(message)
    rig.diagnosed("finite poses")
    assert not rig.audio
    rig.plan()
    rig.context.spin_until(lambda: rig.audio, 10.0, "the next plan")


def test_corrupt_checkpoint_is_refused_and_can_be_put_right(
    rig: Rig, checkpoint: Path, tmp_path: Path
) -> None:
    import shutil

    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.parameter import Parameter

    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    weights = broken / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0xFF
    weights.write_bytes(content)
    rig.node.set_parameters([Parameter("checkpoint", value=str(broken))])
    assert rig.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "model.safetensors" in rig.node._failure and "foley train" in rig.node._failure
    rig.diagnosed("model.safetensors")
    rig.node.set_parameters([Parameter("checkpoint", value=str(checkpoint))])
    rig.activate()


# ---- what if -----------------------------------------------------------------------------------------------
def ask(rig: Rig, **goal: Any) -> Any:
    """Send a goal; returns (goal handle, future of the result)."""
    from rclpy.action import ActionClient

    from foley_msgs.action import PredictContact

    client = ActionClient(rig.observer, PredictContact, "synthesizer/predict_contact")
    rig.context.spin_until(client.server_is_ready, what="the action server")
    sent = client.send_goal_async(PredictContact.Goal(**goal))
    rig.context.spin_until(sent.done, what="acceptance")
    handle = sent.result()
    return handle, handle.get_result_async() if handle.accepted else None


@pytest.mark.real_time
def test_what_if(rig: Rig) -> None:
    from foley_msgs.action import PredictContact

    result = PredictContact.Result
    handle, _ = ask(rig)
    assert not handle.accepted, "the node is not active"
    rig.activate()
    rig.bench.transforms()
    trajectory = rig.world.hand_plan_message(rig.world.now_ns() + 10**9)
    _, no_image = ask(rig, trajectory=trajectory)
    rig.context.spin_until(no_image.done, what="a result without a camera")
    assert no_image.result().result.error_code == result.ERROR_NO_IMAGE
    rig.seen()
    trajectory = rig.world.hand_plan_message(rig.world.now_ns() + 10**9)
    _, good = ask(rig, trajectory=trajectory, deadline=20.0)
    rig.context.spin_until(good.done, what="a result")
    answer = good.result().result
    assert answer.error_code == result.ERROR_NONE, answer.error_msg
    assert len(answer.predicted.audio.samples) == 48_000 and len(answer.material.probabilities) > 1
    assert not rig.audio, "a question is not a prediction"


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_what_if_can_be_given_up(rig: Rig, how: str) -> None:
    import threading

    from foley_msgs.action import PredictContact

    rig.activate()
    gate = threading.Event()
    rig.node.put(gate.wait)  # the worker is busy
    try:
        trajectory = rig.world.hand_plan_message(rig.world.now_ns() + 10**9)
        handle, result = ask(rig, trajectory=trajectory, deadline=0.3 if how == "deadline" else 0.0)
        if how == "cancel":
            handle.cancel_goal_async()
        rig.context.spin_until(result.done, 5.0, "a result while the worker is busy")
    finally:
        gate.set()
    expected = (
        PredictContact.Result.ERROR_DEADLINE if how == "deadline" else PredictContact.Result.ERROR_CANCELLED
    )
    assert result.result().result.error_code == expected
