"""Files by e-mail, to a real SMTP server: each address once or again under its Message-ID."""

import hashlib
import io
import zipfile
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from events.models import SystemAlarm
from exports import places, services
from exports.delivery import DeliveryRefused, DestinationFault, Parcel, attachment, words_check
from exports.models import Delivery, Destination, FileMail
from exports.services import deliveries
from exports.services.deliveries import deliver_next
from tests.exports.factories import delivery_make, destination_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State = Delivery.State


@pytest.fixture
def box(postbox):
    return postbox


def mail_make(**fields) -> Destination:
    return destination_make(
        **{"name": "PARTNER", "kind": "email", "addresses": "one@example.com", **fields}
    )


def attached(message) -> tuple[str, bytes]:
    [part] = message.iter_attachments()
    return part.get_filename(), part.get_content()


def kept(row: Delivery) -> bytes:
    return (places.data() / row.file.archive).read_bytes()


def test_each_address_gets_the_file_with_its_bytes(box):
    group = Group.objects.create(name="Partners")
    for name, address in (("ann", "ann@example.com"), ("bob", "ONE@example.com"), ("cy", "")):
        User.objects.create_user(name, address).groups.add(group)
    destination = mail_make(addresses="one@example.com; two@example.com")
    destination.user_groups.add(group)
    row = delivery_make(destination)
    assert deliver_next()
    row.refresh_from_db()
    assert row.state == State.DELIVERED
    assert sorted(message["To"].casefold() for message in box.taken) == [
        *("ann@example.com", "one@example.com", "two@example.com")
    ]
    for message in box.taken:
        assert attached(message) == (row.file.name, kept(row))
        assert message["Subject"] == f"EXPORT0: {row.file.name}"
        body = message.get_body(("plain",)).get_content()
        assert f"SHA-256: {row.file.sha256}" in body
        assert "Period:  2026-03-14 00:00Z to 2026-03-15 00:00Z" in body
    assert {mail.state for mail in row.mails.all()} == {"sent"}


def test_as_zip_it_is_packed_the_same_each_time(box):
    row = delivery_make(mail_make(zipped=True))
    deliver_next()
    assert deliveries.delivery_again(row)
    deliver_next()
    (one, first), (two, second) = map(attached, box.taken)
    assert one == two == f"{row.file.name}.zip"
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as packed:
        assert packed.read(row.file.name) == kept(row)
    assert len(set(box.ids())) == 1
    assert len({message["Date"] for message in box.taken}) == 1


def test_subject_and_text_are_the_destinations_own(box):
    mail_words = {"subject": "{format} {batch}\r\nBcc: x@example.com", "body": "{bytes} {name}"}
    row = delivery_make(mail_make(**mail_words))
    deliver_next()
    [message] = box.taken
    assert message["Subject"] == f"CMEP {row.file.run.batch_id} Bcc: x@example.com"
    assert message["Bcc"] is None
    assert message.get_body(("plain",)).get_content().strip() == (
        f"{row.file.bytes:,} {row.file.name}"
    )


def test_words_with_a_macro_that_there_is_not():
    words_check("{name} {from} {sha256}")
    with pytest.raises(ValueError, match=r"There is no \{nmae\}; write one of \{name\}"):
        words_check("{nmae}")


def test_a_file_over_the_limit_is_not_sent_and_says_so(box, monkeypatch):
    monkeypatch.setattr("exports.services.filemails.MIB", 100)
    row = delivery_make(mail_make(limit_mib=1))
    deliver_next()
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert "this destination takes" in row.error
    assert "have files sent as zip, or deliver it by SFTP" in row.error
    assert box.taken == []
    assert SystemAlarm.objects.get().title == f"{row.file.name} was not delivered to PARTNER"
    assert Destination.objects.get().failures == 0


