"""Gaussians onto the image and back: projection and colour with their gradients, in numba.

The equations are those of :mod:`foley_perception.gaussians.rendering.reference`, one Gaussian at a time. Constants take
the type of their array: numba would otherwise compute float32 in float64.
"""

from __future__ import annotations

import math

import numba
import numpy as np

# OpenMP may be entered from several threads at once, and is there wherever g++ is.
numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
jit = numba.njit(cache=True, nogil=True, parallel=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
inline = numba.njit(cache=True, nogil=True, inline="always")

"""A Gaussian ends where it falls under 1/255 of one: sqrt(2 ln 255) standard deviations."""


@inline
def _rotation(quats, i, out):  # type: ignore[no-untyped-def]
    """Write the rotation [3, 3] of a quaternion."""
    w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
    one, two = quats.dtype.type(1.0), quats.dtype.type(2.0)
    n = one / math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w * n, x * n, y * n, z * n
    out[i, 0, 0] = one - two * (y * y + z * z)
    out[i, 0, 1] = two * (x * y - w * z)
    out[i, 0, 2] = two * (x * z + w * y)
    out[i, 1, 0] = two * (x * y + w * z)
    out[i, 1, 1] = one - two * (x * x + z * z)
    out[i, 1, 2] = two * (y * z - w * x)
    out[i, 2, 0] = two * (x * z - w * y)
    out[i, 2, 1] = two * (y * z + w * x)
    out[i, 2, 2] = one - two * (x * x + y * y)


@inline
def _limit(value, low, high):  # type: ignore[no-untyped-def]
    return min(max(value, low), high)


@jit
def project(means, quats, scales, opacities, viewmat, intrinsics, size, limits):  # type: ignore[no-untyped-def]
    """Centres [N, 2], depths [N], conics [N, 3], half extents [N, 2] in whole pixels (0: not drawn).

    ``intrinsics``: fx, fy, cx, cy; ``size``: width, height; ``limits``: near plane, blur, margin.
    """
    n = means.shape[0]
    real = means.dtype.type
    means2d = np.empty((n, 2), means.dtype)
    depths = np.empty(n, means.dtype)
    conics = np.empty((n, 3), means.dtype)
    radii = np.zeros((n, 2), np.int32)
    rotations = np.empty((n, 3, 3), means.dtype)
    fx, fy, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2], intrinsics[3]
    width, height = size[0], size[1]
    near, blur, margin = limits[0], limits[1], limits[2]
    half = real(0.5)
    low_x, high_x = -cx / fx - margin * half * width / fx, (width - cx) / fx + margin * half * width / fx
    low_y, high_y = -cy / fy - margin * half * height / fy, (height - cy) / fy + margin * half * height / fy
    faintest = real(1.0 / 255.0)
    for i in numba.prange(n):
        m0, m1, m2 = means[i, 0], means[i, 1], means[i, 2]
        x = viewmat[0, 0] * m0 + viewmat[0, 1] * m1 + viewmat[0, 2] * m2 + viewmat[0, 3]
        y = viewmat[1, 0] * m0 + viewmat[1, 1] * m1 + viewmat[1, 2] * m2 + viewmat[1, 3]
        z = viewmat[2, 0] * m0 + viewmat[2, 1] * m1 + viewmat[2, 2] * m2 + viewmat[2, 3]
        means2d[i, 0] = means2d[i, 1] = real(0.0)
        conics[i, 0] = conics[i, 1] = conics[i, 2] = real(0.0)
        depths[i] = z
        if not z > near or not opacities[i] >= faintest:
            continue
        rz = real(1.0) / z
        u, v = fx * x * rz + cx, fy * y * rz + cy
        tx, ty = z * _limit(x * rz, low_x, high_x), z * _limit(y * rz, low_y, high_y)
        _rotation(quats, i, rotations)
        j00, j02, j11, j12 = fx * rz, -fx * tx * rz * rz, fy * rz, -fy * ty * rz * rz
        a, b, c = blur, real(0.0), blur
        for k in range(3):
            s = scales[i, k]
            r0, r1, r2 = rotations[i, 0, k] * s, rotations[i, 1, k] * s, rotations[i, 2, k] * s
            p0 = viewmat[0, 0] * r0 + viewmat[0, 1] * r1 + viewmat[0, 2] * r2
            p1 = viewmat[1, 0] * r0 + viewmat[1, 1] * r1 + viewmat[1, 2] * r2
            p2 = viewmat[2, 0] * r0 + viewmat[2, 1] * r1 + viewmat[2, 2] * r2
            q0, q1 = j00 * p0 + j02 * p2, j11 * p1 + j12 * p2
            a += q0 * q0
            b += q0 * q1
            c += q1 * q1
        determinant = a * c - b * b
        if not determinant > real(0.0):
            continue
        means2d[i, 0], means2d[i, 1] = u, v
        conics[i, 0], conics[i, 1], conics[i, 2] = c / determinant, -b / determinant, a / determinant
        # Where opacity * exp(-d^2 / 2) reaches 1/255.
        reach = math.sqrt(real(2.0) * math.log(opacities[i] / faintest)) + real(1e-3)
        rx, ry = math.ceil(reach * math.sqrt(a)), math.ceil(reach * math.sqrt(c))
        if u + rx <= 0 or u - rx >= width or v + ry <= 0 or v - ry >= height:
            continue
        radii[i, 0], radii[i, 1] = max(np.int32(rx), np.int32(1)), max(np.int32(ry), np.int32(1))
    return means2d, depths, conics, radii


