"""The roles: what the table grants, what the groups got, and what each page then allows."""

import gzip

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.urls import reverse

from devices.models import ApiKey, Quarantined, RegisterSnapshot
from tests.devices import fleet
from tests.devices.imports.files import send
from tests.people import log_in
from tms import roles

pytestmark = pytest.mark.django_db
S, B, O, A = roles.ROLES  # noqa: E741


@pytest.mark.parametrize("role", roles.ROLES)
def test_each_role_has_exactly_what_the_table_grants(role):
    group = Group.objects.get(name=role)
    held = {
        f"{app}.{codename}"
        for app, codename in group.permissions.values_list("content_type__app_label", "codename")
    }
    assert held == roles.role_permissions(role)


def test_a_migration_restores_a_shipped_role_and_leaves_others_alone():
    group, own = Group.objects.get(name=S), Group.objects.create(name="Auditors")
    extra = Group.objects.get(name=A).permissions.get(codename="add_apikey")
    group.permissions.set([extra])
    own.permissions.set([extra])
    roles.roles_update(sender=apps.get_app_config("devices"), using="default")
    names = set(group.permissions.values_list("codename", flat=True))
    assert "view_device" in names
    assert "add_apikey" not in names
    assert list(own.permissions.all()) == [extra]


def test_nobody_may_delete_a_device_or_what_is_dated_about_it():
    for role in roles.ROLES:
        granted = roles.role_permissions(role)
        for model in ("device", "installation", "membership", "channel", "batch"):
            assert f"devices.delete_{model}" not in granted


# --- the matrix over pages: address, how, and the roles that may --------------------------------

EVERYONE = {S, B, O, A}
KEEPERS = {O, A}
PAGES = [
    ("admin:index", "get", EVERYONE),
    ("admin:devices_device_changelist", "get", EVERYONE),
    ("admin:devices_device_change", "get", EVERYONE),
    ("admin:devices_device_readings", "get", EVERYONE),
    ("admin:devices_device_history", "get", EVERYONE),
    ("admin:devices_device_download", "get", {B, O, A}),
    ("admin:devices_device_edit", "get", KEEPERS),
    ("admin:devices_device_edit", "post", KEEPERS),
    ("admin:devices_device_change", "post", KEEPERS),
    ("admin:devices_device_add", "get", KEEPERS),
    ("admin:devices_device_delete", "get", set()),
    ("admin:devices_device_registers", "get", EVERYONE),
    ("admin:devices_device_story", "get", EVERYONE),
    ("admin:devices_device_story_csv", "get", EVERYONE),
    ("admin:devices_device_registers_csv", "get", EVERYONE),
    ("admin:devices_registersnapshot_changelist", "get", EVERYONE),
    ("admin:devices_registersnapshot_change", "get", EVERYONE),
    ("admin:devices_registersnapshot_download", "get", {B, O, A}),
    ("admin:devices_registersnapshot_bill", "get", EVERYONE),
    ("admin:devices_registersnapshot_bill_csv", "get", {B, O, A}),
    ("admin:devices_registersnapshot_add", "get", set()),
    ("admin:devices_registersnapshot_delete", "get", set()),
    ("admin:devices_functionalgroup_changelist", "get", EVERYONE),
    ("admin:devices_functionalgroup_change", "get", EVERYONE),
    ("admin:devices_functionalgroup_change", "post", KEEPERS),
    ("admin:devices_functionalgroup_add", "get", KEEPERS),
    ("admin:devices_functionalgroup_delete", "get", set()),  # it has devices
    ("admin:devices_deviceclass_changelist", "get", EVERYONE),
    ("admin:devices_deviceclass_change", "post", KEEPERS),
    ("admin:devices_deviceclass_add", "get", KEEPERS),
    ("admin:devices_deviceclass_delete", "get", set()),  # devices are of it
    ("admin:devices_batch_changelist", "get", EVERYONE),
    ("admin:devices_batch_change", "get", EVERYONE),
    ("admin:devices_batch_add", "get", set()),
    ("admin:devices_batch_delete", "get", set()),
    ("admin:devices_quarantined_changelist", "get", EVERYONE),
    ("admin:devices_quarantined_change", "get", EVERYONE),
    ("admin:devices_quarantined_delete", "get", set()),
    ("admin:devices_scheduleprofile_changelist", "get", EVERYONE),
    ("admin:devices_scheduleprofile_add", "get", KEEPERS),
    ("admin:devices_importjob_changelist", "get", {B, O, A}),
    ("admin:devices_importjob_change", "get", {B, O, A}),
    ("admin:devices_importjob_add", "get", {B, A}),
    ("admin:devices_importjob_apply", "post", {B, A}),
    ("admin:devices_importjob_cancel", "post", {B, A}),
    ("admin:devices_importjob_undo", "get", {A}),  # it is nobody's own
    ("admin:devices_importjob_result_csv", "get", {B, A}),
    ("admin:devices_importjob_resubmit_csv", "get", {B, A}),
    ("admin:devices_importjob_progress", "get", {B, O, A}),
    ("admin:devices_importjob_delete", "get", set()),
    ("admin:devices_apikey_changelist", "get", {A}),
    ("admin:devices_apikey_change", "get", {A}),
    ("admin:devices_apikey_add", "get", {A}),
    ("admin:devices_apikey_revoke", "get", {A}),
    ("admin:devices_apikey_revoke", "post", {A}),
    ("admin:devices_apikey_delete", "get", set()),
    ("admin:auth_user_changelist", "get", {A}),
    ("admin:auth_user_add", "get", {A}),
    ("admin:auth_group_changelist", "get", {A}),
    ("admin:axes_accessattempt_changelist", "get", {A}),
]
LISTED = ("_changelist", "_add", "_download", "_bill", "_bill_csv")


