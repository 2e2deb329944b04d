"""What those who manage channels do with a website, beside its form."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.permissions import requires, staff
from engagement.channels.webchat.sites import new_secret
from engagement.models import ChannelAccount


@never_cache
@require_POST
@requires("channel.manage")
def secret_new(request: HttpRequest, site_key: str) -> HttpResponse:
    """Make a new secret and show it once."""
    by = staff(request)
    seen = ChannelAccount.objects.visible_to(by).filter(connector="webchat", is_active=True)
    site = get_object_or_404(seen, external_id=site_key)
    context = {"account": site, "secret": new_secret(site, by=by)}
    return render(request, "engagement/webchat_secret.html", context)
