"""Who reaches what: every page and call by role. The one table that nothing escapes.

`test_matrix.py` walks the URL resolver and asks each way that it finds by each role and without
one. A way that is not here fails it. To add

- a page of a model: the model's line in MODELS (list, row, history, add, edit, delete), and a row
  of it in `rows.py`;
- a page of your own: its full name in PAGES, with who may look and who may post;
- a call of the HTTP interface: its name in CALLS, with its method and the scope of the key.

Letters: S Customer support, B Billing, O Operator, A Administrator. A user without a role reaches
HOME only; one who is no staff, and nobody at all, OPEN only.
"""

from tms import roles

ROLES = dict(zip("SBOA", roles.ROLES, strict=True))
ALL, KEEPERS, DOERS, NOBODY = "SBOA", "OA", "BOA", ""

# model: who looks; who adds; who posts to a row's page; who deletes. Where a row's page is only
# looked at, a post to it shows the page and does nothing: then the third is as the first.
MODELS: dict[str, tuple[str, str, str, str]] = {
    "axes.accessattempt": ("A", NOBODY, NOBODY, "A"),
    "axes.accessfailurelog": (NOBODY, NOBODY, NOBODY, NOBODY),
    "axes.accesslog": (NOBODY, NOBODY, NOBODY, NOBODY),
    "devices.batch": (ALL, NOBODY, ALL, NOBODY),
    "devices.deviceclass": (ALL, KEEPERS, KEEPERS, KEEPERS),
    "devices.device": (ALL, KEEPERS, KEEPERS, NOBODY),
    "devices.functionalgroup": (ALL, KEEPERS, KEEPERS, KEEPERS),
    "devices.scheduleprofile": (ALL, KEEPERS, KEEPERS, KEEPERS),
    "devices.importjob": (DOERS, "BA", DOERS, NOBODY),
    "devices.apikey": ("A", "A", "A", NOBODY),
    "devices.registersnapshot": (ALL, NOBODY, ALL, NOBODY),
    "devices.quarantined": (ALL, NOBODY, ALL, NOBODY),
    "events.event": (ALL, NOBODY, NOBODY, NOBODY),
    "events.eventtype": (ALL, NOBODY, KEEPERS, NOBODY),
    "events.eventalias": (ALL, KEEPERS, KEEPERS, KEEPERS),
    "events.incident": (ALL, NOBODY, ALL, NOBODY),
    "events.notification": (KEEPERS, NOBODY, KEEPERS, NOBODY),
    "events.systemalarm": (ALL, NOBODY, NOBODY, NOBODY),
    "events.route": (KEEPERS, KEEPERS, KEEPERS, KEEPERS),
    "events.routerecord": (KEEPERS, NOBODY, NOBODY, NOBODY),
    "events.alarmrule": (KEEPERS, KEEPERS, KEEPERS, KEEPERS),
    "exports.exportdefinition": (ALL, KEEPERS, ALL, NOBODY),
    "exports.delivery": (ALL, NOBODY, ALL, NOBODY),
    "exports.destination": (ALL, KEEPERS, ALL, NOBODY),  # it has deliveries
    "exports.inboxfile": (ALL, NOBODY, ALL, NOBODY),
    "exports.readersetting": (ALL, KEEPERS, KEEPERS, KEEPERS),
    "exports.exportrun": (ALL, NOBODY, ALL, NOBODY),
    "exports.hold": (ALL, NOBODY, ALL, NOBODY),
    "auth.user": ("A", "A", "A", "A"),
    "auth.group": ("A", "A", "A", "A"),
}

