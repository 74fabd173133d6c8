"""One training in one process or several, as PyTorch's own launcher starts them (`torchrun`).

Without a launcher all of this does nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import nn


@contextlib.contextmanager
def joined(device: str) -> Iterator[torch.device]:
    """Within, the processes of a launcher are a group; yields the device of this one.

    Args:
        device: cuda or cpu; empty: cuda where there is one.
    """
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    place = torch.device(chosen)
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized()
    if several:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(place)
    try:
        yield place
    finally:
        if several:
            dist.destroy_process_group()


def rank() -> int:
    """Of this process; the first one, 0, validates and writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """Of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def part(batch: int) -> slice:
    """Rows of a batch that this process makes.

    Raises:
        ValueError: it cannot be divided evenly.
    """
    if batch % count():
        raise ValueError(f"batch is {batch}, must be a multiple of the number of processes ({count()})")
    each = batch // count()
    return slice(rank() * each, (rank() + 1) * each)


def shared(model: nn.Module, device: torch.device) -> nn.Module:
    """The same model, whose gradients are means over all processes."""
    if count() == 1:
        return model
    ids = [device.index] if device.type == "cuda" else None
    # A batch without earlier contacts, or without views, leaves their layers out.
    return nn.parallel.DistributedDataParallel(model, device_ids=ids, find_unused_parameters=True)


def agreed(value: float, device: torch.device) -> float:
    """What the first process says."""
    if count() == 1:
        return value
    told = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(told, 0)
    return float(told)


def from_first(model: nn.Module) -> None:
    """Weights and scales as the first process has them."""
    if count() > 1:
        for value in model.state_dict().values():
            dist.broadcast(value, 0)
