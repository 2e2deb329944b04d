"""The event stream: server-sent events for staff and chat visitors, served by `config.asgi`.

A stream carries notices with ids only; the page fetches the one row again through its normal view,
where who may see what is decided as always.
"""

from engagement.live.app import application

__all__ = ["application"]
