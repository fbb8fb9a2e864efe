"""Who owns a data folder: the one process that holds its lock. Knows nothing of what lies in it."""

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from app.errors import DataFolderBusy, HistoryError
from app.settings import Settings


def owner_lock(settings: Settings) -> FileLock:
    return FileLock(settings.lock, timeout=0, thread_local=False)


def acquire(lock: FileLock, settings: Settings) -> None:
    """Raises DataFolderBusy where another process owns the folder, HistoryError where it cannot be used."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise DataFolderBusy(
            f"Another Dalle Studio is using {settings.data_dir}. Close it, or choose another --data-dir."
        ) from error
    except OSError as error:
        raise HistoryError(f"The data folder {settings.data_dir} cannot be used: {error.strerror or error}.") from error


@contextlib.contextmanager
def owning(settings: Settings) -> Iterator[None]:
    """Own the data folder for a while. Raises as `acquire` does."""
    lock = owner_lock(settings)
    acquire(lock, settings)
    try:
        yield
    finally:
        lock.release()
