"""One training in one process or several, as PyTorch's own launcher starts them (`torchrun`).

Without a launcher all of this does nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

# The others wait while the first one validates, or computes features: of a large data set for hours. A process that
# dies is none that is waited for: the launcher ends all.
_PATIENCE = datetime.timedelta(hours=24)


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
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=_PATIENCE)
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


def quiet() -> bool:
    """Whether this is a process that has nothing to tell, before they are joined."""
    return int(os.environ.get("RANK", "0")) > 0


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


def shared(model: nn.Module, device: torch.device, *, unused: bool = True) -> nn.Module:
    """The same model, whose gradients are means over all processes.

    Args:
        unused: whether a batch may leave layers out.
    """
    if count() == 1:
        return model
    ids = [device.index] if device.type == "cuda" else None
    # As a batch without earlier contacts, or without views, does.
    return nn.parallel.DistributedDataParallel(model, device_ids=ids, find_unused_parameters=unused)


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


def wait() -> None:
    """Until all processes are here."""
    if count() > 1:
        dist.barrier()


def own(rows: Any) -> Any:
    """This process's share of the rows of a batch: of a tensor [n, ...], or of a tuple of such, None among them.

    Raises:
        ValueError: there are fewer rows than processes.
    """
    if count() == 1 or rows is None:
        return rows
    if isinstance(rows, tuple):
        return _like(rows, [own(part) for part in rows])
    if len(rows) < count():
        raise ValueError(f"a batch has {len(rows)} rows, fewer than there are processes ({count()})")
    return torch.tensor_split(rows, count())[rank()]


def together(rows: Any) -> Any:
    """The rows of all processes, in their order: of a tensor [n, ...], or of a tuple of such, None among them.

    A loss of them is that of the whole batch, the same in every process, and its gradient reaches this process's rows.
    It comes out so that the mean over processes, which :func:`shared` takes, is the gradient in one process.
    """
    if count() == 1:
        return rows
    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(count())]
    dist.all_gather(sizes, torch.tensor([_length(rows)]))
    return _together(rows, [int(size) for size in sizes])


def _together(rows: Any, sizes: list[int]) -> Any:
    if rows is None:
        return None
    if isinstance(rows, tuple):
        return _like(rows, [_together(part, sizes) for part in rows])
    whole = rows.new_zeros((max(sizes), *rows.shape[1:]))
    whole[: len(rows)] = rows.detach()
    parts = [torch.empty_like(whole) for _ in sizes]
    dist.all_gather(parts, whole)
    parts = [part[:size] for part, size in zip(parts, sizes, strict=True)]
    if rows.requires_grad:
        parts[rank()] = rows * count() - rows.detach() * (count() - 1)
    return torch.cat(parts)


def _length(rows: Any) -> int:
    """Of the first tensor."""
    while isinstance(rows, tuple):
        rows = next(part for part in rows if part is not None)
    return len(rows)


def _like(rows: Any, parts: list[Any]) -> Any:
    return type(rows)(*parts) if hasattr(rows, "_fields") else tuple(parts)
