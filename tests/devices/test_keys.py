"""Keys: made once, kept as a hash, revoked for good; who is let in, and the command."""

import io
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from devices.models import ApiKey, FunctionalGroup
from devices.services.keys import KeyFault, api_key_create, api_key_find, api_key_revoke
from tests.devices.callers import Caller, key_make

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("api_key", *words, stdout=out)
    return out.getvalue()


def test_a_key_is_found_by_itself_and_kept_as_a_hash_only():
    key, plain = api_key_create("gateway", ["read", "ingest"])
    assert plain.startswith(f"tms_{key.prefix}_")
    assert len(plain) == 65
    stored = ApiKey.objects.get()
    assert stored.scopes == ["ingest", "read"]
    assert plain not in str(vars(stored).values())
    assert api_key_find(plain) == stored


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain[:-1],
        lambda plain: plain + "0",
        lambda plain: plain.upper(),
        lambda plain: plain.rsplit("_", 1)[0],
        lambda plain: plain.rsplit("_", 1)[0] + "_",
        lambda plain: "tms__" + plain.rsplit("_", 1)[1],
        lambda plain: plain.replace("tms_", "tms_\0"),
        lambda plain: "é_é_é",
        lambda plain: "\udcff_\udcff_\udcff",
        lambda plain: "",
    ],
)
def test_anything_but_the_whole_key_is_unknown(spoil):
    _, plain = api_key_create("gateway", ["read"])
    assert api_key_find(spoil(plain)) is None


def test_a_revoked_key_is_unknown_and_stays_so():
    key, plain = api_key_create("gateway", ["read"])
    assert api_key_revoke(key)
    assert not api_key_revoke(key)
    assert api_key_find(plain) is None


@pytest.mark.parametrize(
    ("name", "scopes"), [("", ["read"]), ("x" * 61, ["read"]), ("k", []), ("k", ["write"])]
)
def test_a_key_that_cannot_be_is_not_made(name, scopes):
    with pytest.raises(KeyFault):
        api_key_create(name, scopes)
    assert not ApiKey.objects.exists()


def test_the_last_use_is_noted_at_most_once_a_minute(django_assert_num_queries):
    _, plain = api_key_create("gateway", ["read"])
    with django_assert_num_queries(2):
        api_key_find(plain)
    with django_assert_num_queries(1):
        api_key_find(plain)
    first = ApiKey.objects.get().last_used
    assert timezone.now() - first < timedelta(seconds=10)
    ApiKey.objects.update(last_used=first - timedelta(seconds=61))
    api_key_find(plain)
    assert ApiKey.objects.get().last_used >= first


# --- at the door -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer x", "Basic eDp4", "Bearer tms_aa_bb"]
)
def test_without_a_valid_key_the_answer_is_401(header):
    caller = Caller()
    if header is not None:
        caller.headers["Authorization"] = header
    for answer in (caller.get("/devices"), caller.post({})):
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert list(answer.json()) == ["detail"]


def test_a_revoked_key_is_401():
    plain = key_make("read")
    api_key_revoke(ApiKey.objects.get())
    assert Caller(plain).get("/devices").status_code == 401


def test_a_key_without_the_scope_is_403():
    assert Caller(key_make("ingest", name="a")).get("/devices").status_code == 403
    answer = Caller(key_make("read", "export", name="b")).post({})
    assert answer.status_code == 403
    assert "ingest" in answer.json()["detail"]


# --- the command -------------------------------------------------------------------------------


def test_the_command_prints_the_new_key_alone_on_the_last_line():
    group = FunctionalGroup.objects.create(code="NORTH")
    lines = run("create", "gw", "--scope", "ingest", "--scope", "read", "--group", "NORTH")
    key = api_key_find(lines.splitlines()[-1])
    assert key.name == "gw"
    assert key.scopes == ["ingest", "read"]
    assert list(key.groups.all()) == [group]


def test_the_command_revokes():
    plain = run("create", "gw", "--scope", "read").strip()
    run("revoke", "gw")
    assert api_key_find(plain) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "old", "--scope", "read"), "already a key named old"),
        (("create", "gw", "--scope", "read", "--group", "NONE"), "no group NONE"),
        (("create", " ", "--scope", "read"), "needs a name"),
        (("revoke", "gw"), "no key named gw"),
        (("revoke", "gone"), "revoked already"),
    ],
)
def test_the_command_says_in_one_line_why_it_failed(words, said):
    api_key_create("old", ["read"])
    api_key_revoke(api_key_create("gone", ["read"])[0])
    with pytest.raises(CommandError, match=said) as failure:
        run(*words)
    assert failure.value.returncode == 1
    assert "\n" not in str(failure.value)
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize(
    "words", [(), ("create", "gw"), ("create", "gw", "--scope", "write"), ("revoke",)]
)
def test_wrong_usage_ends_with_2(words):
    done = subprocess.run(
        [sys.executable, "manage.py", "api_key", *words], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "api_key" in done.stderr.splitlines()[-1]
