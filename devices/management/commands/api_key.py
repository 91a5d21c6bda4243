"""`manage.py api_key`: make and revoke keys of the HTTP interface."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices.models import ApiKey, FunctionalGroup
from devices.services.keys import KeyFault, api_key_create, api_key_revoke


class Command(BaseCommand):
    help = "Make a key of the HTTP interface (printed once, alone on the last line) or revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="create|revoke")
        create = actions.add_parser("create", help="make a key and print it")
        create.add_argument("name")
        create.add_argument(
            "--scope",
            dest="scopes",
            action="append",
            required=True,
            choices=ApiKey.Scope.values,
            help="what it may do; may be repeated",
        )
        create.add_argument(
            "--group",
            dest="groups",
            action="append",
            default=[],
            metavar="CODE",
            help="limit it to devices of this functional group; may be repeated",
        )
        revoke = actions.add_parser("revoke", help="stop a key from being accepted, for good")
        revoke.add_argument("name")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            self.create(**options) if action == "create" else self.revoke(**options)
        except KeyFault as fault:
            raise CommandError(str(fault)) from fault

    def create(self, *, name: str, scopes: list[str], groups: list[str], **options: Any) -> None:
        found = {group.code: group for group in FunctionalGroup.objects.filter(code__in=groups)}
        if unknown := sorted(set(groups) - set(found)):
            raise KeyFault(f"there is no group {', '.join(unknown)}")
        _, plain = api_key_create(name, scopes, found.values())
        self.stdout.write(plain)

    def revoke(self, *, name: str, **options: Any) -> None:
        key = ApiKey.objects.filter(name=name).first()
        if key is None:
            raise KeyFault(f"there is no key named {name}")
        if not api_key_revoke(key):
            raise KeyFault(f"the key {name} is revoked already")
        self.stdout.write(f"revoked {name}")
