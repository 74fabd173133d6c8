"""Training through the image network: its last blocks tuned, or all of it from scratch.

The other variants see features of a frozen network, computed once. Here images go through the network in every
step, so inputs are kept as small as they can be: the maps in front of the blocks that are tuned, or images of 64
pixels for a network that starts from nothing.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.ablation.nets import AblationNet
from foley_synthesis.training.steps import Best, falling, step
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.sound_net import VisInput, robust_loss
from foley_synthesis.vis.training.batches import Tensors, inputs_for, training_inputs, training_shift
from foley_synthesis.vis.training.features import cache_key, cached_arrays
from foley_synthesis.vis.training.loop import Split
from foley_synthesis.vision.efficientnet import EfficientNetLite0
from foley_synthesis.vision.views import encoded_spacetime, still_views

TUNED_BLOCKS = 2
"""Of EfficientNet-Lite0's sixteen, with the last convolution behind them."""
SCRATCH_PX = 64
SCRATCH_DIMS = 256

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class EndToEndConfig:
    """How long and how fast the image network and what stands on it are trained."""

    epochs: int
    image_rate: float  # learning rate of the image network
    learning_rate: float  # and of the rest
    batch: int = 32
    weight_decay: float = 2e-2
    clip_norm: float = 1.0


class TunedTrunk(nn.Module):
    """The last blocks of EfficientNet-Lite0: maps [m, 192, h, w] to features [m, 1280] of unit size.

    Its batch normalisation keeps ImageNet's statistics: a batch of frames of one scene is no fair sample.
    """

    def __init__(self, network: Any, networks: Networks, config: ModelConfig) -> None:
        super().__init__()
        self.tail = copy.deepcopy(tail_of(network))
        self.views, self.dims = config.still_views, config.encoder_dims
        for name in ("still_mean", "still_std", "frame_mean", "frame_std"):
            self.register_buffer(name, networks.get_buffer(name).clone())

    def train(self, mode: bool = True) -> TunedTrunk:
        """Gradients flow, statistics stand."""
        super().train(mode)
        self.tail.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of maps [n, views + f, ...]: still [n, views x 1280] and frames [n, f, 1280]."""
        n, count = images.shape[:2]
        features = self.tail(images.flatten(0, 1).float()).mean(dim=(2, 3)).reshape(n, count, self.dims)
        still = (features[:, : self.views].flatten(1) - self.get_buffer("still_mean")) / self.get_buffer(
            "still_std"
        )
        frames = (features[:, self.views :] - self.get_buffer("frame_mean")) / self.get_buffer("frame_std")
        return still, frames


class ScratchTrunk(nn.Module):
    """The convolutions of AlexNet with batch normalisation, untrained: images [m, 3, 64, 64] to [m, 256]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        from torchvision.models import alexnet

        layers: list[nn.Module] = []
        for layer in alexnet(weights=None).features:
            layers.append(layer)
            if isinstance(layer, nn.Conv2d):
                layers.append(nn.BatchNorm2d(layer.out_channels))
        self.convolutions = nn.Sequential(*layers)
        self.views = config.still_views

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of images [n, views + f, 3, 64, 64] uint8: still [n, views x 256] and frames [n, f, 256]."""
        n, count = images.shape[:2]
        pixels = images.flatten(0, 1).float() / 127.5 - 1.0
        features = self.convolutions(pixels).mean(dim=(2, 3)).reshape(n, count, SCRATCH_DIMS)
        return features[:, : self.views].flatten(1), features[:, self.views :]


class EndToEnd(nn.Module):
    """An image network, and the network of Eq. 3 on it."""

    def __init__(self, trunk: TunedTrunk | ScratchTrunk, net: AblationNet) -> None:
        super().__init__()
        self.trunk, self.net = trunk, net

    def forward(self, images: Tensor, batch: VisInput, frame_source: Tensor | None = None) -> Tensor:
        """Sound features [n, t, components]; `batch` gives what is not an image."""
        still, frames = self.trunk(images)
        if frame_source is not None:
            frames = frames[torch.arange(len(frames))[:, None], frame_source]
        result: Tensor = self.net(batch._replace(still=still, frames=frames))
        return result


def tuned_from(net: AblationNet, network: Any, networks: Networks) -> EndToEnd:
    """The trained variant `full` with the last blocks of the image network opened."""
    return EndToEnd(TunedTrunk(network, networks, net.config), copy.deepcopy(net))


def from_scratch(config: ModelConfig, like: AblationNet, seed: int) -> EndToEnd:
    """The parts of `like` on an image network that has seen nothing."""
    torch.manual_seed(seed)
    shape = dataclasses.replace(config, encoder="scratch", encoder_dims=SCRATCH_DIMS)
    return EndToEnd(ScratchTrunk(shape), AblationNet(shape, like.parts))


def fit_end_to_end(
    model: EndToEnd,
    images: Tensor,  # [clips, views + f, ...], of every clip of the set
    tensors: Tensors,
    split: Split,
    config: EndToEndConfig,
    *,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> EndToEnd:
    """Train with the loss of Eq. 4; the weights of the best validation loss are kept, untrained ones among them.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    optimiser = torch.optim.AdamW(
        [
            {"params": list(model.trunk.parameters()), "peak": config.image_rate},
            {"params": list(model.net.parameters()), "peak": config.learning_rate},
        ],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )

    def validation() -> float:
        predicted = predict_end_to_end(model, images, tensors, split.validation)
        return float(robust_loss(predicted, tensors.sound[split.validation]))

    best = Best(model, validation())
    for epoch in range(config.epochs):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        torch.manual_seed(seed * 1_000_003 + epoch)  # dropout
        model.train()
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * falling(epoch, config.epochs)
        order = split.train[torch.randperm(len(split.train), generator=generator)]
        for index in torch.tensor_split(order, max(1, len(order) // config.batch)):
            shift = training_shift(len(index), generator)
            inputs, target = training_inputs(tensors, index, 0.0, generator, shift=shift)
            held = tensors.frames.shape[1]
            moved = torch.round(shift[:, None] / (tensors.sound.shape[1] // held)).long()
            source = (torch.arange(held)[None] - moved).clamp(0, held - 1)
            loss = robust_loss(model(images[index], inputs, source), target)
            step(loss, optimiser, model, config.clip_norm, epoch)
        best.see(validation())
        progress()
    best.restore()
    return model


@torch.no_grad()
def predict_end_to_end(model: EndToEnd, images: Tensor, tensors: Tensors, rows: Tensor) -> Tensor:
    """Sound features [n, t, components] of these rows."""
    model.eval()
    parts = [
        model(images[index], inputs_for(tensors, index, executed=True)) for index in torch.split(rows, 32)
    ]
    return torch.cat(parts)


# ---- images ------------------------------------------------------------------------------------------------
def tail_of(network: Any) -> nn.Sequential:
    """The blocks of EfficientNet-Lite0 that are tuned, and its last convolution."""
    blocks = list(network._blocks)[-TUNED_BLOCKS:]
    return nn.Sequential(*blocks, network._conv_head, network._bn1, network._swish)


def scratch_images(dataset: ClipDataset, config: ModelConfig, progress: Progress | None = None) -> Tensor:
    """What a network from scratch sees of every clip, [n, views + f, 3, 64, 64] uint8."""
    images = np.empty(
        (len(dataset), config.still_views + config.encoded_frames, 3, SCRATCH_PX, SCRATCH_PX), np.uint8
    )
    import cv2

    for index in range(len(dataset)):
        for k, image in enumerate(_seen(dataset, index, config)):
            small = cv2.resize(image, (SCRATCH_PX, SCRATCH_PX), interpolation=cv2.INTER_AREA)
            images[index, k] = small.transpose(2, 0, 1)
        if progress is not None:
            progress(index + 1, len(dataset))
    return torch.from_numpy(images)


def trunk_maps(
    dataset: ClipDataset, encoder: EfficientNetLite0, config: ModelConfig, progress: Progress | None = None
) -> Tensor:
    """Maps in front of the tuned blocks of every clip, [n, views + f, 192, 4, 4] float16, from the cache if there."""

    def compute() -> dict[str, NDArray[Any]]:
        network = encoder.network()
        count = config.still_views + config.encoded_frames
        maps: NDArray[np.float16] | None = None
        with torch.inference_mode():
            for index in range(len(dataset)):
                pixels = torch.from_numpy(_seen(dataset, index, config)).permute(0, 3, 1, 2).float()
                x = network._swish(network._bn0(network._conv_stem((pixels - 127.0) / 128.0)))
                for block in list(network._blocks)[:-TUNED_BLOCKS]:
                    x = block(x)
                if maps is None:
                    maps = np.empty((len(dataset), count, *x.shape[1:]), np.float16)
                maps[index] = x.numpy()
                if progress is not None:
                    progress(index + 1, len(dataset))
        return {"maps": np.empty((0, count, 1, 1, 1), np.float16) if maps is None else maps}

    key = cache_key(dataset.fingerprint, encoder, config)
    return torch.from_numpy(cached_arrays(f"maps{TUNED_BLOCKS}", key, len(dataset), compute)["maps"])


def _seen(dataset: ClipDataset, index: int, config: ModelConfig) -> NDArray[np.uint8]:
    """Views of the still, then spacetime images, [views + f, S, S, 3]."""
    frames, still = dataset.frames_and_still(index)
    return np.concatenate(
        [still_views(still, config.still_views), encoded_spacetime(frames, config.frame_stride)]
    )
