"""Notices that files changed, so that certificates and revocation lists are taken anew without a restart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

Stamp = tuple[tuple[str, int, int, int], ...]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield path
        if path.is_dir():
            # Listing a folder may fail where no descriptor is left; the folder's own time then has to do.
            with contextlib.suppress(OSError):
                yield from sorted(item for item in path.iterdir() if item.is_file())


def stamp(paths: Iterable[Path]) -> Stamp:
    """What the file system says of `paths` (files, or folders with all files in them); a missing file counts too.

    Two equal stamps mean that nothing was written, replaced, added or removed.
    """
    found: list[tuple[str, int, int, int]] = []
    for path in _files(paths):
        try:
            status = path.stat()
        except OSError:
            found.append((str(path), 0, -1, 0))
        else:
            found.append((str(path), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
