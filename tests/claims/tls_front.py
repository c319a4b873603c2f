"""A TLS front on loopback, as nginx is one, with a certificate from an authority of its own."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from claims.postfix import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")  # Debian keeps it there
_SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx.conf"
_AROUND = """\
daemon off; master_process off; pid pid; error_log stderr; events {}
http {
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  include site.conf;
}
"""


@dataclass(frozen=True)
class Authority:
    """A certificate for one host, and the file that makes it trusted."""

    file: Path
    server: ssl.SSLContext

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.file)


def authority(folder: Path, host: str) -> Authority:
    """Make a self-signed certificate for a host that is good for 30 days."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "30", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return Authority(certificate, context)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    with suppress(ConnectionError, ssl.SSLError):
        writer.close()


@asynccontextmanager
async def tls_front(context: ssl.SSLContext | None, backend_port: int) -> AsyncIterator[int]:
    """Pass bytes on to a port of this machine inside the context; give the front's port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind = await asyncio.open_connection("127.0.0.1", backend_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pipe(reader, behind[1]), _pipe(behind[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def nginx_front(
    folder: Path, trusted: Authority, backend_port: int, https: int, http: int, *, without: str = ""
) -> AsyncIterator[None]:
    """Run nginx with the configuration that is shipped, on ports of this machine, until the end.

    Lines that begin with ``without`` are left out.
    """
    site = _SHIPPED.read_text("utf-8")
    for left_out in filter(None, ("listen [::]", without)):
        site = re.sub(rf"(?m)^ *{re.escape(left_out)}.*\n", "", site)
    for was, now in {
        "127.0.0.1:8080": f"127.0.0.1:{backend_port}",
        "listen 443": f"listen 127.0.0.1:{https}",
        "listen 80": f"listen 127.0.0.1:{http}",
        "/etc/letsencrypt/live/click.brand.example/fullchain.pem": str(trusted.file),
        "/etc/letsencrypt/live/click.brand.example/privkey.pem": str(trusted.file.with_name("key.pem")),
    }.items():
        assert was in site
        site = site.replace(was, now)
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(_AROUND)
    process = await asyncio.create_subprocess_exec(
        str(NGINX), "-p", folder, "-c", "nginx.conf", "-e", "stderr"
    )
    try:
        await listening(process, http)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
