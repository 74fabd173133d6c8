"""What the samples of a microphone say of it: range, dead channels, offset, hum, clipping, silence."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from foley_perception.audit.channel import FULL_SCALE, Channel
from foley_perception.audit.clock_time import moment
from foley_perception.audit.finding import Finding, Severity

SLIGHT = 1.1  # up to this, samples over full scale are the rounding of a filter or a resampler
FAR = 8.0  # beyond it (18 dB) samples are no floats of a microphone
DC_OFFSET = 0.01
CLIP_SAMPLES = 10
ANTIPHASE = -0.7


class LevelAudit:
    """Levels of all channels of one microphone; feed it blocks, then ask."""

    def __init__(self) -> None:
        self._channels: list[Channel] = []
        self._used = 0
        self._rate = 0

    def add(self, samples: NDArray[np.float32], rate: int, time_ns: int) -> None:
        """``samples`` [n, channels] that follow each other, at most about a second; ``time_ns`` of the first."""
        if not len(samples):
            return
        self._rate = rate
        good = np.isfinite(samples)
        clean = samples if good.all() else np.where(good, samples, np.float32(0.0))
        first = np.ascontiguousarray(clean[:, 0])
        for number in range(samples.shape[1]):
            if number == len(self._channels):
                self._channels.append(Channel())
            channel = self._channels[number]
            block = first if number == 0 else np.ascontiguousarray(clean[:, number])
            channel.bad += len(samples) - int(np.count_nonzero(good[:, number]))
            channel.add(block, first, rate, time_ns)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Of what was fed."""
        return tuple(self._channels)

    @property
    def rate(self) -> int:
        """Of the samples that came last [Hz]; 0 before any."""
        return self._rate

    def findings(self, topic: str, start_ns: int | None, used: int = 0) -> list[Finding]:
        """What is wrong; ``used`` is the channel that is heard."""
        found: list[Finding] = []
        self._used = used
        for number, channel in enumerate(self._channels):
            name = topic if len(self._channels) == 1 else f"{topic}: channel {number}"
            found += self._of_channel(topic, name, channel, number == used, start_ns)
        return found

    # ---- rules -----------------------------------------------------------------------------------------
    def _of_channel(
        self, topic: str, name: str, channel: Channel, used: bool, start_ns: int | None
    ) -> Iterator[Finding]:
        if channel.bad:
            everything = channel.bad == channel.count
            yield Finding(
                "sound_unknown",
                Severity.ERROR if everything and used else Severity.PROBLEM,
                topic,
                f"{name}: {channel.bad} of {channel.count} samples are NaN or infinite, heard as silence; "
                "the driver must send numbers",
            )
            if everything:
                return
        if channel.dead:
            yield self._dead(topic, name, channel, used)
            return
        yield from self._range(topic, name, channel, start_ns)
        if channel.peak > FAR:
            return  # nothing else can be said of such samples
        yield from self._clipping(topic, name, channel, start_ns)
        yield from self._silence(topic, name, channel, start_ns)
        if abs(channel.mean) > DC_OFFSET:
            yield Finding(
                "sound_offset",
                Severity.PROBLEM,
                topic,
                f"{name} has a mean of {channel.mean:+.4f} of full scale, at most {DC_OFFSET} is usual: switch on "
                "the driver's high-pass, or check the microphone's supply",
            )
        mains, rms = channel.hum.level()
        if mains:
            yield Finding(
                "sound_hum",
                Severity.PROBLEM,
                topic,
                f"{name} hums at {mains} Hz and its harmonics with {20 * math.log10(rms):.0f} dBFS throughout: "
                "check ground and shield of the cable, or run the computer off another supply",
            )
        if channel.correlation < ANTIPHASE:
            yield Finding(
                "sound_antiphase",
                Severity.PROBLEM,
                topic,
                f"{name} is channel 0 turned over (correlation {channel.correlation:.2f}): whoever averages them "
                "hears nothing; swap the wires of one capsule. Foley hears channel 0 alone",
            )

    def _dead(self, topic: str, name: str, channel: Channel, used: bool) -> Finding:
        cure = (
            "is it muted, unplugged or the wrong input? Where another channel is live, name it in the robot's file "
            "(`sound: {microphone: {channel: 1}}`)"
            if used
            else f"nothing is connected to it; this costs nothing where channel {self._used} is the microphone"
        )
        seconds = channel.count / self._rate
        named = self._used > 0  # by somebody who knows which one it is
        severity = Severity.ERROR if used else Severity.NOTE if named else Severity.PROBLEM
        text = f"{name} holds {channel.low:g} in all {channel.count} samples ({seconds:.1f} s): {cure}"
        return Finding("sound_dead", severity, topic, text)

    def _range(self, topic: str, name: str, channel: Channel, start_ns: int | None) -> Iterator[Finding]:
        if channel.peak <= FULL_SCALE:
            return
        at, peak = moment(channel.first_over_ns, start_ns), channel.peak
        if peak > FAR or (channel.whole and peak > 1.5):
            bits = next((b for b in (8, 16, 24, 32) if peak <= 2 ** (b - 1)), 32)
            cure = f"divide by {2 ** (bits - 1)}"
            if bits == 8:
                cure = "divide by full scale (128 of 8 bits, 32768 of 16)"
            yield Finding(
                "sound_range",
                Severity.ERROR,
                topic,
                f"{name}: samples up to {peak:.5g} (from {at} on), must lie in [-1, 1]: the driver did not scale its "
                f"integers; {cure}",
                channel.first_over_ns,
            )
            return
        yield Finding(
            "sound_range",
            Severity.NOTE if peak <= SLIGHT else Severity.PROBLEM,
            topic,
            f"{name}: {channel.over} samples over full scale, up to {peak:.3f}, first at {at}: must lie in [-1, 1]; "
            "lower the gain behind the converter",
            channel.first_over_ns,
        )

    def _clipping(self, topic: str, name: str, channel: Channel, start_ns: int | None) -> Iterator[Finding]:
        rails = (channel.high_rail, channel.low_rail)
        samples = sum(rail.samples for rail in rails)
        if samples < CLIP_SAMPLES:
            return
        first = min(rail.first_ns for rail in rails if rail.first_ns is not None)
        worst = max(rails, key=lambda rail: rail.samples)
        yield Finding(
            "sound_clipped",
            Severity.PROBLEM,
            topic,
            f"{name} is clipped at {worst.level:.3f} of full scale: {samples / channel.count:.3%} of the samples in "
            f"{sum(r.runs for r in rails)} tops, the longest {max(r.longest for r in rails)} samples, first at "
            f"{moment(first, start_ns)}; lower the gain",
            first,
        )

    def _silence(self, topic: str, name: str, channel: Channel, start_ns: int | None) -> Iterator[Finding]:
        longest, at, total = channel.silence(self._rate)
        if not longest:
            return
        yield Finding(
            "sound_silence",
            Severity.PROBLEM,
            topic,
            f"{name} does not change at all for {longest / self._rate:.1f} s from {moment(at, start_ns)} on, "
            f"{total / self._rate:.1f} s in all: nothing is heard there; switch off its noise gate, or "
            "find out who mutes it",
            at,
        )
