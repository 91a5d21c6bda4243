"""The form of an export: its own fields, and a field for each option that the format declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from devices.models import Device, FunctionalGroup
from devices.readings import UNITS
from exports import formats
from exports.formats.base import Format, Option, OptionError
from exports.formats.options import Use
from exports.models import Destination, ExportDefinition
from exports.models.definitions import SINCE_LAST
from exports.services.definitions import definition_faults

OPTION = "option_"
NOT_OF_FLOWS = (  # what a flow has not: it sends what arrives, good or bad
    *("gate", "gate_unit", "gate_missing", "gate_estimated", "gate_questionable", "when_ready"),
)
MOST_CHOICES = 12  # choices that are shown at once in a list of several
SECTIONS = (
    ("What it is", ("name", "active", "destinations")),
    ("Which meters", ("groups", "device_ids", "channel_numbers", "unit_names")),
    (
        "Which days",
        ("period", "days", "start", "end", "bill_day", "zone", "from_now"),
    ),
    (
        "When",
        (
            *("flush_seconds", "flush_rows", "schedule", "schedule_zone", "when_ready", "missed"),
            "priority",
        ),
    ),
    (
        "Quality",
        ("gate", "gate_unit", "gate_missing", "gate_estimated", "gate_questionable"),
    ),
    (
        "If something is wrong",
        ("on_error", "on_unsupported", "meters_limit", "minutes_limit"),
    ),
)


class Section:
    """A heading of the form and the fields under it."""

    def __init__(self, title: str, fields: Sequence[forms.BoundField]) -> None:
        self.title, self.fields = title, fields


class DefinitionForm(forms.ModelForm):
    """Checks everything that could make a run fail later, as far as it can be known now."""

    device_ids = forms.CharField(
        label="Only these devices",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Device ids, by commas, blanks or lines. None: all meters of the groups.",
    )
    channel_numbers = forms.CharField(
        label="Only these channels",
        required=False,
        help_text="Numbers, by commas. None: all channels.",
    )
    unit_names = forms.MultipleChoiceField(
        label="Only these units",
        required=False,
        choices=[(unit, f"{unit} – {what.quantity}") for unit, what in UNITS.items()],
        widget=forms.SelectMultiple(attrs={"size": 6}),
    )
    from_now = forms.BooleanField(
        label="Begin with what arrives from now on",
        required=False,
        help_text="“Since the last export” only. Off: the first run sends all that is stored.",
    )

    class Meta:
        model = ExportDefinition
        fields = (
            *("name", "active", "destinations", "groups", "period", "days", "start", "end"),
            *("bill_day", "zone", "schedule", "schedule_zone", "missed", "priority"),
            *("flush_seconds", "flush_rows", "when_ready"),
            *("gate", "gate_unit", "gate_missing", "gate_estimated", "gate_questionable"),
            *("on_error", "on_unsupported", "meters_limit", "minutes_limit", "file_name"),
        )
        widgets = {
            "groups": forms.SelectMultiple(attrs={"size": 8}),
            "destinations": forms.CheckboxSelectMultiple,
            "start": forms.TextInput(attrs={"placeholder": "2026-03-01 00:00"}),
            "end": forms.TextInput(attrs={"placeholder": "2026-04-01 00:00"}),
            "schedule": forms.TextInput(attrs={"placeholder": "15 2 * * *"}),
        }

    def __init__(self, *args: Any, code: str, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.format = formats.get(code)
        self.instance.format = code
        self.fields["groups"].queryset = FunctionalGroup.objects.order_by("code")
        self.fields["destinations"].queryset = Destination.objects.order_by("name")
        if self.instance.pk:
            self._begin_with(self.instance)
            del self.fields["from_now"]
        for name in ("gate", "gate_unit"):
            self.fields[name].required = False
        if self.format.flow:
            self._offer_flow()
            for name in NOT_OF_FLOWS:
                del self.fields[name]
        else:
            del self.fields["flush_seconds"], self.fields["flush_rows"]
        for option in self.options:
            self.fields[OPTION + option.name] = option_field(
                option, (self.instance.options or {}).get(option.name)
            )

    def _offer_flow(self) -> None:
        """What such a format is there for comes first: readings as they arrive."""
        if self.instance.pk is None:
            self.initial |= {"period": SINCE_LAST, "from_now": True}
        self.fields[
            "period"
        ].help_text = (
            "“Since the last export” sends each reading as it arrives, late and corrected ones too."
        )
        self.fields["schedule"].help_text = (
            "Empty: a file soon after readings have arrived, as said above. Else every so many "
            "minutes, as */5 * * * *."
        )

    def _begin_with(self, definition: ExportDefinition) -> None:
        ids = definition.devices.order_by("device_id").values_list("device_id", flat=True)
        self.initial["device_ids"] = "\n".join(ids)
        self.initial["channel_numbers"] = ", ".join(map(str, definition.channels))
        self.initial["unit_names"] = definition.units

    @property
    def options(self) -> list[Option]:
        """The format's options for writing."""
        return [option for option in self.format.options if option.use in ("write", "both")]

    def sections(self) -> Iterator[Section]:
        """The fields as the page groups them."""
        for title, names in SECTIONS:
            if shown := [self[name] for name in names if name in self.fields]:
                yield Section(title, shown)
        options = [self[OPTION + option.name] for option in self.options]
        yield Section(f"The file: {self.format.label}", [self["file_name"], *options])

    # --- checks -------------------------------------------------------------------------------
    def clean_gate(self) -> str:
        return self.cleaned_data["gate"] or ExportDefinition.Gate.OFF

    def clean_gate_unit(self) -> str:
        return self.cleaned_data["gate_unit"] or ExportDefinition.GateUnit.PERCENT

    def clean_device_ids(self) -> list[Device]:
        ids = self.cleaned_data["device_ids"].replace(",", " ").split()
        found = {row.device_id: row for row in Device.objects.filter(device_id__in=ids)}
        if unknown := [name for name in ids if name not in found]:
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise ValidationError(f"There is no device {', '.join(unknown[:5])}{more}.")
        return list(found.values())

    def clean_channel_numbers(self) -> list[int]:
        words = self.cleaned_data["channel_numbers"].replace(",", " ").split()
        wrong = [w for w in words if not (w.isascii() and w.isdigit() and 1 <= int(w) <= 999)]
        if wrong:
            raise ValidationError(f"“{wrong[0]}” is no channel number; they go from 1 to 999.")
        return sorted({int(word) for word in words})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.instance.channels = cleaned.get("channel_numbers", [])
        self.instance.units = cleaned.get("unit_names", [])
        options_clean(self, self.format, self.options, "write")
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()
        if not self.errors:
            destinations = list(self.cleaned_data["destinations"])
            for fault in definition_faults(self.instance, destinations):
                self.add_error(None, f"Every file would be refused: {fault}")

    def add_error(self, field: Any, error: Any) -> None:
        """Faults of the model that belong to no field of ours stand above the form."""
        if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            strange = [name for name in error.error_dict if name not in self.fields]
            for name in strange:
                super().add_error(None, error.error_dict.pop(name))
            if not error.error_dict:
                return
        super().add_error(field, error)


