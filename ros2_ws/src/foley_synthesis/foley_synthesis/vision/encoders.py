"""The vision encoders by name."""

from __future__ import annotations

from foley_synthesis.vision.protocol import VisionEncoder


def load_encoder(name: str, *, threads: int = 1) -> VisionEncoder:
    """The encoder that a checkpoint names.

    Raises:
        ValueError: no encoder has this name, or its weights are not there.
    """
    if name == "efficientnet-lite0":
        from foley_synthesis.vision.efficientnet import EfficientNetLite0

        return EfficientNetLite0(threads=threads)
    if name == "alexnet":
        from foley_synthesis.vision.alexnet import AlexNetFc7

        return AlexNetFc7(threads=threads)
    if name == "clip":
        from foley_synthesis.vision.clip import ClipEncoder

        return ClipEncoder(threads=threads)
    if name == "colour":
        from foley_synthesis.vision.coarse_colour import ColourEncoder

        return ColourEncoder()
    raise ValueError(
        f"vision encoder is `{name}`, known are `efficientnet-lite0`, `alexnet`, `clip`, `colour`"
    )
