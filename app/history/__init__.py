"""Everything ever made: rows in SQLite, pictures as files beside it. Knows no models, no threads of work, no pages."""

from app.history.store import Edge, History, ImageRow, JobRow, NewImage, Ranking

__all__ = ["Edge", "History", "ImageRow", "JobRow", "NewImage", "Ranking"]
