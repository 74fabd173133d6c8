"""Live a contact flow is told of things and earlier touches what windows of sessions are told of them."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from foley_common.session_file import MOTION_RATE, POINT_SCALE, VIEW_RATE, SessionData, write_session
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.gaussians.views.picture_views import PictureViews
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.contact.seen import told
from foley_synthesis.flow.contact.synthetic import CONTENT, synthetic_field
from foley_synthesis.flow.contact.window_conditions import WindowConditions
from foley_synthesis.flow.inference.contact_sound import ContactFlowSoundModel
from foley_synthesis.flow.inference.seen_surface import SeenDepth
from foley_synthesis.flow.inference.surroundings import CONTEXT, REMEMBERED_S
from foley_synthesis.flow.sight.examples import examples
from foley_synthesis.flow.sight.inference import Sight, local_views
from foley_synthesis.flow.sight.model_file import load_sight, save_sight
from foley_synthesis.flow.sight.training import SightTrainConfig, train_sight
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.sound_model import ContactQuery, HeardTouch, Input, PlannedTool
from foley_synthesis.vision.coarse_colour import ColourEncoder

S, ROW_NS, RATE = 10**9, 8 * 10**6, 16_000
HAND = GripperHand.from_yaml("parallel_gripper")
CAMERA = CameraModel.looking_at((0, 0, 1.2), (0, 0, 0), width=640, height=480, fovy_deg=30.0, up=(0, 1, 0))
# In the middle of a frame of the latent, where one that is live is taken to lie.
TOUCHED_S = (np.array([15, 31, 62, 93, 218, 250]) + 0.5) * 0.032


def _seen() -> ModuleType:
    place = Path(__file__).parents[1] / "sight" / "seen_sessions.py"
    spec = importlib.util.spec_from_file_location("seen_sessions_live", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SEEN = _seen()


def scene() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Depth and picture of the things of `seen_sessions` from straight above."""
    v, u = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
    rays = np.linalg.solve(CAMERA.K, np.stack([u.ravel(), v.ravel(), np.ones(u.size)]))
    turned = CAMERA.tx_world_camera.rotation @ rays
    depth, picture = np.full(u.size, 1.2), np.full((u.size, 3), 200, np.uint8)
    for (cx, cy), shape, material in zip(SEEN.PLACES, ("box", "disc"), ("wood", "metal"), strict=True):
        length, width, height = SEEN.SIZES[shape]
        x, y = turned[:2] * (1.2 - height)
        inside = (np.abs(x - cx) < length / 2) & (np.abs(y - cy) < width / 2)
        if shape == "disc":
            inside = np.hypot(x - cx, y - cy) < length / 2
        depth[inside], picture[inside] = 1.2 - height, SEEN.COLOURS[material]
    noise = np.random.default_rng(0).normal(0, 6, picture.shape)
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return depth.reshape(u.shape).astype(np.float32), picture.reshape(*u.shape, 3)


DEPTH, PICTURE = scene()


def made_session() -> SessionData:
    """12 s over the two things, with views cut from the picture and touches that click."""
    base = SEEN.hopping_session(seed=3, split="test", moments=48)
    view = local_views(PictureViews(PICTURE, CAMERA))
    files = []
    for moment in range(48):
        image = view(SEEN.tips_of_hops(48)[round(moment * MOTION_RATE / VIEW_RATE)])
        assert image is not None
        files.append(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes())
    sound = np.random.default_rng(0).normal(0, 30, 12 * RATE)
    for k, at in enumerate(TOUCHED_S):
        begin = round(at * RATE)
        sound[begin : begin + 400] += (
            9000 * np.sin(0.2 * (k + 2) * np.arange(400)) * np.exp(-np.arange(400) / 90)
        )
    points = np.round(SeenDepth(DEPTH, CAMERA).points() / POINT_SCALE).astype(np.int16)
    touched = TOUCHED_S.astype(np.float32)
    return dataclasses.replace(
        base,
        facts={
            **base.facts,
            "sound_rate": RATE,
            "view_names": ["local_right"],
            "contact_actions": ["tap"] * 6,
        },
        sound=sound.astype(np.int16),
        surface_points=points,
        surface_colours=np.zeros((len(points), 3), np.uint8),
        contact_s=touched,
        contact_planned_s=touched,
        contact_object=(touched > 5.9).astype(np.int16),
        contact_impulse=np.ones(6, np.float32),
        view_bytes=np.frombuffer(b"".join(files), np.uint8).copy(),
        view_offsets=np.cumsum([0, *map(len, files)]).astype(np.int64),
    )


