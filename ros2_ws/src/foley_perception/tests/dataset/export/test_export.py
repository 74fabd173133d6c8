"""Exported data sets, read back with what reads any tar file."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml

from foley_perception.commands import dataset as command
from foley_perception.dataset import store
from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.export import export, huggingface, webdataset
from foley_perception.dataset.export.export import ABOUT_FILE, FORMATS, export_dataset
from foley_perception.dataset.export.format import ExportFormat
from foley_perception.dataset.export.unfinished import STATE_FILE, opened
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import CLIP_ARRAYS, DatasetError
from foley_perception.dataset.synthetic import write_synthetic_dataset

Sample = dict[str, bytes]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    folder = tmp_path_factory.mktemp("data") / "ds"
    write_synthetic_dataset(folder, clips_per_split=5)
    return ClipDataset(folder)


def call(*words: object) -> int:
    parser = argparse.ArgumentParser(prog="foley dataset")
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def samples(shard: Path) -> dict[str, Sample]:
    """As WebDataset reads a shard: files in a row that share a name up to its first dot."""
    found: dict[str, Sample] = {}
    with tarfile.open(shard) as tar:
        for member in tar:
            name, _, extension = member.name.partition(".")
            assert name not in found or name == next(reversed(found)), "a sample's files stand together"
            assert extension not in found.get(name, {})
            content = tar.extractfile(member)
            assert content is not None
            found.setdefault(name, {})[extension] = content.read()
    return found


def sound(content: bytes) -> Any:
    return soundfile.read(io.BytesIO(content), dtype="float32")


def strip(content: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]


def array(content: bytes) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))


def test_every_clip_is_read_back(
    data: ClipDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(webdataset, "SHARD_SAMPLES", 2)
    out = tmp_path / "below" / "shards"
    assert call("export", data.path, "--format", "webdataset", "--out", out) == 0
    assert "15 clips and 0 windows as webdataset" in capsys.readouterr().out
    about = json.loads((out / ABOUT_FILE).read_text())
    assert (about["format"], about["fingerprint"], about["clips"]) == ("webdataset", data.fingerprint, 15)
    shards = sorted(path.name for path in out.glob("*.tar"))
    assert shards == sorted(
        f"{split}-{k:06d}.tar" for split in ("train", "validation", "test") for k in range(3)
    )
    found = [(shard.split("-")[0], s) for shard in shards for s in samples(out / shard).values()]
    rows = {json.loads(sample["json"])["clip_id"]: (split, sample) for split, sample in found}
    assert len(rows) == len(found) == len(data)
    for i, clip in enumerate(data.clips):
        split, sample = rows[clip.clip_id]
        row = json.loads(sample["json"])
        assert split == row["split"] == clip.split and set(sample) == {
            "json", "flac", "jpg", *(f"{name}.npy" for name in CLIP_ARRAYS),
        }  # fmt: skip
        assert (row["material"], row["speed"], row["duration"]) == (clip.material, clip.speed, None)
        assert tuple(row["position"]) == clip.position and row["contact_ns"] == clip.contact_ns
        samples_, rate = sound(sample["flac"])
        assert rate == 48_000 and np.array_equal(samples_, data.audio(i))
        frames, still = data.frames_and_still(i)
        assert np.array_equal(
            strip(sample["jpg"]).reshape(31, 128, 128, 3), np.concatenate([frames, still[None]])
        )
        for name in CLIP_ARRAYS:
            assert np.array_equal(array(sample[f"{name}.npy"]), getattr(data, name)(i), equal_nan=True)


def test_the_same_data_set_gives_the_same_bytes(data: ClipDataset, tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    export_dataset(data, "webdataset", tmp_path / "a", lambda *tick: ticks.append(tick))
    export_dataset(data, "webdataset", tmp_path / "b")
    assert ticks[:15] == [(k, 15) for k in range(1, 16)] and ticks[-1] == (15, 15)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_windows_and_further_devices(make_bag: Callable[..., Path], tmp_path: Path) -> None:
    def left_arm(bag: Any) -> None:
        down = bag.new("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0)
        pose = bag.new("geometry_msgs/msg/Pose", bag.vector("Point", 0.3, 0, 0.4), down)
        for number in range(round(bag.options.seconds * 50)):
            header = bag.header(bag.options.start_ns + number * 20_000_000, "world")
            message = bag.new("geometry_msgs/msg/PoseStamped", header, pose)
            bag.put(number / 50, "left/ee_pose", "geometry_msgs/msg/PoseStamped", message)
        header = bag.header(bag.options.start_ns, "left_tool")
        still = bag.new("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
        moved = bag.new("geometry_msgs/msg/Transform", bag.vector("Vector3", 0, 0, 0.1), still)
        stamped = bag.new("geometry_msgs/msg/TransformStamped", header, "left_tip", moved)
        bag.put(0.0, "/tf_static", "tf2_msgs/msg/TFMessage", bag.new("tf2_msgs/msg/TFMessage", [stamped]))

    bag = make_bag("a.b", seconds=9.0, plans=False, session_id="s.1", more=left_arm)
    build_dataset([bag], tmp_path / "ds", workers=1, config=CutConfig(windows=True))
    data = ClipDataset(tmp_path / "ds")
    assert data.clips[0].arms == ("left",) and len(data.windows) == 1
    export_dataset(data, "webdataset", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ABOUT_FILE, "train-000000.tar", "train-windows-000000.tar",
    ]  # fmt: skip
    clips = list(samples(tmp_path / "out/train-000000.tar").values())
    assert len(clips) == 3 and "." in json.loads(clips[0]["json"])["clip_id"]
    for i, sample in enumerate(clips):
        assert np.array_equal(array(sample["left.npy"]), data.action_executed(i, arm="left"), equal_nan=True)
    (window,) = samples(tmp_path / "out/train-windows-000000.tar").values()
    assert json.loads(window["json"])["contacts"] == list(data.windows[0].contacts)
    assert np.array_equal(sound(window["flac"])[0], data.window_audio(0))
    assert np.array_equal(strip(window["jpg"]).reshape(32, 60, 80, 3), data.window_frames(0))
    executed = array(window["action_executed.npy"])
    assert np.array_equal(executed, data.window_array("action_executed")[0], equal_nan=True)


def test_what_is_there_is_left_alone(
    data: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    assert call("export", data.path, "--format", "webdataset", "--out", tmp_path / "out") == 2
    assert "out: is there already; name a new folder, or remove it" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="file/out: cannot be written"):
        export_dataset(data, "webdataset", tmp_path / "file/out")
    with pytest.raises(DatasetError, match="format is `zip`, known are webdataset"):
        export_dataset(data, "zip", tmp_path / "new")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_was_cut_short_says_so_and_begins_anew(
    data: ClipDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fails = [error]

    def write(dataset: ClipDataset, folder: Path, step: Callable[[], None]) -> None:
        assert not list(folder.iterdir()), "a shard begins in an empty folder"
        (folder / "half").touch()
        if fails:
            raise fails.pop()

    monkeypatch.setattr(export, "FORMATS", (ExportFormat("broken", "", write),))
    told = "out: cannot be written .*No space left.*run it again" if isinstance(error, OSError) else ""
    with pytest.raises(DatasetError if told else KeyboardInterrupt, match=told or None):
        export_dataset(data, "broken", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out.unfinished"]
    assert not list((tmp_path / "out.unfinished").glob("half*"))
    export_dataset(data, "broken", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [ABOUT_FILE, "half"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["webdataset", "huggingface"])
def test_an_export_goes_on_where_it_was_cut(
    data: ClipDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(webdataset, "SHARD_SAMPLES", 2)
    monkeypatch.setattr(huggingface, "SHARD_ROWS", 2)
    export_dataset(data, name, tmp_path / "whole")
    read, allowed = store.read_media, [12]  # of six clips: three shards, and one clip of the next

    def cut(path: Path) -> bytes:
        if not allowed[0]:
            raise KeyboardInterrupt
        allowed[0] -= 1
        return read(path)

    monkeypatch.setattr(store, "read_media", cut)
    with pytest.raises(KeyboardInterrupt):
        export_dataset(data, name, tmp_path / "out")
    begun = tmp_path / "out.unfinished"
    done = sorted(begun.rglob("*.part"))
    assert len(done) == 3 and not (tmp_path / "out").exists()
    assert not [*begun.glob("*.tar"), *begun.glob("*/*.parquet"), *begun.glob("README.md")]
    with pytest.raises(DatasetError, match="was begun with format `" + name):
        export_dataset(data, "webdataset" if name == "huggingface" else "huggingface", tmp_path / "out")
    done[0].write_bytes(b"damaged")  # of another size than was written
    with open(begun / STATE_FILE, "a") as state:
        state.write('{"shard": "cut within a li')
    kept = [path.stat().st_mtime_ns for path in done[1:]]
    allowed[0], ticks = 1000, list[tuple[int, int]]()
    export_dataset(data, name, tmp_path / "out", lambda *tick: ticks.append(tick))
    assert 1000 - allowed[0] == 2 * (15 - 5 + 2) and ticks[-1] == (15, 15)
    names = sorted(p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert [tmp_path / "out" / n for n in names if n.suffix in (".tar", ".parquet")]
    for file in names:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert [after[path.name.removesuffix(".part")] for path in done[1:]] == kept


def test_another_data_set_is_not_gone_on_with(data: ClipDataset, tmp_path: Path) -> None:
    with (
        opened(tmp_path / "out", {"format": "webdataset", "fingerprint": "of another"}),
        pytest.raises(DatasetError, match="another export is writing it"),
    ):
        export_dataset(data, "webdataset", tmp_path / "out")
    # Nothing had been made of the other.
    (tmp_path / "out.unfinished/cache").mkdir()
    assert export_dataset(data, "webdataset", tmp_path / "out")["fingerprint"] == data.fingerprint
    assert not (tmp_path / "out/cache").exists()


def test_a_data_set_that_lacks_a_file_is_named(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path / "ds", clips_per_split=2)
    data = ClipDataset(tmp_path / "ds")
    missing = tmp_path / "ds/audio" / f"{data.clips[0].clip_id}.flac"
    missing.unlink()
    with pytest.raises(DatasetError, match=rf"{missing.name}: cannot be read .*build the dataset again"):
        export_dataset(data, "webdataset", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_format_is_not_made_of_is_said(
    data: ClipDataset, make_bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = make_bag("a", seconds=1.0)
    assert call("export", bag, "--format", "webdataset", "--out", tmp_path / "out") == 2
    assert (
        "is made of a data set, and these are bags: make one with `foley dataset build"
        in capsys.readouterr().err
    )
    assert call("export", data.path, "--format", "lerobot", "--out", tmp_path / "out") == 2
    assert "is made of bags, whole demonstrations" in capsys.readouterr().err
    assert call("export", data.path, "--format", "webdataset", "--fps", 30, "--out", tmp_path / "out") == 2
    assert "--fps is about how bags are read" in capsys.readouterr().err
    assert call("export", bag, "--format", "lerobot", "--fps", 0, "--out", tmp_path / "out") == 2
    assert "--fps is 0: give 1 to 240" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_parquet_for_datasets_holds_sound_and_images_byte_by_byte(data: ClipDataset, tmp_path: Path) -> None:
    export_dataset(data, "huggingface", tmp_path / "hf")
    head = yaml.safe_load((tmp_path / "hf/README.md").read_text().split("---")[1])
    (config,) = head["configs"]
    files = {entry["split"]: entry["path"] for entry in config["data_files"]}
    assert sorted(files) == ["test", "train", "validation"] and config["config_name"] == "clips"
    for split, pattern in files.items():
        (file,) = (tmp_path / "hf").glob(pattern)
        table = pq.read_table(file)
        told = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert (
            told["audio"] == {"sampling_rate": 48_000, "_type": "Audio"}
            and told["frames"]["_type"] == "Image"
        )
        assert told["keypoints"] == {"shape": [30, 2, 21, 3], "dtype": "float32", "_type": "Array4D"}
        assert set(told) == set(table.column_names)
        rows = table.to_pylist()
        indices = data.indices(split)
        assert [row["clip_id"] for row in rows] == [data.clips[i].clip_id for i in indices]
        for row, i in zip(rows, indices, strict=True):
            assert row["contact_ns"] == data.clips[i].contact_ns and row["split"] == split
            samples_, rate = sound(row["audio"]["bytes"])
            assert rate == 48_000 and np.array_equal(samples_, data.audio(i))
            path = store.frames_path(data.path, row["clip_id"])
            assert row["frames"] == {"bytes": path.read_bytes(), "path": path.name}
            for name in CLIP_ARRAYS:
                stored = np.array(row[name], np.float32)
                assert np.array_equal(stored, getattr(data, name)(i), equal_nan=True)


def test_help_names_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call("export", "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert all(f"{form.name} {form.help}" in told for form in FORMATS)
