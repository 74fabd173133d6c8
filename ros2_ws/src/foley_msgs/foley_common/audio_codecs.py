"""Compressed sound that comes in pieces, decoded by libsndfile (`soundfile`).

libsndfile reads files, not streams. So each piece is decoded together with what its decoder must have seen before it:
of mp3 the frames whose bits and overlap it uses, of Ogg the stream's headers and its last pages, of FLAC its header.
The samples are those that the whole stream would have given, at the cost of decoding some frames more often.
"""

from __future__ import annotations

import collections
import io
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foley_common.audio_formats import AudioFormat, AudioFormatError

_MOST = 1 << 24  # bytes that wait for the rest of a frame or page
_WHOLE = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"caff")
Samples = NDArray[np.float32]  # [frames, channels]


class Piece:
    """Decoded samples, their rate, and how many samples later than captured the coding lets them come."""

    def __init__(self, samples: Samples, sample_rate: int, delay: int = 0) -> None:
        self.samples, self.sample_rate, self.delay = samples, sample_rate, delay


class Decoder(Protocol):
    def feed(self, data: bytes) -> Piece | None:
        """The samples that become known with one message; None for none.

        Raises:
            AudioFormatError: it is not of its coding, or cannot be begun in the middle.
        """


def decoder(form: AudioFormat) -> Decoder:
    """Of a coding that is not PCM."""
    kinds: dict[str, Callable[[], Decoder]] = {"mp3": Mp3, "ogg": Ogg, "flac": Flac, "file": WholeFiles}
    return kinds[form.coding]()


def is_whole_file(data: bytes) -> bool:
    """Whether a message that is said to hold raw samples holds a sound file with its header."""
    return data[:4] in _WHOLE and len(data) > 44


class WholeFiles:
    """Each message is a file of its own."""

    def feed(self, data: bytes) -> Piece | None:
        samples, rate = _decode(data, "a sound file in each message")
        return Piece(samples, rate) if len(samples) else None


# ---- mp3 ---------------------------------------------------------------------------------------------------
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version
_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_DECODER_DELAY, _ENCODER_DELAY = 529, 576  # samples; of every decoder, and of LAME, which GStreamer uses
_RESERVOIR = 600  # bytes: a frame's bits begin up to 511 bytes before it
_OVERLAP = 2  # frames that a frame's samples are mixed with


