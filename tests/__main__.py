"""`make test`: the whole suite on SQLite, and again on PostgreSQL with Redis.

Arguments are handed on to pytest. Where PostgreSQL or Redis cannot be had its pass is left out
and the reason printed; with CI set that is a failure.
"""

import os
import subprocess
import sys
from contextlib import ExitStack

from tests import servers

NO_TESTS = 5  # pytest's exit code when nothing was collected, or all of it deselected


def main(arguments: list[str]) -> int:
    """Exit code: 0 when every pass that was run, and in CI each of them, is green."""
    missing = []
    with ExitStack() as stack:

        def server(name: str, make) -> str | None:
            try:
                return stack.enter_context(make())
            except servers.Unavailable as reason:
                missing.append(f"{name}: {reason}")
                return None

        postgres = server("PostgreSQL", servers.postgres)
        redis = server("Redis", servers.redis_server)
        shared = {"TMS_TEST_POSTGRES": postgres, "TMS_TEST_REDIS": redis}
        codes = {"SQLite": suite_run("SQLite", arguments, shared)}
        if postgres and redis:
            name = "PostgreSQL and Redis"
            # A name of its own, so that two runs on one server do not meet.
            database = {"TMS_DATABASE_URL": f"{postgres}/tms_{os.getpid()}"}
            broker = {"TMS_TEST_BROKER": redis}
            codes[name] = suite_run(name, arguments, shared | database | broker)
    return _verdict(codes, missing, narrowed=bool(arguments))


def suite_run(name: str, arguments: list[str], extra: dict[str, str | None]) -> int:
    """One pass of pytest; its exit code."""
    print(f"\n=== The suite on {name}", flush=True)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("TMS_", "DJANGO_"))
    }
    environment |= {key: value for key, value in extra.items() if value is not None}
    spread = [] if any(a.startswith(("-n", "--pdb")) for a in arguments) else ["-n", "2"]
    command = [sys.executable, "-m", "pytest", *spread, *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def _verdict(codes: dict[str, int], missing: list[str], narrowed: bool) -> int:
    green = (0, NO_TESTS) if narrowed else (0,)
    print()
    for name, code in codes.items():
        print(f"{name}: {'passed' if code in green else f'FAILED (exit code {code})'}")
    for reason in missing:
        print(f"PostgreSQL pass skipped, {reason}")
    strict = bool(os.environ.get("CI")) and bool(missing)
    return int(strict or any(code not in green for code in codes.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
