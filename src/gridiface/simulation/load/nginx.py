"""nginx with the same certificates, suite and files as the server: what a benchmark is compared with, in the same run.

Starts one worker on a free loopback port in a folder of the benchmark's; nginx is used where it is installed and is no
part of the project.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from pathlib import Path

from gridiface.errors import GridifaceError

_STARTS_S = 10.0

_CONFIGURATION = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 20000; }}
http {{
  access_log off; default_type application/sep+xml; keepalive_requests 100000000; keepalive_timeout 1000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  open_file_cache max=100; open_file_cache_valid 1000s;
  server {{
    listen 127.0.0.1:{port} ssl backlog=1024;
    ssl_certificate {pki}/server.pem; ssl_certificate_key {pki}/server.key;
    ssl_client_certificate {pki}/serca.pem; ssl_verify_client on; ssl_verify_depth 5;
    ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0; ssl_ecdh_curve prime256v1;
    ssl_session_cache off; ssl_session_tickets off; ssl_buffer_size 16k;
    root {folder}/files;
  }}
}}
"""


class Nginx:
    """One nginx. Use as an async context manager; `port` and `pid` hold while it runs.

    Args:
        folder: an empty one of its own.
        pki: with server.pem, server.key and serca.pem.
        files: name -> content.
    """

    def __init__(self, folder: Path, pki: Path, files: dict[str, bytes]) -> None:
        self._folder, self._pki, self._files = folder, pki, files
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @staticmethod
    def installed() -> str | None:
        """The program's path, where there is one."""
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Nginx:
        program = self.installed()
        if program is None:
            raise GridifaceError("nginx is not installed")
        self._write()
        self._process = await asyncio.create_subprocess_exec(
            program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), stderr=asyncio.subprocess.DEVNULL
        )
        await self._ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    def _write(self) -> None:
        files = self._folder / "files"
        files.mkdir(parents=True)
        for name, content in self._files.items():
            (files / name).write_bytes(content)
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        text = _CONFIGURATION.format(folder=self._folder, pki=self._pki, port=self.port)
        (self._folder / "nginx.conf").write_text(text, encoding="utf-8")

    async def _ready(self) -> None:
        """Wait until it takes connections.

        Raises:
            GridifaceError: it ended, or does not within ten seconds.
        """
        assert self._process is not None
        try:
            async with asyncio.timeout(_STARTS_S):
                while self._process.returncode is None:
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    except OSError:
                        await asyncio.sleep(0.05)
                    else:
                        writer.close()
                        return
        except TimeoutError:
            await self.__aexit__()
        log = self._folder / "error.log"
        said = log.read_text(encoding="utf-8", errors="replace")[-500:] if log.exists() else ""
        raise GridifaceError(f"nginx did not start: {said}")
