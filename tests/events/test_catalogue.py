"""The shipped catalogue in the database: complete, and never put over an operator's edits."""

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command

from events.catalogue import ALIASES, catalogue_rows, catalogue_seed
from events.helping import help_for
from events.models import EventAlias, EventType

pytestmark = pytest.mark.django_db


def seed() -> None:
    catalogue_seed(sender=apps.get_app_config("events"))


def test_a_migrated_database_holds_the_catalogue():
    assert EventType.objects.filter(unmapped=False).count() == len(list(catalogue_rows()))
    assert EventAlias.objects.count() == len(ALIASES)
    outage = EventType.objects.get(mnemonic="PWR_OUTAGE")
    assert (outage.category, outage.severity, outage.state) == ("OUTG", "A", "S")
    assert outage.paired_with.mnemonic == "PWR_RESTORE"
    assert outage.default_routed
    assert EventType.objects.get(mnemonic="SELF_READ").nuisance
    for kind in EventType.objects.all():
        kind.full_clean()


def test_seeding_again_leaves_edits_alone():
    EventType.objects.filter(mnemonic="PWR_DOWN").update(severity="A", meaning="Ours")
    EventAlias.objects.filter(code="3.26.0.47").delete()
    seed()
    edited = EventType.objects.get(mnemonic="PWR_DOWN")
    assert (edited.severity, edited.meaning) == ("A", "Ours")
    assert not EventAlias.objects.filter(code="3.26.0.47").exists()


def test_a_missing_type_is_added_with_its_pair_and_aliases():
    EventType.objects.filter(mnemonic="PWR_DOWN").delete()
    seed()
    assert EventType.objects.get(mnemonic="PWR_DOWN").paired_with.mnemonic == "PWR_UP"
    assert EventAlias.objects.get(code="3.26.0.47").type.mnemonic == "PWR_DOWN"


@pytest.mark.django_db(transaction=True)
def test_the_catalogue_is_there_again_after_a_flush():
    call_command("flush", interactive=False, verbosity=0)
    assert EventType.objects.count() == len(list(catalogue_rows()))


@pytest.mark.parametrize(
    ("code", "stored"), [("2061", "STD_02061"), ("MFG_61", "MFG_00061"), ("3.99.1.02", "3.99.1.2")]
)
def test_an_alias_is_kept_in_one_spelling(code, stored):
    alias = EventAlias(code=code, type=EventType.objects.get(mnemonic="TAMPER"))
    alias.full_clean()
    assert alias.code == stored


@pytest.mark.parametrize("code", ["3.26.0.85", "PWR_OUTAGE", "no code", "3.26.0.47", "22"])
def test_an_alias_cannot_take_what_another_type_has(code):
    alias = EventAlias(code=code, type=EventType.objects.get(mnemonic="TAMPER"))
    with pytest.raises(ValidationError):
        alias.full_clean()


def test_a_type_with_a_wrong_iec_code_is_refused():
    kind = EventType.objects.get(mnemonic="TAMPER")
    kind.iec_codes = "3.12"
    with pytest.raises(ValidationError, match="not an IEC event code"):
        kind.full_clean()


@pytest.mark.parametrize(
    ("field", "cell"), [("c1219_codes", "49;22"), ("iec_codes", "3.12.0.257;3.36.56.242")]
)
def test_a_type_cannot_take_the_code_of_another(field, cell):
    kind = EventType.objects.get(mnemonic="TAMPER")
    setattr(kind, field, cell)
    with pytest.raises(ValidationError, match="is the own code of DST_ON"):
        kind.full_clean()


def test_a_type_may_have_a_code_that_is_free():
    kind = EventType.objects.get(mnemonic="TAMPER")
    kind.c1219_codes, kind.iec_codes = "47;49", "3.12.0.257;3.99.1.2"
    kind.full_clean()


def test_every_shipped_type_says_its_usual_cause_and_what_to_do():
    shipped = {fields["mnemonic"] for fields, _ in catalogue_rows()}
    assert {name for name in shipped if help_for(name) is None} == set()
    assert help_for("MFG_00999") is None
    assert all(all(help_for(name)) for name in shipped)
