"""Families of materials that sound alike: a tree whose nodes can be said, down to the single material.

    anything
    ├── rigid
    │   ├── hard
    │   │   ├── hard and ringing     metal and
    │   │   │   └── glassy           glass, ceramic
    │   │   └── stone
    │   └── stiff and dull           wood, plastic, cardboard
    └── soft or loose
        ├── soft                     rubber, foam, fabric
        └── loose                    leaves, gravel, paper

The order is that of what an impact tells first: whether it is stiff (how short the contact is), then how long it
rings (the loss factor), and only then which of those that ring (Klatzky, Pai and Krotkov 2000; Giordano and McAdams
2006: listeners tell metal and glass from wood and plastic, and hardly the two of a pair from one another).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MATERIALS = (
    *("wood", "metal", "glass", "ceramic", "plastic", "stone", "rubber"),
    *("cardboard", "paper", "fabric", "foam", "leaves", "gravel"),
)

ANYTHING = "anything"
PARENTS: Mapping[str, str] = {  # of families and of materials
    "rigid": ANYTHING,
    "hard": "rigid",
    "hard and ringing": "hard",
    "glassy": "hard and ringing",
    "stiff and dull": "rigid",
    "soft or loose": ANYTHING,
    "soft": "soft or loose",
    "loose": "soft or loose",
    "metal": "hard and ringing",
    "glass": "glassy",
    "ceramic": "glassy",
    "stone": "hard",
    "wood": "stiff and dull",
    "plastic": "stiff and dull",
    "cardboard": "stiff and dull",
    "rubber": "soft",
    "foam": "soft",
    "fabric": "soft",
    "leaves": "loose",
    "gravel": "loose",
    "paper": "loose",
}

_SYNONYMS = {
    "cloth": "fabric",
    "textile": "fabric",
    "steel": "metal",
    "iron": "metal",
    "rock": "stone",
    "porcelain": "ceramic",
    "card": "cardboard",
}
_OUTSIDE = ("sand", "dirt", "snow", "grass", "water", "mud", "ice", "flesh")


def material_of(label: str) -> str | None:
    """The material that a recording's label names, or None where it is known to be none of the materials.

    Raises:
        ValueError: nobody has said what this label is.
    """
    word = label.strip().lower()
    word = _SYNONYMS.get(word, word)
    if word in MATERIALS:
        return word
    if word in _OUTSIDE:
        return None
    known = ", ".join((*MATERIALS, *_SYNONYMS, *_OUTSIDE))
    raise ValueError(f"`{label}` is no label of a material that is known; there are {known}")


@dataclasses.dataclass(frozen=True)
class Node:
    """A family, or a single material."""

    name: str
    materials: tuple[str, ...]  # in the order of the vocabulary
    parent: int  # index of its node; -1: the root
    depth: int  # 0: the root

    def __str__(self) -> str:
        """As one says it: `hard and ringing: metal, glass or ceramic`."""
        if self.materials == (self.name,):
            return self.name
        return f"{self.name}: {said(self.materials)}"


def said(names: Sequence[str]) -> str:
    """`metal, glass or ceramic`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


