"""Poses of photographs without a robot, by structure from motion (COLMAP, Schönberger and Frahm 2016)."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from foley_perception.scene.scan import ScanError

_SUFFIXES = (".jpg", ".jpeg", ".png")
LEAST_PICTURES = 8


@dataclasses.dataclass(frozen=True)
class Structure:
    """What COLMAP found; the scale is free, as photographs do not tell it."""

    pictures: int
    registered: int
    points: int
    error_px: float


def find_poses(folder: Path, intrinsics: Sequence[float] = (), *, timeout_s: float = 3600.0) -> Structure:
    """Write ``transforms.json`` for the images in a folder.

    Args:
        intrinsics: fx, fy, cx, cy in pixels from the picture's corner, if known; else one focal length is found.

    Raises:
        ScanError: too few pictures, pycolmap is not installed or ends, or too little overlaps.
    """
    pictures = (
        [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES] if folder.is_dir() else []
    )
    if len(pictures) < LEAST_PICTURES:
        raise ScanError(f"{folder}: {len(pictures)} pictures, at least {LEAST_PICTURES} are needed")
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "foley_perception.scene.colmap_worker", str(folder), work]
        try:
            done = subprocess.run(
                [*command, *map(str, intrinsics)],
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ScanError(
                f"{folder}: COLMAP did not end within {timeout_s:.0f} s; give fewer pictures"
            ) from error
    lines = done.stdout.strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else {}
    except ValueError:
        told = {}
    if "error" in told:
        raise ScanError(
            f"{folder}: {told['error']}; take more pictures, nearer to each other, of things with texture"
        )
    if done.returncode or "registered" not in told:
        missing = "No module named 'pycolmap'" in done.stderr
        why = (
            "pycolmap is not installed; set up with FOLEY_EXTRAS='scene'"
            if missing
            else done.stderr.strip()[-300:]
        )
        raise ScanError(f"{folder}: COLMAP ended with {done.returncode}: {why}")
    return Structure(len(pictures), int(told["registered"]), int(told["points"]), float(told["error_px"]))
