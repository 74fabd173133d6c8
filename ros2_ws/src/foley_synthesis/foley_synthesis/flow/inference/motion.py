"""From a hand's motion over 8 s to what a flow is conditioned on: the one computation for playing and for live use."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from foley_perception.action.gripper import SIDES, GripperHand
from foley_perception.clips.grid import FRAME_RATE, WINDOW_FRAME_RATE, WINDOW_FRAMES, WINDOW_KEYPOINTS
from foley_perception.gaussians.views.cameras import Image, ViewName, Views
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.inference.model import FlowModel
from foley_synthesis.flow.networks.vector_field import ACTION_DIMS, latent_index
from foley_synthesis.flow.windows import LATENT_FRAMES, Batch
from foley_synthesis.vision.protocol import VisionEncoder

Array = NDArray[np.float64]


class MotionError(ValueError):
    """A motion that cannot be made; the message says why."""


class ViewSource(Protocol):
    """A `ViewRenderer`, or whatever makes the same views."""

    def views(self, keypoints: Array, names: tuple[ViewName, ...], tips: Array | None) -> Views: ...


@dataclasses.dataclass(frozen=True, eq=False)
class HandMotion:
    """A tool in a hand over 8 s, at the moments of a window's keypoints: 30 a second."""

    poses: SE3  # [240] tx_world_tool
    width: ArrayLike  # of the gripper [m], one for all or [240]; NaN where not known
    tx_tool_tip: SE3

    @property
    def tips(self) -> Array:
        """The end of the tool [240, 3]."""
        return (self.poses @ self.tx_tool_tip).translation


class MotionCondition:
    """Views of a motion through the encoder, and the hand's keypoints, exactly as in training.

    Args:
        encoder: of the views; None for a flow that was trained without vision.
        hand: the gripper as a hand, the one that the flow was trained with.

    Raises:
        ValueError: the encoder is not the one that the flow was trained with, or there is none.
    """

    def __init__(self, model: FlowModel, encoder: VisionEncoder | None, hand: GripperHand) -> None:
        trained = str(model.facts["encoder"]["identity"])
        if encoder is None and model.looks:
            raise ValueError(f"the flow saw its views through {trained}, it needs an encoder")
        if encoder is not None and encoder.identity != trained:
            raise ValueError(f"the flow saw its views through {trained}, not {encoder.identity}")
        self._model, self._encoder, self._hand = model, encoder, hand
        self._names = tuple(model.facts["views"])

    def __call__(self, motion: HandMotion, source: ViewSource | None) -> tuple[Batch, dict[str, list[Image]]]:
        """A batch of one without sound, and the views behind it: 32 moments, none of views that were never rendered.

        Args:
            source: of the views; None: none are rendered, for a flow that was trained without vision.

        Raises:
            MotionError: poses are missing or not known.
        """
        if motion.poses.batch != (WINDOW_KEYPOINTS,) or not bool(motion.poses.finite.all()):
            raise MotionError(f"a motion has {WINDOW_KEYPOINTS} known poses, this one {motion.poses.batch}")
        keypoints = self._hand.keypoints(motion.poses, motion.width)
        latent = self._model.field.config.latent
        silence = torch.zeros(1, latent, LATENT_FRAMES)
        if source is None or self._encoder is None:
            blind = torch.zeros(1, LATENT_FRAMES, self._model.field.config.vision_dims)
            return Batch(silence, blind, _action(keypoints)), {}
        pictures, rendered = self._render(motion, keypoints, source)
        return Batch(silence, self._encode(pictures, rendered), _action(keypoints)), pictures

    def _render(
        self, motion: HandMotion, keypoints: Array, source: ViewSource
    ) -> tuple[dict[str, list[Image]], NDArray[np.bool_]]:
        """Views of every quarter of a second's beginning, as datasets have them, and which there are [32, views].

        While the hand rests its views are the same pictures: they are rendered, and encoded, once.
        """
        begins = np.arange(WINDOW_FRAMES) / WINDOW_FRAME_RATE
        pictures: dict[str, list[Image]] = {name: [] for name in self._names}
        rendered = np.zeros((WINDOW_FRAMES, len(self._names)), dtype=bool)
        ends = np.full((WINDOW_KEYPOINTS, 2, 3), np.nan)
        ends[:, SIDES.index(self._hand.main_side)] = motion.tips
        views, shown = None, -1
        for k, moment in enumerate(np.round(begins * FRAME_RATE).astype(int)):
            rests = shown >= 0 and all(
                np.array_equal(of[moment], of[shown], equal_nan=True) for of in (keypoints, ends)
            )
            if views is None or not rests:
                views, shown = source.views(keypoints[moment], self._names, ends[moment]), int(moment)
            for view, name in enumerate(self._names):
                if name in views.images:
                    pictures[name].append(views.images[name])
                    rendered[k, view] = True
        return pictures, rendered

    def _encode(self, pictures: dict[str, list[Image]], rendered: NDArray[np.bool_]) -> Tensor:
        """[1, 250, views * dims], each view of unit length; 0 where it was not rendered."""
        assert self._encoder is not None
        features = torch.zeros(*rendered.shape, self._encoder.dims)
        for view, name in enumerate(self._names):
            if pictures[name]:
                distinct = {id(picture): picture for picture in pictures[name]}
                seen = torch.from_numpy(self._encoder.encode(np.stack(list(distinct.values()))))
                row = {key: row for row, key in enumerate(distinct)}
                rows = [row[id(picture)] for picture in pictures[name]]
                features[torch.from_numpy(rendered[:, view]), view] = torch.nn.functional.normalize(
                    seen, dim=-1
                )[rows]
        return features.flatten(1)[latent_index(LATENT_FRAMES, WINDOW_FRAMES)][None]


def _action(keypoints: Array) -> Tensor:
    """[1, 250, 126]; 0 where a hand is absent."""
    flat = torch.from_numpy(np.nan_to_num(keypoints).reshape(len(keypoints), ACTION_DIMS).astype(np.float32))
    return flat[latent_index(LATENT_FRAMES, len(flat))][None]
