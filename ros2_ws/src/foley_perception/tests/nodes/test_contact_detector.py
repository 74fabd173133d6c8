"""The contact detector over real middleware: it hears a tap, ignores a sound at rest, and lives through bad input."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, WrenchStamped
from numpy.typing import NDArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from foley_msgs.msg import AudioChunk, ContactEvent
from foley_perception.nodes.contact_detector import ContactDetectorNode
from foley_perception.own_noise.bands import band_edges
from foley_perception.own_noise.file import write_own_noise
from foley_perception.own_noise.model import OwnNoise
from foley_ros import convert, qos

pytestmark = pytest.mark.nodes

S = 1_000_000_000
RATE = 48_000
CHUNK = 480
TIP = np.array([0.0, 0.0, 0.16])
DOWN = np.array([1.0, 0.0, 0.0, 0.0])  # (x, y, z, w): the tool's z points down
REST = np.array([0.1, 0.0, 0.1])  # of the tip [m]


class Robot:
    """Publishes sound and motion in real time, each time it is pumped. Times are seconds since its start."""

    def __init__(self, node: Any) -> None:
        self.audio = node.create_publisher(AudioChunk, "mic/audio", qos.AUDIO)
        self.pose = node.create_publisher(PoseStamped, "ee_pose", qos.STATE)
        self.wrench = node.create_publisher(WrenchStamped, "wrench", qos.STATE)
        self.tf = node.create_publisher(TFMessage, "/tf_static", qos.TF_STATIC)
        self.tf.publish(
            TFMessage(
                transforms=[convert.arrays_to_transform(TIP, np.array([0, 0, 0, 1.0]), 0, "tool", "tip")]
            )
        )
        self.start_ns = time.time_ns()
        self.sample_rate = RATE
        self.stream = "mic_1"
        self.plugged = True
        self.pose_is_known, self.scale = True, 1.0
        self.rest = REST  # of the tip
        self.late_s = dict.fromkeys(("microphone", "arm", "wrench"), 0.0)  # of stamps
        self._rng = np.random.default_rng(0)
        self._samples = self._stream_start = self._poses = 0
        self._clicks: list[float] = []
        self._taps: list[float] = []
        self._jerks: list[float] = []
        self.joints = node.create_publisher(JointState, "joint_states", qos.STATE)
        self._joint, self.tells_joints = 0.0, True

    def matched(self) -> bool:
        return all(p.get_subscription_count() > 0 for p in (self.audio, self.pose, self.wrench, self.tf))

    def now(self) -> float:
        return (time.time_ns() - self.start_ns) / S

    def tap(self) -> float:
        """Touch something half a second from now."""
        self._taps.append(self.click())
        return self._taps[-1]

    def click(self) -> float:
        """A sound half a second from now."""
        self._clicks.append(self.now() + 0.5)
        return self._clicks[-1]

    def jerk(self) -> float:
        """The motion of a tap half a second from now, that touches nothing: its motor turns and is heard."""
        self._jerks.append(self.now() + 0.5)
        return self._jerks[-1]

    def plug_in(self) -> None:
        self.plugged, self.stream, self._stream_start = True, self.stream + "'", self._samples

    def skip(self) -> None:
        """Leave out what was not pumped so far."""
        self._samples, self._poses = int(self.now() * RATE) // CHUNK * CHUNK, int(self.now() * 250)

    def pump(self) -> None:
        while (self._samples + CHUNK) / RATE < self.now():
            if self.plugged:
                self.audio.publish(self._chunk())
            self._samples += CHUNK
        while self._poses / 250 < self.now():
            t = self._poses / 250
            stamp, felt = (self.start_ns + round((t + self.late_s[d]) * S) for d in ("arm", "wrench"))
            position = self._tip(t) + TIP if self.pose_is_known else np.full(3, np.nan)
            self.pose.publish(convert.pose_stamped(self.scale * position, DOWN, stamp, "world"))
            force = WrenchStamped(header=convert.header(felt, "tool"))
            force.wrench.force.z = 1.5 * any(0 <= t - at < 0.05 for at in self._taps)
            self.wrench.publish(force)
            self._joint += 2.0 / 250 * any(0 <= t - at < 0.4 for at in self._jerks)
            if self.tells_joints:
                told = JointState(header=convert.header(stamp, ""), name=["j"], position=[self._joint])
                self.joints.publish(told)
            self._poses += 1

    def _tip(self, t: float) -> NDArray[np.float64]:
        """Down over 0.3 s at 0.2 m/s, up at 0.1 m/s, else at rest."""
        z = 0.06
        for at in self._taps + self._jerks:
            z = min(z, max(-0.2 * (t - at), 0.1 * (t - at)))
        return np.array([self.rest[0], self.rest[1], z])

    def _chunk(self) -> AudioChunk:
        t = (self._samples + np.arange(CHUNK)) / RATE
        sound = 3e-4 * self._rng.standard_normal(CHUNK)
        for at in self._jerks:
            sound += 0.03 * self._rng.standard_normal(CHUNK) * ((t >= at) & (t < at + 0.4))
        for at in self._clicks:
            after = t - at
            sound += np.where(
                after >= 0, 0.2 * np.exp(-60 * np.maximum(after, 0)) * np.sin(15700 * after), 0.0
            )
        return convert.array_to_audio(
            sound,
            time_ns=self.start_ns + self._samples * S // RATE + round(self.late_s["microphone"] * S),
            frame_id="microphone",
            stream_id=self.stream,
            first_sample=self._samples - self._stream_start,
            sample_rate=self.sample_rate,
            stamp_source=AudioChunk.STAMP_HARDWARE,
        )


class Rig:
    def __init__(self, context: Any, late_s: dict[str, float] | None = None, own_noise: str = "") -> None:
        late = [f"{device}={seconds}" for device, seconds in (late_s or {}).items()]
        given = [Parameter("latencies", Parameter.Type.STRING_ARRAY, late)]
        given += [Parameter("own_noise", Parameter.Type.STRING, own_noise)] if own_noise else []
        self.context = context
        self.node = context.add(ContactDetectorNode(parameter_overrides=given))
        observer = context.create_node("robot")
        self.contacts: list[ContactEvent] = []
        self.status: list[DiagnosticStatus] = []
        observer.create_subscription(ContactEvent, "contacts", self.contacts.append, qos.EVENT)
        observer.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        context.transition("/contact_detector", "configure", "activate")
        self.robot = Robot(observer)
        self.robot.late_s |= late_s or {}
        context.spin_until(self.robot.matched, 20, "subscriptions of the detector")

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self.status += [s for s in message.status if s.name.endswith("contact_detector")]

    def until(self, condition: Callable[[], Any], timeout_s: float = 20.0, what: str = "") -> Any:
        def pumped() -> Any:
            self.robot.pump()
            return condition()

        return self.context.spin_until(pumped, timeout_s, what)

    def until_told(self, text: str, level: bytes) -> None:
        self.status.clear()
        self.until(
            lambda: any(text in s.message and s.level == level for s in self.status),
            what=f"diagnosis `{text}`",
        )

    def contact_of(self, at: float) -> ContactEvent:
        before = len(self.contacts)
        self.until(lambda: len(self.contacts) > before, what="a contact")
        contact = self.contacts[-1]
        assert abs(convert.to_ns(contact.header.stamp) - self.robot.start_ns - at * S) < 0.01 * S
        return contact


@pytest.fixture
def rig(ros_context: Any) -> Iterator[Rig]:
    rig = Rig(ros_context)
    rig.until(lambda: rig.robot.now() > 0.7, what="a background to be heard")
    yield rig
    rig.node._release()


def test_hears_a_tap_and_ignores_a_sound_at_rest(rig: Rig) -> None:
    first = rig.contact_of(rig.robot.tap())
    assert first.header.frame_id == "world"
    np.testing.assert_allclose(convert.point_to_array(first.position), [REST[0], REST[1], 0.0], atol=3e-3)
    assert first.action == ContactEvent.ACTION_TAP
    audio_wrench_motion = ContactEvent.GATE_AUDIO | ContactEvent.GATE_WRENCH | ContactEvent.GATE_MOTION
    assert first.gates_used == first.gates_passed == audio_wrench_motion
    assert first.confidence > 0.8
    assert first.level == pytest.approx(-14, abs=3)
    assert re.fullmatch("object_[0-9a-f]{6}_1", first.object_id)

    rig.robot.click()
    rig.until(lambda: rig.node._detector.counts.at_rest == 1, what="the sound at rest to be refused")
    assert len(rig.contacts) == 1
    again = rig.contact_of(rig.robot.tap())
    assert again.object_id == first.object_id and again.contact_id != first.contact_id
    rig.until_told("ok", DiagnosticStatus.OK)


def test_devices_that_are_late_by_what_is_known_tell_the_same_contact(ros_context: Any) -> None:
    rig = Rig(ros_context, {"microphone": 0.25, "arm": 0.12, "wrench": 0.02})
    rig.until(lambda: rig.robot.now() > 0.7, what="a background to be heard")
    contact = rig.contact_of(rig.robot.tap())  # within 10 ms of the truth
    np.testing.assert_allclose(convert.point_to_array(contact.position), [REST[0], REST[1], 0.0], atol=3e-3)
    audio_wrench_motion = ContactEvent.GATE_AUDIO | ContactEvent.GATE_WRENCH | ContactEvent.GATE_MOTION
    assert contact.gates_used == contact.gates_passed == audio_wrench_motion
    rig.node._release()


def test_microphone_unplugged_and_back(rig: Rig) -> None:
    rig.robot.plugged = False
    rig.until_told("is the microphone unplugged?", DiagnosticStatus.ERROR)
    rig.robot.plug_in()
    rig.until_told("ok", DiagnosticStatus.OK)
    rig.contact_of(rig.robot.tap())
    assert rig.node._listener.restarts == 1


def test_sample_rate_that_is_too_low_is_named_and_recovers(rig: Rig) -> None:
    rig.robot.sample_rate = 2_000
    rig.until_told("sample_rate is 2000 Hz, contacts need at least 4000 Hz", DiagnosticStatus.ERROR)
    rig.robot.sample_rate = RATE
    rig.until_told("ok", DiagnosticStatus.OK)
    rig.contact_of(rig.robot.tap())


def test_nan_poses_are_named_and_recover(rig: Rig) -> None:
    rig.robot.pose_is_known = False
    rig.until_told("ee_pose is not finite", DiagnosticStatus.WARN)
    rig.robot.click()
    rig.until(lambda: rig.node._detector.counts.no_motion_data == 1, what="the sound to be left undecided")
    rig.robot.pose_is_known = True
    rig.until_told("ok", DiagnosticStatus.OK)
    rig.contact_of(rig.robot.tap())
    assert len(rig.contacts) == 1


def test_poses_in_millimetres_are_an_error_and_make_no_contacts(rig: Rig) -> None:
    rig.robot.scale = 1000.0
    heard = rig.node._detector.counts.no_motion_data
    rig.robot.tap()
    rig.until_told("ee_pose: the tool went", DiagnosticStatus.ERROR)
    rig.until(lambda: rig.node._detector.counts.no_motion_data > heard, what="the sound to be left undecided")
    assert not rig.contacts


def test_a_malformed_chunk_is_named(rig: Rig) -> None:
    rig.robot.plugged = False
    bad = AudioChunk(sample_rate=RATE, channels=2, samples=[0.0, 0.0, 0.0])

    def send() -> bool:
        rig.robot.audio.publish(bad)
        return any("channels=2" in s.message for s in rig.status)

    rig.until(send, what="the malformed chunk to be diagnosed")
    rig.robot.plug_in()
    rig.until_told("ok", DiagnosticStatus.OK)


def test_bad_parameters_refuse_the_transition(ros_context: Any) -> None:
    from rclpy.parameter import Parameter

    node = ros_context.add(ContactDetectorNode())
    node.set_parameters([Parameter("channel", value=-1)])
    node.trigger_configure()
    assert node._state_machine.current_state[1] == "unconfigured"
    assert "channel is -1" in node._failure
    node.set_parameters([Parameter("channel", value=0)])
    node.trigger_configure()
    assert node._state_machine.current_state[1] == "inactive"
    node._release()


def test_a_noisy_arm_makes_no_contacts_up_where_its_noise_is_known(ros_context: Any, tmp_path: Path) -> None:
    edges = band_edges(RATE)
    density = np.full(len(edges) - 1, 2.0 / RATE)
    rise = (0.03**2 * density)[None, None, None]  # of white noise at 2 rad/s
    model = OwnNoise(
        ("j",), edges, np.array([[2.0]]), 3e-4**2 * density, rise, np.full(len(density), 2.0), RATE
    )
    rig = Rig(ros_context, own_noise=str(write_own_noise(tmp_path, model)))
    rig.until(lambda: rig.robot.now() > 0.7, what="a background to be heard")
    rig.robot.jerk()
    counts = rig.node._detector.counts
    rig.until(lambda: counts.own_noise == 1, what="the motor to be heard as such")
    rig.until(lambda: rig.robot.now() > rig.robot._jerks[-1] + 1.0, what="the motion to end")
    assert not rig.contacts and rig.node._noise is not None
    moved_ns = rig.robot.start_ns + round((rig.robot._jerks[-1] + 0.05) * S)
    heard = (0.03 * np.random.default_rng(1).standard_normal(RATE * 3 // 10)).astype(np.float32)
    assert np.mean(rig.node._noise.cleaned(heard, RATE, moved_ns) ** 2) < 0.35 * np.mean(heard**2)
    rig.contact_of(rig.robot.tap())
    rig.until_told("ok", DiagnosticStatus.OK)
    # Without joints nothing is known of the noise: as without, and that is told.
    rig.robot.tells_joints = False
    rig.until_told(
        "joint_states are late, or tell NaN: contacts are detected as without", DiagnosticStatus.WARN
    )
    before = len(rig.contacts)
    rig.robot.jerk()
    rig.until(lambda: len(rig.contacts) > before, what="the motor to be taken for a contact")
    rig.node._release()
