"""Keeps machine code on disk for as long as all that it was made from stays the same.

The compiler's own cache asks whether the file of a kernel has changed. Machine code holds more: the parts that the
kernel calls and the constants that they use, which other files have. An upgrade that changed one of those would leave
the old machine code in use.
"""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.registry import cpu_target

_SETTINGS = str(Path(__file__).with_name("compiled.py"))
"""The file that says how everything is compiled; it imports this one."""
_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, Enum, np.generic, type(None))


_Place: Any = IndexDataCacheFile
"""It has no types."""


class Kept(FunctionCache):
    """Keeps machine code of one kernel where numba would, and looks beside the packages first."""

    @cached_property
    def _places(self) -> list[Any]:
        # Not known any earlier: a kernel may call a part that stands further below.
        folders = dict.fromkeys([str(Path(inspect.getfile(self._py_func)).parent / "__pycache__"), self.cache_path])
        stamp = stamp_of(self._py_func)
        return [_Place(folder, self._impl.filename_base, stamp) for folder in folders]

    def _load_overload(self, signature: Any, context: Any) -> Any:
        for place in self._places:
            self._cache_file = place
            found = super()._load_overload(signature, context)  # type: ignore[no-untyped-call]
            if found is not None:
                return found
        return None

    def _save_overload(self, signature: Any, data: Any) -> None:
        self._cache_file = self._places[-1]
        super()._save_overload(signature, data)  # type: ignore[no-untyped-call]

    def has_code(self) -> bool:
        """True if machine code for this processor, of the function as it is now, is on the disk."""
        processor = cpu_target.target_context.codegen().magic_tuple()
        return any(key[1] == processor for place in self._places for key in place._load_index())


def stamp_of(function: Callable[..., object]) -> str:
    """Digest of all that the machine code of a function is made from.

    These are its file, those of its parts, their constants, and the settings of the compiler.
    """
    made_from, seen, ahead = {_digest(_SETTINGS)}, {function}, [function]
    while ahead:
        each = ahead.pop()
        made_from.add(_digest(inspect.getfile(each)))
        for name, value in _names(each):
            inner = getattr(value, "py_func", None)
            if inner is not None and inner not in seen:
                seen.add(inner)
                ahead.append(inner)
            elif isinstance(value, np.ndarray):
                made_from.add(f"{name} {value.dtype} {value.shape} {sha256(value.tobytes()).hexdigest()}")
            elif isinstance(value, _CONSTANTS):
                made_from.add(f"{name} {value!r}")
            elif file := getattr(sys.modules.get(getattr(value, "__module__", None) or ""), "__file__", None):
                made_from.add(_digest(file))
    return sha256("\n".join(sorted(made_from)).encode()).hexdigest()


def _names(function: Callable[..., object]) -> Iterator[tuple[str, object]]:
    """Names that a function uses, with their values; also those behind the name of a module, as in `fills.START`."""
    used = inspect.getclosurevars(function)
    for name, value in (*used.globals.items(), *used.nonlocals.items()):
        yield name, value
        if isinstance(value, ModuleType):
            found = ((inner, getattr(value, inner, None)) for inner in function.__code__.co_names)
            yield from ((f"{name}.{inner}", behind) for inner, behind in found if behind is not None)


@cache
def _digest(path: str) -> str:
    try:
        return sha256(Path(path).read_bytes()).hexdigest()
    except OSError:  # the cell of a notebook, which is no file
        return sha256("".join(linecache.getlines(path)).encode()).hexdigest()