@pytest.fixture(scope="module")
def session() -> SessionData:
    return made_session()


@pytest.fixture(scope="module")
def sight(tmp_path_factory: pytest.TempPathFactory, session: SessionData) -> Sight:
    folder = tmp_path_factory.mktemp("sight")
    (folder / "set").mkdir()
    facts = {**session.facts, "scene_id": "train-0", "split": "train"}
    write_session(folder / "set" / "train-0-p0.npz", dataclasses.replace(session, facts=facts))
    encoder = ColourEncoder()
    about = {"encoder": {"name": "colour", "identity": encoder.identity}, "train_scenes": ["train-0"]}
    few = SightTrainConfig(epochs=2, least_steps=2, members=1, hidden=16)
    save_sight(train_sight(examples([folder / "set"], "train", encoder), few, about), folder / "sight", {})
    return Sight(load_sight(folder / "sight"), encoder)


@pytest.fixture(scope="module")
def flow(sight: Sight) -> ContactFlowModel:
    """One that reads all that it is told."""
    torch.manual_seed(2)
    size = {"width": 16, "hidden": 16, "blocks": 1, "fine_width": 16, "fine_hidden": 16, "fine_blocks": 1}
    codec = Codec(CodecConfig(latent=CONTENT, rounds=0, **size)).eval()  # type: ignore[arg-type]
    field = synthetic_field().seeing(torch.randn(4, len(sight.model.scaling.basis)))
    with torch.no_grad():
        for parameter in (*field.parameters(), *codec.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape))
    facts = {"train_scenes": [], "without": [], "sight_id": sight.model.model_id}
    return ContactFlowModel(field.eval(), codec, facts, "f" * 64, ContactSampling(steps=1))


def plan_of(session: SessionData) -> PlannedTool:
    pose, tip = session.planned_pose.astype(float), session.tool_tip.astype(float)
    times, width = np.arange(len(pose)) * ROW_NS, session.planned_width.astype(float)
    plan = ToolTrajectory("p", times, SE3(pose[:, 3:], pose[:, :3]), width)
    return PlannedTool(plan, SE3(tip[3:], tip[:3]))


def touches_of(session: SessionData) -> list[HeardTouch]:
    """As the node gives them: 48 kHz would be resampled, 16 kHz are as they are."""
    plan, before, after = plan_of(session), *REMEMBERED_S
    trajectory = plan.trajectory
    found = []
    for at in TOUCHED_S:
        begin, end = round((at - before) * RATE), round((at + after) * RATE)
        samples = np.zeros(end - begin, np.float32)
        samples[max(-begin, 0) :] = session.sound[max(begin, 0) : end].astype(np.float32) / 2**15
        near = np.abs(trajectory.times_ns - at * S) < S
        tool = MeasuredTool(
            trajectory.times_ns[near], trajectory.poses[near], plan.tx_tool_tip,
            (trajectory.times_ns[near], trajectory.widths[near]),
        )  # fmt: skip
        place = plan.tip_path().tip[round(at * MOTION_RATE)]
        start_ns = round(begin * S / RATE)
        found.append(HeardTouch(round(at * S), place, samples, RATE, start_ns, tool, (DEPTH, CAMERA)))
    return found


def query_of(session: SessionData, **changes: Any) -> ContactQuery:
    base = ContactQuery(
        contact_ns=round(4.2 * S),
        tool=plan_of(session),
        background=(DEPTH, CAMERA),
        picture=PICTURE,
        camera=CAMERA,
    )
    return dataclasses.replace(base, **changes)


