"""Bags that are to be exported, each an episode: what is asked for, and what every one of them holds.

Before anything is written each bag is looked at once (:func:`survey`): what devices it has, where its frames lie,
what was done in it. All episodes of an export have the same devices (:func:`layout_of`).
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from foley_common.robot_file import Frames
from foley_perception.action.gripper import GripperHand, HandError
from foley_perception.dataset import splits
from foley_perception.dataset.build import bag_files
from foley_perception.dataset.export.frame_grid import Surveyed, survey
from foley_perception.dataset.export.video import encoder
from foley_perception.dataset.schema import SPLITS, DatasetError
from foley_perception.episodes.frames import AS_ROBOT, FrameNames
from foley_perception.episodes.names import Naming
from foley_perception.episodes.outline import Outline
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.recording.bag_name import distinct_names

FPS = 30
Pictures = Literal["video", "images"]
_MARK_BYTES = 1 << 16  # of each end of a file, by which its content is known again
_Kind = TypeVar("_Kind")


@dataclasses.dataclass(frozen=True)
class Demonstrations:
    """Bags, and how they are exported."""

    paths: tuple[Path, ...]
    fps: int = FPS
    pictures: Pictures = "video"
    task: str = ""  # of all episodes; empty: as each bag says
    hand: str = ""  # file of the gripper; empty: that of each robot's file
    naming: Naming = dataclasses.field(default_factory=Naming)
    frames: FrameNames | Frames = AS_ROBOT
    skip_bad: bool = False
    look: Callable[[int, int, str], None] = lambda done, total, name: None  # progress of the survey

    def __post_init__(self) -> None:
        if not self.paths:
            raise DatasetError("no bags were given")
        if not 1 <= self.fps <= 240:
            raise DatasetError(f"--fps is {self.fps}: give 1 to 240 frames per second, as a whole number")
        if self.pictures not in ("video", "images"):
            raise DatasetError(f"--pictures is `{self.pictures}`, known are video, images")

    @property
    def names(self) -> list[str]:
        """Of the bags, as they are told apart."""
        return distinct_names(self.paths)

    def identity(self) -> dict[str, Any]:
        """By which the same bags with the same options are known again."""
        bags = {name: _content(bag) for name, bag in zip(self.names, self.paths, strict=True)}
        options = {
            "fps": self.fps,
            "pictures": self.pictures,
            "task": self.task,
            "hand": _content_of_hand(self.hand) if self.hand else "",
            "encoder": _encoder_name() if self.pictures == "video" else "",
            "topics": self.naming.identity,
            "frames": repr(self.frames),
            "skip_bad": self.skip_bad,
        }
        return {"bags": bags, "options": options}

    def outline(self, path: Path, name: str) -> Outline:
        """What one pass over a bag finds. Raises EpisodeError."""
        outline = Outline(path, name=name, **self.naming.reading)
        if errors := outline.verdict.main_errors():
            raise EpisodeError(f"{path}: {'; '.join(errors)}")
        return outline


@dataclasses.dataclass(frozen=True)
class Layout:
    """What every episode of an export has."""

    fps: int
    microphones: Mapping[str, tuple[int, int]]  # rate, channels
    most_samples: Mapping[str, int]  # in one frame
    cameras: Mapping[str, tuple[int, int]]  # width, height
    arms: tuple[str, ...]
    widths: tuple[str, ...]  # arms whose gripper tells its opening
    wrenches: tuple[str, ...]  # arms with a force
    most_wrenches: int  # in one frame
    most_poses: int
    joints: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Which bags become which episodes, in the order of their numbers."""

    layout: Layout
    episodes: tuple[tuple[Path, str, Surveyed], ...]  # bag, name, what it holds
    splits: Mapping[str, str]  # of sessions
    left_out: Mapping[str, str]  # bags, and why
    dropped: tuple[str, ...]  # devices that only a few bags have

    @property
    def paused_frames(self) -> dict[str, int]:
        """By bag, how many of its frames lie in pauses."""
        return {name: one.paused_frames for _, name, one in self.episodes if one.paused_frames}


def choose(bags: Demonstrations, cache: Path) -> Chosen:
    """Look at all bags, once, and order them by split and time.

    Args:
        cache: a folder in which what was found of each bag is kept.

    Raises:
        DatasetError, EpisodeError: a bag cannot be used, or lacks what the others have (with ``skip_bad``: all).
    """
    found: list[tuple[Path, str, Surveyed]] = []
    left_out: dict[str, str] = {}
    for number, (path, name) in enumerate(zip(bags.paths, bags.names, strict=True)):
        bags.look(number, len(bags.paths), name)
        try:
            one = _surveyed(bags, path, name, cache)
            splits.check_known(one.split, path)
            found.append((path, name, one))
        except (EpisodeError, DatasetError, HandError) as error:
            if not bags.skip_bad:
                raise DatasetError(str(error)) from error
            left_out[name] = str(error)
    bags.look(len(bags.paths), len(bags.paths), "")
    layout, dropped = layout_of([one for _, _, one in found], bags.fps) if found else (None, ())
    kept = []
    for path, name, one in found:
        assert layout is not None
        if lack := _lack(one, layout):
            text = f"{path}: {lack}; leave it out with --skip-bad, or export it by itself"
            if not bags.skip_bad:
                raise DatasetError(text)
            left_out[name] = lack
            continue
        kept.append((path, name, one))
    if not kept or layout is None:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:3])
        raise DatasetError(f"no bag is left to export ({reasons})")
    _check_once(kept)
    groups = [
        splits.SessionGroup(s.session_id, s.scene_id, frozenset(s.objects), s.split, str(path))
        for path, _, s in kept
    ]
    assigned = splits.assign(groups)
    kept.sort(key=lambda e: (SPLITS.index(assigned[e[2].session_id]), e[2].start_ns, e[2].session_id))
    return Chosen(layout, tuple(kept), assigned, left_out, dropped)


