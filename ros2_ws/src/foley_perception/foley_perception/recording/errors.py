"""What can go wrong with a bag; every message names the path, what is wrong and the cure."""

from __future__ import annotations


class BagError(ValueError):
    """A bag cannot be read, written or recovered."""


class NotWritableError(BagError):
    """The folder for bags cannot be written."""


class NoSpaceError(BagError):
    """The disk is full, or fuller than the configured reserve allows."""


class DurationError(BagError):
    """The longest duration of a recording is missing or too long."""


class MissingTopicError(BagError):
    """A required topic is not there."""
