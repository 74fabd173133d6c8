import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_common.enumerations import Action, Gate
from foley_perception.action.planned_contact import SURFACE, PlannedContact
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.audio.resample import resampled
from foley_perception.contact.config import ContactDetectorConfig
from foley_perception.contact.detector import (
    ContactDetector,
    DetectedContact,
    GateConfig,
    Plan,
)
from foley_perception.contact.listener import HeardOnset, Listener
from foley_perception.contact.objects import KnownObject, ObjectMap
from foley_perception.stamped_history import VectorHistory

MS = 1_000_000
S = 1000 * MS
T0 = 1_000 * S
Path = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def drop_to(contact_s: float, speed: float, stay: bool = False) -> Path:
    """Height over time of a tip that comes down and either stays or rebounds at half speed."""

    def height(t: NDArray[np.float64]) -> NDArray[np.float64]:
        after = np.maximum(t - contact_s, 0.0)
        z = -speed * np.minimum(t - contact_s, 0.0) + (0.0 if stay else 0.5 * speed) * after
        return np.stack([np.zeros_like(t), np.zeros_like(t), z], axis=-1)

    return height


def run(
    detector: ContactDetector,
    path: Path,
    onsets_s: list[float],
    *,
    force: Callable[[float], float] | None = None,
    until_s: float = 2.0,
    strength_db: float = 8.0,
    clear: bool = True,
) -> list[DetectedContact]:
    """Poses (and force) at 250 Hz, onsets as they would come, polled every 10 ms."""
    contacts: list[DetectedContact] = []
    waiting = sorted(onsets_s)
    for k in range(round(until_s * 250)):
        t = k / 250
        detector.tip.add(T0 + round(t * S), path(np.array(t)))
        if force is not None:
            detector.force.add(T0 + round(t * S), np.array([0.0, 0.0, force(t)]))
        if waiting and t > waiting[0] + 0.05:
            detector.add_onset(HeardOnset(T0 + round(waiting.pop(0) * S), -20.0, strength_db, clear))
        if k % 3 == 0:
            contacts += detector.poll(T0 + round(t * S))
    return contacts


def test_a_tap_is_a_contact() -> None:
    detector = ContactDetector()
    contacts = run(detector, drop_to(1.0, 0.15), [1.0])
    assert len(contacts) == 1
    contact = contacts[0]
    assert contact.contact.time_ns == T0 + S
    assert contact.contact.action == Action.TAP
    np.testing.assert_allclose(contact.contact.position, [0, 0, 0], atol=1e-3)
    assert contact.gates_used == contact.gates_passed == Gate.AUDIO | Gate.MOTION


def test_a_fast_approach_is_a_hit() -> None:
    assert run(ContactDetector(), drop_to(1.0, 0.6), [1.0])[0].contact.action == Action.HIT


def test_a_sound_while_at_rest_is_none() -> None:
    detector = ContactDetector()
    rest: Path = lambda t: np.array([0.1, 0.2, 0.3]) + 0 * t  # noqa: E731
    assert run(detector, rest, [0.5, 1.0]) == []
    assert detector.counts.at_rest == 2


def test_a_sound_while_passing_through_the_air_is_none() -> None:
    detector = ContactDetector()
    assert run(detector, lambda t: np.stack([0.3 * t, 0 * t, 0 * t + 0.3], -1), [1.0]) == []
    braking: Path = lambda t: np.stack([0.2 * np.sin(0.5 * np.pi * t), 0 * t, 0 * t], -1)  # noqa: E731
    assert run(ContactDetector(), braking, [0.9], strength_db=1.0) == []


def test_without_poses_nothing_is_decided_but_counted() -> None:
    detector = ContactDetector()
    detector.add_onset(HeardOnset(T0, -20.0, 9.0))
    assert detector.poll(T0 + 100 * MS) == []
    assert detector.poll(T0 + 200 * MS) == []
    assert detector.counts.no_motion_data == 1


def test_it_waits_for_late_poses_but_not_for_ever() -> None:
    detector = ContactDetector()
    path = drop_to(1.0, 0.2)
    for k in range(265):  # poses stop 60 ms after the contact
        detector.tip.add(T0 + k * 4 * MS, path(np.array(k / 250)))
    detector.add_onset(HeardOnset(T0 + S, -20.0, 9.0))
    assert detector.poll(T0 + S + 100 * MS) == []
    assert len(detector.poll(T0 + S + 155 * MS)) == 1


