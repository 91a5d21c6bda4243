"""Users of each role, for tests of pages."""

from django.contrib.auth.models import Group, User
from django.test import Client


def user_of(role: str) -> User:
    """A user of one role, named by its first word in lower case."""
    user = User.objects.create_user(role.split()[0].lower(), password="long enough", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def log_in(client: Client, role: str) -> User:
    """The same, who has logged in."""
    user = user_of(role)
    client.force_login(user)
    return user
