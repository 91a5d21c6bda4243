"""The frame that all 216-byte records share, interval records, their cells, and the trailer."""

from __future__ import annotations

from exports.formats.binary import U32, Digits, Float32, Key, Reserved, Stamp, dtype_of
from exports.formats.kinds import U16, Const, Kind
from exports.formats.layout import Field, Record

LENGTH = 216
HEADER, METER, CHANNEL, REGISTERS, EVENTS, TRAILER_CODE = 1, 2, 10, 20, 30, 9999
FIRST_INTERVALS, LAST_INTERVALS = 1001, 9998
MOST_RECORDS = LAST_INTERVALS - FIRST_INTERVALS + 1  # of a channel
CELLS_START, CELLS_SIZE = 24, 192
FILL = 0x7FFF  # the word after the last cell

NUL, BLANK = Reserved(b"\0"), Reserved(b" ")
DEVICE = Key()


def frame(code: Kind) -> tuple[Field, Field]:
    """The first four bytes of every record."""
    return (
        Field(0, 2, "length", Const(LENGTH, U16())),
        Field(2, 2, "code", code),
    )


# fmt: off
INTERVALS = Record("intervals", length=LENGTH, fields=(
    #     start size  name      kind      note
    *frame(U16()),
    Field(  4,  20, "device",   DEVICE,   "as in the records before"),
    Field( 24, 192, "cells",    Reserved(FILL.to_bytes(2, "little")),
          "cells, then words `FF 7F`"),
))
TRAILER = Record("trailer", length=LENGTH, fields=(
    #     start size  name      kind                          note
    *frame(Const(TRAILER_CODE, U16())),
    Field(  4,  30, "blanks_4", BLANK),
    Field( 34,  10, "records",  Digits(),
          "all records of the file, this one included"),
    Field( 44, 160, "blanks_44", BLANK),
    Field(204,  12, "created",  Stamp(),
          "creation in standard time, seconds cut; midnight `0000`"),
))

# A cell by which status words follow its value (channel word, interval word); the first is written.
CELL = Record("cell", length=8, fields=(
    Field(0, 4, "value",    Float32()),
    Field(4, 2, "channel",  U16(), "channel status word"),
    Field(6, 2, "interval", U16(), "interval status word"),
))
PULSE_CELL = Record("pulse cell", length=8, fields=(
    Field(0, 4, "value",    U32(), "pulses"),
    Field(4, 2, "channel",  U16(), "channel status word"),
    Field(6, 2, "interval", U16(), "interval status word"),
))
CELL_FORMS = {
    ("Y", "Y"): CELL,
    ("N", "Y"): Record("cell, interval status only", length=6, fields=(
        Field(0, 4, "value",    Float32()),
        Field(4, 2, "interval", U16()),
    )),
    ("Y", "N"): Record("cell, channel status only", length=6, fields=(
        Field(0, 4, "value",    Float32()),
        Field(4, 2, "channel",  U16()),
    )),
    ("N", "N"): Record("cell, value only", length=4, fields=(
        Field(0, 4, "value",    Float32()),
    )),
}
# fmt: on
PULSE_DTYPE = dtype_of(PULSE_CELL)
CELL_DTYPES = {form: dtype_of(cell) for form, cell in CELL_FORMS.items()}
A_RECORD = CELLS_SIZE // CELL.length  # cells written in a record
