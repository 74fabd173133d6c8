"""Encoders and the views they see."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from foley_synthesis.vision.coarse_colour import ColourEncoder
from foley_synthesis.vision.efficientnet import EfficientNetLite0
from foley_synthesis.vision.encoders import load_encoder
from foley_synthesis.vision.protocol import VisionEncoder
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


class Trap:
    """Leaves a mark if it is ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_alexnet_takes_what_the_user_supplies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The architecture at random weights, from either format: the same features, those of fc7."""
    torch.manual_seed(0)
    network = torchvision.models.alexnet(weights=None)
    torch.save(network.state_dict(), tmp_path / "alexnet.pth")
    save_file(network.state_dict(), tmp_path / "alexnet.safetensors")
    batch = images(2)
    made = []
    for name in ("alexnet.pth", "alexnet.safetensors"):
        monkeypatch.setenv("FOLEY_ALEXNET", str(tmp_path / name))
        encoder = load_encoder("alexnet")
        assert isinstance(encoder, VisionEncoder) and encoder.dims == 4096
        made.append(encoder.encode(batch))
    assert made[0].shape == (2, 4096) and np.array_equal(made[0], made[1]) and made[0].min() == 0.0
    with torch.inference_mode():
        last = network.eval().classifier[-1](torch.from_numpy(made[0]))
        large = torch.nn.functional.interpolate(
            torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255, size=224, mode="bilinear"
        )
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        whole = network((large - mean[:, None, None]) / std[:, None, None])
    assert torch.allclose(last, whole, atol=0.02 * float(whole.std())), (
        "8 bit of the enlarged image is all that differs"
    )
    with pytest.raises(ValueError, match="uint8"):
        load_encoder("alexnet").encode(batch.astype(np.float32))  # type: ignore[arg-type]


def test_alexnet_says_what_it_needs_and_unpickles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="alexnet-owt"):
        load_encoder("alexnet")
    mark = tmp_path / "mark"
    (tmp_path / "bad.pth").write_bytes(pickle.dumps(Trap(mark)))
    monkeypatch.setenv("FOLEY_ALEXNET", str(tmp_path / "bad.pth"))
    with pytest.raises(ValueError, match="does not hold AlexNet's weights"):
        load_encoder("alexnet")
    assert not mark.exists()


@pytest.mark.long
def test_clip_takes_what_the_user_supplies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The true architecture at random weights, the whole model or its image tower alone: OpenCLIP's own features."""
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None).eval()
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "clip.safetensors")
    torch.save(model.visual.state_dict(), tmp_path / "tower.pt")
    batch = np.random.default_rng(0).integers(0, 255, (2, 224, 224, 3), dtype=np.uint8)
    made = []
    for name in ("clip.safetensors", "tower.pt"):
        monkeypatch.setenv("FOLEY_CLIP", str(tmp_path / name))
        encoder = load_encoder("clip")
        assert isinstance(encoder, VisionEncoder) and encoder.dims == 512
        assert "ViT-B-32-quickgelu" in encoder.identity
        made.append(encoder.encode(batch))
    assert np.array_equal(made[0], made[1])
    mean, std = torch.tensor(open_clip.OPENAI_DATASET_MEAN), torch.tensor(open_clip.OPENAI_DATASET_STD)
    pixels = (torch.from_numpy(batch).float() / 255 - mean) / std
    with torch.inference_mode():
        whole = model.encode_image(pixels.permute(0, 3, 1, 2), normalize=True)
    assert torch.allclose(torch.from_numpy(made[0]), whole, atol=1e-5)
    monkeypatch.setenv("FOLEY_CLIP_MODEL", "ViT-Z-99")
    with pytest.raises(ValueError, match="`ViT-Z-99`, which OpenCLIP does not know"):
        load_encoder("clip")


def test_clip_says_what_it_needs_and_unpickles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FOLEY_CLIP", raising=False)
    with pytest.raises(ValueError, match=r"open_clip_model\.safetensors"):
        load_encoder("clip")
    mark = tmp_path / "mark"
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Trap(mark)))
    monkeypatch.setenv("FOLEY_CLIP", str(tmp_path / "bad.pt"))
    with pytest.raises(ValueError, match="does not hold the image tower"):
        load_encoder("clip")
    assert not mark.exists()


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
