"""Images of a bag, raw or compressed, as frames that are decoded when asked for."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audit import camera as audit
from foley_perception.audit.finding import Finding
from foley_perception.episodes.decode import Messages, increasing
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.images import (
    DepthScale,
    ImageError,
    RawImage,
    compressed_depth,
    compressed_rgb,
    compressed_size,
    depth_values,
    rgb_of,
)
from foley_perception.images.raw import check_raw
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage, BagTopic

_UNIT_FRAMES = 300  # images of depth that are looked at for its unit: so many of the first, and of the others
Kind = tuple[int, int, str]  # width, height, encoding where it tells what the numbers mean


class PictureOutline:
    """What the images of a topic are, looked at message by message and not decoded: which are usual, which are not."""

    def __init__(self, topic: BagTopic, *, depth: bool) -> None:
        self._topic, self._reader = topic.name, _Reader(topic, depth)
        self._counts: collections.Counter[Kind] = collections.Counter()
        self._first: dict[Kind | str, tuple[int, int]] = {}  # stamp of the first, how many

    def feed(self, message: BagMessage) -> Kind | str:
        """Its kind; what is wrong with it where it cannot be used."""
        kind = self._reader.kind(message.data)
        if isinstance(kind, tuple):
            self._counts[kind] += 1
        first, count = self._first.get(kind, (stamp_of(message), 0))
        self._first[kind] = (first, count + 1)
        return kind

    @property
    def usual(self) -> Kind:
        """Of most images that can be used. Raises EpisodeError where there is none."""
        if not self._counts:
            raise EpisodeError(f"{self._topic}: {next(iter(self._first), 'there is no image')}")
        return self._counts.most_common(1)[0][0]

    def findings(self, start_ns: int) -> list[Finding]:
        """What is left out, and what is assumed. Raises EpisodeError where no image can be used."""
        usual, found = self.usual, []
        total = sum(count for _, count in self._first.values())
        bad = {kind: entry for kind, entry in self._first.items() if kind != usual}
        if bad:
            kind, (first_ns, _) = min(bad.items(), key=lambda item: item[1][0])
            why = kind if isinstance(kind, str) else f"{_text(kind)}, most are {_text(usual)}"
            count, first_s = sum(count for _, count in bad.values()), (first_ns - start_ns) / NS_PER_S
            found.append(audit.unreadable_pictures(self._topic, count, total, first_s, why))
        if self._reader.unnamed:
            found.append(audit.unnamed_colours(self._topic, self._reader.unnamed))
        return found


def frame_track(
    topic: BagTopic,
    messages: Messages,
    *,
    depth: bool,
    start_ns: int = 0,
    outline: PictureOutline | None = None,
) -> FrameTrack:
    """Frames by stamp. Those that are damaged, or of another size than most, are left out, which is told.

    Args:
        start_ns: of the recording, for what is told.
        outline: of the whole recording, where the messages are a part of it.

    Raises:
        EpisodeError: there is no image that can be used.
    """
    reader = _Reader(topic, depth)
    if outline is None:
        outline = PictureOutline(topic, depth=depth)
        kinds = [outline.feed(message) for message in messages]
    else:
        kinds = [reader.kind(message.data) for message in messages]
    findings = outline.findings(start_ns)
    good = [index for index, kind in enumerate(kinds) if kind == outline.usual]
    stamps = np.array([stamp_of(messages[i]) for i in good], dtype=np.int64)
    order = increasing(stamps)
    kept = [good[i] for i in order.tolist()]
    if depth:
        reader.decide_unit([messages[index] for index in kept])
        if reader.scale.problem:
            findings.append(audit.depth_unit(topic.name, reader.scale.problem))

    def decode(index: int) -> NDArray[np.generic]:
        with _named(topic.name):
            return reader.read(messages[kept[index]].data)

    return FrameTrack(stamps[order], decode, outline.usual[:2], tuple(findings))


def seen_through(
    track: FrameTrack, change: Callable[[int, NDArray[np.generic]], NDArray[np.generic]]
) -> FrameTrack:
    """The frames as a function of their index and pixels makes them."""
    return dataclasses.replace(track, _decode=lambda index: change(index, track.read(index)))


def stamp_of(message: BagMessage) -> int:
    """When an image was taken; when it arrived, where nobody stamped it."""
    return cdr.read_stamp(message.data, 4) or message.log_time


# ---- inside --------------------------------------------------------------------------------------------
class _Reader:
    """Reads the serialised images of one topic."""

    def __init__(self, topic: BagTopic, depth: bool) -> None:
        self._topic = topic.name
        self._compressed = topic.type == "sensor_msgs/msg/CompressedImage"
        self._depth = depth
        self.scale = DepthScale()
        self.unnamed = ""  # an encoding without colours that was met

    def kind(self, data: cdr.Buffer) -> Kind | str:
        """What an image is, without decoding it; what is wrong with it where it cannot be used."""
        try:
            if self._compressed:
                form, body = _file(data)
                width, height = compressed_size(form, body, depth=self._depth)
                return width, height, form.partition(";")[0] if self._depth else ""
            image = _raw(data)
            check_raw(image, depth=self._depth)
        except (ImageError, cdr.CdrError) as error:
            return str(error)
        if image.encoding in ("8UC3", "8UC4"):
            self.unnamed = image.encoding
        return image.width, image.height, image.encoding if self._depth else ""

    def read(self, data: cdr.Buffer) -> NDArray[np.generic]:
        if self._depth:
            return self.scale.metres(self.depth_values(data))
        return compressed_rgb(*_file(data)) if self._compressed else rgb_of(_raw(data))

    def decide_unit(self, messages: Messages) -> None:
        """Look at depth until some images have readings: a camera that starts up sends none at first.

        Raises EpisodeError where none has any, none can be decoded, or the readings have no unit.
        """
        later = messages[_UNIT_FRAMES:]
        looked, failure = 0, ""
        for message in [*messages[:_UNIT_FRAMES], *later[:: -(-len(later) // _UNIT_FRAMES) or 1]]:
            try:
                self.scale.look(self.depth_values(message.data))
                looked += 1
            except (ImageError, cdr.CdrError) as error:
                failure = failure or str(error)
            if self.scale.settled:
                break
        if not looked and failure:
            raise EpisodeError(f"{self._topic}: {failure}")
        if not self.scale.decided:
            count = f"none of its {looked} images" if looked == len(messages) else f"none of {looked} images"
            raise EpisodeError(
                f"{self._topic}: {count} holds a reading (all are 0, negative or no number); was the camera covered, "
                "too near, or its depth switched off?"
            )
        if not self.scale.usable:
            raise EpisodeError(f"{self._topic}: {self.scale.problem}")

    def depth_values(self, data: cdr.Buffer) -> NDArray[np.generic]:
        return compressed_depth(*_file(data)) if self._compressed else depth_values(_raw(data))


@contextlib.contextmanager
def _named(topic: str) -> Iterator[None]:
    """Errors of an image as those of an episode, with the name of the topic."""
    try:
        yield
    except (ImageError, cdr.CdrError) as error:
        raise EpisodeError(f"{topic}: {error}") from error


def _raw(data: cdr.Buffer) -> RawImage:
    head = cdr.read_image_head(data)
    body = memoryview(data)[head.offset : head.offset + head.size]
    return RawImage(head.height, head.width, head.encoding, bool(head.is_bigendian), head.step, body)


def _file(data: cdr.Buffer) -> tuple[str, memoryview]:
    head = cdr.read_compressed_head(data)
    return head.format, memoryview(data)[head.offset : head.offset + head.size]


def _text(kind: Kind) -> str:
    width, height, encoding = kind
    return f"{width}x{height} {encoding}".strip()
