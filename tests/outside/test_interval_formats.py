"""Every interval format carries a bill cycle over a clock change into an empty house, up to what
its page says it loses."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.management import call_command
from django.db import transaction

from devices import journal
from devices.models import Channel, Device
from devices.readings import ABSENT, DAY, Status

pytestmark = pytest.mark.django_db
ZONE = "America/Chicago"
FIRST, LAST = "2026-03-06", "2026-03-11"  # clocks change on the 8th
START, END = datetime(2026, 3, 6, 6, tzinfo=UTC), datetime(2026, 3, 11, 5, tzinfo=UTC)
MISSING, ESTIMATED, OUTAGE = Status.MISSING, Status.ESTIMATED, Status.POWER_OUTAGE
MAPPED = "channel_map=KWH DEL=1;KWH REC=2;KVARH DEL=3;V DEL=4"


class Key(NamedTuple):
    """A slot by what it is of: identifier, unit, flow, length, end."""

    meter: str
    unit: str
    flow: str
    seconds: int
    end: int


# The count and mask of each slot; of one that has not arrived, the mask that says so.
Slots = dict[Key, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Carrier:
    """A format: its options, how it names meters, what it leaves out, what of a mask it keeps.

    `absent`: what becomes of slots that never arrived: left out, reported missing, or so unless
    nothing of their local day has arrived.
    """

    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    names: str = "device_id"
    lost_units: tuple[str, ...] = ()
    kept: int = 0
    absent: str = "out"


CARRIERS = {
    "cmep": Carrier(names="meter_number", kept=MISSING | ESTIMATED, absent="missing"),
    "lodestar": Carrier(
        (MAPPED,), (MAPPED,), "meter_number", ("V",), MISSING | ESTIMATED, "missing in days"
    ),
    "mv90": Carrier(
        ("multi_meter=yes",),
        lost_units=("V",),
        kept=MISSING | ESTIMATED | OUTAGE,
        absent="missing",
    ),
    "hhf": Carrier(lost_units=("V",), kept=MISSING | ESTIMATED | OUTAGE, absent="missing"),
    "rte": Carrier(("send_missing=yes",), kept=MISSING | ESTIMATED | OUTAGE),
}


class Source(NamedTuple):
    """The files, their reports, and what the first house holds, by each identifier of a meter."""

    files: dict[str, Path]
    reports: dict[str, dict]
    slots: dict[str, Slots]


def command(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def options(given: tuple[str, ...]) -> list[str]:
    return [word for option in given for word in ("--option", option)]


def in_a_house_of_its_own(do: Callable[[], None]) -> None:
    """Do it in a database that is empty before and after."""
    assert not Device.objects.exists()
    before = transaction.savepoint()
    do()
    transaction.savepoint_rollback(before)


def stored(names: str) -> Slots:
    """Everything that the house holds of the period."""
    channels = list(Channel.objects.select_related("device").order_by("pk"))
    found: Slots = {}
    first, last = int(START.timestamp()), int(END.timestamp())
    for series in journal.series_read(channels, first, last):
        channel = series.channel
        meter = getattr(channel.device, names)
        for end, count, mask in zip(
            series.ends.tolist(), series.counts.tolist(), series.status.tolist(), strict=True
        ):
            key = Key(meter, channel.unit, channel.flow, channel.seconds, end)
            found[key] = (0 if mask & MISSING else count, mask)
    return found


@pytest.fixture(scope="module")
def known() -> dict[str, Source]:
    return {}


@pytest.fixture
def source(known, settings, tmp_path_factory) -> Source:
    """Made once: the demo utility, and its bill cycle in every format."""
    if not known:
        folder = tmp_path_factory.mktemp("formats")
        settings.DATA_DIR = folder
        made = known["made"] = Source({}, {}, {})

        def do() -> None:
            command(
                *("demo", "--devices", "10", "--start", FIRST, "--days", "5"),
                *("--zone", ZONE, "--seed", "15"),
            )
            for code, how in CARRIERS.items():
                made.files[code] = folder / f"cycle.{code}"
                report = command(
                    *("export", code, "--start", FIRST, "--end", LAST, "--group", "CYCLE01"),
                    *("--zone", ZONE, "--output", str(made.files[code]), "--json"),
                    *options(how.write),
                )
                made.reports[code] = json.loads(report)
            cycle = Device.objects.filter(memberships__group__code="CYCLE01")
            Channel.objects.exclude(device__in=cycle).delete()
            for names in ("device_id", "meter_number"):
                made.slots[names] = stored(names)

        in_a_house_of_its_own(do)
    return known["made"]


def expected(slots: Slots, how: Carrier) -> Slots:
    """What the format's page says comes back."""
    arrived = {(*key[:4], day_of(key)) for key, (_, mask) in slots.items() if not mask & ABSENT}
    found = {}
    for key, (count, mask) in slots.items():
        if key.unit in how.lost_units:
            continue
        if mask & ABSENT and (
            how.absent == "out"
            or (how.absent == "missing in days" and (*key[:4], day_of(key)) not in arrived)
        ):
            continue
        found[key] = (count, mask & how.kept)
    return found


def day_of(key: Key) -> int:
    """The local day of an interval; clocks went forward at 08:00Z on the 8th."""
    forward = int(datetime(2026, 3, 8, 8, tzinfo=UTC).timestamp())
    begun = key.end - key.seconds
    return (begun - (6 if begun < forward else 5) * 3600) // DAY


def test_the_source_has_all_that_formats_treat_differently(source):
    masks = {mask for _, mask in source.slots["device_id"].values()}
    seen = {bit for bit in (MISSING, ESTIMATED, OUTAGE, ABSENT) if any(m & bit for m in masks)}
    assert seen == {MISSING, ESTIMATED, OUTAGE, ABSENT}
    units = {(key.unit, key.flow, key.seconds) for key in source.slots["device_id"]}
    assert units == {
        *(("KWH", "DEL", 900), ("KWH", "DEL", 3600), ("KWH", "REC", 900)),
        *(("KVARH", "DEL", 900), ("V", "DEL", 900)),
    }


@pytest.mark.parametrize("code", CARRIERS)
def test_a_bill_cycle_comes_back_up_to_what_the_page_says(code, source, settings, tmp_path):
    how, report = CARRIERS[code], source.reports[code]
    assert report["status"] == "done"
    left_out = [line for line in report["warnings"] if "unit V (flow DEL)" in line]
    assert len(left_out) == len(how.lost_units)
    wanted = expected(source.slots[how.names], how)
    settings.DATA_DIR = tmp_path
    got: Slots = {}

    def do() -> None:
        said = command(
            *("ingest", str(source.files[code]), "--format", code, "--provision", "SENTINEL"),
            *("--zone", ZONE, "--json"),
            *options(how.read),
        )
        assert json.loads(said)["refused"] == []
        got.update(stored("device_id"))

    in_a_house_of_its_own(do)
    back = {key: slot for key, slot in got.items() if not slot[1] & ABSENT}
    assert {k: v for k, v in wanted.items() if back.get(k) != v} == {}
    assert back.keys() == wanted.keys()
    print(f"{code}: {len(back)} of {len(source.slots['device_id'])} slots, each as stated")
