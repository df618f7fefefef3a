"""Whether a Bruker file is whole; its reader does not ask, and crashes."""

from pathlib import Path
from struct import calcsize, unpack_from

MAGIC = b"AAMVHFSS"
HEADER_BYTES = 0x118
CHUNK_SIZE_AT, N_CHUNKS_AT = 0x128, 0x148


def missing_bytes(path: Path) -> int:
    """Return how many bytes a ``.bcf`` lacks of what its header announces.

    The container (AidAim Single File System) is a header of 280 bytes and a number of
    chunks of equal size, both told in the header. Other files lack nothing that can be
    told here. RosettaSciIO's compiled parser reads beyond the end of a shorter file and
    takes the process with it: this is asked first.
    """
    if path.is_dir():  # a .zspy is a folder
        return 0
    with path.open("rb") as stream:
        header = stream.read(N_CHUNKS_AT + calcsize("<I"))
    if not header.startswith(MAGIC) or len(header) < N_CHUNKS_AT + calcsize("<I"):
        return 0
    (chunk_size,) = unpack_from("<I", header, CHUNK_SIZE_AT)
    (n_chunks,) = unpack_from("<I", header, N_CHUNKS_AT)
    return max(0, HEADER_BYTES + n_chunks * chunk_size - path.stat().st_size)
