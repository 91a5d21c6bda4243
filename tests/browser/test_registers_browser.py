"""Registers, bills and stories in a real browser: found by hand and eye, dark, narrow, no breach.

Screenshots go to test-artifacts/ to be looked at.
"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from devices.readings import Status
from tests.browser.test_admin_browser import LAST, NARROW, PASSWORD, overflow, visit
from tests.devices import fleet

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
__all__ = ["visit"]
DAY = timedelta(days=1)
DARK = {"viewport": NARROW, "scheme": "dark"}


@pytest.fixture
def story():
    """A user, and a meter with two months of reads, one of them corrected."""
    User.objects.create_superuser("ada", password=PASSWORD)
    device = fleet.make_story(LAST)
    for day in range(2, 62, 2):  # the story itself has a read of the day before
        fleet.store_total(device, LAST - day * DAY, str(45800 - 11 * day), "CUR")
    fleet.store_total(device, LAST, "46000", "CUR")
    fleet.store_total(device, LAST, "46003.5", "CUR", int(Status.EDITED))
    return device


def test_a_correction_is_found_among_the_reads_and_shows_what_it_changed(visit, story):
    visit.login()
    page = visit.open("/devices/registersnapshot/")
    page.locator("details.filter summary", has_text="Quality").click()
    page.get_by_role("link", name="Edited", exact=True).click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    visit.shot("reads-1280")
    page.locator("#result_list tbody th a").click()
    expect(page.locator("td.delta ins")).to_have_text("46003.5 V")
    visit.shot("read-1280")
    page.get_by_role("link", name="Registers of this device").click()
    expect(page.locator("svg.usage")).to_be_visible()
    assert page.locator("svg.usage rect.block").count() > 5
    expect(page.locator("p.used strong")).to_contain_text("KWH")
    visit.shot("registers-1280")


def test_a_bill_tells_why_its_read_was_taken(visit, story):
    visit.login()
    page = visit.open("/devices/registersnapshot/bill/")
    page.get_by_label("Bill cycle").select_option("CYCLE01")
    page.get_by_label("Opened at the start of").fill("2026-10-08")
    page.get_by_label("closes at the start of").fill("2026-11-08")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("table.bills tbody tr")).to_have_count(1)
    page.locator("details.why summary").click()
    expect(page.locator("ul.verdicts li.taken").first).to_be_visible()
    visit.shot("bill-1280")


@pytest.mark.parametrize("visit", [DARK], indirect=True, ids=["narrow and dark"])
def test_pages_of_registers_fit_a_narrow_screen(visit, story):
    visit.login()
    for name, address in (
        ("reads", "/devices/registersnapshot/"),
        ("registers", f"/devices/device/{story.pk}/registers/"),
        ("bill", "/devices/registersnapshot/bill/?cycle=CYCLE01&closes=2026-11-08"),
        ("story", f"/devices/device/{story.pk}/story/"),
    ):
        page = visit.open(address)
        assert overflow(page) == 0, address
        visit.shot(f"{name}-390-dark")


def test_the_story_is_reached_from_the_search_and_goes_back(visit, story):
    page = visit.login()
    page.get_by_role("searchbox").fill("story SSI0004711")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Story of SSI0004711")).to_be_visible()
    page.get_by_label("Show").select_option("reading")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("section.story li").first).to_contain_text("Readings of")
    visit.shot("story-1280")
