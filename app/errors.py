"""Errors of the app, in the same tree as those of the model library, and words for all others."""

import errno

from dalle_core.errors import DalleError

# What PyTorch says on a CPU, on CUDA and on MPS, and what the system says.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "cannot allocate memory", "not enough memory")


class NotFound(DalleError):
    """A job or picture that is not in the history, or whose file is gone.

    The message names its id, for who asked by it; `words` say the same to who has only ever seen a picture.
    """

    code = "not_found"

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.words = words or message


class HistoryError(DalleError):
    """A history that cannot be opened, read or written."""

    code = "bad_history"


class DiskFull(HistoryError):
    """There is no room for what the history is to hold."""


class DataFolderBusy(HistoryError):
    """Another Dalle Studio owns the data folder."""

    code = "busy"


class RecipeError(DalleError):
    """A picture without a recipe of ours, or one that cannot be used."""

    code = "bad_recipe"


class NoRecipe(RecipeError):
    """A picture that carries no recipe of ours at all."""


class OutputError(DalleError):
    """A folder or file outside the history that cannot be written."""

    code = "bad_output"


class ExportError(DalleError):
    """A picture that cannot be exported the way it was asked."""

    code = "bad_export"


class StudioClosed(DalleError):
    """Asked of a studio that is closing."""

    code = "closed"


class MissingPackage(DalleError):
    """A Python package that an option needs and that is not installed."""

    code = "missing_package"


def shown(error: DalleError) -> str:
    """What a page says of it: no ids, which nobody there has seen."""
    return error.words if isinstance(error, NotFound) else str(error)


def explain(error: BaseException) -> str:
    """What happened, in words an artist can act on."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, NotFound):
        return error.words
    return in_words(error) or f"Something unexpected went wrong ({type(error).__name__}: {text}). The log says more."


def in_words(error: BaseException) -> str:
    """The same, and nothing where it is not known what to do about it."""
    if isinstance(error, DalleError):
        return str(error)
    text = str(error)
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return "There is not enough memory for this. Lower the batch width, close other programs, or use --low-memory."
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk is full. Free some space and try again; what was finished is kept."
    if isinstance(error, ModuleNotFoundError):
        return f"The Python package {error.name} is missing. Install what requirements.txt lists, then start again."
    return ""
