"""What a run decides once: header fields, flags, and the checks of a meter's identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from devices.readings import Channel, DeviceInfo
from devices.rosters import column_of
from exports.formats.cmep.plan import Target, interval_target
from exports.formats.cmep.tables import (
    CMW,
    FLAGS,
    IDENTIFIERS,
    MEPMD01,
    MODE_PURPOSE,
    SENSUS_BITS,
    UNSUPPORTED,
    VERSIONS,
    cme,
)
from exports.formats.context import WriteContext
from exports.formats.issues import FormatError
from exports.formats.layout import Column
from exports.formats.options import fold

NOTHING = ("none", "-")


class Identity(NamedTuple):
    """A meter's own header fields, checked: as texts, as they are written, and their warnings."""

    sender_customer_id: str
    receiver_customer_id: str
    meter_id: str
    cells: tuple[bytes, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()


OWN = tuple(MEPMD01.column(name) for name in Identity._fields[:3])
SHARED = tuple(MEPMD01.column(name) for name in ("sender_id", "receiver_id"))


class Source(NamedTuple):
    """Where an identifier's text comes from: a field of DeviceInfo, or one text for all."""

    attribute: str = ""
    text: str = ""

    def of(self, device: DeviceInfo) -> str:
        """The text of one device."""
        found: str = getattr(device, self.attribute) if self.attribute else self.text
        return found

    def all(self, devices: Sequence[DeviceInfo]) -> Sequence[str]:
        """The texts of many."""
        return self.texts(devices) if self.attribute else [self.text] * len(devices)

    def texts(self, devices: Sequence[DeviceInfo]) -> Sequence[str]:
        """The texts of many, or the one that all of them have."""
        return column_of(devices, self.attribute) if self.attribute else [self.text]


@dataclass(slots=True)
class Run:
    """The frozen context as CMEP sees it. One a frame; cheap to make."""

    ctx: WriteContext
    values: dict[str, Any] = field(init=False)  # the header fields that all records share
    sensus: bool = field(init=False)
    attribute: str = field(init=False)
    missing_value: bytes = field(init=False)
    register_interval: int | None = field(init=False)
    crc: bytes = field(init=False)
    own: tuple[Source, ...] = field(init=False)  # the texts of OWN

    def __post_init__(self) -> None:
        options, ctx = self.ctx.options, self.ctx
        self.sensus = options["dialect"] == "sensus"
        self.attribute = IDENTIFIERS[options["meter_id"]]
        zero = options["missing_value"] == "0" or (self.sensus and not options["missing_value"])
        self.missing_value = b"0" if zero else b""
        interval = options["register_interval"] or ("00000100" if self.sensus else "empty")
        self.register_interval = None if interval == "empty" else 3600
        self.crc = b"," if options["empty_crc_field"] else b""
        self.values = {
            "record_version": VERSIONS[options["dialect"]],
            "sender_id": options["sender_id"] or ctx.sender,
            "receiver_id": options["receiver_id"] or ctx.receiver,
            "time_stamp": int(ctx.created.timestamp()) // 60 * 60,
            "purpose": options["purpose"] or MODE_PURPOSE[ctx.mode],
        }
        default = options["meter_id"] if self.sensus else "ServicePointID"
        self.own = (
            _source(options["sender_customer_id"]),
            _source(options["receiver_customer_id"] or default),
            Source(self.attribute),
        )
        for column in SHARED:
            required = column.name == "sender_id" or ctx.destination
            if required and not self.values[column.name]:
                raise cme("CME01", field=column.name).at(format="cmep")
            self._cell(column, self.values[column.name], [])

    def run_warnings(self) -> list[tuple[str, str]]:
        """Warnings that hold once for the whole file."""
        found = [] if self.values["receiver_id"] else [("CMW01", CMW["CMW01"])]
        for column in SHARED:
            self._cell(column, self.values[column.name], found)
        return found

    def identity(self, device: DeviceInfo) -> Identity:
        """The meter's header fields; CME01, CME03, FMT05, FMT06, FMT11 where they are at fault."""
        texts = [source.of(device) for source in self.own]
        if not texts[2]:
            raise cme("CME01", field="meter_id")
        warnings: list[tuple[str, str]] = []
        cells = [self._cell(c, text, warnings) for c, text in zip(OWN, texts, strict=True)]
        return Identity(texts[0], texts[1], texts[2], tuple(cells), tuple(warnings))

    def bare(self, column: Column, texts: Sequence[str]) -> bool:
        """All these texts are written as they are, with nothing to refuse or warn of."""
        joined = "\n".join(texts)
        return (
            joined.count("\n") == len(texts) - 1
            and joined.isascii()
            and joined.replace("\n", "").isprintable()
            and not any(char in joined for char in (",", '"', "\n ", " \n"))
            and joined == joined.strip(" ")
            and max(map(len, texts)) <= (column.guide or 0)
            and (column.name != "meter_id" or all(texts))
        )

    def _cell(self, column: Column, text: str, warnings: list[tuple[str, str]]) -> bytes:
        """The text as it is written; one beyond the guide width is warned of or refused."""
        cell = column.put(text)
        guide = column.guide or len(text)
        if cell[:1] == b'"' and not self.ctx.options["quote_ids"]:
            char = "','" if "," in text else "outer blank"
            raise cme("FMT11", field=column.name, char=char).at(format="cmep")
        if len(text) > guide:
            if self.ctx.options["strict_widths"]:
                raise cme("FMT06", field=column.name, length=len(text), width=guide)
            warnings.append(("CMW02", f"{column.name} {text}: {len(text)} > {guide}"))
        return cell

    def target(self, channel: Channel) -> Target:
        """The channel's target; FormatError if it has none."""
        return interval_target(channel, self.ctx.options)

    def skips(self, error: FormatError) -> bool:
        """The channel or register alone is left out, not the meter."""
        return error.code in UNSUPPORTED and self.ctx.on_unsupported == "skip"


def _source(setting: str) -> Source:
    """What a setting means: an identifier of the device by its name, nothing, or itself."""
    for name, attribute in IDENTIFIERS.items():
        if fold(setting) == fold(name):
            return Source(attribute)
    return Source(text="" if setting.lower() in NOTHING else setting)


@lru_cache(maxsize=1 << 15)
def flag_text(mask: int, sensus: bool, register: bool) -> str:
    """The quality flag of a mask (section 4): a letter, in sensus always with its sum of bits."""
    base, letter = next((b, s) for wanted, b, s in FLAGS if mask & wanted or not wanted)
    if not sensus:
        return base
    total = 0
    for number, interval_bit, register_bit, _ in SENSUS_BITS:
        bit = register_bit if register else interval_bit
        if bit is not None and mask & bit:
            total += number
    return f"{letter}{total}"
