"""An export in a real browser: made by an operator, run by billing, looked at by support.

A worker runs beside the pages, as it does in an installation.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import close_old_connections, connections
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from exports import services
from exports.services import plan
from tests.browser.test_admin_browser import Visit, overflow
from tests.devices.factories import batch_post, entry_of
from tests.exports.factories import meters_make
from tms import roles

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
PASSWORD = "correct horse battery"
NARROW = {"width": 390, "height": 844}


class Person(Visit):
    """Somebody with a role, logged in."""

    def log_in(self, role: str) -> Page:
        name = role.split()[0].lower()
        user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        self.open("/login/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", name="Dashboard")).to_be_visible()
        return self.page


@pytest.fixture
def people(browser: Browser, live_server):
    """Makes somebody in a browser of their own; what the browser complains about is a failure."""
    made, contexts = [], []

    def person(role: str, **wish) -> Person:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **wish)
        contexts.append(context)
        made.append(Person(context, live_server.url))
        made[-1].log_in(role)
        return made[-1]

    yield person
    for context in contexts:
        context.close()
    assert [complaint for one in made for complaint in one.complaints] == []


@pytest.fixture
def worker(settings, tmp_path, live_server) -> Iterator[threading.Event]:
    """A worker that begins when the event is set."""
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()
    begin, end = threading.Event(), threading.Event()

    def run() -> None:
        begin.wait()
        while not end.is_set():
            close_old_connections()
            if not services.work():
                end.wait(0.05)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield begin
    end.set()
    begin.set()
    thread.join()


@pytest.fixture
def readings():
    """Three meters of a bill cycle with a day of yesterday's readings."""
    channels = meters_make(3, group="CYCLE01")
    day = (timezone.now() - timedelta(days=1)).date().toordinal() - 719163
    batch_post([entry_of(c, day, 0, list(range(24))) for c in channels])
    return channels


def test_an_export_is_made_run_downloaded_and_looked_at(
    people, worker, readings, monkeypatch, tmp_path
):
    monkeypatch.setattr(plan, "PART_DEVICES", 1)
    operator = people(roles.OPERATOR)
    page = operator.page
    page.get_by_role("link", name="Exports", exact=True).first.click()
    expect(page.get_by_text("An export says which readings go to whom")).to_be_visible()
    operator.shot("exports-empty")
    operator.open("/exports/exportdefinition/add/")
    page.get_by_role("link", name="CMEP").click()
    page.get_by_label("Name", exact=True).fill("NIGHTLY CYCLE01")
    page.get_by_label("Groups").select_option(label="CYCLE01")
    expect(page.get_by_label("Number of days")).to_be_hidden()
    page.get_by_label("Period").select_option(label="Last N days")
    page.get_by_label("Number of days").fill("1")
    page.get_by_label("Time zone", exact=True).fill("Europe/London")
    page.get_by_label("Schedule", exact=True).fill("30 1 * 3 SUN#5")
    expect(page.get_by_text("day of 23 hours").first).to_be_visible()
    assert page.locator(".next-runs li").count() == 5
    page.get_by_label("Time zone", exact=True).fill("UTC")
    operator.shot("export-form")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="NIGHTLY CYCLE01")).to_be_visible()
    operator.shot("export-page")
    address = page.url.removeprefix(operator.address)

    clerk = people(roles.BILLING)
    page = clerk.open(address)
    page.get_by_role("button", name="Export now").click()
    bar = page.get_by_role("progressbar")
    expect(bar).to_be_visible()
    expect(bar).to_have_attribute("value", "0")
    clerk.shot("run-waiting")
    worker.set()
    expect(page.locator("h1 .badge.done")).to_be_visible(timeout=20000)
    with page.expect_download() as download:
        page.get_by_role("link", name="CMEP_NIGHTLY_CYCLE01").click()
    saved = tmp_path / "saved.txt"
    download.value.save_as(saved)
    lines = saved.read_text().splitlines()
    assert [line.split(",")[7] for line in lines] == ["M0000", "M0001", "M0002"]
    page.get_by_role("button", name="Rebuild and compare").click()
    expect(page.get_by_text("as it was sent")).to_be_visible()
    clerk.shot("run-proven")

    support = people(roles.SUPPORT, color_scheme="dark")
    page = support.open(address)
    expect(page.get_by_role("heading", name="NIGHTLY CYCLE01")).to_be_visible()
    for name in ("Export now", "Edit"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_role("link", name="CMEP_NIGHTLY_CYCLE01")).to_have_count(0)
    support.shot("run-support-dark")
    page.set_viewport_size(NARROW)
    assert overflow(page) == 0
    support.shot("run-narrow")
    support.open("/")
    assert overflow(page) == 0
    support.shot("dashboard-narrow-dark")


def test_progress_moves_while_parts_are_written(people, worker, readings, monkeypatch):
    """The bar is looked at between two parts: the worker waits until it has moved."""
    from tests.exports.factories import definition_make

    monkeypatch.setattr(plan, "PART_DEVICES", 1)
    go = threading.Semaphore(0)
    real = services.worker.part_write

    def slowly(run, part):
        go.acquire()
        real(run, part)

    monkeypatch.setattr("exports.services.worker.part_write", slowly)
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    definition = definition_make(start=day - timedelta(days=1), end=day)
    clerk = people(roles.BILLING)
    page = clerk.open(f"/exports/exportdefinition/{definition.pk}/change/")
    page.get_by_role("button", name="Export now").click()
    worker.set()
    bar = page.get_by_role("progressbar")
    for done in (1, 2):
        go.release()
        expect(page.get_by_text(f"Writing {done} of 3 parts")).to_be_visible(timeout=20000)
        expect(bar).to_have_js_property("value", 98 * done // 3)
    go.release()
    expect(page.locator("h1 .badge.done")).to_be_visible(timeout=20000)
