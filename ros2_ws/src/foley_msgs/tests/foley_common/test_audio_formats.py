"""PCM in every form that drivers use."""

from __future__ import annotations

import numpy as np
import pytest

from foley_common.audio_formats import AudioFormat, AudioFormatError, audio_format, decode_pcm

VALUES = np.array([0.0, 0.5, -0.5, -1.0, 0.25, 127 / 128])


def packed(
    values: np.ndarray, bits: int, *, big: bool = False, unsigned: bool = False, size: int = 0
) -> bytes:
    """Integers of so many bits in words of ``size`` bytes, written by Python's own integers."""
    out = b""
    for value in values:
        number = round(value * 2 ** (bits - 1)) + (2 ** (bits - 1) if unsigned else 0)
        word = number.to_bytes(8, "little", signed=True)[: size or bits // 8]
        out += word[::-1] if big else word
    return out


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("S8", packed(VALUES, 8)),
        ("U8", packed(VALUES, 8, unsigned=True)),
        ("S16LE", packed(VALUES, 16)),
        ("pcm-s16", packed(VALUES, 16)),
        ("PCM_S16BE", packed(VALUES, 16, big=True)),
        ("U16LE", packed(VALUES, 16, unsigned=True)),
        ("S24LE", packed(VALUES, 24)),
        ("S24_3BE", packed(VALUES, 24, big=True)),
        ("S24_32LE", packed(VALUES, 24, size=4)),
        ("s32le", packed(VALUES, 32)),
        ("F32LE", VALUES.astype("<f4").tobytes()),
        ("F64BE", VALUES.astype(">f8").tobytes()),
    ],
)
def test_samples_of_every_coding_are_the_same_sound(coding: str, data: bytes) -> None:
    form = audio_format(coding, 16_000, 2)
    np.testing.assert_allclose(decode_pcm(data, form), VALUES.reshape(3, 2), atol=1e-7)


def test_audio_info_of_gstreamer_says_raw_samples_by_their_format() -> None:
    assert audio_format("wave", 44_100, 2, sample_format="S16LE") == AudioFormat("S16LE", 44_100, 2)
    assert audio_format("MP3", 44_100, 2, sample_format="S16LE").coding == "mp3"
    assert audio_format("Opus", 0, 0).coding == "ogg"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (("aac", 16_000, 1), "coding `aac` cannot be decoded"),
        (("S16LE", 0, 1), "sample_rate is 0 Hz"),
        (("S16LE", 16_000, 0), "channels is 0"),
        (("S17LE", 16_000, 1), "`S17LE`"),
        (("F16LE", 16_000, 1), "`F16LE`"),
    ],
)
def test_what_cannot_be_read_is_named_with_a_cure(how: tuple[str, int, int], said: str) -> None:
    with pytest.raises(AudioFormatError, match=said):
        audio_format(*how)


def test_bytes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(AudioFormatError, match="3 bytes do not divide into 1 channel"):
        decode_pcm(b"123", AudioFormat("S16LE", 16_000, 1))
