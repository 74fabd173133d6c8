"""Contacts of sets of sessions, such as those of FoleySim-B: heard, not planned, with things that do not change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from foley_common.session_file import read_arrays
from foley_common.times import NS_PER_S
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.evaluation.fusion.objects import contact_sounds
from foley_synthesis.evaluation.surprise.contacts import HeardContact
from foley_synthesis.flow.session_items import session_files
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.metrics import surprise

_SESSION_NS = 3600 * NS_PER_S  # sessions of one scene follow each other


def session_contacts(
    hears: HearsMaterial,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[HeardContact]:
    """Of all sessions of a set whose sound can be compared.

    Raises:
        ValueError: the folder holds no sessions, or none that was recorded at 48 kHz.
        OSError: a file cannot be read.
    """
    files = session_files(folder)
    found = []
    for number, path in enumerate(files):
        facts, arrays = read_arrays(path, "sound", "contact_s", "contact_object")
        for k, samples, rate, onset_s in contact_sounds(facts, arrays):
            frames = surprise.aligned_cochleagram(surprise.ContactSound(samples, onset_s, rate), rate)
            if rate != surprise.CALIBRATION_RATE or frames is None:
                continue
            thing = facts["objects"][int(arrays["contact_object"][k])]
            time_ns = number * _SESSION_NS + round(float(arrays["contact_s"][k]) * NS_PER_S)
            told = hears.predict(samples, rate, onset_s=onset_s)
            found.append(
                HeardContact(
                    str(facts["scene_id"]), str(thing["object_id"]), str(thing["material"]),
                    str(facts["contact_actions"][k]), "", {}, {rate: frames}, None,
                    Evidence("heard", f"{path.stem}:{k}", time_ns, told),
                )
            )  # fmt: skip
        progress(number + 1, len(files))
    if not found:
        raise ValueError(
            f"{folder}: no contacts whose sound can be compared: a surprise is fitted at "
            f"{surprise.CALIBRATION_RATE} Hz, so make the set with `--sound-rate {surprise.CALIBRATION_RATE}`"
        )
    return found