def test_force_confirms_or_contradicts() -> None:
    step = run(ContactDetector(), drop_to(1.0, 0.15), [1.0], force=lambda t: 0.1 + 2.0 * (1.0 <= t < 1.05))
    assert step[0].gates_passed & Gate.WRENCH
    plain = run(ContactDetector(), drop_to(1.0, 0.15), [1.0])
    assert step[0].contact.confidence > plain[0].contact.confidence
    detector = ContactDetector()
    assert run(detector, drop_to(1.0, 0.15), [1.0], force=lambda t: 0.1, strength_db=1.0) == []
    assert detector.counts.unsure == 1


def test_nearness_confirms_or_contradicts() -> None:
    near = ContactDetector(clearance=lambda p: 0.004)
    far = ContactDetector(clearance=lambda p: 0.2)
    assert run(near, drop_to(1.0, 0.15), [1.0])[0].gates_passed & Gate.PROXIMITY
    contact = run(far, drop_to(1.0, 0.15), [1.0], strength_db=8.0)
    assert all(not c.gates_passed & Gate.PROXIMITY for c in contact)


def slide(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Down until 1 s, then along the surface until 1.8 s, then up."""
    z = np.interp(t, [0.8, 1.0, 1.8, 2.0], [0.02, 0.0, 0.0, 0.05])
    return np.stack([np.interp(t, [1.03, 1.8], [0.0, 0.08]), 0 * t, z], -1)


def test_a_scratch_and_its_later_sounds_are_one_contact() -> None:
    detector = ContactDetector()
    contacts = run(detector, slide, [1.0, 1.2, 1.45, 1.6], force=lambda t: 1.5 * (t >= 1.0))
    assert [c.contact.action for c in contacts] == [Action.SCRATCH]
    assert detector.counts.merged == 3


def test_two_taps_are_two_contacts() -> None:
    def path(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return drop_to(0.8, 0.15)(t) if t < 1.0 else drop_to(1.2, 0.15)(t)

    assert len(run(ContactDetector(), path, [0.8, 1.2])) == 2


def plan_with(contact_s: float, slip: float) -> Plan:
    expected = PlannedContact(
        T0 + round(contact_s * S), np.zeros(3), np.array([0, 0, 1.0]), 0.1, slip, T0 + 2 * S, SURFACE
    )
    return Plan("plan_7", T0 + S // 2, T0 + 2 * S, expected)


def test_the_plan_tells_a_slow_scratch_and_gives_its_id() -> None:
    detector = ContactDetector()
    detector.add_plan(plan_with(1.0, slip=0.05))
    contact = run(detector, drop_to(1.0, 0.06, stay=True), [1.0])[0]
    assert contact.contact.action == Action.SCRATCH and contact.contact.plan_id == "plan_7"
    assert contact.gates_passed & Gate.PROXIMITY


def test_time_set_back_is_survived() -> None:
    detector = ContactDetector()
    assert len(run(detector, drop_to(1.0, 0.15), [1.0])) == 1
    detector.reset()
    assert len(run(detector, drop_to(1.0, 0.15), [1.0])) == 1


def test_history_leaves_out_what_is_not_finite_and_late() -> None:
    history = VectorHistory()
    for k in range(10):
        history.add(k * 4 * MS, np.array([0.5 * k, np.nan if k == 4 else 0.0, 0.0]))
    history.add(8 * MS, np.zeros(3))
    assert history.late == 1 and history.received == 11
    times, _ = history.window(0, S)
    assert len(times) == 9
    velocity = history.velocity(0, S)
    assert velocity is not None and velocity[0] == pytest.approx(125.0)
    at = history.at(16 * MS)
    assert at is not None and at[0] == pytest.approx(2.0)


def test_history_decodes_when_asked() -> None:
    decoded: list[int] = []

    def decode(item: int) -> NDArray[np.float64] | None:
        decoded.append(item)
        return None if item == 3 else np.full(3, float(item))

    history = VectorHistory(decode)
    for k in range(6):
        history.add(k, k)
    assert decoded == []
    assert len(history.window(2, 4)[0]) == 2
    history.window(2, 4)
    assert decoded == [2, 3, 4]
    assert history.newest() is not None


# ---- listener ----------------------------------------------------------------------------------------------
RATE = 48_000


def hear(
    listener: Listener, sound: NDArray[np.float32], *, first: int = 0, **more: object
) -> list[HeardOnset]:
    onsets = []
    for i in range(0, len(sound), 480):
        arguments = {
            "first_sample": first + i,
            "time_ns": T0 + (first + i) * S // RATE,
            "stream_id": "a",
            "sample_rate": RATE,
            **more,
        }
        onsets += listener.hear(sound[i : i + 480, None], **arguments)  # type: ignore[arg-type]
    return onsets


def noise_with_click(seconds: float, at_s: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    sound = 3e-4 * rng.standard_normal(round(seconds * RATE))
    t = np.arange(4800) / RATE
    start = round(at_s * RATE)
    sound[start : start + 4800] += 0.2 * np.exp(-60 * t) * np.sin(2 * np.pi * 2500 * t)
    return sound.astype(np.float32)


def test_listener_gives_onsets_in_ros_time_across_a_gap_and_a_restart() -> None:
    listener = Listener(OnsetConfig())
    sound = noise_with_click(1.0, 0.5)
    (onset,) = hear(listener, sound)
    assert abs(onset.time_ns - (T0 + S // 2)) < 2 * MS
    assert onset.level_dbfs == pytest.approx(-15, abs=2)
    (after_gap,) = hear(listener, sound, first=2 * RATE)
    assert abs(after_gap.time_ns - (T0 + 5 * S // 2)) < 2 * MS
    assert (listener.gaps, listener.lost_samples) == (1, RATE)
    (restarted,) = hear(listener, sound, stream_id="b")
    assert abs(restarted.time_ns - (T0 + S // 2)) < 2 * MS
    assert listener.restarts == 1


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_listener_hears_a_microphone_of_any_rate(rate: int) -> None:
    listener = Listener(OnsetConfig())
    assert len(hear(listener, noise_with_click(1.0, 0.5))) == 1
    sound = resampled(noise_with_click(1.0, 0.5), RATE, rate)
    found = []
    for i in range(0, len(sound), 256):  # another rate than before, and than is configured
        found += listener.hear(
            sound[i : i + 256, None],
            first_sample=i,
            time_ns=T0 + 2 * S + i * S // rate,
            stream_id="b",
            sample_rate=rate,
        )
    (onset,) = found
    assert abs(onset.time_ns - (T0 + 5 * S // 2)) < 2 * MS
    assert onset.level_dbfs == pytest.approx(-15, abs=2)
    assert listener.trouble(T0 + 3 * S) is None


def test_listener_refuses_a_rate_without_contacts_and_recovers() -> None:
    listener = Listener(OnsetConfig())
    hear(listener, noise_with_click(0.2, 0.1), sample_rate=2_000)
    trouble = listener.trouble(T0 + S // 5)
    assert trouble is not None and trouble.serious and "2000 Hz" in trouble.message
    assert len(hear(listener, noise_with_click(1.0, 0.5))) == 1
    assert listener.trouble(T0 + S) is None


def test_listener_names_silence_zeros_and_bad_samples() -> None:
    listener = Listener(OnsetConfig())
    assert "no sound on mic/audio yet" in str(listener.trouble(T0))
    sound = noise_with_click(1.0, 0.5)
    sound[1000] = np.nan
    hear(listener, sound[:1440])
    assert "NaN" in str(listener.trouble(T0))
    hear(listener, np.zeros(3 * RATE, np.float32), first=1440)
    assert "nothing but zeros" in str(listener.trouble(T0 + 3 * S))
    assert "unplugged" in str(listener.trouble(T0 + 9 * S))


@pytest.mark.parametrize(
    ("scale", "step", "serious", "words"),
    [
        (32767.0, 480, True, "divide by 32768"),
        (8.0, 480, False, "over full scale"),
        (1.0, 0, True, "first_sample never"),
    ],
)
def test_listener_tells_what_the_audit_of_its_sound_finds(
    scale: float, step: int, serious: bool, words: str
) -> None:
    listener = Listener(OnsetConfig())
    sound = scale * noise_with_click(3.0, 0.5)
    for i in range(300):
        block = sound[480 * i : 480 * (i + 1), None]
        listener.hear(
            block,
            first_sample=step * i,
            time_ns=T0 + i * 10 * MS,
            stream_id="a",
            sample_rate=RATE,
            arrival_ns=T0 + (i + 1) * 10 * MS,
        )
    trouble = listener.trouble(T0 + 3 * S)
    assert trouble is not None and trouble.serious == serious and words in trouble.message


def test_listener_without_stamps_goes_by_arrival() -> None:
    listener, onsets, sound = Listener(OnsetConfig()), [], noise_with_click(3.0, 0.5)
    for i in range(300):
        onsets += listener.hear(
            sound[480 * i : 480 * (i + 1), None],
            first_sample=480 * i,
            time_ns=0,
            stream_id="a",
            sample_rate=RATE,
            arrival_ns=T0 + (i + 1) * 10 * MS,
        )
    assert [abs(o.time_ns - (T0 + S // 2)) < 2 * MS for o in onsets] == [True]
    trouble = listener.trouble(T0 + 3 * S)
    assert (
        trouble is not None and not trouble.serious and "header.stamp is 0 in 300 of 300" in trouble.message
    )


def test_listener_hears_the_channel_that_is_asked_for() -> None:
    """Channels of opposite sign: their mean would be silence."""
    click = noise_with_click(1.0, 0.5)
    stereo = np.stack([click, -click], axis=1)

    def heard(channel: int) -> tuple[int, Listener]:
        listener, onsets = Listener(OnsetConfig(), channel=channel), []
        for i in range(0, RATE, 480):
            onsets += listener.hear(
                stereo[i : i + 480],
                first_sample=i,
                time_ns=T0 + i * S // RATE,
                stream_id="a",
                sample_rate=RATE,
            )
        return len(onsets), listener

    assert heard(0)[0] == heard(1)[0] == 1
    count, deaf = heard(2)
    trouble = deaf.trouble(T0 + S)
    assert count == 0 and deaf.refused_chunks == 100
    assert trouble is not None and trouble.serious and "2 channels" in trouble.message


# ---- objects -----------------------------------------------------------------------------------------------
def test_contacts_close_together_are_on_one_object() -> None:
    objects = ObjectMap(radius_m=0.06)
    assert objects.assign([0.0, 0.0, 0.05]) == "object_1"
    assert objects.assign([0.03, 0.02, 0.05]) == "object_1"
    assert objects.assign([0.2, 0.0, 0.05]) == "object_2"
    assert objects.assign([0.0, 0.03, 0.0]) == "object_3", "another height"
    assert objects.assign([np.nan, 0.0, 0.0]) == ""
    centre = objects.centre("object_1")
    assert centre is not None
    np.testing.assert_allclose(centre, [0.015, 0.01, 0.05])


def test_known_objects_come_first() -> None:
    objects = ObjectMap([KnownObject.parse("mug 0.1, 0.2, 0.05, 0.04")])
    assert objects.assign([0.11, 0.2, 0.06]) == "mug"
    assert objects.assign([0.2, 0.2, 0.06]) == "object_1"
    with pytest.raises(ValueError, match="`mug 1 2`, expected `name x y z radius`"):
        KnownObject.parse("mug 1 2")
    with pytest.raises(ValueError, match="radius positive"):
        KnownObject.parse("mug 0 0 0 -1")


def face(x: float, width: float) -> NDArray[np.float64]:
    u, v = np.meshgrid(np.arange(x, x + width, 0.005), np.arange(-0.04, 0.04, 0.005))
    return np.stack([u.ravel(), v.ravel(), np.full(u.size, 0.05)], axis=1)


def test_faces_that_are_seen_tell_objects_apart() -> None:
    objects = ObjectMap(radius_m=0.06)
    long, neighbour = face(0.0, 0.3), face(0.32, 0.1)
    assert objects.assign([0.02, 0.0, 0.05], long) == "object_1"
    assert objects.assign([0.28, 0.0, 0.05], long) == "object_1", "far, but on the same face"
    assert objects.assign([0.33, 0.0, 0.05], neighbour) == "object_2", "near, but on another face"
    assert objects.assign([0.34, 0.0, 0.05]) == "object_2"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample_rate", 100),
        ("channel", -1),
        ("min_confidence", 1.5),
        ("decision_s", 3.0),
        ("tip_frame", ""),
        ("object_radius", math.nan),
        ("known_objects", ("mug",)),
        ("force_step", 0.0),
    ],
)
def test_config_names_what_it_refuses(field: str, value: object) -> None:
    name = "force_step_n" if field == "force_step" else field
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(ContactDetectorConfig(), **{field: value})
    assert GateConfig().hit_speed_m_s == ContactDetectorConfig().gates.hit_speed_m_s


def test_what_sounds_like_the_robot_itself_must_be_felt() -> None:
    detector = ContactDetector()
    assert run(detector, drop_to(1.0, 0.15), [1.0], clear=False) == [] and detector.counts.own_noise == 1
    felt = run(
        ContactDetector(), drop_to(1.0, 0.15), [1.0], force=lambda t: 2.0 * (1.0 <= t < 1.05), clear=False
    )
    assert len(felt) == 1 and felt[0].gates_passed & Gate.WRENCH
    # A sharp stop beside a surface that is seen counts as well, braking beside one does not.
    near = run(ContactDetector(clearance=lambda p: 0.0), drop_to(1.0, 0.15), [1.0], clear=False)
    assert len(near) == 1
    far = ContactDetector(clearance=lambda p: 0.3)
    assert run(far, drop_to(1.0, 0.15), [1.0], clear=False) == []
