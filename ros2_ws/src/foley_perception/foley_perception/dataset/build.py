"""Bags to a dataset: which bags there are, and how each is cut. The rest is the same for every source (staging.py)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from foley_common import topics
from foley_perception.dataset import schema, splits, store
from foley_perception.dataset.cut import NEEDED, CutConfig, Cutter
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.staging import BuildReport, Cut, Progress, build_from, identity_of
from foley_perception.episodes.reader import read_episode
from foley_perception.recording.bag import Bag
from foley_perception.recording.errors import BagError


def find_bags(paths: Iterable[str | Path]) -> list[Path]:
    """Bags among the given folders and files; a folder of bags stands for the bags in it.

    Raises:
        DatasetError: a path does not exist or holds no bag.
    """
    bags: list[Path] = []
    for given in map(Path, paths):
        if not given.exists():
            raise DatasetError(f"{given}: does not exist")
        if given.is_file() or is_bag(given):
            bags.append(given)
            continue
        inside = sorted(child for child in given.iterdir() if child.is_dir() and is_bag(child))
        inside += sorted(child for child in given.iterdir() if child.suffix in (".mcap", ".db3"))
        if not inside:
            raise DatasetError(f"{given}: neither a bag nor a folder of bags")
        bags += inside
    unique = {bag.resolve(): bag for bag in bags}
    return list(unique.values())


def is_bag(folder: Path) -> bool:
    """Whether a folder is one bag."""
    return (folder / "metadata.yaml").is_file() or any(folder.glob("*_0.mcap"))


def without_scans(bags: Sequence[Path]) -> list[Path]:
    """The recordings among bags; scans of scenes hold neither sound nor touches, and say so in their metadata."""
    return [bag for bag in bags if not _is_scan(bag)]


def _is_scan(bag: Path) -> bool:
    try:
        return Bag(bag).session.get("kind") == "scan"
    except BagError:
        return False  # told where it is read


def bag_files(bag: Path) -> list[Path]:
    """The files of a bag, be it a folder or one file."""
    return sorted(file for file in bag.iterdir() if file.is_file()) if bag.is_dir() else [bag]


@dataclasses.dataclass(frozen=True)
class BagSource:
    """One bag, and how it is cut."""

    path: Path
    config: CutConfig

    def key(self) -> str:
        """From its name and where it lies."""
        return f"{self.path.stem}-{hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:8]}"

    def identity(self) -> str:
        """Of the bag's files and of the configuration."""
        further = [
            f"{topic.device} {topic.name}" for topic in topics.TOPICS if topic.reader and topic.further
        ]
        return identity_of(bag_files(self.path), f"{schema.SCHEMA_VERSION} {self.config!r} {further}")

    def cut(self, folder: Path) -> Cut:
        """Raises EpisodeError, ValueError or OSError where the bag cannot be used."""
        cutter = Cutter(read_episode(self.path, require=NEEDED, frames=self.config.frames), self.config)
        rows, clips = [], []
        for data in cutter.clips():
            rows.append(store.store_clip(folder, data))
            clips.append(data.clip)
        windows = cutter.windows(clips) if self.config.windows else iter(())
        window_rows = [store.store_window(folder, data) for data in windows]
        return Cut(
            session_id=cutter.episode.session_id,
            scene_id=cutter.scene_id,
            split=cutter.episode.split,
            object_ids=tuple(sorted({clip.object_id for clip in clips if clip.object_id})),
            clips=rows,
            windows=window_rows,
            skipped=dict(cutter.skipped),
            problems=cutter.problems,
        )


def build_dataset(
    bags: Sequence[Path],
    folder: Path,
    *,
    config: CutConfig | None = None,
    shares: Mapping[str, float] = splits.DEFAULT_SHARES,
    workers: int = 0,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Build or complete the dataset in ``folder`` from exactly these bags; see ``build_from``.

    Raises:
        LeakError: the splits would leak.
        DatasetError: a bag cannot be used, or there is nothing to build from.
    """
    if not bags:
        raise DatasetError("no bags were given")
    sources = [BagSource(bag, config or CutConfig()) for bag in bags]
    return build_from(sources, folder, shares=shares, workers=workers, skip_bad=skip_bad, progress=progress)
