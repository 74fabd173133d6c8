"""Where one frame stands in another for good, as a file and as the command that publishes it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from foley_perception.geometry.se3 import SE3

_AXES = {"rotation": "xyzw", "translation": "xyz"}


@dataclasses.dataclass(frozen=True, eq=False)
class StaticTransform:
    """A frame in its parent."""

    parent: str
    child: str
    pose: SE3

    @property
    def fields(self) -> dict[str, Any]:
        """Named numbers, for YAML and JSON."""
        return {
            "parent_frame": self.parent,
            "child_frame": self.child,
            "translation": dict(zip("xyz", self.pose.translation.tolist(), strict=True)),
            "rotation": dict(zip("xyzw", self.pose.quaternion.tolist(), strict=True)),
        }

    @staticmethod
    def read(path: Path) -> StaticTransform:
        """What :meth:`write` wrote.

        Raises:
            ValueError: the file cannot be read, or a field is missing or wrong.
        """
        try:
            fields = yaml.safe_load(path.read_text(encoding="utf-8"))
            turn, place = ([float(fields[k][axis]) for axis in axes] for k, axes in _AXES.items())
            return StaticTransform(
                str(fields["parent_frame"]), str(fields["child_frame"]), SE3(np.array(turn), np.array(place))
            )
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: not a static transform ({type(error).__name__}: {error}); it has parent_frame, child_frame, "
                "translation with x, y, z and rotation with x, y, z, w"
            ) from error

    def write(self, path: Path) -> None:
        """As YAML."""
        path.write_text(yaml.safe_dump(self.fields, sort_keys=False), encoding="utf-8")

    @property
    def command(self) -> str:
        """For a shell with ROS."""
        place = " ".join(f"--{k} {v:.6f}" for k, v in self.fields["translation"].items())
        turn = " ".join(f"--q{k} {v:.7f}" for k, v in self.fields["rotation"].items())
        return (
            f"ros2 run tf2_ros static_transform_publisher {place} {turn} "
            f"--frame-id {self.parent} --child-frame-id {self.child}"
        )
