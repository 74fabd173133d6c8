"""Writing a dataset in any of the formats: into a new folder, whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_perception import __version__
from foley_perception.dataset.export.format import ExportFormat
from foley_perception.dataset.export.webdataset import WEBDATASET
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError

ABOUT_FILE = "export.json"
FORMATS: tuple[ExportFormat, ...] = (WEBDATASET,)


def export_dataset(
    dataset: ClipDataset,
    name: str,
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Write all clips and windows of a dataset; returns what `export.json` in the new folder says.

    Args:
        name: of one of FORMATS.
        progress: called with items done and their number.

    Raises:
        DatasetError: no such format, ``out`` is there already or cannot be written, or the dataset is damaged.
    """
    chosen = next((form for form in FORMATS if form.name == name), None)
    if chosen is None:
        raise DatasetError(f"format is `{name}`, known are {', '.join(form.name for form in FORMATS)}")
    if out.exists():
        raise DatasetError(f"{out}: is there already; name a new folder, or remove it")
    about = {
        "format": name,
        "fingerprint": dataset.fingerprint,
        "clips": len(dataset),
        "windows": len(dataset.windows),
        "foley_version": __version__,
    }
    done, total = 0, len(dataset) + len(dataset.windows)

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written ({error.strerror})") from error
    try:
        chosen.write(dataset, staging, step)
        (staging / ABOUT_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        staging.chmod(0o755)  # mkdtemp makes folders for the owner alone
        staging.rename(out)
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written ({error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    progress(total, total)
    return about
