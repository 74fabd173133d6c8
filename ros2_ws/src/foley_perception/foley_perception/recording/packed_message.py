"""Messages, or whole files, that were compressed one by one, as `ros2 bag record --compression-mode` does."""

from __future__ import annotations

from pathlib import Path

from foley_perception.recording.errors import BagError

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # no serialised message begins like this: its first byte is 0


def unpacked(data: bytes) -> bytes:
    """A message without its own compression."""
    import zstandard

    unpacker = zstandard.ZstdDecompressor().decompressobj()
    try:
        plain = unpacker.decompress(data)
    except zstandard.ZstdError as error:
        raise BagError(f"a message cannot be decompressed ({error})") from error
    if not unpacker.eof:
        raise BagError("a message cannot be decompressed (its end is missing)")
    return bytes(plain)


def fault(data: bytes) -> str:
    """Why a message of a bag of compressed ones is none, compressed or not; empty if it is one.

    The first byte of a serialised message is 0 (CDR).
    """
    if data.startswith(ZSTD_MAGIC):
        try:
            data = unpacked(data)
        except BagError as error:
            return str(error)
    return "" if data[:1] == b"\0" else f"it begins with {bytes(data[:4])!r}"


def unpack_file(path: Path, target: Path) -> str:
    """Write a file without the compression of all of it.

    Returns:
        Why it ends early, before damage, like a file that was cut off; empty if all of it is there.

    Raises:
        BagError: it cannot be read or written.
    """
    import zstandard

    try:
        with path.open("rb") as source, target.open("wb") as sink:
            zstandard.ZstdDecompressor().copy_stream(source, sink)
    except zstandard.ZstdError as error:
        return str(error)
    except OSError as error:
        raise BagError(
            f"{path}: cannot be decompressed in {target.parent} ({error.strerror}); set TMPDIR to a folder "
            "with more space"
        ) from error
    return ""