def options_clean(form: forms.ModelForm, fmt: Format, options: list[Option], use: Use) -> None:
    """Check the fields of a format's options together, and keep what is not as by default."""
    cleaned = form.cleaned_data
    given = {
        option.name: value
        for option in options
        if (value := cleaned.get(OPTION + option.name)) not in (None, "")
    }
    try:
        checked = fmt.options_clean(given, use)
    except OptionError as error:
        form.add_error(OPTION + error.option, str(error))
        return
    defaults = fmt.options_clean({}, use)
    form.instance.options = {
        name: value if isinstance(value, (bool, int, str, dict)) else str(value)
        for name, value in checked.items()
        if name in given and value != defaults[name]
    }


def option_field(option: Option, value: Any) -> forms.Field:
    """A form field for a declared option. Checking is the option's own affair."""
    common = {
        "label": option.name.replace("_", " ").capitalize(),
        "required": False,
        "help_text": option.help[:1].upper() + option.help[1:] + ".",
        "initial": value,
    }
    if option.kind == "choice":
        default = f"{option.default} (default)" if option.default else "the format decides"
        choices = [
            ("", default),
            *((word, word) for word in option.choices if word != option.default),
        ]
        return forms.ChoiceField(choices=choices, **common)
    if option.kind == "yes_no":
        common["initial"] = option.default if value is None else value
        return YesNoField(**common)
    if option.kind == "integer":
        common["help_text"] += f" {option.allowed.capitalize()}."
    placeholder = {"placeholder": option.default_text} if option.default_text else {}
    if option.kind == "map":
        common["initial"] = ";".join(f"{k}={v}" for k, v in (value or {}).items())
        placeholder = {"placeholder": "KEY=VALUE;KEY=VALUE"}
    return forms.CharField(widget=forms.TextInput(attrs=placeholder), **common)


class YesNoField(forms.BooleanField):
    """A tick; unticked is a no, not “not set”."""
