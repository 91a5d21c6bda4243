"""Settings: everything an installation may differ in comes from the environment.

Each variable is documented in README.md; a test keeps that list and this file in step.
"""

import zoneinfo
from pathlib import Path

import environ

from tms.logs import configuration

# One source of time zones on every machine: the tzdata package that we pin.
zoneinfo.reset_tzpath(())

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("TMS_DEBUG", default=False)
DATA_DIR = Path(env.str("TMS_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

# --- secrets and hosts ------------------------------------------------------------------------
# Without a key of its own an installation is a trial one: it makes a key in its data directory.
SECRET_KEY = env.str("TMS_SECRET_KEY", default="")
if not SECRET_KEY:
    from tms.localkey import local_secret_key

    SECRET_KEY = local_secret_key(DATA_DIR)
ALLOWED_HOSTS = env.list("TMS_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("TMS_TRUSTED_ORIGINS", default=[])
# TLS: on when a proxy terminates it in front of us; switches secure cookies, HSTS and redirect.
TLS = env.bool("TMS_TLS", default=False)

# How many proxies stand before us, each adding the caller it saw to X-Forwarded-For.
TMS_PROXIES = env.int("TMS_PROXIES", default=1 if TLS else 0)
# From where /metrics is read without a key. Behind a proxy nobody is near.
TMS_METRICS_FROM = env.list("TMS_METRICS_FROM", default=[] if TLS else ["127.0.0.0/8", "::1/128"])

# --- the house --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "tms.apps.TmsAdminConfig",
    "tms.apps.TmsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "ninja",
    "simple_history",
    "devices",
    "events",
    "exports",
]
MIDDLEWARE = [
    "tms.requests.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "tms.urls"
WSGI_APPLICATION = "tms.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# A lower app offers a hook, a higher app supplies it: dotted names, called in this order.
TMS_BATCH_HOOKS = ["events.services.batch_events_store"]  # (batch, events), in the transaction
TMS_COMMIT_HOOKS = ["exports.services.wake.wake_flush"]  # (), after it: a hint, no more
TMS_EVENT_CHECKS = ["events.services.event_check"]  # (event) → faults, before anything is stored
TMS_MEMBERSHIP_HOOKS = ["exports.services.scopes.memberships_changed"]  # (changes), in it, too
TMS_IMPORT_DANGERS = ["exports.services.importing.dangers_find"]  # (facts) → {row: why}
TMS_IMPORT_HOOKS = ["exports.services.importing.step_done"]  # (job, step, undone=…), in it, too
TMS_ALARM_HOOKS = ["events.services.system_alarm_raise"]  # (code, title, key, …): the house's own
TMS_ALARM_CLEAR_HOOKS = ["events.services.system_alarm_clear"]  # (code, key)
TMS_DEMO_HOOKS = ["exports.services.demo.definition_create"]  # (zone), where it is all there is
# () → the highest number that may be purged, or None
TMS_PURGE_BOUNDS = ["exports.services.archive.purge_bound"]
TMS_SWEEPS = [  # what a worker without a broker looks for; true: there is more
    "exports.services.flows.flows_flush",
    *("exports.services.worker.work", "exports.tasks.deliveries", "exports.tasks.inbox"),
    *("devices.tasks.fold", "devices.tasks.imports"),
    *(f"events.tasks.{name}" for name in ("routes", "incidents", "alarms", "mails")),
]
TMS_TICKS = [  # what the scheduler does each minute
    *(
        "exports.tasks.tick",
        "exports.tasks.ready",
        "devices.tasks.fold",
        "devices.tasks.count",
        "devices.tasks.maintain",
    ),
    *("exports.tasks.maintain", "events.tasks.watch", "events.tasks.maintain"),
]
TMS_API_ROUTERS = ["devices.api.router", "events.api.router", "exports.api.router"]
TMS_ATTENTION = ["exports.dashboard.attention", "events.dashboard.attention"]
TMS_DASHBOARD_CARDS = [
    "devices.dashboard.cards",
    *("exports.dashboard.cards", "exports.dashboard.inbox", "events.dashboard.cards"),
]
TMS_DEVICE_SECTIONS = [  # (request, device), on a device's page
    *("events.sections.device_incidents", "events.sections.device_events"),
    "exports.sections.device_files",
]
# () → families of /metrics, and (key) → whether it may read them
TMS_METRICS = ["devices.metrics.metrics", "events.metrics.metrics", "exports.metrics.metrics"]
TMS_METRICS_KEY = "devices.services.keys.key_reads_all"
TMS_STORIES = [  # () → kinds of entries of a device's story, see devices/story.py
    *("devices.stories.sources", "events.stories.sources", "exports.stories.sources"),
]
TMS_SEARCHES = ["devices.dashboard.search"]  # (request, text) -> address, of the header's box
TMS_FORMATS = env.list("TMS_FORMATS", default=[])
TMS_SENDER_CODE = env.str("TMS_SENDER_CODE", default="TMS")

# --- database and broker ----------------------------------------------------------------------
DATABASES = {
    "default": env.db_url("TMS_DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'tms.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Writers take the lock at once (no deadlock by upgrade); FULL keeps what was acknowledged
    # through a power cut; WAL lets a long export read while batches are written.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 60,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
            "PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;"
        ),
    }
    # A file, as in real life: SQLite in memory locks by other rules.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 600
    # A network that swallows everything is an error after half a minute, not after two hours.
    DATABASES["default"]["OPTIONS"] = DATABASES["default"].get("OPTIONS", {}) | {
        "connect_timeout": 10,
        **{"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3},
        "tcp_user_timeout": 30_000,  # milliseconds
    }
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# A streaming replica that runs read from while it is far enough; never written (0102).
DATABASE_ROUTERS = ["devices.router.ReplicaRouter"]
if REPLICA_URL := env.str("TMS_REPLICA_URL", default=""):
    DATABASES["replica"] = {
        **env.db_url_config(REPLICA_URL),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "options": "-c default_transaction_read_only=on",
            "connect_timeout": 3,
            "tcp_user_timeout": 10_000,  # milliseconds
        },
        "TEST": {"MIRROR": "default"},
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Empty: no broker; the worker process then sweeps the database for due work by itself.
BROKER_URL = env.str("TMS_BROKER_URL", default="")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": BROKER_URL,
        "KEY_PREFIX": "tms",
    }
    if BROKER_URL.startswith(("redis://", "rediss://", "unix://"))
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# --- limits and terms -------------------------------------------------------------------------
TMS_BATCH_MAX_BYTES = env.int("TMS_BATCH_MAX_BYTES", default=64 * 1024 * 1024)  # unpacked
TMS_BATCH_RATE = env.int("TMS_BATCH_RATE", default=6000)  # batches a minute and key
TMS_KEY_DAYS = env.int("TMS_KEY_DAYS", default=35)  # idempotency keys
TMS_BODY_DAYS = env.int("TMS_BODY_DAYS", default=0)  # posted bodies; 0 keeps none
TMS_QUARANTINE_DAYS = env.int("TMS_QUARANTINE_DAYS", default=90)
TMS_JOURNAL_DAYS = env.int("TMS_JOURNAL_DAYS", default=400)
TMS_FILE_DAYS = env.int("TMS_FILE_DAYS", default=400)  # finished files, and what they were made of
TMS_LEASE_SECONDS = env.int("TMS_LEASE_SECONDS", default=30)  # of a piece of work
TMS_DELIVERY_ROOTS = env.list("TMS_DELIVERY_ROOTS", default=[str(DATA_DIR / "outbox")])
TMS_INBOX_SECONDS = env.float("TMS_INBOX_SECONDS", default=10)  # a file unchanged so long is whole
TMS_RECORD_DAYS = env.int("TMS_RECORD_DAYS", default=400)  # records of message routes
TMS_MAIL_DAYS = env.int("TMS_MAIL_DAYS", default=400)  # notifications with their bodies
TMS_MOMENTARY_SECONDS = env.int("TMS_MOMENTARY_SECONDS", default=60)  # of an incident
TMS_GATEWAY_HOURS = env.int("TMS_GATEWAY_HOURS", default=24)  # silence that raises an alarm; 0 none
TMS_DISK_FREE = env.float("TMS_DISK_FREE", default=5.0)  # per cent; less raises an alarm
TMS_IMPORT_MAX_BYTES = env.int("TMS_IMPORT_MAX_BYTES", default=256 * 1024 * 1024)
TMS_IMPORT_MAX_ROWS = env.int("TMS_IMPORT_MAX_ROWS", default=1_048_575)
TMS_IMPORT_DAYS = env.int("TMS_IMPORT_DAYS", default=400)  # staged rows and change sets
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"  # of files while they are being received
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # forms; batches are read by their own limit
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# --- log-in -----------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTH_PASSWORD_VALIDATORS[1]["OPTIONS"] = {"min_length": 10}
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "tms.requests.client_address"
AXES_LOCKOUT_TEMPLATE = "lockout.html"
LOGIN_URL = "admin:login"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = TLS
SECURE_HSTS_SECONDS = 31536000 if TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
if TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    }
}

# --- time and language ------------------------------------------------------------------------
TIME_ZONE = env.str("TMS_TIME_ZONE", default="UTC")
USE_TZ = True
LANGUAGE_CODE = "en-us"
USE_I18N = False
DATE_FORMAT, DATETIME_FORMAT = "Y-m-d", "Y-m-d H:i"

# --- static, files, mail ----------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("TMS_STATIC_ROOT", default=str(DATA_DIR / "static")))
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise wants it, even empty
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # a trial needs no collectstatic
WHITENOISE_AUTOREFRESH = DEBUG
EMAIL_FILE_PATH = DATA_DIR / "mail"  # where mails go until a server is named
EMAIL_CONFIG = env.email_url("TMS_EMAIL_URL", default="filemail://")
vars().update({name: value for name, value in EMAIL_CONFIG.items() if value})
EMAIL_TIMEOUT = EMAIL_CONFIG.get("EMAIL_TIMEOUT") or 30  # a server that stalls is given up
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("TMS_EMAIL_FROM", default="tms@localhost")
TMS_URL = env.str("TMS_URL", default="http://127.0.0.1:8000")  # of links in mails

# --- tasks ------------------------------------------------------------------------------------
CELERY_BROKER_URL = BROKER_URL or "memory://"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

LOGGING = configuration(
    env.str("TMS_LOG_FORMAT", default="plain"), env.str("TMS_LOG_LEVEL", default="INFO")
)
