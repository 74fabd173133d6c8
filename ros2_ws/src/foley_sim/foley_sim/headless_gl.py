"""How MuJoCo draws without a screen: EGL, or OSMesa where there is none.

MuJoCo reads the choice when it is imported, so this package imports it here and nowhere else.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

PACKAGES = {"egl": "libegl1 libegl-mesa0 libgl1-mesa-dri", "osmesa": "libosmesa6"}
"""Debian packages that each backend needs."""


class NoRenderer(RuntimeError):
    """No way to draw off-screen was found; the message names what to install."""


def import_mujoco(*, draws: bool = False) -> Any:
    """The module mujoco, with MUJOCO_GL set to what works here unless the user has set it.

    Raises:
        NoRenderer: ``draws`` is asked for and neither EGL nor OSMesa is there.
    """
    if not os.environ.get("MUJOCO_GL"):
        reasons = []
        for name, probe in (("egl", egl_trouble), ("osmesa", osmesa_trouble)):
            reason = probe()
            if not reason:
                os.environ["MUJOCO_GL"] = name
                break
            reasons.append(f"{name}: {reason}")
        else:
            if draws:
                raise NoRenderer(
                    f"the simulated camera cannot draw off-screen ({'; '.join(reasons)}); install the packages "
                    f"`{PACKAGES['egl']}` or `{PACKAGES['osmesa']}`"
                )
            os.environ["MUJOCO_GL"] = "disable"  # physics alone needs no OpenGL
    import mujoco

    return mujoco


def egl_trouble() -> str:
    """Why EGL cannot be used; empty if it can."""
    try:
        library = ctypes.CDLL("libEGL.so.1")
        library.eglGetProcAddress.restype = ctypes.c_void_p
        address = library.eglGetProcAddress(b"eglQueryDevicesEXT")
    except (OSError, AttributeError) as error:
        return str(error)
    if not address:
        return "libEGL.so.1 lacks eglQueryDevicesEXT"
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(
        address
    )
    count = ctypes.c_int(0)
    if not query(0, None, ctypes.byref(count)) or count.value < 1:
        return "libEGL.so.1 finds no device; a Mesa driver is missing"
    return ""


def osmesa_trouble() -> str:
    """Why OSMesa cannot be used; empty if it can."""
    reason = ""
    for name in ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"):
        try:
            ctypes.CDLL(name)
        except OSError as error:
            reason = str(error)
        else:
            return ""
    return reason
