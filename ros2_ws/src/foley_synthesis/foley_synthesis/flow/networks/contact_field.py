"""The vector field of a contact's sound: in which direction noise becomes the latent of a codec, frame by frame.

The latent is what a codec makes of a waveform at 31.25 Hz: content at unit level and, as its last channel, the slow
level (log units). It is conditioned on motion at 125 Hz, on the room's tone before the hand moved, on what lies under
the tip, on earlier sounds of the same surface and on views. Each condition may be left out of any item: a learned null
stands for it. Blocks are a convolution of each channel along time and a feed-forward across channels (ConvNeXt, Liu et
al. 2022), now and then a self-attention with rotary positions (Su et al. 2021), each scaled, shifted and gated by the
time of the flow from zero on (AdaLN-zero, Peebles and Xie 2023). Attention reaches equally far whatever the length, so
that a field trained on crops makes longer sounds.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from foley_synthesis.flow.networks.field_layers import (
    TIME_CHANNELS,
    FieldBlock,
    HitPool,
    rotations,
    waves,
    zeroed,
)
from foley_synthesis.flow.networks.motion_encoder import STRIDE, MotionConfig, MotionEncoder

CONDITIONS = ("motion", "floor", "what", "hits", "views")
VIEWS = CONDITIONS.index("views")
MAX_HITS = 5
HIT_FRAMES = 16  # of the latent: 0.512 s
HIT_LEAD = 4  # frames of a hit before its contact


@dataclasses.dataclass(frozen=True)
class ContactFieldConfig:
    """Its inputs and size.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    motion: MotionConfig
    what: int  # numbers that say what lies under the tip
    views: int = 0  # numbers of all views at one moment; 0: no views
    content: int = 32  # channels of the latent; one more is the level
    floor: int = 80  # mel bins
    width: int = 256
    depth: int = 6
    heads: int = 4
    attention: tuple[int, ...] = (2, 5)  # blocks that end in one
    reach: int = 64  # frames that attention looks back and ahead
    kernel: int = 9
    expansion: int = 4

    def __post_init__(self) -> None:
        if isinstance(self.motion, dict):
            object.__setattr__(self, "motion", MotionConfig(**self.motion))
        object.__setattr__(self, "attention", tuple(int(index) for index in self.attention))
        for name in ("what", "content", "floor", "width", "depth", "heads", "reach", "kernel", "expansion"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.views < 0:
            raise ValueError(f"views is {self.views}, must not be negative")
        if self.width % (2 * self.heads):
            raise ValueError(f"width is {self.width}, must be a multiple of twice heads ({self.heads})")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}, must be odd")
        if not set(self.attention) <= set(range(self.depth)):
            raise ValueError(f"attention is {self.attention}, must lie in [0, {self.depth})")

    @property
    def latent(self) -> int:
        """Channels: content, then level."""
        return self.content + 1


def paper(motion: MotionConfig, what: int, views: int = 0, content: int = 32) -> ContactFieldConfig:
    """As large as the network of Hearing Hands, about 160 million parameters."""
    return ContactFieldConfig(
        motion, what, views, content, width=1024, depth=12, heads=16, attention=tuple(range(12))
    )


def small(motion: MotionConfig, what: int, views: int = 0, content: int = 32) -> ContactFieldConfig:
    """What two cores train in two hours."""
    return ContactFieldConfig(motion, what, views, content)


def tiny(motion: MotionConfig, what: int, views: int = 0, content: int = 32) -> ContactFieldConfig:
    """For first steps: learns in seconds, and not much."""
    motion = dataclasses.replace(motion, output=16, width=16)
    return ContactFieldConfig(motion, what, views, content, width=32, depth=2, heads=2, attention=(1,))


SIZES = {"paper": paper, "small": small, "tiny": tiny}


@dataclasses.dataclass(frozen=True, eq=False)
class Hits:
    """Earlier true contacts, each with its sound and motion from 0.128 s before it on."""

    latent: Tensor  # [b, k, latent, 16] as the codec gives it
    motion: Tensor  # [b, k, 64, channels]
    use: Tensor  # [b, n, k] bool: of the surface that this frame is about

    def to(self, device: torch.device) -> Hits:
        """The same on a device."""
        return Hits(self.latent.to(device), self.motion.to(device), self.use.to(device))


