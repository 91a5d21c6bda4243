"""The pages of destinations and deliveries: forms by kind, secrets that never come out, buttons."""

import csv
import io
import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core import serializers
from django.urls import reverse
from django.utils import timezone

from exports.delivery import fingerprint
from exports.models import Delivery, Destination
from exports.services import destinations
from exports.services.deliveries import deliver_next
from tests.exports.factories import (
    definition_make,
    delivery_make,
    destination_make,
    directory_make,
    meters_make,
    readings_post,
    run_now,
    sftp_make,
)
from tests.people import log_in
from tests.sshd import keygen
from tms import roles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
SECRET = "hunter2 and more"
SFTP = {
    **{"name": "BANK", "active": "on", "host": "sftp.example.com", "port": "22", "folder": "in"},
    **{"timeout": "30", "username": "tms", "auth": "password", "new_password": SECRET},
}
EMAIL = {
    **{"name": "PARTNER", "active": "on", "addresses": "a@example.com", "subject": "{name}"},
    **{"body": "{sha256}", "limit_mib": "5"},
}


@pytest.fixture
def operator(client):
    log_in(client, roles.OPERATOR)
    return client


def url(name: str, *args) -> str:
    return reverse(f"admin:exports_{name}", args=args)


def page(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def add(client, kind: str, form: dict, **changes):
    return client.post(f"{url('destination_add')}?kind={kind}", form | changes)


# --- forms ----------------------------------------------------------------------------------------


def test_first_the_kind_then_its_fields_only(operator):
    text = page(operator.get(url("destination_add")))
    assert all(f"?kind={kind}" in text for kind in Destination.Kind.values)
    wanted = {"directory": "path", "sftp": "host", "email": "addresses"}
    for kind, own in wanted.items():
        text = page(operator.get(f"{url('destination_add')}?kind={kind}"))
        for name in wanted.values():
            assert (f'name="{name}"' in text) == (name == own)
        assert "<script>" not in text


def test_a_destination_must_lie_where_it_is_permitted(operator, settings, tmp_path):
    settings.TMS_DELIVERY_ROOTS = [str(tmp_path)]
    form = {"name": "CIS", "active": "on", "receiver": "CIS1"}
    assert f"must lie below {tmp_path}" in page(add(operator, "directory", form, path="/etc"))
    assert add(operator, "directory", form, path=f"{tmp_path}/x").status_code == 302
    row = Destination.objects.get()
    assert operator.post(url("destination_delete", row.pk), {"post": "yes"}).status_code == 302


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": ""}, "This field is required"),
        ({"host": "sftp://x"}, "Write a name as sftp.example.com"),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"new_password": ""}, "Write the password"),
        ({"auth": "key"}, "Paste the private key"),
        ({"auth": "key", "new_key": "nonsense"}, "This is no private key of kind"),
        ({"ok_file": "on", "trigger_name": "../x"}, "use A-Z a-z 0-9"),
        ({"folder": "a\nb"}, "Write a path as /in"),
    ],
)
def test_a_mistake_is_shown_beside_its_field(operator, fields, said):
    text = page(add(operator, "sftp", SFTP, **fields))
    assert "The destination is not saved" in text
    assert said in text
    assert SECRET not in text
    assert not Destination.objects.exists()


def test_a_passphrase_that_does_not_open_the_key_is_told_beside_it(operator, tmp_path):
    key = keygen(tmp_path / "k", passphrase="right").read_text()
    wrong = {"auth": "key", "new_key": key, "new_passphrase": "wrong"}
    text = page(add(operator, "sftp", SFTP, **wrong))
    assert "or the passphrase does not open it" in text
    right = {**wrong, "new_passphrase": "right", "new_key": key.replace("\n", "\r\n")}
    assert add(operator, "sftp", SFTP, **right).status_code == 302
    row = Destination.objects.get()
    assert destinations.server_of(row).private_key == key
    assert row.password == ""
    edit = url("destination_edit", row.pk)
    form = SFTP | {"auth": "key", "new_password": ""}
    assert operator.post(edit, form).status_code == 302  # empty: the key stays
    row.refresh_from_db()
    assert destinations.server_of(row).passphrase == "right"
    text = page(operator.post(edit, form | {"new_passphrase": "new"}))
    assert "Paste the key again" in text


def test_secrets_go_in_and_never_come_out(operator, client, caplog):
    assert add(operator, "sftp", SFTP).status_code == 302
    row = Destination.objects.get()
    assert destinations.server_of(row).password == SECRET
    texts = [
        page(operator.get(url("destination_change", row.pk))),
        page(operator.get(url("destination_edit", row.pk))),
        page(operator.get(url("destination_changelist"))),
        page(operator.get(url("destination_history", row.pk))),
        json.dumps(list(LogEntry.objects.values_list("change_message", "object_repr"))),
        serializers.serialize("json", [row]),
        repr(destinations.server_of(row)),
        caplog.text,
    ]
    assert not [text for text in texts if SECRET in text]
    assert "One is stored and is not shown" in texts[1]
    assert row.password not in texts[0] + texts[1] + texts[2]


def test_another_host_is_another_key_to_accept(operator):
    row = destination_make(
        kind="sftp",
        host="a.example.com",
        username="tms",
        host_key="ssh-ed25519 AAAA",
    )
    form = SFTP | {"name": row.name}
    assert operator.post(url("destination_edit", row.pk), form).status_code == 302
    row.refresh_from_db()
    assert (row.host, row.host_key) == ("sftp.example.com", "")


