"""The ears of the `material` node: sound and contacts that come, and whether any may be missed.

mic/audio ------------------> ring ----+
contacts -------------------> queue ---+--> heard(contact with its sound)
contact_detector/heartbeat --> watch ------> listening(why not)
planned_tool_trajectory -----> expectations --> absent(planned contact that did not come)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import AudioChunk, ContactEvent, ToolTrajectory
from foley_perception.audio.ring import AudioRing
from foley_perception.audit.live import LiveSound
from foley_perception.clips.channels import one_channel
from foley_perception.contact_event import Contact
from foley_perception.ros.own_noise import LiveOwnNoise
from foley_ros import convert as common
from foley_ros import qos
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller
from foley_synthesis.live.config import MaterialConfig
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.contact_queue import ContactQueue, HeardSound
from foley_synthesis.live.expectation import Expectations, Fate
from foley_synthesis.live.hearing_watch import HearingWatch
from foley_synthesis.ros import convert

POLL_PERIOD_S = 0.02
_SOON_S, _SOON_PERIOD_S = 0.03, 0.002  # before a contact's sound ends it is looked for that often
LOWEST_HZ = 8000  # of sound that tells materials
_EXPECTED = "planned contacts"
_TOLD = (Fate.MISSED, Fate.UNDETECTED, Fate.NOT_KNOWN)


class ContactHearing:
    """Everything in the executor's thread.

    Args:
        heard: is handed each contact whose sound is there, or overdue.
        expectations: of planned contacts, that somebody else fills.
        absent: is told of each planned contact that did not come.
        listening: is told when contacts begin or cease to be missed: why they may be now (empty: they are not), and
            up to when they may have been [ns].
    """

    def __init__(
        self,
        node: FoleyNode[Any],
        config: MaterialConfig,
        *,
        heard: Callable[[HeardSound], None],
        listening: Callable[[str, int], None],
        expectations: Expectations,
        absent: Callable[[ExpectedSound], None],
    ) -> None:
        self._node, self._heard, self._listening = node, heard, listening
        self._expectations, self._absent = expectations, absent
        self._fates = dict.fromkeys(Fate, 0)
        self._channel = config.channel
        self._ring = AudioRing(config.sample_rate)
        self._audit = LiveSound(topics.MICROPHONE.name, self._channel)
        self._queue = ContactQueue(
            self._ring, before_s=config.before_s, after_s=config.after_s, patience_s=config.patience_s
        )
        self._watch = HearingWatch(node.now_ns())
        self._told = ("", 0)
        self._poller = Poller(node.entities, POLL_PERIOD_S, after=self.hand_over)
        wanted = config.own_noise if config.take_off_own_noise else ""
        self._noise = LiveOwnNoise(node, self._poller, wanted) if wanted else None
        self._poller.subscribe(topics.MICROPHONE, self._on_audio)
        node.entities.subscribe(topics.CONTACTS, self._on_contact)
        node.entities.subscribe(topics.TOOL_PLAN, self._on_plan)
        if config.contact_detector:
            beats = f"{config.contact_detector}/{topics.HEARTBEAT.name.removeprefix('~/')}"
            node.entities.subscription(State, beats, self._on_beat, qos.HEARTBEAT)

    def start(self) -> None:
        """Listen from now on: what happened before was not heard."""
        self._watch = HearingWatch(self._node.now_ns())
        self._told = ("", 0)

    def stop(self) -> None:
        self._queue.clear()
        self._expectations.clear()

    def missed(self, contact: Contact) -> None:
        """Of this contact no sound was received."""
        self._watch.missed_until_ns = max(self._watch.missed_until_ns, contact.time_ns + 1)

    def cleaned(self, sound: HeardSound) -> HeardSound:
        """Without the robot's own noise, where that is known. May be called from any thread."""
        if self._noise is None:
            return sound
        start_ns = sound.contact.time_ns - round(sound.onset_s * NS_PER_S)
        samples = self._noise.cleaned(sound.samples, sound.sample_rate, start_ns)
        return dataclasses.replace(sound, samples=samples)

    def figures(self) -> dict[str, Any]:
        statistics = self._ring.statistics
        return {
            "audio_gaps": statistics.gaps,
            "audio_samples_lost": statistics.lost_samples,
            **{f"planned_contacts_{fate.name.lower()}": self._fates[fate] for fate in _TOLD},
        }

    def problems(self) -> list[str]:
        why, _ = self._told
        if not why:
            return [finding.text for finding in self._audit.findings()[:3]]
        return [
            f"{why} Contacts may be missed, so nothing is said of the newest one, nor that there was none"
        ]

    # ---- callbacks -----------------------------------------------------------------------------------------
    def _on_audio(self, message: AudioChunk) -> None:
        name = topics.MICROPHONE.name
        try:
            samples, stamp_ns = common.audio_to_array(message), common.to_ns(message.header.stamp)
            arrival_ns = self._node.entities.latencies.arrival_ns(
                topics.MICROPHONE, stamp_ns, self._node.now_ns()
            )
            stream_id, first_sample, time_ns = self._audit.add(
                samples,
                first_sample=message.first_sample,
                time_ns=stamp_ns,
                stream_id=message.stream_id,
                sample_rate=message.sample_rate,
                arrival_ns=arrival_ns,
            )
            self._hear_at(int(message.sample_rate))
            self._ring.append(
                one_channel(samples, self._channel),
                first_sample=first_sample,
                time_ns=time_ns,
                stream_id=stream_id,
                sample_rate=message.sample_rate,
            )
        except ValueError as error:
            self._node.report(name, str(error))
            return
        self._node.faults.clear(name)
        lasts_ns = len(samples) * NS_PER_S // int(message.sample_rate)
        self._watch.sound(self._node.now_ns(), time_ns, time_ns + lasts_ns)

    def _hear_at(self, sample_rate: int) -> None:
        """Models resample what they hear; the ring holds one rate. Raises ValueError."""
        if sample_rate == self._ring.sample_rate:
            return
        if sample_rate < LOWEST_HZ:
            raise ValueError(
                f"sample_rate is {sample_rate} Hz, materials need at least {LOWEST_HZ} Hz: set the microphone to more"
            )
        self._ring = AudioRing(sample_rate)
        self._queue.ring = self._ring

    def _on_contact(self, message: ContactEvent) -> None:
        if not self._node.active:
            return
        try:
            contact = convert.contact_of(message, self._node.now_ns())
        except common.ConversionError as error:
            self._node.report(topics.CONTACTS.name, str(error))
            return
        self._queue.add(contact)
        self._expectations.announced(contact)
        self._node.faults.clear(_EXPECTED)

    def _on_plan(self, message: ToolTrajectory) -> None:
        if self._node.active:
            self._expectations.planned(message.plan_id, common.to_ns(message.header.stamp))

    def _on_beat(self, message: State) -> None:
        self._watch.beat(self._node.now_ns(), active=message.id == State.PRIMARY_STATE_ACTIVE)

    def hand_over(self) -> None:
        """Contacts whose sound is there, or overdue, and whether any may be missed now."""
        if not self._node.active:
            return
        now_ns = self._node.now_ns()
        if len(self._queue):
            for sound in self._queue.ready(now_ns):
                self._heard(sound)
        due_ns = self._queue.due_ns()
        soon = due_ns is not None and now_ns > due_ns - _SOON_S * NS_PER_S
        self._poller.take_every(_SOON_PERIOD_S if soon else POLL_PERIOD_S)
        why = self._watch.why_deaf(now_ns)
        was, until_ns = self._told
        if bool(why) != bool(was) or (not why and until_ns != self._watch.missed_until_ns):
            self._listening(why, self._watch.missed_until_ns)
        self._told = (why, self._watch.missed_until_ns)
        if self._expectations.due(now_ns):
            self._look_for_absent(now_ns, bool(why))

    def _look_for_absent(self, now_ns: int, deaf: bool) -> None:
        """Planned contacts whose time is over."""
        for expected, fate in self._expectations.overdue(now_ns, self._ring, deaf=deaf or self._nobody()):
            self._fates[fate] += 1
            if fate is Fate.MISSED:
                self._absent(expected)
            elif fate is Fate.UNDETECTED:
                self._node.report(
                    _EXPECTED,
                    f"something sounded when plan `{expected.plan_id}` was to touch, and no contact was announced: is "
                    "the contact detector running? Until it announces one, no planned contact counts as missed",
                )

    def _nobody(self) -> bool:
        """Whether nobody is there who detects contacts."""
        return self._node.count_publishers(self._node.resolve_topic_name(topics.CONTACTS.name)) == 0
