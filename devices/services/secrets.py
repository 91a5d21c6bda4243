"""Secrets at rest: encrypted under a key derived from the secret key of the settings.

An older key that still stands in SECRET_KEY_FALLBACKS opens what it sealed.
"""

import base64
import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

PURPOSE = b"tms secrets at rest"


class SecretLost(ValueError):
    """A secret that was sealed under a key which is no longer known."""


def secret_seal(text: str) -> str:
    """A text, encrypted; the same text twice gives two."""
    return bytes_seal(text.encode()).decode()


def secret_open(sealed: str) -> str:
    """What was sealed. SecretLost."""
    return bytes_open(sealed.encode()).decode()


def bytes_seal(data: bytes) -> bytes:
    """Bytes, encrypted."""
    return _keys(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS)).encrypt(data)


def bytes_open(sealed: bytes) -> bytes:
    """Bytes as they were before `bytes_seal`. SecretLost."""
    try:
        return _keys(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS)).decrypt(sealed)
    except InvalidToken as error:
        raise SecretLost("sealed under a key that is not in the settings") from error


@lru_cache(maxsize=4)
def _keys(secret: str, older: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(one)) for one in (secret, *older)])


def _derived(secret: str) -> bytes:
    digest = hmac.new(secret.encode(), PURPOSE, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest)
