"""How a file gets to its destination: under a temporary name, whole, then by rename; or by mail.

Knows no rows: places come as plain values, so that each way can be tried against a real server.
"""

from exports.delivery.directory import directory_deliver, directory_try
from exports.delivery.message import attachment, file_message, words_check, words_fill
from exports.delivery.parcel import (
    DeliveryRefused,
    DestinationFault,
    Draft,
    HostKeyFault,
    Parcel,
    sha256_of,
    trigger_name,
)
from exports.delivery.sftp import sftp_deliver, sftp_try
from exports.delivery.ssh import Server, fingerprint, host_key_of, private_key_check

__all__ = [
    "DeliveryRefused",
    "DestinationFault",
    "Draft",
    "HostKeyFault",
    "Parcel",
    "Server",
    "attachment",
    "directory_deliver",
    "directory_try",
    "file_message",
    "fingerprint",
    "host_key_of",
    "private_key_check",
    "sftp_deliver",
    "sftp_try",
    "sha256_of",
    "trigger_name",
    "words_check",
    "words_fill",
]
