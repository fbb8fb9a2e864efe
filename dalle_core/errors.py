"""The one tree of errors. A message says what was expected and what was found, in words an artist can act on."""


class DalleError(Exception):
    """Base of every error this project raises on purpose. `code` stays the same when the words change."""

    code = "error"


class RequestError(DalleError):
    """A request that cannot be painted: an empty prompt, a count out of range, a prefix that does not fit."""

    code = "bad_request"


class CheckpointError(DalleError):
    """A weight file, config or tokenizer that is missing, corrupt, or belongs to another model."""

    code = "bad_checkpoint"


class DownloadError(DalleError):
    """A file that cannot be fetched: no network, no room, not what was published."""

    code = "bad_download"


class DownloadStopped(DownloadError):
    """A download that was asked to stop. What was fetched stays, and it can go on from there."""


class TrainingError(DalleError):
    """Training data or settings that cannot be used."""

    code = "bad_training"


class ImageError(DalleError):
    """A picture that cannot be read or is of the wrong shape."""

    code = "bad_image"
