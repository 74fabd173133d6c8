"""Shape of the model, as plain data that is stored in a checkpoint."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from foley_synthesis.hearing.config import HearingConfig

DECODINGS = ("clip", "onset")
EXPONENT = 0.3  # of the cochleagram
MATCH_LIMIT_DB = 20.0 * math.log10(4.0)  # by which the level of a real sound may be changed to match


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network. Rates and lengths follow the clip: 1 s, 90 sound frames, 30 camera frames."""

    encoder: str = "efficientnet-lite0"
    encoder_dims: int = 1280
    still_views: int = 2  # of I_1 that are encoded: its middle half and its middle quarter, enlarged
    frame_stride: int = 3  # every n-th camera frame is encoded and held for 3 n sound frames (k of Eq. 2)
    sound_frames: int = 90  # per clip
    channels: int = 42  # of the cochleagram
    components: int = 10  # of its PCA
    action_dims: int = 8
    materials: int = 6
    still_units: int = 64  # what is kept of phi(I_1)
    frame_units: int = 32  # what is kept of phi(F_t)
    hidden: int = 128  # LSTM
    head_units: int = 96
    heard_units: int = 128
    dropout: float = 0.5
    heard_before: int = 5  # sound frames before the onset that the heard model sees
    heard_after: int = 54  # and after it (0.6 s)
    decoding: str = (
        "clip"  # sound on the plan's grid, as in the paper; `onset`: relative to a predicted onset
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{field.name} is {value}, must be a whole number of at least 1")
        if self.decoding not in DECODINGS:
            raise ValueError(f"decoding is `{self.decoding}`, known are {', '.join(DECODINGS)}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout}, must be in [0, 1)")
        if self.sound_frames % (3 * self.frame_stride):
            raise ValueError(f"frame_stride is {self.frame_stride}, must divide {self.sound_frames // 3}")

    @property
    def still_dims(self) -> int:
        """Length of phi(I_1), all views together."""
        return self.still_views * self.encoder_dims

    @property
    def encoded_frames(self) -> int:
        """Spacetime images per clip that go through the encoder."""
        return self.sound_frames // (3 * self.frame_stride)

    @property
    def replication(self) -> int:
        """k: sound frames per encoded image."""
        return 3 * self.frame_stride

    @property
    def hearing(self) -> HearingConfig:
        """Shape of the heard model."""
        return HearingConfig.of(dataclasses.asdict(self))

    def to_dict(self) -> dict[str, Any]:
        """For config.yaml."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Raises ValueError naming a field that is unknown."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"model config has unknown fields {unknown}")
        return cls(**values)
