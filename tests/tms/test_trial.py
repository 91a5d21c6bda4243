"""Logins with a known password exist where only this machine can reach them, and nowhere else."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User

from tms import roles, trial


@pytest.fixture
def found(monkeypatch) -> SimpleNamespace:
    """Settings as `make run` finds them."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/tms/tms.sqlite3"}
    settings = SimpleNamespace(
        DATABASES={"default": database},
        DATA_DIR=Path("/srv/tms"),
        ALLOWED_HOSTS=["127.0.0.1", "localhost", "[::1]"],
    )
    monkeypatch.setattr(trial, "settings", settings)
    return settings


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.0.0.53"])
def test_sqlite_on_a_loopback_address_is_a_trial(found, address):
    assert trial.is_trial(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7", "tms.example.com", ""])
def test_an_address_that_others_reach_is_no_trial(found, address):
    assert not trial.is_trial(address)


@pytest.mark.parametrize("host", ["tms.example.com", "*", ".localhost.example", "10.0.0.1"])
def test_a_name_that_others_use_is_no_trial(found, host):
    found.ALLOWED_HOSTS = ["127.0.0.1", host]
    assert not trial.is_trial("127.0.0.1")


def test_another_database_is_no_trial(found):
    found.DATABASES["default"]["NAME"] = "/srv/elsewhere.sqlite3"
    assert not trial.is_trial("127.0.0.1")
    found.DATABASES["default"] = {"ENGINE": "django.db.backends.postgresql", "NAME": "tms"}
    assert not trial.is_trial("127.0.0.1")


@pytest.mark.django_db
def test_each_role_has_its_login():
    assert [login.username for login in trial.logins_create()] == [
        *("admin", "operator", "billing", "support"),
    ]
    users = User.objects.filter(is_staff=True, is_active=True)
    assert {user.username: user.groups.get().name for user in users} == dict(trial.LOGINS)
    assert set(dict(trial.LOGINS).values()) == set(roles.ROLES)
    assert all(user.check_password(trial.PASSWORD) for user in users)
    assert [user.username for user in users.filter(is_superuser=True)] == ["admin"]
    assert all(user.email == f"{user.username}@tms.example" for user in users)


@pytest.mark.django_db
def test_a_login_that_its_owner_changed_stays_as_it_is():
    trial.logins_create()
    changed = User.objects.get(username="billing")
    changed.set_password("another-password")
    changed.save()
    User.objects.filter(username="support").update(is_active=False)
    usable = [login.username for login in trial.logins_create()]
    assert usable == ["admin", "operator"]
    assert User.objects.get(username="billing").check_password("another-password")


@pytest.mark.django_db
def test_outside_a_trial_what_still_has_the_known_password_is_closed():
    trial.logins_create()
    changed = User.objects.get(username="admin")
    changed.set_password("another-password")
    changed.save()
    User.objects.create_user("somebody", password=trial.PASSWORD)
    assert set(trial.logins_close()) == {"operator", "billing", "support"}
    active = User.objects.filter(is_active=True).values_list("username", flat=True)
    assert set(active) == {"admin", "somebody"}
    assert trial.logins_close() == []
