"""The MRC record: its layout, what it says of an event, and its bytes (formats/mrc.md 2 and 3)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from exports.formats.issues import FormatError, refusal
from exports.formats.kinds import Blank, Const, Integer, Text, Word
from exports.formats.layout import Field, Record
from exports.formats.mrc.kinds import Digits, Fixed, Stamp
from exports.formats.stamps import Offset

LENGTH = 320
START, VERSION = b"MRC", b"01"
SEQUENCE_MAX = 9_999_999_999
DURATION_MAX = 999_999_999
LINE_ENDS = {"CRLF": b"\r\n", "LF": b"\n"}
# What an outage system calls these events (MultiSpeak); all others are OTHER.
OMS_WORDS = {
    **dict.fromkeys(("PWR_OUTAGE", "PWR_DOWN"), "Outage"),
    **dict.fromkeys(("PWR_RESTORE", "PWR_UP"), "Restoration"),
    "PWR_MOMENTARY": "Instantaneou",  # the field is 12 wide, MultiSpeak's word 13; decision 0030
    "COMM_LOST": "NoResponse",
    "PWR_OUT_INFER": "Inferred",
    "SWITCH_OPEN": "PowerOff",
    "SWITCH_CLOSED": "PowerOn",
}
OTHER = "Other"

# fmt: off
RECORD = Record("event record", length=LENGTH, fields=(
    #      start size  name                kind                       note
    Field(   0,   3, "record type",        Const("MRC", Text())),
    Field(   3,   2, "layout version",     Const("01", Text())),
    Field(   5,  10, "sequence",           Integer(1, SEQUENCE_MAX),   "+1 a record of the route"),
    Field(  15,  12, "event id",           Integer(0, 10**12 - 1),     "key of the event in TMS"),
    Field(  27,  16, "mnemonic",           Text(),                     "or STD_nnnnn, MFG_nnnnn"),
    Field(  43,   1, "origin",             Word(("S", "M", "T")),      "standard, maker's, raised"),
    Field(  44,   5, "native code",        Blank(Digits()),            "event number"),
    Field(  49,  16, "iec code",           Text(),                     "blank if none"),
    Field(  65,  12, "oms event type",     Text(),                     "MultiSpeak word"),
    Field(  77,   4, "category",           Text()),
    Field(  81,   1, "severity",           Text(),                     "`I`, `W`, `A`"),
    Field(  82,   1, "state",              Text(),                     "set, cleared, point event"),
    Field(  83,  20, "meter number",       Text()),
    Field( 103,  24, "service point id",   Text()),
    Field( 127,  20, "device id",          Text()),
    Field( 147,  16, "transformer id",     Text(),                     "blank if unknown"),
    Field( 163,  12, "feeder id",          Text(),                     "blank if unknown"),
    Field( 175,  12, "functional group",   Text(),                     "of the scope; bill cycle"),
    Field( 187,  14, "event time",         Blank(Stamp()),             "local, at the meter"),
    Field( 201,   5, "event offset",       Blank(Offset())),
    Field( 206,  14, "received time",      Blank(Stamp()),             "local, same zone"),
    Field( 220,   5, "received offset",    Blank(Offset())),
    Field( 225,   3, "phases",             Text(),                     "blank: all or unknown"),
    Field( 228,  12, "value",              Blank(Fixed(3))),
    Field( 240,   6, "value unit",         Text()),
    Field( 246,   9, "duration",           Blank(Digits()),            "seconds"),
    Field( 255,   1, "replay flag",        Word(("R", "D"), True),     "re-sent; from the log"),
    Field( 256,  40, "text",               Text(),                     "short description"),
    Field( 296,  24, "filler",             Const("", Text()),          "blank"),
))
# fmt: on
# After the sequence; the fast way of `body`. Kinds that render themselves come as whole texts.
_BODY = RECORD.fields[3:-1]
_TEMPLATE = "".join(
    f"%-{f.size}s" if isinstance(f.kind, Text | Word) else "%s" for f in _BODY
) + " " * (RECORD.fields[-1].size)
_DECIMALS = Fixed(3)


class Message(NamedTuple):
    """What a record says, but its sequence. Times are aware, in the zone that they are written in.

    `value` in units of `unit`; `duration` in seconds; `native`, `value`, `duration` None if none.
    """

    event_id: int
    mnemonic: str
    origin: str
    native: int | None
    iec_code: str
    oms: str
    category: str
    severity: str
    state: str
    meter_number: str
    service_point_id: str
    device_id: str
    transformer_id: str
    feeder_id: str
    group: str
    time: datetime
    received: datetime
    phases: str = ""
    value: Decimal | None = None
    unit: str = ""
    duration: int | None = None
    replay: str = ""
    text: str = ""

    def fields(self) -> dict[str, Any]:
        """The values of the declared record, from the event id on."""
        for time in (self.time, self.received):
            if time.tzinfo is None:
                raise refusal("FMT01", time=time)
        head = dict(zip((f.name for f in _BODY[:15]), self[:15], strict=True))
        return head | {
            "event time": self.time,
            "event offset": self.time,
            "received time": self.received,
            "received offset": self.received,
            "phases": self.phases,
            "value": self.value,
            "value unit": self.unit,
            "duration": self.duration,
            "replay flag": self.replay,
            "text": self.text,
        }


def body(message: Message) -> bytes:
    """A record without its beginning and its sequence. FormatError: it takes no sequence.

    The compiled template is tried first; what does not come out at its length in printable ASCII
    goes through the declared record, which tells what is wrong.
    """
    try:
        text = _TEMPLATE % _rendered(message)
    except (FormatError, TypeError, ValueError):
        return body_declared(message)
    if len(text) == LENGTH - 15 and text.isascii() and text.isprintable() and _plain(message):
        return text.encode("ascii")
    return body_declared(message)


def body_declared(message: Message) -> bytes:
    """`body` by the declaration alone."""
    try:
        return RECORD.put({"sequence": 1, **message.fields()})[15:]
    except FormatError as error:
        raise error.at(format="mrc", meter=message.meter_number, where=message.mnemonic) from None


def record(sequence: int, rest: bytes) -> bytes:
    """The 320 characters of a record whose `body` was made before."""
    if not 1 <= sequence <= SEQUENCE_MAX:
        raise FormatError("MRC02", f"sequence {sequence} does not fit 10 digits", format="mrc")
    return b"MRC01%010d" % sequence + rest


def _plain(m: Message) -> bool:
    """Whether what the template does not check is in order."""
    numbers = (m.event_id, m.native or 0, m.duration or 0)
    return m.origin in ("S", "M", "T") and m.replay in ("", "R", "D") and min(numbers) >= 0


def _rendered(m: Message) -> tuple[object, ...]:
    times = []
    for time in (m.time, m.received):
        offset = time.strftime("%z")
        if len(offset) != 5:
            raise ValueError("no offset of whole minutes")
        times += [f"{time:%Y%m%d%H%M%S}", offset]
    return (
        f"{m.event_id:012}",
        *m[1:3],
        "     " if m.native is None else f"{m.native:05}",
        *m[4:15],
        *times,
        m.phases,
        " " * 12 if m.value is None else _DECIMALS.put(m.value, "value", 12).decode(),
        m.unit,
        " " * 9 if m.duration is None else f"{m.duration:09}",
        m.replay,
        m.text,
    )


def sequence_of(line: bytes) -> int | None:
    """The sequence of a whole line, with or without its end; None when it is not one of ours."""
    digits = line[5:15]
    if not line.startswith(START + VERSION) or len(line.rstrip(b"\r\n")) != LENGTH:
        return None
    return int(digits) if digits.isdigit() else None
