"""The reader: a document a meter at a time, against schema and checks; all of it or nothing.

Entities, document types, XInclude and the network are off; a document type declaration is refused
before anything in it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lxml import etree

from devices.readings import DeviceInfo, MeterData
from exports.formats.issues import ReadReport
from exports.formats.sxml import schema
from exports.formats.sxml.channels import channel_read
from exports.formats.sxml.parse import (
    PREFIX,
    TEXTS,
    Counts,
    Place,
    Wrong,
    attributes,
    children,
    event_read,
    local_name,
    read_read,
    text_of,
)
from exports.formats.sxml.skim import Skimmer, Taken
from exports.formats.sxml.source import BOM, Refused, Source, not_well_formed, prolog_check
from exports.formats.sxml.tables import (
    COUNTS,
    DEPTH,
    DEVICE,
    DEVICE_ZONE,
    EVENT,
    GROUP,
    HEADER_PARTS,
    IDENTITY,
    INTERVAL_READ,
    NOT_READ,
    SELECTED_GROUP,
    SELECTION,
    TOTALS,
    TRAILER,
)

PARTS = ("Header", "Meter", "NotRead", "Trailer")
AGAIN = ("ReExport", "Correction")
NOBODY = DeviceInfo("")
DEEP = etree.XPath(f"boolean(descendant-or-self::*[count(ancestor::*) >= {DEPTH}])")


class Stopped(Exception):
    """What is wrong is in the report; the rest is not looked at."""


@dataclass(slots=True)
class Reader:
    """One document on its way in."""

    options: Mapping[str, Any]
    report: ReadReport
    source: Source = field(init=False)
    place: Place = field(init=False)
    meters: list[MeterData] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # line of each meter number
    read_ids: dict[int, int] = field(default_factory=dict)
    kept: bool = True  # meters are wanted, not only whether the file is as it should be
    skims: bool = True
    seen: set[str] = field(default_factory=set)
    header: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lenient = self.options["checks"] == "lenient"
        self.place = Place(self._warn, lenient, DEVICE_ZONE, Counts())

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The document's meters; none if there is an error anywhere."""
        if self.skims and not self.place.lenient and stream.seekable():
            start, trial = stream.tell(), ReadReport()
            tried = Reader(self.options, trial, kept=self.kept)
            if tried._tried(stream):
                self.report.take(trial)
                yield from tried.meters
                return
            del tried
            stream.seek(start)
        self.source = Source(stream)
        errors = self.report.errors
        try:
            self._read()
        except Stopped:
            return
        except Refused as refused:
            self._error(refused.code, refused.message, refused.line, refused.column)
        except Wrong as wrong:
            self._error_at(wrong.element, wrong.code, wrong.message)
        if self.report.errors == errors:
            yield from self.meters

    def _tried(self, stream: BinaryIO) -> bool:
        """Read by skimming; False if anything is wrong: what that is the parser tells."""
        self.source = Source(stream)
        skimmer = Skimmer(self._zone, self._skimmed, self.kept)
        try:
            self._read(skimmer.sifted)
        except (Stopped, Refused, Wrong):
            return False
        return not self.report.errors

    def _zone(self) -> str | None:
        return self.place.zone if "Header" in self.seen else None

    def _skimmed(self, taken: Taken) -> None:
        """Meters that came by arrays."""
        self.report.records += len(taken.numbers)
        self.seen.add("Meter")
        self.place.counts.merge(taken.counts)
        numbers = [number.decode() for number in taken.numbers]
        _all_new(numbers, self.numbers)
        _all_new(taken.read_ids, self.read_ids)
        self.meters += taken.meters

    def _read(self, sifted: Callable[[Iterator[bytes]], Iterator[bytes]] = iter) -> None:
        lenient = self.place.lenient
        pieces = self.source.pieces()
        taken, root = prolog_check(pieces, lenient)
        if root != PREFIX + "SXML":
            raise Refused("SXR05", name=root)
        if taken[0].startswith(BOM):
            self.report.warn("RD01", "byte-order mark", record=1, offset=0)
        parser = etree.XMLPullParser(
            events=("end",),
            tag=[PREFIX + name for name in PARTS],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            for piece in sifted(chain(taken, pieces)):
                parser.feed(piece)
                for _, element in parser.read_events():
                    self._part(element)
            tree = parser.close()
        except etree.XMLSyntaxError as error:
            raise not_well_formed(error, parser.feed_error_log) from error
        self._end(tree)

    def _part(self, element: Any) -> None:
        """One of the document's large parts, checked, read, and let go."""
        name, above = local_name(element), local_name(element.getparent())
        if above != {"Meter": "Meters", "NotRead": "MetersNotRead"}.get(name, "SXML"):
            return  # of that name, but not that part
        self._check_part(element)
        self.seen.add(name)
        self.report.records += 1
        {
            "Header": self._header,
            "Meter": self._meter,
            "NotRead": self._not_read,
            "Trailer": self._trailer,
        }[name](element)
        before = element.getprevious()
        if before is not None and before.tag == element.tag:
            element.getparent().remove(before)

    def _check_part(self, element: Any) -> None:
        if self.place.lenient:
            if DEEP(element):
                raise Wrong(element, "SXR04", depth=DEPTH)
            return
        faults = list(schema.part_faults(element))
        for fault in faults:
            self._fault(fault)
        if faults:
            raise Stopped

    def _fault(self, fault: schema.Fault) -> None:
        name = fault.message.partition("Element '")[2].partition("'")[0]
        offset, column = self.source.find(fault.line, name)
        text = TEXTS["SXR02"].format(why=fault.message)
        self._say_error("SXR02", text, fault.line, column, offset)

    def _end(self, root: Any) -> None:
        """What can be said only when all is read."""
        for name, tag in (("Meters", "Meter"), ("MetersNotRead", "NotRead")):
            for holder in root.iterchildren(PREFIX + name):
                for element in list(holder.iterchildren(PREFIX + tag)):
                    holder.remove(element)
        if self.place.lenient:
            self._check_rest(root)
            return
        for fault in schema.skeleton_faults(root):
            self._fault(fault)

    def _check_rest(self, root: Any) -> None:
        """In lenient reading: what is unknown, too deep, or not there."""
        if DEEP(root):
            raise Wrong(root, "SXR04", depth=DEPTH)
        children(root, self.place, "Header", "Meters", "MetersNotRead", "Trailer")
        for holder in root:
            if local_name(holder) in ("Meters", "MetersNotRead"):
                children(holder, self.place)
        if "Header" not in self.seen:
            raise Wrong(root, "SXR06", name="Header", why="is not there")
        if "Trailer" not in self.seen:
            self._warn(root, "SXR51")

    # --- parts ----------------------------------------------------------------------------------
    def _header(self, element: Any) -> None:
        known = {leaf.name: leaf for leaf in HEADER_PARTS}
        for child in element:
            name = local_name(child)
            if name in known:
                if name == "FileID":
                    child.text = (child.text or "").lower()
                self.header[name] = text_of(child, known[name], self.place)
            elif name == "Selection":
                attributes(child, SELECTION, self.place)
                for group in children(child, self.place, "Group"):
                    text_of(group, SELECTED_GROUP, self.place)
            elif name != "CorrelationID":
                self._warn(child, "SXR50", name=name)
        self._check_header(element)
        zone = self.header["TimeZone"]
        if zone != DEVICE_ZONE:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                why = f"{zone} is no time zone"
                raise Wrong(element, "SXR06", name="TimeZone", why=why) from error
        self.place = self.place._replace(zone=zone)

    def _check_header(self, element: Any) -> None:
        for name in ("FileID", "BatchID", "CreationTime", "TimeZone", "Sender", "Mode"):
            if name not in self.header:
                raise Wrong(element, "SXR06", name=name, why="is not there")
        original = "OriginalBatchID" in self.header
        if (self.header["Mode"] in AGAIN) != original:
            why = f"{'is there' if original else 'is missing'} in mode {self.header['Mode']}"
            self._unless_lenient(element, "SXM06", why=why)

    def _unless_lenient(self, element: Any, code: str, **words: object) -> None:
        """An error in strict reading, a warning in lenient."""
        if self.place.lenient:
            self._warn(element, code, **words)
        else:
            self._error_at(element, code, TEXTS[code].format(**words))

    def _meter(self, element: Any) -> None:
        place, found = self.place, MeterParts()
        names = ("Identity", "Device", "Group", "RegisterRead", "IntervalRead", "Event")
        for child in children(element, place, *names):
            name = local_name(child)
            if name == "Identity":
                found.info = self._identity(child)
            elif name == "Device":
                found.device_class = attributes(child, DEVICE, place)["class"]
            elif name == "Group":
                kind = attributes(child, GROUP.element, place)["kind"]
                found.groups.append((kind, text_of(child, GROUP, place)))
            elif name == "RegisterRead":
                read = read_read(child, place)
                self._once(child, "RegisterRead id", int(read.read_id), self.read_ids)
                found.reads.append(read)
            elif name == "IntervalRead":
                attributes(child, INTERVAL_READ, place)
                for channel in children(child, place, "Channel"):
                    found.series.append(channel_read(channel, place))
            else:
                found.events.append(event_read(child, EVENT, place))
        if not found.info.device_id:
            raise Wrong(element, "SXR06", name="Identity", why="is not there")
        place.counts.add("MeterCount")
        if self.kept:
            self.meters.append(found.meter())

    def _identity(self, element: Any) -> DeviceInfo:
        names = {leaf.name: attribute for attribute, leaf in IDENTITY.items()}
        found: dict[str, Any] = {}
        for child in children(element, self.place, *names):
            attribute = names[local_name(child)]
            found[attribute] = text_of(child, IDENTITY[attribute], self.place)
        for attribute in ("device_id", "meter_number"):
            if attribute not in found:
                name = IDENTITY[attribute].name
                raise Wrong(element, "SXR06", name=name, why="is not there")
        self._once(element, "MeterNumber", found["meter_number"], self.numbers)
        return DeviceInfo(**found, time_zone="")

    def _once(self, element: Any, what: str, key: Any, lines: dict[Any, int]) -> None:
        """A file-wide key; SXM10 for the second of it."""
        if key in lines:
            which = f"{key}, first on line {lines[key]}"
            raise Wrong(element, "SXM10", what=what, which=which)
        lines[key] = element.sourceline or 0

    def _not_read(self, element: Any) -> None:
        attributes(element, NOT_READ, self.place)

    def _trailer(self, element: Any) -> None:
        """SXM05."""
        leaves = {leaf.name: leaf for leaf in TRAILER}
        counts = self.place.counts
        for child in children(element, self.place, *leaves):
            name = local_name(child)
            said = text_of(child, leaves[name], self.place)
            found: int | Decimal = counts.counts.get(name, 0)
            if name in TOTALS:
                found = counts.totals.get(name, Decimal(0))
            if said != found:
                text = f"{found:f}" if name not in COUNTS else str(found)
                self._unless_lenient(child, "SXM05", name=name, said=said, found=text)

    # --- findings -------------------------------------------------------------------------------
    def _warn(self, element: Any, code: str, **words: object) -> None:
        line = element.sourceline or 0
        text = TEXTS[code].format(**words)
        self.report.warn(code, f"{text} (line {line})", record=line, offset=0)

    def _error_at(self, element: Any, code: str, message: str) -> None:
        line = element.sourceline or 1
        offset, column = self.source.find(line, local_name(element))
        self._say_error(code, message, line, column, offset)

    def _error(self, code: str, message: str, line: int, column: int) -> None:
        self._say_error(code, message, line, column, self.source.find(line, "")[0] + column - 1)

    def _say_error(self, code: str, message: str, line: int, column: int, offset: int) -> None:
        text = f"{message} (line {line}, column {column})"
        self.report.error(code, text, record=line, offset=offset)


def _all_new(keys: Sequence[Any], lines: dict[Any, int]) -> None:
    """File-wide keys of meters that were skimmed; the parser tells where one stands twice."""
    before = len(lines)
    lines.update(dict.fromkeys(keys, 0))
    if len(lines) != before + len(keys):
        raise Stopped


@dataclass(slots=True)
class MeterParts:
    """A meter under assembly."""

    info: DeviceInfo = NOBODY
    device_class: str = ""
    groups: list[tuple[str, str]] = field(default_factory=list)
    series: list[Any] = field(default_factory=list)
    reads: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)

    def meter(self) -> MeterData:
        """All of it."""
        cycles = [code for kind, code in self.groups if kind == "BillCycle"]
        info = self.info._replace(
            device_class=self.device_class,
            bill_cycle=cycles[0] if cycles else "",
            groups=tuple(code for kind, code in self.groups if kind == "General"),
        )
        return MeterData(info, tuple(self.series), tuple(self.reads), tuple(self.events))
