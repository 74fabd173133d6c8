"""Messages to the cores' types and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from foley_common.enumerations import ACTIONS
from foley_msgs.msg import ContactEvent, MaterialEstimate, PredictedAudio
from foley_ros import convert as common
from foley_synthesis.beliefs.belief import unknown_belief
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.live.synthesis_core import Predicted
from foley_synthesis.ros import convert
from foley_synthesis.sound_model import PredictedSound

WORDS = Vocabulary("foley_materials", "1a", ("wood", "metal"))
T = 1_763_000_000_250_000_000


def contact(**changes: Any) -> ContactEvent:
    message = ContactEvent(
        header=common.header(T, "world"), contact_id="c1", action=ContactEvent.ACTION_SCRATCH, confidence=0.5
    )
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_contact() -> None:
    read = convert.contact_of(
        contact(object_id="mug", plan_id="p", position=common.array_to_point([1, 2, 3]))
    )
    assert (read.contact_id, read.time_ns, read.object_id, read.plan_id) == ("c1", T, "mug", "p")
    assert (read.position, read.frame_id, read.action, read.confidence) == (
        (1, 2, 3),
        "world",
        ContactEvent.ACTION_SCRATCH,
        0.5,
    )
    assert read.action_name == "scratch"
    assert convert.contact_of(contact(action=200)).action_name == "unknown"


def test_actions_are_those_of_the_message() -> None:
    values = {
        name.removeprefix("ACTION_").lower(): getattr(ContactEvent, name)
        for name in dir(ContactEvent)
        if name.startswith("ACTION_")
    }
    assert values == {name: value for value, name in enumerate(ACTIONS)}


@pytest.mark.parametrize("changes", [{"contact_id": ""}, {"header": common.header(0, "world")}])
def test_contact_without_id_or_time_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(common.ConversionError, match="contact_id"):
        convert.contact_of(contact(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contact_id": "c" * 300}, "contact_id of a contact event has 300 characters"),
        ({"object_id": "o" * 10_000_000}, "10000000 characters"),
        ({"position": common.array_to_point([1e308, 0, 0])}, "must be in metres"),
        ({"position": common.array_to_point([0, math.inf, 0])}, "must be in metres"),
        ({"header": common.header(T + 3600 * 10**9, "world")}, "3600 s ahead of this node's clock"),
    ],
)
def test_what_can_be_no_contact_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(common.ConversionError, match=said) as error:
        convert.contact_of(contact(**changes), now_ns=T)
    assert len(str(error.value)) < 300


def test_a_sound_that_does_not_hold_its_contact_is_not_expected() -> None:
    message = convert.predicted_audio_message(
        prediction(), plan_id="p", mode=0, frame_id="world", newest_input_ns=T, now_ns=T
    )
    assert convert.expected_of(message, T) is not None
    message.predicted_contact_time.sec += 100
    with pytest.raises(common.ConversionError, match="its contact 100"):
        convert.expected_of(message, T)
    message.predicted_contact_time.sec -= 100
    message.audio.sample_rate = 2**32 - 1
    with pytest.raises(common.ConversionError, match="4294967295 Hz"):
        convert.expected_of(message, T)


def prediction() -> Predicted:
    sound = np.linspace(-0.5, 0.5, 48_000, dtype=np.float32)
    features = np.arange(900, dtype=np.float32).reshape(90, 10)
    cochleagram = np.zeros((90, 42), np.float32)
    belief = unknown_belief(WORDS.labels, "test")
    made = PredictedSound(
        sound, 48_000, 0.3, model_id="abc", features=features, cochleagram=cochleagram, belief=belief
    )
    return Predicted(T, (0.1, 0.2, 0.3), made, None)


def test_predicted_audio_and_back() -> None:
    message = convert.predicted_audio_message(
        prediction(),
        plan_id="p",
        mode=PredictedAudio.MODE_PLANNED,
        frame_id="world",
        newest_input_ns=T - 900_000_000,
        now_ns=T - 800_000_000,
    )
    assert message.lead_time == pytest.approx(0.8) and message.latency == pytest.approx(0.1)
    assert common.to_ns(message.predicted_contact_time) == T
    assert common.to_ns(message.audio.header.stamp) == T - 300_000_000
    assert np.asarray(message.features).reshape(-1, message.features_dims)[89, 9] == 899
    assert (message.model_id, message.solver_steps, message.seed) == ("abc", 0, 0)
    assert message.features_rate == 90.0
    sound = convert.expected_of(message)
    assert sound is not None
    assert (sound.contact_ns, sound.plan_id, sound.sample_rate) == (T, "p", 48_000)
    assert sound.onset_s == pytest.approx(0.3) and sound.position == pytest.approx((0.1, 0.2, 0.3))
    np.testing.assert_array_equal(sound.samples, prediction().prediction.waveform)
    message.predicted_contact_time = common.to_stamp(0)
    assert convert.expected_of(message) is None


def test_message_filters_pair_a_predicted_sound_with_what_was_heard_when_it_was_expected() -> None:
    filters = pytest.importorskip("message_filters")
    predicted, heard = filters.SimpleFilter(), filters.SimpleFilter()
    pairs: list[tuple[str, int]] = []
    together = filters.ApproximateTimeSynchronizer([predicted, heard], 100, 0.006)
    together.registerCallback(lambda p, h: pairs.append((p.stream_id, h.first_sample)))
    message = convert.predicted_audio_message(
        prediction(), plan_id="plan_7", mode=0, frame_id="world", newest_input_ns=T, now_ns=T
    )
    predicted.signalMessage(message.audio)
    start_ns = common.to_ns(message.audio.header.stamp)
    for index in range(-3, 4):
        chunk = common.array_to_audio(
            np.zeros(480), time_ns=start_ns + index * 10**7 + 10**6, frame_id="microphone", stream_id="m",
            first_sample=480 * (index + 10), sample_rate=48_000,
        )  # fmt: skip
        heard.signalMessage(chunk)
    assert pairs == [("plan_7/planned", 4800)]


def test_a_sound_of_another_rate_without_features() -> None:
    made = PredictedSound(np.ones(16_000, np.float32), 16_000, 0.25, model_id="abc", solver_steps=7, seed=3)
    message = convert.predicted_audio_message(
        Predicted(T, (0.1, 0.2, 0.3), made, None),
        plan_id="p",
        mode=PredictedAudio.MODE_PLANNED,
        frame_id="world",
        newest_input_ns=T - 900_000_000,
        now_ns=T + 2_000_000_000,
    )
    assert (message.audio.sample_rate, message.solver_steps, message.seed) == (16_000, 7, 3)
    assert (message.features_dims, len(message.features), message.features_rate) == (0, 0, 0.0)
    assert message.lead_time == pytest.approx(-2.0)
    sound = convert.expected_of(message)
    assert sound is not None and sound.sample_rate == 16_000 and sound.onset_s == pytest.approx(0.25)


def test_no_estimate_says_nothing() -> None:
    message = convert.no_estimate_message(T)
    assert message.abstain and not message.probabilities and message.vocabulary == ""
    assert math.isnan(message.log10_youngs_modulus_mean) and math.isnan(message.roughness)


def estimate(**changes: Any) -> MaterialEstimate:
    message = convert.estimate_message(
        unknown_belief(WORDS.labels, "test"),
        WORDS,
        time_ns=T,
        frame_id="world",
        position=(0.0, 0.0, 0.0),
        object_id="",
        contacts=(0, 1),
        model_id="abc",
        model_domain="sim",
        latency_s=0.1,
    )
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_sight() -> None:
    evidence = convert.sight_of(estimate(), WORDS)
    assert (evidence.kind, evidence.time_ns, evidence.belief.abstain) == ("seen", T, True)
    assert evidence.belief.probabilities == pytest.approx((0.5, 0.5)) and math.isnan(
        evidence.belief.log10_e_mean
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vocabulary": "other@1"}, "same checkpoint"),
        ({"header": common.header(0, "world")}, "stamp"),
        ({"probabilities": common.float_array([-0.5, 1.5])}, "probabilities"),
        ({"roughness": math.inf}, "roughness"),
        ({"roughness": 40.0}, "roughness"),
        ({"log10_youngs_modulus_mean": 9.5, "log10_youngs_modulus_std": math.inf}, "logarithm of pascals"),
        ({"log10_youngs_modulus_mean": math.inf, "log10_youngs_modulus_std": 1.0}, "logarithm of pascals"),
        ({"log10_youngs_modulus_mean": 9.5, "log10_youngs_modulus_std": 1e-30}, "logarithm of pascals"),
        ({"object_id": "o" * 300}, "300 characters"),
    ],
)
def test_bad_sight_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(common.ConversionError, match=said):
        convert.sight_of(estimate(**changes), WORDS)


def test_unsure_sight_is_fit_to_be_fused_where_it_is_calibrated() -> None:
    assert not convert.sight_of(estimate(), WORDS).belief.fit
    calibrated = convert.sight_of(estimate(calibrated_for="sim: one predicted contact"), WORDS)
    assert calibrated.belief.fit and calibrated.belief.abstain


def said(**changes: Any) -> MaterialEstimate:
    """What an image model says of a mug."""
    defaults = {"object_id": "mug", "abstain": False, "probabilities": common.float_array([0.8, 0.2])}
    return estimate(**{**defaults, **changes})


def test_an_image_model_says_probabilities_and_nothing_else() -> None:
    evidence = convert.vision_of(said(roughness=0.0, log10_youngs_modulus_mean=9.0), WORDS)
    assert (evidence.kind, evidence.time_ns) == ("vision", T) and evidence.belief.fit
    assert evidence.belief.probabilities == pytest.approx((0.8, 0.2))
    assert math.isnan(evidence.belief.roughness) and math.isnan(evidence.belief.log10_e_mean)
    nowhere = common.array_to_point((math.nan,) * 3)
    assert math.isnan(convert.vision_of(said(position=nowhere), WORDS).position[0])
    assert convert.vision_of(said(object_id=""), WORDS).position == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vocabulary": "imagenet@1"}, "map the labels"),
        ({"header": common.header(0, "world")}, "time of the picture"),
        ({"header": common.header(T + 10**13, "world")}, "ahead"),
        ({"object_id": "", "position": common.array_to_point((math.nan,) * 3)}, "neither an object_id nor"),
        ({"position": common.array_to_point((math.inf, 0.0, 0.0))}, "position"),
        ({"probabilities": common.float_array([])}, "0 probabilities"),
        ({"probabilities": common.float_array([0.3, 0.3, 0.4])}, "3 probabilities"),
        ({"probabilities": common.float_array([0.8, 0.8])}, "sum to 1.6"),
        ({"probabilities": common.float_array([math.nan, 1.0])}, "sum to nan"),
        ({"probabilities": common.float_array([-0.5, 1.5])}, "from -0.5"),
    ],
)
def test_what_an_image_model_cannot_say_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(common.ConversionError, match=told):
        convert.vision_of(said(**changes), WORDS, now_ns=T)


def test_sight_of_another_model_is_refused_where_one_was_fitted() -> None:
    assert convert.sight_of(estimate(), WORDS, "abc").kind == "seen"
    with pytest.raises(common.ConversionError, match="fitted for `other`"):
        convert.sight_of(estimate(), WORDS, "other")
