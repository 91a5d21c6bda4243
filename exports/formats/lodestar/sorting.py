"""Files in the order of an identifier that runs do not read their devices in.

Which service point or account a device belongs to changes with time, so a run cannot hand devices
over in the order of these; the finished cuts are put in order, on disk, as the file is closed.
"""

from __future__ import annotations

import io
import tempfile
from typing import Any, BinaryIO, NamedTuple, cast

from exports.formats.lodestar.parse import CODES
from exports.formats.lodestar.tables import lse

CHUNK = 1 << 20


class Stretch(NamedTuple):
    """Cuts of one recorder and channel on end; sorts as they do in the file."""

    recorder: bytes
    channel: int
    start: bytes
    offset: int
    stop: bytes  # of the last cut


class CutSorter(io.RawIOBase):
    """Takes cuts in any order; `settle` passes them on by recorder, channel, start."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self.out = out
        self.spool = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115

    def write(self, data: Any) -> int:
        return self.spool.write(data)

    def settle(self) -> None:
        """All cuts, in order; FMT04 where two of one channel overlap."""
        size = self.spool.tell()
        found = self._stretches()
        offsets = [*(stretch.offset for stretch in found), size]
        before: Stretch | None = None
        for stretch, end in sorted(zip(found, offsets[1:], strict=True)):
            if before is not None and before[:2] == stretch[:2] and stretch.start <= before.stop:
                time = stretch.start.decode()
                meter, where = stretch.recorder.decode(), str(stretch.channel)
                raise lse("FMT04", time=time).at(format="lodestar", meter=meter, where=where)
            before = stretch
            self.spool.seek(stretch.offset)
            self._pass(end - stretch.offset)
        self.close()

    def close(self) -> None:
        self.spool.close()
        super().close()

    def _stretches(self) -> list[Stretch]:
        found: list[Stretch] = []
        offset = 0
        self.spool.seek(0)
        for line in self.spool:
            if line.startswith(CODES[0]):
                _, recorder, channel, start, stop, *_ = line.split(b",")
                here = Stretch(recorder, int(channel), start, offset, stop)
                if found and found[-1][:2] == here[:2] and found[-1].stop < start:
                    found[-1] = found[-1]._replace(stop=stop)
                else:
                    found.append(here)
            offset += len(line)
        return found

    def _pass(self, size: int) -> None:
        while size > 0:
            data = self.spool.read(min(size, CHUNK))
            self.out.write(data)
            size -= len(data)
