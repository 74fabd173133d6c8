"""Hearing Hands (Dou et al. 2025): people touch things in 24 scenes; 8 s of hands, pictures and sound at a time.

A user's copy, unpacked, with `split.json` of the authors' repository in it, or where that has it::

    <scene>/hamer_videos_truncated/<item>.mp4             pictures at 4 Hz, with the sound of the recording
            hamer_hand_keypoints/<recording>_<view>/<item>.npy     [240, 2, 21, 3] at 30 Hz, 0 where a hand is not seen
            mel/<item>.npy, clip_features/<item>.npy ...           features for their model, which are not read
    split.json | split/split.json | ../split/split.json

Items become windows; view 0 gives their pictures, others are further cameras. See published_split.py for the names.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_MICROPHONE
from foley_perception.audio.resample import resampled
from foley_perception.clips import grid
from foley_perception.dataset import schema
from foley_perception.dataset.importing.importer import Importer, ImportOptions
from foley_perception.dataset.importing.published_split import (
    Item,
    find_leaks,
    leak_lines,
    parse_item,
    read_split,
)
from foley_perception.dataset.importing.video_sound import CURE, can_decode, read_video_sound
from foley_perception.dataset.rows import Rows
from foley_perception.dataset.schema import DatasetError, Further, Window, WindowData
from foley_perception.dataset.staging import BuildReport, Cut, Progress, build_from, identity_of
from foley_perception.recording.bag_name import safe_name

_VERSION = 1
_VIDEOS, _HANDS = "hamer_videos_truncated", "hamer_hand_keypoints"
_SPLIT_PLACES = ("split.json", "split/split.json", "../split.json", "../split/split.json")
_MISSING_S = 0.1  # of sound that a window may lack
Groups = dict[tuple[str, str, str], list[Item]]  # by scene, recording, and split where that is theirs


def import_hearing_hands(
    folder: Path, out: Path, options: ImportOptions, progress: Progress | None = None
) -> BuildReport:
    """Write the data set, or complete one that was interrupted.

    Raises:
        DatasetError: nothing to import, or a file that cannot be used.
    """
    items, split_file = find_items(folder)
    leaks = find_leaks(items) if split_file else {}
    if options.their_split and split_file is None:
        raise DatasetError(
            f"{folder}: no split.json is there, or beside it; it is in the authors' repository"
        )
    there, incomplete = _complete(folder, items)
    if not there:
        name, reason = next(iter(incomplete.items()))
        raise DatasetError(
            f"{folder}: of {len(items)} items of {split_file or folder} none is there; {name}: {reason}"
        )
    if not can_decode() and not any(_video(folder, item).with_suffix(".wav").is_file() for item in there):
        raise DatasetError(f"{folder}: nothing here reads the sound of its videos; {CURE}")
    groups: Groups = {}
    for item in there:
        groups.setdefault((item.scene, item.recording, item.split if options.their_split else ""), []).append(
            item
        )
    sources = [RecordingSource(folder, *key, tuple(own)) for key, own in sorted(groups.items())]
    notes: dict[str, Any] = {
        "origin": "Hearing Hands",
        "incomplete": incomplete,
        "unproven": list(HEARING_HANDS.unproven),
        "published_split": {"used": options.their_split, "leaks": leaks, "told": leak_lines(leaks)},
    }
    return build_from(
        sources[: options.limit or None], out, workers=options.workers, skip_bad=options.skip_bad, progress=progress,
        notes=notes, leaks=leak_lines(leaks) if options.their_split else (),
    )  # fmt: skip


def find_items(folder: Path) -> tuple[list[Item], Path | None]:
    """The items of the split, or, without one, of the videos that are there; and the split's file.

    Raises:
        DatasetError: there is neither.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder")
    split = next((path for place in _SPLIT_PLACES if (path := folder / place).is_file()), None)
    if split is not None:
        return read_split(split), split
    named = (
        parse_item(path.parents[1].name, path.stem) for path in sorted(folder.glob(f"*/{_VIDEOS}/*.mp4"))
    )
    items = [item for item in named if item is not None]
    if not items:
        raise DatasetError(
            f"{folder}: holds neither split.json nor <scene>/{_VIDEOS}/<item>.mp4 of Hearing Hands; give the folder of "
            "its scenes"
        )
    return items, None


