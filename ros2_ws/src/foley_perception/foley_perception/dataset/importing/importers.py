"""The data sets that can be brought in."""

from __future__ import annotations

from pathlib import Path

from foley_perception.dataset.greatest_hits import import_greatest_hits
from foley_perception.dataset.importing.hearing_hands import HEARING_HANDS
from foley_perception.dataset.importing.importer import Importer, ImportOptions
from foley_perception.dataset.importing.objectfolder_real import OBJECTFOLDER_REAL
from foley_perception.dataset.importing.realimpact import REALIMPACT
from foley_perception.dataset.staging import BuildReport, Progress


def _greatest_hits(
    folder: Path, out: Path, options: ImportOptions, progress: Progress | None = None
) -> BuildReport:
    return import_greatest_hits(
        folder,
        out,
        merge_s=options.merge_s,
        limit=options.limit,
        workers=options.workers,
        skip_bad=options.skip_bad,
        progress=progress,
    )


GREATEST_HITS = Importer(
    name="greatest-hits",
    help="The Greatest Hits: <id>_denoised.mp4, .wav and <id>_times.txt, with train.txt and test.txt",
    what="hits",
    takes=("merge_s",),
    licence="no licence of the data is known here: see the page that you have them from before any use but research",
    unproven=(),
    run=_greatest_hits,
)
IMPORTERS: tuple[Importer, ...] = (GREATEST_HITS, HEARING_HANDS, REALIMPACT, OBJECTFOLDER_REAL)
