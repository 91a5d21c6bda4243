"""SFTP to servers that answer in their own ways: full, write-only, with one rename or none."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from exports.delivery import DeliveryRefused, DestinationFault, Parcel
from tests.exports.parcels import SIZE, deliver, parcel_make, shown
from tests.sftpserver import answering


@pytest.fixture
def parcel(tmp_path) -> Parcel:
    return parcel_make(tmp_path)


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "partner"
    made.mkdir()
    return made


def test_a_password_opens_it_and_another_does_not(folder, parcel):
    with answering(folder) as server:
        deliver(parcel, server)
        with pytest.raises(DestinationFault, match="refuses the log-in of partner by password"):
            deliver(parcel, replace(server, password="wrong"))
    assert shown(folder) == ["A_1.txt", "A_1.txt.ok"]


@pytest.mark.parametrize("at", [0, 32768 * 3, SIZE // 32768 * 32768])
def test_a_full_disk_is_told_wherever_it_is_met(folder, parcel, at):
    """An error in the middle is no less one for the writes after it that succeed."""

    def full(offset: int) -> None:
        if offset == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        answering(folder, fault=staticmethod(full)) as server,
        pytest.raises(DestinationFault, match=r"could not write the file: .*(space|Failure)"),
    ):
        deliver(parcel, server)
    assert list(folder.iterdir()) == []


def test_a_server_that_renames_only_as_posix_does(folder, parcel):
    with answering(folder, renames="posix") as server:
        deliver(parcel, server)
        assert shown(folder) == ["A_1.txt", "A_1.txt.ok"]
        (folder / "A_1.txt").write_bytes(b"theirs")
        with pytest.raises(DeliveryRefused, match="with other content"):
            deliver(parcel, server)
    assert (folder / "A_1.txt").read_bytes() == b"theirs"


def test_a_server_that_does_not_rename(folder, parcel):
    with (
        answering(folder, renames="none") as server,
        pytest.raises(DestinationFault, match="could not write the file: no"),
    ):
        deliver(parcel, server)
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_read_back_is_not_taken_for_ours(folder, parcel):
    (folder / "A_1.txt").write_bytes(b"x" * SIZE)
    with (
        answering(folder, renames="unreadable") as server,
        pytest.raises(DeliveryRefused, match="cannot be read to see whether it is ours"),
    ):
        deliver(parcel, server)
