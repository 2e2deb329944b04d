"""One process of `benchmarks/import_customers.py`: prepares an import, or works on one as a worker does.

python -m benchmarks._importing prepare FILE | check RUN | run RUN
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from itertools import islice
from pathlib import Path


def main() -> int:
    """Do what the command line says; `prepare` prints the number of the import."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    action, what = sys.argv[1:]
    if action == "prepare":
        print(_prepare(Path(what)))
        return 0
    return _work(action, int(what))


def _prepare(file: Path) -> int:
    from django.core.files.storage import default_storage
    from django.core.management import call_command

    from core.files import look_at, read
    from core.imports import importers
    from core.mapping import guess, samples_of
    from core.models import ImportRun

    call_command("migrate", verbosity=0)
    path = f"imports/bench-{os.getpid()}"
    target = Path(default_storage.path(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)
    shape = look_at(target)
    samples = samples_of(islice(read(target, shape), 200), shape.columns)
    mapping = guess(shape.columns, samples, importers["import_customers"].targets())
    run = ImportRun.objects.create(
        name=file.name,
        path=path,
        kind="import_customers",
        source="bench",
        shape=shape.as_json(),
        mapping=mapping,
    )
    return run.pk


def _work(action: str, number: int) -> int:
    """Run the job of an import to its end; that of a killed worker is taken up when its lease is over."""
    from core.import_runs import start_check, start_run
    from core.jobs import run_job
    from core.models import ImportRun

    run = ImportRun.objects.select_related("job").get(pk=number)
    if run.job is None or not run.job.is_open:
        run = (start_check if action == "check" else start_run)(run, enqueue=False)
    while (job := run_job(run.job_id)) is None:
        time.sleep(0.5)
    print(job.state, job.error)
    return 0 if job.state == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
