"""A sound server of one's own: PulseAudio in a private folder, which PortAudio reaches by ALSA's pulse plugin."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

RATE = 48_000
# Names as PortAudio has them -> what they are of the server's.
DEVICES = {"room_speaker": "room", "room_microphone": "room.monitor", "wire_microphone": "wire"}
_PLUGIN = "alsa-lib/libasound_module_pcm_pulse.so"


def unavailable() -> str:
    """Why there cannot be one here; empty where there can."""
    if not shutil.which("pulseaudio") or not shutil.which("pactl"):
        return "no PulseAudio: apt install pulseaudio pulseaudio-utils"
    if not any(Path("/usr/lib").glob(f"*/{_PLUGIN}")) and not Path(f"/usr/lib/{_PLUGIN}").exists():
        return "ALSA has no plugin for PulseAudio: apt install libasound2-plugins"
    if importlib.util.find_spec("sounddevice") is None:
        return "no package sounddevice: pip install sounddevice"
    try:
        importlib.import_module("sounddevice")
    except OSError:
        return "no PortAudio: apt install libportaudio2"
    return ""


class SoundServer:
    """Runs while it is a context.

    `room` is a null sink with its monitor, `wire` a source whose samples are written to a pipe, so that it is known
    when they were there.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="foley_sound_"))  # short, for the path of a socket
        socket = self.folder / "socket"
        config = self.folder / "asound.conf"
        lines = ["</usr/share/alsa/alsa.conf>"]
        for name, device in DEVICES.items():
            lines.append(f"pcm.{name} {{ type pulse device {device} hint {{ show on description {name} }} }}")
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.environment = {
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "PULSE_RUNTIME_PATH": str(self.folder),
            "PULSE_STATE_PATH": str(self.folder),
            "PULSE_SERVER": f"unix:{socket}",
            "ALSA_CONFIG_PATH": str(config),
        }
        self.pipe = self.folder / "wire"
        self._command = [
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=1",
            f"--load=module-native-protocol-unix socket={socket} auth-anonymous=1",
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SoundServer:
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                self._command, env=os.environ | self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60.0
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PulseAudio does not come up:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.05)
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def plug(self) -> None:
        """`room` is there."""
        self._room = self.ask(
            "load-module", "module-null-sink", "sink_name=room", f"rate={RATE}", "format=float32le"
        )

    def unplug(self) -> None:
        """`room` is gone, and so is its monitor."""
        self.ask("unload-module", self._room.strip())

    def plug_wire(self) -> None:
        self.ask(
            "load-module", "module-pipe-source", "source_name=wire", f"file={self.pipe}",
            f"rate={RATE}", "format=s16le", "channels=1",
        )  # fmt: skip

    def suspend(self, suspended: bool) -> float:
        """Stop the clock of `room`, or let it go on; when that was done (the middle of asking) [s, monotonic]."""
        asked = time.monotonic()
        self.ask("suspend-sink", "room", str(int(suspended)))
        return 0.5 * (asked + time.monotonic())

    def halt(self, halted: bool) -> None:
        """The whole server stands still, or goes on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP if halted else signal.SIGCONT)

    def ask(self, *words: str) -> str:
        return subprocess.run(
            ["pactl", *words], env=os.environ | self.environment, check=True, capture_output=True, text=True
        ).stdout

    def _answers(self) -> bool:
        command, environment = ["pactl", "info"], os.environ | self.environment
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