def _video(folder: Path, item: Item) -> Path:
    return folder / item.scene / _VIDEOS / f"{item.name}.mp4"


def _hands(folder: Path, item: Item) -> Path:
    return folder / item.scene / _HANDS / f"{item.recording}_{item.view}" / f"{item.name}.npy"


def _complete(folder: Path, items: Sequence[Item]) -> tuple[list[Item], dict[str, str]]:
    """Those whose files are there, and what others lack."""
    there: list[Item] = []
    incomplete: dict[str, str] = {}
    absent = collections.Counter(item.scene for item in items if not (folder / item.scene).is_dir())
    incomplete |= {scene: f"is not there, {count} items" for scene, count in absent.items()}
    for item in items:
        if item.scene in absent:
            continue
        lacking = [file for file in (_video(folder, item), _hands(folder, item)) if not file.is_file()]
        if lacking:
            incomplete[f"{item.scene}/{item.name}"] = f"no {lacking[0].relative_to(folder)}"
        elif item.end_s - item.start_s != grid.WINDOW_S:
            incomplete[f"{item.scene}/{item.name}"] = f"is not {grid.WINDOW_S:g} s long"
        else:
            there.append(item)
    return there, incomplete


@dataclasses.dataclass(frozen=True)
class RecordingSource:
    """One recording; where the published split is taken, what of it is in one split."""

    folder: Path
    scene: str
    recording: str
    split: str  # empty: ours
    items: tuple[Item, ...]

    @property
    def path(self) -> Path:
        return self.folder / self.scene / _VIDEOS / self.key()

    def key(self) -> str:
        return safe_name(f"{self.scene}_{self.recording}" + (f"_{self.split}" if self.split else ""))

    def session_id(self) -> str:
        """Of a recording that their split cuts, each part is a session of its own."""
        return self.key()

    def identity(self) -> str:
        files = [file(self.folder, item) for item in self.items for file in (_video, _hands)]
        files += [wav for file in files if (wav := file.with_suffix(".wav")).is_file()]
        return identity_of(files, f"{_VERSION} {schema.SCHEMA_VERSION} {self.split}")

    def cut(self, rows: Rows) -> Cut:
        """Raises DatasetError where a file cannot be used."""
        session = self.session_id()
        rows.claim(session)
        skipped: collections.Counter[str] = collections.Counter()
        silent = 0
        for views in self._windows():
            window = self._window(views)
            if window is None:
                skipped["window: sound is missing"] += 1
                continue
            silent += window.audio is None
            rows.add_window(window)
        told = (
            (f"{silent} videos have no sound track; import once more with all of the release",)
            if silent
            else ()
        )
        return Cut(session, self.scene, self.split, skipped, told)

    def _windows(self) -> list[list[Item]]:
        """The views of each window, the first of which gives sound, hands and the main pictures.

        In their split each view is a window of its own: views of one stretch stand in different splits.
        """
        groups: dict[tuple[int, int], list[Item]] = {}
        for item in sorted(self.items, key=lambda item: (item.start_s, item.view)):
            groups.setdefault((item.start_s, item.view if self.split else 0), []).append(item)
        return list(groups.values())

    def _window(self, views: Sequence[Item]) -> WindowData | None:
        item = views[0]
        audio, gap_s = _sound(_video(self.folder, item))
        if audio is not None and gap_s > _MISSING_S:
            return None
        further = Further(frames={f"view_{v.view}": read_frames(_video(self.folder, v)) for v in views[1:]})
        ending = f"_{item.view}" if self.split else ""
        window = Window(
            window_id=f"{self.session_id()}_{item.start_s:05d}{ending}",
            session_id=self.session_id(),
            scene_id=self.scene,
            split=schema.ASSIGNED[0],  # splits are assigned when all recordings are known
            domain="real",
            start_ns=item.start_s * NS_PER_S,
            audio_gap_s=gap_s if audio is not None else grid.WINDOW_S,
            origin=item.session,
            cameras=further.cameras,
            without=() if audio is not None else (MAIN_MICROPHONE,),
        )
        action = np.full(schema.WINDOW_ARRAYS["action_executed"], np.nan, np.float32)
        hands = read_hands(_hands(self.folder, item))
        return WindowData(window, audio, read_frames(_video(self.folder, item)), action, hands, further)


