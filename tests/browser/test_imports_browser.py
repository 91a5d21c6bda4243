"""A clerk imports in a real browser: a spreadsheet's file uploaded, read, applied, mended, undone.

Screenshots go to test-artifacts/ to be looked at.
"""

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Browser, Page, expect

from devices.models import Device, Membership
from tests.browser.test_admin_browser import NARROW, PASSWORD, WIDE, Visit, overflow
from tests.devices.imports.files import device

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
NAMES = "Action;DeviceID;MeterNumber;SerialNumber;DeviceClass;AcountID;BillCycle;Multiplier;City"


def user_of(role: str, name: str) -> None:
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=role))


def log_in(visit: Visit, name: str) -> Page:
    page = visit.open("/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    return page


def spreadsheet(names: str, serials: dict[int, str]) -> bytes:
    """Two thousand rows as a European spreadsheet saves them."""
    rows = [names]
    for n in range(2000):
        serial = serials.get(n, f"SN-{n:05}")
        cells = (f"DEV{n:05}", f'="{n:08}"', serial, "SENTINEL", f"ACC{n:06}", "CYCLE05", "1,5")
        rows.append(";".join(("A", *cells, "Zürich")))
    return ("\ufeff" + "\r\n".join(rows) + "\r\n;;;;;;;;\r\n").encode()


@pytest.fixture
def visit(browser: Browser, live_server, request):
    wish = getattr(request, "param", {})
    with browser.new_context(viewport=wish.get("viewport", WIDE), accept_downloads=True) as context:
        made = Visit(context, live_server.url)
        yield made
        assert made.complaints == []


def upload(page: Page, name: str, body: bytes) -> None:
    page.get_by_role("link", name="Import devices").click()
    page.get_by_label("File").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": body}
    )
    page.get_by_role("button", name="Upload and look").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def undo(page: Page) -> None:
    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Undo the import").click()
    expect(page.get_by_text("was undone.")).to_be_visible()


def test_a_file_is_uploaded_read_applied_mended_and_undone(visit):
    user_of("Billing", "bill")
    page = log_in(visit, "bill")
    visit.open("/devices/importjob/")
    visit.shot("imports-empty-1280")
    upload(page, "march.csv", spreadsheet(NAMES, {3: "1,23457E+11", 700: "12345,0"}))
    expect(page.get_by_text("did you mean AccountID?")).to_be_visible()
    expect(page.locator(".figure.added .value")).to_have_text("1,998")
    assert Device.objects.count() == 0
    visit.shot("import-preview-1280")
    page.locator(".figure.refused a").click()
    expect(page.locator("table.rows tbody tr")).to_have_count(2)
    expect(page.get_by_text("looks like a number changed by a spreadsheet").first).to_be_visible()
    visit.shot("import-refused-1280")
    page.get_by_role("button", name="Apply the good rows").click()
    expect(page.get_by_text("Confirm what is said of the whole file first.")).to_be_visible()
    assert Device.objects.count() == 0
    page.get_by_label("I have read what is said about the whole file").check()
    page.get_by_role("button", name="Apply the good rows").click()
    expect(page.get_by_text("march.csv was applied.")).to_be_visible()
    assert Device.objects.count() == 1998
    visit.shot("import-applied-1280")
    with page.expect_download() as download:
        page.get_by_role("link", name="Result CSV").click()
    text = download.value.path().read_bytes().decode("utf-8-sig")
    assert text.count(";ERROR;DEV10;") == 2
    assert download.value.suggested_filename.startswith("march_result_")
    with page.expect_download() as download:
        page.get_by_role("link", name="Bad rows to mend").click()
    bad = download.value.path().read_bytes().decode("utf-8-sig")
    mended = bad.replace("1,23457E+11", "SN-00003").replace("12345,0", "SN-00700")
    mended = mended.replace("AcountID", "AccountID")
    visit.open("/devices/importjob/")
    upload(page, "mended.csv", mended.encode())
    expect(page.locator(".figure.added .value")).to_have_text("2")
    page.get_by_role("button", name="Apply all rows").click()
    expect(page.get_by_text("mended.csv was applied.")).to_be_visible()
    assert Membership.objects.count() == 2000
    undo(page)
    visit.open("/devices/importjob/")
    page.locator("#result_list tbody tr").nth(1).get_by_role("link").first.click()
    undo(page)
    assert Device.objects.count() == 0
    visit.open("/devices/importjob/")
    visit.shot("imports-1280")


def test_a_change_is_shown_old_to_new_and_customer_support_is_refused(visit):
    user_of("Billing", "bill")
    user_of("Customer support", "sue")
    device("SSI0004711", "M1", ("CYCLE05",), notes="old words")
    page = log_in(visit, "bill")
    visit.open("/devices/importjob/")
    upload(page, "u.csv", b"Action,DeviceID,BillCycle,Notes\r\nU,SSI0004711,CYCLE06,new words\r\n")
    expect(page.locator("table.rows del", has_text="old words")).to_be_visible()
    expect(page.locator("table.rows ins", has_text="CYCLE06")).to_be_visible()
    visit.shot("import-changed-1280")
    address = page.url
    page.get_by_role("button", name="Log out").click()
    log_in(visit, "sue")
    expect(page.get_by_role("link", name="Imports")).to_have_count(0)
    for path in (address, f"{address}../result.csv", f"{visit.address}/devices/importjob/add/"):
        assert page.request.get(path).status == 403
    assert Device.objects.get().notes == "old words"


@pytest.mark.parametrize("visit", [{"viewport": NARROW}], indirect=True)
def test_the_pages_fit_a_narrow_screen(visit):
    user_of("Billing", "bill")
    device("SSI0004711", "M1", ("CYCLE05",))
    page = log_in(visit, "bill")
    visit.open("/devices/importjob/add/?kind=groups")
    assert overflow(page) == 0
    visit.open("/devices/importjob/")
    upload(page, "u.csv", b"Action,DeviceID,Notes\r\nU,SSI0004711,words\r\nU,X,\r\n")
    visit.shot("import-390")
    assert overflow(page) == 0
