"""What a recording must keep to so that it counts as good: the section `quality` of a robot's file.

::

    quality:
      max_lost_share: 0.01      # of a topic's messages
      min_contacts: 3
      max_drift_ppm: null       # not judged

What is left out is as by default. `foley bag report` measures the figures and tells each that lies outside.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from foley_common.robot_fields import At, FieldReader


@dataclasses.dataclass(frozen=True)
class QualityLimits:
    """Limits of one recording's figures; NaN: not judged. Levels are dB relative to full scale, shares in [0, 1]."""

    min_duration_s: float = 1.0
    max_lost_share: float = 0.001  # of the messages of the topic that lost most
    max_gap_s: float = 0.5  # the longest of a topic that clips need
    max_skew_s: float = 0.25  # arrival minus stamp, 99th percentile, of a sensor
    max_drift_ppm: float = 200.0  # of a microphone's clock against the stamps
    max_clipped_share: float = 0.0001  # of the samples of the channel that is heard
    max_noise_floor_dbfs: float = -40.0
    min_peak_dbfs: float = -40.0  # the loudest sample: below it the gain is too low
    max_silent_share: float = 0.05  # of the time in which the samples do not change at all
    max_blur: float = 0.75  # median of the pictures; 0 sharp, 1 blurred
    max_black_share: float = 0.6  # of the pixels, mean over the pictures
    max_saturated_share: float = 0.2
    max_bad_picture_share: float = 0.01  # of the pictures looked at that cannot be decoded
    min_contacts: float = 1.0
    min_contact_margin_db: float = 10.0  # median peak of the contacts that are heard, over the noise floor
    min_label_coverage: float = math.nan  # share of contacts of which somebody said material or action
    max_errors: float = 0.0  # findings of the audit (docs/recording.md)
    max_problems: float = math.nan

    def told(self) -> dict[str, float | None]:
        """What differs from the defaults, as a robot's file has it."""
        found: dict[str, float | None] = {}
        for field in dataclasses.fields(self):
            value, usual = getattr(self, field.name), field.default
            unset = math.isnan(value)
            if not (unset and math.isnan(float(usual))) and value != usual:  # type: ignore[arg-type]
                found[field.name] = None if unset else value
        return found

    def judged(self) -> dict[str, float]:
        """Limits by name, without those that are not judged."""
        found = dataclasses.asdict(self)
        return {name: value for name, value in found.items() if not math.isnan(value)}


USUAL_LIMITS = QualityLimits()
NAMES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(QualityLimits))


def read_quality(reader: FieldReader, value: Any, at: At) -> QualityLimits:
    """The section of a file.

    Raises:
        RobotFileError: a name that is not known (with those that are written alike), or a value out of its range.
    """
    entry = reader.mapping(value, at, known=NAMES)
    found = {}
    for name, number in entry.items():
        here = (*at, name)
        found[name] = math.nan if number is None else _in_range(reader, reader.number(number, here), here)
    return QualityLimits(**found)


def _in_range(reader: FieldReader, number: float, at: At) -> float:
    name = at[-1]
    if name.endswith("_dbfs"):
        low, high, what = -200.0, 20.0, "dB relative to full scale, which is 0"
    elif name.endswith(("_share", "_coverage", "_blur")):
        low, high, what = 0.0, 1.0, "a share, 1 % is 0.01"
    else:
        low, high, what = 0.0, math.inf, "must not be negative"
    if not low <= number <= high:
        span = f"must lie in [{low:g}, {high:g}]: " if math.isfinite(high) else ""
        raise reader.error(at, f"is {number:g}; {span}{what}; `null` leaves it unjudged")
    return number
