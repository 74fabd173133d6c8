"""What a study shows: a folder of clips, each with its pictures, its real sound and sounds made by models.

    study.json      {"schema": 1, "title": ..., "clips": [...]}
    *.jpg *.wav     pictures of a clip in one image, row by row; sounds

A clip: ``id``, ``pictures``, ``columns``, ``count``, ``rate_hz``, ``real``, ``made`` {model: file}, ``catch`` (whether
the made sound is wrong beyond doubt, to find people who do not listen), and ``facts`` (material, action, ...) that
the analysis groups by.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

SCHEMA = 1
MANIFEST = "study.json"


class StudyError(ValueError):
    """A study folder or its answers cannot be used; the message names the file, the field and the cure."""


@dataclasses.dataclass(frozen=True)
class StudyClip:
    """One thing that happened, to be seen with its own sound and with one that a model made."""

    clip_id: str
    pictures: Path
    columns: int
    count: int
    rate_hz: float
    real: Path
    made: dict[str, Path]
    catch: bool
    facts: dict[str, str]

    @property
    def duration_s(self) -> float:
        return self.count / self.rate_hz


@dataclasses.dataclass(frozen=True)
class StudySet:
    """All clips of a folder."""

    title: str
    clips: tuple[StudyClip, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """That made a sound of any clip but the catches, sorted."""
        return tuple(sorted({name for clip in self.clips if not clip.catch for name in clip.made}))

    def clip(self, clip_id: str) -> StudyClip:
        return next(c for c in self.clips if c.clip_id == clip_id)


def read_study(folder: Path) -> StudySet:
    """
    Raises:
        StudyError: no study there, a field is missing or wrong, a file is absent or lies outside the folder.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{folder}: has no {MANIFEST}; make one with `foley study make`") from None
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise StudyError(f"{path}: schema is not {SCHEMA}; make the study again with this release")
    clips = tuple(_clip(folder, number, entry) for number, entry in enumerate(content.get("clips") or ()))
    if not [c for c in clips if not c.catch]:
        raise StudyError(f"{path}: clips holds nothing to judge")
    names = [c.clip_id for c in clips]
    if len(set(names)) != len(names):
        raise StudyError(f"{path}: a clip's id is used more than once")
    return StudySet(str(content.get("title", "Which one is real?")), clips)


def write_study(folder: Path, title: str, clips: list[dict[str, Any]]) -> None:
    """Write the manifest of files that are there already. Raises OSError where it cannot be written."""
    text = json.dumps({"schema": SCHEMA, "title": title, "clips": clips}, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _clip(folder: Path, number: int, entry: Any) -> StudyClip:
    where = f"{folder / MANIFEST}: clips[{number}]"
    if not isinstance(entry, dict):
        raise StudyError(f"{where}: is no object")
    try:
        made = {str(name): _file(folder, where, file) for name, file in dict(entry["made"]).items()}
        clip = StudyClip(
            clip_id=str(entry["id"]),
            pictures=_file(folder, where, entry["pictures"]),
            columns=int(entry["columns"]),
            count=int(entry["count"]),
            rate_hz=float(entry["rate_hz"]),
            real=_file(folder, where, entry["real"]),
            made=made,
            catch=bool(entry.get("catch", False)),
            facts={str(k): str(v) for k, v in dict(entry.get("facts", {})).items()},
        )
    except KeyError as error:
        raise StudyError(f"{where}: field {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise StudyError(str(error) if isinstance(error, StudyError) else f"{where}: {error}") from None
    if not made:
        raise StudyError(f"{where}: made is empty, at least one model is needed")
    if clip.columns < 1 or clip.count < 1 or not (math.isfinite(clip.rate_hz) and clip.rate_hz > 0):
        raise StudyError(
            f"{where}: columns is {clip.columns}, count {clip.count}, rate_hz {clip.rate_hz}; all must be positive"
        )
    return clip


def _file(folder: Path, where: str, name: Any) -> Path:
    root = folder.resolve()
    path = (root / str(name)).resolve()
    if not path.is_relative_to(root):
        raise StudyError(f"{where}: file `{name}` lies outside the study's folder")
    if not path.is_file():
        raise StudyError(f"{where}: file `{name}` is not there")
    return path
