"""The pages of imports: who may what, what any upload comes to, what can be downloaded."""

import io
import random

import openpyxl
import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from devices.models import Device, ImportJob, ImportPiece
from tests.devices.imports.files import device, lines, preview, send
from tests.devices.imports.test_reading import archive

pytestmark = pytest.mark.django_db
TEXT = lines("Action,DeviceID,Notes", "U,D1,new", "U,D9,")


def user(client, role: str) -> User:
    made = User.objects.create_user(role.split()[0].lower(), password="long enough", is_staff=True)
    made.groups.add(Group.objects.get(name=role))
    client.force_login(made)
    return made


def upload(client, body: bytes | str, kind: str = "devices", name: str = "f.csv", **form):
    data = body.encode() if isinstance(body, str) else body
    address = f"{reverse('admin:devices_importjob_add')}?kind={kind}"
    form = {"how": "good", **form, "file": SimpleUploadedFile(name, data)}
    answer = client.post(address, form, follow=True)
    assert answer.status_code == 200
    return answer


def page(job: ImportJob, word: str = "change") -> str:
    return reverse(f"admin:devices_importjob_{word}", args=[job.pk])


@pytest.fixture
def clerk(client) -> User:
    return user(client, "Billing")


def test_an_upload_is_a_preview_until_it_is_applied(client, clerk):
    device("D1", notes="old")
    answer = upload(client, TEXT)
    job = ImportJob.objects.get()
    assert (job.state, job.user, job.filename) == ("preview", clerk, "f.csv")
    text = answer.content.decode()
    assert "<del>old</del> → <ins>new</ins>" in text
    assert "DEV15 row 3: device D9 not found" in text
    assert Device.objects.get().notes == "old"
    assert not ImportPiece.objects.exists()
    answer = client.post(page(job, "apply"), follow=True)
    assert b"f.csv was applied." in answer.content
    assert Device.objects.get().notes == "new"
    assert Device.objects.get().history.first().history_user == clerk


def test_rows_are_filtered_and_paged(client, clerk):
    text = lines("Action,DeviceID", *(f"U,X{n:03}" for n in range(120)), "A,Y1")
    job = preview(text)
    answer = client.get(page(job), {"show": "refused"})
    assert len(answer.context["rows"]) == 50
    further = client.get(page(job) + answer.context["row_links"]["next"])
    assert further.context["rows"][0]["row"].key == "X050"
    assert b"No such rows." in client.get(page(job), {"show": "added"}).content


def test_the_same_file_must_be_confirmed(client, clerk):
    device("D1")
    first = send(TEXT)
    upload(client, TEXT)
    job = ImportJob.objects.latest("pk")
    assert f"same file as import {first.batch}" in job.message
    answer = client.post(page(job, "apply"), follow=True)
    assert b"Confirm what is said of the whole file first." in answer.content
    client.post(page(job, "apply"), {"confirmed": "on"})
    job.refresh_from_db()
    assert job.state == "applied"


def test_dangerous_rows_must_be_confirmed(client, clerk, settings):
    settings.TMS_IMPORT_DANGERS = [f"{__name__}.dangers"]
    device("D1", groups=("CYCLE05",))
    upload(client, lines("Action,DeviceID,BillCycle", "U,D1,CYCLE06", "D,D1,"))
    job = ImportJob.objects.get()
    assert job.counts["dangerous"] == 2
    text = client.get(page(job), {"show": "dangerous"}).content.decode()
    assert "leaves_cycle CYCLE05" in text
    assert (
        b"Confirm the dangerous rows first." in client.post(page(job, "apply"), follow=True).content
    )
    client.post(page(job, "apply"), {"dangers": "on"})
    assert Device.objects.get().state == "unprovisioned"


def dangers(facts):
    return {fact.number: f"{fact.what} {fact.group}" for fact in facts}


def test_a_clerk_undoes_their_own_and_an_administrator_insists(client, clerk):
    device("D1", notes="old")
    upload(client, TEXT)
    job = ImportJob.objects.get()
    client.post(page(job, "apply"))
    other = send(lines("Action,DeviceID,City", "U,D1,Jackson"))
    assert client.get(page(other, "undo")).status_code == 403
    assert client.post(page(job, "undo"), {"force": "1"}).status_code == 403
    assert client.get(page(job, "undo")).status_code == 200
    answer = client.post(page(job, "undo"), follow=True)
    assert b"Left alone because they changed since: 1 devices." in answer.content
    assert Device.objects.get().notes == "new"
    user(client, "Administrator")
    assert b"Undo against later changes" in client.get(page(job)).content
    client.post(page(job, "undo"), {"force": "1"})
    assert Device.objects.get().notes == "old"


def test_an_import_can_be_given_up(client, clerk):
    upload(client, TEXT)
    job = ImportJob.objects.get()
    assert b"was given up" in client.post(page(job, "cancel"), follow=True).content
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert b"It was too late" in client.post(page(job, "cancel"), follow=True).content
    assert client.get(page(job)).status_code == 200


def test_progress_is_told_as_json(client, clerk, monkeypatch):
    monkeypatch.setattr("devices.services.imports.work.AT_ONCE_BYTES", 0)
    answer = upload(client, TEXT)
    job = ImportJob.objects.get()
    assert b"data-progress" in answer.content
    assert client.get(page(job, "progress")).json() == {
        **{"state": "uploaded", "label": "Waiting to be read", "progress": 0, "working": True},
    }


