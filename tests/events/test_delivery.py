"""P5: an alarm reaches the mail server at least once or shows as failed; repeats bear its id."""

from datetime import timedelta

import pytest
from django.utils import timezone

from events import tasks
from events.models import Alarm, AlarmRule, Mail, Notification
from events.services import delivery
from events.services.alarms import alarms_detect
from events.services.delivery import BACKOFF, LEASE, mails_resend, mails_send, mails_send_now
from events.services.notices import notifications_make, trial_make
from tests.devices.factories import device_make
from tests.events.arriving import gasps, killed_at
from tests.smtp import Postbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def box(postbox) -> Postbox:
    return postbox


@pytest.fixture
def rule() -> AlarmRule:
    return AlarmRule.objects.create(
        name="outages", categories=["OUTG"], addresses="a@example.com", hourly_limit=None
    )


@pytest.fixture
def mail(rule) -> Mail:
    """A mail about one last gasp, queued."""
    gasps([device_make("D1")])
    alarms_detect()
    notifications_make()
    return Mail.objects.get()


def again(mail: Mail) -> Mail:
    """As it stands now, its next attempt being due."""
    Mail.objects.filter(pk=mail.pk).update(next_try=timezone.now(), leased_until=None)
    return Mail.objects.get(pk=mail.pk)


def test_a_mail_is_sent_once_and_says_so(mail, box):
    assert not mails_send()
    assert not mails_send()
    assert box.ids() == [mail.message_id]
    sent = Mail.objects.get()
    assert (sent.state, sent.attempts, sent.words) == ("sent", 1, "accepted")
    assert sent.sent is not None
    assert sent.leased_until is None
    assert [entry["outcome"] for entry in sent.log] == ["sent"]


def test_its_source_has_text_html_link_and_a_stable_id(mail, box):
    mails_send()
    [message] = box.taken
    assert message["Subject"] == "[TMS] PWR_OUTAGE D1"
    assert message["To"] == "a@example.com"
    assert message["From"] == "tms@localhost"
    assert message["Message-ID"] == f"<{mail.notification.uid.hex}.0@localhost>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    link = f"http://127.0.0.1:8000/devices/device/{Alarm.objects.get().device_id}/change/"
    assert link in text
    assert f'<a href="{link}">' in html
    assert "Last gasp: primary power lost" in text


@pytest.mark.parametrize(
    ("where", "answer", "state"),
    [
        ("refuse_recipient", "550 5.1.1 No such user here", "failed"),
        ("refuse_recipient", "450 4.2.1 Mailbox busy", "queued"),
        ("refuse_sender", "553 5.1.8 Sender not allowed", "failed"),
        ("refuse_sender", "451 4.3.0 Try later", "queued"),
        ("refuse_data", "554 5.7.1 Looks like spam", "failed"),
        ("refuse_data", "452 4.3.1 Out of space", "queued"),
    ],
)
def test_what_the_server_says_is_kept_and_heeded(mail, box, where, answer, state):
    setattr(box, where, answer)
    mails_send()
    kept = Mail.objects.get()
    assert (kept.state, kept.words, kept.attempts) == (state, answer, 1)
    if state == "queued":
        assert timezone.now() < kept.next_try <= timezone.now() + timedelta(minutes=BACKOFF[0])
        setattr(box, where, "")
        again(mail)
        mails_send()
        assert Mail.objects.get().state == "sent"
        assert [entry["words"] for entry in Mail.objects.get().log] == [answer, "accepted"]


def test_a_greylisting_server_is_satisfied(mail, box):
    box.greylist = True
    mails_send()
    assert Mail.objects.get().words == "451 4.7.1 Greylisted, come back later"
    again(mail)
    mails_send()
    assert box.ids() == [mail.message_id]


def test_dropped_after_data_it_comes_again_with_its_id(mail, box):
    box.drop_after_data = 1
    mails_send()
    kept = Mail.objects.get()
    assert kept.state == "queued"
    assert "SMTPServerDisconnected" in kept.words or "reset" in kept.words
    again(mail)
    mails_send()
    assert box.ids() == [mail.message_id] * 2
    assert Mail.objects.get().state == "sent"


def test_a_server_that_stalls_is_given_up(mail, box):
    box.stall = True
    mails_send()
    kept = Mail.objects.get()
    assert kept.state == "queued"
    assert "timed out" in kept.words


def test_without_a_server_it_waits(mail, box, settings):
    settings.EMAIL_PORT = 1
    mails_send()
    kept = Mail.objects.get()
    assert (kept.state, kept.words.split(":")[0]) == ("queued", "ConnectionRefusedError")


