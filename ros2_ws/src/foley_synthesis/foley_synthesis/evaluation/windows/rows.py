"""What anybody could have produced of a window, and what the true sound comes to on its way through a vocoder."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import VIEW_RATE, SessionData
from foley_perception.action.contact_motion import NAMES, contact_motion
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3
from foley_synthesis.evaluation.measure import Given, Item, Method
from foley_synthesis.evaluation.sound_metrics import REAL, Sound
from foley_synthesis.evaluation.windows.sounds import WindowOutput
from foley_synthesis.flow.networks.mel import FINE, RATE, GriffinLim, LogMel
from foley_synthesis.flow.window_model import EVALUATION_S, EvaluationWindow, WindowModel
from foley_synthesis.vis.synthesis.exemplar import shifted

Step = Callable[[], None]


class SoundCodec(Protocol):
    """Sounds [b, n] at 16 kHz to a code and back."""

    def encode(self, sound: torch.Tensor) -> Any: ...

    def decode(self, coded: Any) -> torch.Tensor: ...


SILENCE, MEAN, RANDOM, NEAREST_MOTION, NEAREST_VIEWS = (
    "silence", "mean", "random", "nearest motion", "nearest views"
)  # fmt: skip
LATE, VOCODER = "real sound, 50 ms late", "real sound, Griffin-Lim 512/128"
_LATE_S = 0.05
_EVERY = 4  # rows of motion from one that is compared to the next: 31 Hz
_COMPARED = ("height", "within_8mm", "velocity_normal", "speed_tangential")


def each_window(key: str, given: Given, make: Callable[[Item], NDArray[np.float32]]) -> Method:
    """A method of the sounds [m, samples] of one window after the other."""

    def predict(items: Sequence[Item], step: Step) -> list[WindowOutput]:
        made = []
        for item in items:
            made.append(make(item))
            step()
        return [WindowOutput(np.stack(made))]

    return Method(key, predict, given)


def played(key: str, given: Given, windows: Sequence[EvaluationWindow], chosen: NDArray[np.int64]) -> Method:
    """A method that plays windows: for each item those of a row of ``chosen`` [n, m]."""

    def predict(items: Sequence[Item], step: Step) -> list[WindowOutput]:
        made = []
        for item in items:
            made.append(np.stack([windows[k].sound() for k in chosen[item.row]]))
            step()
        scenes = [[windows[k].scene_id for k in chosen[item.row]] for item in items]
        return [WindowOutput(np.stack(made), scenes=scenes)]

    return Method(key, predict, given)


def true_rows(through: dict[str, Callable[[Sound], Sound]] | None = None) -> list[Method]:
    """The true sound, late, through Griffin and Lim's method, and through whatever else is named."""
    transform, vocoder = LogMel(**FINE), GriffinLim(**FINE)

    def late(sound: Sound) -> Sound:
        return shifted(sound, round(_LATE_S * RATE), RATE // 10)

    def resounded(sound: Sound) -> Sound:
        return vocoder.waveform(transform(torch.from_numpy(sound)).numpy())

    ways: dict[str, Callable[[Sound], Sound]] = {
        REAL: lambda sound: sound,
        LATE: late,
        VOCODER: resounded,
        **{f"real sound, {name}": way for name, way in (through or {}).items()},
    }
    return [
        each_window(key, "truth", lambda item, way=way: way(item.truth.waveform)[None])  # type: ignore[misc]
        for key, way in ways.items()
    ]


def codec_of(folder: Path) -> SoundCodec:
    """That of a folder.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no codec.
        ValueError: it is of another rate than windows are.
    """
    from foley_synthesis.flow.codec.model_file import load_codec

    codec = load_codec(folder)[0].eval()
    if codec.config.rate != RATE:
        raise ValueError(f"{folder} is a codec of {codec.config.rate} Hz, windows have {RATE}")
    return codec


def through(codec: SoundCodec) -> Callable[[Sound], Sound]:
    """There and back."""

    @torch.no_grad()
    def way(sound: Sound) -> Sound:
        return np.asarray(codec.decode(codec.encode(torch.from_numpy(sound)[None]))[0].numpy(), np.float32)

    return way


def simple_rows(
    train: Sequence[EvaluationWindow],
    mean_above: NDArray[np.float32],
    test: Sequence[EvaluationWindow],
    draws: int,
    seed: int,
) -> list[Method]:
    """Silence, the mean of training, and training sounds: random ones, and those of the nearest motions and views.

    The mean is one of mel levels over the floor, and no sound: it has no figure where one is needed.

    Args:
        mean_above: mean over training windows and frames of mel levels over the floor [80].
        draws: sounds of each window: as many random ones, or nearest ones.
    """

    def mean(items: Sequence[Item], step: Step) -> list[WindowOutput]:
        for _ in items:
            step()
        shape = (len(items), 1, *items[0].truth.above.shape)
        return [WindowOutput(mel_above=np.broadcast_to(mean_above[:, None], shape))]

    few = min(draws, len(train))
    rows = [
        each_window(SILENCE, "nothing", lambda item: np.zeros((1, len(item.truth.waveform)), np.float32)),
        Method(MEAN, mean, "nothing"),
        random_row(train, len(test), draws, seed),
        played(NEAREST_MOTION, "plan", train, nearest(motion_of(test), motion_of(train), few)),
    ]
    if all(window.session.views for window in (*train, *test)):
        rows.append(played(NEAREST_VIEWS, "nothing", train, nearest(views_of(test), views_of(train), few)))
    return rows


def random_row(train: Sequence[EvaluationWindow], items: int, draws: int, seed: int) -> Method:
    """So many random training sounds, each a real one, for each of some items."""
    rng = np.random.default_rng(seed)
    chosen = np.stack([rng.permutation(len(train))[: min(draws, len(train))] for _ in range(items)])
    return played(RANDOM, "nothing", train, chosen)


def nearest(of: NDArray[np.floating], among: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Rows [n, count] of the nearest of vectors [k, d] to each of vectors [n, d], nearest first."""
    a, b = np.asarray(of, np.float64), np.asarray(among, np.float64)
    apart = np.square(a).sum(axis=1)[:, None] - 2.0 * a @ b.T + np.square(b).sum(axis=1)
    return np.asarray(np.argsort(apart, axis=1, kind="stable")[:, :count], np.int64)


def motion_of(windows: Sequence[EvaluationWindow]) -> NDArray[np.float32]:
    """How near the plan brings the tip to the surface, and how fast, [n, 1000] at 31 Hz."""
    columns = [NAMES.index(name) for name in _COMPARED]
    found, session, channels = [], None, np.zeros((0, 0), np.float32)
    for window in windows:
        if window.session is not session:
            session = window.session
            channels = _planned_channels(session)[:, columns]
        found.append(channels[window.rows][::_EVERY].ravel())
    return np.asarray(found, np.float32)


def _planned_channels(session: SessionData) -> NDArray[np.float32]:
    pose, tip = np.asarray(session.planned_pose, float), np.asarray(session.tool_tip, float)
    surface = HeightMap.from_points(session.points()) if len(session.surface_points) else None
    poses, tx_tool_tip = SE3(pose[:, 3:], pose[:, :3]), SE3(tip[3:], tip[:3])
    return contact_motion(poses, session.planned_width, tx_tool_tip, surface).motion


def views_of(windows: Sequence[EvaluationWindow]) -> NDArray[np.float32]:
    """Mean and spread of colour on a coarse grid over each view, mean over the window, [n, views * 96].

    Pictures of every second; a view that could not be rendered is grey.
    """
    from foley_perception.images.compressed import compressed_rgb
    from foley_synthesis.vision.coarse_colour import ColourEncoder

    encoder = ColourEncoder()
    found = []
    for window in windows:
        session = window.session
        moments = np.arange(
            round(window.start_s * VIEW_RATE), round((window.start_s + EVALUATION_S) * VIEW_RATE)
        )
        features = []
        for name in session.facts["view_names"]:
            files = [session.view(min(int(m), session.views - 1), name) for m in moments[::VIEW_RATE]]
            pictures = [compressed_rgb("jpeg", file) for file in files if file]
            known = encoder.encode(np.stack(pictures)) if pictures else np.zeros((1, encoder.dims))
            features.append(known.mean(axis=0))
        found.append(np.concatenate(features))
    return np.asarray(found, np.float32)


def model_row(name: str, models: Sequence[WindowModel], draws: int, seed: int) -> Method:
    """Several draws of each window, and how likely the model finds its candidates; one output for each training seed.

    Raises:
        ValueError: models of one name are told different things.
    """
    given = {model.given for model in models}
    if len(given) != 1:
        raise ValueError(f"models called `{name}` are given {' and '.join(sorted(given))}: name them apart")

    def predict(items: Sequence[Item], step: Step) -> list[WindowOutput]:
        windows = [item.truth.window for item in items]
        found = []
        for number, model in enumerate(models):
            sounds = model.draw(windows, draws, seed + number, step if number == 0 else lambda: None)
            found.append(WindowOutput(sounds, scores=_scores(model, items)))
        return found

    return Method(name, predict, given.pop())


def _scores(model: WindowModel, items: Sequence[Item]) -> NDArray[np.float64] | None:
    """[n, 8]; None where the model cannot say."""
    rows = []
    for item in items:
        sounds = np.stack([window.sound() for window in item.truth.candidates])
        scores = model.score(item.truth.window, sounds)
        if scores is None:
            return None
        rows.append(np.asarray(scores, np.float64))
    return np.stack(rows)


def redrawn_row(kind: str, folder: Path, test: Sequence[EvaluationWindow], draws: int) -> Method:
    """True contacts rendered anew by `foley sim redraw`, so many draws of each session at most.

    Raises:
        OSError: a file cannot be read.
        ValueError: a session of the test has no draws, or other lengths.
    """
    files = {w.session_id: sorted(folder.glob(f"{w.session_id}-draw*.npy"))[:draws] for w in test}
    few = min(len(found) for found in files.values())
    if not few:
        missing = next(name for name, found in files.items() if not found)
        raise ValueError(f"{folder} has no draws of session {missing}; redraw the whole test set into it")

    @functools.lru_cache(maxsize=1)  # windows of a session come one after the other
    def drawn(session_id: str) -> list[NDArray[np.int16]]:
        return [np.load(path, allow_pickle=False) for path in files[session_id][:few]]

    def make(item: Item) -> NDArray[np.float32]:
        window = item.truth.window
        sounds = drawn(window.session_id)
        if any(one.shape != window.session.sound.shape for one in sounds):
            raise ValueError(
                f"{folder}: draws of {window.session_id} are not as long as the session; redraw them"
            )
        return np.stack(
            [
                EvaluationWindow(dataclasses.replace(window.session, sound=one), window.start_s).sound()
                for one in sounds
            ]
        )

    return each_window(f"redrawn, {kind}", "truth", make)
