"""Configuration files that ship with the package, in the source tree or installed."""

from __future__ import annotations

import os
from pathlib import Path


def config_folders(kind: str) -> list[Path]:
    """Where files of ``config/<kind>`` may lie: the source tree first, then every installed share folder."""
    folders = [Path(__file__).resolve().parents[1] / "config" / kind]
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            folders.append(Path(prefix) / "share" / "foley_perception" / "config" / kind)
    return folders


def find_config(kind: str, name: str) -> Path:
    """A file by path, or a shipped ``config/<kind>/<name>.yaml`` by name.

    Raises:
        FileNotFoundError: neither exists; the message lists what is shipped.
    """
    given = Path(name).expanduser()
    if given.suffix in (".yaml", ".yml") or os.sep in name:
        if given.is_file():
            return given
    else:
        for folder in config_folders(kind):
            if (file := folder / f"{name}.yaml").is_file():
                return file
    shipped = sorted({f.stem for folder in config_folders(kind) for f in folder.glob("*.yaml")})
    raise FileNotFoundError(
        f"no file `{name}`: give the path of a .yaml file or one of "
        f"{', '.join(shipped) or 'none (the package is not installed)'}"
    )
