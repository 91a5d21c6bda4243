"""One CMEP export in a process of its own: `python -m benchmarks.one_export FILE TIMES`.

Prints what each run took, and the most memory the process had, as JSON.
"""

import json
import sys
import time
from datetime import UTC, datetime, time as midnight, timedelta

import django


def main(path: str, times: int) -> None:
    django.setup()
    from benchmarks.fleet import FIRST
    from exports.services import RunRequest, run_create, run_execute

    start = datetime.combine(FIRST, midnight(), UTC)
    request = RunRequest("cmep", start, start + timedelta(days=1))
    took = []
    for _ in range(times):
        began = time.perf_counter()
        run = run_execute(run_create(request), path)
        took.append(time.perf_counter() - began)
    print(json.dumps({"took": took, "peak": peak(), "intervals": run.intervals}))


def peak() -> int:
    """The most memory this process had resident, in bytes.

    Not `ru_maxrss`: that counts what the parent had when it started us.
    """
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
