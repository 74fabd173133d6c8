"""Sound of a motion while it goes on: chunks are what would have been made at once, and joined as if they had."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_perception.action.contact_motion import GROUPS, MOTION_CHANNELS, NAMES
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec, Coded
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.sampling import ContactSampling, sample_latent
from foley_synthesis.flow.contact.synthetic import synthetic_field
from foley_synthesis.flow.inference.contact_channels import (
    channels_so_far,
    measured_channels,
    planned_channels,
)
from foley_synthesis.flow.inference.contact_sound import ContactFlowSoundModel
from foley_synthesis.flow.inference.contact_stream import ContactStream, WindowConfig
from foley_synthesis.flow.inference.contact_told import condition_of
from foley_synthesis.flow.inference.seen_surface import SeenDepth, surface_of_points
from foley_synthesis.flow.inference.streamed_windows import StreamedContactFlow
from foley_synthesis.flow.session_features import session_features
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.sound_model import ContactQuery, PlannedTool, StreamingSoundModel

S = 10**9
HAND = GripperHand.from_yaml("parallel_gripper")
TINY = CodecConfig(latent=4, width=16, hidden=16, blocks=1, fine_width=16, fine_hidden=16, fine_blocks=1)


def _sessions() -> Any:
    place = Path(__file__).parents[1] / "session_files.py"
    spec = importlib.util.spec_from_file_location("session_files", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SESSION = _sessions().falling_session(12.0)


def codec(**changes: Any) -> Codec:
    """One whose every weight says something."""
    torch.manual_seed(1)
    made = Codec(dataclasses.replace(TINY, **changes)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.05 * torch.randn(parameter.shape))
    return made


def flow(coder: Codec | None = None, *, reads: bool = False) -> ContactFlowModel:
    """A flow whose latent is half its noise; one that reads what it is told has weights of all kinds."""
    field = synthetic_field()
    if reads:
        with torch.no_grad():
            for parameter in field.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    facts: dict[str, Any] = {"train_scenes": [], "without": []}
    return ContactFlowModel(field.eval(), coder or codec(), facts, "f" * 64, ContactSampling(steps=2))


def nothing(stream: ContactStream) -> Any:
    begin, end = stream.rows
    return condition_of(np.full((end - begin, len(NAMES)), np.nan, np.float32), executed=False)


def heard(stream: ContactStream, chunks: int) -> np.ndarray[Any, Any]:
    return np.concatenate([stream.next(nothing(stream)) for _ in range(chunks)])


@pytest.mark.parametrize("changes", [{}, {"level": False}, {"rate": 48_000, "bins": 80}])
def test_chunks_are_what_is_decoded_at_once(changes: dict[str, Any]) -> None:
    coder = codec(rounds=0, **changes)
    model = flow(coder)
    stream = ContactStream(model, seed=3, window=WindowConfig(past=12, ahead=8))
    made = heard(stream, 12)
    assert len(made) == round(1.2 * coder.config.rate) and stream.begin_s == pytest.approx(1.2)
    generator, dims = torch.Generator().manual_seed(3), model.field.config.latent
    noise = torch.stack([torch.randn(1, dims, generator=generator) for _ in range(60)], dim=-1)
    with torch.no_grad():
        latent = model.field.restore(0.5 * noise)  # at t = 0 the field of noise leads to 0, at 1/2 nowhere
        whole = coder.decode(Coded(latent[:, :-1], latent[:, -1:]), rounds=0)[0].numpy()
    np.testing.assert_allclose(made, whole[: len(made)], atol=1e-4 * np.abs(whole).max())


def test_windows_of_any_length_begin_with_the_same_noise() -> None:
    one, other = (
        heard(ContactStream(flow(codec(rounds=0)), seed=5, window=WindowConfig(past, ahead)), 6)
        for past, ahead in ((10, 8), (20, 12))
    )
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())
    assert (
        np.abs(one - heard(ContactStream(flow(codec(rounds=0)), seed=6), 6)).max() > 0.1 * np.abs(one).max()
    )


def test_windows_are_made_of_chunks() -> None:
    model, window = flow(codec(rounds=0), reads=True), EvaluationWindow(SESSION, 1.6)
    streamed = StreamedContactFlow(model)
    made = streamed.draw([window], 1, 3)
    assert made.shape == (1, 1, 128_000) and np.isfinite(made).all() and streamed.given == "plan"
    np.testing.assert_array_equal(streamed.draw([window], 1, 3), made)


def test_chunks_join_without_a_step() -> None:
    """Of a tone that the phases agree on: the waveform goes on across every join as it does elsewhere."""
    made = heard(ContactStream(flow(codec(rounds=8), reads=True)), 10)
    steps = np.abs(np.diff(made))
    joins = steps[1599::1600]
    assert np.isfinite(made).all() and joins.max() <= np.quantile(steps, 0.999)


def test_what_is_fixed_stays_and_what_follows_depends_on_it() -> None:
    torch.manual_seed(0)
    field = flow(reads=True).field
    noise, condition = torch.randn(1, field.config.latent, 20), torch.randn(1, 20, 16)
    for method in ("euler", "heun"):
        config = ContactSampling(steps=3, method=method)  # type: ignore[arg-type]
        fixed = torch.randn(1, field.config.latent, 8)
        made = sample_latent(field, noise, condition, None, config, fixed)
        other = sample_latent(field, noise, condition, None, config, fixed + 1.0)
        torch.testing.assert_close(made[..., :8], fixed)
        assert float((made - other)[..., 8:].abs().max()) > 1e-3
        none = sample_latent(field, noise, condition, None, config, fixed[..., :0])
        torch.testing.assert_close(none, sample_latent(field, noise, condition, None, config))


def test_a_window_needs_the_rows_that_it_asks_for() -> None:
    stream = ContactStream(flow())
    assert stream.rows == (-32, 4 * (4 + 8 + 8)) and stream.chunk_samples == 1600
    with pytest.raises(ValueError, match="motion has 8 rows, the window needs 112"):
        stream.next(condition_of(np.zeros((8, len(NAMES)), np.float32), executed=False))
    with pytest.raises(ValueError, match="past is 3, must be at least 4"):
        WindowConfig(past=3)


# ---- what it is told ---------------------------------------------------------------------------------------
def plan_of(session: Any, rows: slice = slice(None)) -> PlannedTool:
    pose, tip = session.planned_pose[rows].astype(float), session.tool_tip.astype(float)
    times = np.arange(len(session.planned_pose))[rows] * (8 * S // 1000)
    plan = ToolTrajectory(
        "p", times, SE3(pose[:, 3:], pose[:, :3]), session.planned_width[rows].astype(float)
    )
    return PlannedTool(plan, SE3(tip[3:], tip[:3]))


def test_features_are_those_of_sessions() -> None:
    told, plan = session_features(SESSION, HAND), plan_of(SESSION)
    surface = surface_of_points(SESSION.points(), plan.tip_path().tip)
    made = planned_channels(100 * 8 * S // 1000, 400, [plan.trajectory], plan.tx_tool_tip, surface, HAND)
    np.testing.assert_allclose(made[:, :MOTION_CHANNELS], told.planned[100:500], atol=2e-3)
    assert np.isnan(made[:, MOTION_CHANNELS:]).all(), "a plan knows no force"
    pose = SESSION.executed_pose.astype(float)
    times = plan.trajectory.times_ns
    tool = MeasuredTool(
        times, SE3(pose[:, 3:], pose[:, :3]), plan.tx_tool_tip,
        (times, SESSION.executed_width.astype(float)), (times + 4 * 10**6, SESSION.wrench.astype(float)),
    )  # fmt: skip
    made = measured_channels(100 * 8 * S // 1000, 400, tool, surface, HAND)
    np.testing.assert_allclose(made[:, :MOTION_CHANNELS], told.executed[100:500], atol=2e-3)
    np.testing.assert_allclose(made[:, MOTION_CHANNELS:], told.force[100:500], atol=2e-3)


def measured_of(session: Any, rows: int) -> MeasuredTool:
    """The first rows of a session as they were executed."""
    pose, plan = session.executed_pose[:rows].astype(float), plan_of(session)
    times = plan.trajectory.times_ns[:rows]
    return MeasuredTool(
        times, SE3(pose[:, 3:], pose[:, :3]), plan.tx_tool_tip,
        (times, session.executed_width[:rows].astype(float)), (times + 4 * 10**6, session.wrench[:rows].astype(float)),
    )  # fmt: skip


def test_what_has_been_measured_counts_in_place_of_the_plan() -> None:
    told, plan = session_features(SESSION, HAND), plan_of(SESSION)
    surface = surface_of_points(SESSION.points(), plan.tip_path().tip)
    start = 100 * 8 * S // 1000
    planned = planned_channels(start, 400, [plan.trajectory], plan.tx_tool_tip, surface, HAND)
    made, share = channels_so_far(start, planned, measured_of(SESSION, 300), surface, HAND)
    until = 198  # rows 298 and 299 of the session lack what their derivatives need
    assert share == until / 400
    np.testing.assert_allclose(made[:until, :MOTION_CHANNELS], told.executed[100 : 100 + until], atol=2e-3)
    np.testing.assert_allclose(made[:until, MOTION_CHANNELS:], told.force[100 : 100 + until], atol=2e-3)
    np.testing.assert_array_equal(made[until:], planned[until:])
    assert np.abs(told.executed - told.planned)[100:298].max() > 0.01, "else nothing would be seen"
    unknown = dataclasses.replace(measured_of(SESSION, 300), poses=SE3(*_nowhere(300)))
    same, share = channels_so_far(start, planned, unknown, surface, HAND)
    assert share == 0 and same is planned


def _nowhere(rows: int) -> tuple[Any, Any]:
    return np.full((rows, 4), np.nan), np.full((rows, 3), np.nan)


def test_a_stream_is_told_of_what_was_done() -> None:
    model, plan = ContactFlowSoundModel(flow(reads=True), HAND), plan_of(SESSION)
    stream = model.stream(2 * S)
    begin = 250 - 32  # of its first row in the session, and it has 112
    for rows, executed in ((begin, False), (begin + 57, False), (begin + 58, True), (400, True)):
        measured = measured_of(SESSION, rows)
        known = stream.condition([plan], None, measured)
        assert known.executed.tolist() == [executed], rows
        start = begin * 8 * S // 1000
        planned = planned_channels(start, 112, [plan.trajectory], plan.tx_tool_tip, None, HAND)
        expected, _ = channels_so_far(start, planned, measured, None, HAND)
        np.testing.assert_array_equal(known.motion[0].numpy(), expected)
    said = stream.next([plan], None, measured_of(SESSION, 400))
    other = model.stream(2 * S).next([plan], None)
    assert said.shape == other.shape == (1600,) and (said != other).any()


def test_without_a_surface_heights_are_not_known() -> None:
    plan = plan_of(SESSION)
    made = planned_channels(0, 40, [plan.trajectory], plan.tx_tool_tip, None, HAND)
    absent = {name for name, part in GROUPS.items() if np.isnan(made[:, part]).any()}
    assert absent == {"height", "keypoints", "force"}
    assert surface_of_points(SESSION.points() + 5.0, plan.tip_path().tip) is None
    assert surface_of_points(SESSION.points()[:0], plan.tip_path().tip) is None


def depth_below() -> tuple[Any, Any]:
    """Depth of a table at 0 m seen from straight above."""
    from foley_perception.geometry.camera import CameraModel

    camera = CameraModel.looking_at((0, 0, 1), (0, 0, 0), width=160, height=120, fovy_deg=40.0, up=(0, 1, 0))
    return np.full((120, 160), 1.0, np.float32), camera


def test_points_are_those_of_the_camera() -> None:
    depth, camera = depth_below()
    depth = depth + np.random.default_rng(0).uniform(0, 0.1, depth.shape).astype(np.float32)
    depth[3, 5], depth[7, 9] = np.nan, 0.0
    v, u = np.nonzero(depth > 0)
    points = SeenDepth(depth, camera).points()
    np.testing.assert_allclose(points, camera.unproject(np.stack([u, v], axis=1), depth[v, u]), atol=1e-9)
    assert len(points) == depth.size - 2


def tap_plan(contact_ns: int) -> PlannedTool:
    seconds = np.arange(-0.5, 0.5, 0.01)
    tips = np.stack([0 * seconds, 0 * seconds, 0.3 * np.abs(seconds)], axis=1)
    tools = SE3(np.tile([1.0, 0.0, 0.0, 0.0], (len(tips), 1)), tips + np.array([0.0, 0.0, 0.16]))
    times = contact_ns + np.round(seconds * 1e9).astype(np.int64)
    plan = ToolTrajectory("tap", times, tools, np.full(len(tips), 0.02))
    return PlannedTool(plan, SE3.from_translation([0.0, 0.0, 0.16]))


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_contact_is_predicted_planned_and_executed(rate: int) -> None:
    model = ContactFlowSoundModel(flow(codec(rate=rate), reads=True), HAND, seed=4)
    assert isinstance(model, StreamingSoundModel)
    model.warm_up()
    contact_ns = 10**18 + 3 * S
    plan = tap_plan(contact_ns)
    query = ContactQuery(contact_ns=contact_ns, tool=plan, background=depth_below())
    made = model.predict(query)
    assert (len(made.waveform), made.sample_rate, made.onset_s, made.mode) == (rate, rate, 0.25, "planned")
    assert (made.solver_steps, made.seed, made.model_id) == (2, 4, "f" * 64)
    assert "room has not been heard" in model.note and "surface" not in model.note
    np.testing.assert_array_equal(made.waveform, model.predict(query).waveform)
    blind = model.predict(dataclasses.replace(query, background=None))
    model.hear(np.full(100, 0.1, np.float32), rate)
    assert "no surface was seen" in model.note and "room has not been heard" in model.note, "too short"
    model.hear(np.random.default_rng(0).normal(0, 0.01, 2 * rate).astype(np.float32), rate)
    assert "room" not in model.note and (model.predict(query).waveform != made.waveform).any()
    assert model.note == ""
    assert np.abs(made.waveform - blind.waveform).max() > 0
    tool = MeasuredTool(plan.trajectory.times_ns, plan.trajectory.poses, plan.tx_tool_tip)
    executed = dataclasses.replace(query, tool=None, measured=tool, frames=np.zeros((30, 8, 8, 3), np.uint8))
    assert model.predict(executed).mode == "executed"
    for lacks in (dataclasses.replace(query, tool=None), dataclasses.replace(executed, measured=None)):
        with pytest.raises(ValueError, match=r"the query lacks the (planned|measured) poses"):
            model.predict(lacks)


def test_a_stream_is_told_of_a_plan_when_it_is_there() -> None:
    model = ContactFlowSoundModel(flow(reads=True), HAND)
    plan, start = tap_plan(2 * S), 2 * S - S // 2
    stream = model.stream(start)
    known = stream.condition([plan], depth_below())
    height = known.motion[0, :, 0].numpy()
    # The first row is 0.256 s before the stream: at 0.5 s before the contact, where the plan begins, it rests.
    assert height[0] == height[31] == pytest.approx(0.15 / 0.05, abs=0.02)
    assert stream.begin_ns == start
    stream.sample(known)
    assert len(stream.decode()) == 1600 and stream.begin_ns == start + S // 10
    stream.next([plan], depth_below())
    assert stream.begin_ns == start + 2 * S // 10
