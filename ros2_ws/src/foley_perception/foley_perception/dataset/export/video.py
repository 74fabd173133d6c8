"""Images as video, a frame after the other, by PyAV (FFmpeg). It is asked for only where video is written."""

from __future__ import annotations

import dataclasses
import fractions
import importlib.util
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.dataset.schema import DatasetError

PIXELS = "yuv420p"
GROUP = 2
"""Frames from one that stands alone to the next: any frame is read at the cost of two."""


@dataclasses.dataclass(frozen=True)
class Encoder:
    """One of FFmpeg's."""

    name: str
    codec: str  # as files and `info.json` call it
    options: tuple[tuple[str, str], ...]


ENCODERS: tuple[Encoder, ...] = (
    Encoder("libsvtav1", "av1", (("crf", "24"), ("preset", "8"))),
    Encoder("libaom-av1", "av1", (("crf", "24"), ("cpu-used", "8"))),
    Encoder("libx264", "h264", (("crf", "18"), ("preset", "veryfast"))),
    Encoder("mpeg4", "mpeg4", (("qmin", "2"), ("qmax", "3"))),
)
"""The first that the installed FFmpeg has is used."""


def encoder() -> Encoder:
    """Raises DatasetError where there is none."""
    if importlib.util.find_spec("av") is None:
        raise DatasetError(
            "--pictures video needs PyAV, which is not installed: `pip install av`, or give --pictures images "
            "(every image as PNG, without loss, in some ten times the space)"
        )
    import av

    found = next((one for one in ENCODERS if one.name in av.codecs_available and _opens(one)), None)
    if found is None:
        names = ", ".join(one.name for one in ENCODERS)
        raise DatasetError(
            f"the FFmpeg of PyAV {av.__version__} has none of the encoders {names}; give --pictures images"
        )
    return found


def _opens(one: Encoder) -> bool:
    """Whether it encodes: some are named and not there."""
    import av

    try:
        av.CodecContext.create(one.name, "w")
    except (av.error.FFmpegError, ValueError):
        return False
    return True


class VideoWriter:
    """One file. Frame i is shown at i / fps."""

    def __init__(self, path: Path, size: tuple[int, int], fps: int, one: Encoder) -> None:
        import av

        os.environ.setdefault("SVT_LOG", "1")  # errors only: else it tells its settings of every file
        self._path, self._size, self._av = path, size, av
        if size[0] % 2 or size[1] % 2:
            raise DatasetError(
                f"images are {size[0]} x {size[1]}: video needs even sides; give --pictures images"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = av.open(str(path), "w")
        stream: Any = self._file.add_stream(one.name, rate=fps, options=dict(one.options))
        stream.width, stream.height = size
        stream.pix_fmt = PIXELS
        stream.codec_context.gop_size = GROUP
        stream.codec_context.time_base = fractions.Fraction(1, fps)
        self._stream, self._count = stream, 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.mux(self._stream.encode())
        finally:
            self._file.close()

    def write(self, image: NDArray[np.uint8]) -> None:
        """RGB [H, W, 3]. Raises DatasetError: of another size."""
        if image.shape != (self._size[1], self._size[0], 3):
            raise DatasetError(
                f"{self._path.name}: an image of shape {image.shape} among those of {self._size}"
            )
        frame = self._av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self._count, self._stream.codec_context.time_base
        self._count += 1
        for packet in self._stream.encode(frame):
            self._file.mux(packet)
