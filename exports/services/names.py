"""Names of a run's files, from the definition's pattern or the format's own."""

from collections.abc import Sequence

from exports.assemble import key_name
from exports.formats.base import Format, WriteContext
from exports.models import ExportRun
from exports.naming import file_name

WITHOUT_NAME = "EXPORT"


def file_names(
    run: ExportRun, form: Format, ctx: WriteContext, keys: Sequence[str]
) -> dict[str, str]:
    """The name of each of the run's files by its key. NameRefused."""
    names = {}
    for number, key in enumerate(keys, 1):
        own = form.file_context(ctx, key_name(key), number)
        group = own.groups[0] if len(own.groups) == 1 else "ALL"
        names[key] = file_name(
            run.file_name or form.name_pattern(ctx.options),
            {
                "format": form.code.upper(),
                "export": run.name or WITHOUT_NAME,
                "meter": key_name(key) or WITHOUT_NAME,
                "sender": ctx.sender,
                "receiver": ctx.receiver,
                "group": group,
                "cycle": group,
                "batch": run.batch_id,
                "mode": run.mode,
                "route": str(ctx.options.get("route") or WITHOUT_NAME),
                "part": f"p{number:02}of{len(keys):02}",
                "ext": form.file_extension(ctx.options),
                "count": str(run.expected),
            },
            created=run.created,
            start=run.start,
            end=run.end,
            zone=run.zone or run.stamps["system_zone"],
            seq=ctx.options.get("first_seq", number),
        )
    return names