class _Frame:
    """One frame of MPEG audio, layer 3."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.version, self.mono = (data[1] >> 3) & 3, data[3] >> 6 == 3
        self.rate = _RATES[self.version][(data[2] >> 2) & 3]
        self.samples = 1152 if self.version == 3 else 576
        mpeg1 = self.version == 3
        self.side = (17 if self.mono else 32) if mpeg1 else (9 if self.mono else 17)
        self._crc = 0 if data[1] & 1 else 2
        self.main = len(data) - 4 - self._crc - self.side  # bytes of its own that hold bits

    @property
    def is_tag(self) -> bool:
        at = 4 + self._crc + self.side
        return self.data[at : at + 4] in (b"Xing", b"Info")

    def silenced(self, before: int) -> bytes:
        """The same without sound, whose bits later frames still find; it claims to begin ``before`` bytes earlier."""
        bits = 9 if self.version == 3 else 8
        begin = min(before, (1 << bits) - 1) << (8 * self.side - bits)
        at = 4 + self._crc
        return self.data[:at] + begin.to_bytes(self.side, "big") + self.data[at + self.side :]

    def counting(self, frames: int) -> bytes:
        """A frame that tells how many follow, without which libsndfile guesses it from the bit rate."""
        head = bytearray(self.data[:4])
        head[1] |= 1  # no checksum
        head[2] = (head[2] & 0x0C) | 0x90
        body = bytes(head) + bytes(self.side) + b"Xing" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
        return body + bytes(_frame_bytes(head) - len(body))


def _frame_bytes(head: Sequence[int]) -> int:
    """Length of the frame that begins with these 4 bytes; 0 where none does."""
    version, rate = (head[1] >> 3) & 3, (head[2] >> 2) & 3
    if head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or version == 1 or rate == 3 or not 0 < head[2] >> 4 < 15:
        return 0
    kbps = (_KBPS_1 if version == 3 else _KBPS_2)[head[2] >> 4]
    return (144 if version == 3 else 72) * kbps * 1000 // _RATES[version][rate] + ((head[2] >> 1) & 1)


class Mp3:
    """A stream of frames, cut into messages anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._past: collections.deque[_Frame] = collections.deque(maxlen=64)
        self._searched = 0  # bytes since the last frame

    def feed(self, data: bytes) -> Piece | None:
        frames, self._rest = _mp3_frames(self._rest + data)
        self._searched = 0 if frames else self._searched + len(data)
        if self._searched > 1 << 16:
            raise AudioFormatError(
                "coding mp3: no frame of MPEG layer 3 is found in 64 KiB; name the coding that it is (AudioInfo's "
                "coding_format, or robot.yaml's `raw`)"
            )
        new = [frame for frame in frames if not frame.is_tag]
        if not new:
            return None
        if self._past and (self._past[-1].rate, self._past[-1].mono) != (new[0].rate, new[0].mono):
            self._past.clear()
        past, bits, at = list(self._past), 0, max(len(self._past) - _OVERLAP, 0)
        begin = at
        while begin > 0 and bits < _RESERVOIR:
            begin -= 1
            bits += past[begin].main
        window, bits = [], 0
        for frame in past[begin:at]:
            window.append(frame.silenced(bits))
            bits += frame.main
        window += [frame.data for frame in (*past[at:], *new)]
        self._past.extend(new)
        samples, rate = _decode(new[0].counting(len(window)) + b"".join(window), "mp3")
        count = sum(frame.samples for frame in new)
        samples = _filled(samples, count)  # the decoder's delay is left out where the stream begins
        return Piece(samples[-count:], rate, _DECODER_DELAY + _ENCODER_DELAY)


def _mp3_frames(data: bytes) -> tuple[list[_Frame], bytes]:
    """Whole frames, and what is left for the next message."""
    frames, at = [], 0
    while at + 4 <= len(data):
        size = _frame_bytes(data[at : at + 4])
        if size == 0:
            found = data.find(b"\xff", at + 1)
            at = found if found >= 0 else len(data)
            continue
        if at + size > len(data):
            break
        frame = _Frame(data[at : at + size])
        if frame.main < 0:
            at += 1
            continue
        frames.append(frame)
        at += size
    return frames, data[at:]


# ---- Ogg -----------------------------------------------------------------------------------------------------
class Ogg:
    """Vorbis, Opus or FLAC in Ogg pages, cut into messages anywhere; positions are those that the pages tell."""

    def __init__(self) -> None:
        self._rest = b""
        self._head: list[bytes] = []
        self._past: collections.deque[bytes] = collections.deque(maxlen=2)
        self._granule = self._delay = 0

    def feed(self, data: bytes) -> Piece | None:
        pages, self._rest = _ogg_pages(self._rest + data)
        new: list[bytes] = []
        for page in pages:
            if page[5] & 2:  # a new stream
                self._head, self._granule, new = [page], 0, []
                self._past.clear()
                at = page.find(b"OpusHead")
                self._delay = int.from_bytes(page[at + 10 : at + 12], "little") if at >= 0 else 0
            elif not self._head:
                raise AudioFormatError(
                    "coding ogg: the stream's headers were sent before anybody listened; start the driver after Foley, "
                    "or publish mp3 or PCM, which can be joined at any time"
                )
            elif _granule(page) == 0 and not self._past and not new:
                self._head.append(page)
            else:
                new.append(page)
        last = next((g for g in map(_granule, reversed(new)) if g > 0), 0)
        if not new or last <= self._granule:
            self._past.extend(new)
            return None
        samples, rate = _decode(b"".join([*self._head, *self._past, *new]), "ogg")
        # Granules count at 48 kHz in Opus, and soundfile decodes it so.
        count = last - self._granule
        if not self._granule:
            samples = _filled(samples, count)  # the delay is left out where the stream begins
        elif new[-1][5] & 4:
            count -= self._delay  # and once more where it ends
        count = min(max(count, 0), len(samples))
        self._granule = last
        self._past.extend(new)
        return Piece(samples[len(samples) - count :], rate, self._delay)