@jit
def project_backward(  # type: ignore[no-untyped-def]
    means, quats, scales, viewmat, intrinsics, size, limits, radii, conics, v_means2d, v_depths, v_conics
):
    """Gradients of means [N, 3], quats [N, 4] and scales [N, 3]."""
    n = means.shape[0]
    real = means.dtype.type
    v_means, v_quats, v_scales = np.zeros_like(means), np.zeros_like(quats), np.zeros_like(scales)
    rotations = np.empty((n, 3, 3), means.dtype)
    fx, fy, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2], intrinsics[3]
    width, height = size[0], size[1]
    margin = limits[2]
    half, two = real(0.5), real(2.0)
    low_x, high_x = -cx / fx - margin * half * width / fx, (width - cx) / fx + margin * half * width / fx
    low_y, high_y = -cy / fy - margin * half * height / fy, (height - cy) / fy + margin * half * height / fy
    for i in numba.prange(n):
        if radii[i, 0] == 0:
            continue
        m0, m1, m2 = means[i, 0], means[i, 1], means[i, 2]
        x = viewmat[0, 0] * m0 + viewmat[0, 1] * m1 + viewmat[0, 2] * m2 + viewmat[0, 3]
        y = viewmat[1, 0] * m0 + viewmat[1, 1] * m1 + viewmat[1, 2] * m2 + viewmat[1, 3]
        z = viewmat[2, 0] * m0 + viewmat[2, 1] * m1 + viewmat[2, 2] * m2 + viewmat[2, 3]
        rz = real(1.0) / z
        inside_x = low_x <= x * rz <= high_x
        inside_y = low_y <= y * rz <= high_y
        tx, ty = z * _limit(x * rz, low_x, high_x), z * _limit(y * rz, low_y, high_y)
        _rotation(quats, i, rotations)
        j00, j02, j11, j12 = fx * rz, -fx * tx * rz * rz, fy * rz, -fy * ty * rz * rz
        # d covariance2d = -conic d conic conic, all symmetric.
        a, b, c = conics[i, 0], conics[i, 1], conics[i, 2]
        ga, gb, gc = v_conics[i, 0], half * v_conics[i, 1], v_conics[i, 2]
        h00, h01 = a * ga + b * gb, a * gb + b * gc
        h10, h11 = b * ga + c * gb, b * gb + c * gc
        v00 = -(h00 * a + h01 * b)
        v01 = -half * ((h00 * b + h01 * c) + (h10 * a + h11 * b))
        v11 = -(h10 * b + h11 * c)
        vj00 = vj02 = vj11 = vj12 = real(0.0)
        vr00 = vr01 = vr02 = vr10 = vr11 = vr12 = vr20 = vr21 = vr22 = real(0.0)
        for k in range(3):
            s = scales[i, k]
            d0, d1, d2 = rotations[i, 0, k], rotations[i, 1, k], rotations[i, 2, k]
            p0 = viewmat[0, 0] * d0 + viewmat[0, 1] * d1 + viewmat[0, 2] * d2
            p1 = viewmat[1, 0] * d0 + viewmat[1, 1] * d1 + viewmat[1, 2] * d2
            p2 = viewmat[2, 0] * d0 + viewmat[2, 1] * d1 + viewmat[2, 2] * d2
            q0, q1 = (j00 * p0 + j02 * p2) * s, (j11 * p1 + j12 * p2) * s
            vq0, vq1 = two * (v00 * q0 + v01 * q1), two * (v01 * q0 + v11 * q1)
            vj00 += vq0 * p0 * s
            vj02 += vq0 * p2 * s
            vj11 += vq1 * p1 * s
            vj12 += vq1 * p2 * s
            # Of the axis in the camera, then in the world.
            c0, c1, c2 = vq0 * j00, vq1 * j11, vq0 * j02 + vq1 * j12
            w0 = viewmat[0, 0] * c0 + viewmat[1, 0] * c1 + viewmat[2, 0] * c2
            w1 = viewmat[0, 1] * c0 + viewmat[1, 1] * c1 + viewmat[2, 1] * c2
            w2 = viewmat[0, 2] * c0 + viewmat[1, 2] * c1 + viewmat[2, 2] * c2
            v_scales[i, k] = w0 * d0 + w1 * d1 + w2 * d2
            if k == 0:
                vr00, vr10, vr20 = w0 * s, w1 * s, w2 * s
            elif k == 1:
                vr01, vr11, vr21 = w0 * s, w1 * s, w2 * s
            else:
                vr02, vr12, vr22 = w0 * s, w1 * s, w2 * s
        g0, g1 = v_means2d[i, 0], v_means2d[i, 1]
        px, py = fx * rz * g0, fy * rz * g1
        pz = -(fx * x * g0 + fy * y * g1) * rz * rz + v_depths[i]
        pz += -fx * rz * rz * vj00 - fy * rz * rz * vj11
        if inside_x:
            px -= fx * rz * rz * vj02
            pz += two * fx * tx * rz * rz * rz * vj02
        else:
            pz += fx * tx * rz * rz * rz * vj02
        if inside_y:
            py -= fy * rz * rz * vj12
            pz += two * fy * ty * rz * rz * rz * vj12
        else:
            pz += fy * ty * rz * rz * rz * vj12
        for k in range(3):
            v_means[i, k] = viewmat[0, k] * px + viewmat[1, k] * py + viewmat[2, k] * pz
        w, qx, qy, qz = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
        norm = real(1.0) / math.sqrt(w * w + qx * qx + qy * qy + qz * qz)
        w, qx, qy, qz = w * norm, qx * norm, qy * norm, qz * norm
        gw = two * (qx * (vr21 - vr12) + qy * (vr02 - vr20) + qz * (vr10 - vr01))
        gx = two * (-two * qx * (vr11 + vr22) + qy * (vr01 + vr10) + qz * (vr02 + vr20) + w * (vr21 - vr12))
        gy = two * (qx * (vr01 + vr10) - two * qy * (vr00 + vr22) + qz * (vr12 + vr21) + w * (vr02 - vr20))
        gz = two * (qx * (vr02 + vr20) + qy * (vr12 + vr21) - two * qz * (vr00 + vr11) + w * (vr10 - vr01))
        along = gw * w + gx * qx + gy * qy + gz * qz
        v_quats[i, 0], v_quats[i, 1] = (gw - along * w) * norm, (gx - along * qx) * norm
        v_quats[i, 2], v_quats[i, 3] = (gy - along * qy) * norm, (gz - along * qz) * norm
    return v_means, v_quats, v_scales


