"""Training that was interrupted can go on: weights, optimiser and counters, written atomically."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Interrupted(KeyboardInterrupt):
    """The user stopped the training; its state is saved."""


@dataclasses.dataclass
class Counters:
    """Where the training is, and the best that validation has seen of each part."""

    epoch: int = 0
    step: int = 0  # of a training that counts steps in place of epochs
    elapsed_s: float = 0.0
    best: dict[str, float] = dataclasses.field(default_factory=dict)  # part -> lowest validation loss
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)


def state_folder(out: Path) -> Path:
    """Where the state of a training into `out` lies."""
    return out.parent / f".{out.name}.training"


def save_state(
    folder: Path,
    key: str,
    networks: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: dict[str, Tensor],
    counters: Counters,
) -> None:
    """Replace the state below `folder`; `key` says which run it belongs to."""
    from safetensors.torch import save_file

    tensors = {f"net.{name}": value for name, value in networks.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"opt.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "state.part"
    metadata = {"key": key, "counters": json.dumps(dataclasses.asdict(counters))}
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, part, metadata)
    part.replace(folder / "state.safetensors")


def load_state(
    folder: Path, key: str, networks: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], Counters] | None:
    """Put back a state; None where there is none.

    Raises:
        ValueError: the state is damaged or belongs to a run with other data or settings.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / "state.safetensors"
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = file.metadata()
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged ({error}); delete it to train from the start") from error
    if metadata.get("key") != key:
        raise ValueError(f"{path}: belongs to a run with other data or settings; delete it or change --out")
    networks.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("opt."):
            _, index, field = name.split(".", 2)
            state.setdefault(int(index), {})[field] = value
    full = optimiser.state_dict()
    full["state"] = state
    optimiser.load_state_dict(full)
    best = {k[5:]: v for k, v in tensors.items() if k.startswith("best.")}
    return best, Counters(**json.loads(metadata["counters"]))


def forget_state(folder: Path) -> None:
    """The training is complete."""
    shutil.rmtree(folder, ignore_errors=True)
