"""Groups, classes, batches, quarantine, keys, the dashboard and the door."""

import gzip
import json
import re
import types

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import selectors
from devices.admin import batches
from devices.models import ApiKey, DeviceClass, FunctionalGroup, Heartbeat, Quarantined
from devices.services import keys
from tests.devices import fleet
from tests.devices.plans import scans
from tests.people import log_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    log_in(client, "Operator")
    return client


@pytest.fixture
def administrator(client):
    log_in(client, "Administrator")
    return client


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


# --- groups and classes --------------------------------------------------------------------------


def test_a_group_shows_its_present_members_page_by_page(operator):
    fleet.make_devices(70)
    group = fleet.make_group()
    page = text_of(operator.get(f"/devices/functionalgroup/{group.pk}/change/"))
    assert '<span class="count">70</span>' in page
    assert "SSI0000049" in page
    assert "SSI0000050" not in page
    after = re.search(r'href="(\?after=\d+)"', page)[1]
    assert "SSI0000050" in text_of(
        operator.get(f"/devices/functionalgroup/{group.pk}/change/{after}")
    )


def test_a_large_group_is_not_counted_to_its_end(operator, monkeypatch):
    fleet.make_devices(30)
    monkeypatch.setattr(selectors.capped_count, "__defaults__", (20,))
    group = fleet.make_group()
    page = text_of(operator.get(f"/devices/functionalgroup/{group.pk}/change/"))
    assert '<span class="count">20+</span>' in page


def test_an_empty_group_says_how_to_fill_it(operator):
    group = FunctionalGroup.objects.create(code="LONELY")
    page = text_of(operator.get(f"/devices/functionalgroup/{group.pk}/change/"))
    assert "No device is in this group now" in page


def test_a_group_in_use_keeps_its_code_and_kind(operator):
    fleet.make_devices(1)
    group = fleet.make_group()
    form = {"code": "OTHER", "kind": "GENERAL", "name": "First cycle", "description": ""}
    assert operator.post(f"/devices/functionalgroup/{group.pk}/change/", form).status_code == 302
    group.refresh_from_db()
    assert (group.code, group.kind, group.name) == ("CYCLE01", "BILL_CYCLE", "First cycle")


def test_a_group_that_never_had_a_device_can_be_deleted(operator):
    group = FunctionalGroup.objects.create(code="LONELY")
    address = f"/devices/functionalgroup/{group.pk}/delete/"
    assert operator.post(address, {"post": "yes"}).status_code == 302
    assert not FunctionalGroup.objects.filter(code="LONELY").exists()


def test_a_class_in_use_keeps_its_code_and_stays(operator):
    (device,) = fleet.make_devices(1)
    address = f"/devices/deviceclass/{device.device_class_id}"
    assert 'name="code"' not in text_of(operator.get(f"{address}/change/"))
    assert operator.get(f"{address}/delete/").status_code == 403
    spare = DeviceClass.objects.create(code="SPARE")
    assert operator.get(f"/devices/deviceclass/{spare.pk}/delete/").status_code == 200


# --- batches -------------------------------------------------------------------------------------

REFUSED = [{"path": "meters[3].device", "code": "unknown_device", "message": "There is no <X>."}]


def test_a_batch_shows_what_was_refused_of_it(operator):
    batch = fleet.make_batch(number=7, refused=1, answer=json.dumps({"refused": REFUSED}))
    page = text_of(operator.get(f"/devices/batch/{batch.pk}/change/"))
    assert "Batch 7" in page
    assert "meters[3].device" in page
    assert "There is no &lt;X&gt;." in page


def test_a_whole_batch_says_so(operator):
    batch = fleet.make_batch(number=7)
    assert "the whole batch was stored" in text_of(
        operator.get(f"/devices/batch/{batch.pk}/change/")
    )


@pytest.mark.parametrize("answer", ["", "not json", "[]", '{"refused": 3}', '{"refused": [1]}'])
def test_an_answer_without_refusals_has_none(answer):
    assert batches.refusals_of(answer) == []


def test_a_batch_is_found_by_its_number(operator):
    fleet.make_batch(number=7)
    fleet.make_batch(number=77)
    for text in ("7", "batch 7"):
        rows = operator.get("/devices/batch/", {"q": text}).context["cl"].result_list
        assert [batch.number for batch in rows] == [7]
    assert "Nothing found" in text_of(operator.get("/devices/batch/", {"q": "x" * 40}))


