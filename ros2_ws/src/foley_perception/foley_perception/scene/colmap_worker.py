"""Structure from motion by COLMAP, as a program of its own: pycolmap does not bear Open3D and torch beside it.

``python -m foley_perception.scene.colmap_worker FOLDER WORK [FX FY CX CY]`` writes ``transforms.json`` into WORK
and prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(arguments: list[str]) -> int:
    import pycolmap

    folder, work = Path(arguments[0]), Path(arguments[1])
    known = [float(value) for value in arguments[2:]]
    database = work / "database.db"
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "PINHOLE" if known else "SIMPLE_PINHOLE"
    if known:
        reader.camera_params = ",".join(map(repr, known))
    pycolmap.extract_features(database, folder, camera_mode=pycolmap.CameraMode.SINGLE, reader_options=reader)
    pycolmap.match_exhaustive(database)
    options = pycolmap.IncrementalPipelineOptions()
    if known:
        options.ba_refine_focal_length = False
    found = pycolmap.incremental_mapping(database, folder, work, options)
    if not found:
        sys.stdout.write(json.dumps({"error": "no two pictures overlap enough"}) + "\n")
        return 1
    best = max(found.values(), key=lambda model: model.num_reg_images())
    (work / "transforms.json").write_text(json.dumps(_transforms(best), indent=1) + "\n")
    told = {
        "registered": best.num_reg_images(),
        "points": best.num_points3D(),
        "error_px": float(best.compute_mean_reprojection_error()),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _transforms(model: Any) -> dict[str, Any]:
    """Nerfstudio's layout; cameras look along -z there."""
    camera = next(iter(model.cameras.values()))
    k = camera.calibration_matrix()
    frames = []
    for image in sorted(model.images.values(), key=lambda one: str(one.name)):
        if not image.has_pose:
            continue
        pose = np.eye(4)
        pose[:3] = image.cam_from_world().inverse().matrix()
        matrix = pose @ np.diag([1.0, -1.0, -1.0, 1.0])
        frames.append({"file_path": str(image.name), "transform_matrix": matrix.tolist()})
    head = {
        "fl_x": k[0, 0],
        "fl_y": k[1, 1],
        "cx": k[0, 2],
        "cy": k[1, 2],
        "w": camera.width,
        "h": camera.height,
    }
    return {"camera_model": "PINHOLE", **head, "frames": frames}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
