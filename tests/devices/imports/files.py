"""Short ways to an imported file, for the tests of the interfaces."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devices.imports.columns import DEVICE_COLUMNS, GROUP_COLUMNS
from devices.imports.options import options_read
from devices.models import (
    Device,
    DeviceClass,
    FunctionalGroup,
    ImportJob,
    ImportRow,
    Installation,
    Membership,
)
from devices.services.imports.answer import result_text
from devices.services.imports.work import file_import
from tests.devices.fleet import LONG_AGO

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "imports"
COLUMNS = {"devices": DEVICE_COLUMNS, "groups": GROUP_COLUMNS}


def send(
    data: bytes | str,
    kind: str = "devices",
    *,
    name: str = "file.csv",
    apply: bool = True,
    **options: str,
) -> ImportJob:
    """Import a file as the command does."""
    body = data.encode() if isinstance(data, str) else data
    return file_import(
        kind=kind,
        filename=name,
        stream=io.BytesIO(body),
        options=options_read(options, COLUMNS[kind]),
        origin=ImportJob.Origin.COMMAND,
        apply=apply,
    )


def preview(data: bytes | str, kind: str = "devices", **options: str) -> ImportJob:
    """Read a file and leave it at that."""
    return send(data, kind, apply=False, **options)


def lines(*rows: str) -> str:
    """A file of these lines."""
    return "".join(f"{row}\r\n" for row in rows)


def answers(job: ImportJob) -> list[tuple[int, str, str, str]]:
    """(row, result, code, message) of each row, that of the whole file first."""
    whole = [(0, job.result, job.code, job.message)] if job.message else []
    rows = ImportRow.objects.filter(job=job).order_by("number")
    return whole + list(rows.values_list("number", "result", "code", "message"))


def codes(job: ImportJob) -> list[str]:
    """Result and code of each row, e.g. "ERROR DEV12"."""
    return [f"{result} {code}".strip() for _, result, code, _ in answers(job)]


def result_bytes(job: ImportJob, **kind: bool) -> bytes:
    return "".join(result_text(job, **kind)).encode()


def device(device_id: str, meter: str = "", groups: tuple[str, ...] = (), **fields: Any) -> Device:
    """An active device of class SENTINEL, long there, in these groups."""
    made = Device.objects.create(
        device_id=device_id,
        meter_number=meter or device_id,
        device_class=DeviceClass.objects.get(code="SENTINEL"),
        state=fields.pop("state", Device.State.PROVISIONED),
        time_zone=fields.pop("time_zone", "America/Chicago"),
        **fields,
    )
    for code in groups:
        Membership.objects.create(device=made, group=group(code), valid_from=LONG_AGO)
    return made


def group(code: str, kind: str = "BILL_CYCLE") -> FunctionalGroup:
    return FunctionalGroup.objects.get_or_create(code=code, defaults={"kind": kind})[0]


def inventory() -> dict[str, Any]:
    """All that an import may change, without keys and history, to compare."""
    names = [f.name for f in Device._meta.concrete_fields if f.name not in ("id", "created")]
    return {
        "devices": sorted(map(str, Device.objects.values_list(*names))),
        "places": sorted(
            map(
                str,
                Installation.objects.values_list(
                    *("device__device_id", "valid_from", "valid_to", "service_point_id"),
                    *("account_id", "premise_id", "transformer_id", "feeder_id", "multiplier"),
                ),
            )
        ),
        "stays": sorted(
            map(
                str,
                Membership.objects.values_list(
                    *("device__device_id", "group__code", "valid_from", "valid_to")
                ),
            )
        ),
        "groups": sorted(FunctionalGroup.objects.values_list("code", "kind")),
    }


def memberships(device_id: str) -> list[tuple[str, str, str]]:
    """A device's memberships: (group, from, to), oldest first, instants as ISO text."""
    rows = Membership.objects.filter(device__device_id=device_id).order_by("valid_from", "pk")
    return [
        (code, f"{start:%FT%TZ}", f"{end:%FT%TZ}" if end else "")
        for code, start, end in rows.values_list("group__code", "valid_from", "valid_to")
    ]


def row_of(columns: Mapping[str, str]) -> str:
    """Header and one row, from column → cell."""
    return lines(",".join(columns), ",".join(columns.values()))
