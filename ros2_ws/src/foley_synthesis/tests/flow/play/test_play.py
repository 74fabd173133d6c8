"""Motions in a scene that can be played, and what the flow is conditioned on by them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from foley_perception.action.gripper import GripperHand
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.views.cameras import ViewConfig
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.contact.synthetic import synthetic_field
from foley_synthesis.flow.inference.model import FlowModel
from foley_synthesis.flow.inference.motion import MotionError
from foley_synthesis.flow.networks import autoencoder, vector_field
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.play.contact_player import ContactPlayer
from foley_synthesis.flow.play.motions import (
    FINE_MOMENTS_S,
    MOMENTS_S,
    performed,
    strokes,
    surface_below,
    taps,
)
from foley_synthesis.flow.play.page import sheet, spectrogram, wav
from foley_synthesis.flow.play.player import Player, SceneContext
from foley_synthesis.flow.what import MATERIAL_COLUMNS, PRESENCE_COLUMN, WHAT_DIMS
from foley_synthesis.vision.coarse_colour import ColourEncoder

TIP = SE3.from_translation([0.0, 0.0, 0.05])
ABOVE = SE3.from_rotation_vector([np.pi, 0, 0], [0.1, 0.05, 0.25])  # a tool that points down
QUICK = SampleConfig(steps=2, guidance=1.0)


def table(height: float = 0.04) -> Gaussians:
    """A table top of 1 m by 1 m."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-0.5, 0.5, 60), np.linspace(-0.5, 0.5, 60)))
    points = torch.tensor(np.stack([x, y, 0 * x + height], -1), dtype=torch.float32)
    n = len(points)
    quats, scales = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[0.015, 0.015, 0.0005]])
    return Gaussians(
        points, quats.expand(n, 4), scales.expand(n, 3), torch.full((n,), 0.95), torch.rand(n, 1, 3)
    )


def player(**changes: object) -> Player:
    torch.manual_seed(0)
    encoder = ColourEncoder()
    coder = autoencoder.MelAutoencoder(autoencoder.SIZES["tiny"])
    coder.set_scale(torch.randn(4, 80, 500))
    field = vector_field.VectorField(vector_field.SIZES["tiny"](3 * encoder.dims))
    facts = {
        "encoder": {"name": "colour", "identity": encoder.identity},
        "views": ["global", "local_left", "local_right"],
        "without": "",
        **changes,
    }
    camera = CameraModel.looking_at([0, -0.9, 0.6], [0, 0, 0], width=160, height=120, fovy_deg=45.0)
    rest = SE3(np.tile(ABOVE.quaternion, (240, 1)), np.tile(ABOVE.translation, (240, 1)))
    scene = SceneContext("table", table(), camera, np.zeros(3), TIP, rest, 0.02)
    hand = GripperHand.from_yaml("parallel_gripper")
    return Player(FlowModel(coder.eval(), field.eval(), facts), encoder, scene, hand, ViewConfig(size=48))


# ---- motions -----------------------------------------------------------------------------------------------
def test_the_surface_under_a_point_is_found() -> None:
    np.testing.assert_allclose(
        surface_below(table(), np.array([0.1, 0.05, 0.3])), [0.1, 0.05, 0.04], atol=2e-3
    )
    with pytest.raises(MotionError, match=r"nothing is known to lie under \(0\.900, 0\.000, 0\.300\) m"):
        surface_below(table(), np.array([0.9, 0.0, 0.3]))
    with pytest.raises(MotionError):
        surface_below(table(), np.array([0.0, 0.0, 0.01]))  # it lies above


def test_taps_come_down_to_the_surface_so_many_times() -> None:
    surface = np.array([0.1, 0.05, 0.04])
    motion = taps(ABOVE, (ABOVE @ TIP).translation, surface, count=4, height_m=0.1)
    tip = (motion @ TIP).translation
    np.testing.assert_allclose(tip[:, :2] - surface[:2], 0.0, atol=1e-12)
    lift = tip[:, 2] - surface[2]
    assert lift.min() > -1e-12 and abs(lift.max() - 0.1) < 1e-9
    down = np.flatnonzero((lift[1:-1] < lift[:-2]) & (lift[1:-1] <= lift[2:]))
    assert len(down) == 4 and np.abs(np.diff(MOMENTS_S[down]) - 2.0).max() < 0.04
    assert (-np.diff(lift)[down]).min() > 0.2 / 30, "it is fast when it lands"
    np.testing.assert_allclose(motion.quaternion, np.tile(ABOVE.quaternion, (240, 1)))
    with pytest.raises(MotionError, match="count is 0"):
        taps(ABOVE, surface, surface, count=0)


