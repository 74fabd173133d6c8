"""The material node over real middleware: contacts and sound to beliefs, predicates and surprise."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.nodes


def _world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_world", Path(__file__).parents[1] / "live_world.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _world().make_checkpoint(tmp_path_factory.mktemp("model"))
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["surprise_calibration"] = {
        "distance_name": "cochleagram_l2",
        "distances": [0.1 + 0.005 * i for i in range(99)],
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


class Ears:
    """What a planner would listen to."""

    def __init__(self, context: Any) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        from foley_msgs.msg import MaterialEstimate, PredicateArray, PredictedAudio, Surprise, VocabularyInfo
        from foley_ros import qos

        self.context, self.world = context, _world()
        self.observer = context.create_node()
        self.bench = self.world.Bench(self.observer)
        self.estimates: list[Any] = []
        self.snapshots: list[Any] = []
        self.surprises: list[Any] = []
        self.vocabularies: list[Any] = []
        self.diagnoses: list[str] = []
        listen = self.observer.create_subscription
        listen(MaterialEstimate, "material_estimates", self.estimates.append, qos.EVENT)
        listen(PredicateArray, "predicates", self.snapshots.append, qos.LATCHED)
        listen(Surprise, "surprise", self.surprises.append, qos.EVENT)
        listen(VocabularyInfo, "vocabulary", self.vocabularies.append, qos.LATCHED)
        listen(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.predicted_audio = self.observer.create_publisher(PredictedAudio, "predicted_audio", qos.EVENT)
        self.predicted = self.observer.create_publisher(MaterialEstimate, "predicted_material", qos.EVENT)
        self.vision = self.observer.create_publisher(MaterialEstimate, "vision_material", qos.EVENT)

    def _on_diagnostics(self, message: Any) -> None:
        self.diagnoses += [s.message for s in message.status if s.name.endswith("material")]

    def matched(self) -> None:
        looks = (self.predicted, self.vision)
        publishers = (self.bench.audio, self.bench.contact, *looks, self.predicted_audio)
        self.context.spin_until(
            lambda: (
                all(p.get_subscription_count() for p in publishers)
                and self.observer.count_publishers("material_estimates")
            ),
            what="matching",
        )

    def until(self, condition: Any, what: str, timeout_s: float = 10.0) -> Any:
        return self.context.spin_until(condition, timeout_s, f"{what}; diagnosed {set(self.diagnoses)}")

    def touch(self, contact_id: str = "c1", samples: Any = None, *, rate: int = 48_000, **event: Any) -> int:
        """A contact that happened half a second ago, then its sound. Returns its onset."""
        samples = self.world.ping() if samples is None else samples
        start_ns = self.world.now_ns() - 800_000_000
        onset_ns = start_ns + 250_000_000
        self.bench.contact.publish(self.world.contact_message(contact_id, onset_ns, **event))
        self.bench.hear(samples, start_ns, rate=rate, stream_id=contact_id)
        return int(onset_ns)

    def states(self, object_id: str) -> dict[str, int]:
        if not self.snapshots:
            return {}
        return {p.name: p.state for p in self.snapshots[-1].predicates if p.arguments == [object_id]}


@pytest.fixture
def ears(ros_context: Any) -> Ears:
    return Ears(ros_context)


@pytest.fixture
def node(ears: Ears, checkpoint: Path, tmp_path: Path) -> Iterator[Any]:
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.parameter import Parameter

    from foley_synthesis.nodes.material import MaterialNode

    parameters = {"checkpoint": str(checkpoint), "state_file": str(tmp_path / "beliefs.json")}
    node = ears.context.add(
        MaterialNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
    )
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS, node._failure
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    ears.matched()
    yield node
    node._quietly(node._release)


def test_contact_and_sound_become_estimates_and_predicates(ears: Ears, node: Any, tmp_path: Path) -> None:
    onset_ns = ears.touch("c1", object_id="mug")
    ears.until(lambda: len(ears.estimates) >= 2, "estimates")
    single, fused = ears.estimates[:2]
    assert (single.contact_id, single.object_id) == ("c1", "mug")
    assert (fused.contact_id, fused.object_id) == ("", "mug")
    for message in (single, fused):
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == onset_ns
        assert sum(message.probabilities) == pytest.approx(1.0, abs=1e-4)
        assert (message.contacts_heard, message.contacts_predicted) == (1, 0)
        assert 0.5 < message.latency < 5.0 and len(message.model_id) == 64
        assert message.model_domain == "sim+real", "the hearing model that ships"
    ears.until(lambda: ears.vocabularies, "the latched vocabulary")
    vocabulary = ears.vocabularies[-1]
    assert single.vocabulary == f"{vocabulary.name}@{vocabulary.version}"
    assert len(vocabulary.labels) == len(single.probabilities)
    ears.until(lambda: ears.states("mug").get("was_hit") == 1, "was_hit(mug)")
    assert set(ears.states("mug")) >= {f"is_made_of_{label}" for label in vocabulary.labels}
    ears.until((tmp_path / "beliefs.json").exists, "beliefs on disk")


def test_a_hearing_model_hears_in_the_words_of_the_checkpoint(
    ears: Ears, checkpoint: Path, hearing_of_four: Path, tiny_hearing: Path
) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.parameter import Parameter

    from foley_synthesis.checkpoint import model_id_of
    from foley_synthesis.nodes.material import MaterialNode

    def made(hearing: Path) -> Any:
        given = {"checkpoint": str(checkpoint), "hearing": str(hearing)}
        return ears.context.add(
            MaterialNode(parameter_overrides=[Parameter(name, value=v) for name, v in given.items()])
        )

    node = made(hearing_of_four)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS, node._failure
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    ears.matched()
    ears.touch("c1", object_id="mug")
    ears.until(lambda: len(ears.estimates) >= 2, "estimates")
    ears.until(lambda: ears.vocabularies, "the latched vocabulary")
    single = ears.estimates[0]
    assert single.model_id == model_id_of(hearing_of_four) and single.model_domain == "sim"
    assert len(single.probabilities) == len(ears.vocabularies[-1].labels) == 4
    node._quietly(node._release)
    stranger = made(tiny_hearing)
    assert stranger.trigger_configure() != TransitionCallbackReturn.SUCCESS
    assert "a hearing model that does not know glass, plastic" in str(stranger._failure)
    stranger._quietly(stranger._release)


def test_snapshots_come_once_a_second_and_count_up(ears: Ears, node: Any) -> None:
    ears.until(lambda: len(ears.snapshots) >= 2, "two snapshots")
    numbers = [s.sequence for s in ears.snapshots]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_same_contact_twice_counts_once_and_another_adds(ears: Ears, node: Any) -> None:
    onset_ns = ears.touch("c1", object_id="mug")
    ears.bench.contact.publish(ears.world.contact_message("c1", onset_ns, object_id="mug"))
    ears.until(lambda: len(ears.estimates) >= 2, "estimates")
    ears.touch("c2", object_id="mug")
    ears.until(lambda: len(ears.estimates) >= 4, "more estimates")
    assert ears.estimates[3].contacts_heard == 2


def expected_message(ears: Ears, onset_ns: int, samples: np.ndarray) -> Any:
    from foley_msgs.msg import PredictedAudio
    from foley_ros import convert

    return PredictedAudio(
        audio=convert.array_to_audio(
            samples,
            time_ns=onset_ns - 250_000_000,
            frame_id="",
            stream_id="p",
            first_sample=0,
            sample_rate=48_000,
        ),
        plan_id="plan_1",
        predicted_contact_time=convert.to_stamp(onset_ns),
        position=convert.array_to_point([0.0, 0.0, 0.0]),
    )


@pytest.mark.parametrize(("pitch_hz", "surprised"), [(3200.0, False), (250.0, True)])
def test_predicted_against_heard(ears: Ears, node: Any, pitch_hz: float, surprised: bool) -> None:
    predicted = ears.world.ping(pitch_hz=pitch_hz)
    ears.predicted_audio.publish(
        expected_message(ears, ears.world.now_ns() - 550_000_000 + 30_000_000, predicted)
    )
    ears.until(lambda: len(node._core.expectations) == 1, "the prediction is kept")
    ears.touch("c1", object_id="mug")
    ears.until(lambda: ears.surprises, "surprise")
    (message,) = ears.surprises
    assert (message.contact_id, message.object_id, message.plan_id) == ("c1", "mug", "plan_1")
    assert message.distance_name == "cochleagram_l2" and message.surprised == surprised
    assert message.percentile > 0.95 if surprised else message.percentile < 0.8
    wanted = 2 if surprised else 1
    ears.until(lambda: ears.states("mug").get("sounds_as_expected") == wanted, "sounds_as_expected")


class Microphone:
    """Noise without a gap, as time goes on; what rings is added to it."""

    def __init__(self, ears: Ears) -> None:
        self._ears, self._end_ns = ears, ears.world.now_ns() - 100_000_000
        self._rng = np.random.default_rng(0)

    def record(self, ringing_from_ns: int | None = None) -> None:
        """Publish what sounded since the last call."""
        chunks = (self._ears.world.now_ns() - self._end_ns) // 10_000_000
        if chunks <= 0:
            return
        samples = 1e-3 * self._rng.standard_normal(480 * chunks)
        if ringing_from_ns is not None:
            t = np.arange(samples.size) / 48_000 - (ringing_from_ns - self._end_ns) / 1e9
            ringing = sum(np.sin(2 * np.pi * f * t) for f in (700.0, 1900.0, 3300.0, 6100.0))
            samples += np.where(t >= 0, 0.1 * ringing * np.exp(-20 * np.maximum(t, 0)), 0.0)
        self._ears.bench.hear(samples.astype(np.float32), self._end_ns, stream_id="mic")
        self._end_ns += 10_000_000 * chunks


def plan_a_touch(ears: Ears, node: Any, microphone: Microphone, lead_s: float = 0.6) -> int:
    """A planned contact at the place of the object `mug`. Returns its time."""
    expected_ns = int(ears.world.now_ns() + round(lead_s * 1e9))
    ears.predicted_audio.publish(expected_message(ears, expected_ns, ears.world.ping()))

    def kept() -> bool:
        microphone.record()
        return len(node._core.expectations) == 1

    ears.until(kept, "the prediction is kept")
    return expected_ns


def test_a_planned_contact_that_does_not_come_is_told_whatever_the_worker_does(ears: Ears, node: Any) -> None:
    import threading

    from foley_ros.convert import to_ns

    ears.touch("c1", object_id="mug")
    ears.until(lambda: ears.states("mug").get("was_hit") == 1, "an object")
    microphone, done = Microphone(ears), threading.Event()
    expected_ns = plan_a_touch(ears, node, microphone)
    node.put(lambda: done.wait(60.0))

    def told() -> bool:
        microphone.record()
        return bool(ears.surprises) and ears.states("mug").get("sounds_as_expected") == 2

    try:
        ears.until(told, "the missed contact")
    finally:
        done.set()
    (message,) = ears.surprises
    assert (message.kind, message.plan_id, message.object_id) == ("missed", "plan_1", "mug")
    assert message.surprised and message.contact_id == "" and np.isnan(message.percentile)
    assert to_ns(message.header.stamp) == expected_ns
    assert message.latency >= 0.25, "a contact may still be announced until then"
    assert node.figures()["planned_contacts_missed"] == 1


def test_a_planned_contact_that_comes_is_not_missed(ears: Ears, node: Any) -> None:
    microphone = Microphone(ears)
    expected_ns = plan_a_touch(ears, node, microphone)
    announced = False

    def heard() -> bool:
        nonlocal announced
        microphone.record(ringing_from_ns=expected_ns + 20_000_000)
        if not announced and ears.world.now_ns() > expected_ns + 100_000_000:
            event = ears.world.contact_message("c1", expected_ns + 20_000_000, object_id="mug")
            ears.bench.contact.publish(event)
            announced = True
        return bool(ears.surprises)

    ears.until(heard, "what was heard of it")
    assert [(m.kind, m.contact_id) for m in ears.surprises] == [("contact", "c1")]
    assert node.figures()["planned_contacts_missed"] == 0


@pytest.mark.parametrize("why", ["replaced", "unannounced", "silent"])
def test_a_contact_that_may_have_come_is_not_missed(ears: Ears, node: Any, why: str) -> None:
    microphone = Microphone(ears)
    expected_ns = plan_a_touch(ears, node, microphone)
    figure = {
        "replaced": "",
        "unannounced": "planned_contacts_undetected",
        "silent": "planned_contacts_not_known",
    }
    if why == "replaced":
        ears.bench.plan.publish(ears.world.plan_message(expected_ns + 200_000_000, "plan_2"))

    def over() -> bool:
        if why != "silent":
            microphone.record(expected_ns if why == "unannounced" else None)
        told = node.figures()[figure[why]] if figure[why] else ears.world.now_ns() > expected_ns + 500_000_000
        return bool(told)

    ears.until(over, "the end of the wait")
    assert ears.surprises == [] and node.figures()["planned_contacts_missed"] == 0
    if why == "unannounced":
        ears.until(lambda: any("no contact was announced" in d for d in ears.diagnoses), "diagnosis")


def sight_message(ears: Ears, contact_ns: int, best: int = 0, **fields: Any) -> Any:
    from foley_msgs.msg import MaterialEstimate
    from foley_ros import convert

    ears.until(lambda: ears.vocabularies, "vocabulary")
    vocabulary = ears.vocabularies[-1]
    p = np.full(len(vocabulary.labels), 0.04)
    p[best] = 1 - 0.04 * (len(p) - 1)
    return MaterialEstimate(
        header=convert.header(contact_ns, "world"),
        **{
            "position": convert.array_to_point([0.0, 0.0, 0.0]),
            "vocabulary": f"{vocabulary.name}@{vocabulary.version}",
            "probabilities": convert.float_array(p),
            "log10_youngs_modulus_mean": 10.0,
            "log10_youngs_modulus_std": 0.5,
            **fields,
        },
    )


def test_what_was_seen_stays_when_it_is_heard(ears: Ears, node: Any) -> None:
    contact_ns = ears.world.now_ns() - 550_000_000
    ears.predicted.publish(sight_message(ears, contact_ns, 1))
    place = ears.until(lambda: ears.estimates, "a fused estimate")[0].object_id
    assert place.startswith("place_")
    ears.predicted.publish(sight_message(ears, contact_ns + 1, 0))
    fused = ears.until(lambda: len(ears.estimates) > 1 and ears.estimates[-1], "another")
    assert (fused.object_id, fused.contacts_heard, fused.contacts_predicted) == (place, 0, 1)
    assert np.argmax(fused.probabilities) == 0, "the newest look"
    ears.touch("c1", object_id="object_1")
    heard = ears.until(
        lambda: next((e for e in ears.estimates if e.contacts_heard and not e.contact_id), None),
        "the heard one",
    )
    assert (heard.object_id, heard.contacts_heard, heard.contacts_predicted) == ("object_1", 1, 1)
    alone = next(e for e in ears.estimates if e.contact_id == "c1")
    assert heard.abstain and heard.calibrated_for == "", "nothing was fitted for this checkpoint"
    said = fused if alone.abstain else alone
    assert (np.argmax(heard.probabilities) == np.argmax(said.probabilities)) or not alone.abstain
    ears.until(lambda: ears.states("object_1") and not ears.states(place), "the place has its name")
    figures = node.figures()
    assert figures["objects_seen"] == 1 and "foley evaluate fusion" in figures["note"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"vocabulary": "other@1"}, "same checkpoint"), ({"position": "nowhere"}, "sight of neither")],
)
def test_sight_that_cannot_be_used_is_diagnosed(
    ears: Ears, node: Any, fields: dict[str, Any], said: str
) -> None:
    from foley_ros import convert

    if "position" in fields:
        fields = {"position": convert.array_to_point([float("nan")] * 3)}
    ears.predicted.publish(sight_message(ears, ears.world.now_ns(), **fields))
    ears.until(lambda: any(said in d for d in ears.diagnoses), "diagnosis")
    assert not ears.estimates and node._core.objects == []


def test_an_image_model_is_a_prior_that_stays(ears: Ears, node: Any) -> None:
    from foley_ros import convert

    nowhere = convert.array_to_point([float("nan")] * 3)
    for age_ns, best in ((2_000_000_000, 2), (1_000_000_000, 3)):
        stamp_ns = ears.world.now_ns() - age_ns
        ears.vision.publish(sight_message(ears, stamp_ns, best, object_id="mug", position=nowhere))
    fused = ears.until(lambda: len(ears.estimates) > 1 and ears.estimates[-1], "what the newest picture says")
    assert (fused.object_id, fused.contacts_heard, fused.contacts_predicted) == ("mug", 0, 0)
    assert np.argmax(fused.probabilities) == 3 and np.isnan(fused.log10_youngs_modulus_mean)
    ears.touch("c1", object_id="mug")
    ears.until(lambda: any(e.contacts_heard and not e.contact_id for e in ears.estimates), "the touch")
    assert [item.kind for item in node._core._store.evidence("mug")] == ["vision", "heard"]
    assert node.figures()["objects_of_an_image_model"] == 1


def test_an_image_model_that_says_what_cannot_be_is_diagnosed(ears: Ears, node: Any) -> None:
    ears.vision.publish(sight_message(ears, ears.world.now_ns(), object_id="mug", probabilities=[0.5, 0.2]))
    ears.until(lambda: any("2 probabilities" in d for d in ears.diagnoses), "diagnosis")
    assert not ears.estimates and node._core.objects == []


def test_parts_of_an_object_are_told_as_objects_of_their_own(ears: Ears, node: Any) -> None:
    import dataclasses

    from foley_synthesis.beliefs.belief import MaterialBelief
    from foley_synthesis.beliefs.evidence import Evidence

    store = node._core._store
    store.fusion = dataclasses.replace(store.fusion, split_above=0.5)
    for k in range(6):
        p = np.full(len(store.vocabulary), 0.01)
        p[k // 3] = 1 - 0.01 * (len(p) - 1)
        belief = MaterialBelief(tuple(p.tolist()))
        store.add("knife", Evidence("heard", f"h{k}", k + 1, belief, position=(0.05 * k, 0.0, 0.0)))
    ears.touch("c1", object_id="knife")
    names = {"knife", "knife/part_1", "knife/part_2"}
    ears.until(lambda: names <= {e.object_id for e in ears.estimates if not e.contact_id}, "its parts")
    told = {e.object_id: e for e in ears.estimates if not e.contact_id}
    assert [int(np.argmax(told[f"knife/part_{n}"].probabilities)) for n in (1, 2)] == [0, 1]
    assert told["knife"].abstain and max(told["knife"].probabilities) < 0.6
    ears.until(lambda: ears.states("knife/part_2"), "predicates of a part")


def test_sound_of_other_rates_is_heard(ears: Ears, node: Any) -> None:
    ears.touch("c1", ears.world.ping()[::3], rate=16_000, object_id="mug")
    ears.until(lambda: any(e.contact_id == "c1" for e in ears.estimates), "an estimate at 16 kHz")
    ears.touch("c2", object_id="mug")
    ears.until(lambda: any(e.contact_id == "c2" for e in ears.estimates), "an estimate at 48 kHz")


def test_sample_rate_that_is_too_low_is_diagnosed_and_recovers(ears: Ears, node: Any) -> None:
    ears.touch("c1", ears.world.ping()[::12], rate=4_000, object_id="mug")
    ears.until(lambda: any("4000" in d and "8000" in d for d in ears.diagnoses), "diagnosis")
    assert not ears.estimates
    ears.touch("c2", object_id="mug")
    ears.until(lambda: ears.estimates, "estimates at a usual rate")


def test_microphone_unplugged_is_diagnosed(ears: Ears, node: Any) -> None:
    ears.until(lambda: any("no sound on mic/audio" in d for d in ears.diagnoses), "diagnosis")
    ears.bench.contact.publish(ears.world.contact_message("c1", ears.world.now_ns(), object_id="mug"))
    ears.until(
        lambda: any("no sound was received around contact `c1`" in d for d in ears.diagnoses), "diagnosis"
    )
    assert not ears.estimates
    ears.touch("c2", object_id="mug")
    ears.until(lambda: ears.estimates, "estimates after it was plugged in")


def test_get_predicates(ears: Ears, node: Any) -> None:
    from foley_msgs.srv import GetPredicates

    def get(**request: Any) -> Any:
        return ears.context.call(GetPredicates, "material/get_predicates", GetPredicates.Request(**request))

    ears.touch("c1", object_id="mug")
    ears.until(lambda: ears.states("mug"), "predicates")
    everything = get().predicates.predicates
    assert {tuple(p.arguments) for p in everything} == {("mug",)} and len(everything) >= 8
    hard = get(names=["is_hard"], arguments=["mug"]).predicates.predicates
    assert [p.name for p in hard] == ["is_hard"]
    assert get(arguments=["cup"]).predicates.predicates == []
    unknown = get(names=["is_soft"])
    assert unknown.error_code == GetPredicates.Response.ERROR_UNKNOWN_NAME and "is_hard" in unknown.error_msg
    node.trigger_deactivate()
    assert get().error_code == GetPredicates.Response.ERROR_NOT_ACTIVE
    ears.until(lambda: not ears.snapshots[-1].predicates, "an empty snapshot on deactivation")


# ---- life and death ------------------------------------------------------------------------------------------
def test_beliefs_survive_sigkill(ears: Ears, checkpoint: Path, tmp_path: Path, start_node: Any) -> None:
    state = tmp_path / "kept" / "beliefs.json"
    parameters = {"checkpoint": checkpoint, "state_file": state}
    first = start_node("foley_synthesis.nodes.material", parameters=parameters)
    ears.context.transition("material", "configure", "activate")
    ears.matched()
    ears.touch("c1", object_id="mug")
    ears.until(lambda: ears.states("mug").get("was_hit") == 1, "was_hit(mug)")
    ears.until(state.exists, "beliefs on disk")
    first.kill()
    ears.snapshots.clear()
    start_node("foley_synthesis.nodes.material", parameters=parameters)
    ears.context.transition("material", "configure", "activate")
    ears.until(lambda: ears.states("mug").get("was_hit") == 1, "restored beliefs")


def test_no_predicate_outlives_its_publisher(ears: Ears, checkpoint: Path, start_node: Any) -> None:
    """Hung, killed, deactivated: nothing that a planner holds is valid beyond the lease."""
    import signal

    from foley_msgs.srv import GetPredicates
    from foley_ros.convert import to_ns

    lease_ns = 1_000_000_000
    parameters = {"checkpoint": checkpoint, "lease_s": 1.0, "snapshot_period_s": 0.2}
    process = start_node("foley_synthesis.nodes.material", parameters=parameters)
    ears.context.transition("material", "configure", "activate")
    ears.matched()
    ears.touch("c1", object_id="mug")
    holding = ears.until(lambda: ears.states("mug").get("was_hit") == 1 and ears.snapshots[-1], "was_hit")
    asked = ears.context.call(GetPredicates, "material/get_predicates", GetPredicates.Request()).predicates

    def ends(snapshot: Any) -> int:
        return max((to_ns(p.valid_until) for p in snapshot.predicates), default=0)

    for snapshot in (holding, asked):
        taken_ns = to_ns(snapshot.header.stamp)
        assert taken_ns < ends(snapshot) <= taken_ns + lease_ns, "by its evidence it would hold for minutes"
    renewed = ears.until(
        lambda: ends(ears.snapshots[-1]) > ends(holding) and ears.snapshots[-1], "a renewed lease"
    )
    assert {p.state for p in renewed.predicates if p.name == "was_hit"} == {1}

    process._signal(signal.SIGSTOP)
    stopped_ns = ears.world.now_ns()
    ears.until(lambda: ears.world.now_ns() > stopped_ns + lease_ns, "the lease's end")
    assert ends(ears.snapshots[-1]) <= stopped_ns + lease_ns, (
        "the planner that watches knows without being told"
    )
    process._signal(signal.SIGCONT)
    ears.until(lambda: ends(ears.snapshots[-1]) > ears.world.now_ns(), "states that hold again")
    ears.context.transition("material", "deactivate")
    ears.until(lambda: not ears.snapshots[-1].predicates, "the empty snapshot")
    ears.context.transition("material", "activate")
    ears.until(lambda: ears.states("mug").get("was_hit") == 1, "states that hold again")
    process.kill()
    killed_ns = ears.world.now_ns()
    ears.until(lambda: ears.world.now_ns() > killed_ns + lease_ns // 2, "what was still under way")
    assert ends(ears.snapshots[-1]) <= killed_ns + lease_ns


def test_impossible_transition_does_not_end_the_process(
    ears: Ears, checkpoint: Path, start_node: Any
) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    process = start_node("foley_synthesis.nodes.material", parameters={"checkpoint": checkpoint})
    client = ears.observer.create_client(ChangeState, "material/change_state")
    ears.until(client.service_is_ready, "the service")
    activate = Transition(id=Transition.TRANSITION_ACTIVATE)
    client.call_async(ChangeState.Request(transition=activate))  # rclpy never answers this one
    ears.until(lambda: "change_state: refused" in process.log, "the refusal in the log")
    ears.context.transition("material", "configure", "activate")
    assert process.process.poll() is None


def test_damaged_state_starts_empty(ears: Ears, checkpoint: Path, tmp_path: Path, start_node: Any) -> None:
    state = tmp_path / "beliefs.json"
    state.write_text('{"schema": 1, "objects": {"mug": [{"ki')
    process = start_node(
        "foley_synthesis.nodes.material", parameters={"checkpoint": checkpoint, "state_file": state}
    )
    ears.context.transition("material", "configure", "activate")
    ears.until(lambda: ears.snapshots and ears.snapshots[-1].predicates == [], "an empty snapshot")
    ears.until(lambda: "starting without any" in process.log, "the warning")


def test_bad_predicates_file_is_refused_by_name(ears: Ears, node: Any, tmp_path: Path) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.parameter import Parameter

    file = tmp_path / "mine.yaml"
    file.write_text("version: 1\npredicates: [{name: is_soft, expression: softness}]")
    node.trigger_deactivate()
    node.trigger_cleanup()
    node.set_parameters([Parameter("predicates_file", value=str(file))])
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "mine.yaml" in node._failure and "is_soft" in node._failure
    node.set_parameters([Parameter("predicates_file", value="")])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