def layout_of(found: Sequence[Surveyed], fps: int) -> tuple[Layout, tuple[str, ...]]:
    """The devices of more than half of the bags, as most of these have them; and what is dropped."""
    dropped: list[str] = []

    def most(what: str, given: Sequence[Mapping[str, _Kind]]) -> dict[str, _Kind]:
        counts = collections.Counter(name for one in given for name in one)
        kept = {}
        for name, count in counts.items():
            if 2 * count <= len(found):
                dropped.append(
                    f"{what} `{name}` is in {count} of {len(found)} bags, which is too few: left out"
                )
                continue
            kinds = collections.Counter(json.dumps(one[name]) for one in given if name in one)
            kept[name] = next(
                one[name] for one in given if json.dumps(one.get(name)) == kinds.most_common(1)[0][0]
            )
        return kept

    microphones = most("microphone", [one.microphones for one in found])
    cameras = most("camera", [one.cameras for one in found])
    arms = most("arm", [dict.fromkeys(one.arms, True) for one in found])
    widths = most("gripper width of", [dict.fromkeys(one.widths, True) for one in found])
    wrenches = most("force of", [dict.fromkeys(one.wrenches, True) for one in found])
    joints = most("joint", [dict.fromkeys(one.joints, True) for one in found])
    layout = Layout(
        fps=fps,
        microphones={name: (rate, channels) for name, (rate, channels) in microphones.items()},
        most_samples={
            name: max(one.most_samples.get(name, 0) for one in found if name in one.microphones)
            for name in microphones
        },
        cameras={name: (width, height) for name, (width, height) in cameras.items()},
        arms=tuple(arms),
        widths=tuple(arm for arm in widths if arm in arms),
        wrenches=tuple(wrenches),
        most_wrenches=max((one.most_wrenches for one in found), default=0),
        most_poses=max((one.most_poses for one in found), default=0),
        joints=tuple(joints),
    )
    return layout, tuple(dropped)


# ---- inside --------------------------------------------------------------------------------------------
def _lack(one: Surveyed, layout: Layout) -> str:
    """What a bag does not have, or has otherwise, of what the episodes of an export have; empty where nothing."""
    for name, kind in layout.microphones.items():
        if name not in one.microphones:
            return f"has no sound of `{name}`, which most of the other bags have"
        if tuple(one.microphones[name]) != kind:
            rate, channels = one.microphones[name]
            return (
                f"`{name}` has {rate} Hz and {channels} channels, most of the bags {kind[0]} Hz and {kind[1]}"
            )
    for name, size in layout.cameras.items():
        if name not in one.cameras:
            return f"has no images of `{name}`, which most of the other bags have"
        if tuple(one.cameras[name]) != size:
            return f"images of `{name}` are {tuple(one.cameras[name])}, of most of the bags {size}"
    for what, names, given in (
        ("poses of", layout.arms, one.arms),
        ("force of", layout.wrenches, one.wrenches),
        ("gripper width of", layout.widths, one.widths),
        ("joint", layout.joints, one.joints),
    ):
        for name in names:
            if name not in given:
                return f"has no {what} `{name}`, which most of the other bags have"
    return ""


def _check_once(kept: Sequence[tuple[Path, str, Surveyed]]) -> None:
    first: dict[str, Path] = {}
    for path, _, one in kept:
        if one.session_id in first:
            raise DatasetError(
                f"{path}: session `{one.session_id}` is also in {first[one.session_id]}; they are one recording twice: "
                "leave one out"
            )
        first[one.session_id] = path


def _surveyed(bags: Demonstrations, path: Path, name: str, cache: Path) -> Surveyed:
    file = cache / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Surveyed(**json.loads(file.read_text(encoding="utf-8")))
    found = survey(bags.outline(path, name), bags.fps, bags.frames, bags.hand, bags.task)
    file.write_text(json.dumps(dataclasses.asdict(found)), encoding="utf-8")
    return found


def _encoder_name() -> str:
    """Of what writes videos; empty where nothing can, which is told by the format that would."""
    try:
        return encoder().name
    except DatasetError:
        return ""


def _content_of_hand(hand: str) -> str:
    try:
        return GripperHand.from_yaml(hand).digest
    except HandError as error:
        raise DatasetError(str(error)) from error


def _content(bag: Path) -> str:
    """Of a bag's files: their names and sizes, and the bytes at both of their ends."""
    digest = hashlib.sha256()
    for file in bag_files(bag):
        for content in _ends(file):
            digest.update(content)
    return digest.hexdigest()


def _ends(file: Path) -> Iterator[bytes]:
    try:
        size = file.stat().st_size
        yield f"{file.name} {size}\n".encode()
        with open(file, "rb") as content:
            yield content.read(_MARK_BYTES)
            content.seek(max(size - _MARK_BYTES, 0))
            yield content.read(_MARK_BYTES)
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror})") from error
