"""What an importer is, and what one may be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from foley_perception.dataset.hit_times import read_text
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.staging import BuildReport, Progress


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What is asked of an import.

    Attributes:
        limit: at most so many recordings or objects, the first by name; 0 takes all.
        workers: processes; 0 takes one per core, 1 stays in this process.
        skip_bad: leave out what cannot be read, instead of refusing.
        merge_s: hits closer together than this are one clip [s].
        their_split: take the published split, also where it leaks.
        listeners: microphones of each impact that become clips.
        materials: of an object (by its folder's name or number), or of a material of theirs -> the name to be used.
    """

    limit: int = 0
    workers: int = 0
    skip_bad: bool = False
    merge_s: float = 0.3
    their_split: bool = False
    listeners: int = 1
    materials: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def material(self, theirs: str, *objects: str) -> str:
        """What an object is made of, as the user says it, else as the data set does."""
        for name in (*objects, theirs):
            if name in self.materials:
                return self.materials[name]
        return theirs


Run = Callable[[Path, Path, ImportOptions, Progress | None], BuildReport]


@dataclasses.dataclass(frozen=True)
class Importer:
    """One data set of others.

    Attributes:
        help: a line about it.
        what: that clips are cut around, for what is told of left out ones.
        takes: options beside those that all take.
        licence: under which its data come; what it says of commercial use.
        unproven: of its layout or meaning, what could not be held against the data themselves.
        run: from the folder to a data set; raises DatasetError.
    """

    name: str
    help: str
    what: str
    takes: tuple[str, ...]
    licence: str
    unproven: tuple[str, ...]
    run: Run


def read_materials(path: Path) -> dict[str, str]:
    """A YAML mapping of objects, or of materials of theirs, to names of materials.

    Raises:
        DatasetError: it is none.
    """
    import yaml

    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DatasetError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict) or not all(isinstance(v, str) and v for v in content.values()):
        raise DatasetError(f"{path}: must map objects or materials to names, as in `17_IronSkillet: metal`")
    return {str(key): value for key, value in content.items()}
