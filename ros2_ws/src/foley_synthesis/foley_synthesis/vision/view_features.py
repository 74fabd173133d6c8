"""Features of rendered views, as Hearing Hands conditions on them: a vector a moment and view, kept beside the views.

A cache file belongs to one rendering (its fingerprint) and one encoder (its identity); with another it is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foley_synthesis.vision.protocol import VisionEncoder

VIEWS = ("global", "local_left", "local_right")
_BATCH = 32


class ViewsError(ValueError):
    """Drawn views cannot be used; the message says which and what to do."""


def view_features(
    folder: Path,
    encoder: VisionEncoder,
    names: tuple[str, ...] = VIEWS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Times [n] in ns and features [n, views, dims] of one recording; NaN where a view was not rendered.

    Args:
        folder: of one recording, as `foley scene views` writes it.

    Raises:
        ViewsError: the views are not there, not finished, or damaged.
    """
    try:
        manifest = json.loads((folder / "views.json").read_text())
        rows = pq.read_table(folder / "views.parquet").to_pydict()
        times = np.array(rows["time_ns"], dtype=np.int64)
        rendered = np.array([rows[f"has_{name}"] for name in names], dtype=bool).T
    except (OSError, ValueError, KeyError) as error:
        raise ViewsError(
            f"{folder}: no finished views of {', '.join(names)} ({type(error).__name__}: {error}); render them with "
            "`foley scene views`"
        ) from error
    mark = f"{manifest['fingerprint']} {encoder.identity} {' '.join(names)}"
    cache = folder / f"features-{hashlib.sha256(mark.encode()).hexdigest()[:16]}.npy"
    if (
        cache.is_file()
        and (kept := _read(cache)) is not None
        and kept.shape == (*rendered.shape, encoder.dims)
    ):
        return times, kept
    features = np.full((*rendered.shape, encoder.dims), np.nan, np.float32)
    places = np.argwhere(rendered)
    for begin in range(0, len(places), _BATCH):
        part = places[begin : begin + _BATCH]
        pictures = np.stack([_picture(folder / names[view] / f"{moment:05d}.jpg") for moment, view in part])
        features[part[:, 0], part[:, 1]] = encoder.encode(pictures)
        progress(min(begin + _BATCH, len(places)), len(places))
    whole = cache.with_suffix(".part")
    with whole.open("wb") as file:
        np.save(file, features)
    whole.replace(cache)
    return times, features


def _read(cache: Path) -> NDArray[np.float32] | None:
    """What a cache holds; None if it is damaged."""
    try:
        return np.asarray(np.load(cache, allow_pickle=False), dtype=np.float32)
    except (OSError, ValueError, EOFError):
        return None


def _picture(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ViewsError(f"{path}: is missing or damaged; remove views.json there and render the views again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
