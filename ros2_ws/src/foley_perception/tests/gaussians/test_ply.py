"""Scenes of Gaussians in PLY files, as other programs write them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foley_perception.gaussians.ply import PlyError, load_ply

HARMONICS = {0: 0, 1: 9, 2: 24, 3: 45}


def table(count: int = 12, degree: int = 1, kind: str = "<f4", normals: bool = False) -> NDArray[Any]:
    """Rows that hold other numbers in every field."""
    names = ["x", "y", "z", *(("nx", "ny", "nz") if normals else ()), "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{k}" for k in range(HARMONICS[degree])]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    rows = np.empty(count, dtype=[(name, kind) for name in names])
    rng = np.random.default_rng(0)
    for name in names:
        rows[name] = rng.normal(size=count)
    return rows


def header(
    rows: NDArray[Any], layout: str = "binary_little_endian", before: str = "", count: int = -1
) -> str:
    names = {"f4": "float", "f8": "double", "i4": "int"}
    lines = ["ply", f"format {layout} 1.0", before, f"element vertex {len(rows) if count < 0 else count}"]
    lines += [f"property {names[rows.dtype[name].str[1:]]} {name}" for name in rows.dtype.names or ()]
    return "\n".join(line for line in (*lines, "end_header") if line) + "\n"


def check(path: Path, rows: NDArray[Any]) -> None:
    """What is read from a file is what the rows say."""
    gaussians = load_ply(path)
    assert len(gaussians) == len(rows)
    for k, name in enumerate(("x", "y", "z")):
        assert gaussians.means[:, k].numpy() == pytest.approx(rows[name].astype(np.float32))
        assert gaussians.scales[:, k].log().numpy() == pytest.approx(rows[f"scale_{k}"], abs=1e-5)
        assert gaussians.sh[:, 0, k].numpy() == pytest.approx(rows[f"f_dc_{k}"].astype(np.float32))
    for k in range(4):
        assert gaussians.quats[:, k].numpy() == pytest.approx(rows[f"rot_{k}"].astype(np.float32))
    assert torch.logit(gaussians.opacities).numpy() == pytest.approx(rows["opacity"], abs=1e-4)
    rest = gaussians.sh.shape[1] - 1
    if rest:  # all of red, then green, then blue
        assert gaussians.sh[:, 1, 2].numpy() == pytest.approx(rows[f"f_rest_{2 * rest}"].astype(np.float32))


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("normals", [False, True])
def test_every_degree_is_read_with_and_without_normals(tmp_path: Path, degree: int, normals: bool) -> None:
    rows = table(degree=degree, normals=normals)
    (tmp_path / "a.ply").write_bytes(header(rows).encode() + rows.tobytes())
    check(tmp_path / "a.ply", rows)


def test_every_layout_and_line_end_is_read(tmp_path: Path) -> None:
    path, rows = tmp_path / "a.ply", table()
    big, double = rows.astype(table(kind=">f4").dtype), table(kind="<f8")
    text = "\n".join(" ".join(repr(float(v)) for v in row) for row in rows).encode()
    more = "element camera 2\nproperty uchar number\nproperty double focal"
    list_after = b"element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    for content in (
        header(rows).replace("\n", "\r\n").encode() + rows.tobytes(),
        header(rows).replace("\n", "\r").encode() + rows.tobytes(),
        header(rows, before="comment Stra\u00dfe und end_header\nobj_info made by hand").encode()
        + rows.tobytes(),
        header(rows, before="comment \u00e9").encode("latin-1") + rows.tobytes(),
        header(rows).replace("end_header", "comment at the end\nend_header").encode()
        + rows.tobytes()
        + b"more",
        header(big, "binary_big_endian").encode() + big.tobytes(),
        header(double).encode() + double.tobytes(),
        header(rows, "ascii").encode() + text,
        header(rows, "ascii", before=more).encode() + b"1 2.0\n3 4.0\n" + text,
        header(rows, before=more).encode() + bytes(2 * 9) + rows.tobytes(),
        header(rows).encode().replace(b"end_header\n", list_after) + rows.tobytes() + bytes(5),
    ):
        path.write_bytes(content)
        check(path, rows)


def test_rows_without_numbers_are_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, rows = tmp_path / "a.ply", table(40)
    rows["x"][3], rows["scale_1"][5], rows["f_rest_4"][7], rows["opacity"][9] = (
        np.nan,
        np.inf,
        -np.inf,
        np.nan,
    )
    rows["scale_0"][11] = 1000.0  # exp of it is infinite
    for k in range(4):
        rows[f"rot_{k}"][13] = 0.0
    path.write_bytes(header(rows).encode() + rows.tobytes())
    with caplog.at_level(logging.WARNING):
        check(path, np.delete(rows, [3, 5, 7, 9, 11, 13]))
    assert f"{path}: 6 of 40 Gaussians hold NaN" in caplog.text
    rows["y"] = np.nan
    path.write_bytes(header(rows).encode() + rows.tobytes())
    with pytest.raises(PlyError, match="none of its 40 Gaussians can be drawn"):
        load_ply(path)


def test_an_infinite_opacity_is_opaque_or_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = table()
    rows["opacity"][:2] = np.inf, -np.inf
    (tmp_path / "a.ply").write_bytes(header(rows).encode() + rows.tobytes())
    assert load_ply(tmp_path / "a.ply").opacities[:2].tolist() == [1.0, 0.0] and not caplog.text


def test_what_is_not_read_is_named_with_its_cure(tmp_path: Path) -> None:
    path, rows = tmp_path / "a.ply", table()
    whole, body = header(rows), rows.tobytes()
    packed = (
        "ply\nformat binary_little_endian 1.0\nelement chunk 1\nproperty float min_x\nelement vertex 8\n"
        "property uint packed_position\nproperty uint packed_rotation\nend_header\n"
    )
    listed = "element face 1\nproperty list uchar int vertex_indices"
    for text, words in (
        (packed, r"PlayCanvas' compressed layout.*splat-transform"),
        (whole.replace("element vertex 12", "element vertex"), r"no PLY header.*line 3, `element vertex`"),
        (whole.replace("property float x", "property float"), r"no PLY header.*line 4, `property float`"),
        (whole.replace("property float x", "property half x"), r"`property half x`: its type is not known"),
        (whole.replace(" binary_little_endian 1.0", ""), r"no PLY header.*line 2, `format`"),
        (whole.replace("little", "middle"), r"format `binary_middle_endian` is not known"),
        (whole.replace("end_header\n", ""), r"no PLY header: its `end_header` is missing"),
        (whole.replace("element vertex 12\n", ""), r"no PLY header.*it is of no element"),
        (whole.replace("vertex", "point"), "it has no vertices"),
        (whole.replace("vertex 12", "vertex -1"), "its number of rows is no count"),
        (whole.replace("vertex 12", "vertex 13"), "12 of the 13 vertices that the header names are there"),
        (whole.replace("vertex 12", "vertex 999999999999999999"), "12 of the 9{18} vertices"),
        (whole.replace("vertex 12", "vertex " + "9" * 5000), "its number of rows is no count"),
        (whole.replace("float y", "float x"), "more than once"),
        (whole.replace("f_rest_3", "f_rest_99"), "`f_rest_3` is missing"),
        (whole.replace("f_rest_8", "g_rest_8"), "8 f_rest values, must be 0, 9, 24 or 45.*export it so"),
        (header(rows, before=listed), "a face holds a list"),
        ("\x1f\x8b", "packed with gzip"),
    ):  # fmt: skip
        path.write_bytes(text.encode("latin-1") + body)
        with pytest.raises(PlyError, match=words):
            load_ply(path)


def test_damage_is_refused_or_read_but_never_anything_else(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(0), table()
    begin = header(rows).encode()
    whole = begin + rows.tobytes()
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(begin) if rng.random() < 0.5 else len(whole), 3):
            damaged[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.ply").write_bytes(
            damaged[: None if rng.random() < 0.7 else int(rng.integers(len(whole)))]
        )
        try:
            gaussians = load_ply(tmp_path / "a.ply")
        except PlyError:
            continue
        assert all(
            bool(getattr(gaussians, name).isfinite().all()) for name in ("means", "scales", "opacities")
        )
