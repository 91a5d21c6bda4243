"""What every answer bears: a strict CSP, no frame, no sniffing, and pages that live under them."""

import re

import lxml.html
import pytest
from django.contrib.auth.models import User

from tests.security.rows import rows_make
from tests.security.test_matrix import PAGES
from tests.security.visit import address

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
}
ALWAYS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def policy_of(answer) -> dict[str, str]:
    parts = answer["Content-Security-Policy"].split(";")
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in parts)}


def faults_of_page(text: str) -> list[str]:
    """What a browser would refuse under the policy."""
    found = []
    for element in lxml.html.fromstring(text).iter():
        if not isinstance(element.tag, str):
            continue
        data = element.get("type", "").endswith("json")
        if element.tag == "script" and not element.get("src") and not data:
            found.append("a script in the page")
        if element.tag == "style":
            found.append("a style in the page")
        found += [
            f"{element.tag} {name}"
            for name, value in element.items()
            if name == "style"
            or name.startswith("on")
            or value.strip().lower().startswith("javascript:")
        ]
        source = element.get("src") or (element.get("href") if element.tag == "link" else "") or ""
        if re.match(r"(https?:)?//", source):
            found.append(f"{element.tag} from {source}")
    return found


@pytest.mark.parametrize("who", ["chief", "nobody"])
def test_every_page_lives_under_a_strict_policy(client, settings, tmp_path, who):
    rows = rows_make(settings, tmp_path)
    if who == "chief":
        client.force_login(User.objects.create_superuser("chief", password="long enough"))
    wrong = []
    for way in PAGES:
        answer = client.get(address(way, rows))
        wrong += [f"{way}: {name}" for name in ALWAYS if answer.get(name) != ALWAYS[name]]
        if policy_of(answer) != POLICY:
            wrong.append(f"{way}: {answer['Content-Security-Policy']}")
        if answer.streaming:
            assert b"".join(answer.streaming_content)
        elif answer["Content-Type"].startswith("text/html") and answer.content.strip():
            wrong += [f"{way}: {fault}" for fault in faults_of_page(answer.content.decode())]
    assert wrong == []


def test_pages_of_errors_and_of_the_interface_do_too(client):
    for path in ("/api/v1/docs", "/api/v1/devices", "/nowhere", "/static/nothing.css"):
        answer = client.get(path)
        assert policy_of(answer) == POLICY, path
        if answer["Content-Type"].startswith("text/html") and answer.content:
            assert faults_of_page(answer.content.decode()) == [], path


def test_the_policy_allows_nothing_inline():
    assert "unsafe" not in " ".join(POLICY.values())
