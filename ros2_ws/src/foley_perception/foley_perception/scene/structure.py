"""Poses of photographs without a robot, by structure from motion (COLMAP, Schönberger and Frahm 2016)."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foley_perception.scene.photo import SUFFIXES, UPRIGHT_CURE, PhotoError, read_header
from foley_perception.scene.scan import ScanError

LEAST_PICTURES = 8
"""Fewer make no scene: what `foley scene reconstruct` needs at least."""


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
        ScanError: too few pictures, or of several sizes, pycolmap is not installed or ends, or too little overlaps.
    """
    pictures = (
        sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if folder.is_dir()
        else []
    )
    if len(pictures) < LEAST_PICTURES:
        raise ScanError(f"{folder}: {len(pictures)} pictures, at least {LEAST_PICTURES} are needed")
    _check(folder, pictures, intrinsics)
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
        told = _outcome(folder, done)
        registered = int(told["registered"])
        if registered < LEAST_PICTURES:
            raise ScanError(
                f"{folder}: {registered} of {len(pictures)} pictures have a pose, at least {LEAST_PICTURES} are "
                "needed: they are blurred, too far from each other, or of things without texture; take sharp ones, "
                "nearer to each other"
            )
        part = folder / "transforms.json.part"
        shutil.copyfile(Path(work) / "transforms.json", part)
        part.replace(folder / "transforms.json")
    return Structure(len(pictures), registered, int(told["points"]), float(told["error_px"]))


def _check(folder: Path, pictures: Sequence[Path], intrinsics: Sequence[float]) -> None:
    """
    Raises:
        ScanError: pictures that no one camera took, or numbers that are not of theirs.
    """
    headers = []
    for path in pictures:
        try:
            header = read_header(path)
        except PhotoError as error:
            raise ScanError(str(error)) from error
        if header is None:
            raise ScanError(f"{path}: neither JPEG nor PNG, whatever its name says; convert or remove it")
        headers.append(header)
    sizes = collections.Counter(header.size for header in headers)
    if len(sizes) > 1:
        told = ", ".join(f"{count} of {width}x{height}" for (width, height), count in sizes.most_common())
        raise ScanError(
            f"{folder}: the pictures have several sizes ({told}); give those of one size, from one camera held one way "
            "at one focal length"
        )
    if not intrinsics:
        return
    fx, fy, cx, cy = intrinsics
    width, height = headers[0].size
    if not (math.isfinite(fx + fy) and min(fx, fy) > 0 and 0 < cx < width and 0 < cy < height):
        raise ScanError(
            f"{folder}: --intrinsics {fx:g} {fy:g} {cx:g} {cy:g} are not of a picture of {width}x{height} pixels"
        )
    upright = math.hypot(cx - height / 2, cy - width / 2) < math.hypot(cx - width / 2, cy - height / 2)
    if headers[0].turns_sideways and upright:
        raise ScanError(
            f"{folder}: --intrinsics are of pictures of {height}x{width} pixels, they are stored as {width}x{height} "
            f"with EXIF orientation {headers[0].orientation}; {UPRIGHT_CURE}"
        )


def _outcome(folder: Path, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What COLMAP's process told.

    Raises:
        ScanError: nothing overlaps, or it ended without a result.
    """
    lines = done.stdout.strip().splitlines()
    try:
        told: dict[str, Any] = json.loads(lines[-1]) if lines else {}
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
    return told
