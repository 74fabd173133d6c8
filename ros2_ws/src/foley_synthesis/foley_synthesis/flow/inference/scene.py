"""A reconstructed scene as `foley scene reconstruct` wrote it, for a flow that looks at views rendered of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import load_ply


class SceneError(ValueError):
    """A scene's folder cannot be used; the message names the file and the cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """What a scene's folder gives."""

    name: str
    gaussians: Gaussians
    focus: NDArray[np.float64]  # what the scene was scanned around [3]


def scene_facts(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """Name and focus of a scene, without reading its Gaussians.

    Raises:
        SceneError: there is no manifest, or it is damaged.
    """
    file = folder / "scene.json"
    if not file.is_file():
        raise SceneError(f"{file}: not found; name a folder that `foley scene reconstruct` wrote")
    try:
        manifest = json.loads(file.read_text())
        focus = np.array(manifest["focus"], dtype=np.float64)
        if focus.shape != (3,) or not np.isfinite(focus).all():
            raise ValueError(f"focus is {manifest['focus']}")
        return str(manifest.get("scene_id") or folder.name), focus
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SceneError(f"{file}: damaged ({error!r}); reconstruct the scene again") from error


def load_scene(folder: Path) -> Scene:
    """Raises SceneError, PlyError or OSError where the folder cannot be read."""
    name, focus = scene_facts(folder)
    return Scene(name, load_ply(folder / "scene.ply"), focus)
