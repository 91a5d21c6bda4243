"""Settings of the test suite: the real ones over an environment of the tests' own.

Each xdist worker has a data directory and, on Redis, a database number to itself. Which database
and broker a pass uses is said by TMS_DATABASE_URL and TMS_TEST_BROKER (see `tests/__main__.py`).
"""

import atexit
import os
import re
import shutil
import tempfile

_KEPT = ("TMS_DATABASE_URL", "TMS_TEST_")
for _name in [name for name in os.environ if name.startswith("TMS_")]:
    if not _name.startswith(_KEPT):
        del os.environ[_name]

if "TMS_TEST_DIR" not in os.environ:  # made by the first process, inherited by the others
    os.environ["TMS_TEST_DIR"] = tempfile.mkdtemp(prefix="tms-tests-")
    atexit.register(shutil.rmtree, os.environ["TMS_TEST_DIR"], ignore_errors=True)
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["TMS_DATA_DIR"] = os.path.join(os.environ["TMS_TEST_DIR"], _WORKER)
# WhiteNoise warns about a static folder that is not there.
os.makedirs(os.path.join(os.environ["TMS_DATA_DIR"], "static"), exist_ok=True)
os.environ["TMS_SECRET_KEY"] = "of the tests only, and of no use elsewhere " * 2
if _broker := os.environ.get("TMS_TEST_BROKER"):
    os.environ["TMS_BROKER_URL"] = f"{_broker}/{1 + int(re.sub(r'[^0-9]', '', _WORKER) or 0)}"

from tms.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, and only here
