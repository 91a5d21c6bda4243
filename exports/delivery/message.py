"""Delivery by e-mail: the message that carries a file, the same at each attempt."""

import re
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage

from events.mail import headers_of, subject_of
from exports.delivery.parcel import DeliveryRefused, Parcel, sha256_of

MIB = 1 << 20
MACROS = ("name", "export", "format", "batch", "bytes", "sha256", "from", "to", "created")
_MACRO = re.compile(r"\{([^{}]*)\}")


def words_check(text: str) -> None:
    """ValueError for a template with a macro that there is not."""
    for name in _MACRO.findall(text):
        if name not in MACROS:
            known = ", ".join(f"{{{one}}}" for one in MACROS)
            raise ValueError(f"There is no {{{name}}}; write one of {known}.")


def words_fill(text: str, values: Mapping[str, str]) -> str:
    """A template with its macros filled in; it was checked before."""
    return _MACRO.sub(lambda match: values[match[1]], text)


def attachment(parcel: Parcel, *, zipped: bool, limit: int, stamp: datetime) -> tuple[str, bytes]:
    """Name and bytes of what is attached. DeliveryRefused when it is damaged or over the limit.

    `limit` in bytes. `stamp`: the time that a zip file gives its content, so that it is made of the
    same bytes each time.
    """
    if sha256_of(parcel.source) != parcel.sha256:
        raise DeliveryRefused(f"the kept bytes of {parcel.name} are damaged")
    name, path = parcel.name, parcel.source
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        if zipped:
            name = f"{parcel.name}.zip"
            path = _zip(parcel, Path(folder) / name, stamp)
        size = path.stat().st_size
        if size > limit:
            advice = "" if zipped else "have files sent as zip, or "
            raise DeliveryRefused(
                f"{name} has {size / MIB:,.1f} MiB; this destination takes {limit / MIB:g} MiB by "
                f"mail: {advice}deliver it by SFTP"
            )
        return name, path.read_bytes()


def _zip(parcel: Parcel, path: Path, stamp: datetime) -> Path:
    entry = zipfile.ZipInfo(parcel.name, stamp.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    entry.file_size = parcel.bytes
    with (
        zipfile.ZipFile(path, "w") as packed,
        packed.open(entry, "w") as out,
        parcel.source.open("rb") as source,
    ):
        while data := source.read(MIB):
            out.write(data)
    return path


def file_message(
    subject: str,
    body: str,
    *,
    address: str,
    message_id: str,
    created: datetime,
    attached: tuple[str, bytes] | None,
) -> EmailMessage:
    """A message to one address. With the same arguments it has the same Message-ID and date."""
    message = EmailMessage(
        subject=subject_of(subject),
        body=body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        headers=headers_of(message_id, created),
    )
    if attached is not None:
        name, data = attached
        kind = "application/zip" if name.endswith(".zip") else "application/octet-stream"
        message.attach(name, data, kind)
    return message
