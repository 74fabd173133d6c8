"""The network of hearing as ONNX Runtime runs it: `networks.hearing_net` without torch, and several as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import LOG10_E_CENTRE
from foley_synthesis.hearing.onnx_graph import Graph, Runner
from foley_synthesis.hearing.output import GROUPS, LOG10_DENSITY_CENTRE, STD_RANGE, HearingOutput, NetConfig
from foley_synthesis.weights import Array, Weights

_EPSILON = 1e-5  # of torch's LayerNorm


class HearingNetworks:
    """One or several networks. Means of logits and numbers, spreads of the mixture, embeddings side by side."""

    def __init__(
        self, size: NetConfig, members: int, tensors: Mapping[str, NDArray[Any]], threads: int = 1
    ) -> None:
        """Names of tensors begin with `member0.` and so on. Raises WrongWeights."""
        self._members = [_Member(size, Weights(tensors, f"member{i}."), threads) for i in range(members)]

    def __call__(
        self,
        features: Array,  # [n, 2, frames, bands], of `front_end.normalised`
    ) -> HearingOutput:
        """One row each."""
        outputs = [member(features) for member in self._members]
        if len(outputs) == 1:
            return outputs[0]
        means = {
            name: np.mean([getattr(o, name) for o in outputs], axis=0)
            for name in HearingOutput._fields
            if name != "embedding"
        }
        for number in ("log10_e", "log10_density"):
            mean = np.stack([getattr(o, f"{number}_mean") for o in outputs])
            std = np.stack([getattr(o, f"{number}_std") for o in outputs])
            means[f"{number}_std"] = np.sqrt(np.square(std).mean(axis=0) + mean.var(axis=0))
        return HearingOutput(**means, embedding=np.concatenate([o.embedding for o in outputs], axis=1))


class _Member:
    """Convolutions in the graph, what follows on few numbers here."""

    def __init__(self, size: NetConfig, weights: Weights, threads: int) -> None:
        self._size = size
        self._convolutions = _convolutions(size, weights, threads)
        pooled = 2 * size.squeezed * size.times * size.frequencies
        self._pooled = weights("embed.0.weight", pooled), weights("embed.0.bias", pooled)
        self._embed = (
            weights("embed.2.weight", size.embedding, pooled),
            weights("embed.2.bias", size.embedding),
        )
        self._embedded = weights("embed.4.weight", size.embedding), weights("embed.4.bias", size.embedding)
        self._heads = [
            (weights(f"{name}.weight", n, size.embedding), weights(f"{name}.bias", n))
            for name, n in (("material", size.materials), ("action", size.actions), ("numbers", 7))
        ]

    def __call__(self, features: Array) -> HearingOutput:
        (found,) = self._convolutions(_seen(features))
        pooled = _layer_norm(_pooled(found, self._size.times, self._size.frequencies), *self._pooled)
        linear = _linear(pooled, *self._embed)
        embedding = _layer_norm(linear * scipy.special.expit(linear), *self._embedded)
        logits, actions, numbers = (_linear(embedding, *head) for head in self._heads)
        e_mean, e_std, density, density_std, rough, hollow, contact = numbers.T
        return HearingOutput(
            logits,
            LOG10_E_CENTRE + e_mean,
            _positive(e_std),
            LOG10_DENSITY_CENTRE + density,
            _positive(density_std),
            scipy.special.expit(rough),
            scipy.special.expit(hollow),
            actions,
            contact,
            embedding,
        )


def _convolutions(size: NetConfig, weights: Weights, threads: int) -> Runner:
    """From five channels [n, 5, frames, bands] to [n, squeezed, time, frequency]."""
    graph = Graph(dims=4)

    def block(x: str, name: str, given: int, made: int, kernel: int, stride: tuple[int, int]) -> str:
        weight = weights(f"{name}.0.weight", made, given, kernel, kernel)
        x = graph.op("Conv", x, weight, strides=list(stride), pads=[kernel // 2] * 4)
        scale, shift = weights(f"{name}.1.weight", made), weights(f"{name}.1.bias", made)
        return graph.silu(graph.group_norm(x, GROUPS, scale, shift))

    width = size.widths[0]
    x = block("in", "stem", 5, width, 5, (2, 2))
    following = [after for after in size.widths[1:] for _ in range(size.blocks)]
    for i, (made, stride) in enumerate(zip(following, size.strides, strict=True)):
        main, kept = block(x, f"stages.{i}.main", width, made, 3, stride), x
        if width != made or max(stride) > 1:
            skip = (
                weights(f"stages.{i}.skip.weight", made, width, 1, 1),
                weights(f"stages.{i}.skip.bias", made),
            )
            kept = graph.op("Conv", x, *skip, strides=list(stride))
        x, width = graph.op("Add", main, kept), made
    squeeze = weights("squeeze.weight", size.squeezed, width, 1, 1), weights("squeeze.bias", size.squeezed)
    return graph.runner(graph.op("Conv", x, *squeeze), threads=threads)


def _seen(features: Array) -> Array:
    """Five channels [n, 5, frames, bands]: see `hearing_net.HearingNet`."""
    level, known = features[:, 0], features[:, 1]
    own = (level - level.max(axis=1, keepdims=True)) * known
    edges = ((0, 0), (1, 1), (0, 0))
    slope = np.pad(level[:, 2:] - level[:, :-2], edges)
    both = np.pad(known[:, 2:] * known[:, :-2], edges)
    where = np.broadcast_to(np.linspace(-1.0, 1.0, level.shape[2], dtype=np.float32), level.shape)
    return np.stack([2.0 * level - 1.0, known, own, 4.0 * slope * both, where], axis=1).astype(np.float32)


def _pooled(found: Array, times: int, frequencies: int) -> Array:
    """Mean and maximum [n, 2 * channels * times * frequencies] of cells that overlap by at most one row."""

    def spans(length: int, parts: int) -> list[slice]:
        return [slice(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]

    rows, columns = spans(found.shape[2], times), spans(found.shape[3], frequencies)
    cells = [[found[:, :, row, column] for column in columns] for row in rows]
    # [times, frequencies, n, channels] each
    mean = np.array([[cell.mean(axis=(2, 3)) for cell in line] for line in cells])
    most = np.array([[cell.max(axis=(2, 3)) for cell in line] for line in cells])
    both = np.concatenate([mean.transpose(2, 3, 0, 1), most.transpose(2, 3, 0, 1)], axis=1)
    return np.asarray(both.reshape(len(found), -1), np.float32)


def _layer_norm(x: Array, scale: Array, shift: Array) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + _EPSILON)
    return np.asarray(centred / deviation * scale + shift, np.float32)


def _linear(x: Array, weight: Array, bias: Array) -> Array:
    return np.asarray(x @ weight.T + bias, np.float32)


def _positive(log_std: Array) -> Array:
    return np.asarray(np.clip(np.exp(log_std), *STD_RANGE), np.float32)
