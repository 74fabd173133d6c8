"""The node behind `foley watch`: listens to everything, publishes nothing but markers for RViz.

Callbacks store; pictures are decoded and made smaller when a browser asks for one, sounds are cut when their contact
has rung out.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo

from foley_bringup.ros.markers import markers_of
from foley_bringup.watch.board import Board, Sound, Told
from foley_bringup.watch.pictures import jpeg
from foley_common import topics
from foley_common.enumerations import action_label
from foley_common.times import NS_PER_S
from foley_msgs.msg import (
    AudioChunk,
    ContactEvent,
    HandKeypoints,
    MaterialEstimate,
    PredicateArray,
    PredictedAudio,
    VocabularyInfo,
)
from foley_msgs.msg import Surprise as SurpriseMessage
from foley_perception.audio.ring import AudioRing
from foley_perception.clips.channels import one_channel
from foley_perception.geometry.calibration import Calibration, comes_rectified
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.hands.draw import BONES
from foley_perception.images import ImageError
from foley_perception.ros.image_source import ImageSource
from foley_perception.ros.tf import TransformListener
from foley_ros import convert
from foley_ros.convert import to_ns
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller

BEFORE_S, AFTER_S = 0.25, 0.75  # of a contact's sound
_PATIENCE_S = 1.0  # for which a contact waits for sound that does not come
_POLL_S = 0.05
_MARKERS_S = 0.5


def parameter(default: Any, doc: str) -> Any:
    """A field with the description that ``ros2 param describe`` shows."""
    return dataclasses.field(default=default, metadata={"doc": doc})


@dataclasses.dataclass(frozen=True)
class WatchConfig:
    """Parameters of the node."""

    fixed_frame: str = parameter("world", "frame in which objects and hands are placed")
    camera_transport: str = parameter(
        "auto", "of images: raw, compressed, or auto: compressed where only that is published"
    )
    channel: int = parameter(0, "of mic/audio that is heard, from 0")

    def __post_init__(self) -> None:
        if self.camera_transport not in ("auto", "raw", "compressed"):
            raise ValueError(
                f"camera_transport is `{self.camera_transport}`, known are auto, raw, compressed"
            )
        if self.channel < 0:
            raise ValueError(f"channel is {self.channel}, must be 0 or more")
        if not self.fixed_frame:
            raise ValueError("fixed_frame is empty: name the frame of the objects")


class WatchNode(FoleyNode[WatchConfig]):
    """See the module's docstring. ``board`` and the methods below it may be used from any thread."""

    def __init__(self, name: str = "watch", **kwargs: Any) -> None:
        super().__init__(name, WatchConfig, **kwargs)
        self.board = Board()
        self._labels: tuple[str, ...] = ()
        self._hands: HandKeypoints | None = None
        self._lock = threading.Lock()
        self._read: Callable[[], NDArray[Any]] | None = None
        self._jpeg: tuple[object, bytes] | None = None

    # ---- life cycle --------------------------------------------------------------------------------------
    def setup(self, config: WatchConfig) -> None:
        self._settings = config
        self._ring = AudioRing(48_000)
        self._waiting: collections.deque[tuple[str, int]] = collections.deque(maxlen=32)
        self._calibration: tuple[str, Calibration] | None = None
        poller = Poller(self.entities, _POLL_S, after=self._after)
        self._tf = TransformListener(self, poller)
        self._camera = ImageSource(self, topics.CAMERA, self._on_image, transport=config.camera_transport)
        poller.subscribe(topics.MICROPHONE, self._on_audio)
        subscribe = self.entities.subscribe
        subscribe(topics.CAMERA_INFO, self._on_info)
        subscribe(topics.CONTACTS, self._on_contact)
        subscribe(topics.PREDICTED_AUDIO, self._on_predicted)
        subscribe(topics.MATERIAL_ESTIMATES, self._on_estimate)
        subscribe(topics.VOCABULARY, self._on_vocabulary)
        subscribe(topics.PREDICATES, self._on_predicates)
        subscribe(topics.SURPRISE, self._on_surprise)
        subscribe(topics.HAND_KEYPOINTS, self._on_hands)
        subscribe(topics.DIAGNOSTICS, self._on_diagnostics)
        self._markers = self.entities.publish(topics.MARKERS)
        self.entities.timer(_MARKERS_S, self._mark)

    # ---- for the server ----------------------------------------------------------------------------------
    def view(self) -> dict[str, Any]:
        """See `watch.server.Watched`."""
        return self.board.view(self.now_ns()) | {"camera": self._overlay()}

    def camera(self) -> bytes | None:
        """See `watch.server.Watched`."""
        with self._lock:
            read, made = self._read, self._jpeg
        if read is None:
            return None
        if made is not None and made[0] is read:
            return made[1]
        try:
            picture = jpeg(np.asarray(read(), np.uint8))
        except ImageError as error:
            self.report(topics.CAMERA.name, str(error))
            return None
        with self._lock:
            self._jpeg = (read, picture)
        return picture

    def sounds(self, contact_id: str) -> tuple[Sound | None, Sound | None] | None:
        """See `watch.server.Watched`."""
        return self.board.sounds(contact_id)

    # ---- callbacks: store --------------------------------------------------------------------------------
    def _on_image(self, time_ns: int, read: Callable[[], NDArray[Any]]) -> None:
        with self._lock:
            self._read = read

    def _on_info(self, message: CameraInfo) -> None:
        if self._calibration is None or self._calibration[1] != (made := Calibration.of_message(message)):
            made = Calibration.of_message(message)
            self._calibration = (message.header.frame_id or self._camera.frame_id, made)

    def _on_audio(self, message: AudioChunk) -> None:
        try:
            samples = one_channel(convert.audio_to_array(message), self._settings.channel)
            rate = int(message.sample_rate)
            if rate != self._ring.sample_rate:
                self._ring = AudioRing(rate)
            self._ring.append(
                samples,
                first_sample=int(message.first_sample),
                time_ns=to_ns(message.header.stamp),
                stream_id=message.stream_id,
                sample_rate=rate,
            )
        except ValueError as error:
            self.report(topics.MICROPHONE.name, str(error))

    def _on_contact(self, message: ContactEvent) -> None:
        time_ns = to_ns(message.header.stamp)
        action = action_label(message.action) if message.action else ""
        self.board.contact(message.contact_id, time_ns, message.object_id, action, message.plan_id)
        self._waiting.append((message.contact_id, time_ns))

    def _after(self) -> None:
        """Cut the sound of contacts that have rung out, and look for the camera."""
        self._camera.poll()
        self._tf.poll()
        while self._waiting:
            contact_id, time_ns = self._waiting[0]
            end_ns, heard_ns = time_ns + round(AFTER_S * NS_PER_S), self._ring.end_ns or 0
            if heard_ns < end_ns and self.now_ns() < end_ns + _PATIENCE_S * NS_PER_S:
                return
            self._waiting.popleft()
            rate = self._ring.sample_rate
            samples, known = self._ring.slice(
                time_ns - round(BEFORE_S * NS_PER_S), round((BEFORE_S + AFTER_S) * rate)
            )
            if known.any():
                self.board.heard(contact_id, Sound(samples, rate, BEFORE_S))

    def _on_predicted(self, message: PredictedAudio) -> None:
        if message.mode != PredictedAudio.MODE_PLANNED:
            return
        contact_ns = to_ns(message.predicted_contact_time)
        onset_s = (contact_ns - to_ns(message.audio.header.stamp)) / NS_PER_S
        sound = Sound(
            one_channel(convert.audio_to_array(message.audio)), int(message.audio.sample_rate), onset_s
        )
        if sound.sample_rate > 0 and 0.0 <= onset_s <= len(sound.samples) / sound.sample_rate:
            self.board.predicted(message.plan_id, contact_ns, sound)

    def _on_vocabulary(self, message: VocabularyInfo) -> None:
        self._labels = tuple(message.labels)

    def _on_estimate(self, message: MaterialEstimate) -> None:
        if len(message.probabilities) != len(self._labels):
            return  # of a vocabulary that is not known yet
        probabilities = dict(zip(self._labels, map(float, message.probabilities), strict=True))
        if message.contact_id:
            self.board.contact_belief(message.contact_id, probabilities)
            return
        place = message.position
        self.board.belief(
            message.object_id,
            to_ns(message.header.stamp),
            probabilities,
            (place.x, place.y, place.z),
            abstain=message.abstain,
            contacts=(message.contacts_heard, message.contacts_predicted),
        )

    def _on_predicates(self, message: PredicateArray) -> None:
        told = [
            Told(
                p.name,
                tuple(p.arguments),
                int(p.state),
                float(p.probability),
                to_ns(p.newest_evidence),
                to_ns(p.valid_until),
                p.evidence,
                int(p.contacts),
                p.calibration_id,
            )
            for p in message.predicates
        ]
        self.board.predicates(to_ns(message.header.stamp), told)

    def _on_surprise(self, message: SurpriseMessage) -> None:
        told = (float(message.distance), float(message.percentile), bool(message.surprised))
        self.board.surprise(message.contact_id, message.plan_id, to_ns(message.header.stamp), told)

    def _on_hands(self, message: HandKeypoints) -> None:
        self._hands = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now_ns, own = self.now_ns(), self.get_fully_qualified_name()
        for status in message.status:
            if status.name != own:
                values = {value.key: value.value for value in status.values}
                level = int.from_bytes(status.level, "little")
                self.board.health(status.name, now_ns, level, status.message, values)

    # ---- what lies over the picture ----------------------------------------------------------------------
    def _model(self) -> CameraModel | None:
        """The camera as its pictures come: distorted ones are drawn upon as if they were not."""
        calibration, size = self._calibration, self._camera.size
        if calibration is None or size is None:
            return None
        try:
            pose = self._tf.buffer.lookup(self._settings.fixed_frame, calibration[0])
            lens = calibration[1].lens(*size, rectified=comes_rectified(self._camera.name))
        except (TransformUnavailable, ValueError) as error:
            self.report(topics.CAMERA_INFO.name, f"nothing is drawn over the picture: {error}")
            return None
        self.faults.clear(topics.CAMERA_INFO.name)
        return lens.model(pose)

    def _overlay(self) -> dict[str, Any] | None:
        model = self._model()
        if model is None:
            return None
        told = {entry["id"]: entry for entry in self.board.view(self.now_ns())["objects"]}
        objects = []
        for name, position in self.board.positions().items():
            pixel, depth = model.project(np.array(position))
            if depth > 0 and model.contains(pixel):
                entry = told.get(name)
                best = entry["top"][0] if entry and entry["top"] and not entry["abstain"] else None
                text = f"{best[0]} {best[1]:.0%}" if best else "?"
                objects.append({"id": name, "pixel": pixel.round(1).tolist(), "text": text})
        return {
            "width": model.width,
            "height": model.height,
            "objects": objects,
            "bones": self._bones(model),
        }

    def _bones(self, model: CameraModel) -> list[Any]:
        hands = self._hands
        if hands is None or self.now_ns() - to_ns(hands.header.stamp) > NS_PER_S:
            return []
        found = []
        for hand in (hands.left, hands.right):
            pixels, _ = model.project(np.array([(p.x, p.y, p.z) for p in hand]))
            for a, b in BONES:
                if np.isfinite(pixels[[a, b]]).all():
                    found.append([pixels[a].round(1).tolist(), pixels[b].round(1).tolist()])
        return found

    def _mark(self) -> None:
        if self._active and self._markers.get_subscription_count():
            now_ns = self.now_ns()
            message = markers_of(self.board.view(now_ns), self._settings.fixed_frame, now_ns)
            self._markers.publish(message)
