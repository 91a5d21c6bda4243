"""The form of a destination: the fields of its kind, and secrets that go in and never come out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from exports.admin.form import Section
from exports.delivery import private_key_check, trigger_name, words_check
from exports.models import Destination
from exports.services.destinations import secrets_set

Kind, Auth = Destination.Kind, Destination.Auth
WHO = ("What it is", ("name", "receiver", "active"))
TRIGGER = ("When a file is there", ("ok_file", "trigger_name"))
SECTIONS = {
    Kind.DIRECTORY: (WHO, ("Where", ("path",)), TRIGGER),
    Kind.SFTP: (
        WHO,
        ("Where", ("host", "port", "folder", "timeout")),
        ("Log-in", ("username", "auth", "new_password", "new_key", "new_passphrase")),
        TRIGGER,
    ),
    Kind.EMAIL: (
        WHO,
        ("Whom", ("addresses", "user_groups")),
        ("The mail", ("subject", "body", "zipped", "limit_mib")),
    ),
}
KEPT = "One is stored and is not shown. Empty: it stays."
LINES = {"name", "path", "host", "username", "folder", "trigger_name", "subject"}


class DestinationForm(forms.ModelForm):
    """What a destination of one kind is made of."""

    new_password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    new_key = forms.CharField(
        label="Private key",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off", "spellcheck": "false"}),
        help_text="The whole file, from its first line to its last: Ed25519, ECDSA or RSA.",
    )
    new_passphrase = forms.CharField(
        label="Passphrase of the key",
        required=False,
        strip=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Only where the key has one.",
    )

    class Meta:
        model = Destination
        fields = (
            *("name", "receiver", "active", "path", "host", "port", "username", "auth", "folder"),
            *("timeout", "ok_file", "trigger_name", "addresses", "user_groups", "subject", "body"),
            *("zipped", "limit_mib"),
        )
        widgets = {
            "user_groups": forms.CheckboxSelectMultiple,
            "addresses": forms.Textarea(attrs={"rows": 3}),
            "body": forms.Textarea(attrs={"rows": 8}),
        }

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.instance.kind = kind
        self._was_at = (self.instance.host, self.instance.port)
        wanted = {name for _, names in SECTIONS[Kind(kind)] for name in names}
        for name in set(self.fields) - wanted:
            del self.fields[name]
        for name in wanted & {"host", "username", "path"}:
            self.fields[name].required = True
        if kind == Kind.DIRECTORY:
            roots = ", ".join(settings.TMS_DELIVERY_ROOTS)
            self.fields["path"].help_text = f"An absolute path below {roots}."
        for name, kept in (
            ("new_password", self.instance.password),
            ("new_key", self.instance.private_key),
        ):
            if kept and name in self.fields:
                self.fields[name].help_text = KEPT

    def sections(self) -> Iterator[Section]:
        """The fields as the page groups them."""
        for title, names in SECTIONS[Kind(self.instance.kind)]:
            yield Section(title, [self[name] for name in names])

    # --- checks ---------------------------------------------------------------------------------
    def clean_host(self) -> str:
        host = self.cleaned_data["host"].strip()
        if not host.isascii() or any(c.isspace() or c in "/@\0" for c in host):
            raise ValidationError("Write a name as sftp.example.com, or an address.")
        return host

    def clean_folder(self) -> str:
        folder = self.cleaned_data["folder"].strip()
        if "\0" in folder or "\n" in folder:
            raise ValidationError("Write a path as /in or in/tms.")
        return folder

    def clean_trigger_name(self) -> str:
        pattern = self.cleaned_data["trigger_name"].strip()
        try:
            trigger_name("X.txt", pattern)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return pattern

    def _clean_words(self, name: str) -> str:
        text = self.cleaned_data[name].strip() or Destination._meta.get_field(name).default
        try:
            words_check(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return text

    def clean_subject(self) -> str:
        return self._clean_words("subject")

    def clean_body(self) -> str:
        return self._clean_words("body")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in LINES & cleaned.keys():
            if not cleaned[name].isprintable():
                self.add_error(name, "One line of characters that can be seen, please.")
        if self.instance.kind == Kind.SFTP and not self.errors:
            self._clean_log_in(cleaned)
        whom = cleaned.get("addresses", "").strip() or cleaned.get("user_groups")
        if self.instance.kind == Kind.EMAIL and not (whom or self.errors):
            self.add_error("addresses", "Write an address, or tick a role.")
        return cleaned

    def _clean_log_in(self, cleaned: dict[str, Any]) -> None:
        """A proof of the chosen kind: given now, or kept from before."""
        if cleaned["auth"] == Auth.PASSWORD:
            if not (cleaned["new_password"] or self.instance.password):
                self.add_error("new_password", "Write the password.")
            return
        key = cleaned["new_key"].replace("\r\n", "\n").strip()
        if not key:
            if not self.instance.private_key:
                self.add_error("new_key", "Paste the private key.")
            elif cleaned["new_passphrase"]:
                self.add_error("new_key", "Paste the key again, too, to change its passphrase.")
            return
        cleaned["new_key"] = f"{key}\n"
        try:
            private_key_check(cleaned["new_key"], cleaned["new_passphrase"])
        except ValueError as error:
            field = "new_passphrase" if "passphrase" in str(error) else "new_key"
            self.add_error(field, str(error))

    def save(self, commit: bool = True) -> Destination:
        """Secrets are sealed; what another server showed is forgotten."""
        row = self.instance
        if row.kind == Kind.SFTP:
            secrets_set(
                row,
                password=self.cleaned_data["new_password"],
                private_key=self.cleaned_data["new_key"],
                passphrase=self.cleaned_data["new_passphrase"],
            )
            if row.pk and (row.host, row.port) != self._was_at:
                row.host_key = row.host_key_offered = ""
        return super().save(commit)
