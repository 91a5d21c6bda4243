"""Where files of exports lie, below the data directory."""

from pathlib import Path

from django.conf import settings


def data() -> Path:
    return Path(settings.DATA_DIR)


def produced() -> Path:
    """Finished files under their names."""
    return _made("exports")


def work(run_id: int) -> Path:
    """What a run's parts are written to until its files are put together."""
    return _made("work", str(run_id))


def work_all() -> list[Path]:
    """The folders of all runs that parts were written for."""
    return list(_made("work").iterdir())


def archive(run_id: int) -> Path:
    """Kept bytes: a second name of each finished file, a thousand runs a folder."""
    return _made("archive", f"{run_id // 1000:06}")


def _made(*names: str) -> Path:
    folder = data().joinpath(*names)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
