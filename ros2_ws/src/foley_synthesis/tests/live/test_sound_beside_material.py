"""Two models as one: whose sound, whose belief, and what both need."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.live.sound_beside_material import beside
from foley_synthesis.sound_model import (
    ContactQuery,
    HeardTouch,
    Input,
    Mode,
    PredictedSound,
    SoundModel,
    StreamingSoundModel,
)

WORDS = Vocabulary("test", "1", ("wood", "metal"))


@dataclasses.dataclass
class Model:
    """A model that keeps what it was asked."""

    model_id: str
    needs: frozenset[Input]
    modes: frozenset[Mode]
    vocabulary: Vocabulary | None = None
    belief: MaterialBelief | None = None
    domain: str = "sim"
    note: str = ""
    wants: frozenset[Input] = frozenset()
    warm: bool = False

    def __post_init__(self) -> None:
        self.asked: list[Mode] = []

    def warm_up(self) -> None:
        self.warm = True

    def predict(self, query: ContactQuery) -> PredictedSound:
        self.asked.append(query.mode)
        sound = np.full(16, len(self.model_id), np.float32)
        return PredictedSound(sound, 16_000, 0.25, query.mode, self.model_id, belief=self.belief)


class Streaming(Model):
    """One that can go on."""

    def stream(self, start_ns: int) -> tuple[str, int]:
        return self.model_id, start_ns

    def hear(self, samples: np.ndarray, sample_rate: int) -> None:
        self.heard = (len(samples), sample_rate)

    remembers_s = (0.5, 0.75)

    def remember(self, touch: HeardTouch) -> None:
        self.remembered = touch


def belief() -> MaterialBelief:
    return MaterialBelief((0.25, 0.75), WORDS.labels)


@pytest.fixture
def flow() -> Streaming:
    return Streaming("flow", frozenset({Input.TOOL}), frozenset({"planned", "executed"}), note="not heard")


@pytest.fixture
def vis() -> Model:
    both: frozenset[Mode] = frozenset({"planned", "executed"})
    return Model("vision", frozenset({Input.STILL, Input.ACTION}), both, WORDS, belief(), domain="real")


def test_sound_is_of_the_one_and_belief_of_the_other(flow: Streaming, vis: Model) -> None:
    model = beside(flow, vis)
    said = model.predict(ContactQuery())
    assert said.waveform[0] == len("flow") and (said.model_id, said.belief_model_id) == ("flow", "vision")
    assert said.belief is vis.belief
    assert (model.model_id, model.domain, model.vocabulary) == ("flow", "real", WORDS)
    assert model.needs == {Input.TOOL, Input.STILL, Input.ACTION} and model.note == "not heard"


def test_after_a_touch_only_the_sound_is_asked_for(flow: Streaming, vis: Model) -> None:
    frames = np.zeros((30, 8, 8, 3), np.uint8)
    said = beside(flow, vis).predict(ContactQuery(frames=frames))
    assert said.mode == "executed" and said.belief is None and (flow.asked, vis.asked) == (["executed"], [])


def test_only_a_sound_that_goes_on_goes_on(flow: Streaming, vis: Model) -> None:
    model = beside(flow, vis)
    assert isinstance(model, StreamingSoundModel) and model.stream(7) == ("flow", 7)
    model.hear(np.zeros(5, np.float32), 48_000)
    model.warm_up()
    assert flow.heard == (5, 48_000) and flow.warm and vis.warm
    whole = Model("paper", frozenset({Input.TOOL}), frozenset({"planned"}))
    other: SoundModel = beside(whole, vis)
    assert not isinstance(other, StreamingSoundModel) and other.modes == {"planned"}


def test_a_model_without_beliefs_is_refused(flow: Streaming) -> None:
    with pytest.raises(ValueError, match="says nothing of materials"):
        beside(flow, flow)