def _granule(page: bytes) -> int:
    return int.from_bytes(page[6:14], "little", signed=True)


def _ogg_pages(data: bytes) -> tuple[list[bytes], bytes]:
    pages, at = [], data.find(b"OggS")
    while at >= 0 and at + 27 <= len(data):
        segments = data[at + 26]
        size = 27 + segments + sum(data[at + 27 : at + 27 + segments])
        if at + size > len(data):
            break
        pages.append(data[at : at + size])
        following = data.find(b"OggS", at + size)
        at = following if following >= 0 else len(data)
    rest = data[at:] if at >= 0 else data[-3:]
    return pages, rest[:_MOST]


# ---- FLAC ----------------------------------------------------------------------------------------------------
class Flac:
    """A FLAC stream whose messages hold whole frames, as encoders hand them out."""

    def __init__(self) -> None:
        self._head = b""

    def feed(self, data: bytes) -> Piece | None:
        if data[:4] == b"fLaC":
            end = 4
            while end + 4 <= len(data):
                last, size = data[end] >> 7, int.from_bytes(data[end + 1 : end + 4], "big")
                end += 4 + size
                if last:
                    break
            if end > len(data):
                raise AudioFormatError(
                    "coding flac: its header ends in the middle of a message; send it whole"
                )
            info = bytearray(data[4:42])  # STREAMINFO comes first; alone it is enough
            info[0] |= 0x80
            info[17] &= 0xF0  # how many samples there are: unknown
            info[18:22] = bytes(4)
            self._head, data = b"fLaC" + bytes(info), data[end:]
        elif not self._head:
            raise AudioFormatError(
                "coding flac: the stream's header was sent before anybody listened; start the driver after Foley, or "
                "publish PCM, which can be joined at any time"
            )
        if not data:
            return None
        samples, rate = _decode(self._head + data, "flac")
        return Piece(samples, rate) if len(samples) else None


def _filled(samples: Samples, count: int) -> Samples:
    """At least so many, with silence before them."""
    missing = max(count - len(samples), 0)
    return (
        np.concatenate([np.zeros((missing, samples.shape[1]), np.float32), samples]) if missing else samples
    )


# ---- libsndfile ----------------------------------------------------------------------------------------------
def _decode(data: bytes, coding: str) -> tuple[Samples, int]:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise AudioFormatError(
            f"coding {coding} needs the Python package soundfile, which is not there ({error}): install it, or have "
            "the driver publish PCM"
        ) from error

    class InOrder(soundfile.SoundFile):  # type: ignore[misc]
        """Never sought in: the length of a piece is not known."""

        def seekable(self) -> bool:
            return False

    blocks: list[Any] = []
    try:
        with InOrder(io.BytesIO(data)) as file:
            rate = int(file.samplerate)
            while len(block := file.read(1 << 16, dtype="float32", always_2d=True)):
                blocks.append(block)
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError, TypeError) as error:
        if not blocks:
            reason = str(error).split(": ")[-1].strip() or "not its format"
            raise AudioFormatError(
                f"coding {coding}: {len(data)} bytes cannot be decoded ({reason}); is that the coding? Have the driver "
                "say it in AudioInfo, or publish PCM"
            ) from error
    if not blocks:
        return np.zeros((0, 1), np.float32), rate
    return np.concatenate(blocks), rate
