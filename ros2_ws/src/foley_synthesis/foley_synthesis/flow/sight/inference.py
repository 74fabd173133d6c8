"""Sight at work: the posterior of a session's file, and of a motion that is only planned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import SessionData
from foley_perception.gaussians.views.cameras import ViewName
from foley_synthesis.flow.inference.motion import ViewSource
from foley_synthesis.flow.sight import pictures
from foley_synthesis.flow.sight.looks import look_at
from foley_synthesis.flow.sight.model import SightModel
from foley_synthesis.flow.sight.model_file import load_sight, sight_within
from foley_synthesis.flow.sight.moments import Moments, planned_tips, session_moments, view_rows
from foley_synthesis.flow.sight.posterior import WhatPosterior, posterior_of
from foley_synthesis.flow.sight.things import Things
from foley_synthesis.vision.encoders import load_encoder
from foley_synthesis.vision.protocol import VisionEncoder

Array = NDArray[np.float64]

ROWS_PER_FRAME = 4  # of motion at 125 Hz in a latent frame
KEYPOINTS = 21  # of a hand
LOCAL_NAMES: tuple[ViewName, ...] = ("local_left", "local_right")
LocalView = Callable[[Array], pictures.Image | None]
"""What is seen at a place of the tip [3] in the world; None where it cannot be rendered."""


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """What was looked at of a motion over things."""

    inputs: NDArray[np.float32]  # [k, inputs] of views
    thing: NDArray[np.integer]  # [k] which thing each is of
    things: int
    under: NDArray[np.int32]  # [n] which thing lies under the planned tip in each latent frame; -1: the table


@dataclasses.dataclass(frozen=True, eq=False)
class SeenThings:
    """What was looked at of the things around a motion."""

    things: Things
    inputs: NDArray[np.float32]  # [k, inputs] of views
    thing: NDArray[np.int32]  # [k] which thing each is of

    def over(self, tips: Array) -> Seen:
        """With what lies under tips [n, 3] at 125 Hz, in each latent frame."""
        return Seen(self.inputs, self.thing, len(self.things.centres), under_tips(self.things, tips))


@dataclasses.dataclass(frozen=True, eq=False)
class Sight:
    """A model and the encoder it was trained with.

    Raises:
        ValueError: the encoder is another.
    """

    model: SightModel
    encoder: VisionEncoder

    def __post_init__(self) -> None:
        trained = str(self.model.facts["encoder"]["identity"])
        if self.encoder.identity != trained:
            raise ValueError(f"sight was trained with {trained}, not {self.encoder.identity}")

    @property
    def features_id(self) -> str:
        """See `SightModel.features_id`."""
        return self.model.features_id

    def look(self, session: SessionData, eyes: SessionData | None = None) -> Seen:
        """Look at what is touched in a session as planned.

        Args:
            eyes: another session of the same scene, or stills of it, whose views are looked at instead.

        Raises:
            ValueError: there are no local views, or nothing was seen of the surface.
        """
        moments = session_moments(session if eyes is None else eyes)
        seen = look_at(session if eyes is None else eyes, self.encoder, moments)
        things = moments.things
        return SeenThings(things, seen.inputs, seen.thing).over(planned_tips(session))

    def posterior(self, seen: Seen) -> WhatPosterior:
        """What that is, one frame for every four rows of motion."""
        beliefs = self.model.beliefs(seen.inputs, seen.thing, seen.things)
        return posterior_of(seen.under, beliefs, self.model.scaling)

    def features(self, seen: Seen) -> NDArray[np.float32]:
        """What views show of each thing, then NaN for the table, at which nobody looks [things + 1, dims]."""
        known = self.model.features(seen.inputs, seen.thing, seen.things)
        return np.concatenate([known, np.full((1, known.shape[1]), np.nan, np.float32)])

    def around(self, tips: Array, things: Things, view: LocalView) -> SeenThings:
        """Look at the things that a planned motion passes, at the moments at which sessions have views.

        Args:
            tips: [n, 3] where the tip will be, at 125 Hz in the world.
            things: of what was seen of the scene without the hand.
            view: asked for a few places over each thing that the motion passes.
        """
        moments = Moments.of(things, tips[view_rows(len(tips))])
        rows = moments.chosen(np.asarray(np.isfinite(moments.tip).all(axis=1)))
        images = [view(moments.tip[row]) for row in rows]
        kept = [k for k, image in enumerate(images) if image is not None]
        rows = rows[kept]
        found = pictures.vectors([image for image in images if image is not None], self.encoder)
        inputs = np.concatenate([found, moments.forms(rows)], axis=1)
        return SeenThings(things, inputs, moments.thing[rows])


def under_tips(things: Things, tips: Array) -> NDArray[np.int32]:
    """Which thing lies under tips [n, 3] at 125 Hz in each latent frame [n / 4]; -1: the table."""
    return things.under(tips[ROWS_PER_FRAME // 2 :: ROWS_PER_FRAME, :2][: len(tips) // ROWS_PER_FRAME])


def open_sight(folder: Path, *, threads: int = 1) -> Sight:
    """A trained sight with the encoder that it names.

    Args:
        folder: of sight, or of a flow that holds its sight.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no sight.
        ValueError: the encoder is not known, has no weights here, or others than sight was trained with.
    """
    model = load_sight(sight_within(folder) or folder)
    return Sight(model, load_encoder(str(model.facts["encoder"]["name"]), threads=threads))


def local_views(
    source: ViewSource, name: ViewName = "local_right", *, least_covered: float = 0.0
) -> LocalView:
    """Local views of whatever renders views of a scene, such as `ViewRenderer` of its Gaussians.

    Args:
        name: of the local view; the hand itself is not drawn in it, so that its place alone matters.
        least_covered: share of a view that the source must know something of.
    """
    hand = LOCAL_NAMES.index(name)

    def view(tip: Array) -> pictures.Image | None:
        hands, ends = np.full((2, KEYPOINTS, 3), np.nan), np.full((2, 3), np.nan)
        hands[hand], ends[hand] = tip, tip
        made = source.views(hands, (name,), ends)
        covered = made.coverage.get(name, 1.0) >= least_covered
        return made.images.get(name) if covered else None

    return view