@inline
def _harmonics(x, y, z, count, basis):  # type: ignore[no-untyped-def]
    real = basis.dtype.type
    basis[0] = real(0.28209479177387814)
    if count > 1:
        k = real(0.4886025119029199)
        basis[1], basis[2], basis[3] = -k * y, k * z, -k * x
    if count > 4:
        k = real(1.0925484305920792)
        basis[4], basis[5], basis[7] = k * x * y, -k * y * z, -k * x * z
        basis[6] = real(0.31539156525252005) * (real(3.0) * z * z - real(1.0))
        basis[8] = real(0.5462742152960396) * (x * x - y * y)
    if count > 9:
        k, m, three, five = real(0.5900435899266435), real(0.4570457994644658), real(3.0), real(5.0)
        basis[9] = -k * y * (three * x * x - y * y)
        basis[10] = real(2.890611442640554) * x * y * z
        basis[11] = -m * y * (five * z * z - real(1.0))
        basis[12] = real(0.3731763325901154) * z * (five * z * z - three)
        basis[13] = -m * x * (five * z * z - real(1.0))
        basis[14] = real(1.445305721320277) * z * (x * x - y * y)
        basis[15] = -k * x * (x * x - three * y * y)


@inline
def _harmonics_slope(x, y, z, count, g):  # type: ignore[no-untyped-def]
    """Gradient of sum_k g[k] basis_k(x, y, z), as if x, y and z were free."""
    real = g.dtype.type
    gx = gy = gz = real(0.0)
    if count > 1:
        k = real(0.4886025119029199)
        gx, gy, gz = gx - k * g[3], gy - k * g[1], gz + k * g[2]
    if count > 4:
        k, m = real(1.0925484305920792), real(2.0 * 0.5462742152960396)
        gx += k * (y * g[4] - z * g[7]) + m * x * g[8]
        gy += k * (x * g[4] - z * g[5]) - m * y * g[8]
        gz += -k * (y * g[5] + x * g[7]) + real(6.0 * 0.31539156525252005) * z * g[6]
    if count > 9:
        k, m, three, five, six = (
            real(0.5900435899266435),
            real(0.4570457994644658),
            real(3.0),
            real(5.0),
            real(6.0),
        )
        p, q, r = real(2.890611442640554), real(0.3731763325901154), real(1.445305721320277)
        high = five * z * z - real(1.0)
        gx += -k * six * x * y * g[9] + p * y * z * g[10] - m * high * g[13] + real(2.0) * r * x * z * g[14]
        gx += -k * three * (x * x - y * y) * g[15]
        gy += -k * three * (x * x - y * y) * g[9] + p * x * z * g[10] - m * high * g[11]
        gy += -real(2.0) * r * y * z * g[14] + k * six * x * y * g[15]
        gz += p * x * y * g[10] - real(10.0) * m * z * (y * g[11] + x * g[13])
        gz += q * (real(15.0) * z * z - three) * g[12] + r * (x * x - y * y) * g[14]
    return gx, gy, gz


