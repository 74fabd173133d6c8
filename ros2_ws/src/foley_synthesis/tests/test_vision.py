"""Encoders and the views they see."""

from pathlib import Path

import numpy as np
import pytest

from foley_synthesis.vision.colour import ColourEncoder
from foley_synthesis.vision.efficientnet import EfficientNetLite0
from foley_synthesis.vision.encoder import VisionEncoder, load_encoder
from foley_synthesis.vision.views import encoded_spacetime, still_views, vary


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 128, 128, 3), dtype=np.uint8)


def test_efficientnet_in_onnx_equals_torch_and_is_exported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fast = EfficientNetLite0()
    assert fast.backend == "onnxruntime" and isinstance(fast, VisionEncoder)
    files = list((tmp_path / "foley" / "encoders").iterdir())
    assert [f.name for f in files] == [f"{fast.identity}.onnx"]
    written = files[0].stat().st_mtime_ns
    EfficientNetLite0()
    assert files[0].stat().st_mtime_ns == written
    slow = EfficientNetLite0(use_onnx=False)
    assert slow.backend == "torch"
    batch = images(3)
    a, b = fast.encode(batch), slow.encode(batch)
    assert a.shape == (3, 1280) and np.abs(a - b).max() < 1e-3 * np.abs(b).max()


def test_efficientnet_falls_back_to_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foley").write_text("a file where the cache folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encoder = EfficientNetLite0()
    assert encoder.backend == "torch" and encoder.encode(images(1)).shape == (1, 1280)


def test_encoders_refuse_floats_and_unknown_names() -> None:
    with pytest.raises(ValueError, match="uint8"):
        EfficientNetLite0(use_onnx=False).encode(images(1).astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`vgg`"):
        load_encoder("vgg")


def test_colour_encoder_sees_colour() -> None:
    red = np.zeros((1, 128, 128, 3), np.uint8)
    red[..., 0] = 255
    features = ColourEncoder().encode(red)
    assert features.shape == (1, ColourEncoder.dims)
    assert features[0, 0] > 0.9 and features[0, 1] == -1.0


def test_views_show_the_middle_enlarged() -> None:
    still = np.zeros((128, 128, 3), np.uint8)
    still[32:96, 32:96, 0] = 200
    still[48:80, 48:80, 1] = 100
    half, quarter = still_views(still, 2)
    assert half.shape == quarter.shape == still.shape
    assert half[..., 0].min() == 200 and 0.2 < (half[..., 1] > 50).mean() < 0.3
    assert quarter[..., 1].min() == 100
    varied = vary(still, np.random.default_rng(1))
    assert varied.shape == still.shape and varied.dtype == np.uint8 and not np.array_equal(varied, still)


def test_every_third_spacetime_image() -> None:
    frames = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, 8, 8, 3)).copy()
    chosen = encoded_spacetime(frames, 3)
    assert chosen.shape == (10, 8, 8, 3)
    assert chosen[0, 0, 0].tolist() == [0, 1, 2] and chosen[9, 0, 0].tolist() == [27, 28, 29]
