"""BTF's records of a read, and the numbering of the file's lines."""

from __future__ import annotations

import io
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np

from devices.readings import RegisterRead, RegisterValue, status_letter
from exports.formats.amounts import Amounts
from exports.formats.btf.tables import (
    BTFM,
    BTFR,
    IMPLIED,
    LENGTH,
    MOST_LINES,
    MOST_REGISTERS,
    OF_DEVICE,
    OF_READ,
    SEQUENCE,
    SLOTS,
    btf,
)
from exports.formats.context import Tally, WriteContext
from exports.formats.eights import Bytes, rows_put
from exports.formats.issues import refusal
from exports.formats.linecells import Cells
from exports.formats.registers import multiplier_of, number_key
from exports.formats.registerwriter import FrameWriter
from exports.formats.shapes import Plan, Shape, Shaper, estimated_of, slot_of
from exports.formats.stamps import Clock

WIDTH = 16  # of a value
FOUR = 10_000
DIGITS = np.array([f"{number:04}" for number in range(FOUR)], "S4").view("<u4")
FIELDS = {field.name: field for field in BTFR[IMPLIED].fields}


class Numbered(io.RawIOBase):
    """Numbers the records that pass, whole ones or not, and keeps the CRC-32 of their bytes."""

    def __init__(self, out: BinaryIO, line_end: int) -> None:
        self.out = out
        self.size = LENGTH + line_end
        self.rest = b""
        self.lines = 0
        self.crc = 0

    def write(self, data: Any, /) -> int:
        data = self.rest + bytes(data)
        whole = len(data) - len(data) % self.size
        self.rest = data[whole:]
        if whole:
            self._records(np.frombuffer(data[:whole], np.uint8).copy())
        return len(data)

    def _records(self, data: Bytes) -> None:
        first, self.lines = self.lines + 1, self.lines + len(data) // self.size
        if self.lines > MOST_LINES:
            raise btf("BTF04")
        numbers = np.arange(first, self.lines + 1)
        upper, low = numbers // FOUR, numbers % FOUR
        cells = np.empty((len(numbers), 3), "<u4")
        cells[:, 0], cells[:, 1], cells[:, 2] = (
            DIGITS[upper // FOUR],
            DIGITS[upper % FOUR],
            DIGITS[low],
        )
        digits = cells.view(np.uint8)[:, SEQUENCE.start - SEQUENCE.stop :]
        rows_put(data, np.arange(len(numbers)) * self.size + SEQUENCE.start, digits)
        self.crc = zlib.crc32(data.data, self.crc)
        self.out.write(data.data)


def ascii_text(text: str) -> str:
    """Free text in ASCII: without diacritics, `?` for the rest (README 2.2)."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return "".join(char if " " <= char <= "~" else "?" for char in kept)


@lru_cache(maxsize=1024)
def peak_clock(zone: str) -> Clock:
    return Clock(zone, [FIELDS[name].put for name in SLOTS[1:]])


class BtfWriter(FrameWriter):
    """A read is one BTFM and its BTFRs; they get their numbers on the way out."""

    format = "btf"
    of_device = {
        **{name: name for name in ("meter_number", "service_point_id", "account_id", "device_id")},
        **{"group": "bill_cycle", "device_class": "device_class"},
    }
    twice = "BTF01"
    width = WIDTH + 1  # with sign and point; `cells` tells what fits

    def __init__(self, ctx: WriteContext, tally: Tally) -> None:
        super().__init__(ctx, tally)
        self.point = ctx.options["layout"] != IMPLIED

    def clock(self, zone: str) -> Clock:
        return peak_clock(zone)

    def plans_of(self, options: Mapping[str, Any]) -> Sequence[Plan]:
        meter = Plan(BTFM.fields, device=OF_DEVICE, read=OF_READ)
        fields = BTFR[options["layout"]].fields
        register = Plan(fields, device=OF_DEVICE, read=OF_READ, slots=SLOTS, first=meter.last)
        return [meter, register]

    def shape(self, read: RegisterRead, places: Sequence[int]) -> Shape:
        meter, register = self.plans
        if len(places) > MOST_REGISTERS:
            raise btf("BTF02", count=len(places))
        written = [read.values[place] for place in places]
        estimated = estimated_of(written)
        shaper = Shaper(self.pieces, self.line_end)
        shaper.add(meter, {"sequence": 0, "registers": len(places), "estimated": estimated})
        for place, value in zip(places, written, strict=True):
            values, divisor = self.register_values(read, value)
            shaper.add(register, values, [(slot_of(read.values, place, divisor), SLOTS)])
            shaper.keys.append((*number_key(value), value.register_class, value.rate))
        return self.shaped(shaper, written)

    def cells(self, texts: list[str]) -> list[str]:
        """Plain numbers in the 16 characters of a value; FMT07 if one does not fit."""
        cells = []
        for text in texts:
            point = text.find(".")
            number = f"{text}.0000" if point < 0 else text.ljust(point + 5, "0")
            room = WIDTH
            if not self.point:
                number = number.replace(".", "")
                room -= number[0] != "-"  # the first position is that of the sign
            if len(number) > room:
                raise refusal("FMT07", field="value", value=text, width=WIDTH)
            cells.append(number.zfill(WIDTH))
        return cells

    def amount_cells(self, amounts: Amounts) -> Sequence[Cells]:
        return amounts.fixed(self.point)

    def register_values(
        self, read: RegisterRead, value: RegisterValue
    ) -> tuple[dict[str, Any], Any]:
        """The fields that depend on the register but value and peak, and the divisor."""
        multiplier, applied, divisor = multiplier_of(value, self.remove)
        return {
            "sequence": 0,
            "number": value.number or 0,
            "register_class": value.register_class,
            "unit": value.unit,
            "flow": value.flow,
            "rate": value.rate,
            "dials": value.dials,
            "decimals": value.decimals,
            "multiplier": multiplier,
            "applied": "Y" if applied else "N",
            "quality": status_letter(value.status),
            "source": value.source or read.source,
        }, divisor

    def read_values(self, read: RegisterRead, clock: Clock) -> Mapping[str, Any]:
        time = clock.local(read.time)
        reset = read.reset_time and clock.local(read.reset_time)
        return {
            "read_type": read.read_type,
            "time": time,
            "time_offset": time,
            "season": read.season,
            "reset_count": read.reset_count,
            "reset_time": reset,
            "reset_offset": reset,
            "status_word": read.status_word or None,
        }
