"""Delivery into a directory: whole under its name, never over another file, until it works."""

import hashlib
import os
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from devices import leases
from exports import delivery as ways, places
from exports.models import Delivery, Destination
from exports.services import deliveries
from tests.exports.factories import abandon, delivery_make, directory_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State = Delivery.State


@pytest.fixture
def raised(settings, monkeypatch):
    """The system's own alarms, as they are raised."""
    found: list[str] = []
    monkeypatch.setattr(deliveries, "alarm", lambda code, *_, key, **more: found.append(key))
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_with_its_trigger_file(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path, ok_file=True))
    assert (row.state, row.attempts) == (State.WAITING, 0)
    assert deliveries.deliver_next()
    assert not deliveries.deliver_next()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.error) == (State.DELIVERED, 1, "")
    folder = tmp_path / "in"
    name = row.file.name
    assert names(folder) == [name, f"{name}.ok"]
    data = (folder / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == row.file.sha256
    assert (folder / f"{name}.ok").read_text() == f"{len(data)} {row.file.sha256}\n"


def test_a_file_of_that_name_with_the_same_bytes_is_ours(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / row.file.name).write_bytes((places.data() / row.file.archive).read_bytes())
    deliveries.deliver_next()
    row.refresh_from_db()
    assert row.state == State.DELIVERED


def test_another_file_of_that_name_is_never_overwritten(settings, tmp_path, raised):
    row = delivery_make(directory_make(settings, tmp_path))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / row.file.name).write_bytes(b"theirs")
    deliveries.deliver_next()
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert "is there already, with other content" in row.error
    assert (folder / row.file.name).read_bytes() == b"theirs"
    assert names(folder) == [row.file.name]
    assert raised == [f"delivery {row.pk}"]


def test_one_that_appears_meanwhile_is_not_overwritten_either(settings, tmp_path, monkeypatch):
    row = delivery_make(directory_make(settings, tmp_path))
    target = tmp_path / "in" / row.file.name
    real = os.link

    def race(source, destination, **more):
        target.write_bytes(b"theirs")
        return real(source, destination, **more)

    monkeypatch.setattr(os, "link", race)
    deliveries.deliver_next()
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert target.read_bytes() == b"theirs"
    assert names(target.parent) == [target.name]


def test_kept_bytes_that_are_damaged_are_not_sent(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path))
    kept = places.data() / row.file.archive
    data = kept.read_bytes()
    kept.unlink()
    kept.write_bytes(data[:-1] + b"?")
    deliveries.deliver_next()
    row.refresh_from_db()
    assert (row.state, row.error) == (
        State.FAILED,
        f"the kept bytes of {row.file.name} are damaged",
    )
    assert names(tmp_path / "in") == []


def test_a_file_that_is_no_longer_kept_is_not_sent(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path))
    row.file.purged = timezone.now()
    row.file.save()
    deliveries.deliver_next()
    row.refresh_from_db()
    assert row.error == f"{row.file.name} is no longer kept"


def test_kept_bytes_that_are_gone_are_no_fault_of_the_destination(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path))
    (places.data() / row.file.archive).unlink()
    deliveries.deliver_next()
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert row.error == f"the kept bytes of {row.file.name} are gone"
    assert Destination.objects.get().failures == 0


def test_a_destination_that_rests_keeps_its_files_waiting(settings, tmp_path):
    destination = directory_make(settings, tmp_path, active=False)
    delivery_make(destination)
    assert not deliveries.deliver_next()
    Destination.objects.update(active=True)
    assert deliveries.deliver_next()


def test_the_delivery_of_a_worker_that_died_is_made_by_another(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path))
    assert leases.claim(row)
    assert not deliveries.deliver_next()
    abandon(row)
    assert deliveries.deliver_next()
    row.refresh_from_db()
    assert row.state == State.DELIVERED


def test_who_lost_the_delivery_says_nothing_of_it(settings, tmp_path, monkeypatch):
    row = delivery_make(directory_make(settings, tmp_path))

    def lose(*args, **more):
        Delivery.objects.update(worker="another")

    monkeypatch.setattr(deliveries, "directory_deliver", lose)
    deliveries.deliver_next()
    row.refresh_from_db()
    assert (row.state, row.worker) == (State.WAITING, "another")


def test_a_file_can_be_sent_once_more_but_not_while_it_is_on_its_way(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path))
    assert not deliveries.delivery_again(row)
    deliveries.deliver_next()
    (tmp_path / "in" / row.file.name).unlink()
    assert deliveries.delivery_again(row)
    deliveries.deliver_next()
    assert names(tmp_path / "in") == [row.file.name]


@pytest.mark.parametrize(
    "path", ["/etc", "relative", "{root}/../elsewhere", "{root}/link", "/nul\0byte", ""]
)
def test_a_directory_outside_the_permitted_ones_is_refused(settings, tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    settings.TMS_DELIVERY_ROOTS = [str(root)]
    destination = Destination(name="X", path=path.format(root=root))
    with pytest.raises(ValidationError):
        destination.full_clean()


def test_a_directory_that_became_a_way_out_is_refused_when_a_file_is_sent(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path / "root", path=str(tmp_path / "root/in")))
    (tmp_path / "root").mkdir()
    (tmp_path / "root/in").symlink_to("/etc")
    deliveries.deliver_next()
    row.refresh_from_db()
    assert row.state == State.WAITING  # as its directory may be set right
    assert "must lie below" in row.error


def test_a_trigger_file_that_is_there_is_left_alone(tmp_path):
    parcel = parcel_of(tmp_path, b"x", trigger="a.txt.ok")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt.ok").write_text("read already")
    ways.directory_deliver(parcel, tmp_path / "in", ways.Draft(".a.tmp"))
    assert (tmp_path / "in/a.txt.ok").read_text() == "read already"


def parcel_of(folder: Path, data: bytes, trigger: str = "") -> ways.Parcel:
    source = folder / "source"
    source.write_bytes(data)
    return ways.Parcel(source, "a.txt", len(data), hashlib.sha256(data).hexdigest(), trigger)


def test_an_attempt_that_lost_its_lease_gives_no_file_its_name(tmp_path):
    def lost() -> None:
        raise leases.LeaseLost("another has it")

    with pytest.raises(leases.LeaseLost):
        ways.directory_deliver(
            parcel_of(tmp_path, b"x"), tmp_path / "in", ways.Draft(".a.tmp", (), lost)
        )
    assert names(tmp_path / "in") == []


def test_what_dead_attempts_left_is_removed(settings, tmp_path):
    row = delivery_make(directory_make(settings, tmp_path))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/.old.tmp").write_text("half")
    Delivery.objects.update(drafts=[".old.tmp"])
    deliveries.deliver_next()
    row.refresh_from_db()
    assert names(tmp_path / "in") == [row.file.name]
    assert row.drafts == []


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", "A.B.txt.ok"),
        ("{stem}.done", "A.B.done"),
        ("READY", "READY"),
        ("go_{name}", "go_A.B.txt"),
    ],
)
def test_a_trigger_file_has_the_name_that_was_asked_for(pattern, name):
    assert ways.trigger_name("A.B.txt", pattern) == name


@pytest.mark.parametrize("pattern", ["{name}", "../x", "{date}", "a b", "..", "a/b"])
def test_a_trigger_files_name_must_be_one(pattern):
    with pytest.raises(ValueError, match="“"):
        ways.trigger_name("A.txt", pattern)
