"""The posted body: what it may hold, and how what it may not hold is told."""

import json
from decimal import Decimal

import pytest

from devices import batchform
from devices.batchform import BatchRefused, decode

START = "2026-03-14T00:00:00Z"


def body(*meters, **members):
    return json.dumps({"meters": list(meters), **members}).encode()


def run(**members):
    return {"device": "A", "intervals": [{"start": START, "values": [1], **members}]}


def refused(data):
    """(path, code) of each problem."""
    with pytest.raises(BatchRefused) as caught:
        decode(data)
    return [(p.path, p.code) for p in caught.value.problems]


def test_the_contracts_example_is_taken_as_it_is():
    form = decode(
        body(
            {
                "device": "SSI0004711",
                "intervals": [
                    {
                        "channel": 1,
                        "start": START,
                        "seconds": 900,
                        "values": ["0.312", "0.305", None],
                        "status": ["", "estimated", "missing"],
                    }
                ],
                "registers": [
                    {
                        "time": "2026-04-01T05:00:00Z",
                        "type": "SR",
                        "season": 1,
                        "reset_count": 17,
                        "reset_time": "2026-03-01T06:05:00Z",
                        "values": [
                            {
                                "no": 2,
                                "class": "MAX",
                                "uom": "KW",
                                "flow": "DEL",
                                "rate": "T",
                                "occurrence": 1,
                                "value": "12.48",
                                "peak_time": "2026-03-18T21:45:00Z",
                            }
                        ],
                    }
                ],
                "events": [
                    {
                        "code": "PWR_OUTAGE",
                        "time": "2026-04-02T19:31:07Z",
                        "id": "e-991",
                        "value": None,
                        "text": "",
                    }
                ],
            },
            batch="gw7-000123",
            source="near-term",
        )
    )
    assert (form.batch, form.source, form.on_error) == ("gw7-000123", "near-term", "batch")
    meter = form.meters[0]
    assert bytes(meter.intervals[0].values) == b'["0.312", "0.305", null]'
    assert meter.registers[0].values[0].value == Decimal("12.48")
    assert meter.events[0].id == "e-991"


def test_a_json_number_becomes_the_decimal_that_is_written():
    read = b'{"time":"2026-04-01T05:00:00Z","values":[{"uom":"KWH","value":%s}]}'
    number = b"0.1000000000000000055511151231257827"
    form = decode(b'{"meters":[{"device":"A","registers":[%s]}]}' % (read % number))
    value = form.meters[0].registers[0].values[0].value
    assert value == Decimal("0.1000000000000000055511151231257827")


@pytest.mark.parametrize(
    ("data", "path", "code"),
    [
        (b"", "", "BAD_JSON"),
        (b"{", "", "BAD_JSON"),
        (b"\xff", "", "BAD_JSON"),
        (b"[" * 100_000, "", "BAD_TYPE"),
        (b'{"meters":' + b"[" * 100_000, "", "BAD_JSON"),
        (b'{"meters":[{"x":' + b"[" * 100_000, "", "BAD_JSON"),
        (b"[]", "", "BAD_TYPE"),
        (b"{}", "meters", "MISSING_MEMBER"),
        (body(metres=[]), "metres", "UNKNOWN_MEMBER"),
        (body(batch="\0"), "batch", "BAD_KEY"),
        (body(batch="x" * 201), "batch", "BAD_KEY"),
        (body(source="guessed"), "source", "UNKNOWN_SOURCE"),
        (body(on_error="ignore"), "on_error", "BAD_VALUE"),
        (body({"devise": "A"}), "meters[0].devise", "UNKNOWN_MEMBER"),
        (body(run(starts=1)), "meters[0].intervals[0].starts", "UNKNOWN_MEMBER"),
        (body(run(start="2026-03-14T00:00:00")), "meters[0].intervals[0].start", "NAIVE_TIME"),
        (body(run(start="yesterday")), "meters[0].intervals[0].start", "BAD_TIME"),
        (body(run(start=5)), "meters[0].intervals[0].start", "BAD_TYPE"),
        (body(run(channel=0)), "meters[0].intervals[0].channel", "OUT_OF_RANGE"),
        (body(run(channel=1.5)), "meters[0].intervals[0].channel", "BAD_TYPE"),
        (body(run(resolution="x")), "meters[0].intervals[0].resolution", "BAD_NUMBER"),
        (body(run(counts=[1.5])), "meters[0].intervals[0].counts[0]", "BAD_TYPE"),
        (body(run(status=[None])), "meters[0].intervals[0].status[0]", "BAD_TYPE"),
        (body({"device": "A", "events": [{}]}), "meters[0].events[0].code", "MISSING_MEMBER"),
    ],
)
def test_a_bad_body_is_refused_at_its_place(data, path, code):
    assert refused(data) == [(path, code)]


def test_nan_and_infinity_are_told_by_path_wherever_they_stand():
    data = body(run(values=[1, float("nan")]), run(values=[float("-inf")]))
    assert refused(data) == [
        ("meters[0].intervals[0].values[1]", "NOT_FINITE"),
        ("meters[1].intervals[0].values[0]", "NOT_FINITE"),
    ]
    assert refused(b'{"meters":[NaN') == [("", "BAD_JSON")]
    assert refused(b'{"batch":"NaN",') == [("", "BAD_JSON")]


def test_every_meter_that_cannot_be_decoded_is_named():
    data = body(run(), run(start="?"), {"device": 1}, run())
    assert refused(data) == [
        ("meters[1].intervals[0].start", "BAD_TIME"),
        ("meters[2].device", "BAD_TYPE"),
    ]


def test_with_on_error_meter_the_others_are_kept_at_their_places():
    form = decode(body(run(), {"device": 1}, run(), on_error="meter"))
    assert list(form.faults) == [1]
    assert [meter.device for meter in form.meters] == ["A", None, "A"]


def test_messages_tell_member_fault_and_remedy():
    with pytest.raises(BatchRefused) as caught:
        decode(body(run(start="2026-03-14T00:00:00")))
    message = caught.value.problems[0].message
    assert "intervals[0].start" in message
    assert "offset" in message


def test_the_schema_tells_the_words_that_may_stand():
    import msgspec

    parts = msgspec.json.schema_components([batchform.Form])[1]
    assert "KVARH" in parts["Intervals"]["properties"]["uom"]["anyOf"][0]["enum"]
    assert parts["Intervals"]["properties"]["values"]["type"] == "array"
