"""What S-XML refuses, leaves out or warns of when writing; the same by both writers."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from devices.readings import (
    Channel,
    Event,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
)
from exports.formats.base import FormatError, OptionError
from tests.exports.formats.sxml_cases import ABSENT_METER, METER, SELF_READ, SERIES, at, frame_of
from tests.exports.formats.sxml_tools import SXML, context, lines, valid, write

TIME = at("2024-11-03T02:00:00-06:00")
SUM = RegisterValue("SUM", "KWH", "DEL", value=Decimal(5), number=1)
MAX = structs.replace(SUM, register_class="MAX", unit="KW", number=2)
GOOD = MeterData(ABSENT_METER, (), (RegisterRead(TIME, "CUR", (SUM,), source="SC"),))


def reading(*values: RegisterValue, **words: Any) -> MeterData:
    given = {"time": TIME, "read_type": "CUR", "source": "SC", "values": values}
    return MeterData(METER, (), (RegisterRead(**given | words),))


def series(**fields: Any) -> MeterData:
    return MeterData(METER, (replace(SERIES, channel=SERIES.channel._replace(**fields)),))


def slots(**fields: Any) -> MeterData:
    return MeterData(METER, (replace(SERIES, **fields),))


def refusal(*meters: MeterData, **words: Any) -> str:
    """The refusal, the same by both writers; with skip_meter the meter is listed as excluded."""
    texts = []
    for compiled in (True, False):
        with pytest.raises(FormatError) as caught:
            write(frame_of(*meters), compiled=compiled, **words)
        texts.append(str(caught.value))
        data, tally = write(frame_of(*meters), compiled=compiled, on_error="skip_meter", **words)
        assert valid(data)
        assert tally.left_out
        assert len(lines(data, 'reason="Excluded"')) <= 1
    assert texts[0] == texts[1]
    return texts[0]


LARGE = np.array([740, 701, 760, 755, 0, 1 << 62])
CONFLICT = np.array([0, 0, 0, 3, 0, 0], np.uint16)


@pytest.mark.parametrize(
    ("meter", "text"),
    [
        (reading(SUM, time=TIME.replace(tzinfo=None)), "FMT01 SXML 00123456: time without zone"),
        (reading(SUM, time=TIME.replace(microsecond=5)), "FMT02 SXML 00123456 2024-11-03T08:00"),
        (series(grid_offset=-21601), "FMT03 SXML 00123456/1 2024-11-03T06:00:00Z"),
        (MeterData(METER, (SERIES, SERIES)), "FMT04 SXML 00123456/1: duplicate or overlapping"),
        (slots(ends=SERIES.ends[[0, 1, 1, 3, 4, 5]]), "FMT04 SXML 00123456/1 2024-11-03T07:00"),
        (replace(GOOD, device=METER._replace(account_id="Ä")), "FMT05 SXML 00123456: AccountID: "),
        (replace(GOOD, device=METER._replace(account_id=" A")), "FMT05 SXML 00123456: AccountID: "),
        (replace(GOOD, device=METER._replace(bill_cycle="C" * 13)), "FMT06 SXML .*: Group: 13"),
        (
            reading(structs.replace(SUM, value=Decimal("9" * 19))),
            "FMT07 SXML 00123456/1 .*number 9+",
        ),
        (reading(structs.replace(SUM, dials=100)), "FMT07 SXML 00123456/1 .*dials: number 100"),
        (reading(SUM, reset_count=100000), "FMT07 SXML 00123456 .*resetCount: number 100000"),
        (
            reading(structs.replace(SUM, multiplier=Decimal("0.12345"))),
            "FMT07 .*multiplier: number 0",
        ),
        (slots(counts=LARGE), "FMT07 SXML 00123456/1 2024-11-03T11:00:00Z: v: number"),
        (reading(structs.replace(SUM, value=Decimal("NaN"))), "FMT10 SXML 00123456/1"),
        (slots(status=CONFLICT), "FMT12 SXML 00123456/1 2024-11-03T09:00:00Z"),
        (reading(structs.replace(SUM, value=None)), "FMT12 SXML 00123456/1"),
        (replace(GOOD, device=METER._replace(time_zone="Mars/X")), "FMT15 SXML 00123456"),
        (reading(structs.replace(MAX, occurrence=2)), "SXM02 .*: peaks: the first occurrence is 2"),
        (reading(SUM, SUM), "SXM10 .*: register stands twice: 1 SUM T 1"),
        (replace(GOOD, device=METER, reads=(*GOOD.reads, *GOOD.reads)), "SXM10 .*: read stands"),
    ],
)
def test_a_refusal_names_meter_place_and_instant(meter: MeterData, text: str) -> None:
    zone = None if "Mars" in meter.device.time_zone else "America/Chicago"
    found = refusal(meter, GOOD, zone=zone)
    assert re.match(text, found), found


def test_a_register_whose_multiplier_of_nothing_is_to_be_removed_is_refused() -> None:
    meter = reading(structs.replace(SUM, multiplier=Decimal(0)))
    found = refusal(meter, GOOD, remove_multiplier="yes")
    assert re.match("FMT10 SXML 00123456/1", found), found


def test_a_meter_number_of_two_devices_is_refused() -> None:
    other = replace(GOOD, device=METER._replace(device_id="SSI9"))
    text = refusal(reading(SUM), other)
    assert text == (
        "SXM10 SXML 00123456: meter number stands twice: 00123456, of devices SSI0004711, SSI9"
    )


def test_a_meter_that_moved_is_one_with_its_last_place() -> None:
    early, late = IntervalSeries(SERIES.channel, *(column[:3] for column in _columns())), (
        IntervalSeries(SERIES.channel, *(column[3:] for column in _columns()))
    )  # fmt: skip
    moved = METER._replace(service_point_id="SP-2")
    data, tally = write(frame_of(MeterData(METER, (early,)), MeterData(moved, (late,))))
    assert lines(data, "<ServicePointID") == ["<ServicePointID>SP-2</ServicePointID>"]
    assert (tally.meters, tally.intervals, tally.total("ChannelCount")) == (1, 6, 2)
    assert valid(data)


def _columns() -> tuple[Any, ...]:
    return (SERIES.ends, SERIES.counts, SERIES.status)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"number": None}, "SXM09"),
        ({"number": 1000}, "FMT07"),
        ({"seconds": 3601}, "FMT17"),
        ({"multiplier": Decimal("0.12345")}, "FMT07"),
        ({"seconds": 86400, "grid_offset": -21600, "zone": "America/Chicago"}, "SXM04"),
    ],
)
def test_a_channel_that_cannot_be_carried_is_left_out_or_stops_the_run(
    fields: dict[str, Any], code: str
) -> None:
    meter = MeterData(METER, (*series(**fields).series, SERIES), (SELF_READ,))
    if fields.get("number", 1) == 1:
        meter = replace(meter, series=meter.series[:1])
    for compiled in (True, False):
        data, tally = write(frame_of(meter), compiled=compiled)
        assert valid(data)
        assert [(item.channel is not None, item.code) for item in tally.left_out] == [(True, code)]
        with pytest.raises(FormatError, match=code):
            write(frame_of(meter), compiled=compiled, on_unsupported="stop")


def test_registers_without_a_number_are_left_out_or_stop_the_run() -> None:
    meter = reading(SUM, structs.replace(MAX, number=None))
    data, tally = write(frame_of(meter))
    assert len(lines(data, "<Register ")) == 1
    assert tally.warnings.counts == {"SXM09": 1}
    with pytest.raises(FormatError, match=r"SXM09 SXML 00123456 .*KW DEL has no number"):
        write(frame_of(meter), on_unsupported="stop")


def test_warnings() -> None:
    coincident = structs.replace(SUM, register_class="COIN", number=3, peak_time=TIME)
    meter = reading(
        structs.replace(SUM, value=Decimal(-1)),
        *(MAX, structs.replace(MAX, occurrence=2, value=Decimal(6))),
        *(coincident, structs.replace(coincident, occurrence=2)),
        status_word="odd",
    )
    data, tally = write(frame_of(meter))
    assert tally.warnings.counts == {"SXW01": 1, "SXW02": 1, "SXW03": 1, "SXW04": 1}
    assert len(lines(data, "<Peak")) == 3
    assert valid(data)
    flow = SERIES.channel._replace(flow="REC")
    negative = replace(SERIES, channel=flow, counts=-SERIES.counts)
    for compiled in (True, False):
        _, tally = write(frame_of(MeterData(METER, (negative,))), compiled=compiled)
        assert tally.warnings.counts == {"SXW01": 5}


def test_original_batch_and_mode_belong_together() -> None:
    for words in ({"mode": "RE"}, {"mode": "OR", "original_batch": "20241103000000"}):
        with pytest.raises(FormatError, match="SXM06 SXML: OriginalBatchID is"):
            write(Frame([]), **words)
    data, _ = write(Frame([]), mode="CO", original_batch="20241103000000")
    assert lines(data, "OriginalBatch") == ["<OriginalBatchID>20241103000000</OriginalBatchID>"]
    assert valid(data)


def test_list_options_are_checked() -> None:
    with pytest.raises(OptionError, match="option classes: SUN is none of SUM, MAX"):
        context(classes="SUN")
    with pytest.raises(ValueError, match="not sorted by meter_number"):
        write(frame_of(GOOD, reading(SUM)))


def test_read_ids() -> None:
    stored, other = reading(SUM, read_id="77"), reading(SUM, read_id="a-7")
    assert 'id="77"' in lines(write(frame_of(stored))[0], "<RegisterRead ")[0]
    derived = lines(write(frame_of(stored), read_ids="derived")[0], "<RegisterRead ")
    assert derived == lines(write(frame_of(other))[0], "<RegisterRead ")


def test_options_choose_what_is_written() -> None:
    meter = MeterData(METER, (SERIES,), (SELF_READ,), (Event("PWR_OUTAGE", TIME, iec="3.26.0.85"),))
    every, _ = write(frame_of(meter, MeterData(ABSENT_METER)), events="yes")
    assert [len(lines(every, mark)) for mark in ("<I ", "<Register ", "<Event ", "<NotRead")] == [
        *(6, 3, 1, 1)
    ]
    assert valid(every)
    some, _ = write(
        frame_of(meter, MeterData(ABSENT_METER)),
        intervals="no", classes="SUM", rates="a", quality_codes="no", not_read="no",
    )  # fmt: skip
    assert [len(lines(some, mark)) for mark in ("<I ", "<Register ", "<Event ", "<NotRead")] == [
        *(0, 1, 0, 0)
    ]
    assert not lines(some, "QualityCode", "MetersNotRead")
    none, tally = write(frame_of(meter), intervals="no", registers="no")
    assert lines(none, "<Meters") == ["<Meters/>", "<MetersNotRead>"]
    assert tally.meters == 0
    options = context(intervals="no", registers="no", events="yes").options
    wants = (SXML.wants_intervals, SXML.wants_registers, SXML.wants_events, SXML.wants_arrivals)
    assert [want(options) for want in wants] == [False, False, True, False]


def test_an_event_that_has_no_mnemonic_is_refused() -> None:
    meter = MeterData(METER, (), (), (Event("low battery", TIME),))
    with pytest.raises(FormatError, match=r"FMT05 SXML 00123456: code: character U\+0020"):
        write(frame_of(meter), events="yes")


def test_a_character_that_xml_cannot_carry() -> None:
    with pytest.raises(FormatError, match=r"FMT05: ExportName: character U\+0001"):
        write(Frame([]), export="A\x01B")
    data, _ = write(Frame([]), export='R&D <"1">')
    assert lines(data, "ExportName") == ['<ExportName>R&amp;D &lt;"1"&gt;</ExportName>']


def test_days_over_the_autumn_change() -> None:
    channel = Channel(1, "KWH", "DEL", 86400, "U", Decimal("0.1"), zone="America/Chicago")
    ends = [at(text) for text in ("2024-11-03T00:00:00-05:00", "2024-11-05T00:00:00-06:00")]
    found = IntervalSeries(
        channel,
        np.array([int(end.timestamp()) for end in ends]),
        np.array([7, 9]),
        np.zeros(2, np.uint16),
    )
    data, tally = write(frame_of(MeterData(METER, (found,))))
    assert lines(data, "<I ")[1] == '<I t="2024-11-04T00:00:00-06:00" q="M" c="2.5.259"/>'
    assert 'start="2024-11-02T00:00:00-05:00"' in lines(data, "<Channel")[0]
    assert (tally.intervals, tally.missing) == (3, 1)
    _, tally = write(frame_of(MeterData(METER, (found,))), mode="IN")
    assert tally.total("ChannelCount") == 2


def test_ends_that_leave_their_own_step_are_refused_where_gaps_are_filled() -> None:
    free = replace(SERIES, channel=SERIES.channel._replace(grid_offset=None))
    ends = SERIES.ends + np.array([0, 0, 0, 0, 0, 7])
    odd = MeterData(METER, (replace(free, ends=ends),))
    with pytest.raises(FormatError, match="FMT03 SXML 00123456/1 2024-11-03T11:00:07Z"):
        write(frame_of(odd))
    assert len(lines(write(frame_of(odd), mode="IN")[0], "<Channel ")) == 2