def test_mail_needs_somebody_and_words_that_can_be_filled_in(operator):
    assert "Write an address, or tick a role" in page(add(operator, "email", EMAIL, addresses=""))
    assert "is not a mail address" in page(add(operator, "email", EMAIL, addresses="nobody"))
    assert "There is no {x}" in page(add(operator, "email", EMAIL, body="{x}"))
    group = Group.objects.get(name="Billing")
    done = add(operator, "email", EMAIL, addresses="", user_groups=[group.pk], subject="")
    assert done.status_code == 302
    row = Destination.objects.get()
    assert row.subject == "{export}: {name}"
    assert "nobody: none has an address" in page(operator.get(url("destination_change", row.pk)))


# --- buttons --------------------------------------------------------------------------------------


def test_a_partners_key_is_shown_accepted_and_tested(operator, sshd):
    row = sftp_make(sshd, host_key="")
    shown = fingerprint(sshd.host_key)
    text = page(operator.post(url("destination_test", row.pk), follow=True))
    assert "Is this the partner&#x27;s server?" in text or "Is this the partner's server?" in text
    assert shown in text
    accept = url("destination_accept", row.pk)
    text = page(operator.post(accept, {"fingerprint": "SHA256:x"}, follow=True))
    assert "has shown another key since" in text
    text = page(operator.post(accept, {"fingerprint": shown}, follow=True))
    assert "is accepted" in text
    assert "The test succeeded" in text
    assert LogEntry.objects.filter(change_message__contains=shown).exists()
    keygen(sshd.folder / "host_key")
    sshd.restart()
    text = page(operator.post(url("destination_test", row.pk), follow=True))
    assert "The server shows another host key" in text
    assert fingerprint(sshd.host_key) in text
    sshd.stop()
    text = page(operator.post(url("destination_test", row.pk), follow=True))
    assert "The test failed: 127.0.0.1" in text


def test_a_paused_one_says_so_on_its_page_in_the_list_and_on_the_dashboard(
    operator, settings, tmp_path
):
    destination = directory_make(settings, tmp_path)
    row = delivery_make(destination)
    (tmp_path / "in").write_text("no directory")
    for _ in range(destinations.FAILURES):
        now = timezone.now()
        Destination.objects.update(next_try=now)
        Delivery.objects.update(due=now)
        deliver_next()
    text = page(operator.get(url("destination_change", destination.pk)))
    assert "Paused since" in text
    assert "File exists" in text
    assert "once an hour" in text
    assert "Paused" in page(operator.get(f"{url('destination_changelist')}?state=paused"))
    assert "CIS" not in page(operator.get(f"{url('destination_changelist')}?state=ready&q=x"))
    dashboard = page(operator.get(reverse("admin:index")))
    assert "CIS is paused" in dashboard
    text = page(operator.post(url("delivery_again", row.pk), follow=True))
    assert "when that is resumed" in text
    text = page(operator.get(url("delivery_change", row.pk)))
    assert "Next try" in text
    (tmp_path / "in").unlink()
    text = page(operator.post(url("destination_resume", destination.pk), follow=True))
    assert "Resumed. What waits goes out now." in text
    assert deliver_next()
    assert "is paused" not in page(operator.get(reverse("admin:index")))
    text = page(operator.post(url("destination_resume", destination.pk), follow=True))
    assert "Nothing held it up" in text


# --- lists as files -------------------------------------------------------------------------------


def rows_of(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_deliveries_are_found_filtered_and_downloaded(operator, settings, tmp_path):
    rows = [
        delivery_make(directory_make(settings, tmp_path)),
    ]
    rows.append(delivery_make(rows[0].destination))
    deliver_next()
    address = url("delivery_download")
    found = rows_of(operator.get(address))
    assert [row["file"] for row in found] == [rows[1].file.name, rows[0].file.name]
    assert {row["state"] for row in found} == {"waiting", "delivered"}
    assert found[0]["sha256"] == rows[1].file.sha256
    [only] = rows_of(operator.get(address, {"state__exact": "waiting"}))
    assert only["file"] == rows[1].file.name
    [only] = rows_of(operator.get(address, {"q": rows[0].file.name[:-4]}))
    assert only["batch"] == rows[0].file.run.batch_id
    [only] = rows_of(operator.get(address, {"q": rows[0].file.run.batch_id}))
    assert only["file"] == rows[0].file.name
    text = page(operator.get(url("delivery_changelist"), {"q": "nothing"}))
    assert "Nothing found" in text
    assert "download.csv" in page(operator.get(url("delivery_changelist")))


def test_runs_are_downloaded_and_no_cell_is_a_formula(operator):
    readings_post(meters_make(2))
    run = run_now(definition_make("=HYPERLINK"))
    [row] = rows_of(operator.get(url("exportrun_download")))
    assert row["export"] == "'=HYPERLINK"
    assert (row["batch"], row["state"], row["meters"]) == (run.batch_id, "done", "2")
    assert row["start_utc"] == "2026-03-14T00:00:00Z"
    assert rows_of(operator.get(url("exportrun_download"), {"state__exact": "failed"})) == []


def test_a_list_is_streamed_in_few_queries(
    operator, django_assert_max_num_queries, settings, tmp_path
):
    destination = directory_make(settings, tmp_path)
    row = delivery_make(destination)
    Delivery.objects.bulk_create(
        Delivery(file=row.file, destination=destination, due=row.due) for _ in range(50)
    )
    with django_assert_max_num_queries(8):
        assert len(rows_of(operator.get(url("delivery_download")))) == 51
