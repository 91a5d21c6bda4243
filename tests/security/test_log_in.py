"""The door: lock-out, sessions, passwords, where one is led, and under which name we are called."""

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings as house
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.people import log_in, user_of
from tms import roles
from tms.requests import client_address

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-9"


@pytest.fixture
def eve() -> User:
    return User.objects.create_user("eve", password=PASSWORD, is_staff=True)


def enter(client: Client, password: str = PASSWORD, **more: str):
    return client.post("/login/", {"username": "eve", "password": password}, **more)


# --- lock-out -----------------------------------------------------------------------------------


def test_who_guesses_is_locked_out_and_told_so_and_the_right_password_does_not_help(client, eve):
    for _ in range(house.AXES_FAILURE_LIMIT - 1):
        assert enter(client, "guess").status_code == 200
    locked = enter(client, "guess")
    assert locked.status_code == 429
    assert b"minutes" in locked.content
    assert enter(client).status_code == 429
    assert "sessionid" not in client.cookies


def test_a_lock_holds_for_its_name_and_address_only(client, eve):
    for _ in range(house.AXES_FAILURE_LIMIT):
        enter(client, "guess")
    assert enter(client, REMOTE_ADDR="10.1.2.3").status_code == 302


def test_a_lock_ends_by_itself(client, eve):
    for _ in range(house.AXES_FAILURE_LIMIT):
        enter(client, "guess")
    past = timezone.now() - timedelta(hours=house.AXES_COOLOFF_TIME, seconds=1)
    AccessAttempt.objects.update(attempt_time=past)
    assert enter(client).status_code == 302


def test_an_address_that_a_caller_makes_up_does_not_open_the_lock(client, eve):
    for n in range(house.AXES_FAILURE_LIMIT + 1):
        answer = enter(client, "guess", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}")
    assert answer.status_code == 429


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(client, eve, settings):
    settings.TMS_PROXIES = 1
    for n in range(house.AXES_FAILURE_LIMIT):
        enter(client, "guess", HTTP_X_FORWARDED_FOR=f"172.16.0.{n}, 10.0.0.1")
    assert enter(client, HTTP_X_FORWARDED_FOR="10.0.0.1").status_code == 429
    assert enter(client, HTTP_X_FORWARDED_FOR="10.0.0.2").status_code == 302


@pytest.mark.parametrize(
    ("proxies", "passed_on", "address"),
    [
        (0, "10.0.0.1", "127.0.0.1"),
        (1, "10.0.0.1", "10.0.0.1"),
        (1, "9.9.9.9, 10.0.0.1", "10.0.0.1"),
        (2, "9.9.9.9, 10.0.0.1, 10.0.0.2", "10.0.0.1"),
        (2, "10.0.0.2", "127.0.0.1"),
        (1, "no address", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_of_a_caller(rf, settings, proxies, passed_on, address):
    settings.TMS_PROXIES = proxies
    assert client_address(rf.get("/", headers={"X-Forwarded-For": passed_on})) == address


def test_a_refusal_says_neither_which_names_exist_nor_who_is_no_staff(client, eve):
    User.objects.create_user("outsider", password=PASSWORD)
    texts = set()
    for name, password in (("eve", "x"), ("nobody", "x"), ("outsider", PASSWORD)):
        page = client.post("/login/", {"username": name, "password": password}).content.decode()
        texts.add(" ".join(re.findall(r'class="errornote"[^>]*>([^<]*)<', page)).strip())
    assert len(texts) == 1
    assert texts.pop()


# --- sessions and passwords ---------------------------------------------------------------------


def test_a_session_is_new_at_log_in_gone_at_log_out_and_ends_by_itself(client, eve):
    client.get("/login/")
    before = client.cookies.get("sessionid")
    enter(client)
    cookie = client.cookies["sessionid"]
    assert before is None or before.value != cookie.value
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 12 * 3600)
    assert client.get("/").status_code == 200
    client.post("/logout/")
    client.cookies["sessionid"] = cookie.value
    assert client.get("/").status_code == 302
    assert not Session.objects.filter(session_key=cookie.value).exists()


def test_another_password_ends_the_other_sessions(client, eve):
    enter(client)
    eve.set_password("another-horse-9")
    eve.save()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("password", "status"),
    [
        *((weak, 200) for weak in ("short-9", "1234567890123", "password123", "operator-x")),
        ("correct-horse-9", 302),
    ],
)
def test_weak_passwords_are_refused(client, password, status):
    log_in(client, roles.OPERATOR)
    answer = client.post(
        "/password_change/",
        {"old_password": "long enough", "new_password1": password, "new_password2": password},
    )
    assert answer.status_code == status


def test_passwords_are_kept_by_a_slow_hash():
    from django.conf.global_settings import PASSWORD_HASHERS

    from tms import settings as own

    hashers = getattr(own, "PASSWORD_HASHERS", PASSWORD_HASHERS)
    assert hashers[0].endswith("PBKDF2PasswordHasher")


# --- where one is led ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "\thttps://evil.example",
        "http://testserver@evil.example/",
    ],
)
def test_nobody_is_led_to_another_house(client, eve, target):
    answer = client.post(
        "/login/", {"username": "eve", "password": PASSWORD, "next": target}, follow=False
    )
    assert answer.status_code == 302
    assert answer.url.startswith("/")
    assert not answer.url.startswith(("//", "/\\"))


@pytest.mark.parametrize("path", ["//evil.example/", "//evil.example", "/nowhere//evil.example"])
def test_no_address_of_ours_leads_there(client, path):
    log_in(client, roles.OPERATOR)
    answer = client.get("/", PATH_INFO=path)
    assert answer.status_code == 404
    assert "Location" not in answer


def test_the_search_box_leads_to_pages_of_ours_only(client):
    log_in(client, roles.OPERATOR)
    for text in ("https://evil.example", "//evil.example", "\r\nLocation: x", "\0", "%0d%0a"):
        answer = client.get("/search/", {"q": text})
        assert answer.status_code == 302
        assert answer.url.startswith("/")
        assert not answer.url.startswith("//")


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "a b", "testserver:x"])
@pytest.mark.parametrize("path", ["/login/", "/", "/api/v1/devices", "/healthz"])
def test_another_name_than_ours_is_refused(settings, host, path):
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = Client().get(path, HTTP_HOST=host)
    assert answer.status_code == 400 or path == "/healthz"
    assert host.encode() not in answer.content


def test_mails_and_pages_do_not_take_the_name_we_were_called_by(client):
    user_of(roles.OPERATOR)
    answer = client.get("/", headers={"X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.url
