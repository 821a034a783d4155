"""A self-signed certificate is loaded, and leaves no file."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from gridiface.conformance.certificates import self_signed


def test_the_pair_is_loaded_and_its_file_is_gone(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    loaded = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, certfile, *more):
            loaded.append(Path(certfile).read_bytes())
            assert Path(certfile).stat().st_mode & 0o077 == 0
            super().load_cert_chain(certfile, *more)

    self_signed(Context(ssl.PROTOCOL_TLS_CLIENT))
    assert b"BEGIN CERTIFICATE" in loaded[0]
    assert list(tmp_path.iterdir()) == []