@pytest.mark.parametrize("query", ["", "?after=40", "?before=3", "?q=7"])
def test_the_list_of_batches_is_flat(operator, query):
    operator.get("/devices/batch/")
    for _ in range(5):
        fleet.make_batch()
    with CaptureQueriesContext(connection) as few:
        operator.get("/devices/batch/" + query)
    for _ in range(60):
        fleet.make_batch()
    with CaptureQueriesContext(connection) as many:
        operator.get("/devices/batch/" + query)
    assert len(many) == len(few)
    assert scans(many.captured_queries) == []
    assert '"devices_batch"."body",' not in str(many.captured_queries)


# --- quarantine ----------------------------------------------------------------------------------


@pytest.fixture
def held() -> Quarantined:
    return Quarantined.objects.create(
        batch=fleet.make_batch(),
        device="SSI9999990",
        code="unknown_device",
        message="There is no device SSI9999990.",
        payload=gzip.compress(b'{"device":"SSI9999990","text":"<script>"}'),
        received=timezone.now(),
    )


@pytest.fixture
def service(monkeypatch) -> list:
    """The quarantine's services, noting what they are asked."""
    asked = []

    def release(ids, user):
        asked.append(("release", list(ids), user.username))
        rows = list(Quarantined.objects.filter(pk__in=ids).order_by("pk"))
        return types.SimpleNamespace(released=rows[:1], held=rows[1:])

    def discard(ids, user):
        asked.append(("discard", list(ids), user.username))
        return list(ids)

    stand_in = types.ModuleType("devices.services.quarantine")
    stand_in.quarantine_release, stand_in.quarantine_discard = release, discard
    monkeypatch.setitem(__import__("sys").modules, "devices.services.quarantine", stand_in)
    return asked


def test_what_was_sent_is_shown_readably_and_safely(operator, held):
    page = text_of(operator.get(f"/devices/quarantined/{held.pk}/change/"))
    assert "&quot;device&quot;: &quot;SSI9999990&quot;" in page
    assert "<script>" not in page.split('<pre class="payload"')[1]
    assert 'value="release"' in page


def test_a_large_payload_is_cut(operator, held):
    held.payload = gzip.compress(b"x" * 30_000)
    held.save()
    page = text_of(operator.get(f"/devices/quarantined/{held.pk}/change/"))
    assert "10,000 more characters not shown" in page


def choose(client, action: str, *rows: Quarantined, **more: str):
    form = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post("/devices/quarantined/", form, follow=True)


def test_an_operator_releases(operator, held, service):
    page = text_of(choose(operator, "release", held))
    assert service == [("release", [held.pk], "operator")]
    assert "1 meter was released." in page


def test_what_is_refused_again_says_why(operator, held, service):
    other = Quarantined.objects.get(pk=held.pk)
    other.pk = None
    other.message = "Still unknown."
    other.save()
    assert "SSI9999990 is still held: Still unknown." in text_of(
        choose(operator, "release", held, other)
    )


def test_discarding_asks_first(operator, held, service):
    page = text_of(choose(operator, "discard", held))
    assert "This cannot be undone" in page
    assert service == []
    page = text_of(choose(operator, "discard", held, confirmed="yes"))
    assert service == [("discard", [held.pk], "operator")]
    assert "1 meter was discarded." in page


def test_what_is_decided_is_not_decided_again(operator, held, service):
    Quarantined.objects.update(state="discarded")
    assert "Nothing was held" in text_of(choose(operator, "release", held))
    assert service == [("release", [], "operator")]
    page = text_of(operator.get(f"/devices/quarantined/{held.pk}/change/"))
    assert 'value="release"' not in page


@pytest.mark.parametrize("role", ["Customer support", "Billing"])
def test_others_only_look_at_the_quarantine(client, held, service, role):
    log_in(client, role)
    assert 'value="release"' not in text_of(client.get(f"/devices/quarantined/{held.pk}/change/"))
    choose(client, "release", held)
    choose(client, "discard", held, confirmed="yes")
    assert service == []


# --- keys ----------------------------------------------------------------------------------------

FORM = {"name": "gateway 7", "scopes": ["ingest", "read"]}


def test_a_key_is_shown_once(administrator):
    answer = administrator.post("/devices/apikey/add/", FORM)
    page = text_of(answer)
    secret = re.search(r'<code id="secret">([^<]+)</code>', page)[1]
    key = keys.api_key_find(secret)
    assert (key.name, key.scopes) == ("gateway 7", ["ingest", "read"])
    assert "no-store" in answer.headers["Cache-Control"]
    for address in ("/devices/apikey/", f"/devices/apikey/{key.pk}/change/"):
        assert secret not in text_of(administrator.get(address))
    assert secret not in str(dict(administrator.session))


