"""A reading corrected after it was sent is seen on the map and sent; a held meter is released."""

import pytest
from playwright.sync_api import expect

from devices.blocks import day_date
from devices.readings import Status
from exports.models import Hold
from tests.browser.test_admin_browser import overflow
from tests.browser.test_exports_browser import NARROW, people, worker  # noqa: F401 fixtures
from tests.devices.factories import batch_post, entry_of
from tests.exports.factories import D, definition_make, meters_make, readings_post, run_now
from tms import roles

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_a_correction_is_seen_and_sent_and_a_held_meter_released(people, worker):  # noqa: F811
    meters = meters_make(3)
    readings_post(meters[:2])
    batch_post([entry_of(meters[2], D, 0, list(range(24)), int(Status.QUESTIONABLE))])
    definition = definition_make(
        "SINCE", period="since_last", gate="meter", gate_questionable=0, zone="UTC"
    )
    run_now(definition)
    readings_post(meters[:1], slot=5, values=[777])
    clerk = people(roles.BILLING)
    clerk.open(f"/exports/exportdefinition/{definition.pk}/change/")
    page = clerk.page
    page.get_by_role("link", name="Coverage").click()
    page.get_by_label("From").fill("2026-03-12")
    page.get_by_label("to", exact=True).fill("2026-03-18")
    page.get_by_role("button", name="Show").click()
    day = day_date(D)
    for meter, state in (("D0000", "Changed"), ("D0001", "Sent"), ("D0002", "Held")):
        expect(page.get_by_role("link", name=f"{meter}, {day}: {state}")).to_be_visible()
    clerk.shot("coverage")
    page.get_by_role("link", name=f"D0000, {day}: Changed").click()
    expect(page.get_by_text("The next run or a correction file sends the change")).to_be_visible()
    clerk.shot("coverage-day")
    page.go_back()
    page.get_by_role("button", name="Correction file").click()
    worker.set()
    expect(page.locator("h1 .badge.done")).to_be_visible(timeout=30000)
    expect(page.get_by_text("Correction", exact=True)).to_be_visible()

    hold = Hold.objects.get()
    clerk.open("/exports/hold/?state__exact=held")
    page.get_by_role("link", name="D0002").click()
    page.get_by_label("Why it may go out").fill("The field crew was there.")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("The field crew was there.")).to_be_visible()
    clerk.shot("hold-released")
    page.get_by_role("button", name="Send what is released now").click()
    expect(page.locator("h1 .badge.done")).to_be_visible(timeout=30000)
    hold.refresh_from_db()
    assert hold.state == "sent"

    support = people(roles.SUPPORT, color_scheme="dark")
    page = support.open(f"/exports/exportdefinition/{definition.pk}/coverage/?from={day}&to={day}")
    for meter in ("D0000", "D0001", "D0002"):
        expect(page.get_by_role("link", name=f"{meter}, {day}: Sent")).to_be_visible()
    expect(page.get_by_role("button", name="Correction file")).to_have_count(0)
    page.set_viewport_size(NARROW)
    assert overflow(page) == 0
    support.shot("coverage-narrow-dark")
