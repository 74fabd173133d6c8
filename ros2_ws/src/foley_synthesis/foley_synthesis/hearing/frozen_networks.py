"""YAMNet and aiSFX as ONNX Runtime runs them, and the spectrograms that they are given.

YAMNet is MobileNetV1 (Howard et al., arXiv:1704.04861) over a log mel spectrogram of 0.96 s, trained by Google on
AudioSet (Gemmeke et al., ICASSP 2017); aiSFX an embedding of sound effects (Ma and Lerch 2022). Both are used frozen.
The same networks in torch, in `networks/`, are what tests hold these against.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from foley_synthesis.hearing.onnx_graph import Graph, Runner
from foley_synthesis.weights import Array, Weights

YAMNET_RATE = 16_000
YAMNET_BANDS, YAMNET_DIMS, YAMNET_CLASSES = 64, 1024, 521
YAMNET_FRAMES = 96  # of a patch
_WINDOW, _HOP, _FFT = 400, 160, 512
PATCH_SAMPLES = (YAMNET_FRAMES - 1) * _HOP + _WINDOW  # 0.975 s
_LOW_HZ, _HIGH_HZ = 125.0, 7500.0
_OFFSET = 1e-3  # added to the magnitudes before the logarithm
YAMNET_BLOCKS = (
    (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512),
    (1, 512), (1, 512), (1, 512), (1, 512), (1, 512), (2, 1024), (1, 1024),
)  # fmt: skip
"""Stride and channels of each depthwise convolution and the pointwise one after it."""

AISFX_RATE = 44_100
AISFX_DIMS = 512
AISFX_BLOCK = 100  # frames that its training saw at once
AISFX_WINDOW, AISFX_HOP, AISFX_BANDS = 2048, 1024, 96
_LARGEST = 9.457798957824707  # value in its training, by which levels are divided
_WIDTH, _PAIRS = 64, 4  # of aiSFX's convolutions


def yamnet(tensors: Mapping[str, NDArray[Any]], threads: int = 1) -> Runner:
    """From patches [n, 96, 64] of :func:`yamnet_log_mel` to embedding [n, 1024] and probabilities [n, 521].

    Raises:
        WrongWeights: the tensors are of another network.
    """
    weights, graph = Weights(tensors), Graph(dims=3)
    layers, before = [(1, 32, 3, 2, 1)], 32
    for stride, channels in YAMNET_BLOCKS:
        layers += [(before, before, 3, stride, before), (before, channels, 1, 1, 1)]
        before = channels
    x = graph.op("Unsqueeze", "in", np.array([1], np.int64))
    for i, (given, made, kernel, stride, groups) in enumerate(layers):
        weight = weights(f"convolutions.{i}.weight", made, given // groups, kernel, kernel)
        bias = weights(f"convolutions.{i}.bias", made)
        # TensorFlow's padding: the odd zero at the far end.
        how = {"auto_pad": "SAME_UPPER", "strides": [stride, stride], "group": groups}
        x = graph.op("Relu", graph.op("Conv", x, weight, bias, **how))
    embedding = graph.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    said = weights("classes.weight", YAMNET_CLASSES, YAMNET_DIMS), weights("classes.bias", YAMNET_CLASSES)
    scores = graph.op("Sigmoid", graph.op("Gemm", embedding, *said, transB=1))
    return graph.runner(embedding, scores, threads=threads)


def yamnet_log_mel(
    samples: Array,  # [n, samples] at 16 kHz, at least PATCH_SAMPLES
) -> Array:
    """[n, frames, 64]: natural logarithm of magnitudes in mel bands of 125 to 7500 Hz, every 10 ms.

    Raises:
        ValueError: shorter than one patch.
    """
    if samples.ndim != 2 or samples.shape[1] < PATCH_SAMPLES:
        raise ValueError(
            f"samples have shape {samples.shape}, must be [n, {PATCH_SAMPLES}] at {YAMNET_RATE} Hz, or longer"
        )
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW, axis=1)[:, ::_HOP]
    magnitudes = np.abs(scipy.fft.rfft(frames * _hann(_WINDOW), _FFT))
    return np.asarray(np.log(magnitudes @ _yamnet_mel() + np.float32(_OFFSET)), np.float32)


def aisfx(tensors: Mapping[str, NDArray[Any]], threads: int = 1) -> Runner:
    """From spectrograms [n, frames, 96] to embedding [n, 512]: mean over bands, maximum over time.

    Raises:
        WrongWeights: the tensors are of another network.
    """
    weights, graph = Weights(tensors), Graph(dims=3)
    x, before = graph.op("Unsqueeze", "in", np.array([1], np.int64)), 1
    for step in range(_PAIRS):
        after = _WIDTH << step
        for at in (0, 3):
            name = f"blocks.{step}.{at}"
            x = graph.op("Conv", x, weights(f"{name}.weight", after, before, 3, 3), pads=[1, 1, 1, 1])
            told = (weights(f"blocks.{step}.{at + 1}.{n}", after) for n in _BATCH_NORM)
            x = graph.op("Relu", graph.op("BatchNormalization", x, *told))
            before = after
        if step < _PAIRS - 1:
            x = graph.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    found = graph.op("ReduceMax", graph.op("ReduceMean", x, axes=[3], keepdims=0), axes=[2], keepdims=0)
    return graph.runner(found, threads=threads)


_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def aisfx_spectrogram(
    samples: Array,  # [n] at AISFX_RATE
    frames: int = AISFX_BLOCK,
) -> Array:
    """[frames, 96], brought to full scale and followed by silence."""
    samples = samples / max(float(np.abs(samples).max(initial=0.0)), 1e-9)
    padded = np.pad(samples.astype(np.float32), AISFX_WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, AISFX_WINDOW)[::AISFX_HOP][:frames]
    spectrum = scipy.fft.rfft(windows * _hann(AISFX_WINDOW))
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    level = np.log10(1e4 * (power @ _aisfx_mel()) + 1.0) / _LARGEST
    placed = np.zeros((frames, AISFX_BANDS), np.float32)
    placed[: len(level)] = level
    return placed


@functools.cache
def _hann(size: int) -> Array:
    """Periodic."""
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)).astype(np.float32)


@functools.cache
def _yamnet_mel() -> Array:
    """[257, 64]: triangles between points that are equally far apart in mel (TensorFlow's, of HTK)."""

    def mel(hz: Any) -> NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0))

    at = mel(np.linspace(0.0, YAMNET_RATE / 2, _FFT // 2 + 1))[:, None]
    edges = np.linspace(mel(_LOW_HZ), mel(_HIGH_HZ), YAMNET_BANDS + 2)
    return _triangles(at, edges).astype(np.float32)


@functools.cache
def _aisfx_mel() -> Array:
    """[1025, 96]: triangles in hertz between points equally far apart in mel, each a weighted mean of its bins."""
    at = np.linspace(0.0, AISFX_RATE / 2, AISFX_WINDOW // 2 + 1)[:, None]
    mels = np.linspace(0.0, 2595.0 * np.log10(1.0 + AISFX_RATE / 2 / 700.0), AISFX_BANDS + 2)
    filters = _triangles(at, 700.0 * (10.0 ** (mels / 2595.0) - 1.0))
    return np.asarray(filters / np.maximum(filters.sum(axis=0), 1e-9), np.float32)


def _triangles(at: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(np.minimum((at - low) / (centre - low), (high - at) / (high - centre)), 0.0)
