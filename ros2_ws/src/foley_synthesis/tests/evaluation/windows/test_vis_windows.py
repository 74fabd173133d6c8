"""VIS as a model of windows: a sound where the plan comes down, and nowhere else."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from foley_perception.action.contact_motion import tip_heights
from foley_perception.action.gripper import GripperHand
from foley_synthesis.evaluation.windows.models import load_window_model
from foley_synthesis.evaluation.windows.vis_windows import TOUCH_M, VisWindows
from foley_synthesis.flow.regression.template import touches_of
from foley_synthesis.flow.session_features import session_features
from foley_synthesis.flow.window_model import EvaluationWindow

RATE = 16_000


def _sessions() -> Any:
    place = Path(__file__).parents[2] / "flow" / "session_files.py"
    spec = importlib.util.spec_from_file_location("session_files_of_vis", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_sound_is_where_the_plan_comes_down(tiny_checkpoint: Path) -> None:
    blind = _sessions().falling_session(12.0)
    view = cv2.imencode(".png", np.full((224, 224, 3), 90, np.uint8))[1].tobytes()
    views = {
        "view_bytes": np.frombuffer(view * 48, np.uint8).copy(),
        "view_offsets": (np.arange(49) * len(view)).astype(np.int64),
    }
    planned = blind.planned_pose.copy()
    planned[525:775, 2] += 0.1  # from 4.2 to 6.2 s it stays away
    facts = {**blind.facts, "view_names": ["local_right"]}
    session = dataclasses.replace(blind, facts=facts, planned_pose=planned, **views)
    model = load_window_model(tiny_checkpoint)
    assert isinstance(model, VisWindows) and model.given == "plan" and len(model.model_id) == 64
    window = EvaluationWindow(session, 1.6)
    made = model.draw([window], 3, 0)
    assert made.shape == (1, 1, 8 * RATE) and np.isfinite(made).all()
    features = session_features(session, GripperHand.from_yaml("parallel_gripper"))
    rows = touches_of(tip_heights(np.asarray(features.planned, np.float32)), TOUCH_M).rows
    touched_s = rows / 125 - 1.6
    inside = touched_s[(touched_s > 0.3) & (touched_s < 7.0)]
    assert len(inside) >= 1
    heard = np.zeros(8 * RATE, bool)
    for at in touched_s:
        heard[max(round((at - 0.27) * RATE), 0) : max(round((at + 0.77) * RATE), 0)] = True
    room = model._room(window)
    np.testing.assert_array_equal(made[0, 0][~heard], room[~heard])
    assert not heard.all() and 1e-4 < room.std() < 3e-3, "noise of 0.001 was heard before"
    for at in inside:
        after = (made[0, 0] - room)[round(at * RATE) : round((at + 0.2) * RATE)]
        assert np.abs(after).max() > 0
    assert model.score(window, made[0]) is None
    later = EvaluationWindow(session, (round(float(rows[1])) + 112) * 0.008)
    assert np.isfinite(model.draw([later], 1, 0)).all(), "a touch whose sound is over when the window begins"
    with pytest.raises(ValueError, match="has no views, VIS looks at the place"):
        model.draw([EvaluationWindow(blind, 1.6)], 1, 0)
