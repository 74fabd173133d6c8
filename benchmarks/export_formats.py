"""Every export format, read by the library that it is for, in an environment of its own: how far its values are the
bag's.

    python -m benchmarks.export_formats [--bags DIR] [--environments DIR] [--only lerobot ...]

Simulated bags are made (or taken from --bags), exported into every format by `foley dataset export`, and read by
`benchmarks/export_readers/` with the library itself: an environment for each (Python's venv, exact versions as
below), made below --environments where it is not there. LeRobot needs Python 3.12 (--python312), and its videos need
PyAV beside Foley (`pip install av`). What the library read is compared with the bags, read whole by `read_episode`, and
for formats of clips with the data set. Writes out/bench_export_formats/metrics.json.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks._bench import parser
from foley_bringup import cli
from foley_common.metrics_file import write_metrics
from foley_perception.dataset.build import find_bags
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import CLIP_ARRAYS
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.reader import read_episode

READERS = Path(__file__).with_name("export_readers")
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "lerobot": ("lerobot[dataset]==0.6.1", "soundfile==0.14.0"),
    "webdataset": ("webdataset==1.0.2", "soundfile==0.14.0", "numpy==2.4.6"),
    "huggingface": ("datasets==5.2.0", "soundfile==0.14.0", "pillow==12.0.0"),
    "rlds": ("tensorflow-datasets==4.9.10", "tensorflow-cpu==2.21.0"),
}
Figures = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("export_formats", __doc__)
    options.add_argument("--bags", type=Path, help="bags to export (default: three are simulated)")
    options.add_argument("--environments", type=Path, default=Path("out/venvs"), help="default: %(default)s")
    options.add_argument("--python312", default="python3.12", help="default: %(default)s")
    options.add_argument("--only", nargs="+", choices=list(REQUIREMENTS), default=list(REQUIREMENTS))
    args = options.parse_args(arguments)
    if "lerobot" in args.only and importlib.util.find_spec("av") is None:
        options.error("videos of lerobot need PyAV: `pip install av`, or leave it out with --only")
    table: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="foley_exports_") as name:
        work = Path(name)
        bags = args.bags or _simulated(work / "bags")
        _foley("dataset", "build", bags, "--out", work / "dataset", "--workers", 1)
        for form in args.only:
            python = _environment(args.environments / form, form, args.python312)
            table += list(MEASURED[form](work, find_bags([bags]), python))
    for row in table:
        print(json.dumps(row))
    print(f"wrote {write_metrics(args.out, {'formats': table, 'cpus': os.cpu_count()})}")
    return 0


# ---- formats -------------------------------------------------------------------------------------------
def _of_bags(form: str, pictures: str) -> Callable[[Path, list[Path], Path], Figures]:
    def measured(work: Path, bags: list[Path], python: Path) -> Figures:
        out = work / f"{form}_{pictures}"
        target = out / "1.0.0" if form == "rlds" else out
        began = time.perf_counter()
        _foley("dataset", "export", *bags, "--format", form, "--pictures", pictures, "--out", target)
        seconds = time.perf_counter() - began
        read = _read(form, python, target, work)
        about = json.loads(str(read["about"]))
        episodes = {e.session_id: e for e in (read_episode(bag) for bag in bags)}
        differences: Figures = {}
        for number, session in enumerate(about["sessions"]):
            rows = {k: v[read["episode_index"] == number] for k, v in read.items() if k != "about"}
            for kind, value in _differences(rows, episodes[session]).items():
                differences[kind] = max(differences.get(kind, 0.0), value)
        return {
            "format": f"{form} ({pictures})",
            "library": about["library"],
            "version": about["version"],
            "episodes": len(about["sessions"]),
            "frames": len(read["stamp_ns"]),
            "largest_difference": differences,
            "export_s": seconds,
            "bags_gb": sum(f.stat().st_size for bag in bags for f in bag.rglob("*")) / 1e9,
            "export_gb": sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) / 1e9,
        }

    return measured


def _differences(rows: dict[str, np.ndarray], episode: Episode) -> Figures:
    """Of one episode as a library read it, from its bag."""
    times = rows["stamp_ns"]
    assert episode.audio is not None and episode.ee_pose is not None and episode.frames is not None
    found: Figures = {}
    (segment,) = episode.audio.segments
    counts, first = rows["sound.microphone.count"], rows["sound.microphone.first_sample"]
    sound = np.concatenate([s[:n] for s, n in zip(rows["sound.microphone"], counts, strict=True)])
    begin = int(first[0]) - segment.first_sample
    recorded = segment.samples[begin : begin + len(sound)]
    found["sound"] = float(np.abs(sound - recorded).max())
    stamps = segment.clock.time_ns(first)
    found["sound_stamp_ns"] = int(np.abs(rows["sound.microphone.stamp_ns"] - stamps).max())
    step = int(np.median(np.diff(times)))
    pose = np.concatenate([episode.ee_pose.poses.translation, episode.ee_pose.poses.quaternion], axis=1)
    found |= _high(rows, "pose", episode.ee_pose.times_ns, pose, step)
    if episode.wrench is not None and "wrench" in rows:
        found |= _high(rows, "wrench", episode.wrench.times_ns, episode.wrench.values, step)
    at = episode.ee_pose.at(times)
    state = rows["observation.state"]
    found["state_m"] = float(np.abs(state[:, :3] - at.translation).max())
    turn = np.minimum(np.abs(state[:, 3:7] - at.quaternion), np.abs(state[:, 3:7] + at.quaternion))
    found["state_quaternion"] = float(turn.max())
    nearest = np.array([episode.frames.nearest(int(time)) for time in times])
    found["image_stamp_ns"] = int(np.abs(rows["stamp_ns.camera"] - episode.frames.times_ns[nearest]).max())
    found["image_from_its_frame_ms"] = float(np.abs(rows["stamp_ns.camera"] - times).max() / 1e6)
    levels, shares, largest, mistaken = [], [], 0, 0
    for image, index in zip(rows["observation.images.camera"], nearest.tolist(), strict=True):
        error = _levels(image, episode, index)
        beside = [i for i in (index - 1, index + 1) if 0 <= i < len(episode.frames)]
        mistaken += any(_levels(image, episode, i).mean() < error.mean() - 0.01 for i in beside)
        levels.append(float(error.mean()))
        shares.append(float(np.percentile(error, 99)))
        largest = max(largest, int(error.max()))
    found |= {"image_mean_level": float(np.mean(levels)), "image_99_percent_below_level": max(shares)}
    found |= {"image_largest_level": largest, "images_that_are_rather_the_next": mistaken}
    return found


def _levels(image: np.ndarray, episode: Episode, index: int) -> np.ndarray:
    """By which an image differs from one of the bag's, of 255."""
    assert episode.frames is not None
    return np.abs(image.astype(np.int16) - episode.frames.read(index).astype(np.int16))


