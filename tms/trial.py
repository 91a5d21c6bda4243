"""What only a trial installation has: four logins whose password everybody knows.

A trial is SQLite in the data directory, behind a loopback address, for nobody but this machine.
Any other start closes what is left of a trial's logins.
"""

import ipaddress
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from tms import roles

PASSWORD = "tms-demo-2026"  # noqa: S105  (printed at each start)


class Login(NamedTuple):
    username: str
    role: str


LOGINS = (
    Login("admin", roles.ADMINISTRATOR),
    Login("operator", roles.OPERATOR),
    Login("billing", roles.BILLING),
    Login("support", roles.SUPPORT),
)


def is_trial(address: str) -> bool:
    """Whether an installation that listens on `address` can be reached from this machine only."""
    database = settings.DATABASES["default"]
    return (
        database["ENGINE"] == "django.db.backends.sqlite3"
        and Path(database["NAME"]).resolve().is_relative_to(settings.DATA_DIR)
        and all(_is_loopback(host) for host in (address, *settings.ALLOWED_HOSTS))
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@transaction.atomic
def logins_create() -> list[Login]:
    """Make the demo logins that are missing; those that can be logged in with are returned.

    A login that its owner changed (another password, made inactive) stays as it is.
    """
    usable = []
    for login in LOGINS:
        user, made = User.objects.get_or_create(
            username=login.username,
            defaults={
                "is_staff": True,
                "is_superuser": login.role == roles.ADMINISTRATOR,
                "email": f"{login.username}@tms.example",
            },
        )
        if made:
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
            user.groups.add(Group.objects.get_or_create(name=login.role)[0])
        if user.is_active and user.check_password(PASSWORD):
            usable.append(login)
    return usable


def logins_close() -> list[str]:
    """Make inactive every demo login that still has the demo password; their names."""
    users = User.objects.filter(username__in=[login.username for login in LOGINS], is_active=True)
    closed = [user for user in users if user.check_password(PASSWORD)]
    User.objects.filter(pk__in=[user.pk for user in closed]).update(is_active=False)
    return [user.username for user in closed]
