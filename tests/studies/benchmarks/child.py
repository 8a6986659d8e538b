"""Run a command and print its wall and CPU time in seconds and its largest resident memory in bytes, as JSON.

A process of its own, small: Linux counts the memory of whoever starts a process as that process's largest.

Usage: child.py COMMAND...
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from time import perf_counter

start = perf_counter()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL) as process:
    _, status, used = os.wait4(process.pid, 0)
    wall = perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}))
sys.exit(process.returncode)
