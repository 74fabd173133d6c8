"""Shards that `foley dataset export --format webdataset` writes: found, counted, and read from front to back."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import re
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

Sample = Mapping[str, bytes]
"""A sample's files by their endings, `json`, `flac`, `jpg`, `keypoints.npy` and so on."""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_TIMEOUT_S = 60.0


class ShardError(ValueError):
    """A shard is missing, damaged or of something else; the message says which and what to do."""


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def find_shards(given: str, split: str) -> list[str]:
    """The shards of a split's clips: in a folder, or as paths or URLs with a range, `https://host/train-{000000..000012}.tar`.

    Several are divided by blanks; a folder that is given alone may have some in its name. Of a list only those whose
    names begin with the split count.
    """
    found: list[str] = []
    for word in [given] if _is_folder(given) else given.split():
        if not is_url(word) and Path(word).is_dir():
            found += sorted(str(path) for path in Path(word).glob(f"{split}-*.tar"))
        else:
            found += list(_expanded(word))
    own = re.compile(rf"{re.escape(split)}-\d+\.tar")
    return [shard for shard in found if own.fullmatch(PurePosixPath(shard.split("?")[0]).name)]


def _is_folder(given: str) -> bool:
    try:
        return Path(given).is_dir()
    except OSError:  # a list that is longer than a name may be
        return False


def _expanded(word: str) -> Iterator[str]:
    place = _RANGE.search(word)
    if place is None:
        yield word
        return
    first, last = place.group(1), place.group(2)
    for number in range(int(first), int(last) + 1):
        yield from _expanded(f"{word[: place.start()]}{number:0{len(first)}d}{word[place.end() :]}")


def read_samples(shard: str, start: int = 0, stop: int | None = None) -> Iterator[Sample]:
    """Samples [start, stop) of a shard, one after the other.

    Raises:
        ShardError: it cannot be read.
    """
    try:
        with contextlib.closing(_opened(shard)) as file:
            yield from itertools.islice(_samples(file, is_url(shard), start), start, stop)
    except (OSError, tarfile.TarError, urllib.error.URLError, http.client.HTTPException, EOFError) as error:
        raise ShardError(f"{shard}: cannot be read ({error}); export it again") from error


def count_samples(shard: str) -> int:
    """How many a shard of this machine holds; only its headers are read."""
    try:
        with tarfile.open(shard, "r:") as tar:
            return len({_name(member.name) for member in tar})
    except (OSError, tarfile.TarError) as error:
        raise ShardError(f"{shard}: cannot be read ({error}); export it again") from error


def _opened(shard: str) -> IO[bytes]:
    if is_url(shard):
        return urllib.request.urlopen(shard, timeout=_TIMEOUT_S)  # type: ignore[no-any-return]
    return open(shard, "rb")


def _samples(file: IO[bytes], stream: bool, start: int) -> Iterator[dict[str, bytes]]:
    """All; of those before ``start`` without their content."""
    with tarfile.open(fileobj=file, mode="r|" if stream else "r:") as tar:
        for number, (_, members) in enumerate(itertools.groupby(tar, lambda member: _name(member.name))):
            sample = {}
            for member in members:
                if number >= start and (content := tar.extractfile(member)) is not None:
                    sample[member.name.partition(".")[2]] = content.read()
            yield sample
        # The library takes a file that was cut off between two members for one that ends there.
        if tar.fileobj is None or tar.fileobj.tell() < tar.offset + tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it was cut off")


def _name(member: str) -> str:
    return member.partition(".")[0]


# ---- what is in a sample -----------------------------------------------------------------------------------
def row_of(sample: Sample) -> dict[str, Any]:
    """Its row of the data set; NaN for a number that is not known."""
    row: dict[str, Any] = json.loads(sample["json"])
    return row


def sound_of(sample: Sample) -> NDArray[np.float32]:
    samples, _ = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")
    return np.asarray(samples, np.float32)


def pictures_of(sample: Sample, count: int) -> NDArray[np.uint8]:
    """RGB [count, H, W, 3]: of a clip its frames and, last, the still."""
    strip = cv2.imdecode(np.frombuffer(sample["jpg"], np.uint8), cv2.IMREAD_COLOR)
    if strip is None or strip.shape[0] % count:
        raise ShardError(f"a picture is not a strip of {count}; export it again")
    rgb = cv2.cvtColor(strip, cv2.COLOR_BGR2RGB)
    return np.asarray(rgb, np.uint8).reshape(count, -1, rgb.shape[1], 3)


def array_of(sample: Sample, name: str) -> NDArray[np.float32]:
    """An array column of the data set."""
    return np.asarray(np.load(io.BytesIO(sample[f"{name}.npy"]), allow_pickle=False), np.float32)
