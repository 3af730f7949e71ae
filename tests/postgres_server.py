"""A PostgreSQL server of one's own: in a temporary folder, on a socket there and on a free port of loopback.

It refuses to run as root, so root lends it to the user postgres of Debian's package.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

PASSWORD = "pass word@1"
_NAMES = count()


@dataclass(frozen=True)
class Server:
    """A server that runs: where its files are, its port, the user and password of its databases."""

    folder: Path
    port: int
    process: int

    def address(self, database: str, password: str = PASSWORD) -> str:
        """Return the address of a database."""
        from urllib.parse import quote

        return f"postgresql+psycopg://rapport:{quote(password)}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"memory_{os.getpid()}_{next(_NAMES)}"
        self.run(f"CREATE DATABASE {name} OWNER rapport")
        return self.address(name)

    def run(self, sql: str, database: str = "postgres") -> None:
        """Run a statement as the owner of the server."""
        import psycopg

        address = f"host={self.folder / 'socket'} port={self.port} user=postgres dbname={database}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(sql)  # type: ignore[call-overload]


def binaries() -> Path | None:
    """Return the folder of the server's programs, the newest that is installed; None where there is none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Start a server and stop it at the end."""
    place = binaries()
    assert place is not None, "no PostgreSQL server is installed; run tools/need_postgresql.sh"
    folder = Path(tempfile.mkdtemp(prefix="rapport-postgres-"))
    try:
        (folder / "socket").mkdir()
        as_user = _lend(folder)
        owner = ["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        _done([place / "initdb", "-D", folder / "data", *owner], as_user)
        (folder / "data" / "pg_hba.conf").write_text(
            "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        port = _free_port()
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder / "socket"}
        settings |= {"fsync": "off", "shared_buffers": "64MB", "max_connections": 40}
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [place / "postgres", "-D", folder / "data", *flags], stdout=log, stderr=log, **as_user
            )
        server = Server(folder, port, process.pid)
        try:
            _wait_until_it_answers(server, process)
            server.run(f"CREATE ROLE rapport LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lend(folder: Path) -> dict[str, Any]:
    """Return how to start a process that may use the folder; root gives it to the user postgres."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    for path in (folder, folder / "socket"):
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": folder}


def _done(command: list[Any], as_user: dict[str, Any]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **as_user)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    stop = time.monotonic() + 60
    while True:
        assert process.poll() is None, (server.folder / "log").read_text()
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            assert time.monotonic() < stop, (server.folder / "log").read_text()
            time.sleep(0.05)
        else:
            return
