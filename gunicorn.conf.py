"""The web server, in a trial and in production alike; address and workers are given to it."""

import os

worker_class = "gthread"
threads = 8  # a posted batch waits mostly for the database
timeout = 120  # seconds a worker may be silent
graceful_timeout = 10
loglevel = "warning"
control_socket_disable = True  # it would be a file outside the data directory

if os.environ.get("TMS_LOG_FORMAT") == "json":  # the server's own lines in the same shape
    logconfig_dict = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": {"()": "tms.logs.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "own"}},
        "loggers": {
            "gunicorn.error": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "gunicorn.access": {"handlers": [], "propagate": False},
        },
    }