def _high(
    rows: dict[str, np.ndarray], name: str, stamps: np.ndarray, values: np.ndarray, step: int
) -> Figures:
    counts = rows[f"{name}.count"]
    told = np.concatenate([s[:n] for s, n in zip(rows[f"{name}.stamp_ns"], counts, strict=True)])
    given = np.concatenate([v[:n] for v, n in zip(rows[name], counts, strict=True)])
    times = rows["stamp_ns"]
    kept = (stamps > times[0] - step) & (stamps <= times[-1])
    if told.size != np.count_nonzero(kept):
        raise SystemExit(f"{name}: {told.size} numbers were read, the bag has {np.count_nonzero(kept)}")
    return {
        f"{name}_stamp_ns": int(np.abs(told - stamps[kept]).max()),
        name: float(np.nanmax(np.abs(given - values[kept]))),
    }


def _of_clips(form: str) -> Callable[[Path, list[Path], Path], Figures]:
    def measured(work: Path, bags: list[Path], python: Path) -> Figures:
        data, out = ClipDataset(work / "dataset"), work / form
        began = time.perf_counter()
        _foley("dataset", "export", data.path, "--format", form, "--out", out)
        seconds = time.perf_counter() - began
        read = _read(form, python, out, work)
        about = json.loads(str(read["about"]))
        if len(about["rows"]) != len(data):
            raise SystemExit(f"{form}: {len(about['rows'])} clips were read, there are {len(data)}")
        index = {clip.clip_id: i for i, clip in enumerate(data.clips)}
        found = {"sound": 0.0, "stamps_ns": 0, "image_largest_level": 0, "motion_and_force": 0.0}
        for number, row in enumerate(about["rows"]):
            i = index[row["clip_id"]]
            clip, name = data.clips[i], f"{number:05d}"
            if row.get("loaded_split", row["split"]) != clip.split:
                raise SystemExit(f"{form}: {clip.clip_id} is read as of {row['loaded_split']}")
            told = max(abs(row["start_ns"] - clip.start_ns), abs(row["contact_ns"] - clip.contact_ns))
            found["stamps_ns"] = max(found["stamps_ns"], told)
            sound = np.abs(read[f"{name}.audio"] - data.audio(i)).max()
            found["sound"] = max(found["sound"], float(sound))
            strip = cv2.cvtColor(cv2.imdecode(read[f"{name}.frames"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            frames = np.concatenate([data.frames(i), data.still(i)[None]]).astype(np.int16)
            level = np.abs(strip.reshape(frames.shape).astype(np.int16) - frames).max()
            found["image_largest_level"] = max(found["image_largest_level"], int(level))
            for array in CLIP_ARRAYS:
                given, own = read[f"{name}.{array}"], getattr(data, array)(i)
                if not np.array_equal(np.isnan(given), np.isnan(own)):
                    raise SystemExit(f"{form}: {array} of {clip.clip_id} is not known where it is")
                error = np.nan_to_num(np.abs(given - own)).max()
                found["motion_and_force"] = max(found["motion_and_force"], float(error))
        return {
            "format": form,
            "library": about["library"],
            "version": about["version"],
            "clips": len(data),
            "largest_difference": found,
            "columns": {
                k: v for k, v in about.get("kinds", {}).items() if k in ("audio", "frames", "keypoints")
            },
            "export_s": seconds,
        }

    return measured


def _each(*measured: Callable[[Path, list[Path], Path], Figures]) -> Any:
    def rows(work: Path, bags: list[Path], python: Path) -> Iterator[Figures]:
        for one in measured:
            yield one(work, bags, python)

    return rows


MEASURED: dict[str, Any] = {
    "lerobot": _each(_of_bags("lerobot", "video"), _of_bags("lerobot", "images")),
    "webdataset": _each(_of_clips("webdataset")),
    "huggingface": _each(_of_clips("huggingface")),
    "rlds": _each(_of_bags("rlds", "images")),
}


# ---- programs ------------------------------------------------------------------------------------------
def _foley(*words: object) -> None:
    with contextlib.redirect_stdout(sys.stderr):
        code = cli.main([str(word) for word in words])
    if code:
        raise SystemExit(f"foley {' '.join(map(str, words))}: exit code {code}")


def _simulated(folder: Path) -> Path:
    given = ("--depth-rate", 0, "--jobs", 1, "--duration", 8, "--metrics", folder.parent / "sim")
    _foley("sim", "generate", "--out", folder, "--scenes", 2, *given)
    _foley("sim", "generate", "--out", folder, "--split", "test", "--seed", 900, "--scenes", 1, *given)
    return folder


def _environment(folder: Path, form: str, python312: str) -> Path:
    """The Python of a format's own environment, which is made where it is not there."""
    python = folder.resolve() / "bin/python"
    if not python.exists():
        base = python312 if form == "lerobot" else sys.executable
        subprocess.run([base, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[form]], check=True)
    return python


def _read(form: str, python: Path, root: Path, work: Path) -> dict[str, np.ndarray]:
    """What the library reads of an export, in its own environment: ours is hidden from it."""
    out = work / f"{root.name}_{form}.npz"
    hidden = ("PYTHONPATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "VIRTUAL_ENV")
    own = {name: value for name, value in os.environ.items() if name not in hidden}
    cache = work / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    own |= {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(cache),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    script = READERS / f"read_{form}.py"
    run = subprocess.run(
        [python, script, root, out], cwd=work, env=own, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"{form}: its library does not read {root}:\n{run.stderr[-3000:]}")
    with np.load(out) as read:
        return {name: read[name] for name in read.files}


if __name__ == "__main__":
    sys.exit(main())
