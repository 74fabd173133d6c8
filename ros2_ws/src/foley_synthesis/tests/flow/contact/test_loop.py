"""The training of the flow: it learns, it goes on where it stopped, and two processes take the step of one."""

from __future__ import annotations

import dataclasses
import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from foley_synthesis.flow.contact.batches import ContactBatch
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.loop import crops_of, train
from foley_synthesis.flow.contact.loss import FlowDraw
from foley_synthesis.flow.contact.synthetic import synthetic_field, synthetic_items
from foley_synthesis.flow.contact.validation import validation_loss
from foley_synthesis.flow.networks.contact_field import ContactField
from foley_synthesis.training import processes
from foley_synthesis.training.state import Counters, Interrupted

CPU = torch.device("cpu")
SHORT = ContactTrainConfig(
    size="tiny", steps=4, batch=4, frames=40, threads=1, precision="fp32", listen_every_s=0, save_every_s=1e-9
)


def run(
    config: ContactTrainConfig, folder: Path | None = None, resume: bool = False, stop: int = -1
) -> ContactField:
    """Trained; Ctrl-C in the middle of step ``stop``."""
    field = synthetic_field(views=3)
    crops, taken = crops_of(synthetic_items(views=3), config), itertools.count()

    def source(field: ContactField, generator: torch.Generator) -> tuple[ContactBatch, FlowDraw]:
        if next(taken) == stop:
            raise KeyboardInterrupt
        return crops(field, generator)

    train(field, source, config, CPU, validate=lambda ema: 0.0, folder=folder, resume=resume, key="a")
    return field


@pytest.fixture(scope="module")
def alone() -> ContactField:
    """What four steps without a break make."""
    return run(SHORT)


def test_the_field_learns_when_it_sounds_and_what() -> None:
    config = dataclasses.replace(SHORT, steps=40, batch=12, learning_rate=5e-3, ema_decay=0.9)
    field = synthetic_field()
    validate = validation_loss(synthetic_items(4, first=100), config, windows=8, draws=4)
    before = validate(field.eval())
    counters = train(field, crops_of(synthetic_items(12), config), config, CPU, validate=validate)
    assert counters.step == 40
    assert counters.best["flow"] == pytest.approx(validate(field), rel=1e-4)
    # The untrained field says 0. No field does better than its condition lets it: that the tip comes down matters.
    without = dataclasses.replace(config, without=("motion", "what", "hits"))
    blind = validation_loss(synthetic_items(4, first=100), without, windows=8, draws=4)
    assert validate(field) < 0.75 * before
    assert validate(field) < 0.85 * blind(field)


def test_a_resumed_run_repeats_an_uninterrupted_one(alone: ContactField, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="2 steps"):
        run(SHORT, tmp_path, stop=2)
    resumed = run(SHORT, tmp_path, resume=True)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(
            resumed.state_dict()[name], value, rtol=0, atol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_a_run_that_goes_on_with_no_time_left_keeps_what_it_learned(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="2 steps"):
        run(SHORT, tmp_path, stop=2)
    resumed = run(dataclasses.replace(SHORT, steps=1), tmp_path, resume=True).state_dict()
    kept = load_file(tmp_path / "state.safetensors")
    assert any(not torch.equal(kept[f"net.ema.{n}"], kept[f"best.{n}"]) for n in resumed)
    for name, value in resumed.items():
        torch.testing.assert_close(value, kept[f"net.ema.{name}"], rtol=0, atol=0)


def test_weights_are_not_chosen_by_a_loss_that_is_no_number() -> None:
    config = dataclasses.replace(SHORT, steps=1)
    field = synthetic_field()
    with pytest.raises(FloatingPointError, match="on validation is nan after step 1"):
        train(field, crops_of(synthetic_items(1), config), config, CPU, validate=lambda ema: float("nan"))


def test_the_state_of_another_run_is_refused(tmp_path: Path) -> None:
    run(dataclasses.replace(SHORT, steps=1), tmp_path)
    field = synthetic_field()
    source = crops_of(synthetic_items(), SHORT)
    with pytest.raises(ValueError, match="other data"):
        train(field, source, SHORT, CPU, validate=lambda ema: 0.0, folder=tmp_path, resume=True, key="b")


def test_minutes_that_are_over_end_it() -> None:
    config = dataclasses.replace(SHORT, steps=None, minutes=1e-6)
    field = synthetic_field()
    counters: Counters = train(
        field, crops_of(synthetic_items(), config), config, CPU, validate=lambda ema: 0.5
    )
    assert counters.step == 1
    assert counters.history[-1]["validation"] == 0.5


def test_bf16_takes_nearly_the_same_step() -> None:
    one = run(dataclasses.replace(SHORT, steps=1)).state_dict()
    other = run(dataclasses.replace(SHORT, steps=1, precision="bf16")).state_dict()
    started = synthetic_field(views=3).state_dict()
    moved = [(one[n] - started[n]).flatten() for n in one if one[n].is_floating_point()]
    also = [(other[n] - started[n]).flatten() for n in one if one[n].is_floating_point()]
    agreement = torch.nn.functional.cosine_similarity(torch.cat(moved), torch.cat(also), dim=0)
    assert float(agreement) > 0.8
    assert not torch.equal(
        torch.cat(moved), torch.cat(also)
    )  # the first step of Adam differs in its last digits


OTHER = """
import sys, torch
sys.path.insert(0, sys.argv[2])
from test_loop import SHORT, run
from foley_synthesis.training import processes
torch.set_num_threads(1)
with processes.joined("cpu"):
    field = run(SHORT)
    from safetensors.torch import save_file
    save_file(field.state_dict(), sys.argv[1])
"""


@pytest.mark.long
def test_two_processes_take_the_steps_of_one_with_the_whole_batch(
    alone: ContactField, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    for name, value in {**group, "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    saved = tmp_path / "other.safetensors"
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(saved), str(Path(__file__).parent)],
        env={**os.environ, "RANK": "1", "LOCAL_RANK": "1"},
    )
    with processes.joined("cpu"):
        together = run(SHORT).state_dict()
    assert other.wait(timeout=300) == 0
    start = synthetic_field(views=3).state_dict()
    for found in (together, load_file(saved)):
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=name)
    moved = max(float((value - start[name]).abs().max()) for name, value in alone.state_dict().items())
    assert moved > 1e-4  # it did take steps


def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foley_synthesis.training.processes.count", lambda: 3)
    with pytest.raises(ValueError, match="batch is 4, must be a multiple"):
        run(SHORT)
