"""Tables in: CSV, Parquet and NDJSON files, long or wide, as observations.

`open_table` gives a file as a lazy table, and `parse` brings any layout to series, time, value and checks every cell:
what can be used becomes an observation, what cannot is counted by reason. Nothing needs the whole file in memory.
"""

from sentinel.tables.cells import Axis, TableOptions
from sentinel.tables.parsing import Parsed, parse
from sentinel.tables.reading import file_format, open_table
from sentinel.tables.shapes import Shape, find_shape

__all__ = ["Axis", "Parsed", "Shape", "TableOptions", "file_format", "find_shape", "open_table", "parse"]
