"""What trains ablations: flows of contacts and regressions, of sets of sessions that are read once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_synthesis.evaluation.windows.ablations import Training
from foley_synthesis.evaluation.windows.curve import Learner, Point
from foley_synthesis.evaluation.windows.curve_learners import WIDTHS, FlowLearner, RegressionLearner
from foley_synthesis.flow.contact.build import FlowData
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.model import load_model
from foley_synthesis.flow.contact.ways import Way
from foley_synthesis.flow.regression import model as regression_model
from foley_synthesis.flow.regression.config import RegressionTrainConfig
from foley_synthesis.flow.regression.window_model import RegressionWindows
from foley_synthesis.flow.sessions import SessionSet
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.window_model import WindowModel

Report = Callable[[float, dict[str, float]], None]


@dataclasses.dataclass(frozen=True, eq=False)
class SetsTrainer:
    """See `ablate.Trainer`: all have equal steps and the data of the sets.

    Args:
        data: None: nothing but regressions is trained.
        sessions: None: nothing but flows is.
        sight: tells what is touched, to models that are asked so.
        start: a flow that all flows go on from, without what they leave out.
    """

    data: FlowData | None
    sessions: SessionSet | None
    flow: ContactTrainConfig  # but size, steps, seed, and what is left out
    regression: RegressionTrainConfig  # but steps and seed
    size: str
    steps: int
    sight: SeenWindows | None = None
    start: Path | None = None

    def mark(self, training: Training) -> str:
        """See `ablate.Trainer`."""
        learner, point = self._learner(training)
        return learner.mark(point)

    def train(self, training: Training, out: Path, resume: bool, report: Report) -> dict[str, Any]:
        """See `ablate.Trainer`."""
        learner, point = self._learner(training)
        return learner.learn(point, out, resume, report)

    def asked(self, training: Training, folder: Path, way: Way) -> WindowModel:
        """See `ablate.Trainer`."""
        if not training.variant.regression:
            return way.given_to(load_model(folder), self.sight)
        model = regression_model.load_model(folder)
        facts = {
            **model.facts,
            "what": way.told or way.seen,
            "given": "motion and force" if way.executed else "plan",
        }
        seen = self.sight.expected if way.seen and self.sight is not None else None
        return RegressionWindows(dataclasses.replace(model, facts=facts), seen=seen)

    def _learner(self, training: Training) -> tuple[Learner, Point]:
        """With all of its data."""
        variant = training.variant
        learner: Learner
        if variant.regression:
            assert self.sessions is not None
            config = dataclasses.replace(self.regression, seed=training.seed)
            if variant.groups == ("what",):
                config = dataclasses.replace(config, what=1.0)  # it has nothing else
            learner = RegressionLearner(self.sessions, "mean", config, groups=variant.groups)
            size = self.size if self.size in WIDTHS else "small"
        else:
            assert self.data is not None
            # Of views that nobody looks at none are left out.
            without = tuple(name for name in variant.without if name != "views" or self.data.train.seen)
            flow = dataclasses.replace(self.flow, seed=training.seed, without=without)
            if variant.motion_rate_hz is not None:
                flow = dataclasses.replace(flow, motion_rate_hz=variant.motion_rate_hz)
            learner, size = FlowLearner(self.data, flow, start=self.start), self.size
        return learner, Point(learner.hours(), size, steps=self.steps)