def test_strokes_stay_on_the_level_that_they_landed_on() -> None:
    surface = np.array([0.1, 0.05, 0.04])
    tip = (strokes(ABOVE, (ABOVE @ TIP).translation, surface, length_m=0.06) @ TIP).translation
    on = np.abs(tip[:, 2] - surface[2]) < 1e-9
    assert 5.8 < on.sum() / 30 < 6.2 and tip[~on, 2].min() > surface[2]
    along = tip[:, 0] - surface[0]
    np.testing.assert_allclose(along[~on], 0.0, atol=1e-9)
    assert abs(along.max() - 0.03) < 1e-3 and abs(along.min() + 0.03) < 1e-3
    assert np.abs(np.diff(tip, axis=0)).max() < 0.1 / 30 * 1.5, "nowhere does it jump"


def test_what_is_performed_keeps_its_times() -> None:
    there = SE3(ABOVE.quaternion, np.add(ABOVE.translation, [0.0, 0.0, -0.1]))
    motion = performed([(0.0, ABOVE), (2.0, ABOVE), (3.0, there), (3.0, there)])
    height = motion.translation[:, 2]
    np.testing.assert_allclose(height[:61], 0.25)
    np.testing.assert_allclose(height[75], 0.20)
    np.testing.assert_allclose(height[90:], 0.15)
    np.testing.assert_allclose(performed([(0.0, ABOVE)]).translation, np.tile(ABOVE.translation, (240, 1)))
    with pytest.raises(MotionError, match="was not moved"):
        performed([])


# ---- the player ----------------------------------------------------------------------------------------
def test_a_motion_becomes_a_sound_and_a_seed_repeats_it() -> None:
    made = player()
    motion = made.preset("tap", ABOVE)
    played = made.play(motion, 3, QUICK)
    assert (
        played.sound.shape == (128_000,) and np.isfinite(played.sound).all() and played.mel.shape == (80, 500)
    )
    assert {n: len(p) for n, p in played.pictures.items()} == {
        "global": 32,
        "local_left": 0,
        "local_right": 32,
    }
    assert set(played.seconds) == {"views", "flow", "vocoder"}
    np.testing.assert_array_equal(made.play(motion, 3, QUICK).mel, played.mel)
    assert not np.array_equal(made.play(motion, 4, QUICK).mel, played.mel)
    assert not np.array_equal(made.play(made.preset("stroke", ABOVE), 3, QUICK).mel, played.mel)


def test_the_flow_is_conditioned_on_where_the_hand_is_and_what_is_seen_of_it() -> None:
    made = player()
    motion = made.preset("tap", ABOVE)
    part, pictures = made.condition(motion)
    hands = made.keypoints(motion)
    right = part.action.reshape(250, 2, 21, 3)[:, 1].numpy()
    np.testing.assert_allclose(right[125], hands[120, 1], atol=1e-6)  # the same moment at 31.25 and 30 Hz
    assert bool((part.action[..., :63] == 0).all()), "there is no left hand"
    seen = part.vision.reshape(250, 3, -1)
    assert bool((seen[:, 1] == 0).all())
    torch.testing.assert_close(seen[:, [0, 2]].norm(dim=-1), torch.ones(250, 2))
    dips = [int(picture.mean()) for picture in pictures["local_right"]]
    assert len(set(dips)) > 1, "the local view follows the tip"


def contact_player(sight: Any = None) -> ContactPlayer:
    torch.manual_seed(0)
    size = CodecConfig(
        latent=4, width=16, hidden=16, blocks=1, fine_width=16, fine_hidden=16, fine_blocks=1, rounds=1
    )
    model = ContactFlowModel(
        synthetic_field(), Codec(size).eval(), {"without": []}, "", ContactSampling(steps=2)
    )
    plain = player().scene
    rest = SE3(np.tile(ABOVE.quaternion, (1000, 1)), np.tile(ABOVE.translation, (1000, 1)))
    noise = 0.01 * np.random.default_rng(0).standard_normal(128_000).astype(np.float32)
    scene = dataclasses.replace(plain, motion=rest, sound=noise)
    return ContactPlayer(model, scene, GripperHand.from_yaml("parallel_gripper"), sight)


