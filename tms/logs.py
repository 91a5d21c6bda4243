"""What is written to standard error: plain lines or JSON, with ids, and never a secret.

One line a record. JSON has `time level logger message process`, the ids that stand (`request`,
`batch`, `run`, `delivery`, `import`, `task`, `task_id`), the fields of a request, and `error`, the
traceback. What looks like a secret is replaced in both shapes, whoever logged it.
"""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

from devices import tracing

STARS = "***"
REQUEST_FIELDS = ("method", "path", "status", "milliseconds", "user", "key", "address")
_WORDS = "password|passwd|passphrase|pin|secret|token|sessionid|csrftoken|csrfmiddlewaretoken"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(tms_[0-9a-f]{12})_[0-9a-f]+"), rf"\1_{STARS}"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)(?!realm)[\w.~+/=-]{6,}"), rf"\1\2{STARS}"),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{STARS}@"),
    (
        re.compile(
            rf"(?i)\b((?:\w*_)?(?:{_WORDS}))(['\"]?\s*[:=]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s'\",;&}})]+)"
        ),
        rf"\1\2{STARS}",
    ),
)


def redacted(text: str) -> str:
    """A text without what looks like a key, a password, a PIN or a token."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class PlainFormatter(logging.Formatter):
    """A line as people read it, the ids behind the name of the logger."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}{standing}: {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in tracing.ids().items())
        record.standing = f" [{ids}]" if ids else ""
        return redacted(super().format(record))


class JsonFormatter(logging.Formatter):
    """A line as a collector of logs reads it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **tracing.ids(),
        }
        line |= {name: vars(record)[name] for name in REQUEST_FIELDS if name in vars(record)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        safe = {k: redacted(v) if isinstance(v, str) else v for k, v in line.items()}
        return json.dumps(safe, ensure_ascii=False, default=str)


FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {
    "plain": PlainFormatter,
    "json": JsonFormatter,
}


def configuration(shape: str, level: str) -> dict:
    """Django's LOGGING: everything to standard error, in this shape, from this level on."""
    if shape not in FORMATTERS:
        raise ValueError(f"TMS_LOG_FORMAT is {shape}; there are: {', '.join(FORMATTERS)}")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": {"()": FORMATTERS[shape]}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "own"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "axes": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
            "paramiko": {
                "level": "CRITICAL"
            },  # what goes wrong is raised, and told with the delivery
            # A line a request: for collectors; a person at a terminal would see nothing else.
            "tms.requests": {"level": level if shape == "json" else "WARNING"},
        },
    }
