"""Beliefs and predicates as markers for RViz: a sphere and a label at every object."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import Any

from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from foley_ros.convert import to_stamp

_RADIUS_M, _TEXT_M, _ABOVE_M = 0.02, 0.025, 0.05
_MOST_LINES = 4


def colour_of(label: str) -> tuple[float, float, float]:
    """RGB [0, 1] of a material, the same wherever it is drawn."""
    return colorsys.hsv_to_rgb(sum(label.encode()) * 0.381966 % 1.0, 0.65, 0.95)


def markers_of(view: Mapping[str, Any], frame_id: str, now_ns: int) -> MarkerArray:
    """Of a board's view. All earlier ones are taken away."""
    markers = [Marker(action=Marker.DELETEALL)]
    markers[0].header.frame_id = frame_id
    for number, entry in enumerate(view["objects"]):
        if any(v is None for v in entry["position"]):
            continue
        x, y, z = entry["position"]
        known = entry["top"] and not entry["abstain"]
        red, green, blue = colour_of(entry["top"][0][0]) if known else (0.6, 0.6, 0.6)
        true = [
            p["name"] for p in view["predicates"] if p["arguments"] == [entry["id"]] and p["state"] == "true"
        ]
        text = "\n".join([entry["id"], *true[:_MOST_LINES]])
        for kind, height, size, words in (
            (Marker.SPHERE, z, _RADIUS_M, ""),
            (Marker.TEXT_VIEW_FACING, z + _ABOVE_M, _TEXT_M, text),
        ):
            marker = Marker(
                ns="beliefs", id=2 * number + bool(words), type=kind, action=Marker.ADD, text=words
            )
            marker.header.frame_id, marker.header.stamp = frame_id, to_stamp(now_ns)
            marker.pose.position = Point(x=x, y=y, z=height)
            marker.pose.orientation.w = 1.0
            marker.scale = Vector3(x=size, y=size, z=size)
            marker.color = ColorRGBA(r=red, g=green, b=blue, a=0.9 if known else 0.5)
            markers.append(marker)
    return MarkerArray(markers=markers)
