"""Every refusal of the writer is reached and says what is wrong; both writers say the same."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from devices.readings import DeviceInfo, Frame, MeterData, RegisterRead, Status
from exports.formats.base import FormatError, OptionError, Tally
from exports.formats.lodestar.fields import Plain, Second
from exports.formats.lodestar.tables import LSE
from exports.formats.options import Options
from tests.exports.formats.lodestar_cases import METER, at, series
from tests.exports.formats.lodestar_tools import DAY, LODESTAR, context, named, of, refusal, write

FOUR = ["1", "2", "3", "4"]


def shifted(seconds: int, **words: object) -> MeterData:
    """Four intervals off the grid."""
    return of(series(at(DAY) + timedelta(seconds=seconds), FOUR, **words))


def doubled() -> MeterData:
    one = series(DAY, FOUR)
    return of(one.__class__(one.channel, one.ends // 1800 * 1800, one.counts, one.status))


CASES: dict[str, tuple[Callable[[], MeterData], dict[str, object], str]] = {
    "naive read": (
        lambda: of(
            series(DAY, FOUR),
            reads=[RegisterRead(datetime(2024, 1, 15), "CUR", ())],  # noqa: DTZ001
        ),
        {},
        "FMT01 LODESTAR MTR-104477: time without zone: 2024-01-15 00:00:00",
    ),
    "off the grid": (
        lambda: shifted(60),
        {},
        "FMT03 LODESTAR MTR-104477/1 2024-01-15T06:16:00Z: interval end 2024-01-15T06:16:00Z "
        "is not on the 900-second grid",
    ),
    "twice": (
        doubled,
        {},
        "FMT04 LODESTAR MTR-104477/1 2024-01-15T06:30:00Z: duplicate or overlapping interval "
        "2024-01-15T06:30:00Z",
    ),
    "two channels of one number": (
        lambda: of(series(DAY, FOUR), series("20240115003000", FOUR, unit="KVARH")),
        {},
        "FMT04 LODESTAR MTR-104477/1 2024-01-15T06:30:00Z: duplicate or overlapping interval "
        "2024-01-15T06:30:00Z",
    ),
    "not ASCII": (
        lambda: named("É1", series(DAY, FOUR)),
        {},
        "FMT05 LODESTAR É1: recorder: character U+00C9 cannot be written",
    ),
    "21 characters": (
        lambda: named("X" * 21, series(DAY, FOUR)),
        {},
        f"FMT06 LODESTAR {'X' * 21}: recorder: 21 characters, at most 20",
    ),
    "65 characters": (
        lambda: of(series(DAY, FOUR), service_point_id="1" * 65),
        {"profile": "ercot"},
        f"FMT06 LODESTAR {'1' * 65}: recorder: 65 characters, at most 64",
    ),
    "descriptor": (
        lambda: of(series(DAY, FOUR)),
        {"descriptor": "x" * 41},
        "FMT06 LODESTAR MTR-104477/1: descriptor: 41 characters, at most 40",
    ),
    "no unit code": (
        lambda: of(series(DAY, FOUR, unit="KVAH")),
        {"on_unsupported": "stop"},
        "FMT08 LODESTAR MTR-104477/1: unit KVAH (flow DEL) has no code in this format",
    ),
    "pulses": (
        lambda: of(series(DAY, FOUR, unit="PULSE")),
        {"on_unsupported": "stop"},
        "FMT08 LODESTAR MTR-104477/1: unit PULSE (flow DEL) has no code in this format",
    ),
    "reactive energy for ercot": (
        lambda: of(series(DAY, FOUR, unit="KVARH")),
        {"profile": "ercot", "on_unsupported": "stop"},
        "FMT08 LODESTAR 1008901000000000000123/1: unit KVARH (flow DEL) has no code in this format",
    ),
    "negative": (
        lambda: of(series(DAY, ["1", "-0.0004"], resolution="0.0001")),
        {},
        "FMT09 LODESTAR MTR-104477/1 2024-01-15T06:30:00Z: negative value -0.0004 not allowed",
    ),
    "infinite multiplier": (
        lambda: of(series(DAY, FOUR, multiplier=Decimal("NaN"))),
        {},
        "FMT10 LODESTAR MTR-104477/1: value is not a finite number",
    ),
    "comma": (
        lambda: named("A,1", series(DAY, FOUR)),
        {},
        "FMT11 LODESTAR A,1: recorder: forbidden character ',' (comma, quote, CR, LF, control)",
    ),
    "zone name with a comma": (
        lambda: of(series(DAY, FOUR)),
        {"zone_name": "America/Chicago=C,T"},
        "FMT11 LODESTAR MTR-104477/1: zone_name: forbidden character ',' "
        "(comma, quote, CR, LF, control)",
    ),
    "missing and estimated": (
        lambda: of(series(DAY, FOUR, status={1: int(Status.MISSING | Status.ESTIMATED)})),
        {},
        "FMT12 LODESTAR MTR-104477/1 2024-01-15T06:30:00Z: value and missing mark disagree: "
        "missing excludes estimated and edited",
    ),
    "flow": (
        lambda: of(series(DAY, FOUR, flow="NET")),
        {"profile": "ercot", "on_unsupported": "stop"},
        "FMT13 LODESTAR 1008901000000000000123/1: flow NET not carried by this format",
    ),
    "unknown zone": (
        lambda: of(series(DAY, FOUR), time_zone="Mars/Base"),
        {},
        "FMT15 LODESTAR MTR-104477: time zone unknown, or local time does not exist/cannot be "
        "expressed: Mars/Base",
    ),
    "a day long": (
        lambda: of(series(DAY, FOUR, seconds=86400)),
        {"on_unsupported": "stop"},
        "FMT17 LODESTAR MTR-104477/1: interval length 86400 s not carried",
    ),
    "hourly for ercot": (
        lambda: of(series(DAY, FOUR, seconds=3600)),
        {"profile": "ercot", "on_unsupported": "stop"},
        "FMT17 LODESTAR 1008901000000000000123/1: interval length 3600 s not carried",
    ),
    "raw for ercot": (
        lambda: of(series(DAY, FOUR, status={2: int(Status.RAW)})),
        {"profile": "ercot"},
        "LSE01 LODESTAR 1008901000000000000123/1 2024-01-15T06:45:00Z: raw or questionable "
        "interval in a cut that declares itself validated",
    ),
    "start in the repeated hour": (
        lambda: of(series(at("20241103013000", fold=1), FOUR)),
        {},
        "LSE02 LODESTAR MTR-104477/1 2024-11-03T07:30:00Z: cut boundary 2024-11-03T01:30:00 "
        "occurs twice on the clock of America/Chicago",
    ),
    "stop in the repeated hour": (
        lambda: of(series("20241103003000", FOUR)),
        {},
        "LSE02 LODESTAR MTR-104477/1 2024-11-03T06:29:59Z: cut boundary 2024-11-03T01:29:59 "
        "occurs twice on the clock of America/Chicago",
    ),
    "no zone name": (
        lambda: of(series(DAY, FOUR), time_zone="Europe/London"),
        {},
        "LSE03 LODESTAR MTR-104477: no zone name for the zone Europe/London; set zone_name",
    ),
    "status of two characters": (
        lambda: of(series(DAY, FOUR)),
        {"status_estimated": "EE"},
        "LSE04 LODESTAR: status_estimated 'EE' is not one printable character other than a comma",
    ),
    "status that is a comma": (
        lambda: of(series(DAY, FOUR)),
        {"status_questionable": ","},
        "LSE04 LODESTAR: status_questionable ',' is not one printable character other than a comma",
    ),
    "standard time for ercot": (
        lambda: of(series(DAY, FOUR)),
        {"profile": "ercot", "dst": "N"},
        "LSE05 LODESTAR: ercot: DST flag N",
    ),
    "DUNS": (
        lambda: of(series(DAY, FOUR)),
        {"profile": "ercot", "duns": "12345"},
        "LSE05 LODESTAR: DUNS '12345' is not 9 or 13 digits",
    ),
    "registers": (
        lambda: of(series(DAY, FOUR)),
        {"include": "both"},
        "LSE06 LODESTAR: register values are asked for; the format carries intervals only",
    ),
    "no recorder id": (
        lambda: named("", series(DAY, FOUR)),
        {},
        "LSE07 LODESTAR D: recorder id is empty: the device has no meter_number",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str) -> None:
    meter, options, message = CASES[name]
    assert refusal(meter(), **options) == message


def test_a_cut_over_a_change_of_standard_time_is_no_whole_number_of_intervals() -> None:
    """Caracas left UTC-4:30 in 2016, so the last hours of that year end at half past (UTC)."""
    one = series(datetime(2016, 12, 31, 20, 30, tzinfo=UTC), ["1", "1", "1"], seconds=3600)
    ends = np.append(one.ends, one.ends[-1] + 5400)
    counts, status = np.ones(4, np.int64), np.zeros(4, np.uint16)
    meter = of(one.__class__(one.channel, ends, counts, status), time_zone="America/Caracas")
    message = refusal(meter, zone_name="America/Caracas=VET", cut_days="31")
    assert message == (
        "FMT18 LODESTAR MTR-104477/1 2016-12-31T20:30:00Z: "
        "period is not a whole number of intervals"
    )


def test_a_value_of_more_than_a_hundred_digits_is_refused() -> None:
    one = series(DAY, ["1", "9000000"], multiplier=Decimal("1E+95"), multiplier_applied=False)
    assert refusal(of(one)).startswith(
        "FMT07 LODESTAR MTR-104477/1 2024-01-15T06:30:00Z: value: number "
    )


def test_a_stamp_below_the_second_is_refused_as_such() -> None:
    with pytest.raises(FormatError, match="FMT02: time 2024-01-15T00:00:00"):
        Second().put(datetime(2024, 1, 15, 0, 0, 0, 1), "start", 14)  # noqa: DTZ001
    assert Plain().put(Decimal("1E+2"), "multiplier", 0) == b"100"


def test_every_refusal_of_the_format_is_tested() -> None:
    reached = {message[:5] for *_, message in CASES.values()} | {"FMT02", "FMT18"}
    carried = {f"FMT{n:02}" for n in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 15, 17, 18)}
    assert reached == carried | set(LSE)


def test_settings_are_refused_even_without_a_meter() -> None:
    ctx = context(status_edited="ab")
    with pytest.raises(FormatError, match="LSE04"):
        LODESTAR.write([], ctx, io.BytesIO())


def test_skip_meter_leaves_the_recorder_out_and_goes_on() -> None:
    bad = named("A1", series(DAY, ["-1"]))
    good = named("B1", series(DAY, FOUR))
    for compiled in (True, False):
        data, tally = write([bad, good], compiled=compiled, on_error="skip_meter")
        assert data.count(b"00000001,") == 1
        assert b"00000001,B1,1," in data
        assert [(item.device.meter_number, item.code) for item in tally.left_out] == [
            ("A1", "FMT09")
        ]
        assert tally.meters == 1


def test_an_unsupported_channel_is_left_out_with_a_warning() -> None:
    meter = of(series(DAY, FOUR), series(DAY, FOUR, unit="V", number=4))
    for compiled in (True, False):
        data, tally = write([meter], compiled=compiled)
        assert data.count(b"00000001,") == 1
        assert tally.warnings.lines() == [
            "FMT08 (1): left out: FMT08 LODESTAR MTR-104477/4: unit V (flow DEL) has no code in "
            "this format"
        ]
        [item] = tally.left_out
        assert (item.channel, item.code) == (meter.series[1].channel, "FMT08")


def test_nothing_of_a_frame_is_written_before_a_refusal() -> None:
    out = io.BytesIO()
    good, bad = named("A1", series(DAY, FOUR)), named("B1", series(DAY, ["-1"]))
    with pytest.raises(FormatError):
        LODESTAR.write_frame(Frame.of([good, bad]), context(), out, Tally())
    assert out.getvalue() == b""


MAPS = {
    "uom_map": ("KWX=05", "KWH=5", "PULSE=09", "V=20;A=20"),
    "channel_map": ("DEL=0", "DEL=1000", "XX=1", "KWH IN=1", "DEL=1;REC=1"),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in MAPS.items() for v in vs])
def test_a_map_that_means_nothing_is_refused_as_it_is_given(name: str, value: str) -> None:
    with pytest.raises(OptionError, match=f"option {name}: ") as caught:
        LODESTAR.options_clean({name: value}, "write")
    assert caught.value.option == name


def test_options_that_are_not_given_keep_their_defaults() -> None:
    clean: Options = LODESTAR.options_clean({}, "write")
    assert clean["status_questionable"] == " "
    assert clean["uom_map"] is None


def test_a_device_without_data_is_no_matter() -> None:
    nameless = MeterData(DeviceInfo("D0"))
    data, tally = write([nameless, MeterData(METER, (series(DAY, FOUR),))])
    assert data.startswith(b"00000001,MTR-104477,")
    assert not tally.warnings.counts
