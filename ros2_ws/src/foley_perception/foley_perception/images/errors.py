"""What is wrong with an image."""

from __future__ import annotations


class ImageError(ValueError):
    """An image does not hold what its fields claim, or is damaged; the message names field, value and cure."""
