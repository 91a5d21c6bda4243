"""Who is calling, and what of the fleet they may see."""

from django.http import Http404, HttpRequest
from ninja.errors import AuthorizationError
from ninja.security import HttpBearer

from devices.models import ApiKey, Device
from devices.services.keys import api_key_find, devices_visible


class KeyAuth(HttpBearer):
    """`Authorization: Bearer <key>` of a key with a scope; the ApiKey becomes `request.auth`.

    401 without a key, with an unknown or a revoked one; 403 when the key lacks the scope.
    """

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = ApiKey.Scope(scope).value

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        key = api_key_find(token.strip())
        if key is not None and self.scope not in key.scopes:
            raise AuthorizationError(message=f"This key lacks the scope “{self.scope}”.")
        return key


def device_visible(request: HttpRequest, device_id: str) -> Device:
    """The device of that identifier; Http404 when there is none or the key may not see it."""
    device = None
    if "\0" not in device_id:  # PostgreSQL refuses to look for it
        device = devices_visible(request.auth).filter(device_id=device_id).first()
    if device is None:
        raise Http404(f"There is no device {device_id}.")
    return device
