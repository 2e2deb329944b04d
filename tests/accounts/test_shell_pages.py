"""Search, jobs and removing the demo: who may, and what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.demo import remove_demo
from core.jobs import start_job
from core.models import Workspace
from crm.models import Customer
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Interaction
from tests.engagement.events import account, inbound

pytestmark = pytest.mark.django_db
SignIn = Callable[[Any], Client]


def test_jobs_are_listed_and_shown_to_staff_only(amy: Any, signed_in: SignIn, anonymous: Client) -> None:
    job = start_job("import_orders", "Import orders from a.csv", enqueue=False)
    job.result = {"counts": {"stored": 3}, "rejected": [[4, "total is missing"]]}
    job.save()
    browser = signed_in(amy)
    assert b"Import orders from a.csv" in browser.get(reverse("core:job-list")).content
    assert b"total is missing" in browser.get(reverse("core:job-detail", args=[job.pk])).content
    assert browser.get(reverse("core:job-progress", args=[job.pk])).status_code == 200
    assert browser.get(reverse("core:job-list") + "?state=lost").status_code == 400
    assert anonymous.get(reverse("core:job-list")).status_code == 302


def test_search_answers_a_fragment_whatever_is_typed(amy: Any, signed_in: SignIn) -> None:
    browser = signed_in(amy)
    for text in ("", "jobs", "'; --", "\x00", "x" * 5000, "%"):
        assert browser.get(reverse("core:search"), {"q": text}).status_code == 200


def test_only_an_admin_removes_the_demo_and_only_a_demo(ada: Any, max: Any, signed_in: SignIn) -> None:
    ingest(account(), [inbound("a")])
    assert remove_demo() == 0, "what is no demo is never emptied"
    Workspace.objects.update(demo_since=timezone.now())
    assert signed_in(max).post(reverse("core:demo-remove")).status_code == 403
    assert Interaction.objects.exists()
    browser = signed_in(ada)
    assert browser.get(reverse("core:demo-remove")).status_code == 405
    assert browser.post(reverse("core:demo-remove")).status_code == 302
    assert browser.post(reverse("core:demo-remove")).status_code == 302
    for model in (Interaction, Customer, ChannelAccount):
        assert not model.objects.exists()
    assert type(ada).objects.filter(pk=ada.pk).exists()
    assert Workspace.current().demo_since is None
