"""What RTE refuses, leaves out or warns of when writing; the same by both writers."""

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from devices.readings import (
    Channel,
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
)
from exports.formats.base import FormatError
from exports.formats.rte import Arrivals
from exports.formats.rte.tables import LAST_SEQ
from tests.exports.formats.rte_cases import METER, QUARTERS, TOTAL, Version, arrivals_of
from tests.exports.formats.rte_tools import RTE, context, lines, write

END, RECEIVED = "2024-04-02T14:15:00-05:00", "2024-04-02T14:15:22-05:00"
GOOD = Version(QUARTERS, END, "1.284", RECEIVED)
OTHER = replace(GOOD, device=METER._replace(device_id="SSI2"))


def refusal(*versions: Version, **words: Any) -> str:
    """The refusal, the same by both writers."""
    texts = []
    for compiled in (True, False):
        with pytest.raises(FormatError) as caught:
            write(arrivals_of(versions), compiled=compiled, **words)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    return texts[0]


def channel(**fields: Any) -> Version:
    return replace(GOOD, channel=QUARTERS._replace(**fields))


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (replace(GOOD, end="2024-04-02T14:15:01-05:00"), "FMT03 RTE SSI0004711/1 2024-04-02T19:15"),
        (
            channel(seconds=86400, zone="America/Chicago"),
            "FMT03 .*: interval end 2024-04-02T19:15:00Z is not on the 86400-second grid",
        ),
        (
            replace(GOOD, device=METER._replace(device_id="Ä1")),
            "FMT05 .*: DeviceID: character U.00C4 cannot",
        ),
        (
            replace(GOOD, device=METER._replace(service_point_id="S" * 25)),
            "FMT06 .*: ServicePointID: 25 characters, at most 24",
        ),
        (
            replace(GOOD, device=METER._replace(meter_number="A\nB")),
            r"FMT11 .*: MeterNumber: forbidden character '\\n'",
        ),
        (channel(multiplier=Decimal("0.12345")), "FMT07 .*: Multiplier: number 0.12345 does not"),
        (
            replace(channel(resolution=Decimal(10) ** 15), value="1284000000000000000"),
            r"FMT07 .*: Value: number 1.284E\+18 does not fit 18",
        ),
        (channel(number=1000), "FMT07 .*: Channel: number 1000 does not fit 3"),
        (
            replace(GOOD, value=None, status=int(Status.ESTIMATED), source="SC"),
            "FMT12 .*: value and missing mark disagree: missing excludes estimated and edited",
        ),
        (
            replace(GOOD, device=METER._replace(time_zone="Mars/Olympus")),
            "FMT15 .*time zone unknown",
        ),
        (replace(GOOD, received="2024-04-02T14:15:22"), "FMT01 .*: time without zone"),
        (
            replace(GOOD, channel=TOTAL, value="9999999999999999.12"),
            "FMT07 .*: Value: number 9999999999999999.12 does not fit 18",
        ),
    ],
)
def test_a_refusal_names_meter_channel_instant_and_field(version: Version, text: str) -> None:
    found = refusal(OTHER, version)
    assert re.match(text, found), found
    data, tally = write(arrivals_of([OTHER, version]), names="no", on_error="skip_meter")
    assert [line.split(",")[2] for line in lines(data)] == ["SSI2"]
    [left] = tally.left_out
    assert (left.device.device_id, left.channel) == (version.device.device_id, None)


def test_two_rows_of_one_key_and_revision_are_refused() -> None:
    again = replace(GOOD, value="1.3")
    assert refusal(GOOD, again).startswith("RTE03 RTE SSI0004711/1")
    data, _ = write(arrivals_of([GOOD, replace(again, revision=1)]), names="no")
    assert len(lines(data)) == 2


def test_the_revision_stays_at_999_with_a_warning() -> None:
    many = [replace(GOOD, revision=n, value=f"{n}") for n in (998, 999, 1000, 1001)]
    for compiled in (True, False):
        data, tally = write(arrivals_of(many), compiled=compiled, names="no")
        assert [line.split(",")[18] for line in lines(data)] == ["998", "999", "999", "999"]
        assert tally.warnings.counts == {"RTW02": 2}


def test_a_negative_value_of_another_flow_is_warned_of() -> None:
    lot = arrivals_of([replace(GOOD, value="-0.085"), replace(OTHER, value="1")])
    data, tally = write(lot, names="no")
    assert lines(data)[0].split(",")[10] == "-0.085"
    assert tally.warnings.lines() == [
        "RTW01 (1): SSI0004711/1: negative value of a flow other than NET"
    ]
    _, tally = write(arrivals_of([replace(channel(flow="NET"), value="-1")]))
    assert tally.warnings.counts == {}


