"""Pictures as files for elsewhere: enlarged, cut out as stickers, drawn as SVG, many on a sheet.

`Exports` makes them from the history's pictures, as an `ExportSpec` says.
"""

from app.exports.maker import MAX_PICTURES, Export, Exports
from app.exports.spec import ExportSpec, read_spec

__all__ = ["MAX_PICTURES", "Export", "ExportSpec", "Exports", "read_spec"]
