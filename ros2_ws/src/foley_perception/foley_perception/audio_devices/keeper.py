"""A device that is used for as long as it is there, and again when it is back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from foley_perception.audio_devices.portaudio import CaptureError, look_again

Opened = TypeVar("Opened")


def keep_open(
    make: Callable[[], AbstractContextManager[Opened]],
    use: Callable[[Opened], None],
    tell: Callable[[str], None],
    stop: threading.Event,
    retry_s: float,
) -> None:
    """Open a device and use it until told to stop; where that fails, say so and try again.

    Args:
        make: finds it; may raise CaptureError, as may opening and using it.
        use: returns when it is told to stop, or when the device has ended.
        tell: is handed what is wrong.
    """
    while not stop.is_set():
        try:
            look_again()
            with make() as opened:
                use(opened)
            if not stop.is_set():
                raise CaptureError("it ended by itself; was it unplugged, or its sound server ended?")
        except CaptureError as error:
            tell(str(error))
            stop.wait(retry_s)
