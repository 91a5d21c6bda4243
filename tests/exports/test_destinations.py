"""A destination that takes nothing: growing pauses, then a pause with an alarm, then all goes out.

Against a real OpenSSH server that is stopped, started, and given other keys.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from events.models import SystemAlarm
from exports import services
from exports.delivery import DestinationFault, HostKeyFault, fingerprint
from exports.models import Delivery, Destination
from exports.services import deliveries, destinations
from exports.services.deliveries import deliver_next
from tests.exports.factories import delivery_make, destination_make, directory_make, sftp_make
from tests.sshd import keygen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State = Delivery.State


def time_passes() -> None:
    """What waits for a time is due."""
    now = timezone.now()
    Destination.objects.filter(next_try__isnull=False).update(next_try=now)
    Delivery.objects.filter(state=State.WAITING).update(due=now)


def deliver_all() -> int:
    count = 0
    while deliver_next():
        count += 1
    return count


def fail(times: int) -> None:
    for _ in range(times):
        time_passes()
        assert deliver_next()


def alarms() -> list[tuple[str, bool]]:
    """Alarms of destinations: title, and whether it stands."""
    return [(row.title, row.cleared is None) for row in SystemAlarm.objects.order_by("pk")]


@pytest.fixture
def broken(settings, tmp_path) -> Destination:
    """A directory that cannot be one, because a file has its name."""
    destination = directory_make(settings, tmp_path)
    (tmp_path / "in").write_text("no directory")
    return destination


def test_failures_make_the_destination_wait_longer_and_longer_then_pause_it(broken):
    row = delivery_make(broken)
    pauses = []
    for n in range(destinations.FAILURES - 1):
        begun = timezone.now()
        fail(1)
        broken.refresh_from_db()
        assert (broken.failures, broken.paused) == (n + 1, None)
        pauses.append(broken.next_try - begun)
        assert not deliver_next()  # not before its time
    wanted = [pause.total_seconds() for pause in destinations.PAUSES]
    assert [round(pause.total_seconds(), -1) for pause in pauses] == wanted
    assert alarms() == []
    fail(1)
    broken.refresh_from_db()
    row.refresh_from_db()
    assert broken.paused
    assert "File exists" in broken.error
    assert (row.state, row.attempts) == (State.WAITING, destinations.FAILURES)
    assert row.next_try == broken.next_try
    assert broken.next_try - timezone.now() > timedelta(minutes=59)
    assert alarms() == [("Destination CIS is paused: it takes no files", True)]
    said = SystemAlarm.objects.get()
    assert f"{row.file.name}: " in said.text
    assert said.link.endswith(f"/exports/destination/{broken.pk}/change/")
    fail(3)
    assert len(alarms()) == 1


def test_one_file_is_tried_while_the_others_wait_and_a_success_brings_all(broken, tmp_path):
    rows = [delivery_make(broken) for _ in range(3)]
    assert deliver_next()
    assert not deliver_next()  # the other two wait for the destination
    (tmp_path / "in").unlink()
    time_passes()
    assert deliver_all() == 3
    assert {row.name for row in (tmp_path / "in").iterdir()} == {row.file.name for row in rows}
    broken.refresh_from_db()
    assert (broken.failures, broken.next_try, broken.error) == (0, None, "")


def test_a_paused_one_goes_on_by_itself_when_its_hour_comes(broken, tmp_path):
    rows = [delivery_make(broken) for _ in range(2)]
    fail(destinations.FAILURES)
    assert not deliver_next()
    (tmp_path / "in").unlink()
    time_passes()
    assert deliver_all() == 2
    broken.refresh_from_db()
    assert broken.paused is None
    assert alarms() == [("Destination CIS is paused: it takes no files", False)]
    assert Delivery.objects.filter(state=State.DELIVERED).count() == len(rows)


def test_resume_sends_what_waits(broken, tmp_path):
    delivery_make(broken)
    fail(destinations.FAILURES)
    (tmp_path / "in").unlink()
    assert services.destination_resume(broken)
    assert not services.destination_resume(broken)
    assert deliver_all() == 1
    assert alarms() == [("Destination CIS is paused: it takes no files", False)]


def test_failures_of_several_workers_at_once_count_once(broken):
    delivery_make(broken)
    seen = Destination.objects.get()
    for _ in range(4):
        destinations.failure_note(seen, OSError("down"), "a.txt")
    broken.refresh_from_db()
    assert broken.failures == 1


def test_one_that_has_failed_is_tried_by_one_worker_at_a_time(broken):
    rows = [delivery_make(broken) for _ in range(2)]
    fail(1)
    time_passes()
    one, two = Destination.objects.get(), Destination.objects.get()
    assert destinations.try_claim(one)
    assert not destinations.try_claim(two)
    assert not deliver_next()
    assert rows


def test_a_file_that_is_refused_while_others_are_taken_is_given_up(settings, tmp_path, monkeypatch):
    destination = directory_make(settings, tmp_path)
    bad = delivery_make(destination)
    real = deliveries.directory_deliver

    def picky(parcel, folder, draft):
        if parcel.name == bad.file.name:
            raise OSError("not this one")
        real(parcel, folder, draft)

    monkeypatch.setattr(deliveries, "directory_deliver", picky)
    for n in range(deliveries.GIVEN_UP):
        bad.refresh_from_db()
        assert bad.state == State.WAITING, n
        fail(1)
        delivery_make(destination)
        Destination.objects.update(next_try=None)
        assert deliver_all() == 1
    bad.refresh_from_db()
    assert (bad.state, bad.error) == (State.FAILED, "not this one")
    assert alarms() == [(f"{bad.file.name} was not delivered to CIS", True)]
    monkeypatch.setattr(deliveries, "directory_deliver", real)
    assert deliveries.delivery_again(bad)
    assert deliver_all() == 1
    assert alarms() == [(f"{bad.file.name} was not delivered to CIS", False)]


def test_a_fault_of_ours_is_no_endless_loop(settings, tmp_path, monkeypatch):
    row = delivery_make(directory_make(settings, tmp_path))

    def fault(*arguments):
        raise KeyError("ours")

    monkeypatch.setattr(deliveries, "directory_deliver", fault)
    assert deliver_next()
    assert not deliver_next()
    row.refresh_from_db()
    assert (row.state, row.error) == (State.WAITING, "'ours'")


# --- with a server --------------------------------------------------------------------------------


def test_a_server_that_is_stopped_and_started_gets_everything(sshd):
    destination = sftp_make(sshd)
    rows = [delivery_make(destination) for _ in range(3)]
    sshd.stop()
    fail(destinations.FAILURES)
    destination.refresh_from_db()
    assert destination.paused
    assert "Connection refused" in destination.error
    with pytest.raises(DestinationFault, match="Connection refused"):
        services.destination_test(destination, by="olga")
    sshd.start()
    assert not deliver_next()
    assert "written, renamed and removed" in services.destination_test(destination, by="olga")
    destination.refresh_from_db()
    assert (destination.paused, destination.test_error) == (None, "")
    assert deliver_all() == 3
    for row in rows:
        data = (sshd.home / row.file.name).read_bytes()
        assert len(data) == row.file.bytes
    assert {path.name for path in sshd.home.iterdir()} == {row.file.name for row in rows}


def test_a_host_key_is_shown_accepted_and_then_expected(sshd):
    destination = sftp_make(sshd, host_key="")
    assert destination.status == ("warning", "Not tested")
    with pytest.raises(HostKeyFault, match="has not been accepted yet"):
        services.destination_test(destination, by="olga")
    assert destination.host_key_offered == sshd.host_key
    assert not services.host_key_accept(destination, "SHA256:another")
    assert services.host_key_accept(destination, fingerprint(sshd.host_key))
    assert services.destination_test(destination, by="olga")

    row = delivery_make(destination)
    known = sshd.host_key
    keygen(sshd.folder / "host_key")
    sshd.restart()
    assert deliver_next()
    destination.refresh_from_db()
    row.refresh_from_db()
    assert destination.paused
    assert destination.next_try is row.next_try is None
    assert fingerprint(known) in destination.error
    assert fingerprint(sshd.host_key) in destination.error
    assert list(sshd.home.iterdir()) == []
    [said] = SystemAlarm.objects.all()
    assert "until somebody has looked" in said.text
    time_passes()
    assert not deliver_next()  # not by itself
    assert services.host_key_accept(destination, fingerprint(sshd.host_key))
    services.destination_test(destination, by="olga")
    assert deliver_all() == 1


def test_nothing_is_sent_before_a_key_was_accepted(sshd):
    delivery_make(sftp_make(sshd, host_key=""))
    assert deliver_next()
    row = Destination.objects.get()
    assert row.paused
    assert row.host_key_offered == sshd.host_key
    assert list(sshd.home.iterdir()) == []


def test_a_secret_of_another_key_asks_to_be_entered_again(sshd, settings):
    destination = sftp_make(sshd)
    settings.SECRET_KEY = "another"
    with pytest.raises(DestinationFault, match="enter it once more"):
        services.destination_test(destination, by="olga")


def test_secrets_are_sealed_and_the_unneeded_ones_forgotten(sshd):
    destination = destination_make(kind="sftp", host="h", username="u")
    destinations.secrets_set(destination, password="hunter2")
    assert "hunter2" not in destination.password
    assert "hunter2" not in repr(destinations.server_of(destination))
    assert destinations.server_of(destination).password == "hunter2"
    destination.auth = "key"
    destinations.secrets_set(destination, private_key="K", passphrase="P")
    server = destinations.server_of(destination)
    assert (server.password, server.private_key, server.passphrase) == ("", "K", "P")
    destinations.secrets_set(destination)  # nothing new: what there is stays
    assert destinations.server_of(destination).private_key == "K"
    assert destination.password == ""


def test_a_directory_is_tried_out(settings, tmp_path, broken):
    with pytest.raises(DestinationFault, match="exists"):
        services.destination_test(broken, by="olga")
    assert "exists" in broken.test_error
    (tmp_path / "in").unlink()
    services.destination_test(broken, by="olga")
    assert broken.test_error == ""
    assert list((tmp_path / "in").iterdir()) == []
