"""What was seen of a robot's topics, in a running system or in a bag: the same for both."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from foley_common import topics as registry
from foley_common.foreign_audio import info_topics
from foley_common.times import NS_PER_S
from foley_perception.robot.facts import AUDIO_INFO, Facts, merged

_KEPT = 20_000  # times of a topic that are kept


@dataclasses.dataclass(frozen=True)
class Offer:
    """How one publisher offers a topic."""

    reliability: str = "reliable"  # or best_effort
    durability: str = "volatile"  # or transient_local

    @property
    def text(self) -> str:
        latched = ", latched" if self.durability == "transient_local" else ""
        return self.reliability.replace("_", " ") + latched


@dataclasses.dataclass(frozen=True)
class SeenTopic:
    """One topic."""

    name: str
    type: str
    offers: tuple[Offer, ...] = ()  # one a publisher; a bag may not tell them
    messages: int = 0
    rate_hz: float = math.nan  # NaN: fewer than three messages
    longest_gap_s: float = math.nan
    lag_s: tuple[float, float, float] | None = (
        None  # arrival less stamp: least, median, most; None without stamps
    )
    unstamped: int = 0  # messages whose stamp is 0
    facts: Facts = dataclasses.field(default_factory=dict)
    received: bool = True  # somebody could have heard it; False: its type is not installed here

    @property
    def qos(self) -> str:
        return " / ".join(dict.fromkeys(offer.text for offer in self.offers)) or "-"


@dataclasses.dataclass(frozen=True)
class Seen:
    """A robot, or several in one network."""

    topics: tuple[SeenTopic, ...]
    where: str  # of what: `the running system` or a bag's name
    seconds: float  # watched
    live: bool = False

    def of(self, *types: str) -> list[SeenTopic]:
        return [topic for topic in self.topics if topic.type in types]

    def only_listed(self, topic: SeenTopic) -> bool:
        """Whether a bag lists a topic of which it holds nothing: recorders list what they are ready for."""
        return not self.live and not topic.messages

    def get(self, name: str) -> SeenTopic | None:
        return next((topic for topic in self.topics if topic.name == name), None)


def sound_facts(topics: Iterable[SeenTopic], heard: SeenTopic) -> tuple[Facts, str]:
    """What a microphone's messages hold, and `WHO says` it: they themselves, or the AudioInfo that goes with them."""
    if heard.facts.get("sample_rate"):
        return heard.facts, "its messages say"
    beside = {topic.name: topic for topic in topics if topic.type == AUDIO_INFO}
    for name in info_topics(heard.name):
        if name in beside and beside[name].facts.get("sample_rate"):
            return {**heard.facts, **beside[name].facts}, f"{name} says"
    return heard.facts, ""


class TopicTally:
    """Times and facts of one topic, message by message."""

    def __init__(self, name: str, message_type: str) -> None:
        self.name, self.type = name, message_type
        self.messages = self.unstamped = 0
        self._arrivals: list[int] = []
        self._lags: list[int] = []
        self._facts: Facts = {}

    def add(self, arrival_ns: int, stamp_ns: int | None, facts: Mapping[str, Any] | None = None) -> None:
        """One message; ``stamp_ns`` is 0 where it has none, None where its type has no place for one."""
        self.messages += 1
        if len(self._arrivals) < _KEPT:
            self._arrivals.append(arrival_ns)
            if stamp_ns:
                self._lags.append(arrival_ns - stamp_ns)
        self.unstamped += stamp_ns == 0
        if facts is not None:
            self._facts = merged(self._facts, facts)

    def seen(self, offers: Sequence[Offer] = (), *, received: bool = True) -> SeenTopic:
        arrivals = np.array(self._arrivals, np.int64)
        steps = np.diff(arrivals) / NS_PER_S
        span = float(arrivals[-1] - arrivals[0]) / NS_PER_S if len(arrivals) > 2 else 0.0
        lags = np.array(self._lags, np.int64) / NS_PER_S
        return SeenTopic(
            name=self.name,
            type=self.type,
            offers=tuple(offers),
            messages=self.messages,
            rate_hz=(len(arrivals) - 1) / span if span > 0 else math.nan,
            longest_gap_s=float(steps.max()) if span > 0 else math.nan,
            lag_s=(float(lags.min()), float(np.median(lags)), float(lags.max())) if lags.size else None,
            unstamped=self.unstamped,
            facts=self._facts,
            received=received,
        )


def below(topics: Iterable[SeenTopic], namespace: str) -> list[SeenTopic]:
    """Topics of a robot's namespace, and those that all robots share by their absolute names (/tf)."""
    prefix = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
    shared = (registry.TF.name, registry.TF_STATIC.name)
    return [t for t in topics if t.name.startswith(prefix) or t.name in shared]
