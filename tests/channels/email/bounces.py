"""A delivery report as mail servers write it (RFC 3464)."""

from __future__ import annotations


def bounce(message_id: str, action: str = "failed", *, headers_only: bool = False) -> bytes:
    """The report about one mail of ours."""
    original = (
        f"From: shop@example.com\r\nTo: bob@example.org\r\nMessage-ID: <{message_id}>\r\nSubject: Re: x\r\n"
    )
    kind = "text/rfc822-headers" if headers_only else "message/rfc822"
    return (
        "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\n"
        "To: shop@example.com\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        "Date: Mon, 2 Mar 2026 11:00:00 +0000\r\nMessage-ID: <dsn-1@mx.example.org>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n"
        f"Final-Recipient: rfc822; bob@example.org\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 No such user here\r\n\r\n"
        f"--b\r\nContent-Type: {kind}\r\n\r\n{original}\r\nbody\r\n--b--\r\n"
    ).encode()
