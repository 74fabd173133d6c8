"""The version of Foley's bags: what a later release must know of an earlier one's.

======= =====================================================================================================
version what is in such a bag
======= =====================================================================================================
0       no `bag_version` in the session's metadata: of `ros2 bag`, of a simulator, or recorded before there was one. Its
        definitions say what is in it
1       definitions of release 0.1.0: `Predicate` tells its evidence and calibration, `Surprise` its kind and p value
======= =====================================================================================================

A change that an older reader would misread, or after which an older bag lacks a field, is a new version, with a row
here, rules in :mod:`foley_perception.recording.migrate` and golden bags of its own (tests/golden). Fields are added at
a message's end, never removed, and never mean something else than they did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foley_perception.recording.errors import BagError

BAG_VERSION = 1
VERSION_KEY = "bag_version"  # of the session's metadata


def version_of(session: Mapping[str, Any]) -> int:
    """The version of a bag by its session's metadata; 0 where they name none.

    Raises:
        BagError: they name something else than a version.
    """
    value = session.get(VERSION_KEY, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BagError(f"session metadata: {VERSION_KEY} is `{value}`, must be a whole number; correct it")
    return value


def version_problems(session: Mapping[str, Any]) -> list[str]:
    """What is to be said of a bag that is read: that it is of a later version, or of none that there can be."""
    try:
        version = version_of(session)
    except BagError as error:
        return [str(error)]
    return [f"{newer(version, session)}; what is new in it is not read"] if version > BAG_VERSION else []


def newer(version: int, session: Mapping[str, Any]) -> str:
    """A sentence about a bag of a later version."""
    release = session.get("foley_version", "")
    by = f", recorded by Foley {release}" if release else ""
    return f"the bag is of version {version}{by}, this release knows up to {BAG_VERSION}: use a newer Foley"