@pytest.mark.parametrize("role", ["Customer support", "Operator"])
def test_who_may_not_import_is_refused_at_each_step(client, role):
    device("D1")
    job = preview(TEXT)
    user(client, role)
    looks = role == "Operator"
    add = reverse("admin:devices_importjob_add")
    assert client.get(add).status_code == 403
    assert client.post(add, {}).status_code == 403
    assert client.get(page(job)).status_code == (200 if looks else 403)
    for word in ("apply", "cancel", "undo"):
        assert client.post(page(job, word)).status_code == 403
    for word in ("result_csv", "result_xlsx", "resubmit_csv"):
        assert client.get(page(job, word)).status_code == 403
    template = reverse("admin:devices_importjob_template", args=["devices", "csv"])
    assert client.get(template).status_code == 403
    job.refresh_from_db()
    assert job.state == "preview"


# --- whatever is uploaded ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["devices", "groups"])
@pytest.mark.parametrize("name", ["f.csv", "f.xlsx", "../../etc/passwd", "ü\n.csv", "no extension"])
def test_random_bytes_are_answered(client, clerk, kind, name):
    upload(client, random.Random(7).randbytes(20_000), kind, name)
    job = ImportJob.objects.get()
    assert job.state in ("refused", "preview")
    assert body_of(client.get(page(job, "result_csv")))
    assert body_of(client.get(page(job, "result_xlsx")))


def test_malformed_files_are_refused_in_words(client, clerk, settings):
    settings.TMS_IMPORT_MAX_BYTES = 1 << 20
    bomb = archive(xl__worksheets__sheet1=b" " * (64 << 20))
    for body, name, said in (
        (b"", "f.csv", "DEV01 file is empty"),
        (bomb, "f.xlsx", "DEV29 file larger than"),
        (b"x" * (2 << 20), "f.csv", "DEV29 file larger than 1048576 bytes or rows"),
        (b"PK\3\4\0\0", "f.csv", "DEV04"),
        (",".join(map(str, range(10_000))).encode(), "f.csv", "DEV02"),
        (b'Action,DeviceID\r\nU,"', "f.csv", "DEV31"),
    ):
        assert said in upload(client, body, name=name).content.decode()
        assert ImportJob.objects.latest("pk").state == "refused"
    assert not ImportPiece.objects.exists()


def test_a_wrong_option_is_told_at_its_field(client, clerk):
    answer = upload(client, TEXT, pad="Notes:3")
    assert b"Notes is no column of identifiers" in answer.content
    assert not ImportJob.objects.exists()


def test_cells_are_shown_as_text_never_as_markup(client, clerk):
    answer = upload(client, lines("Action,DeviceID,Notes", "U,D9,<script>alert(1)</script>"))
    assert b"<script>alert" not in answer.content
    assert b"&lt;script&gt;" in answer.content


# --- downloads -----------------------------------------------------------------------------------


def body_of(answer) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


@pytest.mark.parametrize("kind", ["devices", "groups"])
def test_a_template_is_a_header_and_as_a_workbook_explains_itself(client, clerk, kind):
    address = reverse("admin:devices_importjob_template", args=[kind, "csv"])
    text = body_of(client.get(address)).decode("utf-8-sig")
    assert text.startswith("Action,DeviceID,MeterNumber,")
    assert text.count("\n") == 1
    address = reverse("admin:devices_importjob_template", args=[kind, "xlsx"])
    book = openpyxl.load_workbook(io.BytesIO(body_of(client.get(address))))
    assert book.sheetnames == [kind, "columns"]
    assert book["columns"]["A2"].value == "Action"
    assert client.get(address.replace("xlsx", "pdf")).status_code == 404


def test_what_there_is_comes_in_the_same_columns_and_changes_nothing(client, clerk):
    device("D1", "00012", ("CYCLE05",), notes="x", city="Zürich", pin="secret")
    device("D2", "M2", state="unprovisioned")
    for extension in ("csv", "xlsx"):
        address = reverse("admin:devices_importjob_present", args=["devices", extension])
        body = body_of(client.get(address))
        assert b"secret" not in body
        upload(client, body, name=f"present.{extension}")
        job = ImportJob.objects.latest("pk")
        assert {k: v for k, v in job.counts.items() if v} == {"unchanged": 1, "WARN": 1, "rows": 1}
    address = reverse("admin:devices_importjob_present", args=["groups", "csv"])
    upload(client, body_of(client.get(address)), "groups")
    assert ImportJob.objects.latest("pk").counts["unchanged"] == 1


def test_the_resources_of_django_import_export_drive_the_same_engine():
    import tablib

    from devices.resources import DeviceResource

    device("D1", notes="old")
    data = tablib.Dataset(
        ("U", "D1", "new"), ("U", "D9", ""), headers=("Action", "DeviceID", "Notes")
    )
    dry = DeviceResource().import_data(data, dry_run=True)
    assert dry.totals["update"] == 1
    assert Device.objects.get().notes == "old"
    result = DeviceResource().import_data(data)
    assert (result.totals["update"], result.totals["invalid"]) == (1, 1)
    assert Device.objects.get().notes == "new"
    exported = DeviceResource().export()
    assert exported["DeviceID"] == ["D1"]