def test_limits_and_damage_are_seen_before_anything_is_sent(tmp_path):
    source = tmp_path / "a"
    source.write_bytes(b"x" * 5000)
    sha = hashlib.sha256(b"x" * 5000).hexdigest()
    at = datetime(2026, 3, 14, tzinfo=UTC)
    parcel = Parcel(source, "a.txt", 5000, sha)
    assert attachment(parcel, zipped=True, limit=1000, stamp=at)[0] == "a.txt.zip"
    with pytest.raises(DeliveryRefused, match="mail: deliver it by SFTP"):
        attachment(parcel, zipped=True, limit=10, stamp=at)
    with pytest.raises(DeliveryRefused, match="damaged"):
        attachment(Parcel(source, "a.txt", 5000, "0"), zipped=False, limit=10_000, stamp=at)


def test_a_server_that_dropped_the_line_gets_the_same_message_again(box):
    row = delivery_make(mail_make())
    box.drop_after_data = 1
    deliver_next()
    row.refresh_from_db()
    assert (row.state, FileMail.objects.get().state) == (State.WAITING, "queued")
    now = timezone.now()
    Destination.objects.update(next_try=now)
    Delivery.objects.update(due=now)
    deliver_next()
    row.refresh_from_db()
    assert row.state == State.DELIVERED
    first, second = box.taken
    assert first["Message-ID"] == second["Message-ID"]
    assert attached(first) == attached(second)


def test_who_has_had_it_does_not_get_it_again_when_another_did_not(box):
    row = delivery_make(mail_make(addresses="one@example.com two@example.com"))
    FileMail.objects.create(delivery=row, address="one@example.com", state="sent")
    deliver_next()
    assert [message["To"] for message in box.taken] == ["two@example.com"]


def test_an_address_that_is_refused_makes_it_wait_and_can_be_mended(box):
    destination = mail_make(addresses="wrong@example.com")
    row = delivery_make(destination)
    box.refuse_recipient = "550 5.1.1 No such user"
    deliver_next()
    row.refresh_from_db()
    destination.refresh_from_db()
    assert row.state == State.WAITING
    assert destination.error == "wrong@example.com: 550 5.1.1 No such user"
    assert FileMail.objects.get().words == "550 5.1.1 No such user"
    box.refuse_recipient = ""
    Destination.objects.update(addresses="right@example.com")
    destination.refresh_from_db()
    services.destination_resume(destination)
    deliver_next()
    assert [message["To"] for message in box.taken] == ["right@example.com"]
    assert [mail.address for mail in FileMail.objects.all()] == ["right@example.com"]


@pytest.mark.parametrize("kind", ["refuse_data", "refuse_sender"])
def test_a_message_that_the_server_refuses_for_good_has_failed(box, kind):
    setattr(box, kind, "552 5.3.4 Message too big")
    row = delivery_make(mail_make())
    deliver_next()
    row.refresh_from_db()
    assert (row.state, row.error) == (
        State.FAILED,
        "one@example.com: 552 5.3.4 Message too big",
    )


def test_nobody_to_send_to_is_a_fault_of_the_destination(box):
    destination = mail_make()
    row = delivery_make(destination)
    Destination.objects.update(addresses="")
    deliver_next()
    destination.refresh_from_db()
    assert destination.error == "none of its recipients has an address"
    assert row.mails.count() == 0
    with pytest.raises(DestinationFault, match="none of its recipients"):
        services.destination_test(destination, by="olga")


def test_a_mail_is_sent_to_try_it_out(box):
    destination = mail_make(addresses="one@example.com two@example.com")
    found = services.destination_test(destination, by="olga")
    assert found == "A mail was sent to one@example.com, two@example.com."
    assert box.subjects() == ["[TMS] Test of PARTNER"] * 2
    assert "olga asked for this" in box.taken[0].get_body(("plain",)).get_content()
    assert list(box.taken[0].iter_attachments()) == []
    box.refuse_recipient = "550 5.1.1 No such user"
    with pytest.raises(DestinationFault, match=r"550 5\.1\.1 No such user"):
        services.destination_test(destination, by="olga")
    destination.refresh_from_db()
    assert "No such user" in destination.test_error
