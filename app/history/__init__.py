"""Everything ever made: rows in SQLite, pictures as files beside it. Knows no models, no threads of work, no pages."""

from app.history.store import History, ImageRow, JobRow, NewImage, Ranking

__all__ = ["History", "ImageRow", "JobRow", "NewImage", "Ranking"]
