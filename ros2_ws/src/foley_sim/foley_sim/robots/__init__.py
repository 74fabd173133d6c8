"""The robots that can act in a scene: one interface (base.py), one tool (tool.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foley_sim.robots.base import Robot
    from foley_sim.spec import SceneSpec


OTHER = "left_"
"""Prefix of all names of the other hand, where a scene has two."""


def robots_of(scene: SceneSpec) -> tuple[Robot, ...]:
    """The robots of the scene in the order of their joints: the one that acts, and the other hand if there is one.

    Raises:
        ValueError: a model is not installed.
    """
    from foley_sim.robots.gantry import Gantry

    others = (Gantry(scene.striker, OTHER),) if scene.hands == 2 else ()
    return (robot_of(scene), *others)


def robot_of(scene: SceneSpec) -> Robot:
    """The robot that the scene names, with the scene's striker.

    Raises:
        ValueError: its model is not installed.
    """
    if scene.robot == "ur5e":
        from foley_sim.robots.ur5e import Ur5e

        return Ur5e(scene.striker)
    from foley_sim.robots.gantry import Gantry

    return Gantry(scene.striker)
