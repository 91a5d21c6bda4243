"""Register reads of the store that are alike are written as the declared way writes each."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from msgspec import structs

from devices.readings import Frame, MeterData, RegisterRead
from devices.storedreads import StoredReads
from exports.formats.sxml.alike import AlikeReads
from tests.exports.formats.sxml_cases import ABSENT_METER, EXAMPLE, SELF_READ, frame_of
from tests.exports.formats.sxml_tools import valid, write
from tests.exports.formats.test_register_alike import stored
from tests.exports.formats.test_sxml_compiled import OPTIONS, PEAK, frames, reads

AMOUNTS = st.one_of(
    st.builds(lambda n, k: Decimal(n).scaleb(-k), st.integers(0, 10**9), st.integers(0, 4)),
    st.sampled_from([Decimal(text) for text in ("-1.5", "1E+3", "0.00001", "1" * 15, "0E-7")]),
)


def kept(frame: Frame) -> Frame:
    """The frame with its reads as the store has them."""
    texts = {place: [stored(read) for read in some] for place, some in frame.reads.items()}
    return replace(frame, reads=StoredReads(texts))


def outcome(frame: Frame, compiled: bool, words: dict[str, Any]) -> object:
    try:
        data, tally = write(frame, compiled=compiled, **words)
    except ValueError as error:
        return str(error)
    left_out = [(item.device, item.channel, item.code) for item in tally.left_out]
    counts = (tally.meters, tally.intervals, tally.registers, tally.missing, tally.totals)
    return data, counts, tally.warnings.counts, left_out


def same(frame: Frame, **words: Any) -> object:
    found = outcome(kept(frame), True, words)
    assert found == outcome(frame, False, words)
    return found


@st.composite
def fleets(draw: st.DrawFn) -> Frame:
    """A frame whose meters have reads that differ in values and peak times."""
    frame = draw(frames(bad=False))
    kinds = draw(st.lists(reads(bad=False), min_size=1, max_size=2))
    given = {}
    for place in range(len(frame.devices)):
        some = []
        for read in draw(st.sampled_from(kinds)):
            values = [
                structs.replace(
                    value,
                    value=None if value.value is None else draw(AMOUNTS),
                    peak_time=value.peak_time and PEAK - timedelta(minutes=draw(st.integers(0, 9))),
                )
                for value in read.values
            ]
            read_id = draw(st.sampled_from(["", "7", "x", "0012"]))
            some.append(replace(read, values=tuple(values), read_id=read_id))
        given[place] = some
    return replace(frame, reads=given)


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.one_of(fleets(), frames()), OPTIONS)
def test_both_ways_give_the_same_bytes(frame: Frame, options: dict[str, Any]) -> None:
    same(frame, **options)


def test_reads_that_are_alike_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    before = AlikeReads._write_all

    def counted(self: AlikeReads, shape: Any, stamps: Any, some: Any) -> None:
        made.append(len(some))
        before(self, shape, stamps, some)

    monkeypatch.setattr(AlikeReads, "_write_all", counted)
    read = replace(SELF_READ, read_id="")
    devices = [ABSENT_METER._replace(meter_number=f"{n}", device_id=f"D{n}") for n in range(9)]
    meters = [MeterData(device, (), (read,)) for device in devices]
    data, *_ = same(frame_of(*meters))  # type: ignore[misc]
    assert made == [9]
    assert valid(data)


@pytest.mark.parametrize(
    "change",
    [
        {"time": SELF_READ.time.replace(tzinfo=None)},
        {"time": SELF_READ.time.replace(microsecond=5)},
        {"time": PEAK + timedelta(days=9)},
        {"status_word": "odd"},
        {"reset_count": 100_000},
        {"received": None},
        {"read_type": "XX"},
        {"source": "??"},
        {"read_id": "9" * 30},
    ],
)
def test_what_is_odd_about_a_read_is_left_to_the_declared_way(change: dict[str, Any]) -> None:
    odd = MeterData(EXAMPLE.device, (), (replace(SELF_READ, **change),))
    other = MeterData(ABSENT_METER, (), (replace(SELF_READ, read_id="8"),))
    same(frame_of(odd, other))
    same(frame_of(odd, other), on_error="skip_meter")


def test_occurrences_that_do_not_exist_are_left_to_the_declared_way() -> None:
    for number in (0, 100, 10**6):
        values = (structs.replace(SELF_READ.values[0], occurrence=number),)
        same(frame_of(MeterData(EXAMPLE.device, (), (replace(SELF_READ, values=values),))))


def test_two_reads_of_one_type_and_time_are_refused() -> None:
    twice = (replace(SELF_READ, read_id="1"), replace(SELF_READ, read_id="2"))
    assert "SXM10" in str(same(frame_of(MeterData(EXAMPLE.device, (), twice))))


def test_a_run_begins_and_ends_with_the_reads_of_its_instants() -> None:
    same(frame_of(EXAMPLE))
    one: RegisterRead = EXAMPLE.reads[0]
    same(frame_of(replace(EXAMPLE, reads=(one,))), read_types="CUR")
