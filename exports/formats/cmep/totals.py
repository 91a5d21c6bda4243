"""MEPMD02: totals and peaks by time-of-use rate over a period (section 8), the declared writer.

A record is of one meter, unit and season; its period lasts from the first to the last read of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from devices.readings import RATES, MeterData, RegisterRead, RegisterValue, instant, status_conflict
from exports.formats.cmep.plan import Target, in_totals, total_target
from exports.formats.cmep.records import LINE_END, NOBODY, Record, identity_of, read_order
from exports.formats.cmep.run import Identity, Run, flag_text
from exports.formats.cmep.tables import BASE, MAX_TOTALS, MEPMD02, cme
from exports.formats.context import Tally
from exports.formats.issues import FormatError
from exports.formats.kinds import EPOCH
from exports.formats.text import product

SENSUS_LABELS = {rate: f"RATE_{rate}" for rate in "ABCDEF"}
MINUTE = 60
Kind = tuple[str, str, str, str]  # class, unit, flow, season as written
Values = dict[str, RegisterValue]


@dataclass(slots=True)
class Span:
    """The reads of one kind of register of a meter under one device: minute and values by rate."""

    device: int
    reads: list[tuple[int, Values]] = field(default_factory=list)


def total_records(meters: Sequence[MeterData], run: Run, tally: Tally) -> list[Record]:
    """All MEPMD02 records of one meter, which may stand under several devices in turn."""
    records: list[Record] = []
    for place, meter in enumerate(meters):
        spans = _spans(place, meter, run)
        rated = {kind: span for kind, span in spans.items() if _has_rates(span)}
        identity = identity_of(meter, run, tally) if rated else NOBODY
        for kind, span in sorted(rated.items()):
            try:
                target = total_target(next(iter(span.reads[0][1].values())), run.ctx.options)
                records += _record(kind, span, target, identity, run, tally)
            except FormatError as error:
                at = instant(span.reads[-1][0])
                error.at(meter=identity.meter_id, where=f"{kind[0]} {kind[1]}", instant=at)
                if not run.skips(error):
                    raise
                tally.warn(error.code, str(error))
    return sorted(records, key=lambda record: (record.unit, record.first))


def _spans(place: int, meter: MeterData, run: Run) -> dict[Kind, Span]:
    """The reads of each kind in order of time, one a minute, the later one."""
    seasons: Mapping[str, str] = run.ctx.options["tou_seasons"] or {}
    found: dict[Kind, Span] = {}
    for read in sorted(meter.reads, key=read_order):
        minute = int((read.time - EPOCH).total_seconds()) // MINUTE * MINUTE
        season = "" if read.season is None else seasons.get(str(read.season), "")
        for kind, values in _kinds(read, season).items():
            span = found.setdefault(kind, Span(place))
            if span.reads and span.reads[-1][0] == minute:
                span.reads[-1][1].update(values)
            else:
                span.reads.append((minute, values))
    return found


def _kinds(read: RegisterRead, season: str) -> dict[Kind, Values]:
    found: dict[Kind, Values] = {}
    for value in read.values:
        if in_totals(value):
            if why := status_conflict(value.status, value.value is None):
                raise cme("FMT12", why=why)
            if value.value is not None:
                kind = (value.register_class, value.unit, value.flow, season)
                found.setdefault(kind, {})[value.rate] = value
    return found


def _has_rates(span: Span) -> bool:
    return any(set(values) - {"T"} for _, values in span.reads)


def _record(
    kind: Kind, span: Span, target: Target, identity: Identity, run: Run, tally: Tally
) -> Iterator[Record]:
    (start, before), (end, after) = span.reads[0], span.reads[-1]
    if start == end:
        tally.warn("CMW07", f"{identity.meter_id} {target.unit}")
        return
    order = (*RATES[1:], RATES[0])
    rates = [rate for rate in order if rate in before and rate in after]
    labels = [_label(rate, run) for rate in rates]
    if len(labels) > MAX_TOTALS:
        raise cme("CME08", why=f"{len(labels)} rates, at most {MAX_TOTALS}")
    if not labels:
        return
    texts = []
    for rate, label in zip(rates, labels, strict=True):
        mask, amount = _amount(kind[0], rate, span)
        text = MEPMD02.column("value").put(product(amount, target.scale))
        flag = MEPMD02.column("flag").put(flag_text(mask, False, True))
        texts.append(b",%s,%s,%s" % (MEPMD02.column("label").put(label), flag, text))
    head = MEPMD02.put(_header(kind, target, identity, run) | {
        "start_time": start, "end_time": end, "count": len(texts),
    })  # fmt: skip
    line = head + b"".join(texts) + run.crc + LINE_END
    yield Record(target.unit.encode("ascii"), start, end, line, len(texts), 0, True)


def _header(kind: Kind, target: Target, identity: Identity, run: Run) -> dict[str, Any]:
    return run.values | {
        "record_type": "MEPMD02",
        "record_version": BASE,
        "sender_customer_id": identity.sender_customer_id,
        "receiver_customer_id": identity.receiver_customer_id,
        "meter_id": identity.meter_id,
        "commodity": target.commodity,
        "units": target.unit,
        "season": kind[3],
        "calculation_constant": Decimal(1),
    }


def _label(rate: str, run: Run) -> str:
    """The label of a rate: by the setting, in sensus by its letter; CME08 when it has none."""
    given: dict[str, str] = run.ctx.options["tou_labels"] or {}
    known = {"T": "TOTAL", **(SENSUS_LABELS if run.sensus else {}), **given}
    if rate not in known:
        raise cme("CME08", why=f"rate {rate} has no label; set tou_labels")
    return known[rate]


def _amount(register_class: str, rate: str, span: Span) -> tuple[int, Decimal]:
    """Mask and amount of a rate: end less start, or the highest peak of the period."""
    (start, before), (_, after) = span.reads[0], span.reads[-1]
    first, last = before[rate], after[rate]
    low, high = first.value or Decimal(0), last.value or Decimal(0)
    if not (low.is_finite() and high.is_finite()):
        raise cme("FMT10")
    if register_class == "SUM":
        if high < low and last.flow != "NET":
            raise cme("CME07", rate=rate, start=low, end=high)
        return first.status | last.status, high - low
    peaks = [
        value
        for _, values in span.reads[1:]
        if (value := values.get(rate)) is not None
        and (value.peak_time is None or value.peak_time.timestamp() >= start)
    ]
    best = max(peaks, key=lambda value: value.value or Decimal(0), default=None)
    # Without a peak since the period began there was no demand: README 2.7.
    return (last.status, Decimal(0)) if best is None else (best.status, best.value or Decimal(0))
