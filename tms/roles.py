"""The four roles, as groups of django.contrib.auth, and what each may do.

A table, applied after every migration: the shipped roles are then exactly what it says. Who needs
another mix makes a group of their own beside them.

Actions are Django's `view add change delete`, and `download` (a list as a file, with what it says
of customers), `undo` (one's own), `force`. A custom action gets its permission here.
"""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions

SUPPORT, BILLING, OPERATOR, ADMINISTRATOR = (
    *("Customer support", "Billing", "Operator", "Administrator"),
)
ROLES = (SUPPORT, BILLING, OPERATOR, ADMINISTRATOR)

LOOK = "view"
KEEP = "view add change"  # for what has a history and is never deleted
ALL = "view add change delete"
DECIDE = "view change"
LIST = "view download"
RUN = "view run"
TAKE = "view download"
RELEASE = "view download release"
NOTHING = ""

# fmt: off
MATRIX: dict[str, tuple[str, str, str, str]] = {
    # model                     Customer support
    #                                    Billing   Operator            Administrator
    "devices.device":           (LOOK,    LIST,    f"{KEEP} download", f"{KEEP} download"),
    "devices.installation":     (LOOK,    LOOK,    KEEP,               KEEP),
    "devices.membership":       (LOOK,    LOOK,    KEEP,               KEEP),
    "devices.channel":          (LOOK,    LOOK,    LOOK,               LOOK),
    "devices.functionalgroup":  (LOOK,    LOOK,    ALL,                ALL),
    "devices.deviceclass":      (LOOK,    LOOK,    ALL,                ALL),
    "devices.channeltemplate":  (LOOK,    LOOK,    ALL,                ALL),
    "devices.registertemplate": (LOOK,    LOOK,    ALL,                ALL),
    "devices.batch":            (LOOK,    LOOK,    LOOK,               LOOK),
    "devices.registersnapshot": (LOOK,    LIST,    LIST,               LIST),
    "devices.quarantined":      (LOOK,    LOOK,    DECIDE,             DECIDE),
    "devices.scheduleprofile": (LOOK,    LOOK,    ALL,                ALL),
    "devices.importjob":       (NOTHING, "view add undo", LOOK,       "view add undo force"),
    "devices.apikey":           (NOTHING, NOTHING, NOTHING,            KEEP),
    "events.event":             (LOOK,    LOOK,    LOOK,               LOOK),
    "events.eventtype":         (LOOK,    LOOK,    DECIDE,             DECIDE),
    "events.eventalias":        (LOOK,    LOOK,    ALL,                ALL),
    "exports.exportdefinition": (LOOK,    RUN,       f"{ALL} run",        f"{ALL} run"),
    "exports.exportrun":        (LOOK,    TAKE,      TAKE,               TAKE),
    "exports.hold":             (LOOK,    RELEASE,   TAKE,               RELEASE),
    "exports.destination":      (LOOK,    LOOK,      ALL,                ALL),
    "exports.delivery":         (LOOK,    TAKE,      f"{DECIDE} download", f"{DECIDE} download"),
    "exports.inboxfile":        (LOOK,    TAKE,      TAKE,               TAKE),
    "exports.readersetting":    (LOOK,    LOOK,      ALL,                ALL),
    "events.incident":          (LOOK,    LOOK,    DECIDE,             DECIDE),
    "events.route":             (NOTHING, NOTHING, ALL,                ALL),
    "events.routerecord":       (NOTHING, NOTHING, DECIDE,             DECIDE),
    "events.alarmrule":         (NOTHING, NOTHING, ALL,                ALL),
    "events.notification":      (NOTHING, NOTHING, DECIDE,             DECIDE),
    "events.systemalarm":       (LOOK,    LOOK,    DECIDE,             DECIDE),
    "auth.user":                (NOTHING, NOTHING, NOTHING,            ALL),
    "auth.group":               (NOTHING, NOTHING, NOTHING,            ALL),
    "axes.accessattempt":       (NOTHING, NOTHING, NOTHING,            "view delete"),
}
# fmt: on
CUSTOM_ACTIONS = {
    "download": "Can download lists of {}",
    "run": "Can start and stop {}",
    "undo": "Can take back their own {}",
    "release": "Can release {}",
    "force": "Can take back anybody's {}, against later changes",
}


def role_permissions(role: str) -> set[str]:
    """The permissions of a role, as `app.action_model`."""
    column = ROLES.index(role)
    granted = set()
    for label, actions in MATRIX.items():
        app, model = label.split(".")
        granted |= {f"{app}.{action}_{model}" for action in actions[column].split()}
    return granted


def roles_update(sender: AppConfig, using: str, **kwargs) -> None:
    """Give the roles what the table grants of one app's models; connected to post_migrate.

    Whatever else the role had of this app is taken away.
    """
    labels = [label for label in MATRIX if label.split(".")[0] == sender.label]
    if not labels:
        return
    create_permissions(sender, using=using, verbosity=0)
    permissions = _permissions(labels, using)
    group_model = apps.get_model("auth", "Group")
    for role in ROLES:
        group, _ = group_model.objects.using(using).get_or_create(name=role)
        wanted = {permissions[name] for name in role_permissions(role) if name in permissions}
        held = group.permissions.filter(content_type__app_label=sender.label)
        group.permissions.remove(*held.exclude(pk__in=wanted))
        group.permissions.add(*wanted)


def _permissions(labels: list[str], using: str) -> dict[str, int]:
    """Ids of the permissions of these models by name; the custom ones are made where missing."""
    manager = apps.get_model("auth", "Permission").objects.using(using)
    content_types = apps.get_model("contenttypes", "ContentType").objects.db_manager(using)
    found = {}
    for label in labels:
        model = apps.get_model(label)
        content_type = content_types.get_for_model(model)
        for action in set(" ".join(MATRIX[label]).split()) & set(CUSTOM_ACTIONS):
            name = CUSTOM_ACTIONS[action].format(model._meta.verbose_name_plural)
            manager.get_or_create(
                content_type=content_type,
                codename=f"{action}_{model._meta.model_name}",
                defaults={"name": name},
            )
        rows = manager.filter(content_type=content_type).values_list("codename", "pk")
        found |= {f"{model._meta.app_label}.{codename}": pk for codename, pk in rows}
    return found