def test_a_contact_flow_is_played_at_the_rate_of_contacts() -> None:
    made = contact_player()
    motion = made.preset("tap", ABOVE)
    height = made.tip(motion)[:, 2] - 0.04
    assert height.shape == (1000,) and height.min() == pytest.approx(-0.003, abs=1e-3), (
        "it turns below the surface"
    )
    down = np.flatnonzero((height[1:] < 0) & (height[:-1] >= 0))
    assert len(down) == 5 and np.abs(np.diff(down) / 125 - 1.6).max() < 0.02
    played = made.play(motion, 3)
    assert played.sound.shape == (128_000,) and played.mel.shape == (80, 1000) and played.pictures == {}
    np.testing.assert_array_equal(made.play(motion, 3).sound, played.sound)
    assert not np.array_equal(made.play(motion, 4).sound, played.sound)
    assert made.sampling == SampleConfig(2, 1.0) and sheet(played).shape == (1, 1, 3)
    with pytest.raises(MotionError, match="has 1000 known poses"):
        made.play(player().scene.motion, 0)


class Eyes:
    """Sight that sees wood or metal, whichever is drawn."""

    features_id = "eyes"

    def around(self, tips: Any, things: Any, view: Any) -> Any:
        self.tips, self.ground, self.picture = tips, things.ground, view(tips[100])
        return self

    def over(self, tips: Any) -> Any:
        return self

    def posterior(self, seen: Any) -> Any:
        return self

    def draw(self, generator: np.random.Generator) -> Any:
        what = np.zeros((250, WHAT_DIMS), np.float32)
        what[:, MATERIAL_COLUMNS.start + int(generator.integers(2))] = what[:, PRESENCE_COLUMN] = 1.0
        return what


def test_each_sound_is_of_one_thing_that_sight_says_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    eyes, asked = Eyes(), []
    made = contact_player(eyes)
    motion = made.preset("tap", ABOVE)

    def sounds(self: Any, known: Any, noise: Any) -> Any:
        asked.append(known.what)
        return torch.zeros(len(noise), 128_000)

    monkeypatch.setattr(ContactFlowModel, "sounds", sounds)
    for seed in range(6):
        assert list(made.play(motion, seed).seconds) == ["surface", "sight", "flow and codec"]
    np.testing.assert_array_equal(eyes.tips, made.tip(motion))
    assert eyes.ground.height(eyes.tips[100, :2]) == pytest.approx(0.04, abs=2e-3)
    assert eyes.picture.ndim == 3 and eyes.picture.std() > 0
    materials = {int(what[0, 0, MATERIAL_COLUMNS].argmax()) for what in asked}
    assert materials == {0, 1} and asked[0].shape == (1, 250, WHAT_DIMS)
    made.play(motion, 0)
    assert torch.equal(asked[-1], asked[0]), "the same seed, the same possibility"


def test_what_somebody_does_is_smooth_where_contacts_are_told_apart() -> None:
    there = SE3(ABOVE.quaternion, np.add(ABOVE.translation, [0.0, 0.0, -0.1]))
    height = performed([(0.0, ABOVE), (2.0, ABOVE), (2.05, there)], FINE_MOMENTS_S).translation[:, 2]
    assert len(height) == 1000 and height[0] == pytest.approx(0.25) and height[-1] == pytest.approx(0.15)
    assert np.abs(np.diff(height, 2)).max() * 125**2 < 100, "[m/s^2], no step of its speed"


def test_what_cannot_be_played_says_why() -> None:
    made = player()
    with pytest.raises(MotionError, match="motion is `hop`, known are tap, stroke, recorded"):
        made.preset("hop", ABOVE)
    with pytest.raises(MotionError, match="has 240 known poses"):
        made.play(made.scene.motion[:100], 0)
    with pytest.raises(ValueError, match="saw its views through other-1"):
        player(encoder={"name": "other", "identity": "other-1"})


def test_the_page_shows_sounds_and_views() -> None:
    played = player().play(player().scene.motion, 0, QUICK)
    assert wav(played.sound).startswith("UklGR")  # RIFF
    assert sheet(played).shape == (320, 640, 3)
    picture = spectrogram(np.linspace(-1, 1, 80, dtype=np.float32)[:, None].repeat(5, 1))
    assert picture.shape == (80, 5, 3) and picture[0].mean() > 200 > 50 > picture[-1].mean()
