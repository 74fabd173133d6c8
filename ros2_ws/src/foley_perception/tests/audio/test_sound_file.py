"""Sound files as others write them."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from foley_perception.audio.sound_file import UnreadableSound, read_sound

RATE = 48_000


def tone(seconds: float = 1.0, level: float = 0.4) -> NDArray[np.float32]:
    t = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def write(path: Path, samples: NDArray[np.floating], **how: str) -> Path:
    soundfile.write(path, samples, RATE, **how)
    return path


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_whose_header_leaves_the_length_open_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "stream.wav", tone())
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[4:8] = content[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(content)
    samples, rate = read_sound(path)
    assert rate == RATE and samples == pytest.approx(tone(), abs=1e-4)


def test_a_flac_whose_header_leaves_the_length_open_is_read_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "stream.flac", tone())
    content = bytearray(path.read_bytes())
    # STREAMINFO follows "fLaC" and a header of 4 bytes; its samples are 36 bits from the middle of byte 13 on.
    content[8 + 13] &= 0xF0
    content[8 + 14 : 8 + 18] = bytes(4)
    content[8 + 18 : 8 + 34] = bytes(16)  # nor is the checksum of the whole known
    path.write_bytes(content)
    assert soundfile.info(str(path)).frames > RATE * 3600, "libsndfile says that it lasts for ever"
    samples, _ = read_sound(path)
    assert samples == pytest.approx(tone(), abs=1e-4)


def test_a_codec_that_cannot_be_sought_in_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "phone.wav", tone()[::6], 8_000, subtype="GSM610")
    samples, rate = read_sound(tmp_path / "phone.wav")
    assert rate == 8_000 and len(samples) == pytest.approx(8_000, abs=320)


@pytest.mark.parametrize(
    "other",
    [
        np.zeros(RATE, np.float32),
        np.full(RATE, 0.9, np.float32),  # louder, if a constant were a sound
        -0.5 * tone(),
        np.full(RATE, np.nan, np.float32),
        np.full(RATE, np.inf, np.float32),
    ],
    ids=["dead", "constant", "antiphase", "nan", "infinite"],
)
def test_the_loudest_channel_that_is_whole_is_heard(tmp_path: Path, other: NDArray[np.float32]) -> None:
    path = write(tmp_path / "two.wav", np.stack([other, tone()], axis=1), subtype="FLOAT")
    assert np.array_equal(read_sound(path)[0], tone())


def test_what_cannot_be_read_is_named_with_reason_and_cure(tmp_path: Path) -> None:
    hole = tone()
    hole[12_000:12_003] = np.inf
    slow = bytearray(write(tmp_path / "slow.wav", tone()).read_bytes())
    slow[24:28] = struct.pack("<I", 1)
    (tmp_path / "slow.wav").write_bytes(slow)
    cut = write(tmp_path / "cut.flac", tone(4.0) + 0.01 * np.random.default_rng(0).standard_normal(4 * RATE))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (tmp_path / "text.ogg").write_text("not a sound")
    (tmp_path / "bytes.raw").write_bytes(bytes(1000))
    for path, words in (
        (write(tmp_path / "hole.wav", hole, subtype="FLOAT"), "3 samples are NaN or infinite, the first at 0.250 s"),
        (write(tmp_path / "whole.wav", 32_767 * tone(), subtype="FLOAT"), "samples reach 13106.* divide them"),
        (write(tmp_path / "empty.wav", tone()[:0]), "holds no samples"),
        (tmp_path / "slow.wav", "its sample rate is 1 Hz"),
        (cut, "damaged or cut off"),
        (tmp_path / "text.ogg", "not a sound file that can be read"),
        (tmp_path / "bytes.raw", "raw samples.*ffmpeg -f s16le"),
        (tmp_path / "none.wav", "no such file"),
        (tmp_path, "no such file"),
    ):  # fmt: skip
        with pytest.raises(UnreadableSound, match=f"{path.name}: .*{words}"):
            read_sound(path)


def test_a_stream_is_bounded_by_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foley_perception.audio.sound_file.LONGEST_S", 0.5)
    with pytest.raises(UnreadableSound, match=r"longer than .* cut it into pieces"):
        read_sound(write(tmp_path / "long.wav", tone()))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "caf"])
def test_damage_is_refused_or_read_but_never_anything_else(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    whole = write(tmp_path / f"a.{suffix}", tone(0.3)).read_bytes()
    for _ in range(25):
        damaged = bytearray(whole)
        for at in rng.integers(0, 100 if rng.random() < 0.7 else len(whole), 3):
            damaged[at] ^= 1 << int(rng.integers(8))
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(damaged[: None if rng.random() < 0.7 else int(rng.integers(len(whole)))])
        try:
            samples, _ = read_sound(path)
        except UnreadableSound:
            continue
        assert np.isfinite(samples).all() and samples.ndim == 1
