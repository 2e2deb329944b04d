"""Loaded before settings are: gives each of several test processes a Valkey of its own.

Databases are told apart by pytest-django; what is published in Redis reaches every listener of a server.
"""

from __future__ import annotations

import atexit
import os

from config.places import var_dir
from config.valkey import Valkey

worker = os.environ.get("PYTEST_XDIST_WORKER")
if worker:
    os.environ["VAR_DIR"] = str(var_dir() / worker)
    server = Valkey(throwaway=True)
    os.environ["REDIS_URL"] = server.start()
    atexit.register(server.stop)
