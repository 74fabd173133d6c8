"""Plans and measured contacts to predictions, with a model that shows what it was given."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from foley_perception.action.trajectory import TipPath, ToolTrajectory
from foley_perception.clips.inputs import Streams
from foley_perception.contact_event import Contact
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.scene.depth_background import DepthBackground
from foley_synthesis.live.synthesis_core import (
    CannotPredict,
    Reason,
    SynthesisCore,
    View,
)
from foley_synthesis.sound_model import ContactQuery, Input, Mode, PlannedTool, PredictedSound

S = 1_000_000_000
T0 = 1_763_000_000 * S
CAMERA = CameraModel.looking_at((0.0, -0.75, 0.65), (0.0, 0.0, 0.0), width=320, height=240, fovy_deg=50.0)


class Model:
    """Keeps its input."""

    model_id, domain, vocabulary, note = "m" * 64, "sim", None, ""
    wants: frozenset[Input] = frozenset()

    def __init__(
        self,
        needs: frozenset[Input] = frozenset({Input.STILL, Input.ACTION}),
        modes: frozenset[Mode] = frozenset({"planned", "executed"}),
    ) -> None:
        self.needs, self.modes = needs, modes
        self.given: list[ContactQuery] = []

    def warm_up(self) -> None: ...

    def predict(self, query: ContactQuery) -> PredictedSound:
        self.given.append(query)
        return PredictedSound(np.zeros(48_000, np.float32), 48_000, 0.25, query.mode)


def depth_of_table() -> np.ndarray:
    v, u = np.mgrid[0:240, 0:320]
    rays = np.linalg.solve(CAMERA.K, np.stack([u.ravel(), v.ravel(), np.ones(u.size)])).T
    down = CAMERA.tx_world_camera.rotate(rays)[:, 2]
    depth = np.where(down < -1e-3, -CAMERA.tx_world_camera.translation[2] / down, np.nan)
    return depth.reshape(240, 320).astype(np.float32)


def frame(value: int) -> np.ndarray:
    return np.full((240, 320, 3), value, np.uint8)


def frames(first_s: float, count: int, rate_hz: float = 30.0) -> dict[str, Any]:
    """Frames from `first_s` after T0 on, each as bright as its number."""
    times = T0 + np.round((first_s + np.arange(count) / rate_hz) * 1e9).astype(np.int64)
    return {"frame_times": times, "frame": frame}


def tap(contact_s: float = 1.0, nan_rows: int = 0) -> TipPath:
    seconds = np.arange(0.0, 1.5, 0.01)
    height = np.where(
        seconds < contact_s + 0.01, 0.3 * (contact_s - seconds), 0.3 * (seconds - contact_s - 0.02)
    )
    tip = np.stack([np.full_like(seconds, 0.05), np.zeros_like(seconds), height], axis=1)
    tip[:nan_rows] = np.nan
    return TipPath("plan", T0 + np.round(seconds * 1e9).astype(np.int64), tip, np.full(150, 0.02))


def series(value: Any) -> tuple[np.ndarray, np.ndarray]:
    seconds = np.arange(500) * 0.004
    return T0 + np.round(seconds * 1e9).astype(np.int64), np.array([value(s) for s in seconds])


def view(*, depth: Any = "table", camera: bool = True, missing: str = "", **changes: Any) -> View:
    background = DepthBackground()
    background.set_camera(CAMERA)
    if depth is not None:
        background.add_depth(T0, depth_of_table() if isinstance(depth, str) else depth)
    base = {**frames(-1.0, 25), "tip": (np.zeros(0, np.int64), np.zeros((0, 3)))}
    base["newest_tip"] = lambda time_ns: np.array([0.05, 0.0, 0.3])
    return View(
        Streams(lambda time_ns: CAMERA, **{**base, **changes}) if camera else None, background, missing
    )


# ---- planned -----------------------------------------------------------------------------------------------
def test_planned_prediction_sees_the_plan_and_the_place() -> None:
    model = Model()
    result = SynthesisCore(model).planned(tap(), view())
    assert abs(result.contact_ns - (T0 + S)) < 5_000_000
    assert result.position == pytest.approx((0.05, 0.0, 0.0), abs=3e-3)
    (given,) = model.given
    assert given.mode == "planned" and given.still is not None and given.action is not None
    assert given.still.shape == (128, 128, 3) and given.still[64, 64, 0] == 24, "the newest frame"
    assert given.action.shape == (90, 8) and np.isfinite(given.action).all()
    np.testing.assert_allclose(given.action[5:20, 5], -0.3, atol=1e-3)
    np.testing.assert_allclose(given.action[:, 6], 0.02)
    assert not given.action[:, 7].any()


def test_small_depth_image_serves_as_well() -> None:
    result = SynthesisCore(Model()).planned(tap(), view(depth=depth_of_table()[::2, ::2]))
    assert abs(result.contact_ns - (T0 + S)) < 12_000_000


@pytest.mark.parametrize(
    ("changes", "motion", "reason"),
    [
        ({"camera": False, "missing": "no camera_info"}, tap(), Reason.NO_CAMERA),
        (frames(0.0, 0), tap(), Reason.NO_IMAGE),
        (frames(0.9, 5), tap(), Reason.NO_IMAGE),
        ({}, tap(nan_rows=100), Reason.BAD_TRAJECTORY),
        ({}, tap(nan_rows=150), Reason.BAD_TRAJECTORY),
        ({"depth": None}, dataclasses.replace(tap(), tip=np.zeros((150, 3)) + 0.2), Reason.NO_CONTACT),
        ({}, dataclasses.replace(tap(), times_ns=np.full(150, T0)), Reason.BAD_TRAJECTORY),
    ],
)
def test_what_is_missing_is_said(changes: dict[str, Any], motion: TipPath, reason: Reason) -> None:
    model = Model()
    with pytest.raises(CannotPredict) as said:
        SynthesisCore(model).planned(motion, view(**changes))
    assert said.value.reason == reason and not model.given
    assert changes.get("missing", "") in str(said.value)


def test_image_of_another_size_is_said() -> None:
    with pytest.raises(CannotPredict, match="480, 640"):
        SynthesisCore(Model()).planned(tap(), view(frame=lambda i: np.zeros((480, 640, 3), np.uint8)))


# ---- executed ----------------------------------------------------------------------------------------------
def measured() -> dict[str, Any]:
    return {
        **frames(-0.5, 80),
        "tip": series(lambda s: np.array([0.05, 0.0, max(0.3 * (1.0 - s), 0.0)])),
        "newest_tip": None,
        "width": series(lambda s: 0.03),
        "force": series(lambda s: 8.0 if 1.0 <= s < 1.03 else 0.0),
    }


def test_executed_prediction_sees_what_was_measured() -> None:
    model = Model()
    contact = Contact(T0 + S, "c1", position=(0.05, 0.0, 0.0))
    result = SynthesisCore(model).executed(contact, view(**measured()))
    assert result.contact_ns == T0 + S and result.planned is None
    (given,) = model.given
    assert given.mode == "executed" and given.still is not None and given.action is not None
    assert given.frames is not None and given.frames.shape == (30, 128, 128, 3)
    brightness = given.frames[:, 64, 64, 0].astype(int)
    assert (np.diff(brightness) >= 0).all() and len(set(brightness.tolist())) >= 29
    # 0.6 s before the contact is frame 27 of those that began 0.5 s before T0.
    assert given.still[64, 64, 0] == 27
    assert given.action[:, 7].max() == pytest.approx(8.0, rel=0.3) and given.action[0, 6] == pytest.approx(
        0.03
    )


def test_contact_without_a_place_is_where_the_tip_was() -> None:
    result = SynthesisCore(Model()).executed(Contact(T0 + S, "c1"), view(**measured()))
    assert result.position == pytest.approx((0.05, 0.0, 0.0), abs=2e-3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tip": (np.zeros(0, np.int64), np.zeros((0, 3)))}, Reason.NO_POSE),
        (frames(1.5, 20), Reason.NO_IMAGE),
    ],
)
def test_executed_says_what_is_missing(changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(CannotPredict) as said:
        SynthesisCore(Model()).executed(Contact(T0 + S, "c1"), view(**{**measured(), **changes}))
    assert said.value.reason == reason


# ---- what other models need --------------------------------------------------------------------------------
def test_a_model_is_given_what_it_needs() -> None:
    model = Model(frozenset({Input.TOOL, Input.CAMERA, Input.PICTURE}), frozenset({"planned"}))
    path = tap()
    tool = PlannedTool(
        ToolTrajectory("plan", path.times_ns, SE3(np.tile([1.0, 0, 0, 0], (150, 1)), path.tip), path.width),
        SE3.identity(),
    )
    result = SynthesisCore(model).planned(path, view(), tool)
    (given,) = model.given
    assert given.tool is tool and given.camera is CAMERA and given.contact_ns == result.contact_ns
    assert given.picture is not None and given.picture.shape == (240, 320, 3)
    with pytest.raises(CannotPredict, match="poses of the tool are not known") as said:
        SynthesisCore(model).planned(path, view())
    assert said.value.reason == Reason.BAD_TRAJECTORY
    with pytest.raises(CannotPredict, match="no frame from before") as said:
        SynthesisCore(model).planned(path, view(**frames(0.0, 0)), tool)
    blind = Model(frozenset({Input.TOOL}), frozenset({"planned"}))
    SynthesisCore(blind).planned(path, view(**frames(0.0, 0)), tool)
    assert blind.given[0].picture is None and blind.given[0].camera is None


def test_contacts_that_are_over_are_left_to_models_that_know_them() -> None:
    with pytest.raises(CannotPredict, match="makes no such predictions") as said:
        SynthesisCore(Model(modes=frozenset({"planned"}))).executed(Contact(T0 + S, "c1"), view(**measured()))
    assert said.value.reason == Reason.NOT_PREDICTED
