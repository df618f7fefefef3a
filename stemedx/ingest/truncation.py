"""Whether a file of Bruker or JEOL is whole; their readers do not ask."""

from pathlib import Path
from struct import calcsize, unpack, unpack_from

MAGIC = b"AAMVHFSS"
HEADER_BYTES = 0x118
CHUNK_SIZE_AT, N_CHUNKS_AT = 0x128, 0x148
JEOL_STREAM_AT = 28


def missing_bytes(path: Path) -> int:
    """Return how many bytes a ``.bcf`` or ``.pts`` lacks of what its header announces.

    The container of ``.bcf`` (AidAim Single File System) is a header of 280 bytes and a
    number of chunks of equal size, both told in the header. RosettaSciIO's compiled parser
    reads beyond the end of a shorter file and takes the process with it. Of a shorter
    ``.pts`` it returns fewer frames. Other files lack nothing that can be told here.
    """
    if path.is_dir():  # a .zspy is a folder
        return 0
    with path.open("rb") as stream:
        header = stream.read(N_CHUNKS_AT + calcsize("<I"))
    size = path.stat().st_size
    if path.suffix.lower() == ".pts":
        offset, length = jeol_stream(path) if len(header) >= JEOL_STREAM_AT + 8 else (0, 0)
        return max(0, offset + length - size)
    if not header.startswith(MAGIC) or len(header) < N_CHUNKS_AT + calcsize("<I"):
        return 0
    (chunk_size,) = unpack_from("<I", header, CHUNK_SIZE_AT)
    (n_chunks,) = unpack_from("<I", header, N_CHUNKS_AT)
    return max(0, HEADER_BYTES + n_chunks * chunk_size - size)


def jeol_stream(path: Path) -> tuple[int, int]:
    """Return where in a ``.pts`` the photons begin, and how many bytes they take."""
    with path.open("rb") as stream:
        stream.seek(JEOL_STREAM_AT)
        offset, length = unpack("<II", stream.read(8))
    return offset, length
