"""What a sound model looks at, for every clip and window of a dataset: features of rendered views on the item's grid.

They lie in the dataset's folder, in ``view_features/``, in a file that is named by everything they depend on: the
dataset's fingerprint, what was rendered of each session, the encoder's weights. They change nothing in a dataset.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips.grid import CLIP_S, WINDOW_FRAME_RATE, WINDOW_S
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.vision.protocol import VisionEncoder
from foley_synthesis.vision.view_features import VIEWS, ViewsError, view_features

VERSION = 1
RATE_HZ = WINDOW_FRAME_RATE  # as Hearing Hands looks
CLIP_MOMENTS = round(CLIP_S * RATE_HZ)
WINDOW_MOMENTS = round(WINDOW_S * RATE_HZ)
Features = NDArray[np.float16]


@dataclasses.dataclass(frozen=True, eq=False)
class DatasetViews:
    """Features of views, in the dataset's order.

    Row k of an item is the rendered moment nearest to ``start + (k + 1/2) / 4 s``. Of two as near it is the earlier
    one: with views at 4 Hz from the item's start, that at ``start + k / 4 s``.
    """

    names: tuple[str, ...]
    clips: Features  # [clips, 4, views, dims]; NaN where a view was not rendered
    windows: Features  # [windows, 32, views, dims]
    without: tuple[str, ...]  # sessions whose views were not rendered
    path: Path

    def share(self, items: Features) -> dict[str, float]:
        """Of an array's moments, how many have each view."""
        known = np.isfinite(items[..., 0])
        count = max(1, known.shape[0] * known.shape[1])
        return {name: float(known[..., k].sum() / count) for k, name in enumerate(self.names)}


def dataset_views(
    dataset: ClipDataset,
    views: Path,
    encoder: VisionEncoder,
    names: Sequence[str] = VIEWS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetViews:
    """Features of all clips and windows, from the dataset's folder where they are there.

    Args:
        views: folder that `foley scene views` wrote, with one folder for each session.

    Raises:
        ViewsError: no session of the dataset has views, or rendered ones are damaged.
    """
    names = tuple(names)
    sessions = sorted({c.session_id for c in dataset.clips} | {w.session_id for w in dataset.windows})
    rendered = {session: mark for session in sessions if (mark := _rendered(views / session))}
    if not rendered:
        raise ViewsError(
            f"{views}: no views of any of the {len(sessions)} sessions of {dataset.path}, such as {sessions[0]}; "
            "render them with `foley scene views`"
        )
    without = tuple(session for session in sessions if session not in rendered)
    mark = json.dumps([VERSION, dataset.fingerprint, encoder.identity, names, sorted(rendered.items())])
    path = dataset.path / "view_features" / f"{hashlib.sha256(mark.encode()).hexdigest()[:16]}.safetensors"
    shape = (len(names), encoder.dims)
    if (kept := _read(path, len(dataset.clips), len(dataset.windows), shape)) is not None:
        return DatasetViews(names, *kept, without, path)
    clips = np.full((len(dataset.clips), CLIP_MOMENTS, *shape), np.nan, np.float16)
    windows = np.full((len(dataset.windows), WINDOW_MOMENTS, *shape), np.nan, np.float16)
    for done, session in enumerate(rendered, start=1):
        times, features = view_features(views / session, encoder, names)
        for index, clip in enumerate(dataset.clips):
            if clip.session_id == session:
                clips[index] = _on_grid(clip.start_ns, CLIP_MOMENTS, times, features)
        for index, window in enumerate(dataset.windows):
            if window.session_id == session:
                windows[index] = _on_grid(window.start_ns, WINDOW_MOMENTS, times, features)
        progress(done, len(rendered))
    _write(path, clips, windows, encoder.identity, names)
    return DatasetViews(names, clips, windows, without, path)


def _on_grid(
    start_ns: int, count: int, times: NDArray[np.int64], features: NDArray[np.float32]
) -> NDArray[np.floating]:
    """Features at the moment nearest to the middle of each quarter of a second; NaN where none is inside of it."""
    step = 1_000_000_000 // RATE_HZ
    middle = start_ns + step * np.arange(count, dtype=np.int64) + step // 2
    right = np.clip(np.searchsorted(times, middle), 1, max(len(times) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(times) - 1)
    nearest = np.where(middle - times[left] <= times[right] - middle, left, right)
    near = np.abs(times[nearest] - middle) <= step // 2
    return np.where(near[:, None, None], features[nearest], np.float32(np.nan))


def _rendered(folder: Path) -> str:
    """What was rendered of a session; empty if nothing was, or not to the end."""
    try:
        return str(json.loads((folder / "views.json").read_text())["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _read(path: Path, clips: int, windows: int, shape: tuple[int, int]) -> tuple[Features, Features] | None:
    """What a file holds; None where it is not there, damaged, or of other sizes."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        return None
    try:
        found = load_file(path)
    except (OSError, SafetensorError, ValueError):
        return None
    wanted = {"clips": (clips, CLIP_MOMENTS, *shape), "windows": (windows, WINDOW_MOMENTS, *shape)}
    if any(name not in found or found[name].shape != size for name, size in wanted.items()):
        return None
    return found["clips"], found["windows"]


def _write(path: Path, clips: Features, windows: Features, identity: str, names: Sequence[str]) -> None:
    """Whole or not at all."""
    from safetensors.numpy import save_file

    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    head = {"encoder": identity, "views": " ".join(names), "rate_hz": str(RATE_HZ)}
    save_file({"clips": clips, "windows": windows}, part, metadata=head)
    part.replace(path)
