"""The geometry of a view of an interaction, whether it is rendered from Gaussians or by the simulator's camera."""

from __future__ import annotations

VIEW_SIZE = 224  # [pixel] of every view, square
LOCAL_HALF_M = 0.06  # a local view shows so much to each side of the hand [m]
