"""What every test can stand on: servers, a browser, an installation of its own.

`@pytest.mark.postgres` marks a test that only makes sense on PostgreSQL: it is deselected, not
skipped, on another database. With CI set a skipped test is a failed one.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from playwright.sync_api import Browser, sync_playwright

from tests import servers
from tests.installation import Installation
from tests.smtp import Postbox, smtp_server

# In CI the generated cases are the same each time; elsewhere they are new ones.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


# --- which tests run, and what a skip means -----------------------------------------------------


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs PostgreSQL when the suite runs on another database."""
    if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        return
    elsewhere = [item for item in items if item.get_closest_marker("postgres")]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    return _no_skip_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    return _no_skip_in_ci((yield))


def _no_skip_in_ci(report):
    """Nothing may be skipped in CI; an expected failure is no skip."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """No test finds what another has cached; on Redis, what it has sent is gone too."""
    yield
    cache.clear()


@pytest.fixture
def data_dir(settings, tmp_path) -> Path:
    """An empty data directory of the test's own."""
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()
    return settings.DATA_DIR


# --- servers ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL, without a database."""
    if given := os.environ.get("TMS_TEST_POSTGRES"):
        yield given
        return
    try:
        with servers.postgres() as url:
            yield url
    except servers.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of a Redis, without a database number."""
    if given := os.environ.get("TMS_TEST_REDIS"):
        yield given
        return
    try:
        with servers.redis_server() as url:
            yield url
    except servers.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a new, empty PostgreSQL database."""
    with servers.postgres_database(postgres_server, f"tms_{uuid.uuid4().hex}") as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str, worker_id: str) -> str:
    """URL of a Redis database that no other test worker uses."""
    return f"{redis_server}/{8 + int(worker_id.removeprefix('gw').replace('master', '7'))}"


@pytest.fixture
def postbox(settings) -> Iterator[Postbox]:
    """A mail server that Django's mail goes to, and what it took."""
    with smtp_server() as (box, port):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_TIMEOUT = 0.5
        yield box


# --- an installation, a browser -----------------------------------------------------------------


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    """TMS as installed, with a data directory of its own, for tests of whole processes."""
    with Installation(tmp_path / "var") as installed:
        yield installed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium.

    A module at a time: Playwright keeps an event loop in this thread, under which Django refuses
    its database and asyncio a second loop. So the permission ends with the loop, and tests of
    other modules are run without either.
    """
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("Chromium is not installed")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()
