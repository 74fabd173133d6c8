"""A bag written once more: beside the one it is made of, or in its place. It gets its name when it is whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from foley_perception.recording.errors import BagError, NoSpaceError, NotWritableError

WRITING = ".writing_"  # a folder begins so in which a bag is written once more
ORIGINAL = ".original"  # behind the name of a bag in whose place another one came


class Written(NamedTuple):
    """Where both are."""

    path: Path  # of the new bag
    original: Path  # of the old one
    messages: int  # in the new one


def write_beside(
    path: Path, suffix: str, write: Callable[[Path], int], *, to: Path | None = None, in_place: bool = False
) -> Written:
    """Have a bag written, and put it where it is to be.

    Args:
        path: of the old bag; never changed, at most renamed.
        suffix: behind the name of a new bag that is given none.
        write: makes the bag's folder and returns how many messages are in it.
        to: folder of the new bag, must not exist; by default beside the old one.
        in_place: the new bag takes the name of the old one, which is kept with :data:`ORIGINAL` behind its name.

    Raises:
        BagError: it cannot be written there. Then nothing has changed.
    """
    path = path.resolve()
    target = _target(path, suffix, to, in_place)
    name = _bare(path) if in_place else target.name
    try:
        folder = Path(tempfile.mkdtemp(prefix=WRITING, dir=_made(target.parent)))
    except OSError as error:
        raise NotWritableError(f"{target.parent}: cannot be written ({error.strerror}); use --to") from error
    try:
        messages = write(folder / name)
        original = _put_in_place(path, folder / name) if in_place else path
        if not in_place:
            (folder / name).rename(target)
    except NoSpaceError as error:
        raise NoSpaceError(
            f"{target.parent}: the disk is full; nothing of the new bag was kept, and {path} is as it was; "
            "free some space, or name a folder on another disk with --to"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Written(target, original, messages)


def _bare(path: Path) -> str:
    """A bag's name without what its file says of its format."""
    name = path.name
    for suffix in (".zstd", ".mcap", ".db3"):
        if path.is_file():
            name = name.removesuffix(suffix)
    return name


def _target(path: Path, suffix: str, to: Path | None, in_place: bool) -> Path:
    if not in_place:
        target = (to if to is not None else path.with_name(_bare(path) + suffix)).resolve()
        if target.exists():
            raise NotWritableError(f"{target}: exists already; name another folder with --to")
        return target
    if path.is_file() and path.suffix != ".mcap":
        raise BagError(f"{path}: only a folder or an .mcap file can be replaced; leave out --in-place")
    if path.is_file() and (path.parent / "metadata.yaml").is_file():
        raise BagError(f"{path}: is a file of the bag {path.parent}; give that folder to replace it")
    kept = path.with_name(path.name + ORIGINAL)
    if kept.exists():
        raise NotWritableError(
            f"{kept}: exists already, of an earlier recovery or migration; move it elsewhere"
        )
    return path


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _put_in_place(path: Path, new: Path) -> Path:
    """Exchange the old bag for the new one; both are on the same disk."""
    kept = path.with_name(path.name + ORIGINAL)
    source = new if path.is_dir() else next(new.glob("*.mcap"))
    path.rename(kept)
    try:
        source.rename(path)
    except OSError:
        kept.rename(path)
        raise
    return kept
