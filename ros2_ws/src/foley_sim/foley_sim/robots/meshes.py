"""Light versions of a robot's meshes: software drawing is bound by vertices."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

VERSION = 2
"""Of what is kept in the cache folder; raise it when results change."""
SHARE = 0.08  # of the faces are kept
FEWEST = 400


@functools.lru_cache(maxsize=64)
def light(path: Path, scale: float) -> bytes:
    """A mesh file with few of its faces, as binary STL in metres; kept in the user's cache folder.

    Raises:
        ValueError: the file holds no mesh.
    """
    data = path.read_bytes()
    key = hashlib.sha256(f"{VERSION} {SHARE} {FEWEST} {scale} ".encode() + data).hexdigest()[:24]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foley" / "meshes"
    file = folder / f"{key}.stl"
    try:
        return file.read_bytes()
    except OSError:
        pass
    made = _simplify(path, scale)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{key}.{os.getpid()}.part"
        part.write_bytes(made)
        part.replace(file)
    except OSError:
        pass  # a folder that cannot be written costs time, nothing else
    return made


def _simplify(path: Path, scale: float) -> bytes:
    import trimesh

    mesh = trimesh.load_mesh(path)
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise ValueError(f"{path} holds no mesh of triangles")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)  # faces that share no vertices cannot be merged
    mesh.apply_scale(scale)
    wanted = max(FEWEST, round(SHARE * len(mesh.faces)))
    if len(mesh.faces) > wanted:
        mesh = mesh.simplify_quadric_decimation(face_count=wanted)
    exported = mesh.export(file_type="stl")
    assert isinstance(exported, bytes)
    return exported
