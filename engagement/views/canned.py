"""Canned replies: the texts that agents call by a slash."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires
from engagement.forms import CannedReplyForm
from engagement.models import CannedReply


@require_GET
@requires("channel.manage")
def canned_list(request: HttpRequest) -> HttpResponse:
    """All of them, by shortcut."""
    found = CannedReply.objects.select_related("team").order_by("shortcut")
    return render(request, "engagement/canned_list.html", {"found": found})


@require_http_methods(["GET", "POST"])
@requires("channel.manage")
def canned_edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Write a new one, or change one."""
    canned = get_object_or_404(CannedReply, pk=pk) if pk else None
    form = CannedReplyForm(request.POST or None, instance=canned)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("/%(shortcut)s is kept.") % {"shortcut": form.instance.shortcut})
        return redirect("engagement:canned-list")
    status = 422 if form.is_bound else 200
    return render(request, "engagement/canned_edit.html", {"form": form, "canned": canned}, status=status)


@require_POST
@requires("channel.manage")
def canned_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one."""
    get_object_or_404(CannedReply, pk=pk).delete()
    messages.success(request, _("The canned reply is gone."))
    return redirect("engagement:canned-list")
