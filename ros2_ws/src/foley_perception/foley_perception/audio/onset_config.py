"""How the onset detector is set."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class BankConfig:
    """Bands that rise together. Levels in dB."""

    window_s: float
    bands: int
    low_hz: float
    high_hz: float
    lag_hops: int  # levels are compared with the loudest of this many hops, just before the window fills
    flux_db: float  # mean rise over the bands that is needed at least
    min_bands: int  # bands that must stand above the noise floor
    above_floor_db: float  # by this much

    def __post_init__(self) -> None:
        if not 0 < self.low_hz < self.high_hz:
            raise ValueError(f"low_hz is {self.low_hz}, must lie between 0 and high_hz ({self.high_hz})")
        if not 1 <= self.min_bands <= self.bands:
            raise ValueError(f"min_bands is {self.min_bands}, must lie in 1..bands ({self.bands})")


# Below 250 Hz motors and handling are louder than most contacts.
CLICKS = BankConfig(0.010, 16, 250.0, 16_000.0, 4, 2.5, 3, 6.0)
THUMPS = BankConfig(0.020, 4, 40.0, 640.0, 4, 6.0, 2, 8.0)


@dataclasses.dataclass(frozen=True)
class OnsetConfig:
    """Of the onset detector. Times in seconds, levels in dB."""

    sample_rate: int = 48_000
    hop_s: float = 0.005
    clicks: BankConfig = CLICKS
    thumps: BankConfig = THUMPS
    flux_ratio: float = 6.0  # an onset rises this many times the usual rise
    min_interval_s: float = 0.08  # between two onsets
    floor_rise_db_s: float = 6.0  # how fast the noise floor follows upwards
    silence_dbfs: float = -100.0  # band levels below it are digital silence

    def __post_init__(self) -> None:
        for name in ("sample_rate", "hop_s", "flux_ratio", "min_interval_s", "floor_rise_db_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        if self.sample_rate < 4000:
            raise ValueError(f"sample_rate is {self.sample_rate} Hz, contacts need at least 4000 Hz")

    @property
    def hop(self) -> int:
        """Samples from one spectrum to the next."""
        return max(round(self.hop_s * self.sample_rate), 1)
