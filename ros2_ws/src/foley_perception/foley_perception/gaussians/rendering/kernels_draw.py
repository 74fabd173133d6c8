"""Gaussians that lie on an image, drawn in tiles from near to far, and the gradient of that, in numba.

A tile holds the list of the Gaussians that touch it, nearest first. It is drawn Gaussian by Gaussian, in each row only
over the pixels where the Gaussian is above 1/255, so that most pixels are never asked.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from foley_perception.gaussians.rendering.kernels_project import inline, jit

TILE = 16
"""Side of a tile in pixels."""
VALUES = 10
"""Gradients kept for a Gaussian in a tile: centre 2, conic 3, colour 3, depth, opacity."""


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def bin_tiles(order, means2d, radii, tiles_x, tiles_y):  # type: ignore[no-untyped-def]
    """Of each tile (row by row) the Gaussians in it: where its list starts [tiles + 1] and the lists."""
    starts = np.zeros(tiles_x * tiles_y + 1, np.int64)
    boxes = np.empty((order.shape[0], 4), np.int32)
    for k in range(order.shape[0]):
        i = order[k]
        boxes[k, 0] = max(0, math.floor((means2d[i, 0] - radii[i, 0]) / TILE))
        boxes[k, 1] = max(0, math.floor((means2d[i, 1] - radii[i, 1]) / TILE))
        boxes[k, 2] = min(tiles_x, math.ceil((means2d[i, 0] + radii[i, 0]) / TILE))
        boxes[k, 3] = min(tiles_y, math.ceil((means2d[i, 1] + radii[i, 1]) / TILE))
        for ty in range(boxes[k, 1], boxes[k, 3]):
            for tx in range(boxes[k, 0], boxes[k, 2]):
                starts[ty * tiles_x + tx + 1] += 1
    for tile in range(tiles_x * tiles_y):
        starts[tile + 1] += starts[tile]
    cursor = starts[:-1].copy()
    lists = np.empty(starts[-1], np.int32)
    for k in range(order.shape[0]):
        for ty in range(boxes[k, 1], boxes[k, 3]):
            for tx in range(boxes[k, 0], boxes[k, 2]):
                tile = ty * tiles_x + tx
                lists[cursor[tile]] = order[k]
                cursor[tile] += 1
    return starts, lists


@inline
def _row_ends(a, b, c, reach, u, dy, low, high):  # type: ignore[no-untyped-def]
    """First pixel and the one behind the last of a row in which a Gaussian is above 1/255."""
    bend = b * dy
    inside = bend * bend - a * (c * dy * dy - reach)
    if inside <= 0:
        return low, low
    wide = math.sqrt(inside)
    # dx = u - pixel - 0.5 lies within (-bend +- wide) / a; one pixel more at the end for rounding.
    first = math.floor(u + (bend - wide) / a - type(a)(0.5))
    last = math.floor(u + (bend + wide) / a - type(a)(0.5)) + 2
    return max(first, low), min(last, high)


@jit
def draw(starts, lists, means2d, conics, radii, opacities, features, size, gates):  # type: ignore[no-untyped-def]
    """Features [H, W, 4], transmittance [H, W] and per pixel one behind the last Gaussian of its tile's list [H, W].

    ``features`` [N, 4]: colour and depth; ``gates``: least and greatest alpha, least transmittance.
    """
    width, height = size[0], size[1]
    tiles_x = (width + TILE - 1) // TILE
    real = means2d.dtype.type
    out = np.zeros((height, width, 4), means2d.dtype)
    through = np.ones((height, width), means2d.dtype)
    ends = np.zeros((height, width), np.int32)
    faint, dense, dark = gates[0], gates[1], gates[2]
    half, one = real(0.5), real(1.0)
    for tile in numba.prange(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        x1, y1 = min(x0 + TILE, width), min(y0 + TILE, height)
        waiting = (x1 - x0) * (y1 - y0)
        stopped = np.zeros((TILE, TILE), np.uint8)
        for entry in range(starts[tile], starts[tile + 1]):
            i = lists[entry]
            u, v = means2d[i, 0], means2d[i, 1]
            a, b, c, opacity = conics[i, 0], conics[i, 1], conics[i, 2], opacities[i]
            f0, f1, f2, f3 = features[i, 0], features[i, 1], features[i, 2], features[i, 3]
            reach = real(2.0) * math.log(opacity / faint) + real(1e-4)
            low, high = max(y0, int(v) - radii[i, 1] - 1), min(y1, int(v) + radii[i, 1] + 2)
            for py in range(low, high):
                dy = v - (real(py) + half)
                first, last = _row_ends(a, b, c, reach, u, dy, x0, x1)
                for px in range(first, last):
                    if stopped[py - y0, px - x0]:
                        continue
                    dx = u - (real(px) + half)
                    sigma = half * (a * dx * dx + c * dy * dy) + b * dx * dy
                    if sigma < 0:
                        continue
                    alpha = min(dense, opacity * math.exp(-sigma))
                    if alpha < faint:
                        continue
                    before = through[py, px]
                    after = before * (one - alpha)
                    if after <= dark:
                        stopped[py - y0, px - x0] = 1
                        waiting -= 1
                        continue
                    weight = alpha * before
                    out[py, px, 0] += weight * f0
                    out[py, px, 1] += weight * f1
                    out[py, px, 2] += weight * f2
                    out[py, px, 3] += weight * f3
                    through[py, px] = after
                    ends[py, px] = entry - starts[tile] + 1
            if waiting == 0:
                break
    return out, through, ends


@jit
def draw_backward(  # type: ignore[no-untyped-def]
    starts, lists, means2d, conics, radii, opacities, features, size, gates, through, ends, v_out, v_through
):
    """Gradients of each Gaussian in each tile [entries, VALUES], from those of features and transmittance."""
    width, height = size[0], size[1]
    tiles_x = (width + TILE - 1) // TILE
    real = means2d.dtype.type
    grads = np.zeros((lists.shape[0], VALUES), means2d.dtype)
    faint, dense = gates[0], gates[1]
    half, one = real(0.5), real(1.0)
    for tile in numba.prange(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        x1, y1 = min(x0 + TILE, width), min(y0 + TILE, height)
        left = np.empty((TILE, TILE), means2d.dtype)  # transmittance in front of what is still to come
        behind = np.zeros((TILE, TILE), means2d.dtype)  # what lies behind, times its gradient
        deepest = 0
        for py in range(y0, y1):
            for px in range(x0, x1):
                left[py - y0, px - x0] = through[py, px]
                deepest = max(deepest, ends[py, px])
        for entry in range(starts[tile] + deepest - 1, starts[tile] - 1, -1):
            i = lists[entry]
            u, v = means2d[i, 0], means2d[i, 1]
            a, b, c, opacity = conics[i, 0], conics[i, 1], conics[i, 2], opacities[i]
            f0, f1, f2, f3 = features[i, 0], features[i, 1], features[i, 2], features[i, 3]
            reach = real(2.0) * math.log(opacity / faint) + real(1e-4)
            gu = gv = ga = gb = gc = g0 = g1 = g2 = g3 = go = real(0.0)
            low, high = max(y0, int(v) - radii[i, 1] - 1), min(y1, int(v) + radii[i, 1] + 2)
            for py in range(low, high):
                dy = v - (real(py) + half)
                first, last = _row_ends(a, b, c, reach, u, dy, x0, x1)
                for px in range(first, last):
                    if entry - starts[tile] >= ends[py, px]:
                        continue
                    dx = u - (real(px) + half)
                    sigma = half * (a * dx * dx + c * dy * dy) + b * dx * dy
                    if sigma < 0:
                        continue
                    fall = math.exp(-sigma)
                    alpha = min(dense, opacity * fall)
                    if alpha < faint:
                        continue
                    share = one / (one - alpha)
                    before = left[py - y0, px - x0] * share
                    left[py - y0, px - x0] = before
                    weight = alpha * before
                    v0, v1, v2, v3 = v_out[py, px, 0], v_out[py, px, 1], v_out[py, px, 2], v_out[py, px, 3]
                    g0 += weight * v0
                    g1 += weight * v1
                    g2 += weight * v2
                    g3 += weight * v3
                    own = f0 * v0 + f1 * v1 + f2 * v2 + f3 * v3
                    hidden = behind[py - y0, px - x0]
                    behind[py - y0, px - x0] = hidden + weight * own
                    v_alpha = own * before - (hidden + through[py, px] * v_through[py, px]) * share
                    if opacity * fall > dense:
                        continue
                    go += fall * v_alpha
                    v_sigma = -opacity * fall * v_alpha
                    ga += half * v_sigma * dx * dx
                    gb += v_sigma * dx * dy
                    gc += half * v_sigma * dy * dy
                    gu += v_sigma * (a * dx + b * dy)
                    gv += v_sigma * (b * dx + c * dy)
            grads[entry, 0], grads[entry, 1] = gu, gv
            grads[entry, 2], grads[entry, 3], grads[entry, 4] = ga, gb, gc
            grads[entry, 5], grads[entry, 6], grads[entry, 7], grads[entry, 8] = g0, g1, g2, g3
            grads[entry, 9] = go
    return grads


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def gather(lists, grads, count):  # type: ignore[no-untyped-def]
    """Sum [count, VALUES] over the tiles of each Gaussian."""
    total = np.zeros((count, VALUES), grads.dtype)
    for entry in range(lists.shape[0]):
        i = lists[entry]
        for k in range(VALUES):
            total[i, k] += grads[entry, k]
    return total
