"""BigVGAN's architecture at random weights, in the files that its authors write."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from foley_synthesis.flow.networks.bigvgan import (
    BigVgan,
    BigVganConfig,
    BigVganGenerator,
    Smoothed,
    Snake,
    fused,
    half_band,
)

_SMALL = {
    "num_mels": 80, "sampling_rate": 16_000, "hop_size": 256, "resblock": "1", "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8], "upsample_initial_channel": 16, "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1, 2]], "activation": "snakebeta", "snake_logscale": True,
    "n_fft": 1024, "batch_size": 32,
}  # fmt: skip


def published(folder: Path, **changed: object) -> tuple[Path, BigVganGenerator]:
    """A generator at random weights, as its authors publish it: weight norm, and the filters of activations."""
    torch.manual_seed(0)
    given = {**_SMALL, **changed}
    fields = {k: v for k, v in given.items() if k in BigVganConfig.__dataclass_fields__}
    fields |= {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
    generator = BigVganGenerator(BigVganConfig(**fields)).eval()
    state = {}
    for name, value in generator.state_dict().items():
        if name.endswith(".weight"):
            size = value.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            state[f"{name}_g"], state[f"{name}_v"] = size, 2.0 * value
        else:
            state[name] = value
    state["activation_post.upsample.filter"] = half_band()
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(given))
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "generator.safetensors")
    return folder / "generator.safetensors", generator


@pytest.mark.parametrize("changed", [{}, {"resblock": 2, "activation": "snake", "snake_logscale": False}])
def test_weights_as_published_make_the_sound_of_their_generator(
    tmp_path: Path, changed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, generator = published(
        tmp_path / "weights", **({**changed, "resblock": str(changed.get("resblock", 1))})
    )
    mel = np.full((80, 12), 0.4, np.float32)
    with torch.no_grad():
        wanted = generator(torch.full((1, 80, 12), math.log(10.0 ** (2.5 * -0.6))))[0].numpy()
    assert wanted.shape == (12 * 256,) and wanted.std() > 0
    np.testing.assert_allclose(BigVgan(path).waveform(mel), wanted, atol=1e-5)
    monkeypatch.setenv("FOLEY_BIGVGAN", str(tmp_path / "weights"))
    np.testing.assert_allclose(BigVgan().waveform(mel), wanted, atol=1e-5)


def test_the_filter_passes_what_is_low_and_stops_what_is_high() -> None:
    response = torch.fft.rfft(half_band()[0, 0], 256).abs()
    assert float(response[0]) == pytest.approx(1.0, abs=1e-6)
    assert float(response[64]) == pytest.approx(0.5, abs=0.05)  # a quarter of the rate
    assert float(response[115:].max()) < 0.01


def test_an_activation_that_does_nothing_leaves_a_low_tone_as_it_is() -> None:
    tone = torch.sin(2 * math.pi * 0.03 * torch.arange(200))[None, None].repeat(1, 3, 1)
    made = Smoothed(nn.Identity())(tone)
    assert made.shape == tone.shape
    assert torch.allclose(made[..., 10:-10], tone[..., 10:-10], atol=0.02)


def test_snake_is_what_its_formula_says() -> None:
    snake = Snake(1, True, True)
    with torch.no_grad():
        snake.alpha.fill_(math.log(2.0))
        snake.beta.fill_(math.log(4.0))
    x = torch.tensor([[[0.3, -1.2]]])
    assert torch.allclose(snake(x), x + torch.sin(2 * x) ** 2 / 4, atol=1e-6)


def test_weight_norm_of_either_spelling_is_fused() -> None:
    conv = nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(4, 2, 8, 4))
    with torch.no_grad():
        conv.parametrizations.weight.original0.mul_(3.0)
    plain = fused({f"up.{name}": value for name, value in conv.state_dict().items()})
    assert torch.allclose(plain["up.weight"], conv.weight, atol=1e-6)


def test_what_does_not_fit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLEY_BIGVGAN", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="needs weights at"):
        BigVgan()
    path, _ = published(tmp_path / "weights")
    for changed, told in (
        ({"sampling_rate": 22_050}, "sampling_rate is 22050"),
        ({"upsample_rates": [8, 8, 2]}, "multiply to 128"),
        ({"upsample_initial_channel": 32}, "does not hold the generator"),
    ):
        (path.parent / "config.json").write_text(json.dumps({**_SMALL, **changed}))
        with pytest.raises(ValueError, match=told):
            BigVgan(path)
    import pickle

    (path.parent / "bad.pt").write_bytes(pickle.dumps({"generator": Path("x")}))
    (path.parent / "config.json").write_text(json.dumps(_SMALL))
    with pytest.raises(ValueError, match="does not hold the generator"):
        BigVgan(path.parent / "bad.pt")
