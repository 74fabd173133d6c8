"""Packages of planners, which only those need who use them."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

CURE = "pip install -r requirements/planning.txt"


class PlannerMissingError(ImportError):
    """A planner's package is not installed; the text names the cure."""


def needed(module: str, cure: str = CURE) -> Any:
    """The module of a planner.

    Raises:
        PlannerMissingError: it is not installed.
    """
    try:
        found: ModuleType = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != module.split(".")[0]:
            raise
        raise PlannerMissingError(f"{module} is not installed: {cure}") from error
    return found
