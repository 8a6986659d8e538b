"""Tables in: CSV, Parquet and NDJSON files, long or wide, as observations.

`open_table` gives a file as a lazy table, `long_form` brings any layout to series, time, value, and `parse` judges
every cell: what can be used becomes an observation, what cannot is counted by reason and complained about. Nothing
here decides from more than the first 1,000 rows of a file, and no step needs the whole file in memory.
"""

from sentinel.tables.cells import Axis
from sentinel.tables.layout import Shape, long_form, shape_of
from sentinel.tables.options import TableOptions
from sentinel.tables.parsing import Parsed, parse
from sentinel.tables.reading import file_format, open_table

__all__ = [
    "Axis",
    "Parsed",
    "Shape",
    "TableOptions",
    "file_format",
    "long_form",
    "open_table",
    "parse",
    "shape_of",
]
