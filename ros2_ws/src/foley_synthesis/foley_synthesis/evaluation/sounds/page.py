"""A page to listen to: the same touches, real and by every method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from foley_perception.clips.grid import SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.measure import Table
from foley_synthesis.evaluation.report import cells, notes

Sound = NDArray[np.float32]


class Gallery:
    """Keeps the sounds of a few contacts while all of them are scored."""

    def __init__(self, out: Path, dataset: ClipDataset, contacts: Sequence[int]) -> None:
        self._out, self._dataset = out, dataset
        self._sounds: dict[int, list[tuple[str, str]]] = {int(c): [] for c in contacts}
        (out / "sounds").mkdir(parents=True, exist_ok=True)

    def keep(self, method: str, rows: Sequence[int], sounds: Sequence[Sound]) -> None:
        """Write the sounds of the contacts that are shown."""
        for contact, sound in zip(rows, sounds, strict=True):
            kept = self._sounds.get(int(contact))
            if kept is None:
                continue
            name = f"sounds/{contact:06d}_{len(kept):02d}.flac"
            soundfile.write(self._out / name, np.clip(sound, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16")
            kept.append((method, name))

    def groups(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """By material: what was touched, how, its picture and its sounds."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for contact, sounds in self._sounds.items():
            clip, picture = self._dataset.clips[contact], f"sounds/{contact:06d}.jpg"
            still = self._dataset.still(contact)
            cv2.imwrite(str(self._out / picture), cv2.cvtColor(still, cv2.COLOR_RGB2BGR))
            title = ", ".join(word for word in (clip.action, clip.reaction, clip.clip_id) if word)
            touch = {"title": title, "picture": picture, "sounds": sounds}
            groups.setdefault(clip.material or "unknown material", []).append(touch)
        return sorted(groups.items())


def write_page(out: Path, facts: str, table: Table, pictures: Sequence[str], gallery: Gallery) -> None:
    """`index.html` beside the sounds."""
    import jinja2

    head, *lines = cells(table)
    environment = jinja2.Environment(
        autoescape=True, loader=jinja2.PackageLoader("foley_synthesis.evaluation.sounds", "")
    )
    html = environment.get_template("page.html").render(
        facts=facts, head=head, lines=lines, notes=notes(table), pictures=pictures, groups=gallery.groups()
    )
    (out / "index.html").write_text(html, "utf-8")
