"""The forms of an upload: the file, and how it is to be read and applied."""

from __future__ import annotations

from django import forms

from devices.imports.dates import ORDERS
from devices.imports.options import OptionFault, Options, options_read
from devices.models import ImportJob
from devices.services.imports.jobs import columns_of

_DATES = {"MDY": "month, day, year", "DMY": "day, month, year", "YMD": "year, month, day"}
HOW = (
    ("good", "The good rows; bad ones are reported"),
    ("all_or_nothing", "All rows or nothing"),
    ("row_by_row", "Row by row; what an interruption leaves is kept and goes on"),
)


class ImportForm(forms.Form):
    """Common to both interfaces."""

    kind = ""
    file = forms.FileField(
        label="File",
        help_text="CSV as a spreadsheet saves it, or .xlsx. Nothing is changed before you say so.",
        allow_empty_file=True,
        max_length=255,
    )
    how = forms.ChoiceField(label="Apply", choices=HOW, widget=forms.RadioSelect, initial="good")
    date_order = forms.ChoiceField(
        label="Dates such as 4/1/2024",
        required=False,
        choices=[("", "only where there is no doubt"), *((o, _DATES[o]) for o in ORDERS)],
    )
    pad = forms.CharField(
        label="Lost leading zeros",
        required=False,
        max_length=200,
        help_text="Fill numbers again, for example MeterNumber:8, DeviceID:10.",
    )
    excel_safe = forms.BooleanField(
        label="Write identifiers in the result so that a spreadsheet keeps them", required=False
    )

    options: Options

    def clean(self):
        cleaned = super().clean()
        given = {name: "yes" for name, value in cleaned.items() if value is True}
        given |= {name: cleaned[name] for name in ("date_order", "pad") if cleaned.get(name)}
        if cleaned.get("how") in ("all_or_nothing", "row_by_row"):
            given[cleaned["how"]] = "yes"
        try:
            self.options = options_read(given, columns_of(self.kind))
        except OptionFault as fault:
            self.add_error("pad", str(fault))
        return cleaned


class DeviceImportForm(ImportForm):
    kind = ImportJob.Kind.DEVICES
    check_ratios = forms.BooleanField(
        label="CTRatio × PTRatio must be the Multiplier", required=False
    )


class GroupImportForm(ImportForm):
    kind = ImportJob.Kind.GROUPS
    create_groups = forms.BooleanField(label="Create groups that do not exist", required=False)
    auto_move = forms.BooleanField(
        label="Move a device that is added to a second bill cycle", required=False
    )


def form_of(kind: str) -> type[ImportForm]:
    """The form of an interface."""
    return DeviceImportForm if kind == ImportJob.Kind.DEVICES else GroupImportForm
