"""The inventory of a window as rows, in the file's order: devices with their channels.

One query streams devices, the installation and the channels that hold for the whole window; what
changed within it is asked for apart, before (`histories`, `eras`): few devices in any window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q

from devices.journal import sql
from devices.models import Channel, Membership
from devices.readings import instant
from exports.scope.asked import ORDERS, Scope, Selection
from exports.scope.frozen import KIND, kind_text
from exports.scope.stays import GROUPS, Histories, during, histories_of

Columns = list[list[Any]]
# A row's columns, texts but for PK, empty where there is nothing; WHAT: KIND of the channel as one
# text, its multiplier empty where the installation's counts.
PK, INFO, MULTIPLIER, CHANNEL, WHAT, MEMBERSHIPS = 0, slice(1, 11), 11, 12, 13, 14
CELLS = 15
ROWS = 4000  # fetched at once
Era = tuple[int, datetime | None, datetime | None, str]  # channel, from, to, what it measures
Eras = dict[int, list[Era]]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch (first, last] of time in epoch seconds; `ids`: devices, None for all."""

    first: int
    last: int
    ids: Sequence[int] | None = None

    @property
    def start(self) -> datetime:
        return instant(self.first)

    @property
    def end(self) -> datetime:
        return instant(self.last)


def parts_of_rows(scope: Scope, window: Window, devices: int) -> Iterator[Columns]:
    """The rows of so many devices at a time, or a few more, as columns: devices of one key stay
    together."""
    key = 1 + ORDERS.index(scope.order)
    held: Columns = [[] for _ in range(CELLS)]
    for chunk in sql.flow(*_rows_sql(scope, window), size=ROWS):
        for column, more in zip(held, _columns(chunk), strict=True):
            column += more
        while cut := _cut(held[PK], held[key], devices):
            yield [column[:cut] for column in held]
            held = [column[cut:] for column in held]
    if held[PK]:
        yield held


def _columns(rows: Sequence[tuple[str]]) -> Columns:
    """Rows as columns. A row comes as one text, a cell a line: a value made for each cell of each
    row would take longer than the query. ValueError when a cell has lines of its own."""
    cells = "\n".join([row for (row,) in rows]).split("\n")
    if len(cells) != CELLS * len(rows):
        raise ValueError("an identifier holds a line feed")
    pks, *others = (cells[place::CELLS] for place in range(CELLS))
    return [list(map(int, pks)), *others]


def _cut(pks: Sequence[int], keys: Sequence[str], devices: int) -> int:
    """How many rows make the next part; 0 while that is not known."""
    if len(pks) <= devices:
        return 0
    starts = np.flatnonzero(np.diff(pks, prepend=-1)).tolist()
    return next((at for at in starts[devices:] if keys[at] != keys[at - 1]), 0)


def _rows_sql(scope: Scope, window: Window) -> tuple[str, list[Any]]:
    """The query of rows, in the order of the file's key as bytes."""
    start, end = sql.instant_param(window.start), sql.instant_param(window.end)
    holds = "({0}.valid_from IS NULL OR {0}.valid_from <= %s) AND "
    holds += "({0}.valid_to IS NULL OR {0}.valid_to >= %s)"
    where, where_params = _members_sql(scope.selection, start, end)
    where += " AND (d.ended IS NULL OR d.ended > %s)"
    where_params.append(start)
    channel, channel_params = _channel_sql(scope.selection)
    if scope.selection.devices:
        where += f" AND d.device_id IN ({_marks(scope.selection.devices)})"
        where_params += scope.selection.devices
    among = "TRUE"
    among_params: list[Any] = []
    if window.ids is not None:
        condition, ids = sql.any_of("d.id", window.ids)
        where += f" AND {condition}"
        where_params.append(ids)
        among, ids = sql.any_of("m.device_id", window.ids)
        among_params.append(ids)
    # Only names of ours are written into the text; values are parameters.
    query = f"""
        SELECT {_row_sql()}
        FROM devices_device d JOIN devices_deviceclass k ON k.id = d.device_class_id
        LEFT JOIN devices_installation i ON i.device_id = d.id AND {holds.format("i")}
        LEFT JOIN devices_channel c ON c.device_id = d.id AND {holds.format("c")} {channel}
        LEFT JOIN ({GROUPS[sql.is_postgres()].format(among=among)}) t ON t.device_id = d.id
        WHERE {where}
        ORDER BY {sql.bytewise("d." + scope.order)}, d.id, c.number"""
    params = [start, end, start, end, *channel_params]
    return query, [*params, end, end, *among_params, *where_params]