@dataclasses.dataclass(frozen=True, eq=False)
class ContactCondition:
    """What is known of stretches of n frames of the latent; None: of none of them."""

    motion: Tensor  # [b, 4 n, channels] at 125 Hz, NaN where not known
    executed: Tensor  # [b] bool: the motion as it was measured, else as it is planned
    floor: Tensor | None = None  # [b, floor] of the room before anything moves [dB]
    what: Tensor | None = None  # [b, n, what], NaN where not known
    hits: Hits | None = None
    views: Tensor | None = None  # [b, m, views] at moments evenly over the stretch, NaN where nothing is seen

    @property
    def frames(self) -> int:
        """n."""
        return self.motion.shape[1] // STRIDE

    def to(self, device: torch.device) -> ContactCondition:
        """The same on a device."""
        return ContactCondition(
            self.motion.to(device),
            self.executed.to(device),
            None if self.floor is None else self.floor.to(device),
            None if self.what is None else self.what.to(device),
            None if self.hits is None else self.hits.to(device),
            None if self.views is None else self.views.to(device),
        )


class ContactField(nn.Module):
    """v(x, t | condition) of the latent at unit variance, see :meth:`normalise`."""

    latent_mean: Tensor
    latent_std: Tensor
    channel_weights: Tensor  # [latent] of each channel's error; they add up to 1
    floor_mean: Tensor
    floor_std: Tensor
    views_mean: Tensor
    views_std: Tensor

    def __init__(self, config: ContactFieldConfig) -> None:
        super().__init__()
        self.config = config
        inner = config.motion.output
        for name, dims in (("latent", config.latent), ("floor", config.floor), ("views", config.views)):
            self.register_buffer(f"{name}_mean", torch.zeros(dims))
            self.register_buffer(f"{name}_std", torch.ones(dims))
        self.register_buffer("channel_weights", torch.full((config.latent,), 1.0 / config.latent))
        self.motion = MotionEncoder(config.motion)
        self._floor = nn.Linear(config.floor, inner)
        self._what = nn.Linear(config.what, inner)
        self._hits = HitPool(config.latent, inner, HIT_FRAMES)
        if config.views:
            self._views = nn.Sequential(
                nn.Linear(config.views, inner), nn.GELU(), zeroed(nn.Linear(inner, inner))
            )
        self._mode = nn.Embedding(2, inner)
        self._null = nn.Parameter(
            0.02 * torch.randn(len(CONDITIONS) - 1, inner)
        )  # views: their residual is 0
        self._known = nn.LayerNorm(inner)
        self._inwards = nn.Linear(config.latent + inner, config.width)
        self._time = nn.Sequential(
            nn.Linear(TIME_CHANNELS, TIME_CHANNELS),
            nn.SiLU(),
            nn.Linear(TIME_CHANNELS, TIME_CHANNELS),
            nn.SiLU(),
        )
        self._blocks = nn.ModuleList(
            FieldBlock(
                config.width,
                inner,
                config.kernel,
                config.expansion,
                (config.heads, config.reach) if index in config.attention else None,
            )
            for index in range(config.depth)
        )
        self._last = zeroed(nn.Linear(TIME_CHANNELS, 2 * config.width))
        self._norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self._outwards = zeroed(nn.Linear(config.width, config.latent))

    def set_statistics(self, latent: Tensor, floor: Tensor, motion: Tensor, views: Tensor | None) -> None:
        """Mean and spread of training data, channels last, so that the network sees unit size; NaN is left out."""
        self.motion.set_statistics(motion)
        for name, values in (("latent", latent), ("floor", floor), ("views", views)):
            self._set_scale(name, values)

    def _set_scale(self, name: str, values: Tensor | None) -> None:
        if values is None or not values.numel():
            return
        flat = values.reshape(-1, values.shape[-1]).double()
        flat = flat[flat.isfinite().all(-1)]
        if len(flat) > 1:
            self.get_buffer(f"{name}_mean").copy_(flat.mean(0))
            self.get_buffer(f"{name}_std").copy_(flat.std(0).clamp(min=1e-3))

    def seeing(self, views: Tensor) -> ContactField:
        """The same field with views as a further input, which says nothing until it is trained.

        Args:
            views: [..., dims] of training, for their scale.

        Raises:
            ValueError: it sees already.
        """
        if self.config.views:
            raise ValueError("the field has views already")
        made = ContactField(dataclasses.replace(self.config, views=views.shape[-1]))
        state = made.state_dict() | {
            name: value for name, value in self.state_dict().items() if not name.startswith("views_")
        }
        made.load_state_dict(state)
        made._set_scale("views", views)
        return made

    def taking(self, without: tuple[str, ...], rate_hz: float) -> ContactField:
        """The same field, which takes more or less of a motion, see `motion_taken.taken`."""
        motion = dataclasses.replace(self.config.motion, without=without, rate_hz=rate_hz)
        made = ContactField(dataclasses.replace(self.config, motion=motion))
        made.load_state_dict(self.state_dict())
        return made

    def normalise(self, latent: Tensor) -> Tensor:
        """[..., latent, n] of the codec to unit variance."""
        return (latent - self.latent_mean[:, None]) / self.latent_std[:, None]

    def restore(self, latent: Tensor) -> Tensor:
        """The inverse of :meth:`normalise`."""
        return latent * self.latent_std[:, None] + self.latent_mean[:, None]

    def condition(
        self, known: ContactCondition, given: Tensor | None = None, groups: Tensor | None = None
    ) -> Tensor:
        """What stands beside the noise [b, n, c].

        Args:
            given: [b, 5], 0 where one of :data:`CONDITIONS` is to be left out.
            groups: [b, groups of motion], 0 where one is to be left out; drawn anew in training where None.
        """
        batch, frames = len(known.motion), known.frames
        given = torch.ones(batch, len(CONDITIONS)) if given is None else given
        given = given.to(device=known.motion.device, dtype=torch.bool)
        moved = self.motion(known.motion, groups)
        moved = torch.where(
            given[:, 0, None, None], moved + self._mode(known.executed.long())[:, None], self._null[0]
        )
        parts = [moved]
        floor = None if known.floor is None else self._floor((known.floor - self.floor_mean) / self.floor_std)
        parts.append(self._or_null(None if floor is None else floor[:, None], given[:, 1, None], 1))
        what, present = None, given[:, 2, None]
        if known.what is not None:
            finite = known.what.isfinite().all(-1)
            what, present = self._what(torch.where(finite[..., None], known.what, 0.0)), finite & present
        parts.append(self._or_null(what, present, 2))
        pooled, present = None, given[:, 3, None]
        if known.hits is not None:
            hits = known.hits
            sounds = self.normalise(hits.latent)
            motions = self.motion(
                hits.motion.flatten(0, 1),
                None if groups is None else groups.repeat_interleave(hits.motion.shape[1], 0),
            )
            present = hits.use.any(-1) & present
            pooled = self._hits(moved, sounds, motions.unflatten(0, hits.motion.shape[:2]), hits.use)
        parts.append(self._or_null(pooled, present, 3))
        total = sum((part.expand(batch, frames, -1) for part in parts[1:]), parts[0])
        if known.views is not None and self.config.views:
            finite = known.views.isfinite().all(-1, keepdim=True)
            seen = torch.where(finite, (known.views - self.views_mean) / self.views_std, 0.0)
            seen = torch.where(finite & given[:, VIEWS, None, None], self._views(seen), 0.0)
            total = total + seen[:, nearest(frames, seen.shape[1])]
        result: Tensor = self._known(total)
        return result

    def _or_null(self, value: Tensor | None, present: Tensor, index: int) -> Tensor:
        """A condition [b, n or 1, c], or its null where it is not present [b, n or 1]."""
        null = self._null[index].expand(len(present), 1, -1)
        return null if value is None else torch.where(present[..., None], value, null)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """The field [b, latent, n] at x [b, latent, n] and times t [b] in [0, 1]; condition of :meth:`condition`.

        The network tells only by how much it differs from the best field for data that are noise themselves (as in
        Karras et al. 2022, section 5): channels of which nothing can be told cost it nothing.
        """
        time = self._time(waves(1000.0 * t, TIME_CHANNELS))
        hidden = self._inwards(torch.cat([x.transpose(1, 2), condition.to(x.dtype)], dim=-1))
        turns = rotations(x.shape[2], self.config.width // self.config.heads, x.device)
        for block in self._blocks:
            hidden = block(hidden, time, condition, turns)
        scale, shift = self._last(time)[:, None].float().chunk(2, dim=-1)
        told: Tensor = self._outwards(self._norm(hidden.float()) * (1.0 + scale) + shift)
        t = t.float()[:, None, None]
        variance = t.square() + (1.0 - t).square()  # of x, were the data noise
        field: Tensor = (2.0 * t - 1.0) / variance * x + told.float().transpose(1, 2) * variance.rsqrt()
        return field


def nearest(frames: int, moments: int) -> Tensor:
    """Which of so many moments of the same stretch is nearest to each frame [frames]."""
    return ((torch.arange(frames, dtype=torch.float64) + 0.5) * (moments / frames)).floor().long()
