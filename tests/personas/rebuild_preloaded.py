"""Imports once what each process of `rebuild_process.py` needs: the server that forks them begins with it."""

import os
from importlib import import_module

import django

# Imported where they are used, and slow to come by.
SLOW = (
    "pandas", "scipy.optimize", "sklearn.cluster", "personas.assigning", "personas.fitting",
    "personas.scoring",
)  # fmt: skip

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
os.environ["RAPPORT_JOB_HELPERS"] = "0"
django.setup()
for name in SLOW:
    import_module(name)
