"""Keys of the HTTP interface: made, looked up, revoked; and what each may see.

A key reads `tms_<prefix>_<secret>`. The prefix finds its row; of the whole key only the SHA-256
is kept. The secret is 192 random bits, so a plain hash is enough: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.models import ApiKey, Device, FunctionalGroup, Membership
from devices.selectors import present

MARK = "tms"
LAST_USED_STEP = timedelta(minutes=1)


class KeyFault(ValueError):
    """A key that cannot be made as asked, or does not exist."""


def api_key_create(
    name: str, scopes: Sequence[str], groups: Iterable[FunctionalGroup] = ()
) -> tuple[ApiKey, str]:
    """Make a key; the second value is the key itself, which is never to be seen again."""
    unknown = sorted(set(scopes) - set(ApiKey.Scope.values))
    if unknown:
        known = ", ".join(ApiKey.Scope.values)
        raise KeyFault(f"unknown scope {', '.join(unknown)}; there are: {known}")
    if not scopes:
        raise KeyFault("a key needs at least one scope")
    width = ApiKey._meta.get_field("name").max_length
    if not name.strip() or len(name) > width:
        raise KeyFault(f"a key needs a name of at most {width} characters")
    prefix = secrets.token_hex(6)
    plain = f"{MARK}_{prefix}_{secrets.token_hex(24)}"
    with transaction.atomic():
        key, made = ApiKey.objects.get_or_create(
            name=name,
            defaults={
                "prefix": prefix,
                "digest": _digest(plain),
                "scopes": [scope for scope in ApiKey.Scope.values if scope in scopes],
            },
        )
        if not made:
            raise KeyFault(f"there is already a key named {name}")
        key.groups.set(groups)
    return key, plain


def api_key_revoke(key: ApiKey) -> bool:
    """Stop a key from being accepted, for good. False: it was revoked before."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked=None).update(revoked=timezone.now())
    return bool(revoked)


def api_key_find(plain: str) -> ApiKey | None:
    """The row of a key that was presented, or None when it is unknown or revoked."""
    mark, _, rest = plain.partition("_")
    prefix, _, secret = rest.partition("_")
    # A NUL, which PostgreSQL refuses to look for, is in no prefix either.
    if mark != MARK or not secret or not prefix.isalnum():
        return None
    key = ApiKey.objects.filter(prefix=prefix, revoked=None).first()
    if key is None or not hmac.compare_digest(key.digest, _digest(plain)):
        return None
    _touch(key)
    return key


def key_reads_all(plain: str) -> bool:
    """Whether a key that was presented reads, and sees all devices."""
    key = api_key_find(plain)
    return key is not None and ApiKey.Scope.READ in key.scopes and not key.groups.exists()


def devices_visible(key: ApiKey) -> QuerySet[Device]:
    """The devices a key may see: all, or those that are in one of its groups now."""
    groups = list(key.groups.values_list("pk", flat=True))
    if not groups:
        return Device.objects.all()
    inside = Membership.objects.filter(present(), group__in=groups)
    return Device.objects.filter(pk__in=inside.values("device_id"))


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _touch(key: ApiKey) -> None:
    """Note the use of a key, at most once a minute whoever else notes it."""
    now = timezone.now()
    before = now - LAST_USED_STEP
    if key.last_used is None or key.last_used < before:
        ApiKey.objects.filter(Q(last_used=None) | Q(last_used__lt=before), pk=key.pk).update(
            last_used=now
        )
