"""What a user's image model says of the objects of data sets, from a file, so that its weight can be fitted.

scene,object,cardboard,ceramic,...          (columns of the file: the labels of the vocabulary)
validation-07000,object_1,0.1,0.7,...
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.evaluation.fusion.objects import TouchedObject

_SUM = 1e-2  # by which probabilities may miss 1


def read_pictures(path: Path, labels: Sequence[str]) -> dict[tuple[str, str], Evidence]:
    """By scene and object.

    Raises:
        ValueError: a column is missing, or a row holds no probabilities; the message names it.
        OSError: the file cannot be read.
    """
    found = {}
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if missing := [
            name for name in ("scene", "object", *labels) if name not in (reader.fieldnames or ())
        ]:
            raise ValueError(f"{path}: no column {', '.join(missing)}")
        for number, row in enumerate(reader, start=2):
            try:
                p = [float(row[label]) for label in labels]
                total = math.fsum(p)
                if not abs(total - 1.0) <= _SUM:
                    raise ValueError(f"probabilities sum to {total:.4g}")
                belief = MaterialBelief(tuple(v / total for v in p), tuple(labels))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            key = (row["scene"], row["object"])
            found[key] = Evidence("vision", f"{row['scene']}/{row['object']}", 0, belief)
    return found


def with_pictures(
    objects: Sequence[TouchedObject], pictures: Mapping[tuple[str, str], Evidence]
) -> list[TouchedObject]:
    """The same objects, with what the image model says of those that it knows."""
    return [
        dataclasses.replace(thing, vision=pictures.get((thing.scene, thing.object_id))) for thing in objects
    ]
