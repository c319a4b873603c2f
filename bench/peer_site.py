"""Other trackers that keep clicks, each with the fastest site that its documentation allows.

A process of its own for each, behind the server that suits it; ``PEER`` names the tracker and
``PEER_DATABASE`` its SQLite file. All get what linkproxy gives itself: WAL, synchronous FULL, a lasting
connection, writers that take their turn at once, no middleware. Run as a program it makes the
database with so many messages and prints a path to follow for each.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.urls import include, path, re_path

PEER = os.environ["PEER"]
TARGET = "http://shop.example/article/1"  # emark redirects to the scheme that it was asked by
_APPS = {"pytracking": [], "emark": ["emark"], "django-mail-analytics": ["django_mail_analytics"]}
_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
_BATCH = 500

settings.configure(
    SECRET_KEY="of a benchmark",  # noqa: S106  (it protects nothing)
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", *_APPS[PEER]],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["PEER_DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": _PRAGMAS, "timeout": 30},
        }
    },
    MAIL_ANALYTICS={"SCHEME": "http", "DOMAIN": "127.0.0.1"},
    PYTRACKING_CONFIGURATION={"base_click_tracking_url": "http://127.0.0.1/c/"},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LOGGING_CONFIG=None,
)
django.setup()


class Click(models.Model):  # type: ignore[misc]  # noqa: DJ008  (django has no types; nobody prints one)
    """What is kept of a click by pytracking's users, since it leaves that to them."""

    at = models.DateTimeField(auto_now_add=True)
    campaign = models.IntegerField()
    recipient = models.IntegerField()
    url = models.TextField()
    agent = models.TextField()
    address = models.TextField()

    class Meta:
        """Of no app, since there is none."""

        app_label = "peer"


def _pytracking_urls() -> list[Any]:
    from pytracking.django import ClickTrackingView

    class View(ClickTrackingView):  # type: ignore[misc]  # pytracking has no types
        def notify_tracking_event(self, tracking_result: Any) -> None:
            told, asked = tracking_result.metadata, tracking_result.request_data
            Click.objects.create(
                campaign=told["campaign"],
                recipient=told["recipient"],
                url=tracking_result.tracked_url,
                agent=asked["user_agent"],
                address=asked["user_ip"],
            )

    return [re_path(r"^c/(?P<path>[\w=/-]+)$", View.as_view())]


def _urls() -> list[Any]:
    if PEER == "pytracking":
        return _pytracking_urls()
    return [path("", include(f"{_APPS[PEER][0]}.urls"))]


urlpatterns = _urls()
# emark and pytracking are for WSGI; django-mail-analytics has asynchronous views.
application = get_asgi_application() if PEER == "django-mail-analytics" else get_wsgi_application()


def _fill_pytracking(messages: int) -> list[str]:
    import pytracking

    with connection.schema_editor() as editor:
        editor.create_model(Click)
    return [
        "/c/"
        + pytracking.Configuration(base_click_tracking_url="").get_click_tracking_url(
            TARGET, {"campaign": number % 20, "recipient": number}
        )
        for number in range(messages)
    ]


def _fill_emark(messages: int) -> list[str]:
    from emark.models import Send

    made = [Send(uuid=uuid.uuid4(), from_email="us@brand.example", body="") for _ in range(messages)]
    Send.objects.bulk_create(made, batch_size=_BATCH)
    return [f"/{item.pk}/click?url={TARGET}" for item in made]


def _fill_analytics(messages: int) -> list[str]:
    from django_mail_analytics.mail import get_hasher
    from django_mail_analytics.models import Mail, MailRecipient

    mail = Mail.objects.create(key="spring", date="2026-05-01")
    made = [MailRecipient(mail=mail, recipient=f"r{number}@example.com") for number in range(messages)]
    MailRecipient.objects.bulk_create(made, batch_size=_BATCH)
    return [f"/p?q={get_hasher().encode(item.pk)}&u={TARGET}" for item in made]


_FILL = {"pytracking": _fill_pytracking, "emark": _fill_emark, "django-mail-analytics": _fill_analytics}


def main() -> None:
    """Make the database and print the paths."""
    call_command("migrate", verbosity=0)
    print("\n".join(_FILL[PEER](int(sys.argv[1]))))


if __name__ == "__main__":
    main()
