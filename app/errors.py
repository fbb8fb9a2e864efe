"""Errors of the app, in the same tree as those of the model library."""

from dalle_core.errors import DalleError


class NotFound(DalleError):
    """A job or picture that is not in the history, or whose file is gone."""

    code = "not_found"


class HistoryError(DalleError):
    """A history that cannot be opened, read or written."""

    code = "bad_history"


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
