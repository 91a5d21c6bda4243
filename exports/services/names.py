"""Names of a run's files, from the definition's pattern or the format's own."""

from collections.abc import Sequence

from exports.formats.base import Format, WriteContext
from exports.models import ExportRun
from exports.naming import file_name

WITHOUT_NAME = "EXPORT"


def file_names(
    run: ExportRun, form: Format, ctx: WriteContext, keys: Sequence[str]
) -> dict[str, str]:
    """The name of each of the run's files by its key. NameRefused."""
    groups: Sequence[str] = run.selection["groups"]
    group = groups[0] if len(groups) == 1 else "ALL"
    names = {}
    for number, key in enumerate(keys, 1):
        names[key] = file_name(
            run.file_name or form.name_pattern(ctx.options),
            {
                "format": form.code.upper(),
                "export": run.name or WITHOUT_NAME,
                "meter": key or WITHOUT_NAME,
                "sender": ctx.sender,
                "receiver": ctx.receiver,
                "group": group,
                "cycle": group,
                "batch": run.batch_id,
                "mode": run.mode,
                "part": f"p{number:02}of{len(keys):02}",
                "ext": form.extension,
                "count": str(run.expected),
            },
            created=run.created,
            start=run.start,
            end=run.end,
            zone=run.zone or run.stamps["system_zone"],
            seq=number,
        )
    return names