def test_a_key_may_be_limited_to_groups(administrator):
    group = fleet.make_group()
    administrator.post("/devices/apikey/add/", {**FORM, "groups": [group.pk]})
    assert list(ApiKey.objects.get().groups.all()) == [group]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["fly"]}, "fly is not one of the available choices"),
        ({"name": "taken"}, "There is already a key named “taken”"),
    ],
)
def test_a_key_that_cannot_be_made_says_why(administrator, changed, said):
    keys.api_key_create("taken", ["read"])
    page = text_of(administrator.post("/devices/apikey/add/", {**FORM, **changed}))
    assert said in page
    assert ApiKey.objects.count() == 1


def test_revoking_asks_first(administrator):
    key, secret = keys.api_key_create("gateway 7", ["ingest"])
    address = f"/devices/apikey/{key.pk}/revoke/"
    assert "refused at once" in text_of(administrator.get(address))
    assert keys.api_key_find(secret)
    page = text_of(administrator.post(address, follow=True))
    assert "is revoked" in page
    assert keys.api_key_find(secret) is None


# --- the dashboard -------------------------------------------------------------------------------


def test_the_dashboard_of_an_empty_house_says_what_to_do(operator):
    page = text_of(operator.get("/"))
    assert "No batch yet" in page
    assert "Worker and Scheduler: not seen lately" in page


def test_the_dashboard_shows_what_arrived(operator):
    fleet.make_batch(number=1, intervals=96_000)
    Heartbeat.objects.create(name="worker", at=timezone.now())
    Heartbeat.objects.create(name="scheduler", at=timezone.now())
    page = text_of(operator.get("/"))
    assert "96,000" in page
    assert 'class="plot bars"' in page
    assert "Running" in page


def test_a_day_that_is_over_is_counted_once(operator):
    text_of(operator.get("/"))
    with CaptureQueriesContext(connection) as captured:
        operator.get("/")
    assert "SUM(" not in str(captured.captured_queries)


def test_the_dashboard_is_flat(operator):
    operator.get("/")
    for _ in range(3):
        fleet.make_batch()
    with CaptureQueriesContext(connection) as few:
        operator.get("/")
    for _ in range(60):
        fleet.make_batch()
    with CaptureQueriesContext(connection) as many:
        operator.get("/")
    assert len(many) == len(few)
    assert scans(many.captured_queries) == []


def test_the_navigation_is_in_the_order_of_the_house(administrator):
    names = re.findall(
        r'<nav class="pages" aria-label="Pages">.*?</nav>', text_of(administrator.get("/")), re.S
    )[0]
    headings = re.findall(r"<h2>(.*?)</h2>", names)
    assert headings[:2] == ["Fleet", "Readings"]
    assert headings[-1] == "Access"


# --- the door ------------------------------------------------------------------------------------


def test_too_many_wrong_passwords_close_the_door_with_an_explanation(client, settings):
    settings.AXES_FAILURE_LIMIT = 2
    User.objects.create_user("ada", password="long enough", is_staff=True)
    for _ in range(2):
        answer = client.post("/login/", {"username": "ada", "password": "wrong"})
    assert answer.status_code == 429
    page = answer.content.decode()
    assert "Too many attempts" in page
    assert "Wait 15 minutes" in page


def test_pages_need_a_login_and_say_where(client):
    answer = client.get("/devices/device/")
    assert answer.headers["Location"] == "/login/?next=/devices/device/"


@pytest.mark.parametrize(
    "address",
    [
        *("/", "/devices/device/", "/devices/device/add/", "/devices/functionalgroup/"),
        *("/devices/batch/", "/devices/quarantined/", "/devices/apikey/add/", "/auth/user/"),
        *("/devices/deviceclass/add/", "/auth/user/add/", "/password_change/", "/nothing/"),
    ],
)
def test_no_page_needs_what_the_content_policy_forbids(client, address):
    client.force_login(User.objects.create_superuser("chief", password="long enough"))
    answer = client.get(address)
    page = answer.content.decode()
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<[^>]* (style|on\w+)=", page)
    assert "<style" not in page
    for script in re.findall(r"<script[^>]*>", page):
        assert "src=" in script or "application/json" in script
