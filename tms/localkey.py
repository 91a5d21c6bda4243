"""The secret key of a trial installation: made once, kept in its data directory, never shown."""

import os
import secrets
from pathlib import Path


def local_secret_key(data_dir: Path) -> str:
    """Read the key of this data directory, making it first where there is none.

    The file is created whole (link of a finished temporary file), so that web, worker and
    scheduler started at the same moment agree on one key.
    """
    path = data_dir / "secret-key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f".secret-key-{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
