"""Puts pictures of the pages into the site: a line `<!-- picture: overview | what it shows -->` becomes the picture.

The pictures are made by the browser tests (`make docs` runs them) in build/shots and are not kept in the repository;
where they are missing the line stays what it is, a comment. Light and dark pictures follow the reader's choice.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import relpath
from typing import Any

from mkdocs.structure.files import File

LINE = re.compile(r"^<!-- picture: ([a-z0-9-]+) \| ([^>]+) -->$", re.MULTILINE)
SHOTS = Path(__file__).resolve().parents[2] / "build" / "shots"
_LOOKS = {"light": "only-light", "dark": "only-dark"}


def on_files(files: Any, config: Any) -> Any:
    """Every picture that was taken becomes a file of the site."""
    if SHOTS.is_dir():
        for path in sorted(SHOTS.glob("*.png")):
            files.append(File(f"shots/{path.name}", str(SHOTS.parent), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put the pictures in that there are."""

    def shown(found: re.Match[str]) -> str:
        name, text = found[1], found[2].strip()
        taken = [look for look in _LOOKS if (SHOTS / f"{name}-{look}.png").is_file()]
        if not taken:
            return found[0]
        place = relpath("shots", str(Path(page.file.src_uri).parent) or ".")
        both = len(taken) == len(_LOOKS)
        return "\n".join(
            f"![{text}]({place}/{name}-{look}.png{'#' + _LOOKS[look] if both else ''}){{ loading=lazy }}"
            for look in taken
        )

    return LINE.sub(shown, markdown)
