"""What learning curves are drawn of: the flow of contacts, and the regression that it is to beat."""

from __future__ import annotations

import collections
import dataclasses
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_common.session_file import MOTION_RATE
from foley_synthesis.evaluation.windows.curve import Point, nested
from foley_synthesis.flow.contact.build import FlowData, build_flow
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import LATENT_RATE, ContactItems
from foley_synthesis.flow.contact.model import load_model
from foley_synthesis.flow.regression.build import Asked, build_regression, network_of
from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.model import Variant
from foley_synthesis.flow.sessions import SessionSet

Report = Callable[[float, dict[str, float]], None]
WIDTHS = {"tiny": (16, 24), "small": (64, 96), "large": (128, 192)}
"""Of the regression: at 125 Hz, and at the levels below it."""
_TOLD = ("parameters", "steps", "seconds")


@dataclasses.dataclass(frozen=True, eq=False)
class FlowLearner:
    """The flow of contacts on shares of its data."""

    data: FlowData
    config: ContactTrainConfig  # but size, steps and minutes, which points have
    seed: int = 0  # of which scenes come first
    start: Path | None = None  # a flow that all go on from

    def hours(self) -> float:
        """Of training data."""
        return self.data.train.hours

    def mark(self, point: Point) -> str:
        """Of the share's data and all settings."""
        began = [] if self.start is None else [load_model(self.start).model_id]
        return json.dumps([self._share(point).fingerprint(), dataclasses.asdict(self._config(point)), *began])

    def learn(self, point: Point, out: Path, resume: bool, report: Report) -> dict[str, Any]:
        """See `Learner`."""
        share = self._share(point)
        _, metrics = build_flow(
            share,
            out,
            self._config(point),
            start=self.start,
            resume=resume,
            report=lambda stage, done, figures: report(done, figures),
        )
        return {"hours": share.train.hours, **{name: metrics[name] for name in _TOLD}}

    def _config(self, point: Point) -> ContactTrainConfig:
        return dataclasses.replace(self.config, size=point.size, **point.pace)

    def _share(self, point: Point) -> FlowData:
        lasting: collections.Counter[str] = collections.Counter()
        for item in self.data.train.sessions:
            lasting[item.scene_id] += item.frames
        scenes = nested({s: n / LATENT_RATE / 3600.0 for s, n in lasting.items()}, point.hours, self.seed)
        some = tuple(item for item in self.data.train.sessions if item.scene_id in scenes)
        return dataclasses.replace(self.data, train=ContactItems(some))


@dataclasses.dataclass(frozen=True, eq=False)
class RegressionLearner:
    """The regression on shares of its sessions, given the plan."""

    sessions: SessionSet
    variant: Variant
    config: RegressionTrainConfig  # but steps and minutes
    hand: str = "parallel_gripper"
    seed: int = 0
    groups: tuple[str, ...] = ()  # of channels that it looks at; none named: at all

    def hours(self) -> float:
        """Of training data."""
        return self.sessions.hours("train")

    def mark(self, point: Point) -> str:
        """Of the share's data and all settings."""
        known = [(item.path.stem, zlib.crc32(item.sound.tobytes())) for item in self._share(point).items]
        settings = [dataclasses.asdict(one) for one in (self._network(point), self._config(point))]
        return json.dumps([known, settings, self.hand])

    def learn(self, point: Point, out: Path, resume: bool, report: Report) -> dict[str, Any]:
        """See `Learner`."""
        share = self._share(point)
        _, metrics = build_regression(
            share, out, self._network(point), self._config(point), Asked(),
            hand=self.hand, resume=resume, report=report,
        )  # fmt: skip
        return {"hours": share.hours("train"), **{name: metrics[name] for name in _TOLD}}

    def _config(self, point: Point) -> RegressionTrainConfig:
        return dataclasses.replace(self.config, **point.pace)

    def _network(self, point: Point) -> RegressionConfig:
        if point.size not in WIDTHS:
            raise ValueError(f"size is `{point.size}`, a regression has {', '.join(WIDTHS)}")
        width, deep_width = WIDTHS[point.size]
        return dataclasses.replace(network_of(self.variant, self.groups), width=width, deep_width=deep_width)

    def _share(self, point: Point) -> SessionSet:
        lasting: collections.Counter[str] = collections.Counter()
        for i in self.sessions.of("train"):
            lasting[str(self.sessions.items[i].facts["scene_id"])] += self.sessions.items[i].rows
        scenes = nested({s: n / MOTION_RATE / 3600.0 for s, n in lasting.items()}, point.hours, self.seed)
        return SessionSet(
            tuple(
                item
                for item in self.sessions.items
                if item.split != "train" or str(item.facts["scene_id"]) in scenes
            )
        )
