"""Bags to a dataset: which bags there are, and how each is cut. The rest is the same for every source (staging.py)."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from foley_common import topics
from foley_perception.action.gripper import GripperHand
from foley_perception.dataset import schema, splits
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.pieces import cut_bag
from foley_perception.dataset.rows import Rows
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.staging import BuildReport, Cut, Progress, build_from, identity_of
from foley_perception.episodes.names import Naming
from foley_perception.episodes.outline import Outline, session_id_of
from foley_perception.own_noise.file import digest_of, read_own_noise
from foley_perception.recording.bag import Bag
from foley_perception.recording.bag_files import is_bag, loose_files
from foley_perception.recording.bag_name import bag_name, distinct_names
from foley_perception.recording.errors import BagError
from foley_perception.recording.session import SNAPSHOT_KEY

if TYPE_CHECKING:
    from foley_perception.dataset.on_ray import OnRay

READER_VERSION = 2  # of how bags are read and cut: what an earlier one gave is cut again


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
        inside += loose_files(given)
        if not inside:
            raise DatasetError(f"{given}: neither a bag nor a folder of bags")
        bags += inside
    unique = {bag.resolve(): bag for bag in bags}
    return list(unique.values())


def without_scans(bags: Sequence[Path]) -> list[Path]:
    """The recordings among bags; scans of scenes hold neither sound nor touches, and say so in their metadata."""
    return [bag for bag in bags if not _is_scan(bag)]


def _is_scan(bag: Path) -> bool:
    return _session(bag).get("kind") == "scan"


def snapshots_of_others(bags: Sequence[Path]) -> dict[Path, Path]:
    """Snapshots of which another bag of the same machine holds a part as well -> that: one event is used once.

    Times are those of their metadata; of a bag without them nothing is known.
    """
    if not any(map(_may_be_snapshot, bags)):  # to parse hundreds of metadata.yaml takes a minute
        return {}
    spans = {bag: span for bag in bags if (span := _span(bag)) is not None}
    snapshots = [bag for bag, span in spans.items() if span.snapshot]
    used = [bag for bag in spans if bag not in snapshots]
    found: dict[Path, Path] = {}
    for bag in snapshots:
        inside = (other for other in used if spans[bag].meets(spans[other]))
        if (other := next(inside, None)) is not None:
            found[bag] = other
        else:
            used.append(bag)
    return found


class _Span(NamedTuple):
    """Where a bag was recorded, and from when to when [ns]."""

    origin: str
    start: int
    end: int
    snapshot: bool

    def meets(self, other: _Span) -> bool:
        return self.origin == other.origin and max(self.start, other.start) < min(self.end, other.end)


def _may_be_snapshot(bag: Path) -> bool:
    try:
        return SNAPSHOT_KEY.encode() in (bag / "metadata.yaml").read_bytes()
    except OSError:
        return False


def _span(path: Path) -> _Span | None:
    """None where it is not known."""
    try:
        bag = Bag(path)
        session, told = bag.session, bag.information
        start = int(told["starting_time"]["nanoseconds_since_epoch"])
        end = start + int(told["duration"]["nanoseconds"])
    except (BagError, KeyError, TypeError, ValueError):
        return None
    origin = str(session.get("origin", ""))
    return _Span(origin, start, end, bool(session.get(SNAPSHOT_KEY))) if origin and end > start else None


def _session(bag: Path) -> dict[str, Any]:
    """Metadata as far as they are known without reading a bag. What is wrong is told where it is read."""
    try:
        return Bag(bag).session
    except Exception:  # noqa: BLE001 - whatever it is, it must not end the work on other bags
        return {}


def bag_files(bag: Path) -> list[Path]:
    """The files of a bag, be it a folder or one file."""
    return sorted(file for file in bag.iterdir() if file.is_file()) if bag.is_dir() else [bag]


@dataclasses.dataclass(frozen=True)
class BagSource:
    """One bag, and how it is cut."""

    path: Path
    config: CutConfig
    name: str = ""  # where its metadata name no session; empty: that of its folder
    naming: Naming = dataclasses.field(default_factory=Naming)

    def key(self) -> str:
        """From its name and where it lies."""
        return f"{bag_name(self.path)}-{hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:8]}"

    def identity(self) -> str:
        """Of the bag's files and of the configuration."""
        further = [
            f"{topic.device} {topic.name}" for topic in topics.TOPICS if topic.reader and topic.further
        ]
        named = f"{self.name} {self.naming.identity}"
        if self.config.hand:
            named += f" hand {GripperHand.from_yaml(self.config.hand).digest}"
        if self.config.own_noise:
            named += f" own noise, by ear too {digest_of(self.config.own_noise)}"
        return identity_of(
            bag_files(self.path),
            f"{schema.SCHEMA_VERSION} {READER_VERSION} {self.config!r} {further} {named}",
        )

    def session_id(self) -> str:
        """As its metadata say, without reading the bag; else its name."""
        return session_id_of(_session(self.path), self.name)

    def cut(self, rows: Rows) -> Cut:
        """Raises EpisodeError, ValueError or OSError where the bag cannot be used."""
        outline = Outline(
            self.path,
            name=self.name,
            **self.naming.reading,
        )
        splits.check_known(str(outline.session.get("split") or ""))  # before the work
        return cut_bag(outline, self.config, rows)


def build_dataset(
    bags: Sequence[Path],
    folder: Path,
    *,
    config: CutConfig | None = None,
    naming: Naming | None = None,
    shares: Mapping[str, float] = splits.DEFAULT_SHARES,
    workers: int = 0,
    skip_bad: bool = False,
    progress: Progress | None = None,
    ray: OnRay | None = None,
) -> BuildReport:
    """Build or complete the dataset in ``folder`` from exactly these bags; see ``build_from``.

    Raises:
        LeakError: the splits would leak.
        DatasetError: a bag cannot be used, or there is nothing to build from.
        OwnNoiseError, HandError: the file of own noise, or of the gripper, cannot be read.
    """
    if not bags:
        raise DatasetError("no bags were given")
    if config is not None and config.hand:
        GripperHand.from_yaml(config.hand)  # refused before any work
    if config is not None and config.own_noise:
        read_own_noise(config.own_noise)  # refused before any work
        if ray:  # whose workers may stand in another folder
            place = str(Path(config.own_noise).expanduser().resolve())
            config = dataclasses.replace(config, own_noise=place)
    names = distinct_names(bags)
    sources = [
        BagSource(bag.resolve() if ray else bag, config or CutConfig(), name, naming or Naming())
        for bag, name in zip(bags, names, strict=True)
    ]
    editions, noise = editions_of(bags), (config or CutConfig()).own_noise
    notes: dict[str, Any] = {"editions": editions} if editions else {}
    if noise:
        notes["own_noise"] = {"file": Path(noise).name, "sha256": digest_of(noise)}
    return build_from(
        sources, folder, shares=shares, workers=workers, skip_bad=skip_bad, progress=progress,
        notes=notes or None, ray=ray,
    )  # fmt: skip


def editions_of(bags: Sequence[Path]) -> dict[str, dict[str, int]]:
    """Simulated bags by edition and its version; the first version's do not tell theirs."""
    found: dict[str, collections.Counter[str]] = {}
    for session in map(_session, bags):
        if edition := str(session.get("edition") or ""):
            versions = found.setdefault(edition, collections.Counter())
            versions[str(session.get("edition_version", 1))] += 1
    return {edition: dict(sorted(versions.items())) for edition, versions in sorted(found.items())}
