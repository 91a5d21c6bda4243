"""Every way into the house, by each role, without a role, and without a name."""

import itertools

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices.models import ApiKey
from devices.services.keys import api_key_create, api_key_revoke
from exports.models import ExportRun
from tests.people import log_in
from tests.security import matrix
from tests.security.rows import rows_make
from tests.security.visit import address
from tests.security.ways import Way, ways

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
WAYS = ways()
PAGES = [way for way in WAYS if way.name != "admin:logout" and not way.name.startswith("api:")]


@pytest.fixture
def rows(settings, tmp_path):
    return rows_make(settings, tmp_path)


def test_no_way_is_left_out_of_the_table():
    unknown = [
        str(way)
        for way in WAYS
        if way.name
        and way.name not in matrix.HOME | matrix.OPEN | matrix.CALLS.keys()
        and matrix.rights(way.name) is None
    ]
    assert not unknown, f"tests/security/matrix.py says how to add {unknown}"


def test_the_table_has_no_way_that_is_not_there():
    names = {way.name for way in WAYS}
    told = matrix.HOME | matrix.OPEN | matrix.CALLS.keys() | matrix.PAGES.keys()
    assert not told - names
    models = {".".join(way.name[6:].split("_")[:2]) for way in WAYS if "_" in way.name}
    assert not matrix.MODELS.keys() - models


# --- pages --------------------------------------------------------------------------------------


def outcome(client: Client, method: str, way: Way, rows) -> str:
    """ "reached", "login" or "refused"; anything else is told as its status."""
    answer = getattr(client, method)(address(way, rows))
    if answer.streaming:
        assert b"".join(answer.streaming_content)
    if answer.status_code == 302 and answer.url.startswith("/login/"):
        return "login"
    if answer.status_code in (200, 302):
        return "reached"
    return "refused" if answer.status_code in (403, 404, 405) else str(answer.status_code)


def expected(way: Way, method: str, letter: str | None) -> str:
    """What the table says. `letter`: of a role, empty for staff without one, None for others."""
    if way.name in matrix.OPEN:
        return "reached" if way.name != "api:schema_file" else "refused"  # no schema has that name
    if letter is None:
        return "login"
    if not way.name:  # the way without a name leads a row's old address on, and tells nothing
        return "refused" if "url" in way.parameters else "reached"
    if way.name in matrix.HOME:
        shows_only = ("admin:jsi18n", "admin:password_change_done")
        return "refused" if method == "post" and way.name in shows_only else "reached"
    look, post = matrix.rights(way.name)
    return "reached" if letter and letter in (look if method == "get" else post) else "refused"


@pytest.mark.parametrize("who", [*matrix.ROLES.values(), "no role", "no staff", "nobody"])
def test_each_page_is_reached_by_those_it_is_for(client, rows, who):
    letter = {role: letter for letter, role in matrix.ROLES.items()}.get(who)
    if letter:
        log_in(client, who)
    elif who != "nobody":
        staff = who == "no role"
        client.force_login(User.objects.create_user("someone", password="x", is_staff=staff))
        letter = "" if staff else None
    wrong = []
    for method, way in itertools.product(("get", "post"), PAGES):
        if way.name in ("healthz", "readyz", "metrics"):
            continue  # tests/tms
        found, wanted = outcome(client, method, way, rows), expected(way, method, letter)
        if found != wanted:
            wrong.append(f"{method} {way}: {found}, not {wanted}")
    assert wrong == []


def test_looking_changes_nothing(client, rows):
    """A link, an image or a prefetch of a browser can only look, even for a superuser."""
    client.force_login(User.objects.create_superuser("chief", password="long enough"))
    client.get("/")
    wrong = []
    for way in PAGES:
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address(way, rows))
            if answer.streaming:
                assert b"".join(answer.streaming_content)
        wrong += [
            f"{way}: {query['sql'][:80]}"
            for query in captured.captured_queries
            if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))
            and "django_session" not in query["sql"]
        ]
    assert wrong == []


@pytest.mark.parametrize(
    ("letter", "model", "field", "status"),
    [
        ("S", "eventalias", "type", 200),  # the list of types may be looked at
        ("O", "eventalias", "type", 200),
        ("O", "eventalias", "code", 403),  # no choice of rows
        ("O", "apikey", "groups", 403),  # of no such model of the app
        ("", "eventalias", "type", 403),
    ],
)
def test_choices_are_completed_for_those_who_may_see_them(
    client, rows, letter, model, field, status
):
    if letter:
        log_in(client, matrix.ROLES[letter])
    else:
        client.force_login(User.objects.create_user("someone", password="x", is_staff=True))
    asked = {"app_label": "events", "model_name": model, "field_name": field, "term": "PWR"}
    assert client.get("/autocomplete/", asked).status_code == status


def test_nothing_is_posted_without_the_token_of_its_form(rows):
    """CSRF, on every page: another site cannot make a browser post."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("chief", password="long enough"))
    wrong = []
    for way in PAGES:
        answer = client.post(address(way, rows))
        reads_only = way.name in ("healthz", "readyz", "metrics", "admin:jsi18n")
        wanted = (403, 404, 405) if reads_only else (403,)
        if answer.status_code not in wanted:
            wrong.append(f"{way}: {answer.status_code}")
    assert wrong == []


# --- calls --------------------------------------------------------------------------------------


@pytest.fixture
def keys() -> dict[str, str]:
    """A key of each scope, and what is none."""
    made = {scope: api_key_create(scope, [scope])[1] for scope in ApiKey.Scope.values}
    row, made["revoked"] = api_key_create("revoked", ApiKey.Scope.values)
    api_key_revoke(row)
    return made | {"none": "", "wrong": "tms_0123456789ab_" + "0" * 48, "rubbish": "\x00é"}


def called(client: Client, name: str, path: str, headers: dict[str, str]) -> int:
    """The status of a call, whose file is read where it sends one."""
    method = matrix.CALLS[name][0]
    body = {"data": "{}", "content_type": "application/json"} if method == "post" else {}
    answer = getattr(client, method)(path, **body, headers=headers)
    if answer.streaming:
        assert b"".join(answer.streaming_content)
    return answer.status_code


def test_each_call_wants_a_key_of_its_scope(client, rows, keys):
    wrong = []
    for way in (way for way in WAYS if way.name in matrix.CALLS):
        path = address(way, rows).replace("/runs/0", f"/runs/{ExportRun.objects.get().pk}")
        for who, key in keys.items():
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            status = called(client, way.name, path, headers)
            if who == matrix.CALLS[way.name][1]:
                fits = status in (200, 201, 202, 422)
            else:
                fits = status == (403 if who in ApiKey.Scope.values else 401)
            if not fits:
                wrong.append(f"{way} with {who}: {status}")
        ExportRun.objects.filter(trigger="api").delete()
    assert wrong == []


def test_a_session_is_no_key(client, rows):
    client.force_login(User.objects.create_superuser("chief", password="long enough"))
    for way in (way for way in WAYS if way.name in matrix.CALLS):
        assert called(client, way.name, address(way, rows), {}) == 401, way


def test_no_other_method_is_answered(client, rows, keys):
    for name, (method, scope) in matrix.CALLS.items():
        way = next(way for way in WAYS if way.name == name)
        for other in {"get", "post", "put", "patch", "delete"} - {method}:
            answer = getattr(client, other)(
                address(way, rows), headers={"Authorization": f"Bearer {keys[scope]}"}
            )
            assert answer.status_code == 405, (name, other)
