"""What this machine lets this process use; asked of the system, without any framework."""

import ctypes
import os
import sys
from pathlib import Path


def cuda_devices() -> int:
    """CUDA devices that the driver can use; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    usable = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if usable else 0


def processors() -> int:
    """Processors that this process may use: its affinity, and the share of a container."""
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    limit = Path("/sys/fs/cgroup/cpu.max")
    share, _, period = limit.read_text().partition(" ") if limit.is_file() else ("max", "", "")
    return count if share == "max" else max(min(count, -(-int(share) // int(period))), 1)
