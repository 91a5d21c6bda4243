"""A partner by SFTP in a real browser: made, its key accepted, served; stopped, paused, resumed."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import close_old_connections, connections
from django.utils import timezone
from playwright.sync_api import expect

from exports.delivery import fingerprint
from exports.models import Delivery, Destination, InboxFile
from exports.services.deliveries import deliver_next
from tests.browser.test_admin_browser import NARROW, overflow
from tests.browser.test_exports_browser import people, readings, worker  # noqa: F401 fixtures
from tests.exports.conftest import sshd  # noqa: F401 a fixture
from tms import roles

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def carrier(worker) -> Iterator[threading.Event]:  # noqa: F811
    """Who carries files out while the event is set."""
    carrying, end = threading.Event(), threading.Event()

    def run() -> None:
        while not end.is_set():
            if carrying.wait(0.05):
                close_old_connections()
                if not deliver_next():
                    end.wait(0.05)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    worker.set()
    yield carrying
    end.set()
    thread.join()


def test_a_partner_is_set_up_served_lost_and_served_again(people, carrier, readings, sshd):  # noqa: F811
    operator = people(roles.OPERATOR)
    page = operator.open("/exports/destination/")
    operator.shot("destinations-empty")
    page = operator.open("/exports/destination/add/")
    operator.shot("destination-kinds")
    page.get_by_role("link", name="SFTP").click()
    page.get_by_label("Name", exact=True).fill("CITY BANK")
    page.get_by_label("Receiver's code").fill("CITY1")
    page.get_by_label("Host").fill("127.0.0.1")
    page.get_by_label("Port").fill(str(sshd.port))
    page.get_by_label("Remote folder").fill(str(sshd.home))
    page.get_by_label("Time-out (s)").fill("5")
    page.get_by_label("User name").fill(sshd.user)
    expect(page.get_by_label("Private key")).to_be_hidden()
    page.get_by_label("Log in by").select_option(label="Private key")
    expect(page.get_by_label("Password")).to_be_hidden()
    page.get_by_label("Private key").fill("not a key")
    page.get_by_label("Trigger file", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This is no private key")).to_be_visible()
    operator.shot("destination-form")
    page.get_by_label("Private key").fill(sshd.client_key.read_text())
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Test it before files are sent.")).to_be_visible()
    page.get_by_role("button", name="Test this destination").click()
    expect(page.get_by_role("heading", name="Is this the partner's server?")).to_be_visible()
    expect(page.get_by_text(fingerprint(sshd.host_key)).first).to_be_visible()
    operator.shot("destination-host-key")
    page.get_by_role("button", name="Accept this key and test").click()
    expect(page.get_by_text("The test succeeded.")).to_be_visible()
    operator.shot("destination-tested")
    place = page.url.removeprefix(operator.address)

    operator.open("/exports/exportdefinition/add/?format=cmep")
    page.get_by_label("Name", exact=True).fill("NIGHTLY")
    page.get_by_label("CITY BANK").check()
    page.get_by_label("Period").select_option(label="Last N days")
    page.get_by_label("Number of days").fill("1")
    page.get_by_label("Time zone", exact=True).fill("UTC")
    page.get_by_role("button", name="Save").click()
    export = page.url.removeprefix(operator.address)
    carrier.set()
    page.get_by_role("button", name="Export now").click()
    expect(page.locator("h1 .badge.done")).to_be_visible(timeout=20000)
    until(lambda: len(list(sshd.home.iterdir())) == 2)  # the file and its trigger file
    page.reload()
    expect(page.locator(".badge.delivered")).to_be_visible()

    sshd.stop()
    operator.open(export)
    page.get_by_role("button", name="Export now").click()
    expect(page.locator("h1 .badge.done")).to_be_visible(timeout=20000)
    until(time_passes_until_it_is_paused)
    operator.open(place)
    expect(page.locator("h1 .badge")).to_have_text("Paused")
    expect(page.get_by_text("Connection refused").first).to_be_visible()
    operator.shot("destination-paused")
    operator.open("/exports/destination/")
    expect(page.locator("#result_list .badge")).to_have_text("Paused")
    operator.shot("destinations-paused")
    operator.open("/")
    expect(page.get_by_role("link", name="CITY BANK is paused 1 file waits")).to_be_visible()
    operator.shot("dashboard-paused")
    operator.open("/exports/delivery/")
    operator.shot("deliveries-waiting")

    sshd.start()
    operator.open(place)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("What waits goes out now.")).to_be_visible()
    until(lambda: not Delivery.objects.exclude(state="delivered").exists())
    page.reload()
    expect(page.locator("h1 .badge")).to_have_text("Ready")
    operator.shot("destination-resumed")
    assert len(list(sshd.home.iterdir())) == 4
    page.locator("table a").first.click()
    operator.shot("delivery")

    support = people(roles.SUPPORT, color_scheme="dark")
    page = support.open(place)
    for name in ("Test this destination", "Edit"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.set_viewport_size(NARROW)
    assert overflow(page) == 0
    support.shot("destination-narrow-dark")


def test_the_inbox_and_its_settings_are_looked_at(people, worker, readings):  # noqa: F811
    report = {
        "refused": [{"path": "record 3", "code": "CMR02", "message": "2 fields, at least 14"}],
        "warnings": ["12 intervals missed their grid and were put on it"],
        "created": {"devices": 0, "channels": 0},
    }
    states = (("march.cmep", "done", ""), ("april.cmep", "partial", "1 refused, the first: CMR02"))
    for name, state, message in states:
        InboxFile.objects.create(
            name=name,
            state=state,
            message=message,
            format="cmep",
            bytes=12345,
            taken=timezone.now(),
            finished=timezone.now(),
            put_aside=True,
            devices=12,
            intervals=1152,
            kept=f"inbox/done/{name}",
            report=report,
        )
    operator = people(roles.OPERATOR)
    page = operator.open("/exports/inboxfile/")
    operator.shot("inbox")
    page.get_by_role("link", name="april.cmep").click()
    expect(page.get_by_role("heading", name="What was refused")).to_be_visible()
    operator.shot("inbox-file")
    operator.open("/")
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    operator.open("/exports/readersetting/add/")
    operator.shot("inbox-settings-formats")
    page.get_by_role("link", name="CMEP").click()
    operator.shot("inbox-settings")
    page.get_by_label("If something is wrong").select_option(label="Take the good meters")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings of inbox/reads/cmep are saved.")).to_be_visible()
    operator.shot("inbox-settings-list")


def time_passes_until_it_is_paused() -> bool:
    now = timezone.now()
    Delivery.objects.filter(state="waiting", due__gt=now).update(due=now)
    Destination.objects.filter(paused=None, failures__gt=0).update(next_try=now)
    return Destination.objects.filter(paused__isnull=False).exists()


def until(condition) -> None:
    """Wait for what another thread does."""
    pause, deadline = threading.Event(), timezone.now() + timedelta(seconds=30)
    while not condition():
        assert timezone.now() < deadline, "waited in vain"
        pause.wait(0.05)
