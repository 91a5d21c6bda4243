"""Reads of the store that are written together make the lines of reads written one by one."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from devices.readings import Frame, MeterData, RegisterRead
from devices.storedreads import HEAD_FIELDS, Head, StoredRead, StoredReads, encode
from exports.formats import get
from exports.formats.alike import AlikeReads, Block, Made
from exports.formats.amounts import Amounts
from exports.formats.base import FormatError, Tally
from exports.formats.linecells import Cells, Lines
from exports.formats.registers import number_text
from exports.formats.stamps import Clock, Instant
from exports.formats.storedstamps import StoredStamps
from tests.exports.formats.register_cases import METER, PEAK, TOTAL, april
from tests.exports.formats.register_strategies import DEVICES, meters_reads, numbers
from tests.exports.formats.register_tools import context
from tests.exports.formats.test_register_compiled import FORMATS

PLAIN = st.builds(lambda n, k: Decimal(n).scaleb(-k), st.integers(0, 10**11 - 1), st.integers(0, 4))


def stored(read: RegisterRead) -> StoredRead:
    """A read as the store keeps it."""
    head = Head(**{name: getattr(read, name) for name in HEAD_FIELDS})
    texts = (encode(head).decode(), encode(read.values).decode())
    return StoredRead(read.read_type, read.time, read.revision, *texts)


def both(code: str, meters: list[MeterData], **words: object) -> list[tuple[bytes, dict] | str]:
    """The frame's bytes and tally, written one by one and out of the store; or the refusal."""
    frame = Frame.of(meters)
    texts = {i: [stored(read) for read in meter.reads] for i, meter in enumerate(meters)}
    found: list[tuple[bytes, dict] | str] = []
    for one in (frame, replace(frame, reads=StoredReads(texts))):
        ctx, out, tally = context(code, **words), io.BytesIO(), Tally()
        try:
            get(code).write_frame(one, ctx, out, tally)
        except FormatError as error:
            found.append(str(error))
        else:
            counted = tally.as_dict()
            counted["totals"] = {name: total.normalize() for name, total in tally.totals.items()}
            found.append((out.getvalue(), counted))
    return found


@st.composite
def fleets(draw: st.DrawFn, wide: bool) -> list[MeterData]:
    """Meters whose reads are alike but for values and peak times, and now and then one that is
    not, or a number that is not plain."""
    kinds = draw(st.lists(meters_reads(occurrences=2, wide=wide), min_size=1, max_size=2))
    found = []
    for place in range(draw(st.integers(1, 5))):
        device = draw(DEVICES)._replace(meter_number=f"M{place:03}")
        minutes = st.integers(0, 10**6).map(lambda n: timedelta(minutes=n))
        reads = []
        for read in draw(st.sampled_from(kinds)):
            values = [
                replace_value(
                    *(value, draw(st.one_of(PLAIN, PLAIN, PLAIN, numbers()))),
                    value.peak_time and datetime(2001, 1, 1, tzinfo=UTC) + draw(minutes),
                )
                for value in read.values
            ]
            reads.append(replace(read, values=tuple(values)))
        found.append(MeterData(device, reads=tuple(reads)))
    return found


def replace_value(value, amount, peak):  # type: ignore[no-untyped-def]
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return type(value)(**fields | {"peak_time": peak} | ({"value": amount} if value.value else {}))


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), zone=st.sampled_from([None, "UTC"]))
def test_what_is_written_together_is_what_is_written_one_by_one(
    name: str, data: st.DataObject, zone: str | None
) -> None:
    meters = data.draw(fleets("wide" in name))
    words = FORMATS[name] | {"zone": zone, "on_error": data.draw(st.sampled_from(ON_ERROR))}
    plain, together = both(name[:3], meters, **words)
    assert together == plain


ON_ERROR = ["stop", "skip_meter"]


def test_reads_that_are_alike_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    made = AlikeReads._made

    def counted(self: AlikeReads, block: Block) -> Made:
        found = made(self, block)
        asked.append(len(block.reads) - len(found.odd))
        return found

    monkeypatch.setattr(AlikeReads, "_made", counted)
    peaks = [
        replace_value(PEAK, PEAK.value, PEAK.peak_time.astimezone(zone))
        for zone in (None, UTC, timezone(timedelta(hours=10)))
    ]
    meters = [
        MeterData(METER._replace(meter_number=f"M{n}"), reads=(april(TOTAL, peak),))
        for n, peak in enumerate(peaks)
    ]
    for code in ("btf", "idf", "rde"):
        plain, together = both(code, meters)
        assert together == plain
    assert asked == [3, 3, 3]


def test_reads_that_say_nothing_but_their_ids_keep_them() -> None:
    meters = [
        MeterData(
            METER._replace(meter_number=f"M{n}"),
            reads=(RegisterRead(PEAK.peak_time, "SR", (TOTAL,), read_id=f"{n + 1}"),),
        )
        for n in range(3)
    ]
    plain, together = both("rde", meters)
    assert together == plain


