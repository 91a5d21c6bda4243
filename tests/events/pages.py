"""The admin's pages of events, as a browser is given them."""

from django.test import Client
from django.urls import reverse


def page(client: Client, name: str, *args: object, **query: object) -> str:
    answer = client.get(reverse(f"admin:events_{name}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()
