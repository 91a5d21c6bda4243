"""The document around the meters: header, list of meters not read, trailer, packing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import BinaryIO

from exports.formats.context import MODES, Tally
from exports.formats.sxml.run import Run
from exports.formats.sxml.tables import (
    BATCH_ID,
    COUNTS,
    CREATION_TIME,
    EXPORT_NAME,
    FILE_ID,
    MODE,
    NAMESPACE,
    ORIGINAL_BATCH_ID,
    RECEIVER,
    SELECTED_GROUP,
    SELECTION,
    SENDER,
    TEST,
    TIME_ZONE,
    TRAILER,
    VERSION,
    sxm,
)

GZIP_WINDOW = 31  # a gzip member; its time stamp is 0
NOT_READ_MARK = b"    <NotRead "
PIECE = 1 << 20
AGAIN = ("RE", "CO")


def header(run: Run) -> bytes:
    """Everything before Meters. SXM06 if mode and original batch do not go together."""
    ctx = run.ctx
    if (ctx.mode in AGAIN) != bool(ctx.original_batch):
        why = "is missing" if ctx.mode in AGAIN else f"is there in mode {MODES[ctx.mode]}"
        raise sxm("SXM06", why=why).at(format="sxml")
    lines = [
        b'<?xml version="1.0" encoding="UTF-8"?>\r\n',
        b'<SXML xmlns="%s" version="%s">\r\n' % (NAMESPACE.encode(), VERSION.encode()),
        b"  <Header>\r\n",
        FILE_ID.line(4, run.file_id),
        BATCH_ID.line(4, ctx.batch_id),
        CREATION_TIME.line(4, run.header_time(ctx.created)),
        TIME_ZONE.line(4, run.time_zone),
        SENDER.line(4, ctx.sender),
    ]
    if ctx.receiver:
        lines.append(RECEIVER.line(4, ctx.receiver))
    lines += [EXPORT_NAME.line(4, ctx.export or "EXPORT"), MODE.line(4, MODES[ctx.mode])]
    if ctx.options["test"]:
        lines.append(TEST.line(4, True))
    if ctx.original_batch:
        lines.append(ORIGINAL_BATCH_ID.line(4, ctx.original_batch))
    lines += [*_selection(run), b"  </Header>\r\n"]
    return b"".join(lines)


def _selection(run: Run) -> Iterator[bytes]:
    ctx = run.ctx
    values = {"from": run.header_time(ctx.start), "to": run.header_time(ctx.end)}
    tag = SELECTION.tag(values)
    if not ctx.groups:
        yield b"    <%s/>\r\n" % tag
        return
    yield b"    <%s>\r\n" % tag
    for code in sorted(ctx.groups):
        yield SELECTED_GROUP.line(6, code)
    yield b"    </Selection>\r\n"


def trailer(tally: Tally) -> bytes:
    """Trailer and the end of the document."""
    amounts = {
        "MeterCount": tally.meters,
        "RegisterCount": tally.registers,
        "IntervalCount": tally.intervals,
        "MissingCount": tally.missing,
    }
    lines = [b"  <Trailer>\r\n"]
    for leaf in TRAILER:
        amount: int | Decimal = amounts.get(leaf.name, tally.total(leaf.name))
        if leaf.name in COUNTS:
            amount = int(amount)
        lines.append(leaf.line(4, amount))
    return b"".join([*lines, b"  </Trailer>\r\n</SXML>\r\n"])


class Body:
    """A filter over a file: opens Meters with the first of them, keeps meters not read for the
    list behind them, and packs.

    Frames' bytes are whole lines, cut anywhere; a meter that was not read is one line.
    """

    def __init__(self, out: BinaryIO, packed: bool, line_feeds: bool) -> None:
        self.out = out
        self._packer = zlib.compressobj(wbits=GZIP_WINDOW) if packed else None
        self._line_feeds = line_feeds
        self._rest = b""
        self._opened = False
        # The list of meters not read, packed: of a whole fleet it is a few megabytes.
        self._list = zlib.compressobj()
        self._listed = bytearray()
        self._any = False

    def raw(self, data: bytes) -> None:
        """Whole lines that are no meters."""
        self._give(data.replace(b"\r\n", b"\n") if self._line_feeds else data)

    def _give(self, data: bytes) -> None:
        self.out.write(data if self._packer is None else self._packer.compress(data))

    def write(self, data: bytes) -> int:
        """Meters and meters not read."""
        last = data.rfind(b"\n") + 1
        whole = self._rest + data[:last] if last else b""
        self._rest = data[last:] if last else self._rest + data
        if NOT_READ_MARK in whole:
            whole = self._sifted(whole)
        if whole:
            if not self._opened:
                self.raw(b"  <Meters>\r\n")
                self._opened = True
            self.raw(whole)
        return len(data)

    def _sifted(self, lines: bytes) -> bytes:
        """The lines without those of meters not read, which are kept."""
        meters = []
        for line in lines.splitlines(keepends=True):
            if line.startswith(NOT_READ_MARK):
                ended = line.replace(b"\r\n", b"\n") if self._line_feeds else line
                self._listed += self._list.compress(ended)
                self._any = True
            else:
                meters.append(line)
        return b"".join(meters)

    def end(self) -> None:
        """What comes between the last meter and Trailer."""
        self.raw(b"  </Meters>\r\n" if self._opened else b"  <Meters/>\r\n")
        if not self._any:
            return
        self.raw(b"  <MetersNotRead>\r\n")
        unpacker, waiting = zlib.decompressobj(), bytes(self._listed + self._list.flush())
        while waiting:
            self._give(unpacker.decompress(waiting, PIECE))
            waiting = unpacker.unconsumed_tail
        self.raw(b"  </MetersNotRead>\r\n")

    def close(self) -> None:
        """The end of the packing."""
        if self._packer is not None:
            self.out.write(self._packer.flush())
