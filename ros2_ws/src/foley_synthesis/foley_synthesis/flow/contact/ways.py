"""What a flow of contacts is given of a window beside the plan, as a user asks for it: `seen`, `executed+told` ...

executed    motion and force as measured, in place of the plan
told        what is touched, in truth
seen        what is touched, as sight says: each sound is of one draw of its posterior
views       what views show of it, to a flow that was trained with the views of this sight
context3    the last three sounds of each surface, any number from 1 to 5
guidance4.5 classifier-free guidance of content, any number from 0 to 100; 1 is none
handless    no motion: what the flow learned to say where none is known stands for it
"""

from __future__ import annotations

import dataclasses
import re
from typing import Protocol

from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.seen import SeenContactFlow
from foley_synthesis.flow.networks.contact_field import MAX_HITS
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.window_model import WindowModel

_GUIDANCE = re.compile(r"guidance(\d{1,2}(?:\.\d+)?|100)")
_WORDS = ("executed", "told", "seen", "views", "handless")
_CONTEXT = re.compile(rf"context([1-{MAX_HITS}])")


@dataclasses.dataclass(frozen=True)
class Way:
    """Nothing but the plan, where nothing is said.

    Raises:
        ValueError: it is told and to see at once, or measured motion is both given and taken away.
    """

    executed: bool = False
    told: bool = False
    seen: bool = False
    views: bool = False
    context: int = 0
    handless: bool = False
    guidance: float | None = None  # None: the flow's own

    def __post_init__(self) -> None:
        if self.told and self.seen:
            raise ValueError(
                "a flow that is told what is touched has nothing to see: leave out `told` or `seen`"
            )
        if self.executed and self.handless:
            raise ValueError(
                "a flow without hands has no measured motion: leave out `executed` or `handless`"
            )

    @classmethod
    def of(cls, text: str) -> Way:
        """Of words with a plus between them.

        Raises:
            ValueError: a word is not known, or there twice.
        """
        found: dict[str, float] = {}
        for word in text.split("+"):
            name, value = word, 1.0
            if context := _CONTEXT.fullmatch(word):
                name, value = "context", int(context[1])
            elif guidance := _GUIDANCE.fullmatch(word):
                name, value = "guidance", float(guidance[1])
            if (
                name in found
                or name not in (*_WORDS, "context", "guidance")
                or word in ("context", "guidance")
            ):
                raise ValueError(
                    f"`{text}` is not known; name {', '.join(_WORDS)}, context1 to context{MAX_HITS} or guidance4.5, "
                    "or several with a plus between them"
                )
            found[name] = bool(value) if name in _WORDS else value
        return cls(**found)  # type: ignore[arg-type]

    @property
    def title(self) -> str:
        """As a table says it."""
        parts = [
            self.executed and "motion and force",
            self.told and "told what is touched",
            self.seen and "seen",
            self.views and "views",
            self.context == 1 and "last sound",
            self.context > 1 and f"last {self.context} sounds",
            self.handless and "without hands",
            self.guidance is not None and f"guidance {self.guidance:g}",
        ]
        return ", ".join(part for part in parts if part)

    def given_to(self, model: ContactFlowModel, sight: SeenWindows | None = None) -> WindowModel:
        """The same flow, which is given this.

        Raises:
            ValueError: it is to see, and there is no sight, or not the one whose views it was trained with.
        """
        if sight is None and (self.seen or self.views):
            raise ValueError(
                "`seen` and `views` need sight: name a folder of `foley flow sight` with --sight"
            )
        if self.views and not takes_views(model, sight):
            raise ValueError(
                "`views` is for a flow that was trained with the views of this sight (`foley flow fit --sight`)"
            )
        conditions = dataclasses.replace(
            model.conditions,
            executed=self.executed,
            told="true" if self.told else "nothing",
            context=self.context,
            views=sight if self.views else None,
            handless=self.handless,
        )
        sampling = model.sampling
        if self.guidance is not None:
            sampling = dataclasses.replace(sampling, guidance=self.guidance)
        given = dataclasses.replace(model, conditions=conditions, sampling=sampling)
        return SeenContactFlow(given, sight) if self.seen and sight is not None else given


class _Shows(Protocol):
    @property
    def features_id(self) -> str: ...


def takes_views(model: ContactFlowModel, sight: _Shows | None) -> bool:
    """Whether a flow was trained with what this sight shows."""
    return sight is not None and bool(model.field.config.views) and model.sight_id == sight.features_id
