"""The append-only file: whole lines, one owner at a time, nothing lost when it is moved away."""

import errno
import fcntl
import os
from datetime import datetime
from pathlib import Path

import pytest

from events import failpoints, mrc as files
from events.mrc import Locked, RouteFile, file_name
from exports.formats import mrc
from exports.formats.base import FormatError
from tests.exports.formats.mrc_cases import OUTAGE

BODY = mrc.body(OUTAGE)
END = b"\r\n"


def line(sequence: int) -> bytes:
    return mrc.record(sequence, BODY)


@pytest.fixture
def target(tmp_path) -> RouteFile:
    return RouteFile(tmp_path / "mrc" / "MRC_x.dat", "CRLF")


@pytest.fixture
def at_step(monkeypatch):
    """Do something when a step is passed."""

    def put(step: str, do) -> None:
        def hook(name: str) -> None:
            if name == step:
                monkeypatch.setattr(failpoints, "hook", None)
                do()

        monkeypatch.setattr(failpoints, "hook", hook)

    return put


def fill(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def settle(target: RouteFile, given: int) -> int:
    with target.locked() as file:
        return file.settle(given)


def append(target: RouteFile, *sequences: int) -> bool:
    with target.locked() as file:
        return file.append([line(n) for n in sequences])


def test_lines_are_appended_whole(target):
    assert append(target, 1)
    assert append(target, 2, 3)
    assert target.path.read_bytes() == b"".join(line(n) + END for n in (1, 2, 3))
    assert settle(target, 3) == 3


def test_an_empty_file_has_no_sequence(target):
    assert not target.exists()
    assert settle(target, 0) == 0
    assert not target.exists()


@pytest.mark.parametrize("torn", [1, 5, 200, 321])
def test_a_torn_last_line_is_cut_back(target, torn):
    fill(target.path, line(1) + END + (line(2) + END)[:torn])
    assert settle(target, 2) == 1
    assert target.path.read_bytes() == line(1) + END


@pytest.mark.parametrize("torn", [1, 3, 300])
def test_a_torn_first_line_is_cut_back(target, torn):
    fill(target.path, line(1)[:torn])
    assert settle(target, 1) == 0
    assert target.path.read_bytes() == b""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello", "its beginning"),
        (b"x" * 322, "its last whole line"),
        (line(1) + b"\n" * 2, "its last whole line"),
        (line(1) + END + b"x" * 322 + b"torn", "its last whole line"),
        (line(9) + END, "it has sequence 9, the last given is 5"),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(target, data, words):
    fill(target.path, data)
    with pytest.raises(FormatError, match=f"MRC04 MRC: MRC_x.dat is not .*{words}"):
        settle(target, 5)
    assert target.path.read_bytes() == data


def test_a_locked_file_is_not_waited_for(target):
    fill(target.path, line(1) + END)
    with target.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Locked):
            settle(target, 1)
    assert settle(target, 1) == 1


def test_a_lock_that_cannot_be_had_at_all_is_a_problem(target, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with pytest.raises(FormatError, match="MRC03 MRC: not writable: No locks available"):
        settle(target, 1)


def test_a_file_that_is_moved_while_it_is_opened_is_tried_again(target, monkeypatch):
    lock = fcntl.flock

    def moved(handle, how):
        lock(handle, how)
        target.path.rename(target.path.with_suffix(".taken"))

    monkeypatch.setattr(files.fcntl, "flock", moved)
    with pytest.raises(Locked):
        settle(target, 1)


def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path):
    (tmp_path / "mrc").write_text("a file")
    with pytest.raises(FormatError, match="MRC03 MRC: not writable"):
        settle(RouteFile(tmp_path / "mrc" / "x.dat", "CRLF"), 1)


# --- moved away ---------------------------------------------------------------------------------


def test_moved_before_the_write_nothing_is_written(target):
    append(target, 1)
    with target.locked() as file:
        target.path.rename(target.path.with_suffix(".taken"))
        assert not file.append([line(2)])
    assert target.path.with_suffix(".taken").read_bytes() == line(1) + END


def test_moved_just_before_its_bytes_are_in_it_the_lines_come_again(target, at_step):
    append(target, 1)
    at_step("write", lambda: target.path.rename(target.path.with_suffix(".taken")))
    assert not append(target, 2)


def test_moved_once_its_bytes_are_in_it_they_are_done(target, at_step):
    append(target, 1)
    at_step("written", lambda: target.path.rename(target.path.with_suffix(".taken")))
    assert append(target, 2)
    assert len(target.path.with_suffix(".taken").read_bytes()) == 2 * 322


# --- a full disk --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_what_could_not_be_written_whole_leaves_nothing(target, monkeypatch, number):
    append(target, 1)
    write = os.write

    def full(handle, data):
        if len(data) < 400:
            raise OSError(number, os.strerror(number))
        return write(handle, data[:350])  # a line and some of the next

    monkeypatch.setattr(files.os, "write", full)
    what = "disk full" if number == errno.ENOSPC else "not writable"
    with pytest.raises(FormatError, match=f"MRC03 MRC: {what}: {os.strerror(number)}"):
        append(target, 2, 3)
    assert target.path.read_bytes() == line(1) + END


def test_a_file_that_cannot_be_cut_is_a_problem(target, monkeypatch):
    fill(target.path, line(1) + END + b"MRC01")

    def refuse(handle, size):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.os, "ftruncate", refuse)
    with pytest.raises(FormatError, match="MRC03 MRC: not writable: Read-only"):
        settle(target, 1)


# --- rotation -----------------------------------------------------------------------------------

STAMP = datetime(2024, 4, 2)  # noqa: DTZ001 local, as its name shows


def test_a_rotated_file_has_the_local_time_in_its_name(target):
    append(target, 1)
    assert target.rotate(STAMP).name == "MRC_x.dat.20240402000000"
    append(target, 2)
    assert target.rotate(STAMP).name == "MRC_x.dat.20240402000001"
    assert not target.exists()


def test_a_file_that_cannot_be_renamed_is_a_problem(target):
    with pytest.raises(FormatError, match="MRC03 MRC: not writable: No such file"):
        target.rotate(STAMP)


@pytest.mark.parametrize(
    ("route", "name"),
    [("OMS north/1", "MRC_OMS_north_1.dat"), ("é", "MRC__.dat"), ("a.b-c", "MRC_a.b-c.dat")],
)
def test_a_route_gives_its_file_a_safe_name(route, name):
    assert file_name(route) == name


def test_a_name_that_climbs_is_refused():
    with pytest.raises(FormatError, match="FMT16"):
        file_name("..")
