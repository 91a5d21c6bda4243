"""A person with a demo login gets in, and nobody without one."""

import pytest
from playwright.sync_api import expect

from tms import trial

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(browser, live_server):
    page = browser.new_page(base_url=live_server.url)
    yield page
    page.close()


def log_in(page, password: str) -> None:
    page.goto("/")
    page.get_by_label("Username").fill("support")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_demo_login_leads_to_the_dashboard_without_a_broken_rule_of_the_page(page):
    trial.logins_create()
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    log_in(page, trial.PASSWORD)
    expect(page).to_have_title("Dashboard | TMS")
    assert errors == []


def test_a_wrong_password_leads_nowhere(page):
    trial.logins_create()
    log_in(page, "a guess")
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()
