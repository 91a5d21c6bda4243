"""Every register format carries a bill cycle into an empty house: each value, peak time, rate and
quality. The sums that files print are those of the store; exchange and rollover bill right.
"""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction

from devices import journal
from devices.bestread import WINDOW
from devices.billing import Cycle, lines_for_cycle, members_for_cycle
from devices.models import (
    Batch,
    Channel,
    Device,
    DeviceClass,
    FunctionalGroup,
    Installation,
    IntervalBlock,
    JournalEntry,
    Membership,
    RegisterEntry,
    RegisterSnapshot,
)
from devices.readings import RegisterRead, RegisterValue, Status, status_letter
from devices.registers import usage_for_device
from events.models import Event
from tests.devices import fleet

pytestmark = pytest.mark.django_db

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC)
OPENS, CLOSES = START, datetime(2026, 4, 1, tzinfo=UTC)
EXCHANGED = OPENS + timedelta(days=11, hours=9)
FILES = {
    "sxml": ("sxml", {"intervals": "no"}),
    "idf": ("idf", {}),
    "rde long": ("rde", {"names": "yes"}),
    "rde wide": ("rde", {"profile": "wide"}),
    "btf": ("btf", {}),
    "btf implied": ("btf", {"layout": "0101"}),
}
USED = {"OLD": Decimal("20.5"), "NEW": Decimal(37), "ROLLED": Decimal("55.25")}


def empty() -> None:
    """Leaves neither devices nor readings."""
    store = (IntervalBlock, JournalEntry, RegisterSnapshot, RegisterEntry)
    for model in (Event, *store, Batch, Channel, Installation, Membership, Device):
        rows = model.objects.all()
        rows._raw_delete(rows.db)


def run(name: str, *arguments: str) -> dict:
    out = io.StringIO()
    call_command(name, *arguments, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def export(target: Path, code: str, words: dict[str, str]) -> dict:
    options = [part for name, value in words.items() for part in ("--option", f"{name}={value}")]
    period = ("--start", "2026-03-01", "--end", "2026-04-03", "--group", "CYCLE01")
    return run("export", code, *period, "--output", str(target), *options)


def stored() -> dict[tuple, tuple]:
    """Every value in the store: who, when, what, and its value, peak time and letter."""
    numbers = dict(Device.objects.values_list("pk", "meter_number"))
    found = journal.registers_read(list(numbers), START, END)
    return {
        (numbers[device], read.time, read.read_type, *value.key): (
            value.value,
            value.peak_time,
            status_letter(value.status),
        )
        for device, reads in found.items()
        for read in reads
        for value in read.values
    }


def total(amount: str, status: int = 0) -> RegisterValue:
    return RegisterValue("SUM", "KWH", "DEL", "T", Decimal(amount), 1, dials=9, status=status)


def special(name: str, start: datetime, end: datetime | None, **reads: tuple) -> None:
    """A meter at service point SP1 from one time to another, with reads."""
    device = Device.objects.create(
        device_id=name, meter_number=name, device_class=DeviceClass.objects.get(code="CENTRON"),
        state="provisioned",
    )  # fmt: skip
    place = "SP1" if name in ("OLD", "NEW") else "SP2"
    Installation.objects.create(
        device=device, valid_from=start, valid_to=end, service_point_id=place
    )
    group = FunctionalGroup.objects.get(code="CYCLE01")
    Membership.objects.create(device=device, group=group, valid_from=OPENS - timedelta(days=90))
    with transaction.atomic():
        batch = fleet.make_batch()
        found = [
            (device.pk, RegisterRead(time, kind.rstrip("0"), values))
            for kind, (time, *values) in reads.items()
        ]
        journal.registers_append(batch, [(pk, read) for pk, read in found])
        journal.batch_number(batch)
    journal.fold_all()


def specials() -> None:
    """A meter exchanged in mid-cycle for another, one that rolled over, letters and bare peaks."""
    before = OPENS - timedelta(days=90)
    special("OLD", before, EXCHANGED, SR=(OPENS, total("500")), OD=(EXCHANGED, total("520.5")))
    special(
        "NEW", EXCHANGED, None, OD=(EXCHANGED, total("3")),
        SR=(CLOSES, total("40", int(Status.ESTIMATED))),
    )  # fmt: skip
    doubt = int(Status.QUESTIONABLE)  # of a read as a whole: the wide layout has one letter a row
    peak = RegisterValue("MAX", "KW", "DEL", "T", Decimal("4.5"), 2, status=doubt)  # at no time
    missing = RegisterValue("SUM", "KWH", "REC", "T", None, 4, status=int(Status.MISSING))
    special(
        "ROLLED", before, None, SR=(OPENS, total("999999980", int(Status.EDITED))),
        CUR=(OPENS + timedelta(days=5), missing),
        SR0=(CLOSES, total("35.25", doubt), peak),
    )  # fmt: skip


def sums(data: str, code: str) -> set[tuple[str, str]]:
    """Energy and demand total that a file prints, if it does."""
    if code == "sxml":
        found = [re.search(f"<{n}ControlTotal>(.*?)<", data)[1] for n in ("Energy", "Demand")]
        return {tuple(found)}
    last = data.splitlines()[-1]
    if code == "rde":
        return {tuple(last.split(",")[4:6])} if last.startswith("RDET") else set()
    energy, demand = last[54:74].lstrip("0"), last[74:94].lstrip("0")
    if "." not in energy:
        energy, demand = (f"{text[:-4]}.{text[-4:]}" for text in (energy, demand))
    return {(energy.rstrip("0").rstrip("."), demand.rstrip("0").rstrip("."))}


def test_a_bill_cycle_comes_back_from_every_file_and_the_sums_agree(tmp_path):
    period = ("--days", "3", "--start", "2026-03-30")
    call_command("demo", "--devices", "10", *period, stdout=io.StringIO())
    specials()
    sent = stored()
    cycle = Cycle(FunctionalGroup.objects.get(code="CYCLE01"), OPENS, CLOSES, WINDOW)
    lines = lines_for_cycle(cycle, members_for_cycle(cycle))
    billed = {line.device.device_id: line.used.amount for line in lines if line.used}
    assert {name: billed[name] for name in USED} == USED
    reports = {name: export(tmp_path / name, code, words) for name, (code, words) in FILES.items()}
    assert len(sent) > 200
    assert {read_type for _, _, read_type, *_ in sent} == {"CUR", "PDR", "SR", "OD"}
    assert {letter for *_, letter in sent.values()} == set("AEVQM")
    assert {report["registers"] for report in reports.values()} == {len(sent)}
    printed = set()
    for name, (code, _) in FILES.items():
        empty()
        assert stored() == {}
        answer = run("ingest", str(tmp_path / name), "--format", code, "--provision", "CENTRON")
        assert answer["created"]["devices"] == 13
        assert stored() == sent, name
        for device, amount in USED.items():
            meter = Device.objects.get(meter_number=device)
            used = usage_for_device(meter, ("KWH", "DEL", "T"), START, END).usage
            assert used.amount == amount, (name, device)
        if code != "idf":
            printed |= sums((tmp_path / name).read_text(), code)
    values = [(key[3], key[7], value) for key, (value, _, _) in sent.items() if value is not None]
    [(energy, demand)] = printed
    for said, of in ((energy, "SUM"), (demand, "MAX")):
        assert said == f"{sum(value for what, _, value in values if what == of).normalize():f}"
