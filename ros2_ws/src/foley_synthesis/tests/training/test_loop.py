"""The loop of trainings by steps, with a model of one number."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from foley_synthesis.training.loop import Trainee, half_cosine, train
from foley_synthesis.training.state import Counters, Interrupted, load_state


@dataclasses.dataclass(frozen=True)
class Settings:
    steps: int | None = 8
    minutes: float = 10.0
    learning_rate: float = 0.1
    ema_decay: float = 0.5
    save_every_s: float = 1e-9


class Number(nn.Module):
    """It is to become 3."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1))


class Run:
    """What the loop asked for."""

    def __init__(self, *, stop: int = -1, losses: tuple[float, ...] = (), listening: bool = False) -> None:
        self.model, self.rates = Number(), []
        self._stop, self._losses, self.validated = stop, list(losses), []
        self.trainee = Trainee(
            "number",
            self.model,
            torch.optim.AdamW(self.model.parameters()),
            self._loss,
            self._rate,
            self._validate,
            validate_every=2,
            listen=(lambda ema: {"heard": float(ema.value)}) if listening else None,
        )

    def _loss(self, step: int, done: float) -> tuple[Tensor, dict[str, float]]:
        if step == self._stop:
            raise KeyboardInterrupt
        noise = torch.randn(1, generator=torch.Generator().manual_seed(step))
        return (self.model.value - 3.0 - 0.1 * noise).square().sum(), {"step_twice": 2.0 * step}

    def _rate(self, step: int, done: float) -> float:
        self.rates.append((step, done))
        return half_cosine(done)

    def _validate(self, ema: Number) -> float:
        self.validated.append(float(ema.value))
        return self._losses.pop(0) if self._losses else abs(float(ema.value) - 3.0)


def test_it_counts_tells_and_chooses_the_best_average() -> None:
    run, told = Run(losses=(0.9, 0.2, 0.5, 0.4), listening=True), []
    counters = train(run.trainee, Settings(), report=lambda done, figures: told.append((done, figures)))
    assert (counters.step, counters.best) == (8, {"number": 0.2})
    assert float(run.model.value) == run.validated[1] and not run.model.training
    assert [entry["step"] for entry in counters.history] == [2.0, 4.0, 6.0, 8.0]
    assert [entry["validation"] for entry in counters.history] == [0.9, 0.2, 0.5, 0.4]
    assert [entry["step_twice"] for entry in counters.history] == [
        1.0,
        5.0,
        9.0,
        13.0,
    ]  # means since the last
    assert ["heard" in entry for entry in counters.history] == [False, False, False, True]
    assert run.rates == [(step, step / 8) for step in range(8)]
    assert [done for done, _ in told] == [step / 8 for step in range(1, 9)]
    assert "validation" in told[1][1] and "validation" not in told[2][1]


def test_the_average_begins_short_and_the_rate_is_the_share_asked_for() -> None:
    run = Run()
    train(run.trainee, Settings(steps=1, ema_decay=0.9))
    # Adam's first step is the rate; of the average a tenth is the weight before it.
    assert float(run.model.value) == pytest.approx(0.9 * 0.1, rel=1e-4)


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    whole = Run()
    expected = train(whole.trainee, Settings())
    with pytest.raises(Interrupted, match=f"stopped, {stop} steps are kept"):
        train(Run(stop=stop).trainee, Settings(), folder=tmp_path, key="a")
    other = Run()
    counters = train(other.trainee, Settings(), folder=tmp_path, key="a", resume=True)
    assert torch.equal(other.model.value, whole.model.value)
    assert (counters.step, counters.best) == (expected.step, expected.best)
    assert [step for step, _ in other.rates] == list(range(stop, 8))
    with pytest.raises(ValueError, match="other data or settings"):
        train(Run().trainee, Settings(), folder=tmp_path, key="b", resume=True)


def test_half_a_step_is_not_kept(tmp_path: Path) -> None:
    run = Run()

    def half(step: int, done: float) -> float:
        if step == 3:
            run.model.value.data += 1.0
            raise KeyboardInterrupt
        return 1.0

    trainee = dataclasses.replace(run.trainee, rate=half)
    with pytest.raises(Interrupted, match="stopped, 3 steps are kept"):
        train(trainee, Settings(), folder=tmp_path)
    other = Run()
    networks = nn.ModuleDict({"now": other.model, "ema": Number()})
    loaded = load_state(tmp_path, "", networks, torch.optim.AdamW(other.model.parameters()))
    assert loaded is not None and loaded[1].step == 3
    assert float(other.model.value) == pytest.approx(float(run.model.value) - 1.0)


def test_minutes_that_are_over_end_it_after_a_step_at_least() -> None:
    run = Run()
    counters: Counters = train(run.trainee, Settings(steps=None, minutes=1e-9))
    assert counters.step == 1 and len(run.validated) == 1


def test_it_goes_on_with_no_steps_left(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(Run(stop=1).trainee, Settings(), folder=tmp_path)
    run = Run()
    counters = train(run.trainee, Settings(steps=1), folder=tmp_path, resume=True)
    assert counters.step == 1 and counters.best["number"] == pytest.approx(3.0 - float(run.model.value))


@pytest.mark.parametrize(
    ("losses", "text"),
    [((float("nan"),), "validation is nan after step 2"), ((float("inf"),), "is inf after")],
)
def test_weights_are_not_chosen_by_a_loss_that_is_no_number(losses: tuple[float, ...], text: str) -> None:
    with pytest.raises(FloatingPointError, match=text):
        train(Run(losses=losses).trainee, Settings())


def test_a_loss_that_is_not_finite_ends_it() -> None:
    run = Run()
    trainee = dataclasses.replace(
        run.trainee, loss=lambda step, done: (run.model.value.sum() * float("nan"), {})
    )
    with pytest.raises(FloatingPointError, match="nan in step 0; lower the learning rate"):
        train(trainee, Settings())