def test_a_server_that_is_down_for_a_day_makes_it_fail(mail, box, settings):
    settings.EMAIL_PORT = 1
    for _ in range(len(BACKOFF)):
        again(mail)
        mails_send()
        assert Mail.objects.get().state == "queued"
    again(mail)
    mails_send()
    failed = Mail.objects.get()
    assert (failed.state, failed.attempts) == ("failed", len(BACKOFF) + 1)


def test_one_refusal_does_not_hold_up_the_next_mail(rule, mail, box):
    box.refuse_data = "554 5.7.1 Looks like spam"
    mails_send()
    box.refuse_data = ""
    gasps([device_make("D2")])
    alarms_detect()
    notifications_make()
    mails_send()
    assert box.subjects() == ["[TMS] PWR_OUTAGE D2"]


def test_a_message_that_cannot_be_built_fails_in_sight(mail, box):
    Notification.objects.update(subject="two\nlines")
    mails_send()
    failed = Mail.objects.get()
    assert failed.state == "failed"
    assert failed.words.startswith("BadHeaderError")


def test_an_operator_sends_a_failed_one_again(mail, box):
    box.refuse_recipient = "550 5.1.1 No such user here"
    mails_send()
    box.refuse_recipient = ""
    assert mails_resend([mail]) == 1
    mails_send()
    assert box.ids() == [mail.message_id]


@pytest.mark.parametrize("step", range(1, 7))
def test_the_worker_killed_at_any_step_it_is_sent(mail, box, step):
    killed = killed_at(step, mails_send)
    assert killed == (step <= 5)  # claim, claimed, send, sent, settled
    mails_send()
    if killed and not box.ids():
        assert Mail.objects.get().state == "queued"  # leased by who is dead
    Mail.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    mails_send()
    assert Mail.objects.get().state == "sent"
    assert set(box.ids()) == {mail.message_id}
    assert len(box.ids()) == (2 if step == 4 else 1)


def test_a_lease_keeps_others_off(mail, box):
    Mail.objects.update(leased_until=timezone.now() + LEASE)
    mails_send()
    assert box.ids() == []
    assert mails_send_now([mail.pk])[0].state == "queued"


@pytest.mark.parametrize("step", range(1, 5))
def test_the_worker_killed_while_it_detects_and_decides_one_mail_comes(rule, box, step):
    gasps([device_make("D1")])

    def work() -> None:
        alarms_detect()
        notifications_make()

    assert killed_at(step, work)  # detect, detected, notify, notified
    work()
    mails_send()
    assert box.subjects() == ["[TMS] PWR_OUTAGE D1"]
    assert Alarm.objects.count() == Notification.objects.count() == 1


def test_many_go_over_one_connection_and_in_their_turn(rule, box, monkeypatch):
    opened = []
    connect = delivery.get_connection
    monkeypatch.setattr(delivery, "get_connection", lambda **k: opened.append(1) or connect(**k))
    gasps([device_make(f"D{n}") for n in range(7)])
    alarms_detect()
    notifications_make()
    mails_send()
    assert box.subjects() == [f"[TMS] PWR_OUTAGE D{n}" for n in range(7)]
    assert len(opened) == 1


def test_a_turn_ends_after_its_time(rule, box, monkeypatch):
    monkeypatch.setattr(delivery, "CLAIM", 2)
    gasps([device_make(f"D{n}") for n in range(3)])
    alarms_detect()
    notifications_make()
    assert mails_send(seconds=0)
    assert len(box.ids()) == 2
    assert Mail.objects.filter(state="queued", leased_by=None).count() == 1


def test_the_test_message_is_sent_for_real(rule, box):
    made = trial_make(rule, by="olga")
    [mail] = mails_send_now([m.pk for m in made.mails.all()])
    assert mail.state == "sent"
    assert box.subjects() == ["[TMS] Test of outages"]
    assert "olga asked for it" in box.taken[0].get_body(("plain",)).get_content()


def test_the_worker_sends_beside_its_other_work(rule, mail, box, settings):
    """A server that stalls holds up the thread that sends, and nothing else."""
    settings.BROKER_URL = ""  # the embedded default
    box.stall = True
    assert not tasks.mails()
    sender = tasks._sender._thread
    assert not tasks.mails()
    assert tasks._sender._thread is sender  # still at it
    tasks._sender.join()
    assert "timed out" in Mail.objects.get().words
    box.stall = False
    again(mail)
    tasks.mails()
    tasks._sender.join()
    assert box.ids() == [mail.message_id]
