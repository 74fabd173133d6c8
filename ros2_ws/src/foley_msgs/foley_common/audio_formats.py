"""How others write sound into messages: the names of sample formats, and samples of them as float32."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ, HIGHEST_HZ = 4_000, 1_000_000
MOST_CHANNELS = 64
_FILES = {
    "MP3": "mp3",
    "MPEG": "mp3",
    "OGG": "ogg",
    "VORBIS": "ogg",
    "OPUS": "ogg",
    "FLAC": "flac",
    "WAV": "file",
    "AIFF": "file",
    "AU": "file",
    "CAF": "file",
}
"""Codings that libsndfile decodes -> how they are cut (foley_common.audio_codecs)."""
_RAW = frozenset({"", "WAVE", "WAV", "PCM", "RAW"})  # coding formats whose samples `sample_format` describes
_PCM = re.compile(r"([SUF])(8|16|24_32|24_3|24|32|64)(LE|BE)?")
_OTHER_NAMES = {
    "FLOAT": "F32",
    "FLOAT32": "F32",
    "FLOAT64": "F64",
    "FLOATLE": "F32LE",
    "FLOATBE": "F32BE",
    "FLOAT64LE": "F64LE",
    "FLOAT64BE": "F64BE",
    "INT8": "S8",
    "UINT8": "U8",
    "INT16": "S16",
    "INT32": "S32",
}


class AudioFormatError(ValueError):
    """Sound of a format that cannot be read, or bytes that are not of their format; names both and the cure."""


@dataclasses.dataclass(frozen=True)
class AudioFormat:
    """How the bytes of a message are to be read.

    Attributes:
        coding: of PCM as GStreamer names it (S16LE, F32LE, ...); else mp3, ogg, flac, or file (each message is one).
        sample_rate: [Hz]; 0 where the coding tells it itself.
        channels: 0 likewise.
    """

    coding: str
    sample_rate: int = 0
    channels: int = 0

    def __post_init__(self) -> None:
        if not self.pcm and self.coding not in _FILES.values():
            raise _unknown(self.coding)
        if not self.pcm:
            return
        if not LOWEST_HZ <= self.sample_rate <= HIGHEST_HZ:
            raise AudioFormatError(
                f"sample_rate is {self.sample_rate} Hz, must lie in {LOWEST_HZ}..{HIGHEST_HZ}: the driver must say it"
            )
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise AudioFormatError(
                f"channels is {self.channels}, must lie in 1..{MOST_CHANNELS}: the driver must say it"
            )

    @property
    def pcm(self) -> bool:
        return _PCM.fullmatch(self.coding) is not None

    @property
    def text(self) -> str:
        rate = f" {self.sample_rate} Hz" if self.sample_rate else ""
        return f"{self.coding}{rate}" + (f" {self.channels} ch" if self.channels else "")


def audio_format(
    coding: str, sample_rate: int, channels: int, *, sample_format: str = "", what: str = ""
) -> AudioFormat:
    """The format that a driver or a person describes.

    Args:
        coding: S16LE, pcm-s16, mp3, ...; one that only says that samples are raw (wave, pcm) goes by ``sample_format``.
        what: names the message in an error.

    Raises:
        AudioFormatError: it cannot be decoded, or is no format.
    """
    name, kind = _plain(coding), _plain(sample_format)
    if name in _RAW and kind:
        name = kind
    try:
        if name in _FILES:
            return AudioFormat(_FILES[name], int(sample_rate), int(channels))
        name = _OTHER_NAMES.get(name, name)
        found = _PCM.fullmatch(name)
        if found is None or not _known(found):
            raise _unknown(coding or sample_format)
        letter, bits, order = found.groups()
        return AudioFormat(
            f"{letter}{bits}" + ("" if bits == "8" else order or "LE"), int(sample_rate), int(channels)
        )
    except AudioFormatError as error:
        raise AudioFormatError(f"{what}: {error}" if what else str(error)) from None


def decode_pcm(data: bytes, form: AudioFormat) -> NDArray[np.float32]:
    """Interleaved samples as [frames, channels] in [-1, 1].

    Raises:
        AudioFormatError: the bytes do not divide into samples of all channels.
    """
    found = _PCM.fullmatch(form.coding)
    assert found is not None, form
    letter, bits, order = found.groups()
    size = 3 if bits in ("24", "24_3") else 4 if bits == "24_32" else int(bits) // 8
    if len(data) % (size * form.channels):
        raise AudioFormatError(
            f"{len(data)} bytes do not divide into {form.channels} channel(s) of {form.coding} ({size} bytes each): "
            "the channels or the coding that the driver, or robot.yaml's `raw`, tells are wrong"
        )
    end = ">" if order == "BE" else "<"
    if letter == "F":
        with np.errstate(over="ignore", invalid="ignore"):
            flat = np.frombuffer(data, f"{end}f{size}").astype(np.float32)
    elif size == 3:
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(triples), 4), np.uint8)
        wide[:, 1:] = triples if end == "<" else triples[:, ::-1]
        flat = _scaled(wide.view("<u4")[:, 0], letter, 32)
    else:
        values = np.frombuffer(data, f"{end}u{size}")
        flat = _scaled(values << np.uint32(8) if bits == "24_32" else values, letter, 8 * size)
    return flat.reshape(-1, form.channels)


def _scaled(values: NDArray[np.unsignedinteger], letter: str, bits: int) -> NDArray[np.float32]:
    """Unsigned words of so many bits, as they lie in memory, in [-1, 1)."""
    middle = 1 << (bits - 1)
    if letter == "U":
        flat = values.astype(np.float64) - middle
    else:
        flat = values.astype(f"u{bits // 8}").view(f"i{bits // 8}").astype(np.float64)
    return (flat / middle).astype(np.float32)


def _plain(name: str) -> str:
    """PCM_S16LE, pcm-s16 and s16_le are one name; S24_32LE stays apart from S24_3LE."""
    bare = re.sub(r"[^A-Z0-9]", "", name.upper())
    joined = re.sub(r"^(PCM)?([SU])24(32|3)(LE|BE)?$", r"\g<2>24_\g<3>\g<4>", bare)
    return re.sub(r"^PCM(?=[SUF]\d)", "", joined)


def _known(found: re.Match[str]) -> bool:
    letter, bits, _ = found.groups()
    return bits in ("32", "64") if letter == "F" else bits != "64"


def _unknown(coding: str) -> AudioFormatError:
    return AudioFormatError(
        f"coding `{coding}` cannot be decoded here; have the driver publish PCM (S16LE, F32LE), mp3, ogg (vorbis, "
        "opus) or flac"
    )
