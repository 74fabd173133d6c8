import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foley_perception.action.contact_motion import NAMES
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.contact.seen import SeenConditions, SeenContactFlow, told
from foley_synthesis.flow.contact.synthetic import CONTENT, synthetic_field
from foley_synthesis.flow.contact.window_conditions import WindowConditions
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.flow.what import WHAT_DIMS

FRAMES = 250
WINDOW = SimpleNamespace(window_id="a-000000")


class FixedConditions(WindowConditions):
    """The same motion for every window; nothing is known of what is touched."""

    def of(self, window: object, codec: Codec) -> ContactCondition:  # type: ignore[override]
        motion = torch.zeros(1, 4 * FRAMES, len(NAMES))
        return ContactCondition(motion, torch.tensor([False]), torch.zeros(1, 80))


class OneOfTwo:
    """Sight that is sure of nothing: wood or metal, by the seed."""

    train_scenes = frozenset({"seen-scene"})

    def draw(self, window: object, seed: int) -> NDArray[np.float32]:
        return self.rows(seed % 2)

    def expected(self, window: object) -> NDArray[np.float32]:
        return (self.rows(0) + self.rows(1)) / 2

    @staticmethod
    def rows(column: int) -> NDArray[np.float32]:
        what = np.zeros((FRAMES, WHAT_DIMS), np.float32)
        what[:, column] = 1.0
        return what


@pytest.fixture(scope="module")
def model() -> ContactFlowModel:
    torch.manual_seed(0)
    field = synthetic_field()
    with torch.no_grad():
        for value in field.parameters():
            value.add_(0.2 * torch.randn(value.shape))  # its last layer begins at 0
    fine = {"fine_width": 16, "fine_hidden": 16, "fine_blocks": 1}
    codec = Codec(CodecConfig(latent=CONTENT, width=16, hidden=16, blocks=1, rounds=0, **fine)).eval()
    return ContactFlowModel(
        field, codec, {"train_scenes": ["flow-scene"]}, "id", ContactSampling(steps=2), FixedConditions()
    )


def test_each_sound_is_of_one_draw_of_what_is_touched(model: ContactFlowModel) -> None:
    seen = OneOfTwo()
    flow = SeenContactFlow(model, seen)  # type: ignore[arg-type]
    first = flow.draw([WINDOW], 2, 3)  # type: ignore[list-item]
    assert first.shape == (1, 2, 512 * FRAMES) and np.isfinite(first).all()
    assert np.array_equal(first, flow.draw([WINDOW], 2, 3))  # type: ignore[list-item]
    condition = model.conditions.of(WINDOW, model.codec)  # type: ignore[arg-type]
    latent = model.draw([WINDOW], 2, 3)  # type: ignore[list-item]
    assert np.abs(latent - first).max() > 1e-4  # told nothing, it says something else
    wood, metal = (told(condition, seen.rows(k)) for k in range(2))
    noise = torch.randn(1, CONTENT + 1, FRAMES)[:, : model.field.config.latent]
    assert float((model.sounds(wood, noise) - model.sounds(metal, noise)).abs().max()) > 1e-4
    assert flow.train_scenes == {"flow-scene", "seen-scene"} and flow.given == "plan"


def test_what_is_expected_is_told_where_nothing_is_drawn(
    model: ContactFlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = OneOfTwo()

    class Told(FixedConditions):
        def of(self, window: object, codec: Codec) -> ContactCondition:
            return told(super().of(window, codec), seen.expected(window))

    expecting = dataclasses.replace(model, conditions=Told()).draw([WINDOW], 1, 0)  # type: ignore[list-item]
    monkeypatch.setattr(WindowConditions, "of", FixedConditions.of)
    flow = SeenContactFlow(model, seen, drawn=False)  # type: ignore[arg-type]
    assert np.array_equal(flow.draw([WINDOW], 1, 0), expecting)  # type: ignore[list-item]
    assert np.abs(SeenContactFlow(model, seen).draw([WINDOW], 1, 0) - expecting).max() > 1e-4  # type: ignore[arg-type, list-item]


def test_sight_does_not_stand_beside_the_truth() -> None:
    with pytest.raises(ValueError, match="in place of the truth"):
        SeenConditions(told="true", seen=OneOfTwo())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="in place of the truth"):
        SeenConditions()