# name: who looks, who posts.
PAGES: dict[str, tuple[str, str]] = {
    "admin:devices_device_download": (DOERS, DOERS),
    "admin:devices_device_edit": (KEEPERS, KEEPERS),
    "admin:devices_device_readings": (ALL, ALL),
    "admin:devices_device_registers": (ALL, ALL),
    "admin:devices_device_story": (ALL, ALL),
    "admin:devices_device_story_csv": (ALL, ALL),
    "admin:devices_device_registers_csv": (ALL, ALL),
    "admin:devices_registersnapshot_download": (DOERS, DOERS),
    "admin:devices_registersnapshot_bill": (ALL, ALL),
    "admin:devices_registersnapshot_bill_csv": (DOERS, DOERS),
    "admin:devices_device_simple_history": (ALL, NOBODY),
    "admin:devices_functionalgroup_simple_history": (ALL, NOBODY),
    "admin:devices_importjob_apply": (NOBODY, "BA"),
    "admin:devices_importjob_cancel": (NOBODY, "BA"),
    "admin:devices_importjob_undo": ("A", "A"),  # it is nobody's own
    "admin:devices_importjob_progress": (DOERS, DOERS),
    "admin:devices_importjob_result_csv": ("BA", "BA"),
    "admin:devices_importjob_result_xlsx": ("BA", "BA"),
    "admin:devices_importjob_resubmit_csv": ("BA", "BA"),
    "admin:devices_importjob_template": ("BA", "BA"),
    "admin:devices_importjob_present": (DOERS, DOERS),
    "admin:devices_apikey_revoke": ("A", "A"),
    "admin:events_incident_now": (ALL, ALL),
    "admin:events_alarmrule_test": (NOBODY, KEEPERS),
    "admin:exports_exportdefinition_next": (ALL, ALL),
    "admin:exports_exportdefinition_edit": (KEEPERS, KEEPERS),
    "admin:exports_exportdefinition_run": (NOBODY, DOERS),
    "admin:exports_exportdefinition_coverage": (ALL, ALL),
    "admin:exports_exportdefinition_coverage_csv": (DOERS, DOERS),
    "admin:exports_exportdefinition_day": (ALL, ALL),
    "admin:exports_exportdefinition_correct": (NOBODY, DOERS),
    "admin:exports_exportdefinition_released": (NOBODY, DOERS),
    "admin:exports_exportdefinition_simple_history": (ALL, NOBODY),
    "admin:exports_destination_edit": (KEEPERS, KEEPERS),
    "admin:exports_destination_test": (NOBODY, KEEPERS),
    "admin:exports_destination_accept": (NOBODY, KEEPERS),
    "admin:exports_destination_resume": (NOBODY, KEEPERS),
    "admin:exports_delivery_again": (NOBODY, KEEPERS),
    "admin:exports_delivery_download": (DOERS, DOERS),
    "admin:exports_inboxfile_download": (DOERS, DOERS),
    "admin:exports_exportrun_download": (DOERS, DOERS),
    "admin:exports_exportrun_progress": (ALL, ALL),
    "admin:exports_exportrun_file": (DOERS, DOERS),
    "admin:exports_exportrun_meters": (DOERS, DOERS),
    "admin:exports_hold_download": (DOERS, DOERS),
    "admin:exports_hold_release": (NOBODY, "BA"),
    "admin:exports_exportrun_cancel": (NOBODY, DOERS),
    "admin:exports_exportrun_again": (NOBODY, DOERS),
    "admin:exports_exportrun_rebuild": (NOBODY, DOERS),
    "admin:auth_user_password_change": ("A", "A"),
    "admin:autocomplete": (NOBODY, NOBODY),  # unless a field is named: as the list of its model
    "admin:view_on_site": (NOBODY, NOBODY),  # nothing has another page
    "admin:app_list": (ALL, ALL),
}

# Who has logged in and is staff, whatever the role. They hold nothing of the house.
HOME = {
    *("admin:index", "admin:search", "admin:jsi18n"),
    *("admin:password_change", "admin:password_change_done", "admin:logout"),
}

# Anybody. `/metrics` judges by key or address (tests/tms/test_metrics.py); the description of the
# HTTP interface tells nothing of an installation.
OPEN = {
    *("healthz", "readyz", "metrics", "admin:login"),
    *("api:openapi-json", "api:openapi-view", "api:api-root", "api:nowhere"),
    "api:schema_file",  # receivers need it
}

# name: method, scope of the key. Nothing but a key is taken, no session either.
CALLS: dict[str, tuple[str, str]] = {
    "api:batch_post": ("post", "ingest"),
    "api:device_list": ("get", "read"),
    "api:device_detail": ("get", "read"),
    "api:interval_list": ("get", "read"),
    "api:register_list": ("get", "read"),
    "api:event_list": ("get", "read"),
    "api:run_start": ("post", "export"),
    "api:run_detail": ("get", "export"),
    "api:run_file": ("get", "export"),
}

VIEWS = ("changelist", "history", "change", "add", "delete")


def rights(name: str) -> tuple[str, str] | None:
    """Who may look and who may post, of a page that is not for everybody; None: it is not here."""
    if name in PAGES:
        return PAGES[name]
    app, _, rest = name.removeprefix("admin:").partition("_")
    model, _, view = rest.partition("_")
    if view not in VIEWS or f"{app}.{model}" not in MODELS:
        return None
    look, add, change, delete = MODELS[f"{app}.{model}"]
    if view == "change":
        return look, change
    one = {"add": add, "delete": delete}.get(view, look)
    return one, one
