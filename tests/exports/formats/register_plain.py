"""The register formats as declared: a line of `Column.put`s and `Field.put`s a register.

What the compiled lines are compared with. Values come from the writers' own tables of fields, one
cell at a time; nothing is shared between lines.
"""

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from devices.readings import DeviceInfo, RegisterRead, RegisterValue, Status
from exports.formats.base import Tally, WriteContext
from exports.formats.btf.tables import BTFM, BTFR
from exports.formats.btf.writer import BtfWriter
from exports.formats.idf.tables import channel_ends, fields_order
from exports.formats.idf.writer import IdfWriter
from exports.formats.rde.tables import ENERGY_KINDS, RDED, WIDE
from exports.formats.rde.wide import _FLOW_ORDER, RowKey, WideWriter
from exports.formats.rde.writer import LongWriter
from exports.formats.registers import PEAKED, reads_order


def body(
    code: str, device: DeviceInfo, reads: list[RegisterRead], ctx: WriteContext
) -> list[bytes]:
    """The lines between header and trailer, without line ends."""
    made = []
    for read in sorted(reads, key=reads_order):
        made += PLAIN[code, ctx.options.get("profile", "long")](device, read, ctx)
    return made


def _values(writer: Any, device: DeviceInfo, read: RegisterRead) -> dict[str, Any]:
    clock = writer.clock(writer.ctx.zone or device.time_zone)
    return {
        **writer.device_values(device),
        **writer.read_values(read, clock),
        **writer.own_values(read),
    }


def _amount(value: RegisterValue, divisor: Decimal | None) -> Decimal | None:
    if value.value is None or divisor is None:
        return value.value
    return (value.value / divisor).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


def _peak(writer: Any, device: DeviceInfo, value: RegisterValue) -> Any:
    clock = writer.clock(writer.ctx.zone or device.time_zone)
    peaked = value.register_class in PEAKED and value.peak_time is not None
    return clock.local(value.peak_time) if peaked else None


def _chosen(writer: Any, read: RegisterRead) -> Iterator[RegisterValue]:
    if read.read_type in writer.read_types:
        for place in writer.picks.of(read.values):
            yield read.values[place]


def _idf(device: DeviceInfo, read: RegisterRead, ctx: WriteContext) -> Iterator[bytes]:
    writer = IdfWriter(ctx, Tally())
    for value in _chosen(writer, read):
        own, divisor = writer.register_values(read, value)
        start, end = channel_ends(device.meter_number)
        peak = _peak(writer, device, value)
        values = _values(writer, device, read) | own
        values |= {"register_channel_id": (start, value.number or 0, end)}
        values |= {"reading": _amount(value, divisor), "peak_timestamp": peak}
        values |= {"peak_gmt_offset": peak}
        columns = fields_order(ctx.options["fields"])
        yield b",".join(column.put(values[column.name]) for column in columns)


def _long(device: DeviceInfo, read: RegisterRead, ctx: WriteContext) -> Iterator[bytes]:
    writer = LongWriter(ctx, Tally())
    for value in _chosen(writer, read):
        own, divisor = writer.register_values(read, value)
        values = _values(writer, device, read) | own
        values |= {"Value": _amount(value, divisor), "PeakTime": _peak(writer, device, value)}
        yield RDED.put(values)


def _wide(device: DeviceInfo, read: RegisterRead, ctx: WriteContext) -> Iterator[bytes]:
    writer = WideWriter(ctx, Tally())
    rows: dict[RowKey, dict[str, RegisterValue]] = {}
    for value in _chosen(writer, read):
        cells = {"SUM": "Energy", "MAX": "MaxDemand", "CUM": "CumDemand"}
        kinds = [
            place
            for place, kind in enumerate(ENERGY_KINDS)
            if value.unit == (kind.energy if value.register_class == "SUM" else kind.demand)
        ]
        if kinds and value.register_class in cells and value.occurrence == 1:
            row = rows.setdefault(RowKey(_FLOW_ORDER[value.flow], kinds[0]), {})
            row[f"{value.rate}_{cells[value.register_class]}"] = value
    for key in sorted(rows):
        places = {cell: read.values.index(value) for cell, value in rows[key].items()}
        own, divisor = writer.row_values(read, key, places)
        values = {column.name: None for column in WIDE.columns}
        values |= _values(writer, device, read) | own
        for cell, value in rows[key].items():
            values[cell] = _amount(value, divisor)
            if cell.endswith("MaxDemand"):
                values[f"{cell}Time"] = _peak(writer, device, value)
        yield WIDE.put(values)


def _btf(device: DeviceInfo, read: RegisterRead, ctx: WriteContext) -> Iterator[bytes]:
    writer = BtfWriter(ctx, Tally())
    chosen = list(_chosen(writer, read))
    shared = _values(writer, device, read) | {"sequence": 0, "filler": None, "record_type": None}
    estimated = sum(
        bool(value.status & (Status.ESTIMATED | Status.EDITED)) and value.value is not None
        for value in chosen
    )
    if chosen:
        yield BTFM.put(shared | {"registers": len(chosen), "estimated": estimated})
    record = BTFR[ctx.options["layout"]]
    names = {field.name for field in record.fields}
    for value in chosen:
        own, divisor = writer.register_values(read, value)
        peak = _peak(writer, device, value)
        values = shared | own | {"value": _amount(value, divisor)}
        values |= {"peak": peak, "peak_offset": peak}
        yield record.put({name: values[name] for name in names})


PLAIN = {
    ("idf", "long"): _idf,
    ("rde", "long"): _long,
    ("rde", "wide"): _wide,
    ("btf", "long"): _btf,
}
