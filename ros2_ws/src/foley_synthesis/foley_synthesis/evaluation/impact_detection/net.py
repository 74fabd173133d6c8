"""The network of Eq. 2 and 3 over whole videos: every stretch of a recording is an example, most of it quiet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_synthesis.evaluation.impact_detection.videos import Video
from foley_synthesis.training.steps import Best, falling, step
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.networks.sound_net import robust_loss


@dataclasses.dataclass(frozen=True)
class VideoNetConfig:
    """Sizes and training."""

    units: int = 48  # what is kept of the features of one frame
    hidden: int = 96
    components: int = 10
    dropout: float = 0.5
    stretch: int = 270  # sound frames of one example, 3 s
    epochs: int = 40
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    passes: float = 2.0  # how often an epoch sees each second of video
    inputs: tuple[str, ...] = ("rgb", "spacetime")

    def __post_init__(self) -> None:
        if self.epochs < 1 or not self.inputs:
            raise ValueError(f"epochs is {self.epochs} and inputs {self.inputs}, both must hold something")


class VideoNet(nn.Module):
    """Sound features of a stretch from the features of its frames."""

    mean: Tensor
    std: Tensor

    def __init__(self, dims: int, config: VideoNetConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(config.inputs), dims))
        self.register_buffer("std", torch.ones(len(config.inputs), dims))
        self.reduce = nn.ModuleList(
            nn.Sequential(nn.Dropout(config.dropout), nn.Linear(dims, config.units), nn.Tanh())
            for _ in config.inputs
        )
        self.lstm = nn.LSTM(config.units * len(config.inputs), config.hidden, batch_first=True)
        self.drop = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, config.components)

    def forward(self, frames: Tensor, frame_of: Tensor) -> Tensor:
        """Of frames [n, f, inputs, dims] and frame_of [n, t] (which frame a sound frame has): [n, t, components]."""
        unit = (frames - self.mean) / self.std
        reduced = torch.cat([layer(unit[:, :, i]) for i, layer in enumerate(self.reduce)], dim=-1)
        held = reduced[torch.arange(len(reduced))[:, None], frame_of]
        result: Tensor = self.output(self.drop(self.lstm(held)[0]))
        return result


def fit_video_net(
    videos: Sequence[Video],
    validation: Sequence[Video],
    pca: Pca,
    config: VideoNetConfig,
    *,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> VideoNet:
    """Train on stretches drawn from whole videos with the loss of Eq. 4; the best validation loss is kept.

    Raises:
        ValueError: the videos are shorter than one stretch.
    """
    usable = [_starts(v, config.stretch) for v in videos]
    long = [v for v, starts in zip(videos, usable, strict=True) if len(starts)]
    if not long:
        raise ValueError(
            f"no training video has sound without a gap for a stretch of {config.stretch / 90:.1f} s"
        )
    usable = [starts for starts in usable if len(starts)]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = VideoNet(long[0].rgb.shape[1], config)
    inputs = [_inputs(v, config) for v in long]
    stacked = torch.cat([i[:: max(len(i) // 300, 1)].float() for i in inputs])
    net.mean.copy_(stacked.mean(dim=0))
    net.std.copy_(stacked.std(dim=0) + 0.05)
    targets = [torch.from_numpy(pca.encode(v.cochleagram)) for v in long]
    lengths = np.array([len(t) for t in targets])
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = max(1, round(config.passes * lengths.sum() / config.stretch / config.batch))
    best = Best(net)
    for epoch in range(config.epochs):
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * falling(epoch, config.epochs, warm_up=3)
        for _ in range(steps):
            chosen = rng.choice(len(long), config.batch, p=lengths / lengths.sum())
            starts = [int(rng.choice(usable[i])) for i in chosen]
            drawn = list(zip(chosen, starts, strict=True))
            batch = [_stretch(inputs[i], long[i], s, config.stretch) for i, s in drawn]
            frames = nn.utils.rnn.pad_sequence([frames for frames, _ in batch], batch_first=True).float()
            predicted = net(frames, torch.stack([of for _, of in batch]))
            target = torch.stack([targets[i][s : s + config.stretch] for i, s in drawn])
            step(robust_loss(predicted, target), optimiser, net, 1.0, epoch)
        best.see(_loss(net, validation or videos, pca, config))
        progress()
    best.restore()
    return net


@torch.no_grad()
def predict_video(net: VideoNet, video: Video, config: VideoNetConfig) -> NDArray[np.float32]:
    """Sound features [t, components] of a whole video."""
    net.eval()
    frames = _inputs(video, config).float()[None]
    return np.asarray(net(frames, torch.from_numpy(video.frame_of)[None])[0].numpy(), np.float32)


def _loss(net: VideoNet, videos: Sequence[Video], pca: Pca, config: VideoNetConfig) -> float:
    losses = [
        robust_loss(
            torch.from_numpy(predict_video(net, v, config)[v.recorded])[None],
            torch.from_numpy(pca.encode(v.cochleagram[v.recorded]))[None],
        )
        for v in videos
        if v.recorded.any()
    ]
    return float(torch.stack(losses).mean())


def _starts(video: Video, length: int) -> NDArray[np.int64]:
    """Where a stretch may begin: all of its sound is there."""
    gone = np.concatenate([[0], np.cumsum(~video.recorded)])
    count = max(len(video.recorded) - length, 0)
    return np.flatnonzero(gone[length : length + count] == gone[:count])


def _inputs(video: Video, config: VideoNetConfig) -> Tensor:
    """[f, inputs, dims] float16."""
    return torch.from_numpy(np.stack([getattr(video, name) for name in config.inputs], axis=1))


def _stretch(inputs: Tensor, video: Video, start: int, length: int) -> tuple[Tensor, Tensor]:
    of = video.frame_of[start : start + length]
    return inputs[of[0] : of[-1] + 1], torch.from_numpy(of - of[0])
