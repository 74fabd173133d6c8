"""Views of things whose truth is known, from sets of sessions: what sight learns from and is measured on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import read_arrays
from foley_synthesis.flow.sight.head import Targets
from foley_synthesis.flow.sight.looks import looks_of
from foley_synthesis.flow.what import MATERIALS, SHAPES, SIZE_COLUMNS, what_of
from foley_synthesis.vision.protocol import VisionEncoder


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """n views of m objects. An object that several sessions touch is one."""

    inputs: NDArray[np.float32]  # [n, width]
    object: NDArray[np.int64]  # [n] which of the m
    scene: tuple[str, ...]  # [m]
    material: NDArray[np.int64]  # [m] index in MATERIALS
    shape: NDArray[np.int64]  # [m] index in SHAPES
    log_size: NDArray[np.float32]  # [m, 3] over 10 cm, as in `what_of`
    hollowness: NDArray[np.float32]  # [m]
    look: tuple[str, ...]  # [m] what it is made to look like; empty: not known
    name: tuple[str, ...]  # [m] its object_id

    def targets(self) -> Targets:
        """[m]."""
        return Targets(
            torch.from_numpy(self.material),
            torch.from_numpy(self.shape),
            torch.from_numpy(self.log_size),
            torch.from_numpy(self.hollowness),
        )

    def of_objects(self, chosen: NDArray[np.int64]) -> Examples:
        """Of some of the objects."""
        place = np.full(len(self.scene), -1, np.int64)
        place[chosen] = np.arange(len(chosen))
        rows = place[self.object] >= 0
        return Examples(
            self.inputs[rows],
            place[self.object[rows]],
            tuple(self.scene[k] for k in chosen),
            self.material[chosen],
            self.shape[chosen],
            self.log_size[chosen],
            self.hollowness[chosen],
            tuple(self.look[k] for k in chosen),
            tuple(self.name[k] for k in chosen),
        )

    def share(self, share: float, *, rest: bool = False) -> Examples:
        """Of the objects of this share of the scenes: the first ones by name, so that a larger share holds them.

        Args:
            rest: of all other scenes instead.
        """
        scenes = sorted(set(self.scene))
        kept = set(scenes[: max(1, round(share * len(scenes)))])
        return self.of_objects(
            np.array([k for k, scene in enumerate(self.scene) if (scene in kept) != rest], np.int64)
        )


def examples(
    sets: Sequence[Path],
    split: str,
    encoder: VisionEncoder,
    sessions: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Examples:
    """Of all sessions of the sets that have local views, or of so many of each set, evenly chosen.

    Raises:
        ValueError: a session is of another split or names what the vocabulary lacks, or there are no views.
        OSError: a file cannot be read.
    """
    chosen = [(folder, path) for folder in sets for path in _even(sorted(folder.glob("*.npz")), sessions)]
    ids, rows = dict[tuple[str, str], int](), list[tuple[str, int, int, list[float], float, str]]()
    inputs, which = list[NDArray[np.float32]](), list[NDArray[np.int64]]()
    for done, (folder, path) in enumerate(chosen, start=1):
        progress(done, len(chosen))
        facts, _ = read_arrays(path)
        if facts["split"] != split:
            raise ValueError(f"{path}: is of split `{facts['split']}`, `{split}` is needed")
        if not any(facts.get("view_names", ())):
            continue
        look = looks_of(folder, encoder, [path])[0]
        place = np.full(len(facts["objects"]), -1, np.int64)
        for index, item in enumerate(facts["objects"]):
            if item["material"] not in MATERIALS or item["shape"] not in SHAPES:
                raise ValueError(
                    f"{path}: object `{item['object_id']}` is a {item['shape']} of {item['material']}, known are "
                    f"{', '.join(SHAPES)} of {', '.join(MATERIALS)}"
                )
            if not (look.object == index).any():
                continue
            name = (facts["scene_id"], item["object_id"])
            if name not in ids:
                ids[name] = len(ids)
                size = what_of(item)[SIZE_COLUMNS].tolist()
                material, shape = MATERIALS.index(item["material"]), SHAPES.index(item["shape"])
                looks_like = str(item.get("look_material", ""))
                rows.append((name[0], material, shape, size, float(item["hollowness"]), looks_like))
            place[index] = ids[name]
        known = look.object >= 0
        inputs.append(look.inputs[known])
        which.append(place[look.object[known]])
    if not ids:
        raise ValueError(
            f"{', '.join(map(str, sets))}: no session has local views of a thing; make some with `foley sim stills`"
        )
    scenes, materials, shapes, sizes, hollowness, like = zip(*rows, strict=True)
    return Examples(
        np.concatenate(inputs),
        np.concatenate(which),
        scenes,
        np.array(materials, np.int64),
        np.array(shapes, np.int64),
        np.array(sizes, np.float32),
        np.array(hollowness, np.float32),
        like,
        tuple(object_id for _, object_id in ids),
    )


def split_of(folder: Path) -> str:
    """Of the first session of a set; `examples` sees to the others.

    Raises:
        ValueError: there is none, or it is damaged.
        OSError: it cannot be read.
    """
    paths = _even(sorted(folder.glob("*.npz")), None)
    if not paths:
        raise ValueError(f"{folder}: holds no sessions or stills; make some with `foley sim stills`")
    return str(read_arrays(paths[0])[0]["split"])


def _even(paths: list[Path], count: int | None) -> list[Path]:
    paths = [
        path for path in paths if not path.name.startswith(".") and not path.name.endswith(".contacts.npz")
    ]
    if count is None or count >= len(paths):
        return paths
    return [paths[int(k)] for k in np.linspace(0, len(paths) - 1, count).round()]
