"""Bags as RLDS: what TensorFlow Datasets is told, and the records, read with a few lines."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from foley_perception.dataset.export.demonstrations import Demonstrations
from foley_perception.dataset.export.export import export_bags
from foley_perception.dataset.export.tfrecord import crc32c
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes.reader import read_episode


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """Of a protocol buffer all of whose fields have a length."""
    found, at = [], 0
    while at < len(data):
        number, length, shift, at = data[at] >> 3, 0, 0, at + 1
        while True:
            byte, at = data[at], at + 1
            length, shift = length | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        found.append((number, data[at : at + length]))
        at += length
    return found


def integers(data: bytes) -> list[int]:
    found, value, shift = [], 0, 0
    for byte in data:
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            found.append(value - (1 << 64 if value >= 1 << 63 else 0))
            value = shift = 0
    return found


def read(record: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<Q", record[:8])
    crc = crc32c(record[12 : 12 + length])
    assert len(record) == length + 16 and struct.unpack("<I", record[-4:]) == (
        (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF,
    )
    ((_, features),) = fields(record[12 : 12 + length])
    found: dict[str, Any] = {}
    for _, entry in fields(features):
        (_, name), (_, feature) = fields(entry)
        ((kind, content),) = fields(feature)
        values = [value for _, value in fields(content)]
        found[name.decode()] = (
            values
            if kind == 1
            else np.frombuffer(values[0], "<f4")
            if kind == 2
            else np.array(integers(values[0]))
        )
    return found


def test_steps_are_those_of_the_bag(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    bag = make_bag("a", seconds=0.7, contact_times=(0.3,), session_id="a", split="validation")
    given = Demonstrations((bag,), pictures="images", task="tap it")
    export_bags(given, "rlds", tmp_path / "out")
    info = json.loads((tmp_path / "out/dataset_info.json").read_text())
    (split,) = info["splits"]
    file = tmp_path / "out/foley-validation.tfrecord-00000-of-00001"
    assert split["name"] == "validation" and split["shardLengths"] == ["1"]
    assert split["numBytes"] == str(file.stat().st_size)
    steps = read(file.read_bytes())
    episode = read_episode(bag)
    assert episode.audio is not None and episode.frames is not None
    times = steps["steps/observation/stamp_ns"]
    count = len(times)
    assert count > 10 and list(steps["steps/is_first"]) == [1] + [0] * (count - 1)
    assert list(steps["steps/is_last"]) == [0] * (count - 1) + [1] and not steps["steps/is_terminal"].any()
    assert steps["steps/language_instruction"] == [b"tap it"] * count
    counts = steps["steps/observation/sound_microphone_count"]
    sound = steps["steps/observation/sound_microphone"].reshape(count, -1)
    first = steps["steps/observation/sound_microphone_first_sample"][0]
    joined = np.concatenate([s[:n] for s, n in zip(sound, counts, strict=True)])
    assert np.array_equal(joined, episode.audio.segments[0].samples[first : first + len(joined)])
    content = np.frombuffer(steps["steps/observation/image_camera"][5], np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(image, episode.frames.read(episode.frames.nearest(int(times[5]))))
    assert [c["material"] for c in json.loads(steps["episode_metadata/contacts"][0])] == ["wood"]
    told = json.loads((tmp_path / "out/features.json").read_text())["featuresDict"]["features"]
    step = told["steps"]["sequence"]["feature"]["featuresDict"]["features"]
    names = {f"steps/{name}" for name in step if name != "observation"}
    names |= {f"steps/observation/{name}" for name in step["observation"]["featuresDict"]["features"]}
    names |= {f"episode_metadata/{name}" for name in told["episode_metadata"]["featuresDict"]["features"]}
    assert names == set(steps), "what is told is what is there"


def test_video_is_refused(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="rlds holds images, not video"):
        export_bags(Demonstrations((make_bag("a", seconds=0.5),), pictures="video"), "rlds", tmp_path / "out")
