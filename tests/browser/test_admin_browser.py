"""The admin in a real browser: found by account, curve seen, keyboard, dark, narrow, no breach.

Screenshots go to test-artifacts/ to be looked at.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.devices import fleet

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
SHOTS = Path(__file__).resolve().parents[2] / "test-artifacts"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LAST = datetime(2026, 11, 8, 6, tzinfo=UTC)
PASSWORD = "correct horse battery"


class Visit:
    """A page of somebody's browser, and what it complained about."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address, self.complaints = address, []
        self.page: Page = context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def login(self) -> Page:
        self.open("/login/")
        self.page.get_by_label("Username").fill("ada")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", name="Dashboard")).to_be_visible()
        return self.page

    def shot(self, name: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def story():
    """A user, forty devices and one with two weeks of readings."""
    User.objects.create_superuser("ada", password=PASSWORD)
    fleet.make_devices(40)
    return fleet.make_story(LAST)


@pytest.fixture
def visit(browser: Browser, live_server, request):
    """A visit with the given viewport and colours: `@pytest.mark.parametrize(..., indirect)`."""
    wish = getattr(request, "param", {})
    with browser.new_context(
        viewport=wish.get("viewport", WIDE), color_scheme=wish.get("scheme", "light")
    ) as context:
        made = Visit(context, live_server.url)
        yield made
        assert made.complaints == []


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def colour(page: Page, selector: str, name: str) -> str:
    return page.eval_on_selector(selector, f"node => getComputedStyle(node).{name}")


def test_a_device_is_found_by_its_account_and_shows_its_curve(visit, story):
    page = visit.login()
    page.get_by_role("searchbox").fill("ACC0004711")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="SSI0004711")).to_be_visible()
    curve = page.locator("svg.curve").first
    expect(curve).to_be_visible()
    assert curve.locator("path.line").count() > 1
    expect(curve.locator("text", has_text="25 h day")).to_be_visible()
    expect(curve.locator("text", has_text="no data")).to_be_visible()
    assert colour(page, "svg.curve path.line", "stroke") != "none"
    visit.shot("device-1280")
    page.get_by_role("link", name="Last day").click()
    expect(page.locator("svg.curve").first.locator("text", has_text="12:00")).to_be_visible()


def test_a_search_in_the_list_leads_to_its_rows(visit, story):
    visit.login()
    page = visit.open("/devices/device/")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type("TX000001")
    page.keyboard.press("Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(8)
    visit.shot("devices-1280")


def test_filters_open_and_close_by_keyboard(visit, story):
    visit.login()
    page = visit.open("/devices/device/")
    summary = page.locator("details.filter summary").first
    summary.focus()
    page.keyboard.press("Enter")
    choice = page.get_by_role("link", name="Provisioned", exact=True)
    expect(choice).to_be_visible()
    page.keyboard.press("Escape")
    expect(choice).to_be_hidden()
    expect(summary).to_be_focused()


def test_what_has_the_focus_is_seen(visit, story):
    page = visit.login()
    seen = 0
    for _ in range(12):
        page.keyboard.press("Tab")
        style, width = page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement);"
            " return [s.outlineStyle, parseFloat(s.outlineWidth)]; })()"
        )
        assert style != "none", page.evaluate("document.activeElement.outerHTML")
        assert width >= 2
        seen += 1
    assert seen == 12


@pytest.mark.parametrize("visit", [{"scheme": "dark"}], indirect=True)
def test_it_is_dark_where_dark_is_wished_and_light_when_chosen(visit, story):
    page = visit.login()
    dark = colour(page, "body", "backgroundColor")
    visit.shot("dashboard-dark")
    page.locator("button.theme-toggle").first.click()  # auto → light, when auto is dark
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    light = colour(page, "body", "backgroundColor")
    assert dark != light
    assert max(channels(dark)) < 60
    assert min(channels(light)) > 200


def channels(text: str) -> list[int]:
    return [int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3]]


@pytest.mark.parametrize("visit", [{"viewport": NARROW}], indirect=True)
def test_every_page_fits_a_narrow_screen(visit, story):
    page = visit.login()
    visit.shot("dashboard-390")
    page.get_by_text("Menu").click()
    expect(page.get_by_role("link", name="Quarantine", exact=True)).to_be_visible()
    addresses = {
        "devices": "/devices/device/",
        "device": f"/devices/device/{story.pk}/change/",
        "edit": f"/devices/device/{story.pk}/edit/",
        "group": f"/devices/functionalgroup/{story.memberships.get().group_id}/change/",
        "batches": "/devices/batch/",
        "key": "/devices/apikey/add/",
        "class": f"/devices/deviceclass/{story.device_class_id}/change/",
        "user": "/auth/user/add/",
    }
    for name, address in addresses.items():
        visit.open(address)
        visit.shot(f"{name}-390")
        assert overflow(page) == 0, name


def test_a_new_key_is_shown_and_can_be_copied(visit, story):
    visit.login()
    page = visit.open("/devices/apikey/add/")
    page.get_by_label("Name").fill("gateway 7")
    page.get_by_label("Ingest").check()
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#secret")).to_contain_text("tms_")
    visit.shot("key-1280")
    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_role("link", name="gateway 7")).to_be_visible()


def test_no_page_of_the_admin_breaks_the_content_policy(visit, story):
    """Complaints of the console fail the visit; so it is enough to have been everywhere."""
    visit.login()
    batch = fleet.make_batch(number=900, refused=1)
    for address in (
        *("/", "/devices/functionalgroup/", "/devices/functionalgroup/add/"),
        *("/devices/deviceclass/add/", "/devices/batch/", f"/devices/batch/{batch.pk}/change/"),
        *("/devices/quarantined/", "/devices/apikey/", "/auth/user/", "/auth/group/add/"),
        f"/devices/device/{story.pk}/edit/",
        f"/devices/device/{story.pk}/history/",
        *("/password_change/", "/events/event/", "/events/eventtype/"),
    ):
        visit.open(address)
    visit.shot("events-1280")