def test_seq_never_runs_backwards_nor_over_its_digits() -> None:
    with pytest.raises(FormatError, match="RTE01 RTE: Seq would run backwards: 5 after 5"):
        RTE.write_arrivals([], context(first_seq="5"), io.BytesIO(), last_seq=5)  # type: ignore[attr-defined]
    with pytest.raises(FormatError, match="FMT07 RTE: Seq: number 1000000000000000000"):
        write(arrivals_of([GOOD, OTHER]), first_seq=str(LAST_SEQ))


def test_channels_that_cannot_be_carried_are_left_out_or_stop_the_run() -> None:
    odd = channel(seconds=901, grid_offset=None)
    nameless = replace(channel(number=None), device=OTHER.device)
    lot = arrivals_of([odd, nameless, GOOD])
    data, tally = write(lot, names="no")
    assert len(lines(data)) == 1
    assert [(item.device.device_id, item.code) for item in tally.left_out] == [
        ("SSI0004711", "FMT17"),
        ("SSI2", "RTE04"),
    ]
    with pytest.raises(FormatError, match="FMT17 RTE SSI0004711/1: interval length 901 s"):
        write(lot, on_unsupported="stop")


# --- registers of a frame -------------------------------------------------------------------------

TIME = datetime(2024, 4, 2, tzinfo=UTC)
SUM = RegisterValue("SUM", "KWH", "DEL", value=Decimal(5), number=1)


def frame(*values: RegisterValue, time: datetime = TIME) -> Frame:
    read = RegisterRead(time, "CUR", values, source="SC", received=TIME)
    good = RegisterRead(TIME, "CUR", (SUM,), source="SC", received=TIME)
    infos = [DeviceInfo("D1", time_zone="UTC"), DeviceInfo("D2", time_zone="UTC")]
    return Frame(infos, (), {0: [read], 1: [good]})


@pytest.mark.parametrize(
    ("value", "time", "text"),
    [
        (SUM, TIME.replace(tzinfo=None), "FMT01 RTE D1/1: time without zone"),
        (SUM, TIME.replace(microsecond=5), "FMT02 RTE D1/1 .*finer than the format carries"),
        (structs.replace(SUM, value=Decimal("NaN")), TIME, "FMT10 RTE D1/1 .*not a finite number"),
        (
            structs.replace(SUM, value=Decimal("9" * 19)),
            TIME,
            "FMT07 RTE D1/1 .*: Value: number 9+ does",
        ),
        (
            structs.replace(SUM, value=None),
            TIME,
            "FMT12 RTE D1/1 .*null value must be marked missing",
        ),
    ],
)
def test_a_bad_register_refuses_its_meter(value: RegisterValue, time: datetime, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        write(frame(value, time=time))
    data, tally = write(frame(value, time=time), names="no", on_error="skip_meter")
    assert [line.split(",")[2] for line in lines(data)] == ["D2"]
    assert [item.device.device_id for item in tally.left_out] == ["D1"]


def test_other_registers_are_left_out_with_a_warning_or_stop_the_run() -> None:
    peak = structs.replace(SUM, register_class="MAX", unit="KW", number=2)
    data, tally = write(frame(SUM, peak, structs.replace(SUM, rate="A", number=3)), names="no")
    assert [line.split(",")[2:6:3] for line in lines(data)] == [["D1", "1"], ["D2", "1"]]
    assert tally.warnings.counts == {"RTE02": 2}
    with pytest.raises(FormatError, match=r"RTE02 RTE D1/2 .*class MAX rate T is no SUM/T"):
        write(frame(SUM, peak), on_unsupported="stop")


def test_two_channels_of_one_number_and_end_are_one_key() -> None:
    found = [
        IntervalSeries(
            Channel(1, unit, "DEL", 900, "U", Decimal(1)),
            np.array([900]), np.array([7]), np.zeros(1, np.uint16),
        )
        for unit in ("KWH", "KVARH")
    ]  # fmt: skip
    with pytest.raises(FormatError, match="RTE03 RTE D1/1 1970-01-01T00:15:00Z"):
        write(Frame.of([MeterData(DeviceInfo("D1"), tuple(found))]))


def test_an_empty_file_is_made_with_control_lines_only() -> None:
    assert RTE.when_empty(context(control="yes").options) == "write"
    assert RTE.when_empty(context().options) == "none"
    assert RTE.wants_arrivals({})


def test_an_empty_file_with_control_lines() -> None:
    data, _ = write(Arrivals([], [], [], *(np.zeros(0, int),) * 7), control="yes", first_seq="41")
    first, _, last = lines(data)
    assert first.split(",")[5] == "41"
    assert last == "T,20240402200000,0,0,40,0,0"


def test_quoted_identifiers() -> None:
    odd = replace(GOOD, device=METER._replace(device_id='S,"1'))
    data, _ = write(arrivals_of([odd]), names="no")
    assert lines(data)[0].startswith('I,1,"S,""1",00123456')
