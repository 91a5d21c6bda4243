"""A file appears whole under its name, or not at all."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from exports import sinks


def test_what_is_written_is_counted_hashed_and_on_disk(tmp_path):
    data = [b"a" * 700_000, b"b" * 700_000, b"c"]
    with sinks.draft(tmp_path, "x.txt") as (path, writer):
        for piece in data:
            writer.write(piece)
    assert path.read_bytes() == b"".join(data)
    assert writer.bytes == sum(map(len, data))
    assert writer.sha256 == hashlib.sha256(b"".join(data)).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    sinks.publish(path, tmp_path / "x.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_an_error_leaves_no_file(tmp_path):
    def fail():
        with sinks.draft(tmp_path, "x.txt") as (_, writer):
            writer.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_publishing_never_overwrites_unless_told(tmp_path):
    target = tmp_path / "x.txt"
    target.write_bytes(b"old")
    with sinks.draft(tmp_path, "x.txt") as (path, writer):
        writer.write(b"new")
    with pytest.raises(FileExistsError):
        sinks.publish(path, target)
    assert target.read_bytes() == b"old"
    sinks.publish(path, target, overwrite=True)
    assert target.read_bytes() == b"new"


class FullDisk:
    def write(self, data):
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_reported_to_the_writer():
    writer = sinks.HashingWriter(FullDisk())
    writer.write(b"x" * sinks.CHUNK)
    with pytest.raises(OSError, match="No space left"):
        writer.close()


def test_a_full_disk_is_reported_while_much_more_is_written():
    writer = sinks.HashingWriter(FullDisk())

    def write_on():
        for _ in range(sinks.QUEUED * 4):
            writer.write(b"x" * sinks.CHUNK)
        writer.close()

    with pytest.raises(OSError, match="No space left"):
        write_on()


@pytest.mark.parametrize(
    ("taken", "name", "free"),
    [
        ([], "a.txt", "a.txt"),
        (["a.txt"], "a.txt", "a_2.txt"),
        (["a.txt", "a_2.txt"], "a.txt", "a_3.txt"),
        (["a"], "a", "a_2"),
    ],
)
def test_a_taken_name_gets_a_number(tmp_path, taken, name, free):
    for other in taken:
        (tmp_path / other).touch()
    assert sinks.free_name(tmp_path, name) == free


def test_a_reader_behind_the_writer_waits_for_what_is_to_come(tmp_path):
    first, second = b"a" * sinks.CHUNK, b"b" * 10
    with ThreadPoolExecutor(1) as beside, sinks.draft(tmp_path, "x.txt") as (path, writer):
        following = sinks.Following(path, writer)
        whole = beside.submit(io.BufferedReader(following).read)
        writer.write(first)
        writer.write(second)
        assert not whole.done()  # what is the end is known when the writer is closed
    assert whole.result() == first + second


def test_a_reader_behind_a_writer_that_failed_comes_to_an_end(tmp_path):
    with ThreadPoolExecutor(1) as beside:
        raw = FullDisk()
        writer = sinks.HashingWriter(raw)
        (tmp_path / "x.txt").write_bytes(b"half")
        whole = beside.submit(sinks.Following(tmp_path / "x.txt", writer).readall)
        writer.write(b"x" * sinks.CHUNK)
        with pytest.raises(OSError, match="No space left"):
            writer.close()
    assert whole.result() == b"half"
