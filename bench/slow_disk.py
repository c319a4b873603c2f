"""A disk whose fsync takes longer: a library put before the C library's, compiled when it is wanted.

It waits before each fsync and fdatasync, in the server's own process; nothing else is changed.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_first(void) {
  struct timespec t = {0, %d000L};
  nanosleep(&t, 0);
}
int fsync(int fd) {
  static int (*next)(int);
  if (!next) next = dlsym(RTLD_NEXT, "fsync");
  wait_first();
  return next(fd);
}
int fdatasync(int fd) {
  static int (*next)(int);
  if (!next) next = dlsym(RTLD_NEXT, "fdatasync");
  wait_first();
  return next(fd);
}
"""


def available() -> bool:
    """Tell whether a C compiler is installed."""
    return shutil.which("cc") is not None


def preloading(folder: Path, milliseconds: float) -> dict[str, str]:
    """Return the environment of a process whose every sync takes so much longer (under a second)."""
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(_SOURCE % int(milliseconds * 1000))
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}
