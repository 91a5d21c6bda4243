"""Form fields that routes and rules share: words of a list as boxes to tick."""

from __future__ import annotations

from typing import Any

from django import forms

from events import rules
from events.models import AlarmRule, Category, Route, Severity

DAYS = [
    *((0, "Monday"), (1, "Tuesday"), (2, "Wednesday"), (3, "Thursday"), (4, "Friday")),
    *((5, "Saturday"), (6, "Sunday")),
]


def boxes(choices: list[tuple[Any, str]], **options: Any) -> forms.TypedMultipleChoiceField:
    """A list of words or numbers, ticked."""
    return forms.TypedMultipleChoiceField(
        choices=choices, required=False, widget=forms.CheckboxSelectMultiple, **options
    )


class SelectingForm(forms.ModelForm):
    """What makes up a selection of events."""

    severities = boxes(
        Severity.choices, help_text="With categories: only of these categories. None: any."
    )


class RouteForm(SelectingForm):
    categories = boxes(Category.choices, help_text="None: any, where severities are ticked.")

    class Meta:
        model = Route
        fields = "__all__"  # noqa: DJ007 the admin names them


class AlarmRuleForm(SelectingForm):
    categories = boxes(
        [*Category.choices, (rules.SYSTEM, "The system’s own alarms")],
        help_text="None: any, where severities are ticked.",
    )
    days = boxes(DAYS, coerce=int, help_text="None: every day.")

    class Meta:
        model = AlarmRule
        fields = "__all__"  # noqa: DJ007 the admin names them
        widgets = {
            **dict.fromkeys(
                ("device_classes", "users", "user_groups"), forms.CheckboxSelectMultiple
            ),
            "addresses": forms.Textarea(attrs={"rows": 3}),
        }

    def clean(self) -> dict[str, Any]:
        """A rule that chooses nothing is a mistake, not a wish."""
        values = super().clean()
        chosen = any(values.get(name) for name in ("mnemonics", "categories", "severities"))
        if not (chosen or self.instance.fallback):
            self.add_error(None, "Choose event types, categories or severities.")
        return values
