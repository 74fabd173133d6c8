"""Which topics of a recording are compressed, and how: the recorder's parameter ``compression``.

An entry is ``topic=form`` or ``package/msg/Type=form``; a topic's own entry comes before its type's. Forms:

* ``none``: as it arrives. This holds for everything that no entry names.
* ``zstd``: without loss, any message: it lies in chunks that are compressed.
* ``jpeg`` or ``jpeg:QUALITY`` (1 to 100, 95): images only; written as ``<topic>/compressed``.
* ``png``: images without loss, as ``<topic>/compressed``; depth of 16 bit as ``<topic>/compressedDepth``.

A type's ``jpeg`` never meets depth, which it would change: topics with `depth` in their names become ``png``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from foley_common.topics import CAMERA, CAMERA_COMPRESSED

IMAGE_TYPE, COMPRESSED_TYPE = CAMERA.type, CAMERA_COMPRESSED.type
DEFAULT_QUALITY = 95  # image_transport's
_FORM = re.compile(r"none|zstd|png|jpeg(?::(\d{1,3}))?")
_TYPE = re.compile(r"[a-z][a-z0-9_]*/msg/[A-Za-z0-9]+")
Encoded = bytes | str
"""A serialised CompressedImage, or why there is none: then the image is kept as it came."""
KEY = "compression"
"""Of the session's metadata: a mapping of topics, as they arrived, to forms."""


@dataclasses.dataclass(frozen=True)
class Form:
    """How one topic is kept."""

    kind: str = "none"  # none, zstd, jpeg, png
    quality: int = DEFAULT_QUALITY  # of jpeg

    @staticmethod
    def parse(text: str, where: str) -> Form:
        """Raises ValueError, which names the entry and what is known."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(
                f"compression: `{text}` in `{where}`, known are none, zstd, png, jpeg and jpeg:QUALITY"
            )
        kind = text.partition(":")[0]
        quality = int(found[1]) if found[1] else DEFAULT_QUALITY
        if not 1 <= quality <= 100:
            raise ValueError(f"compression: quality is {quality} in `{where}`, must be from 1 to 100")
        return Form(kind, quality)

    @property
    def encodes(self) -> bool:
        """Whether images become files (JPEG, PNG) on another topic."""
        return self.kind in ("jpeg", "png")

    @property
    def packed(self) -> bool:
        """Whether messages lie in chunks that are compressed."""
        return self.kind == "zstd"

    def __str__(self) -> str:
        return f"jpeg:{self.quality}" if self.kind == "jpeg" else self.kind


AS_IT_ARRIVES = Form()


@dataclasses.dataclass(frozen=True)
class Compression:
    """The parameter, parsed."""

    by_topic: Mapping[str, Form] = dataclasses.field(default_factory=dict)
    by_type: Mapping[str, Form] = dataclasses.field(default_factory=dict)

    @staticmethod
    def parse(entries: Iterable[str]) -> Compression:
        """From `name=form` entries.

        Raises:
            ValueError: names the entry and what is wrong with it.
        """
        by_topic: dict[str, Form] = {}
        by_type: dict[str, Form] = {}
        for entry in entries:
            name, equals, text = (part.strip() for part in entry.partition("="))
            if not (name and equals and text):
                raise ValueError(
                    f"compression: `{entry}` is not `topic=form`, such as `camera/image_raw=jpeg:90`"
                )
            form, kinds = Form.parse(text, entry), by_type if _TYPE.fullmatch(name) else by_topic
            if name in kinds:
                raise ValueError(f"compression: {name} is listed more than once")
            if kinds is by_type and form.encodes and name != IMAGE_TYPE:
                raise ValueError(f"compression: `{entry}`: {form.kind} is for {IMAGE_TYPE} only; use zstd")
            if kinds is by_topic and form.kind == "jpeg" and is_depth(name):
                raise ValueError(f"compression: `{entry}`: JPEG would change depth; use png or zstd")
            kinds[name] = form
        return Compression(by_topic, by_type)

    def check(self, types: Mapping[str, str]) -> None:
        """Whether it fits the topics that are recorded: name as configured -> type.

        Raises:
            ValueError: a topic that is not recorded, or an image's form for one that holds none.
        """
        for name, form in self.by_topic.items():
            if name not in types:
                raise ValueError(f"compression: {name} is not recorded (parameter `topics`)")
            if form.encodes and types[name] not in (IMAGE_TYPE, COMPRESSED_TYPE):
                raise ValueError(
                    f"compression: {name} has type {types[name]}, {form.kind} is for {IMAGE_TYPE}; use zstd"
                )

    def of(self, names: Iterable[str], message_type: str) -> Form:
        """How a topic is kept.

        Args:
            names: that it bears: as configured, in the registry, on the wire.
        """
        names = list(names)
        form = next((self.by_topic[n] for n in names if n in self.by_topic), None)
        if form is None:
            form = self.by_type.get(message_type, AS_IT_ARRIVES)
            if form.kind == "jpeg" and any(map(is_depth, names)):
                return Form("png")
        # What a camera's driver has compressed already stays as it is.
        return AS_IT_ARRIVES if form.encodes and message_type != IMAGE_TYPE else form


def is_depth(topic: str) -> bool:
    return "depth" in topic


def encoded_topics(session: Mapping[str, Any]) -> dict[str, str]:
    """Topics whose images were encoded, as a bag's metadata tell -> where these lie. Those that could not be encoded
    lie on the topic itself."""
    stored, found = session.get(KEY), {}
    for topic, text in stored.items() if isinstance(stored, Mapping) else ():
        with contextlib.suppress(ValueError):  # of a later version
            if (form := Form.parse(str(text), KEY)).encodes:
                found[str(topic)] = encoded_topic(str(topic), form)
    return found


def encoded_topic(topic: str, form: Form) -> str:
    """The topic of the encoded images of ``topic``, as image_transport calls it."""
    return f"{topic}/compressedDepth" if form.kind == "png" and is_depth(topic) else f"{topic}/compressed"