@pytest.fixture
def rows() -> dict[str, int]:
    """A row of each model that the pages are about."""
    (device,) = fleet.make_devices(1)
    fleet.store_read(device, fleet.LONG_AGO)
    batch = fleet.make_batch()
    held = Quarantined.objects.create(
        batch=batch,
        device="X1",
        code="unknown_device",
        payload=gzip.compress(b"{}"),
        received=batch.received,
    )
    key = ApiKey.objects.create(name="gateway", prefix="abc", scopes=["ingest"])
    return {
        "device": device.pk,
        "functionalgroup": device.memberships.get().group_id,
        "deviceclass": device.device_class_id,
        "batch": batch.pk,
        "registersnapshot": RegisterSnapshot.objects.get().pk,
        "quarantined": held.pk,
        "apikey": key.pk,
        "importjob": send("Action,DeviceID,Notes\r\n").pk,
    }


@pytest.mark.parametrize("role", roles.ROLES)
def test_each_role_reaches_the_pages_that_are_its_own(client, rows, role):
    log_in(client, role)
    wrong = []
    for name, method, allowed in PAGES:
        row = () if name.endswith(("index", *LISTED)) else (rows[name.split("_")[1]],)
        answer = getattr(client, method)(reverse(name, args=row))
        reached = answer.status_code in (200, 302)
        if reached != (role in allowed) or answer.status_code not in (200, 302, 403):
            wrong.append(f"{method} {name}: {answer.status_code}")
    assert wrong == []


def test_a_user_without_a_role_sees_what_to_do_about_it(client):
    client.force_login(User.objects.create_user("new", password="long enough", is_staff=True))
    page = client.get("/").content.decode()
    assert "Your user has no role" in page
    assert "/devices/" not in page


def test_nobody_but_a_superuser_makes_or_edits_one(client):
    chief = User.objects.create_superuser("chief", password="long enough")
    log_in(client, A)
    assert client.post(f"/auth/user/{chief.pk}/change/", {"username": "x"}).status_code == 403
    assert client.post(f"/auth/user/{chief.pk}/password/", {}).status_code == 403
    assert client.post(f"/auth/user/{chief.pk}/delete/", {"post": "yes"}).status_code == 403
    other = User.objects.create_user("other", password="long enough")
    page = client.get(f"/auth/user/{other.pk}/change/").content.decode()
    assert 'name="is_superuser"' not in page
    form = {
        "username": "other",
        "is_active": "on",
        "is_superuser": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    client.post(f"/auth/user/{other.pk}/change/", form)
    other.refresh_from_db()
    assert not other.is_superuser


def test_a_shipped_role_is_looked_at_only(client):
    log_in(client, A)
    group = Group.objects.get(name=S)
    assert client.get(f"/auth/group/{group.pk}/change/").status_code == 200
    assert client.post(f"/auth/group/{group.pk}/change/", {"name": "x"}).status_code == 403
    assert client.get(f"/auth/group/{group.pk}/delete/").status_code == 403