@dataclasses.dataclass(frozen=True, eq=False)
class Hierarchy:
    """The tree over one vocabulary of m labels: k nodes, parents before their children, the root first.

    Families of which the vocabulary has one label or none are left out, and so is one that holds the same labels as
    a family below it. A label that the tree does not know hangs from the root.
    """

    vocabulary: tuple[str, ...]
    nodes: tuple[Node, ...]
    members: NDArray[np.bool_]  # [k, m]

    @classmethod
    def over(cls, vocabulary: Sequence[str], parents: Mapping[str, str] = PARENTS) -> Hierarchy:
        """Raises ValueError for labels that are not all different, or fewer than two."""
        labels = tuple(vocabulary)
        return _over(labels) if parents is PARENTS else cls._made(labels, parents)

    @classmethod
    def _made(cls, labels: tuple[str, ...], parents: Mapping[str, str]) -> Hierarchy:
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError(f"vocabulary {labels} must be two labels or more, all different")
        root = frozenset(labels)
        held: dict[frozenset[str], tuple[int, str]] = {}  # the deepest name of each set of labels
        for family in set(parents.values()) - {ANYTHING}:
            line = frozenset(label for label in labels if family in _ancestors(label, parents))
            depth = len(_ancestors(family, parents))
            if 1 < len(line) < len(root) and (depth, family) > held.get(line, (-1, "")):
                held[line] = (depth, family)
        families = [(root, ANYTHING), *((line, name) for line, (_, name) in held.items())]
        families += [(frozenset({label}), label) for label in labels]
        first = [min(labels.index(label) for label in line) for line, _ in families]
        order = sorted(range(len(families)), key=lambda i: (-len(families[i][0]), first[i]))
        nodes: list[Node] = []
        for i in order:
            line, name = families[i]
            above = [j for j, node in enumerate(nodes) if line < set(node.materials)]
            parent = min(above, key=lambda j: len(nodes[j].materials), default=-1)
            depth = nodes[parent].depth + 1 if above else 0
            nodes.append(Node(name, tuple(x for x in labels if x in line), parent, depth))
        members = np.array([[label in node.materials for label in labels] for node in nodes])
        return cls(labels, tuple(nodes), members)

    def index(self, name: str) -> int:
        """Of a node by its name. Raises ValueError."""
        names = [node.name for node in self.nodes]
        if name not in names:
            raise ValueError(f"`{name}` is no node; there are {', '.join(names)}")
        return names.index(name)

    def probabilities(self, probabilities: NDArray[np.floating]) -> Array:
        """Of each node [n, k] from those of the labels [n, m]."""
        return np.asarray(probabilities, np.float64) @ self.members.T.astype(np.float64)

    def families(self, probabilities: NDArray[np.floating]) -> dict[str, float]:
        """Family -> probability from those of the labels [m]; without the root and without single materials."""
        values = self.probabilities(np.asarray(probabilities)[None])[0]
        return {
            node.name: float(value)
            for node, value in zip(self.nodes, values, strict=True)
            if node.depth > 0 and len(node.materials) > 1
        }

    def deepest(self, probabilities: NDArray[np.floating], confidence: float) -> NDArray[np.int64]:
        """The deepest node [n] that reaches a confidence, going down from the root to the likeliest child.

        Args:
            probabilities: of the labels [n, m].
            confidence: in (0, 1]; 0 ends at a single material always.
        """
        values = self.probabilities(probabilities)
        at = np.zeros(len(values), np.int64)
        for parent, _ in enumerate(self.nodes):
            children = [j for j, node in enumerate(self.nodes) if node.parent == parent]
            if not children:
                continue
            best = np.array(children)[values[:, children].argmax(axis=1)]
            # Rounding must not keep a sure answer from a confidence of 1.
            reached = np.take_along_axis(values, best[:, None], 1)[:, 0] >= confidence - 1e-9
            at = np.where((at == parent) & reached, best, at)
        return at

    def smallest(self, sets: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The smallest node [n] that contains a set of labels [n, m]; of an empty set the root."""
        contains = ~(sets[:, None, :] & ~self.members[None]).any(axis=2)
        sizes = np.where(contains, self.members.sum(axis=1), len(self.vocabulary) + 1)
        return np.where(sets.any(axis=1), sizes.argmin(axis=1), 0)


@functools.lru_cache(maxsize=64)
def _over(labels: tuple[str, ...]) -> Hierarchy:
    """Every contact that is heard asks for it."""
    return Hierarchy._made(labels, PARENTS)


def _ancestors(name: str, parents: Mapping[str, str]) -> list[str]:
    """From the nearest on, without the root."""
    line: list[str] = []
    while (name := parents.get(name, ANYTHING)) != ANYTHING:
        line.append(name)
    return line
