"""Which models the paper's ablations are, what each may know, and what each is told when it is asked.

Hearing Hands, table 2, leaves out vision or hands, and compares with what sees alone; here stand beside them what this
flow has and the paper's does not: the surface, fine motion, force, earlier sounds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from foley_synthesis.flow.contact.ways import Way
from foley_synthesis.flow.networks.motion_taken import OF_SURFACE

Mode = Literal["plan", "seen", "told"]
"""What a model is told of what is touched: nothing, what sight says, or the truth; where it can be told."""
SIGHT = ("what", "views")
"""Conditions that tell what things look like."""
_SURFACE = tuple(sorted(OF_SURFACE))
PAPER_RATE_HZ = 30.0


@dataclasses.dataclass(frozen=True)
class Variant:
    """One of them: how it is trained, and in which way it is asked."""

    name: str
    meaning: str
    without: tuple[str, ...] = ()  # conditions and groups of motion
    motion_rate_hz: float | None = None  # None: as it is
    regression: bool = False
    groups: tuple[str, ...] = ()  # of a regression: of channels that it looks at; none named: at all
    same_as: str = ""  # asks another one's models in another way
    executed: bool = False
    context: int = 0

    @property
    def training(self) -> str:
        """The variant whose models it asks."""
        return self.same_as or self.name

    @property
    def told_what(self) -> bool:
        """Whether it can be told what is touched."""
        return "what" not in self.without

    def way(self, mode: Mode, views: bool) -> Way:
        """What it is told of a window.

        Args:
            views: whether flows were trained with views.
        """
        sees = mode == "seen" and self.told_what
        return Way(
            executed=self.executed,
            told=mode == "told" and self.told_what,
            seen=sees,
            views=sees and views and "views" not in self.without and not self.regression,
            context=self.context,
        )


FULL = "full"
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(FULL, "plan over the surface, what is touched"),
        Variant("force", "full, motion and force as measured", same_as=FULL, executed=True),
        Variant("in-context", "full, last 3 sounds of the surface", same_as=FULL, context=3),
        Variant("no-look", "without what things look like", without=SIGHT),
        Variant("no-vision", "hands alone: without looks and surface", without=(*SIGHT, *_SURFACE)),
        Variant("no-surface", "without heights over the surface", without=_SURFACE),
        Variant("no-fine", "without velocity and acceleration", without=("velocity",)),
        Variant(
            "paper-motion", "place and grip at 30 Hz, as the paper", (*_SURFACE, "velocity", "force"), PAPER_RATE_HZ
        ),
        Variant("no-hands", "without motion and earlier sounds", without=("motion", "hits")),
        Variant("vision-only", "and without the room's tone", without=("motion", "hits", "floor")),
        Variant("regression", "regression, one sound", regression=True),
        Variant("regnet", "regression of what is touched alone", regression=True, groups=("what",)),
    )
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of a variant."""

    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.variant.name}_s{self.seed}"


def variants_of(names: Sequence[str]) -> list[Variant]:
    """Those of these names.

    Raises:
        ValueError: one is not known, or there twice.
    """
    for name in names:
        if name not in VARIANTS:
            raise ValueError(f"variant `{name}` is not known, there are {', '.join(VARIANTS)}")
    if len(set(names)) < len(names):
        raise ValueError("variants must be named once each")
    return [VARIANTS[name] for name in names]


def trainings_of(
    variants: Sequence[Variant], seeds: Sequence[int], all_seeds: Sequence[str] | None = None
) -> list[Training]:
    """What must be trained, the first seed of all before the next one of any.

    Args:
        all_seeds: variants that are trained with every seed, the others with the first alone; None: all are.

    Raises:
        ValueError: there are no seeds, two alike, or a name is not among the variants.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds are {', '.join(map(str, seeds))}: name at least one, each once")
    known = {variant.name for variant in variants}
    if unknown := set(all_seeds or ()) - known:
        raise ValueError(f"`{min(unknown)}` is to be trained with all seeds, but is not among the variants")
    trained = list(dict.fromkeys(variant.training for variant in variants))
    every = {variant.training for variant in variants if all_seeds is None or variant.name in all_seeds}
    return [
        Training(VARIANTS[name], seed) for seed in seeds for name in trained if seed == seeds[0] or name in every
    ]  # fmt: skip
