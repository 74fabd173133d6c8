"""What the networks say of contacts, without torch: tensors in training, NumPy's arrays where a model is used."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import NDArray

LAG_STEP_S = 0.005
LAG_REACH_S = 0.2
LAGS = 2 * round(LAG_REACH_S / LAG_STEP_S)
LEVEL_CENTRE_DB, LEVEL_SCALE_DB = -45.0, 15.0  # usual loudness of a contact, and how far others lie from it
# Rough size of each action column: position [m], velocity [m/s], width [m], log(1 + force [N]).
ACTION_SCALE = (0.05, 0.05, 0.05, 0.3, 0.3, 0.3, 0.05, 1.0)
ACTION_LIMIT = 6.0  # of an action that models see


class OnsetOutput(NamedTuple):
    """One row per contact."""

    lag: Any  # [n, LAGS] logits of the lags
    present: Any  # [n] logit of whether an onset is heard
    level_db: Any  # [n] loudest frame around the contact


class VisOutput(NamedTuple):
    """One row per contact."""

    features: Any  # [n, t, components]
    states: Any  # [n, t, hidden]
    still: Any  # [n, still_units], what is kept of phi(I_1)
    onset: OnsetOutput | None = None  # where sound is decoded relative to it; `features` then have unit level


def as_array(values: Any) -> NDArray[Any]:
    """Of a tensor or an array."""
    return np.asarray(values.detach().numpy() if hasattr(values, "detach") else values)


def median_lag_s(output: OnsetOutput) -> NDArray[np.float64]:
    """The lag [n] with as much probability before as after it, within its step by proportion."""
    shares = scipy.special.softmax(as_array(output.lag).astype(np.float64), axis=1)
    below = shares.cumsum(axis=1)
    step = (below < 0.5).sum(axis=1, keepdims=True).clip(max=LAGS - 1)
    share = np.take_along_axis(shares, step, axis=1)
    inside = (0.5 - np.take_along_axis(below, step, axis=1) + share) / share.clip(min=1e-12)
    return np.asarray((step + inside)[:, 0] * LAG_STEP_S - LAG_REACH_S)
