"""Servers that deliveries go to."""

from collections.abc import Iterator

import pytest

from tests.servers import Unavailable
from tests.sshd import Sshd, sshd_running


@pytest.fixture
def sshd(tmp_path) -> Iterator[Sshd]:
    """A real OpenSSH server with an empty folder."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    try:
        with sshd_running(folder) as server:
            yield server
    except Unavailable as reason:
        pytest.skip(str(reason))
