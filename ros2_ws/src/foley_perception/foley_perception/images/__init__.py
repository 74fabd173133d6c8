"""Images as cameras and image_transport send them, decoded to one form. The same offline and live."""

from foley_perception.images.compressed import compressed_depth, compressed_rgb, compressed_size
from foley_perception.images.depth import DepthScale
from foley_perception.images.errors import ImageError
from foley_perception.images.raw import RawImage, depth_values, rgb_of

__all__ = [
    "DepthScale",
    "ImageError",
    "RawImage",
    "compressed_depth",
    "compressed_rgb",
    "compressed_size",
    "depth_values",
    "rgb_of",
]
