"""What a live contact flow knows beside motion and room: it looks at what a plan touches and remembers touches.

Raises nothing where something is missing: the flow is then told less, as it was for a share of its training, and `note`
says so.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.gripper import GripperHand
from foley_perception.gaussians.views.cameras import ViewRenderer
from foley_perception.gaussians.views.picture_views import PictureViews
from foley_perception.geometry.height_map import HeightMap
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.ways import takes_views
from foley_synthesis.flow.inference.contact_channels import measured_channels
from foley_synthesis.flow.inference.scene import Scene
from foley_synthesis.flow.inference.seen_surface import (
    THINGS_MARGIN_M,
    SeenDepth,
    surface_in_scene,
    surface_of_points,
)
from foley_synthesis.flow.inference.surroundings import (
    FRAME_NS,
    REMEMBERED_S,
    EarlierTouches,
    Part,
    Surroundings,
    Touch,
    look_around,
    told_around,
    touch_latent,
    touch_start_ns,
)
from foley_synthesis.flow.networks.contact_field import HIT_FRAMES, ContactCondition
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.flow.sight.inference import LocalView, Sight, local_views
from foley_synthesis.flow.sight.things import Things
from foley_synthesis.sound_model import Background, ContactQuery, HeardTouch, Input, PlannedTool

Array = NDArray[np.float64]

_BLIND = "there is no sight that this flow was trained with: it is told the plan alone"
_UNPICTURED = "no picture of the place ({why}): the flow is told the plan alone"
_UNSHOWN = "the camera does not show all that is touched: of that the flow is told the plan alone"
_LEAST_SHOWN = 0.6  # share of a local view that lies within the camera's picture
_PLANS = 16  # of which what was seen is kept


class KnownSurroundings:
    """Use it from one thread.

    Args:
        model: which is told.
        hand, sight, scene, seed: see `ContactFlowSoundModel`.
    """

    def __init__(
        self,
        model: ContactFlowModel,
        hand: GripperHand,
        *,
        sight: Sight | None = None,
        scene: Scene | None = None,
        seed: int = 1,
    ) -> None:
        self._model, self._hand, self._sight, self._scene = model, hand, sight, scene
        self._seed = seed
        self._views = sight is not None and takes_views(model, sight)
        looks = {Input.CAMERA} if scene is not None else {Input.CAMERA, Input.PICTURE}
        self.wants: frozenset[Input] = frozenset(looks if sight is not None else ())
        self._touches = EarlierTouches()
        self._around: collections.OrderedDict[tuple[str, int], Surroundings] = collections.OrderedDict()
        self._looked = ""

    @property
    def note(self) -> str:
        """What was not seen of the last motion."""
        return self._looked if self._sight is not None or not self._model.field.config.views else _BLIND

    @property
    def remembers_s(self) -> tuple[float, float] | None:
        """See `StreamingSoundModel`."""
        return None if "hits" in self._model.without else REMEMBERED_S

    def warm_up(self) -> None:
        """One look, which is forgotten."""
        if self._sight is not None:
            self._sight.encoder.encode(np.zeros((1, 128, 128, 3), np.uint8))
        self._around.clear()
        self._looked = ""

    def remember(self, touch: HeardTouch) -> None:
        """A touch that is over. Raises ValueError where sound or motion does not reach around it."""
        codec = self._model.codec
        latent = touch_latent(touch.samples, touch.sample_rate, touch.start_ns, touch.time_ns, codec)
        tool, start_ns = touch.measured, touch_start_ns(touch.time_ns)
        surface = self.surface((tool.poses @ tool.tx_tool_tip).translation, touch.background)
        motion = measured_channels(start_ns, STRIDE * HIT_FRAMES, tool, surface, self._hand)
        self._touches.add(Touch(touch.time_ns, touch.position, latent, motion))

    def look(self, path: Array, query: ContactQuery) -> Surroundings | None:
        """What is known of the things around a motion [n, 3] at 125 Hz, kept for its plan; None: nothing."""
        self._looked = ""
        if self._sight is None and not len(self._touches):
            return None
        ground = self.surface(path, query.background, THINGS_MARGIN_M)
        if ground is None:  # which is said of the surface
            return None
        around = look_around(self._sight, path, Things.of(ground), self._view(query), self._seed)
        if self._sight is not None and query.camera is None:
            self._looked = _UNPICTURED.format(why=query.no_picture or "none came")
        elif self._sight is not None and around.unseen(path):
            self._looked = _UNSHOWN
        if query.tool is not None:
            self._around[_key(query.tool)] = around
            while len(self._around) > _PLANS:
                self._around.popitem(last=False)
        return around

    def parts(self, start_ns: int, frames: int, plans: Sequence[PlannedTool]) -> list[Part]:
        """Which frames of a window are of plans of whose things something is known."""
        later = [int(np.clip((_key(p)[1] - start_ns) // FRAME_NS, 0, frames)) for p in plans[1:]]
        return [
            Part(slice(begin, end), self._around[_key(plan)])
            for plan, begin, end in zip(plans, [0, *later], [*later, frames], strict=True)
            if begin < end and _key(plan) in self._around
        ]

    def told(
        self, known: ContactCondition, tips: Array, start_ns: int, parts: Sequence[Part]
    ) -> ContactCondition:
        """A condition of a batch of 1 with what is known of what lies under its tips [n, 3]."""
        return told_around(known, tips, start_ns, parts, self._touches, views=self._views)

    def surface(self, tips: Array, background: Background, *margin_m: float) -> HeightMap | None:
        """What was seen of the surface around tips; None: nothing."""
        if self._scene is not None:
            return surface_in_scene(self._scene.gaussians, tips, *margin_m)
        if background is not None:
            return surface_of_points(SeenDepth(*background).points(), tips, *margin_m)
        return None

    def _view(self, query: ContactQuery) -> LocalView | None:
        if query.camera is None:
            return None
        if self._scene is not None:
            return local_views(ViewRenderer(self._scene.gaussians, query.camera, self._scene.focus))
        if query.picture is None:
            return None
        return local_views(PictureViews(query.picture, query.camera), least_covered=_LEAST_SHOWN)


def _key(plan: PlannedTool) -> tuple[str, int]:
    return plan.trajectory.plan_id, int(plan.trajectory.times_ns[0])
