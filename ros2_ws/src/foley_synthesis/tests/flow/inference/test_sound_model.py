"""A flow behind the contract of sound models: what it needs, where the contact lies, what it says of its sound."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import save_ply
from foley_perception.gaussians.views.cameras import ViewConfig, Views
from foley_perception.gaussians.views.picture_views import PictureViews
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.inference.model import FlowModel
from foley_synthesis.flow.inference.motion import MotionCondition, MotionError
from foley_synthesis.flow.inference.scene import Scene, SceneError, load_scene
from foley_synthesis.flow.inference.sound_model import FlowSoundModel, window_motion
from foley_synthesis.flow.networks import autoencoder, vector_field
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.sound_model import ContactQuery, Input, PlannedTool, SoundModel
from foley_synthesis.vision.coarse_colour import ColourEncoder

S = 1_000_000_000
T0 = 1_763_000_000 * S
TIP = SE3.from_translation([0.0, 0.0, 0.05])
HAND = GripperHand.from_yaml("parallel_gripper")
CAMERA = CameraModel.looking_at([0, -0.9, 0.6], [0, 0, 0], width=160, height=120, fovy_deg=45.0)
QUICK = SampleConfig(steps=2, guidance=1.0)


def table() -> Gaussians:
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-0.5, 0.5, 40), np.linspace(-0.5, 0.5, 40)))
    points = torch.tensor(np.stack([x, y, 0 * x], -1), dtype=torch.float32)
    n = len(points)
    quats, scales = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[0.02, 0.02, 0.0005]])
    return Gaussians(
        points, quats.expand(n, 4), scales.expand(n, 3), torch.full((n,), 0.95), torch.rand(n, 1, 3)
    )


def flow(**facts: Any) -> FlowModel:
    torch.manual_seed(0)
    encoder = ColourEncoder()
    coder = autoencoder.MelAutoencoder(autoencoder.SIZES["tiny"])
    coder.set_scale(torch.randn(4, 80, 500))
    field = vector_field.VectorField(vector_field.SIZES["tiny"](3 * encoder.dims))
    content = {
        "encoder": {"name": "colour", "identity": encoder.identity},
        "views": ["global", "local_left", "local_right"],
        "without": "",
        "dataset": {"domain": "sim"},
        **facts,
    }
    return FlowModel(coder.eval(), field.eval(), content, model_id="f" * 64)


def model(scene: Scene | None = None, seed: int = 1, **facts: Any) -> FlowSoundModel:
    blind = facts.get("without") == "vision"
    return FlowSoundModel(
        flow(**facts),
        None if blind else ColourEncoder(),
        HAND,
        scene=scene,
        sampling=QUICK,
        seed=seed,
        views=ViewConfig(size=48),
    )


def tap(contact_s: float = 1.0, x: float = 0.1) -> PlannedTool:
    """A tool that points down, comes down within a second and goes up again; 100 poses a second."""
    seconds = np.arange(0.0, 1.5, 0.01)
    height = 0.05 + 0.3 * np.abs(seconds - contact_s)
    quaternions = np.tile([1.0, 0.0, 0.0, 0.0], (150, 1))
    path = np.stack([np.full(150, x), np.zeros(150), height], axis=1)
    times = T0 + np.round(seconds * S).astype(np.int64)
    return PlannedTool(ToolTrajectory("plan", times, SE3(quaternions, path), np.full(150, 0.03)), TIP)


def query(**changes: Any) -> ContactQuery:
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    base = ContactQuery(contact_ns=T0 + S, picture=picture, camera=CAMERA, tool=tap())
    return dataclasses.replace(base, **changes)


# ---- the window --------------------------------------------------------------------------------------------
def test_the_contact_lies_in_the_middle_of_the_window_and_the_hand_rests_around_the_plan() -> None:
    motion = window_motion(tap(), T0 + S - 4 * S)
    height = motion.tips[:, 2]
    assert motion.poses.batch == (240,) and int(np.argmin(height)) == 120
    assert height[120] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(height[:90], height[0]), "before the plan begins 1 s before the contact"
    assert height[0] == pytest.approx(0.3) and height[-1] == pytest.approx(0.3 * 0.49, abs=1e-6)
    np.testing.assert_allclose(motion.width, 0.03)


def test_poses_that_are_not_known_are_left_out() -> None:
    tool = tap()
    holed = tool.trajectory.poses.translation.copy()
    holed[20:25] = np.nan
    poses = SE3(tool.trajectory.poses.quaternion, holed)
    part = PlannedTool(dataclasses.replace(tool.trajectory, poses=poses), TIP)
    whole = window_motion(tool, T0 - 3 * S)
    np.testing.assert_allclose(window_motion(part, T0 - 3 * S).tips, whole.tips, atol=1e-9)
    holed[1:] = np.nan
    with pytest.raises(MotionError, match="plan `plan` has 1 known poses"):
        window_motion(
            PlannedTool(dataclasses.replace(tool.trajectory, poses=SE3(poses.quaternion, holed)), TIP), T0
        )


# ---- predictions -------------------------------------------------------------------------------------------
def test_a_planned_contact_becomes_one_second_at_16_khz() -> None:
    made: SoundModel = model(seed=5)
    made.warm_up()
    sound = made.predict(query())
    assert sound.waveform.shape == (16_000,) and sound.waveform.dtype == np.float32
    assert np.isfinite(sound.waveform).all() and np.abs(sound.waveform).max() > 0
    assert (sound.sample_rate, sound.onset_s, sound.mode) == (16_000, 0.25, "planned")
    assert (sound.solver_steps, sound.seed, sound.model_id) == (2, 5, "f" * 64)
    assert sound.features is None and sound.belief is None and made.vocabulary is None
    np.testing.assert_array_equal(made.predict(query()).waveform, sound.waveform)
    assert not np.array_equal(model(seed=6).predict(query()).waveform, sound.waveform)
    assert not np.array_equal(made.predict(query(tool=tap(x=-0.1))).waveform, sound.waveform)


def test_while_the_hand_rests_its_views_are_made_once() -> None:
    class Counting(PictureViews):
        calls = 0

        def views(self, *arguments: Any, **more: Any) -> Views:
            Counting.calls += 1
            return super().views(*arguments, **more)

    made = query()
    assert made.picture is not None and made.tool is not None
    source = Counting(made.picture, CAMERA, ViewConfig(size=48))
    condition = MotionCondition(flow(), ColourEncoder(), HAND)
    batch, pictures = condition(window_motion(made.tool, T0 + S - 4 * S), source)
    assert 6 <= Counting.calls <= 9, "the plan lasts 1.5 s of 8 s"
    assert len(pictures["global"]) == 32 == len(pictures["local_right"])
    seen = batch.vision[0].reshape(250, 3, -1)
    assert bool((seen[:90] == seen[0]).all()), "the plan begins 3 s after the window"
    assert not bool((seen[125, 2] == seen[0, 2]).all())
    torch.testing.assert_close(seen[:, [0, 2]].norm(dim=-1), torch.ones(250, 2))


def test_the_clip_is_cut_around_the_contact() -> None:
    class Marked:
        """A vocoder whose sound says which frame of the spectrogram it is of."""

        def waveform(self, mel: np.ndarray) -> np.ndarray:
            return np.repeat(mel[0], 256)

    made = FlowSoundModel(dataclasses.replace(flow(), vocoder=Marked()), ColourEncoder(), HAND)
    clip, onset_s = made._clip(np.tile(np.arange(500, dtype=np.float32), (80, 1)))
    assert clip.shape == (16_000,) and onset_s == 0.25
    assert clip[4000] == 250, "the contact is at 4 s: frame 250 of 62.5 a second"
    assert clip[0] == 234 and clip[-1] == 296


def test_without_a_scene_the_cameras_picture_is_looked_at_and_that_is_said() -> None:
    made = model()
    assert made.needs == {Input.TOOL, Input.CAMERA, Input.PICTURE} and made.modes == {"planned"}
    assert "no scene is given" in made.note
    other = np.zeros((120, 160, 3), np.uint8)
    assert not np.array_equal(made.predict(query(picture=other)).waveform, made.predict(query()).waveform)


def test_with_a_scene_its_views_are_rendered(tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    save_ply(table(), folder / "scene.ply")
    (folder / "scene.json").write_text(json.dumps({"scene_id": "bench", "focus": [0.0, 0.0, 0.0]}))
    scene = load_scene(folder)
    assert scene.name == "bench"
    made = model(scene)
    assert made.needs == {Input.TOOL, Input.CAMERA} and made.note == ""
    first = made.predict(query(picture=None)).waveform
    np.testing.assert_array_equal(made.predict(query()).waveform, first), "the picture is not looked at"
    kept = made._renderer
    moved = dataclasses.replace(
        CAMERA, tx_world_camera=SE3.from_translation([0.1, 0, 0]) @ CAMERA.tx_world_camera
    )
    assert not np.array_equal(made.predict(query(camera=moved)).waveform, first)
    assert made._renderer is not kept, "another camera sees another background"
    for content, told in (("{", "reconstruct the scene again"), ('{"focus": [0, 1]}', "focus is")):
        (folder / "scene.json").write_text(content)
        with pytest.raises(SceneError, match=told):
            load_scene(folder)
    with pytest.raises(SceneError, match="not found; name a folder that `foley scene reconstruct` wrote"):
        load_scene(tmp_path)


def test_a_flow_without_vision_needs_the_plan_only() -> None:
    made = model(without="vision")
    assert made.needs == {Input.TOOL} and made.note == ""
    assert made.predict(query(picture=None, camera=None)).waveform.shape == (16_000,)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tool": None}, "planned poses of the tool"),
        ({"camera": None}, "lacks the camera"),
        ({"picture": None}, "camera's picture"),
        ({"frames": np.zeros((30, 128, 128, 3), np.uint8)}, "planned contacts only"),
    ],
)
def test_a_query_that_lacks_something_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        model().predict(query(**changes))


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="seed is 0"):
        model(seed=0)
    with pytest.raises(ValueError, match="saw its views through other-1"):
        model(encoder={"name": "other", "identity": "other-1"})
    with pytest.raises(ValueError, match="needs an encoder"):
        FlowSoundModel(flow(), None, HAND)
