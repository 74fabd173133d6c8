"""Compressed sound in pieces: the samples that the whole stream gives."""

from __future__ import annotations

import io

import numpy as np
import pytest

from foley_common.audio_codecs import Flac, Mp3, Ogg, WholeFiles, decoder
from foley_common.audio_formats import AudioFormat, AudioFormatError

soundfile = pytest.importorskip("soundfile")


def coded(kind: str, rate: int, channels: int = 1, **how: object) -> tuple[bytes, np.ndarray]:
    """Three seconds of a tone in noise: the file, and what a decoder makes of the whole of it [n, channels]."""
    rng = np.random.default_rng(0)
    t = np.arange(3 * rate)[:, None] / rate
    sound = 0.3 * np.sin(2 * np.pi * 440 * t * np.arange(1, channels + 1)) + 0.05 * rng.standard_normal(
        (3 * rate, 1)
    )
    file = io.BytesIO()
    soundfile.write(file, sound, rate, format=kind, **how)
    whole, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32", always_2d=True)
    return file.getvalue(), whole


def in_pieces(data: bytes, sizes: np.ndarray) -> list[bytes]:
    edges = np.minimum(np.cumsum(sizes), len(data))
    return [data[a:b] for a, b in zip(np.r_[0, edges[:-1]], edges, strict=True) if a < b]


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (48_000, 1)])
def test_mp3_cut_anywhere(rate: int, channels: int, capfd: pytest.CaptureFixture[str]) -> None:
    data, whole = coded("MP3", rate, channels)
    stream = Mp3()
    parts = in_pieces(data, np.random.default_rng(1).integers(50, 900, 2000))
    pieces = [piece for part in parts if (piece := stream.feed(part))]
    assert {(p.sample_rate, p.delay) for p in pieces} == {(rate, 1105)}
    # libsndfile leaves the delay out where a whole file tells it.
    found = np.concatenate([p.samples for p in pieces])[1105 : 1105 + len(whole)]
    np.testing.assert_allclose(found[2000:], whole[2000 : len(found)], atol=1e-6)
    assert "error" not in capfd.readouterr().err  # the decoder says so where it misses bits


def test_mp3_is_joined_in_the_middle() -> None:
    data, whole = coded("MP3", 16_000)
    stream, found = Mp3(), []
    for part in in_pieces(data[len(data) // 2 :], np.full(999, 108)):
        if piece := stream.feed(part):
            found.append(piece.samples)
    heard = np.concatenate(found)[3000:20_000, 0]  # the first frames have nothing before them
    delayed = np.r_[np.zeros(1105), whole[:, 0]]
    at = next(i for i in range(len(delayed) - 400) if np.abs(delayed[i : i + 400] - heard[:400]).max() < 1e-5)
    np.testing.assert_allclose(heard, delayed[at : at + len(heard)], atol=1e-5)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_cut_anywhere(subtype: str) -> None:
    data, whole = coded("OGG", 48_000, subtype=subtype)
    stream = Ogg()
    pieces = [p for part in in_pieces(data, np.full(999, 1000)) if (p := stream.feed(part))]
    delay = pieces[0].delay
    assert delay == (312 if subtype == "OPUS" else 0)
    found = np.concatenate([p.samples for p in pieces])[delay:]
    assert len(whole) - len(found) in (0, delay)
    np.testing.assert_allclose(found, whole[: len(found)], atol=1e-6)


def test_flac_in_whole_frames() -> None:
    data, whole = coded("FLAC", 48_000, subtype="PCM_16")
    starts = [i for i in range(len(data) - 1) if data[i] == 0xFF and data[i + 1] == 0xF8]
    # Sound may look like the start of a frame.
    edges = [i for i in starts if data[i + 2 : i + 4] == data[starts[0] + 2 : starts[0] + 4]]
    stream = Flac()
    parts = [data[: edges[0]], *(data[a:b] for a, b in zip(edges, [*edges[1:], len(data)], strict=True))]
    found = [piece.samples for part in parts if (piece := stream.feed(part))]
    np.testing.assert_array_equal(np.concatenate(found), whole)


def test_whole_files_in_messages() -> None:
    data, whole = coded("WAV", 16_000)
    piece = WholeFiles().feed(data)
    assert piece is not None and piece.sample_rate == 16_000
    np.testing.assert_array_equal(piece.samples, whole)


@pytest.mark.parametrize(
    ("coding", "data", "said"),
    [
        ("mp3", bytes(70_000), "no frame of MPEG layer 3"),
        ("ogg", b"OggS" + bytes(22) + b"\0" + bytes(50), "start the driver after Foley"),
        ("flac", b"\xff\xf8" + bytes(100), "start the driver after Foley"),
        ("file", b"nothing of the kind", "cannot be decoded"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_a_cure(coding: str, data: bytes, said: str) -> None:
    with pytest.raises(AudioFormatError, match=said):
        decoder(AudioFormat(coding)).feed(data)


@pytest.mark.parametrize("coding", ["mp3", "ogg", "flac", "file"])
def test_damaged_streams_raise_nothing_else(coding: str) -> None:
    good = {"mp3": "MP3", "ogg": "OGG", "flac": "FLAC", "file": "WAV"}[coding]
    data = bytearray(coded(good, 16_000)[0])
    rng = np.random.default_rng(3)
    for at in rng.integers(0, len(data), 300):
        data[at] = int(rng.integers(256))
    stream = decoder(AudioFormat(coding))
    for part in in_pieces(bytes(data), np.full(200, 700)):
        try:
            piece = stream.feed(part)
        except AudioFormatError:
            continue
        assert piece is None or piece.samples.ndim == 2
