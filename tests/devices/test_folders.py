"""Whether a dropped file is whole: it has stopped growing, and nobody writes it any more."""

import os
import time

import pytest

from devices.folders import files_in, free_path, is_being_written, is_whole, write_whole

pytestmark = pytest.mark.usefixtures("empty_cache")


class Clock:
    """A time that passes when told to."""

    def __init__(self, monkeypatch) -> None:
        self.now = time.time()
        monkeypatch.setattr("devices.folders.time.time", lambda: self.now)

    def later(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch, settings) -> Clock:
    settings.TMS_INBOX_SECONDS = 10
    return Clock(monkeypatch)


def test_a_file_that_has_not_changed_for_long_enough_is_whole(tmp_path, clock):
    path = tmp_path / "a.csv"
    path.write_text("x")
    assert not is_whole(path)
    clock.later(9)
    assert not is_whole(path)
    clock.later(2)
    assert is_whole(path)


def test_each_change_begins_the_wait_anew(tmp_path, clock):
    path = tmp_path / "a.csv"
    path.write_text("x")
    is_whole(path)
    for text in ("xx", "yy"):  # longer; then as long, at another time
        clock.later(11)
        path.write_text(text)
        os.utime(path, ns=(1, time.time_ns() + len(text) + ord(text[0])))
        assert not is_whole(path)
    clock.later(11)
    assert is_whole(path)


def test_a_writer_that_pauses_for_long_holds_it(tmp_path, clock):
    path = tmp_path / "a.csv"
    with path.open("w") as writer:
        for _ in range(3):
            writer.write("a line\n")
            writer.flush()
            assert not is_whole(path)
            clock.later(60)
            assert is_being_written(path)
            assert not is_whole(path)
    assert not is_being_written(path)
    assert is_whole(path)


def test_who_reads_it_does_not_hold_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x")
    with path.open() as reader:
        assert not is_being_written(path)
        assert reader.read() == "x"


def test_what_is_renamed_into_place_waits_though_it_is_old(tmp_path, clock):
    draft = tmp_path / ".a.tmp"
    draft.write_text("x")
    os.utime(draft, (1e9, 1e9))
    path = draft.rename(tmp_path / "a.csv")
    assert not is_whole(path)
    clock.later(11)
    assert is_whole(path)


def test_another_file_of_the_same_name_size_and_time_is_another_one(tmp_path, clock):
    path = tmp_path / "a.csv"
    path.write_text("x")
    os.utime(path, (1e9, 1e9))
    is_whole(path)
    clock.later(11)
    other = tmp_path / "b"
    other.write_text("y")
    os.utime(other, (1e9, 1e9))
    other.replace(path)
    assert not is_whole(path)


def test_a_clock_that_is_set_back_waits_anew(tmp_path, clock):
    path = tmp_path / "a.csv"
    path.write_text("x")
    is_whole(path)
    clock.later(-3600)
    assert not is_whole(path)
    clock.later(11)
    assert is_whole(path)


def test_what_is_gone_is_not_whole(tmp_path):
    assert not is_whole(tmp_path / "gone")
    assert is_being_written(tmp_path / "gone")


def test_where_the_system_tells_nothing_only_the_wait_counts(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("x")
    with path.open("a"):
        monkeypatch.delattr("devices.folders.fcntl.F_SETLEASE")
        assert not is_being_written(path)


def test_hidden_files_links_folders_and_parts_are_left_alone(tmp_path):
    for name in (".a.csv", "b.csv.tmp", "c.PART", "d.filepart", "e.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "e.csv")
    os.utime(tmp_path / "e.csv", (2e9, 2e9))
    (tmp_path / "older.csv").write_text("x")
    assert [path.name for path in files_in(tmp_path)] == ["older.csv", "e.csv"]


def test_a_free_name_and_a_file_in_one_piece(tmp_path):
    assert free_path(tmp_path / "a.csv").name == "a.csv"
    for number in (2, 3):
        write_whole(free_path(tmp_path / "a.csv"), b"x")
        assert free_path(tmp_path / "a.csv").name == f"a_{number}.csv"
    write_whole(tmp_path / "a.csv", b"new")
    assert (tmp_path / "a.csv").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a_2.csv"]
