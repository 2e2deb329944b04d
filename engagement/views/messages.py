"""All messages in which something was said."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import requires
from core.fragments import is_fragment
from core.paging import page_for
from core.search import LONGEST
from core.text import clean_text
from engagement.filters import MESSAGE_SORTS
from engagement.search import messages


@require_GET
@requires("conversation.read")
def message_list(request: HttpRequest) -> HttpResponse:
    """Messages of one's teams that say `q`, newest first."""
    text = clean_text(request.GET.get("q", "")[: 4 * LONGEST], LONGEST).strip()
    said = messages(request.user, text).select_related("account", "conversation__customer", "customer")
    page = page_for(request, said, sorts=MESSAGE_SORTS, default="-occurred")
    template = "engagement/_message_rows.html" if is_fragment(request) else "engagement/message_list.html"
    return render(request, template, {"page": page, "q": text})
