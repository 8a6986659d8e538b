"""A real PostgreSQL on loopback, which may be stopped and started."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg

from tests.deploy.programs import free_address


class Cluster:
    """A PostgreSQL of its own; its user `owner` has the password `s3cret`, which is in `folder`/password."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        initdb = found[-1] if found else Path(shutil.which("initdb") or "/")
        self.folder, self._programs = folder, initdb.parent
        self.port = free_address().rpartition(":")[2]
        self.address = f"postgresql://owner:s3cret@127.0.0.1:{self.port}/postgres"
        folder.chmod(0o777)
        (folder / "password").write_text("s3cret")
        (folder / "password").chmod(0o644)
        self._run("initdb", "-A", "scram-sha-256", "-U", "owner", f"--pwfile={folder / 'password'}", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        # The server refuses root, and has to reach its folder as another user; another pytest closes it again.
        for parent in (self.folder, *self.folder.parents):
            if parent.stat().st_uid == os.getuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        with (self.folder / "output").open("ab") as output:
            subprocess.run(command, check=True, stdout=output, stderr=output, cwd="/")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")

    def execute(self, *statements: str) -> None:
        with closing(psycopg.connect(self.address, autocommit=True)) as connection:
            for statement in statements:
                connection.execute(statement)
