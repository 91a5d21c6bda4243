"""An import in a process of its own, rolled back: `python -m benchmarks.one_import ROWS`.

Prints the most memory that the process had, in bytes.
"""

import sys
import tempfile

import django


def main(count: int) -> None:
    django.setup()
    from django.db import transaction

    from benchmarks.imports import COLUMNS, row
    from benchmarks.one_export import peak
    from devices.imports.options import Options
    from devices.services.imports.work import file_import

    with tempfile.TemporaryFile() as stream, transaction.atomic():
        stream.write(",".join(COLUMNS).encode())
        for number in range(count):
            stream.write(("\r\n" + ",".join(row(number, "A", "X"))).encode())
        file_import(
            kind="devices",
            filename="devices.csv",
            stream=stream,
            options=Options(),
            origin="command",
            apply=True,
        )
        transaction.set_rollback(True)
    print(peak())


if __name__ == "__main__":
    main(int(sys.argv[1]))
