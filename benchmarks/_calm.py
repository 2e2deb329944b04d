"""What `benchmarks/crash.py` compares with: the same file and pages into another database, nothing killed.

python -m benchmarks._calm FILE.jsonl PAGES.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> int:
    """Take in the file and the pages that the command line names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from core.jobs import run_job, start_job

    file, pages = Path(sys.argv[1]), Path(sys.argv[2])
    job = start_job("import_interactions", file.name, input={"path": str(file)}, enqueue=False)
    ended = run_job(job.pk)
    if ended is None or ended.state != "done":
        sys.exit(f"Error: the calm import ended {ended and ended.state}: {ended and ended.error}")
    _push(json.loads(pages.read_text()))
    return 0


def _push(pages: list[list[dict[str, object]]]) -> None:
    from django.test import Client

    from benchmarks._installation import new_key

    client = Client(headers={"Authorization": f"Bearer {new_key()}", "Host": "localhost"})
    made = {"network": "crash", "external_id": "pushed", "name": "Pushed"}
    for path, body in [("channel-accounts", made), *(("interactions", page) for page in pages)]:
        answer = client.post(f"/api/v1/{path}/", json.dumps(body), content_type="application/json")
        if answer.status_code >= 300:
            sys.exit(f"Error: /api/v1/{path}/ answered {answer.status_code}: {answer.content[:500]!r}")


if __name__ == "__main__":
    sys.exit(main())