def test_many_kinds_of_reads_and_odd_ones_keep_their_order() -> None:
    amounts = [Decimal(n).scaleb(-3) if n % 7 else -Decimal(n) for n in range(120)]
    meters = [
        MeterData(
            METER._replace(meter_number=f"M{n:03}"),
            reads=(april(*[replace_value(TOTAL, amount, None)] + [PEAK] * (n % 5 > 1)),),
        )
        for n, amount in enumerate(amounts, start=1)
    ]
    for code in ("btf", "idf", "rde"):
        plain, together = both(code, meters)
        assert together == plain


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"value":"', '"value":"-'),
        ('"value":"', '"value":"123456789012'),
        ('"value":"', '"value":"1E+2" , "source":"'),
        (':00Z"', ':00.5Z"'),
        ("T", " "),
    ],
)
def test_a_text_that_is_odd_is_written_as_its_value_is(old: str, new: str) -> None:
    read = stored(april(TOTAL, PEAK))
    odd = read._replace(values=read.values.replace(old, new, 1))
    try:
        plain = [odd.read()]
    except ValueError:
        plain = []
    frame = Frame([METER], reads={0: plain})
    made = []
    for reads in ({0: plain}, StoredReads({0: [odd]})):
        out, tally = io.BytesIO(), Tally()
        try:
            get("rde").write_frame(replace(frame, reads=reads), context("rde"), out, tally)
        except (FormatError, ValueError) as error:
            made.append(type(error))
        else:
            made.append(out.getvalue())
    assert made[0] == made[1] or not plain


def read_amounts(texts: list[str]) -> Amounts:
    """The numbers of some texts that stand in quotes among others."""
    room = "x" * 16
    joined = room + "".join(f'{text}"{room}' for text in texts)
    sizes = np.array([[len(text) for text in texts]])
    starts = 16 + np.cumsum(sizes + 17, axis=1) - sizes - 17
    return Amounts.read(np.frombuffer(joined.encode("latin-1"), np.uint8), starts, sizes)


def texts_of(cells: Cells, count: int) -> list[str]:
    """Cells one by one."""
    found = []
    for row in range(count):
        text = cells.rows[row].tobytes()
        found.append(text[: len(text) if cells.sizes is None else cells.sizes[row]].decode())
    return found


@given(st.lists(PLAIN, min_size=1, max_size=20))
def test_numbers_are_read_and_written_on_arrays_as_one_by_one(values: list[Decimal]) -> None:
    amounts = read_amounts(list(map(str, values)))
    odd = ["E" in str(value) for value in values]
    assert amounts.fine[0].tolist() == [not one for one in odd]
    amounts = amounts.take(amounts.fine[0])
    values = [value for value, one in zip(values, odd, strict=True) if not one]
    assert amounts.counts()[0].tolist() == [int(value.scaleb(4)) for value in values]
    assert texts_of(amounts.plain()[0], len(values)) == [number_text(value) for value in values]
    for point in (True, False):
        wanted = [f"{value:.4f}" if point else f"{value:.4f}".replace(".", "") for value in values]
        fixed = texts_of(amounts.fixed(point)[0], len(values))
        assert fixed == [text.zfill(16) for text in wanted]


ODD = [
    "",
    "-1",
    "1.",
    ".5",
    "1.2.3",
    "1e3",
    "1 ",
    "1.23456",
    "1" * 12,
    "1" * 16,
    "00.5",
    "1/5",
    ":",
]


@pytest.mark.parametrize("text", [*ODD, "12/5", "1.5:", "\xff1", "1..5", "0" * 16, ".", "1" * 40])
def test_numbers_that_are_not_plain_are_not_taken(text: str) -> None:
    assert read_amounts(["12.5", text, "7"]).fine.tolist() == [[True, False, True]]


@given(st.lists(st.lists(st.binary(max_size=9), min_size=3, max_size=3), min_size=1, max_size=9))
def test_cells_of_any_size_are_put_side_by_side(rows: list[list[bytes]]) -> None:
    rows = [[cell.replace(b"\0", b"") for cell in row] for row in rows]
    columns = [
        Cells.filled(np.array(column, "S9").view(np.uint8).reshape(-1, 9))
        for column in zip(*rows, strict=True)
    ]
    lines = Lines([Cells.fixed(b"<"), *columns], len(rows))
    ends = np.cumsum(lines.sizes)
    made = np.zeros(int(ends[-1]), np.uint8)
    lines.put(made, ends - lines.sizes)
    assert made.tobytes() == b"".join(b"<" + b"".join(row) for row in rows)


MINUTES = [f"2026-01-01T{n // 60:02}:{n % 60:02}:00Z".encode() for n in range(200)]
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0).isoformat().encode()
)
WRITTEN = st.one_of(
    st.sampled_from(MINUTES),
    st.builds(lambda time: time[:-2] + b"00Z", TIMES),
    st.builds(lambda time, zone: time + zone, TIMES, st.sampled_from([b"Z", b"+05:45", b"-06:00"])),
)
NOT_WRITTEN = [
    *(b"2026-13-01T00:00:00Z", b"2026-02-30T00:00:00Z", b"2026-00-10T00:00:00Z"),
    *(b"2026-01-32T00:00:00Z", b"2026-01-10T24:00:00Z", b"2026-01-10T10:60:00Z"),
    *(b"2026/01/10T10:00:00Z", b"2026-01-10 10:00:00Z", b"2026-01-1:T10:00:00Z", b""),
    *(b"2026-01-10T10:00:00Zabcde", b"2026-01-10T10:00:00z", b"2026-01-10T10.00:00Z"),
]


@given(st.lists(st.lists(st.one_of(WRITTEN, WRITTEN, st.sampled_from(NOT_WRITTEN)), min_size=1)))
def test_instants_are_looked_up_as_they_are_read(blocks: list[list[bytes]]) -> None:
    found = StoredStamps(Clock("America/Chicago", [lambda time: Instant().put(time, "", 0)]))
    for texts in blocks:
        rows = np.array(texts, "S25").view(np.uint8).reshape(-1, 25)
        places = found.places(rows)
        assert [place < 0 for place in places] == [text in NOT_WRITTEN for text in texts]
        for text, place in zip(texts, places.tolist(), strict=True):
            if place >= 0:
                written = texts_of(found.tables()[0].take(np.array([place])), 1)
                instant = datetime.fromisoformat(text.decode())
                assert datetime.fromisoformat(written[0]) == instant