@jit
def shade(means, sh, eye, radii):  # type: ignore[no-untyped-def]
    """Colours [N, 3] as seen from ``eye`` [3]; zero for what is not drawn."""
    n, count = sh.shape[0], sh.shape[1]
    real = sh.dtype.type
    colours = np.zeros((n, 3), sh.dtype)
    for i in numba.prange(n):
        if radii[i, 0] == 0:
            continue
        x, y, z = means[i, 0] - eye[0], means[i, 1] - eye[1], means[i, 2] - eye[2]
        near = real(1.0) / math.sqrt(x * x + y * y + z * z)
        basis = np.empty(16, sh.dtype)
        _harmonics(x * near, y * near, z * near, count, basis)
        for c in range(3):
            total = real(0.5)
            for k in range(count):
                total += basis[k] * sh[i, k, c]
            colours[i, c] = max(total, real(0.0))
    return colours


@jit
def shade_backward(means, sh, eye, radii, colours, v_colours):  # type: ignore[no-untyped-def]
    """Gradients of means [N, 3] and sh [N, K, 3]."""
    n, count = sh.shape[0], sh.shape[1]
    real = sh.dtype.type
    v_means, v_sh = np.zeros_like(means), np.zeros_like(sh)
    for i in numba.prange(n):
        if radii[i, 0] == 0:
            continue
        x, y, z = means[i, 0] - eye[0], means[i, 1] - eye[1], means[i, 2] - eye[2]
        near = real(1.0) / math.sqrt(x * x + y * y + z * z)
        x, y, z = x * near, y * near, z * near
        basis, slope = np.empty(16, sh.dtype), np.zeros(16, sh.dtype)
        _harmonics(x, y, z, count, basis)
        for c in range(3):
            if colours[i, c] <= real(0.0):
                continue
            g = v_colours[i, c]
            for k in range(count):
                v_sh[i, k, c] = basis[k] * g
                slope[k] += sh[i, k, c] * g
        if count > 1:
            gx, gy, gz = _harmonics_slope(x, y, z, count, slope)
            along = gx * x + gy * y + gz * z
            v_means[i, 0] = (gx - along * x) * near
            v_means[i, 1] = (gy - along * y) * near
            v_means[i, 2] = (gz - along * z) * near
    return v_means, v_sh
