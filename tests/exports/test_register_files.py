"""A bill cycle's registers out in every register format, and back into an empty store."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from devices import journal
from devices.models import (
    Batch,
    Channel,
    Device,
    Installation,
    IntervalBlock,
    JournalEntry,
    Membership,
    RegisterEntry,
    RegisterSnapshot,
)
from devices.readings import status_letter
from events.models import Event

pytestmark = pytest.mark.django_db

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC)
FILES = {
    "idf": ("idf", {}),
    "rde long": ("rde", {"names": "yes"}),
    "rde wide": ("rde", {"profile": "wide"}),
    "btf": ("btf", {}),
    "btf implied": ("btf", {"layout": "0101"}),
}


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


def sums(data: str, code: str) -> set[tuple[str, str]]:
    """Energy and demand total that a file prints, if it does."""
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
    sent = stored()
    reports = {name: export(tmp_path / name, code, words) for name, (code, words) in FILES.items()}
    assert len(sent) > 200
    assert {read_type for _, _, read_type, *_ in sent} == {"CUR", "PDR", "SR"}
    assert {report["registers"] for report in reports.values()} == {len(sent)}
    printed = set()
    for name, (code, _) in FILES.items():
        empty()
        assert stored() == {}
        answer = run("ingest", str(tmp_path / name), "--format", code, "--provision", "CENTRON")
        assert answer["created"]["devices"] == 10
        assert stored() == sent, name
        if code != "idf":
            printed |= sums((tmp_path / name).read_text(), code)
    values = [(key[3], value) for key, (value, _, _) in sent.items()]
    [(energy, demand)] = printed
    for total, name in ((energy, "SUM"), (demand, "MAX")):
        assert total == f"{sum(value for what, value in values if what == name).normalize():f}"


def ingest_refused(path: Path, code: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("ingest", str(path), "--format", code, "--provision", "CENTRON",
                     stderr=io.StringIO())  # fmt: skip
    assert Device.objects.count() == 0
    return str(caught.value)


@pytest.fixture
def golden(tmp_path):
    """Copies an example to a file, with some bytes changed."""

    def copy(name: str, old: bytes, new: bytes) -> Path:
        data = (Path(__file__).parents[1] / "golden" / name).read_bytes()
        assert old in data
        (tmp_path / "file").write_bytes(data.replace(old, new, 1))
        return tmp_path / "file"

    return copy


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("btf/1_self_read.txt", b" \r\nBTFR", b"\r\nBTFR", "199 characters, not 200"),
        ("btf/1_self_read.txt", b"70133.9480", b"70133.9481", "energy total: the file says"),
        ("rde/1_self_read.csv", b"70133.948", b"70133.949", "EnergyTotal: the file says"),
        ("rde/1_self_read.csv", b"SSI0004711", b"SSI0004712", "reused meter number 00123456"),
        ("idf/1_self_read.idf", b",KWH,", b",BTU,", "'BTU' is not in the list"),
    ],
)
def test_a_bad_file_is_refused_explained_and_nothing_stored(golden, name, old, new, why):
    assert why in ingest_refused(golden(name, old, new), name[:3])


def test_devices_named_by_their_ids_alone_are_kept_apart(tmp_path):
    head = "RDEC,DeviceID,ReadType,ReadTime,RegisterNo,RegisterClass,UOM,Value"
    rows = [f"RDED,D{n},SR,2026-03-01T00:00:00Z,1,SUM,KWH,{n}" for n in range(3)]
    (tmp_path / "file").write_text("\n".join([head, *rows]))
    answer = run("ingest", str(tmp_path / "file"), "--format", "rde", "--provision", "CENTRON",
                 "--option", "strict=no")  # fmt: skip
    assert (answer["devices"], answer["registers"]) == (3, 3)
    assert set(Device.objects.values_list("device_id", flat=True)) == {"D0", "D1", "D2"}