def test_things_and_touches_are_told_as_those_of_sessions(
    session: SessionData, sight: Sight, flow: ContactFlowModel
) -> None:
    """Within what half precision of a session's features and points of 0.1 mm leave."""
    window = EvaluationWindow(session, 4.0)
    seen = SeenWindows(sight)
    conditions = WindowConditions(context=CONTEXT, views=seen)
    posterior = seen.posterior(window)
    offline = told(conditions.of(window, flow.codec), posterior.draw(np.random.default_rng(4)))
    model = ContactFlowSoundModel(flow, HAND, sight=sight, seed=4)
    assert model.wants == {Input.PICTURE, Input.CAMERA} and model.remembers_s == REMEMBERED_S
    for touch in touches_of(session)[:5]:
        model.remember(touch)
    query = query_of(session)
    model.predict(query)
    plan = query.tool
    assert plan is not None
    live = model.told(4 * S, 1000, [plan], model.surface([plan], query.background))
    np.testing.assert_allclose(live.motion, offline.motion, atol=3e-3)
    assert offline.what is not None and live.what is not None
    np.testing.assert_allclose(live.what, offline.what, atol=1e-3)
    assert offline.views is not None and live.views is not None
    largest = float(np.nanmax(np.abs(offline.views.numpy())))
    np.testing.assert_allclose(live.views, offline.views, rtol=0, atol=1e-3 * largest)
    assert torch.isfinite(live.views).all(dim=-1).float().mean() > 0.5
    # Of the first four touches, all of the box, the last three; the fifth one is not over when the window begins.
    assert offline.hits is not None and live.hits is not None
    assert live.hits.use.shape == (1, 250, 3) and torch.equal(live.hits.use, offline.hits.use)
    scale = float(offline.hits.latent.abs().max())
    np.testing.assert_allclose(live.hits.latent, offline.hits.latent, atol=2e-3 * scale)
    np.testing.assert_allclose(live.hits.motion, offline.hits.motion, atol=3e-3)


def test_what_is_seen_and_was_heard_changes_the_sound(
    session: SessionData, sight: Sight, flow: ContactFlowModel
) -> None:
    query = query_of(session)
    blind = ContactFlowSoundModel(flow, HAND, seed=4)
    seeing = ContactFlowSoundModel(flow, HAND, sight=sight, seed=4)
    assert blind.wants == frozenset()
    first, shown = blind.predict(query).waveform, seeing.predict(query).waveform
    assert np.abs(first - shown).max() > 1e-3 * np.abs(first).max()
    assert "no sight that this flow was trained with" in blind.note and "sight" not in seeing.note
    for touch in touches_of(session)[:3]:
        seeing.remember(touch)
    heard = seeing.predict(query).waveform
    assert np.abs(heard - shown).max() > 1e-3 * np.abs(first).max()
    # Executed, of the same place; then force counts, which nobody measured here.
    touch = touches_of(session)[4]
    executed = query_of(
        session,
        tool=None,
        measured=touch.measured,
        contact_ns=touch.time_ns,
        frames=np.zeros((30, 8, 8, 3), np.uint8),
    )
    assert seeing.predict(executed).mode == "executed" and "plan alone" not in seeing.note


def test_what_is_missing_is_said_and_the_plan_tells_the_rest(
    session: SessionData, sight: Sight, flow: ContactFlowModel
) -> None:
    model, blind = (ContactFlowSoundModel(flow, HAND, sight=one, seed=4) for one in (sight, None))
    lacking = query_of(session, picture=None, camera=None, no_picture="no frame from before the contact")
    np.testing.assert_array_equal(model.predict(lacking).waveform, blind.predict(lacking).waveform)
    assert (
        "no picture of the place (no frame from before the contact): the flow is told the plan alone"
        in model.note
    )
    unseen = query_of(session, background=None)
    np.testing.assert_array_equal(model.predict(unseen).waveform, blind.predict(unseen).waveform)
    assert "no surface was seen" in model.note
    away = CameraModel.looking_at((2, 0, 1.2), (2, 0, 0), width=640, height=480, fovy_deg=30.0, up=(0, 1, 0))
    model.predict(query_of(session, camera=away))
    assert "the camera does not show all that is touched" in model.note
    model.predict(query_of(session))
    assert "plan alone" not in model.note
    with pytest.raises(ValueError, match="the sound of a touch begins"):
        short = touches_of(session)[1]
        model.remember(dataclasses.replace(short, samples=short.samples[:4000]))
