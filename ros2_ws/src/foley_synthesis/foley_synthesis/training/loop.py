"""The loop of trainings by steps: an average of the weights, the best of it on validation, a state to go on from.

A model gives what a step's loss is, how its learning rate goes and what it is chosen by. Everything random in a step is
to be drawn from (seed, step): ended by steps, a resumed run repeats an uninterrupted one.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from foley_synthesis.training import processes
from foley_synthesis.training import state as training_state
from foley_synthesis.training.state import Counters, Interrupted

Model = TypeVar("Model", bound=nn.Module)
Report = Callable[[float, dict[str, float]], None]
"""Share done, and figures: means over the steps since the last validation, and of a validation what it found."""
_CLIP_NORM = 1.0


class Pace(Protocol):
    """What a training's settings say of its loop; it ends after so many steps or minutes, whichever comes first."""

    @property
    def steps(self) -> int | None: ...
    @property
    def minutes(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def ema_decay(self) -> float: ...
    @property
    def save_every_s(self) -> float: ...


@dataclasses.dataclass(frozen=True, eq=False)
class Trainee(Generic[Model]):
    """A model and how it learns."""

    name: str  # of its best loss in the counters
    model: Model
    optimiser: torch.optim.Optimizer
    loss: Callable[[int, float], tuple[Tensor, Mapping[str, float]]]
    """Of a step, given its number and the share of the training that is done: what is to fall, and figures beside."""
    rate: Callable[[int, float], float]
    """Share of the learning rate, given the same."""
    validate: Callable[[Model], float]
    """Of the average of the weights, the lower the better."""
    criterion: str = "validation"  # name of that figure
    validate_every: int | None = None  # steps
    validate_every_s: float = math.inf
    listen: Callable[[Model], Mapping[str, float]] | None = None
    """Further figures at a validation, asked for seldom."""
    listen_every_s: float = math.inf


def train(
    trainee: Trainee[Model],
    pace: Pace,
    *,
    key: str = "",
    folder: Path | None = None,
    resume: bool = False,
    report: Report = lambda done, figures: None,
) -> Counters:
    """Train in place; the average of the weights that is best on validation is left in the model.

    Args:
        key: identifies data and settings of the run in its saved state, which lies in ``folder``.

    Raises:
        Interrupted: on Ctrl-C; the last whole step is kept.
        ValueError: ``resume`` finds the state of another run.
        FloatingPointError: a loss is not finite.
    """
    run = _Run(trainee, pace, key, folder)
    if resume:
        run.go_on()
    try:
        run.to_the_end(report)
    except KeyboardInterrupt as stop:
        run.save()
        raise Interrupted(f"stopped, {run.kept} steps are kept") from stop
    return run.finish()


class _Run(Generic[Model]):
    def __init__(self, trainee: Trainee[Model], pace: Pace, key: str, folder: Path | None) -> None:
        self._trainee, self._pace, self._key, self._folder = trainee, pace, key, folder
        self._ema = copy.deepcopy(trainee.model).requires_grad_(False).eval()
        self._both = nn.ModuleDict({"now": trainee.model, "ema": self._ema})
        self._device = next(trainee.model.parameters()).device
        self._best, self._counters = _copied(self._ema), Counters()
        self._first = processes.rank() == 0  # which validates and saves
        self._whole = True  # the weights are those after a step
        self.kept = 0  # steps of the saved state

    def go_on(self) -> None:
        """With the saved state, if there is one."""
        if self._folder is None:
            return
        loaded = training_state.load_state(self._folder, self._key, self._both, self._trainee.optimiser)
        if loaded is not None:
            self._best, self._counters = loaded
            self.kept = self._counters.step

    def save(self) -> None:
        """The last step, unless one is half done."""
        if self._folder is None or not self._whole:
            return
        if self._first:
            training_state.save_state(
                self._folder, self._key, self._both, self._trainee.optimiser, self._best, self._counters
            )
        self.kept = self._counters.step

    def to_the_end(self, report: Report) -> None:
        counters, trainee = self._counters, self._trainee
        before_s, started = counters.elapsed_s, time.monotonic()
        saved = validated = listened = started
        means = _Means()
        done = self._progress()
        while done < 1.0:
            self._whole = False
            means.add(self._step(done))
            counters.step += 1
            counters.elapsed_s = before_s + time.monotonic() - started
            done = self._progress()
            self._whole = True
            figures, now = means.of(), time.monotonic()
            due = done >= 1.0 or now - validated > trainee.validate_every_s
            if trainee.validate_every is not None:
                due |= counters.step % trainee.validate_every == 0
            if self._first and due:
                figures |= self._validate()
                if trainee.listen and (done >= 1.0 or now - listened > trainee.listen_every_s):
                    figures |= trainee.listen(self._ema)
                    listened = time.monotonic()
                counters.history.append(
                    {"step": float(counters.step), "elapsed_s": counters.elapsed_s, **figures}
                )
                means, validated = _Means(), time.monotonic()
            if self._first:
                report(min(done, 1.0), {"step": counters.step, **figures})
            if done >= 1.0 or now - saved > self._pace.save_every_s:
                self.save()
                saved = time.monotonic()

    def finish(self) -> Counters:
        """With the best weights in the model of every process."""
        if self._first and self._trainee.name not in self._counters.best:
            self._validate()  # gone on with less time than had passed, before anything was validated
        model = self._trainee.model
        model.load_state_dict(self._best)
        processes.from_first(model)
        model.eval()
        return self._counters

    def _progress(self) -> float:
        counters, pace = self._counters, self._pace
        by_steps = counters.step / pace.steps if pace.steps else 0.0
        by_time = counters.elapsed_s / (60.0 * pace.minutes) if counters.step else 0.0  # one step at least
        return processes.agreed(max(by_steps, by_time), self._device)

    def _step(self, done: float) -> dict[str, float]:
        """Its figures."""
        trainee, step = self._trainee, self._counters.step
        trainee.model.train()
        loss, figures = trainee.loss(step, done)
        if not bool(loss.isfinite()):
            raise FloatingPointError(
                f"the loss is {float(loss.detach())} in step {step}; lower the learning rate"
            )
        for group in trainee.optimiser.param_groups:
            group["lr"] = self._pace.learning_rate * trainee.rate(step, done)
        trainee.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trainee.model.parameters(), _CLIP_NORM)
        trainee.optimiser.step()
        # The average starts short, so that the first weights soon count for nothing.
        keep = min(self._pace.ema_decay, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self._ema.parameters()), list(trainee.model.parameters()), 1.0 - keep)
        return {"train": float(loss.detach()), **figures}

    def _validate(self) -> dict[str, float]:
        """Keep the average if it is the best so far. Weights are never chosen by a loss that is not finite."""
        trainee, counters = self._trainee, self._counters
        loss = trainee.validate(self._ema)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss on validation is {loss} after step {counters.step}; lower the learning rate"
            )
        if loss < counters.best.get(trainee.name, math.inf):
            counters.best[trainee.name] = loss
            self._best = _copied(self._ema)
        return {trainee.criterion: loss}


class _Means:
    """Of figures over steps."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, figures: Mapping[str, float]) -> None:
        self._steps += 1
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def of(self) -> dict[str, float]:
        return {name: value / self._steps for name, value in self._sums.items()}


def half_cosine(done: float, last: float = 0.02) -> float:
    """From 1 down to ``last`` as the share ``done`` of a training goes from 0 to 1."""
    return last + (1.0 - last) * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
