"""Write the layout for Foxglove, foley_bringup/foxglove/foley.json; `--check` only compares.

    python scripts/write_foxglove_layout.py [--namespace left_arm --out left_arm.json]

The layout is made of the classes of `foxglove.layouts` (the package foxglove-sdk), which are Foxglove's own schema, and
of the names in the registry of topics. In Foxglove: Layouts, Import from file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ros2_ws/src/foley_msgs"))  # also where no workspace is built

from foley_common import topics  # noqa: E402

LAYOUT = ROOT / "ros2_ws/src/foley_bringup/foxglove/foley.json"


def layout(namespace: str = "") -> dict[str, Any]:
    """The layout of a robot whose topics lie under a namespace."""
    import foxglove.layouts as fl

    def at(topic: topics.Topic, field: str = "") -> str:
        name = topic.name if topic.absolute else f"/{namespace.strip('/')}/{topic.name}".replace("//", "/")
        return name + field

    def plot(title: str, unit: str, *series: tuple[str, str]) -> Any:
        paths = [
            fl.PlotSeries(value=value, label=label, timestamp_method="headerStamp") for value, label in series
        ]
        return fl.PlotPanel(
            title=title,
            config=fl.PlotConfig(paths=paths, y_axis_label=unit, show_legend=True, is_synced=True),
        )

    def items(direction: str, *parts: tuple[float, Any]) -> Any:
        made = [fl.SplitItem(proportion=share, content=content) for share, content in parts]
        return fl.SplitContainer(direction=direction, items=made)  # type: ignore[arg-type]

    scene = fl.ThreeDeePanel(
        title="Robot",
        config=fl.ThreeDeeConfig(
            topics={
                at(topics.ROBOT_DESCRIPTION): fl.BaseRendererUrdfTopicSettings(visible=True),
                at(topics.EE_POSE): fl.BaseRendererPoseTopicSettings(
                    visible=True, type="axis", axis_scale=0.1
                ),
                at(topics.MARKERS): fl.BaseRendererRosMarkerTopicSettings(visible=True),
            }
        ),
    )
    camera = fl.ImagePanel(
        title="Camera",
        config=fl.ImageConfig(
            image_mode=fl.ImageModeConfig(
                image_topic=at(topics.CAMERA), calibration_topic=at(topics.CAMERA_INFO)
            )
        ),
    )
    predicates = fl.TablePanel(
        title="Predicates", config=fl.TableConfig(topic_path=at(topics.PREDICATES, ".predicates"))
    )
    beliefs = fl.RawMessagesPanel(
        title="Belief", config=fl.RawMessagesConfig(topic_path=at(topics.MATERIAL_ESTIMATES))
    )
    heard = plot(
        "Contacts", "dBFS",
        (at(topics.CONTACTS, ".level"), "level of contacts"),
    )  # fmt: skip
    expected = plot(
        "Surprise", "percentile",
        (at(topics.SURPRISE, ".percentile"), "predicted against heard"),
        (at(topics.MATERIAL_ESTIMATES, ".entropy"), "entropy of beliefs [nat]"),
    )  # fmt: skip
    force = plot("Force", "N", *((at(topics.WRENCH, f".wrench.force.{axis}"), axis) for axis in "xyz"))
    lead = plot(
        "Predictions", "s",
        (at(topics.PREDICTED_AUDIO, ".lead_time"), "lead time"),
        (at(topics.PREDICTED_AUDIO, ".latency"), "latency"),
    )  # fmt: skip
    health = fl.DiagnosticsSummaryPanel(
        title="Nodes",
        config=fl.DiagnosticsSummaryConfig(topic_to_render=topics.DIAGNOSTICS.name, sort_by_level=True),
    )
    whole = items(
        "row",
        (0.3, items("column", (0.5, camera), (0.5, scene))),
        (0.4, items("column", (0.25, heard), (0.25, expected), (0.25, lead), (0.25, force))),
        (0.3, items("column", (0.5, predicates), (0.25, beliefs), (0.25, health))),
    )
    made: dict[str, Any] = json.loads(fl.Layout(content=whole).to_json())
    return made


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--namespace", default="", metavar="NS", help="of the robot's topics")
    parser.add_argument(
        "--out", type=Path, default=LAYOUT, metavar="FILE", help="default: the one that ships"
    )
    args = parser.parse_args()
    text = json.dumps(layout(args.namespace), indent=1) + "\n"
    if args.check:
        if not args.out.is_file() or args.out.read_text() != text:
            sys.stderr.write(f"{args.out} is not what `python scripts/write_foxglove_layout.py` writes\n")
            return 1
        return 0
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
