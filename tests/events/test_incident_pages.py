"""The pages of incidents, and of codes that nobody has described."""

import pytest
from django.urls import reverse

from devices.readings import Event as Report
from events.models import (
    Event,
    EventAlias,
    EventType,
    Incident,
)
from events.services.alarms import alarms_detect
from events.services.incidents import incidents_follow
from tests.devices.factories import device_make
from tests.events.arriving import TIME, arrive, device_placed, gasps, restore
from tests.events.pages import page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]


@pytest.fixture
def dark():
    devices = [device_placed(f"D{n}", "NORTH", feeder_id=f"F{n % 2}") for n in range(3)]
    gasps(devices)
    arrive((devices[0], restore(90)))
    while incidents_follow():
        pass
    return devices


def test_incidents_are_listed_filtered_and_searched(admin_client, dark):
    assert page(admin_client, "incident_changelist").count('class="field-type') == 3
    assert page(admin_client, "incident_changelist", state="open").count('class="field-type') == 2
    assert page(admin_client, "incident_changelist", state="over").count('class="field-type') == 1
    assert page(admin_client, "incident_changelist", q="D1").count('class="field-type') == 1
    assert page(admin_client, "incident_changelist", q="F0").count('class="field-type') == 2
    assert "Nothing found" in page(admin_client, "incident_changelist", q="nobody")


def test_an_incident_shows_its_events(admin_client, dark):
    shown = page(admin_client, "incident_change", Incident.objects.get(duration=90).pk)
    assert "1 min 30 s" in shown
    assert "PWR_RESTORE" in shown


def test_an_incident_is_closed_by_hand(admin_client, dark):
    row = Incident.objects.filter(ended=None).first()
    form = {"action": "close", "_selected_action": [row.pk]}
    answer = admin_client.post(reverse("admin:events_incident_changelist"), form, follow=True)
    assert "1 incident is closed." in answer.content.decode()
    assert "Closed by admin" in page(admin_client, "incident_change", row.pk)


def test_who_is_out_is_a_page_and_a_card(admin_client, dark):
    shown = page(admin_client, "incident_now", hours="168")
    assert "2 out now" in shown
    assert ">F1</a>" in shown
    assert "NORTH" in shown
    assert page(admin_client, "incident_now", hours="nonsense")
    dashboard = admin_client.get("/").content.decode()
    assert "<strong>2</strong> meters without power" in dashboard
    device = admin_client.get(f"/devices/device/{dark[0].pk}/change/").content.decode()
    assert "Incidents" in device


# --- unknown codes ------------------------------------------------------------------------------


def test_an_unknown_code_is_offered_for_mapping_and_mapped(admin_client):
    device = device_make()
    arrive((device, Report("999", TIME, origin="M")))
    alarms_detect()
    dashboard = admin_client.get("/").content.decode()
    assert "1 event code is not described; 1 events came under them" in dashboard
    shown = page(admin_client, "eventtype_changelist", unmapped="yes")
    assert "came once" in shown
    assert "/events/eventalias/add/?code=MFG_00999" in shown
    assert 'value="MFG_00999"' in page(admin_client, "eventalias_add", code="MFG_00999")
    form = {"code": "MFG_00999", "type": EventType.objects.get(mnemonic="TAMPER").pk}
    assert admin_client.post(reverse("admin:events_eventalias_add"), form).status_code == 302
    assert "not described" not in admin_client.get("/").content.decode()
    form = {
        "action": "apply_to_stored",
        "_selected_action": [EventAlias.objects.get(code="MFG_00999").pk],
    }
    answer = admin_client.post(reverse("admin:events_eventalias_changelist"), form, follow=True)
    assert "MFG_00999: 1 events are TAMPER now." in answer.content.decode()
    assert Event.objects.get().type.mnemonic == "TAMPER"


def test_an_alias_is_one_for_each_head_end_and_class(admin_client):
    form = {"code": "MFG_00001", "type": EventType.objects.get(mnemonic="TAMPER").pk}
    address = reverse("admin:events_eventalias_add")
    assert admin_client.post(address, form).status_code == 302
    answer = admin_client.post(address, form)
    assert "This code has an alias for that head-end and class." in answer.content.decode()
