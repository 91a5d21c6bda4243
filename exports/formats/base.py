"""What every file format is: identity and options on top, then `write` and `read`.

A format takes frames of meter data (devices/readings.py) and writes bytes, or reads bytes and
yields meter data. It knows no database and no clock: whatever a run froze (created stamp, batch
id, period, options) comes in a `WriteContext`, whatever it counted goes out in a `Tally`, what a
reader has to say in a `ReadReport`. Rules: formats/README of the specification, sections 2.1–2.18.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from devices.bestread import Window
from devices.readings import Channel, DeviceInfo, Frame, MeterData
from exports.formats.context import Tally, WriteContext
from exports.formats.issues import UNSUPPORTED, FormatError, ReadReport, ReadStopped, refusal
from exports.formats.layout import Line, Record
from exports.formats.options import Option, OptionError, Options, options_clean

__all__ = [
    "Format",
    "FormatError",
    "Inventory",
    "Option",
    "OptionError",
    "Options",
    "ReadReport",
    "Table",
    "Tally",
    "WriteContext",
    "Zones",
    "refusal",
]

COPIED = 1 << 20  # bytes at a time
Table = list[tuple[str, ...]]
# The channels of the device with this id (of the kind that the reader's options name, see
# `Format.order`), eras oldest first; None when the device is unknown. Readers ask it only where
# their specification says "when the device is known".
Inventory = Callable[[str], Sequence[Channel] | None]


@runtime_checkable
class Zones(Protocol):
    """An inventory that also tells the zone of a device; empty when the device is unknown."""

    def zone(self, identifier: str) -> str: ...


class Billing(NamedTuple):
    """That only the reads that a bill needs are wanted: how far they may lie, of which types."""

    window: Window
    read_types: tuple[str, ...]  # empty: all


class Format:
    """One file format. Subclasses fill the identity, then `write_frame` and `read_meters`."""

    code: ClassVar[str]
    label: ClassVar[str]
    extension: ClassVar[str]
    intervals: ClassVar[bool] = False
    registers: ClassVar[bool] = False
    events: ClassVar[bool] = False
    readable: ClassVar[bool] = True
    writable: ClassVar[bool] = True
    # Made by export definitions; else only by command, of what is written elsewhere as it arrives.
    defined: ClassVar[bool] = True
    # The file's header states counts: it is written last, the tally in hand.
    counts_first: ClassVar[bool] = False
    # What a run of new and changed readings (modes IN, CO) hands over of a meter: the slots alone,
    # whole local days that hold one, or everything from the first to the last one, where status
    # bit CHANGED then tells the new ones from those that stand between.
    since: ClassVar[Literal["slot", "day", "span"]] = "slot"
    # A since-last export of it is a flow: no file of what stands by now, but each version as it
    # arrived, numbered over all files (exports/services/flows.py).
    flow: ClassVar[bool] = False
    # A read channel's resolution is stated by the file; else it only tells how many decimals the
    # values were written with, and is nothing to make a channel from.
    states_resolution: ClassVar[bool] = False
    # What a read device says of itself beyond its identifier comes from the file.
    states_device: ClassVar[bool] = False
    # Refusals that mean: this format can never carry the channel, whatever its values.
    unsupported: ClassVar[frozenset[str]] = UNSUPPORTED
    # What an empty selection gives: a file with zero counts, or none (README 2.14).
    empty: ClassVar[Literal["write", "none"]] = "write"
    # Register reads are selected up to and including the period's end (CMEP), not before it.
    reads_at_end: ClassVar[bool] = False
    default_name: ClassVar[str] = "{format}_{export}_{group}_{batch}.{ext}"
    # A schema that its files keep, which receivers may fetch beside them.
    schema: ClassVar[Path | None] = None
    options: ClassVar[tuple[Option, ...]] = ()
    layouts: ClassVar[tuple[Record | Line, ...]] = ()

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        """Every option of this use (None: all) with its checked value or its default.

        Values may be texts (command line, forms) or already of their kind. OptionError names an
        unknown option or a bad value and tells what is allowed.
        """
        return options_clean(self.code, self.options, given, use)

    def order(self, options: Mapping[str, Any]) -> str:
        """The DeviceInfo attribute that the file's meters are sorted by, as bytes, ascending."""
        return "meter_number"

    def identifier(self, options: Mapping[str, Any]) -> str:
        """The DeviceInfo attribute that the file names a meter by."""
        return self.order(options)

    def name_pattern(self, options: Mapping[str, Any]) -> str:
        """The file's name (README 2.15) where none is given; FormatError if there can be none."""
        return self.default_name

    def wants_intervals(self, options: Mapping[str, Any]) -> bool:
        """Whether a file with these options takes interval data."""
        return self.intervals

    def wants_registers(self, options: Mapping[str, Any]) -> bool:
        """Whether a file with these options takes register reads."""
        return self.registers

    def wants_events(self, options: Mapping[str, Any]) -> bool:
        """Whether a file with these options takes events."""
        return self.events

    def wants_arrivals(self, options: Mapping[str, Any]) -> bool:
        """Whether the writer needs to know which batch brought a slot (Sheet.numbers)."""
        return False

    def when_empty(self, options: Mapping[str, Any]) -> Literal["write", "none"]:
        """What an empty selection gives with these options."""
        return self.empty

    def file_extension(self, options: Mapping[str, Any]) -> str:
        """The extension of a file with these options."""
        return self.extension

    def register_margin(self, options: Mapping[str, Any]) -> int:
        """Seconds around the period from which register reads are handed over too: as start and
        stop readings of intervals. What of them belongs to the period is then the writer's care."""
        return 0

    def billing(self, options: Mapping[str, Any]) -> Billing | None:
        """Whether just the reads that a bill needs are handed over (`reads=bill`); None: all."""
        if options.get("reads", "all") != "bill":
            return None
        before, after = (timedelta(days=options[f"days_{word}"]) for word in ("before", "after"))
        types = str(options["read_types"]).replace(" ", "").upper().split(",")
        return Billing(Window(before, after), tuple(filter(None, types)))

    def splits(self, options: Mapping[str, Any]) -> bool:
        """Whether a run may need several files, see `file_key`."""
        return False

    def file_key(self, device: DeviceInfo, ctx: WriteContext) -> str:
        """Devices of one key share a file; files come in the order of their keys."""
        return ""

    def file_context(self, ctx: WriteContext, key: str, number: int) -> WriteContext:
        """The context of one file of several: its key, and which it is, from 1 on."""
        return replace(ctx, part=number)

    def meters_a_file(self, options: Mapping[str, Any]) -> int | None:
        """How many meters a file holds at most; None: any number."""
        return None

    def device(self, identifier: str, options: Mapping[str, Any]) -> DeviceInfo:
        """A read meter: its one identifier in the place that the format means, the rest empty."""
        place: dict[str, Any] = {self.identifier(options): identifier}
        return DeviceInfo("")._replace(**place)

    def tables(self) -> dict[str, Table]:
        """What the documentation shows of the declarations, by name; the first row is a heading."""
        found = {f"layout {layout.name}": layout.table() for layout in self.layouts}
        if self.options:
            rows = [(f"`{o.name}`", o.default_text, o.allowed, o.use, o.help) for o in self.options]
            found["options"] = [("Option", "Default", "Values", "Used to", "Meaning"), *rows]
        return found

    # --- writing --------------------------------------------------------------------------------
    def write(self, frames: Iterable[Frame], ctx: WriteContext, out: BinaryIO) -> Tally:
        """A whole file in one go. Frames come in the file's order (see `order`).

        Raises FormatError for what the format refuses, unless the context says to leave the
        meter out; then `Tally.left_out` names it.
        """
        tally = Tally()
        out = self.passing(ctx, out)
        if self.counts_first:
            with tempfile.TemporaryFile() as body:
                for frame in frames:
                    self.write_frame(frame, ctx, body, tally)
                body.seek(0)
                self.begin(ctx, out, tally)
                shutil.copyfileobj(body, out, COPIED)
        else:
            self.begin(ctx, out, tally)
            for frame in frames:
                self.write_frame(frame, ctx, out, tally)
        self.finish(ctx, out, tally)
        return tally

    def passing(self, ctx: WriteContext, out: BinaryIO) -> BinaryIO:
        """What every byte of the file goes through on its way out, once and in order.

        A format that numbers its records or signs its bytes returns a filter over `out`; `begin`
        and `finish` are then given that.
        """
        return out

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """What comes before the first frame; `tally` is the whole file's with `counts_first`.

        Parts of a run: the frames of each part are written apart, each part with a tally of its
        own; then `passing`, `begin`, the parts' bytes in order, and `finish` with all merged.
        """

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """One frame's bytes; they depend on nothing but frame and context."""
        raise NotImplementedError(f"{self.code} is not writable")

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """What comes after the last frame. `tally` is the whole file's."""

    def faults(self, ctx: WriteContext) -> list[str]:
        """What would be refused of every meter with these options, names and stamps; looked at
        when a definition is saved, so that it does not fail when the file is due."""
        return []

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        """What is wrong with a finished file, by a second look at its bytes alone: counts, control
        totals, schema. A run is done only when nothing is."""
        return []

    # --- reading --------------------------------------------------------------------------------
    def read(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None = None,
        report: ReadReport | None = None,
    ) -> Iterator[MeterData]:
        """The meters of a file. Bad data never raises: it becomes an issue of the report.

        With `report.on_error == "record"` a bad record is left out and the next one goes on; with
        `"file"` the first error ends the reading. A caller that wants all or nothing looks at
        `report.errors` before it keeps anything.
        """
        report = ReadReport() if report is None else report
        try:
            yield from self.read_meters(stream, options, inventory, report)
        except ReadStopped:
            return

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        """`read` without the stop rule; what a format fills in."""
        raise NotImplementedError(f"{self.code} is not readable")
