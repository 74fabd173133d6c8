"""Reading a dataset: what training and evaluation see of it."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from foley_common.topics import MAIN_ARM, MAIN_CAMERA, MAIN_DEVICES, MAIN_MICROPHONE
from foley_perception.clips.grid import CLIP_FRAMES, CLIP_SAMPLES, WINDOW_FRAMES, WINDOW_SAMPLES
from foley_perception.dataset import store
from foley_perception.dataset.schema import (
    CLIP_ARRAYS,
    SCHEMA_VERSION,
    SPLITS,
    WINDOW_ARRAYS,
    Clip,
    DatasetError,
    Window,
)

__all__ = ["Clip", "ClipDataset", "DatasetError", "Window", "read_manifest"]


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a dataset folder.

    Raises:
        DatasetError: no dataset there, or one of another schema version.
    """
    file = path / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no manifest.json; is this a finished dataset?") from error
    except (OSError, json.JSONDecodeError) as error:
        raise DatasetError(f"{file}: cannot be read ({error})") from error
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise DatasetError(
            f"{file}: schema_version is {version}, this release reads {SCHEMA_VERSION}; "
            "build the dataset again from its bags"
        )
    return dict(manifest)


class ClipDataset:
    """A dataset folder. Rows are in memory, media are read when asked for.

    Args:
        complete: only clips and windows that have both sound and pictures, as models are trained on; ``left_out`` says
            how many others there are.

    Raises:
        DatasetError: not a dataset, another schema version, damaged tables.
    """

    def __init__(self, path: str | Path, *, complete: bool = False) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        self._complete = complete
        self._incomplete: dict[str, int] = {}
        self._table = self._read("clips", store.CLIP_SCHEMA)
        self.clips: list[Clip] = store.table_clips(self._table)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not complete, a sentence for each kind; none where all is read."""
        if not self._complete:
            return ()
        told = []
        for kind, count in (("clips", len(self.clips)), ("windows", len(self.windows))):
            for device, there in self.manifest.get("without", {}).items():
                if there[kind]:
                    told.append(
                        f"{there[kind]} {kind} of {count + self._incomplete[kind]} are left out: their recordings had "
                        f"no {device}"
                    )
        return tuple(told)

    def _read(self, kind: str, arrow_schema: pa.Schema) -> pa.Table:
        table = store.read_table(self.path / f"{kind}.parquet", arrow_schema)
        whole = [i for i, without in enumerate(table.column("without").to_pylist()) if not without]
        self._incomplete[kind] = table.num_rows - len(whole)
        return table.take(whole) if self._complete and len(whole) < table.num_rows else table

    @property
    def leaks(self) -> tuple[str, ...]:
        """By what its splits are known to leak, in sentences: what is measured on them is not of unseen scenes."""
        return tuple(self.manifest.get("leaks", ()))

    @property
    def fingerprint(self) -> str:
        """sha256 over the content, as written by the build."""
        return str(self.manifest["fingerprint"])

    def indices(self, split: str) -> list[int]:
        """Clip indices of one split, in file order."""
        if split not in SPLITS:
            raise DatasetError(f"split is `{split}`, known are {', '.join(SPLITS)}")
        return [i for i, clip in enumerate(self.clips) if clip.split == split]

    # ---- clips -------------------------------------------------------------------------------------------
    # Further devices are those that ``Clip.microphones``, ``cameras`` and ``arms`` name; a clip that lacks the asked
    # one raises DatasetError.
    def audio(self, index: int, microphone: str = MAIN_MICROPHONE) -> NDArray[np.float32]:
        """Samples [48000] at 48 kHz."""
        clip = self.clips[index]
        _check_has(clip, "microphones", microphone)
        return store.read_audio(store.audio_path(self.path, clip.clip_id, microphone), CLIP_SAMPLES)

    def frames(self, index: int, camera: str = MAIN_CAMERA) -> NDArray[np.uint8]:
        """Crops [30, 128, 128, 3] RGB."""
        return self.frames_and_still(index, camera)[0]

    def still(self, index: int, camera: str = MAIN_CAMERA) -> NDArray[np.uint8]:
        """Crop [128, 128, 3] RGB of the place before it was touched."""
        return self.frames_and_still(index, camera)[1]

    def frames_and_still(
        self, index: int, camera: str = MAIN_CAMERA
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Both from one decode: [30, 128, 128, 3] and [128, 128, 3]."""
        clip = self.clips[index]
        _check_has(clip, "cameras", camera)
        path = store.frames_path(self.path, clip.clip_id, camera)
        strip = store.read_strip(path, CLIP_FRAMES + 1)
        return strip[:CLIP_FRAMES], strip[CLIP_FRAMES]

    def action_executed(self, index: int, arm: str = MAIN_ARM) -> NDArray[np.float32]:
        """[90, 8] measured: tip relative to the contact point (3), velocity (3), width, force."""
        if arm == MAIN_ARM:
            return self._array("action_executed", index)
        clip = self.clips[index]
        _check_has(clip, "arms", arm)
        return store.read_action(
            store.action_path(self.path, clip.clip_id, arm), CLIP_ARRAYS["action_executed"]
        )

    def action_planned(self, index: int) -> NDArray[np.float32]:
        """[90, 8] from the plan alone (force 0); all NaN where there was none."""
        return self._array("action_planned", index)

    def keypoints(self, index: int) -> NDArray[np.float32]:
        """[30, 2, 21, 3] in the world, left hand first, NaN where absent."""
        return self._array("keypoints", index)

    def _array(self, name: str, index: int) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self._arrays[name][index]
        return row

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.float32]]:
        return {name: store.table_array(self._table, name, shape) for name, shape in CLIP_ARRAYS.items()}

    # ---- windows -----------------------------------------------------------------------------------------
    @cached_property
    def _window_table(self) -> Any:
        return self._read("windows", store.WINDOW_SCHEMA)

    @cached_property
    def windows(self) -> list[Window]:
        return store.table_windows(self._window_table)

    def window_audio(self, index: int, microphone: str = MAIN_MICROPHONE) -> NDArray[np.float32]:
        """Samples [384000] at 48 kHz."""
        window = self.windows[index]
        _check_has(window, "microphones", microphone)
        return store.read_audio(store.audio_path(self.path, window.window_id, microphone), WINDOW_SAMPLES)

    def window_frames(self, index: int, camera: str = MAIN_CAMERA) -> NDArray[np.uint8]:
        """Whole frames [32, H, W, 3] RGB at 4 Hz."""
        window = self.windows[index]
        _check_has(window, "cameras", camera)
        return store.read_strip(store.frames_path(self.path, window.window_id, camera), WINDOW_FRAMES)

    def window_action(self, index: int, arm: str = MAIN_ARM) -> NDArray[np.float32]:
        """[720, 7] measured: tip in the world (3), velocity (3), width."""
        if arm == MAIN_ARM:
            row: NDArray[np.float32] = self.window_array("action_executed")[index]
            return row
        window = self.windows[index]
        _check_has(window, "arms", arm)
        path = store.action_path(self.path, window.window_id, arm)
        return store.read_action(path, WINDOW_ARRAYS["action_executed"])

    def window_array(self, name: str) -> NDArray[np.float32]:
        """``keypoints`` [windows, 240, 2, 21, 3] or ``action_executed`` [windows, 720, 7]."""
        return store.table_array(self._window_table, name, WINDOW_ARRAYS[name])


def _check_has(item: Clip | Window, field: str, device: str) -> None:
    item_id = item.clip_id if isinstance(item, Clip) else item.window_id
    if device in item.without:
        raise DatasetError(
            f"`{item_id}`: its recording had no {device}; choose items by their `without`, or read the data set with "
            "`complete`"
        )
    there: tuple[str, ...] = getattr(item, field)
    if device not in MAIN_DEVICES and device not in there:
        known = ", ".join(there) or "none"
        raise DatasetError(
            f"`{item_id}`: there is nothing of `{device}`, its further {field} are {known}; "
            f"choose items by their `{field}`"
        )
