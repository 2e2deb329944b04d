"""`make screenshots`: pictures of the demo workspace for the README, light and dark.

Fills the empty database that the environment names with the demo, runs its rebuild, serves it, signs in as
its admin and takes each page. A database that holds the demo already is taken as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import find_chromium
from tests.mail_servers import free_port, wait_for_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BASE_DIR = Path(__file__).resolve().parent.parent
PICTURES = BASE_DIR / "docs" / "pictures"
THEMES = ("light", "dark")
SIZE = {"width": 1440, "height": 900}
COLORS = 256
LARGEST = 250_000
"""So many bytes a picture may have: they are part of every clone."""
SETTLE_MILLISECONDS = 2_500
"""In this time charts are drawn and fragments have come."""


def main() -> int:
    """Take every picture and return how many are too large."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    _manage("migrate", "--noinput", "-v", "0")
    _manage("demo", "--if-empty")
    import django

    django.setup()
    rebuild()
    search_duplicates()
    addresses = pages()
    with served() as root:
        taken = visit(root, addresses)
    for path in taken:
        print(f"{path.relative_to(BASE_DIR)}: {path.stat().st_size:,} bytes")
    return sum(path.stat().st_size > LARGEST for path in taken)


def _manage(*arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=BASE_DIR, check=True)


def rebuild() -> None:
    """Run the rebuild that the demo left in the queue, or else a first one; where one is done, nothing."""
    from core.jobs import run_job
    from core.models import Job, JobState
    from personas.models import Rebuild
    from personas.nightly import KIND, start_rebuild

    if Rebuild.objects.filter(finished_at__isnull=False, customers_changed__gt=0).exists():
        return
    waiting = Job.objects.filter(kind=KIND, state__in=[JobState.QUEUED, JobState.RUNNING]).first()
    done = run_job((waiting or start_rebuild(enqueue=False)).pk)
    if done is None or done.state != JobState.DONE:
        raise SystemExit(f"The rebuild failed: {done.error if done else 'another process runs it'}")


def search_duplicates() -> None:
    """Run the search that the demo left in the queue."""
    from core.jobs import run_job
    from core.models import Job, JobState
    from crm.linkage.jobs import KIND

    for job in Job.objects.filter(kind=KIND, state=JobState.QUEUED):
        run_job(job.pk)


def pages() -> dict[str, str]:
    """Return the path of each page by the name of its picture."""
    from django.db.models import Count

    from crm.models import Customer, Suspect
    from engagement.models import Conversation
    from personas.models import Persona, Segment

    known = Customer.objects.filter(merged_into=None, language="en", persona_membership__isnull=False)
    waiting = Conversation.objects.open().filter(is_public=False, count__gte=3, last_direction="inbound")
    told = waiting.filter(customer__in=known.filter(orders__isnull=False))
    conversation = told.order_by("-last_at", "pk").first()
    customer = (
        known.annotate(handles=Count("identities", distinct=True), bought=Count("orders", distinct=True))
        .filter(bought__gte=3)
        .order_by("-handles", "-last_seen_at", "pk")
        .first()
    )
    segment = Segment.objects.order_by("pk").first()
    persona = Persona.objects.filter(is_active=True).order_by("rank", "pk").first()
    pair = Suspect.objects.order_by("-probability", "-pk").first()
    if not (conversation and customer and segment and persona and pair):
        raise SystemExit("This database does not hold the demo: give an empty one.")
    return {
        "inbox": f"/inbox/{conversation.pk}/?view=open",
        "customer": f"/customers/{customer.pk}/",
        "duplicates": "/customers/duplicates/",
        "merge": f"/customers/merge/?ids={pair.low_id},{pair.high_id}",
        "segment": f"/segments/{segment.pk}/",
        "persona": f"/personas/{persona.pk}/",
        "plan": f"/personas/plans/new/?audience=persona-{persona.pk}&posts=12",
        "prediction": "/personas/models/buying/",
        "overview": "/analytics/",
        "channels": "/settings/channels/new/",
    }


@contextmanager
def served() -> Iterator[str]:
    """Serve pages and event stream for this block, and give their address."""
    web, live = free_port(), free_port()
    root = f"http://localhost:{web}"
    shared = {**os.environ, "PUBLIC_URL": root, "LIVE_URL": f":{live}"}
    with ExitStack() as stack:
        for name, port in (("web", web), ("live", live)):
            process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", name],
                cwd=BASE_DIR,
                env={**shared, "PORT": str(port)},
                stdout=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_for_port(port, 60)
        yield root


def visit(root: str, addresses: dict[str, str]) -> list[Path]:
    """Take each page in each theme and return the files."""
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**find_chromium().launch_options())  # type: ignore[arg-type]
        taken = []
        for theme in THEMES:
            page = _signed_in(browser, root, theme)
            taken += [_take(page, path, f"{name}-{theme}") for name, path in addresses.items()]
        browser.close()
    return taken


def _signed_in(browser: Browser, root: str, theme: str) -> Page:
    """Open a window of the demo's admin."""
    from analytics.demo.staff import CAST, DOMAIN, password_file

    context = browser.new_context(base_url=root, viewport=SIZE, color_scheme=theme, locale="en-US")  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("[name=login]", f"{CAST[0][0]}@{DOMAIN}")
    page.fill("[name=password]", Path(password_file()).read_text().strip())
    page.click("form[action='/accounts/login/'] button[type=submit]")
    page.wait_for_url(lambda url: "/accounts/login/" not in url)
    return page


def _take(page: Page, path: str, name: str) -> Path:
    picture = PICTURES / f"{name}.png"
    answer = page.goto(path)
    if answer is None or not answer.ok:
        raise SystemExit(f"{path} answered {answer.status if answer else 'nothing'}.")
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    _keep(page.screenshot(animations="disabled"), picture)
    return picture


def _keep(content: bytes, picture: Path) -> None:
    """Write a picture with a palette, which is a third of the size and looks the same."""
    from PIL import Image

    image = Image.open(BytesIO(content)).convert("RGB")
    small = image.quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