def _sound(video: Path) -> tuple[NDArray[np.float32] | None, float]:
    """Samples [384000], and how many seconds of them the file does not have; None without a sound track."""
    read = read_video_sound(video)
    if read is None:
        return None, grid.WINDOW_S
    sound = resampled(*read, grid.SAMPLE_RATE)[: grid.WINDOW_SAMPLES]
    lacking = grid.WINDOW_SAMPLES - len(sound)
    return np.pad(sound, (0, lacking)), lacking / grid.SAMPLE_RATE


def read_frames(path: Path) -> NDArray[np.uint8]:
    """Whole frames [32, H, W, 3] RGB: frame i is the newest at (i + 1) / 4 s, as in every window.

    Raises:
        DatasetError: it is no video, or ends early.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        frames: list[NDArray[np.uint8]] = []
        while capture.isOpened() and len(frames) <= 60 * grid.WINDOW_S:
            whole, picture = capture.read()
            if not whole:
                break
            frames.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    least = (grid.WINDOW_S - 2 / grid.WINDOW_FRAME_RATE) * rate
    if not 1.0 <= rate <= 60.0 or len(frames) < least:
        raise DatasetError(
            f"{path}: {len(frames)} frames at {rate:g} Hz can be read, {grid.WINDOW_S:g} s are needed; unpack it again"
        )
    times = (np.arange(grid.WINDOW_FRAMES) + 1) / grid.WINDOW_FRAME_RATE
    numbers = np.minimum(np.floor(times * rate + 1e-6).astype(int), len(frames) - 1)
    return np.stack([np.asarray(frames[number], np.uint8) for number in numbers])


def read_hands(path: Path) -> NDArray[np.float32]:
    """Keypoints [240, 2, 21, 3], NaN where a hand is not seen.

    Raises:
        DatasetError: the file holds something else.
    """
    try:
        hands = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); unpack it again") from error
    shape = schema.WINDOW_ARRAYS["keypoints"]
    size = int(np.prod(shape[1:]))
    if (
        hands.ndim < 2
        or hands.dtype.kind != "f"
        or hands.size != len(hands) * size
        or len(hands) < shape[0] - 8
    ):
        raise DatasetError(
            f"{path}: is {hands.dtype} of shape {hands.shape}, expected [{shape[0]}, 2, 21, 3]; unpack it again"
        )
    points = np.full(shape, np.nan, np.float32)
    known = hands.reshape(len(hands), *shape[1:])[: shape[0]]
    points[: len(known)] = np.where((known == 0).all(axis=(2, 3), keepdims=True), np.nan, known)
    return points


HEARING_HANDS = Importer(
    name="hearing-hands",
    help="Hearing Hands: <scene>/hamer_videos_truncated/*.mp4 and hamer_hand_keypoints, with split.json",
    what="windows",
    takes=("their_split",),
    licence="neither the authors' code nor their data name a licence: ask the authors before any use but research",
    unproven=(
        "that videos have a sound track: their names say so (`with_audio`), the authors' training reads `mel` alone",
        "which of the two hands of hamer_hand_keypoints is the left one; the first is taken for it",
        "in which frame and unit keypoints are: taken as they come, for metres in the world",
        "that frame k of a video is of k / 4 s",
        "3D scenes (splats, camera poses): no public code reads them from the release, so that they are not imported",
    ),
    run=import_hearing_hands,
)