def _row_sql() -> str:
    """A row's cells as one text, a cell a line."""
    postgres = sql.is_postgres()
    cast = "{}::text" if postgres else "CAST({} AS TEXT)"
    always = ["d.id", "d.device_id", "d.meter_number", "d.serial_number"]
    places = ["i.service_point_id", "i.account_id", "i.premise_id"]
    home = ["i.transformer_id", "i.feeder_id", cast.format("i.multiplier"), cast.format("c.id")]
    what = [cast.format(f"c.{name}") for name in KIND]
    if postgres:
        kind = "concat(" + ", '|', ".join(what) + ")"
    else:
        kind = " || '|' || ".join(f"COALESCE({name}, '')" for name in what)
    cells = [
        *(*always, *(f"COALESCE({name}, '')" for name in places), "k.code", "d.time_zone"),
        *(*(f"COALESCE({name}, '')" for name in home), kind, "COALESCE(t.codes, '')"),
    ]
    return f"concat_ws(chr(10), {', '.join(cells)})" if postgres else " || char(10) || ".join(cells)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _members_sql(selection: Selection, start: Any, end: Any) -> tuple[str, list[Any]]:
    """Whether a device was in one of the groups at any time of the window."""
    if not selection.groups:
        return "TRUE", []
    return (
        "EXISTS (SELECT 1 FROM devices_membership m JOIN devices_functionalgroup g "
        f"ON g.id = m.group_id WHERE m.device_id = d.id AND g.code IN ({_marks(selection.groups)})"
        " AND m.valid_from < %s AND (m.valid_to IS NULL OR m.valid_to > %s))",
        [*selection.groups, end, start],
    )


def _channel_sql(selection: Selection) -> tuple[str, list[Any]]:
    condition, params = "", []
    for column, chosen in (("number", selection.channels), ("unit", selection.units)):
        if chosen:
            condition += f" AND c.{column} IN ({_marks(chosen)})"
            params += chosen
    return condition, params


def histories(scope: Scope, window: Window) -> Histories:
    """What happened within the window to devices that may be selected."""
    among = devices = Q()
    if window.ids is not None:
        ids = sql.id_set(window.ids)
        among, devices = Q(device_id__in=ids), Q(pk__in=ids)
    chosen = scope.selection
    if chosen.devices:
        among &= Q(device__device_id__in=chosen.devices)
        devices &= Q(device_id__in=chosen.devices)
    if chosen.groups:
        members = Membership.objects.filter(group__code__in=chosen.groups)
        members = during(members, window.start, window.end).values("device_id")
        among &= Q(device_id__in=members)
        devices &= Q(pk__in=members)
    return histories_of(window.start, window.end, chosen.groups, among, devices)


def eras(scope: Scope, window: Window) -> Eras:
    """Channels that began or ended within the window, by device: few in any window."""
    rows = during(Channel.objects.all(), window.start, window.end)
    rows = rows.filter(Q(valid_from__gt=window.start) | Q(valid_to__lt=window.end))
    if window.ids is not None:
        rows = rows.filter(device_id__in=sql.id_set(window.ids))
    if scope.selection.channels:
        rows = rows.filter(number__in=scope.selection.channels)
    if scope.selection.units:
        rows = rows.filter(unit__in=scope.selection.units)
    found: Eras = {}
    for device, pk, opened, closed, *what in rows.order_by("device_id", "number", "pk").values_list(
        "device_id", "pk", "valid_from", "valid_to", *KIND
    ):
        found.setdefault(device, []).append((pk, opened, closed, kind_text(what)))
    return found
