"""Labels that were taken back."""

from __future__ import annotations

import dataclasses

from foley_perception.episodes.tracks import Label
from foley_perception.recording.void_labels import VOID, standing


def test_what_was_taken_back_is_left_out_and_nothing_else() -> None:
    first, other = Label(5, 9, "", "success", "true"), Label(5, 9, "mug", "success", "true")
    second, note = Label(5, 9, "", "success", "false"), Label(7, 7, "", "note", "void")
    said = [first, other, note, second, Label(5, 9, "", VOID, "success")]
    assert standing(said, dataclasses.astuple) == [first, other, note], "the newest of that place"
    again = [*said, Label(5, 9, "", VOID, "success"), Label(1, 2, "", VOID, "success")]
    assert standing(again, dataclasses.astuple) == [other, note], "one that takes back nothing does nothing"
