from __future__ import annotations

import os
from pathlib import Path

from gridiface.pki.watch import stamp


def test_each_kind_of_change_is_noticed(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.pem", tmp_path / "roots"
    folder.mkdir()
    seen = [stamp([file, folder])]
    file.write_text("one")
    seen.append(stamp([file, folder]))
    os.utime(file, ns=(1, 1))
    seen.append(stamp([file, folder]))
    (folder / "b.pem").write_text("b")
    seen.append(stamp([file, folder]))
    replacement = tmp_path / "new"
    replacement.write_text("one")
    os.utime(replacement, ns=(1, 1))
    replacement.replace(file)
    seen.append(stamp([file, folder]))
    file.unlink()
    seen.append(stamp([file, folder]))
    assert len(set(seen)) == len(seen)
    assert stamp([file, folder]) == seen[-1]
