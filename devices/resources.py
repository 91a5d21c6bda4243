"""The columns of both interfaces as django-import-export resources: templates and the inventory.

`import_data` hands the work to the set-based engine, so that whoever drives a resource gets the
same checks, change sets and undo as the pages and the commands.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import tablib
from django.db.models import QuerySet
from import_export import fields, resources
from import_export.results import Result, RowResult

from devices import selectors
from devices.imports.columns import DEVICE_COLUMNS, GROUP_COLUMNS, PLACE_FIELDS, Column
from devices.imports.differences import shown
from devices.imports.options import Options
from devices.models import Device, ImportJob, ImportRow
from devices.services.imports.work import file_import

_KINDS = {
    "added": RowResult.IMPORT_TYPE_NEW,
    "changed": RowResult.IMPORT_TYPE_UPDATE,
    "moved": RowResult.IMPORT_TYPE_UPDATE,
    "removed": RowResult.IMPORT_TYPE_DELETE,
    "unchanged": RowResult.IMPORT_TYPE_SKIP,
    "refused": RowResult.IMPORT_TYPE_INVALID,
}


class InterfaceResource(resources.Resource):
    """A resource whose fields are an interface's columns."""

    kind = ""
    columns: Sequence[Column] = ()

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.fields = {
            column.field: fields.Field(column_name=column.name) for column in self.columns
        }

    def template(self) -> tablib.Dataset:
        """A header line and nothing else."""
        return tablib.Dataset(headers=[column.name for column in self.columns])

    def import_data(self, dataset, dry_run=False, **kwargs) -> Result:
        """The rows of a dataset, staged and, without `dry_run`, its good rows applied."""
        out = io.StringIO()
        csv.writer(out).writerows([dataset.headers, *dataset])
        job = file_import(
            kind=self.kind,
            filename="dataset.csv",
            stream=io.BytesIO(out.getvalue().encode()),
            options=Options(),
            origin=ImportJob.Origin.PAGE,
            apply=not dry_run,
        )
        result = Result()
        result.diff_headers = list(dataset.headers)
        for number, kind, message in (
            ImportRow.objects.filter(job=job)
            .order_by("number")
            .values_list("number", "kind", "message")
        ):
            row = RowResult()
            row.number, row.import_type = number, _KINDS[kind]
            row.error_message = message
            result.append_row_result(row)
            result.increment_row_result_total(row)
        return result


class DeviceResource(InterfaceResource):
    """The present inventory in the columns of the Device Information Interface; PIN is empty."""

    kind = ImportJob.Kind.DEVICES
    columns = DEVICE_COLUMNS

    def get_queryset(self) -> QuerySet[Device]:
        return selectors.devices_for_list(Device.objects.order_by("device_id"))

    def rows(self, queryset: QuerySet[Device] | None = None) -> Iterator[list[str]]:
        """The active devices, as rows that update them; streamed."""
        active = (self.get_queryset() if queryset is None else queryset).exclude(
            state=Device.State.UNPROVISIONED
        )
        for device in active.iterator(chunk_size=1000):
            yield [_cell(device, column.field) for column in self.columns]

    def export(self, queryset=None, **kwargs) -> tablib.Dataset:
        return tablib.Dataset(*self.rows(queryset), headers=self.template().headers)


class MembershipResource(InterfaceResource):
    """The columns of the Bill Cycle/Group Information Interface; what is exported adds."""

    kind = ImportJob.Kind.GROUPS
    columns = GROUP_COLUMNS

    def rows(self, queryset: QuerySet[Device] | None = None) -> Iterator[list[str]]:
        """The present memberships, as rows that add them; streamed."""
        for device in DeviceResource().get_queryset().iterator(chunk_size=1000):
            for stay in device.grouped:
                kind = stay.group.kind.replace("_", "")
                yield [
                    *("A", device.device_id, device.meter_number, stay.group.code, kind),
                    *("", shown(stay.valid_from), ""),
                ]

    def export(self, queryset=None, **kwargs) -> tablib.Dataset:
        return tablib.Dataset(*self.rows(queryset), headers=self.template().headers)


RESOURCES = {resource.kind: resource for resource in (DeviceResource, MembershipResource)}


def _cell(device: Device, field: str) -> str:
    if field == "action":
        return "U"
    if field in ("pin", "provision", "effective"):
        return ""
    if field in PLACE_FIELDS:
        return shown(getattr(device.installed[0], field)) if device.installed else ""
    if field in ("bill_cycle", "groups"):
        wanted = "BILL_CYCLE" if field == "bill_cycle" else "GENERAL"
        return ";".join(m.group.code for m in device.grouped if m.kind == wanted)
    if field == "device_class":
        return device.device_class.code
    return shown(getattr(device, field))
