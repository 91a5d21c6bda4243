"""A running installation as its partners see it: an address, a key, commands."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from tests import servers
from tests.installation import ROOT, Installation


@contextmanager
def in_database(site: "Site", request: Any) -> Iterator[None]:
    """A site on the kind of database that the suite runs on, with one of its own."""
    with site:
        if not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
            yield
            return
        server = request.getfixturevalue("postgres_server")
        with servers.postgres_database(server, f"tms_site_{time.time_ns()}") as url:
            site.environment["TMS_DATABASE_URL"] = url
            yield
            site.__exit__(None, None, None)


class Site(Installation):
    """An installation with only its web server running, which can be killed."""

    web: subprocess.Popen | None = None
    key = ""

    def open(self) -> None:
        """Make the database and a key, start the web server."""
        self.done("migrate", "--verbosity", "0")
        made = self.done("api_key", "create", "gateway", "--scope", "ingest", "--scope", "read")
        self.key = made.splitlines()[-1]
        self.serve()

    def done(self, *arguments: str) -> str:
        """What a command printed; it must succeed."""
        ended = self.manage(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def serve(self) -> None:
        """Start the web server and wait for its first answer."""
        command = [sys.executable, "-m", "gunicorn", "tms.wsgi", "--chdir", str(ROOT)]
        command += ["--config", str(ROOT / "gunicorn.conf.py"), "--bind", f"127.0.0.1:{self.port}"]
        with self.log.open("a") as log:
            self.web = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, process_group=0
            )
        self._processes.append(self.web)
        self.wait_for(lambda: self.get("/healthz")[0] == 200)

    def kill(self) -> None:
        """kill -9 the web server and all its workers."""
        os.killpg(self.web.pid, signal.SIGKILL)
        self.web.wait()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON answer of an API call. OSError or HTTPException when it broke off."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(
                method, f"/api/v1{path}", data, {"Authorization": f"Bearer {self.key}"}
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def all_of(self, path: str) -> list[dict[str, Any]]:
        """The items of a list, page by page."""
        items, cursor = [], ""
        while True:
            joint = "&" if "?" in path else "?"
            status, page = self.call("GET", path + (f"{joint}cursor={cursor}" if cursor else ""))
            assert status == 200, page
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                return items

    def ingest(self, path: Path, *arguments: str) -> dict[str, Any]:
        return json.loads(self.done("ingest", str(path), "--json", *arguments))

    def export(self, target: Path, *arguments: str) -> dict[str, Any]:
        return json.loads(
            self.done("export", "cmep", "--output", str(target), "--json", *arguments)
        )
