"""Our forward kinematics against an independent library (yourdfpy) on robots that other people described.

    pip install --no-deps --target out/others yourdfpy==0.0.60 trimesh networkx lxml six example-robot-data==6.0.0
    PYTHONPATH=$PYTHONPATH:out/others python -m benchmarks.forward_kinematics --robots out/others

Every link that ends a chain which moves is placed by both, in random configurations within the joints' limits: half of
them seen from the root, half from another link. We are told joints in a random order, and of joints that mimic each
other the one that leads. Largest differences per robot in metres and radians, and which robots are refused, and why.
Writes out/bench_forward_kinematics/metrics.json.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_perception.action.kinematics import ForwardKinematics, KinematicsError
from foley_perception.geometry.se3 import SE3

_MOVES = ("revolute", "prismatic", "continuous")


def compare(path: Path, configurations: int, seed: int = 0) -> dict[str, Any]:
    """Figures of one robot; ``refused`` says why one cannot be placed by us, or by the other library."""
    from yourdfpy import URDF

    rng = np.random.default_rng(seed)
    try:
        other = URDF.load(
            str(path), build_scene_graph=True, load_meshes=False, build_collision_scene_graph=False
        )
    except Exception as error:  # noqa: BLE001 - whatever another library raises
        return {"refused": f"by the other library: {type(error).__name__}: {error}"[:300]}
    text, joints = path.read_text(encoding="utf-8", errors="replace"), other.joint_map
    above = {joint.child: joint for joint in joints.values()}
    parents = {joint.parent for joint in joints.values()}

    def chain(link: str) -> list[Any]:
        found = []
        while link in above:
            found.append(above[link])
            link = above[link].parent
        return found

    moving = {name: joint for name, joint in joints.items() if joint.type in _MOVES}
    ends = [
        link for link in other.link_map if link not in parents and any(j.type in _MOVES for j in chain(link))
    ]
    figures: dict[str, Any] = {
        "links": len(other.link_map),
        "joints": len(moving),
        "mimic": sum(joint.mimic is not None for joint in moving.values()),
        "ends": len(ends),
    }
    leads = [name for name, joint in moving.items() if joint.mimic is None]
    # One that mimics a joint which is not there moves by itself with us, and rests at its offset with them.
    lost = {n: j.mimic for n, j in moving.items() if j.mimic and j.mimic.joint not in joints}
    still = {name: mimic.offset or 0.0 for name, mimic in lost.items()}
    if not leads:
        return figures | {"refused": "it has no joints that move"}
    positions = np.stack([_within(moving[name], rng, configurations) for name in leads], axis=1)
    theirs = []
    for row in positions:
        other.update_cfg(dict(zip(leads, row, strict=True)))
        theirs.append({link: SE3.from_matrix(_transform(other, link)) for link in other.link_map})
    metres = radians = 0.0
    for end in ends:
        seen_from = ["", str(rng.choice([link for link in other.link_map if link != end]))]
        for half, base in enumerate(seen_from):
            try:
                ours = ForwardKinematics(text, end, base)
            except KinematicsError as error:
                if not base:
                    return figures | {"refused": str(error)}
                figures["bases_refused"] = figures.get("bases_refused", 0) + 1
                continue
            order = rng.permutation(len(leads))
            rows = range(half, configurations, 2)
            found = ours.poses([leads[i] for i in order], positions[list(rows)][:, order], others=still)
            for pose, row in zip(found, rows, strict=True):
                true = theirs[row][ours.base_link].inverse() @ theirs[row][end]
                far, turned = true.distance_to(pose)
                metres, radians = max(metres, float(far)), max(radians, float(turned))
    return figures | {"largest_m": metres, "largest_rad": radians}


def _within(joint: Any, rng: np.random.Generator, count: int) -> np.ndarray:
    limit = joint.limit
    low, high = (
        (limit.lower, limit.upper) if limit is not None and joint.type != "continuous" else (None, None)
    )
    low, high = (-np.pi, np.pi) if low is None or high is None or not low < high else (low, high)
    return rng.uniform(max(low, -2 * np.pi), min(high, 2 * np.pi), count)


def _transform(robot: Any, link: str) -> np.ndarray:
    return np.asarray(robot.get_transform(link, robot.base_link))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("forward_kinematics", __doc__)
    options.add_argument("--robots", type=Path, help="folder with URDFs in it, at whatever depth")
    options.add_argument("--only", default="", help="of those, the ones that have this in their path")
    options.add_argument("--configurations", type=int, default=50, help="per link (default: %(default)s)")
    args = options.parse_args(arguments)
    if args.robots is None:
        options.error("--robots is needed: the folder of the URDFs")
    logging.disable(logging.WARNING)  # of meshes that are not loaded
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(args.robots.rglob("*.urdf")):
        if args.only in str(path):
            name = str(path.relative_to(args.robots))
            name = name if len(path.parts) < 4 else "/".join((path.parts[-3], path.name))
            found[name] = figures = compare(path, args.configurations)
            told = figures.get("refused") or f"{figures['largest_m']:.2g} m {figures['largest_rad']:.2g} rad"
            print(f"{name:60} {figures.get('ends', 0):3} ends  {told}", flush=True)
    agreed = [figures for figures in found.values() if "refused" not in figures]
    summary = {
        "robots": len(found),
        "compared": len(agreed),
        "links_compared": sum(figures["ends"] for figures in agreed),
        "with_mimic": sum(figures["mimic"] > 0 for figures in agreed),
        "largest_m": max((figures["largest_m"] for figures in agreed), default=None),
        "largest_rad": max((figures["largest_rad"] for figures in agreed), default=None),
    }
    print(summary)
    write_metrics(args.out, summary | {"configurations": args.configurations, "by_robot": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
