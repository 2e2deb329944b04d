"""Every setting of Rapport, read from the environment; a bad value stops the start.

Each variable is described in docs/configuration.md.
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.logs import logging_settings
from config.places import BASE_DIR, is_fernet_key, new_fernet_key, read_servers, secret, var_dir

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def whole_number(name: str, default: int, least: int = 0) -> int:
    """Read a number from the environment and refuse one that cannot be meant."""
    try:
        value = env.int(name, default=default)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {os.environ[name]!r}.") from error
    if value < least:
        raise ImproperlyConfigured(f"{name} must be at least {least}, not {value}.")
    return value


def rate(name: str, default: str) -> str:
    """Read a number of calls a second, minute, hour or day, such as 1200/min."""
    value: str = env(name, default=default)
    if not re.fullmatch(r"[1-9][0-9]*/(s|sec|second|m|min|minute|h|hour|d|day)", value):
        raise ImproperlyConfigured(f"{name} must be like 1200/min, not {value!r}.")
    return value


VAR_DIR = var_dir()
SERVERS = read_servers()

# What this installation is

DEBUG = env.bool("DEBUG", default=False)
DEMO = env.bool("DEMO", default=True)
# Whether /p/sign-up/ lets anybody ask for a mail that asks for their consent.
SIGN_UP = env.bool("SIGN_UP", default=False)
HOST = env("HOST", default="127.0.0.1")
PORT = whole_number("PORT", default=8000, least=1)
PUBLIC_URL = env("PUBLIC_URL", default=f"http://localhost:{PORT}").rstrip("/")
_public = urlsplit(PUBLIC_URL)
if _public.scheme not in ("http", "https") or not _public.hostname or _public.path:
    raise ImproperlyConfigured(
        f"PUBLIC_URL must be like https://crm.example.com, without a path, not {PUBLIC_URL!r}."
    )
HTTPS = _public.scheme == "https"
# Where the browser opens the event stream: "" is the origin of the page (behind a proxy), ":8001" is
# another port of the same host, anything else is an origin.
LIVE_URL = env("LIVE_URL", default="")
SECRET_KEY = env("SECRET_KEY", default="") or secret("secret_key")
# Encrypts credentials of channel accounts in the database.
RAPPORT_KEY = env("RAPPORT_KEY", default="") or secret("rapport_key", new_fernet_key)
# Earlier keys that may still read what they encrypted; what is saved again takes RAPPORT_KEY.
RAPPORT_OLD_KEYS = env.list("RAPPORT_OLD_KEYS", default=[])
for _key in (RAPPORT_KEY, *RAPPORT_OLD_KEYS):
    if not is_fernet_key(_key):
        raise ImproperlyConfigured("RAPPORT_KEY must be 32 random bytes in url-safe base64, a Fernet key.")
# Hosts, addresses or networks inside our own network that users may connect to, such as a mail server.
RAPPORT_ALLOW_PRIVATE_HOSTS = env.list("RAPPORT_ALLOW_PRIVATE_HOSTS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[_public.hostname, "localhost", "127.0.0.1", "[::1]"])

# How many proxies stand between the browser and us, so that a client's address can be believed.
PROXIES = whole_number("PROXIES", default=0)

# Django

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "csp",
    "core",
    "accounts",
    "crm",
    "engagement",
    "personas",
    "analytics",
    "config",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.web.LiveOriginMiddleware",
    "accounts.middleware.OriginMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.ReaderZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.shell",
                "config.web.live_address",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
USE_I18N = True

# How many processes and threads run, and the database connections that they may hold

WEB_PROCESSES = whole_number("WEB_PROCESSES", default=1, least=1)
WEB_THREADS = whole_number("WEB_THREADS", default=8, least=1)
LIVE_PROCESSES = whole_number("LIVE_PROCESSES", default=1, least=1)
LIVE_THREADS = whole_number("LIVE_THREADS", default=4, least=1)
# How often an open event stream asks whether its reader is still allowed what it is told.
LIVE_RIGHTS_SECONDS = whole_number("LIVE_RIGHTS_SECONDS", default=60, least=1)
WORKER_PROCESSES = whole_number("WORKER_PROCESSES", default=2, least=1)
NIGHTLY_PROCESSES = whole_number("NIGHTLY_PROCESSES", default=2, least=1)
# Pulls and sends at once; most of them wait for a platform.
CHANNEL_THREADS = whole_number("CHANNEL_THREADS", default=12, least=4)
# How many connections to mail servers are held open to hear of new mail at once; 0 for none.
WATCHES = whole_number("WATCHES", default=100, least=0)
# Two more for each process of workers (its parent and what it runs as a child process), a second one for each
# thread that talks to a platform (it keeps a lease meanwhile), one each for beat and for what watches, and
# five for people at the command line.
DATABASE_CONNECTIONS = (
    WEB_PROCESSES * WEB_THREADS
    + LIVE_PROCESSES * LIVE_THREADS
    + 2 * (WORKER_PROCESSES + NIGHTLY_PROCESSES + CHANNEL_THREADS + 1)
    + 2
    + 5
)

# Data

DATABASE_URL = env("DATABASE_URL", default="") or SERVERS.get("DATABASE_URL", "")
# Without an address the command line still works where no data is needed.
DATABASES: dict[str, Any] = {
    "default": environ.Env.db_url_config(DATABASE_URL or "postgres:///rapport?host=/nonexistent")
}
if DATABASES["default"].get("ENGINE") != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL must begin with postgres://; Rapport needs PostgreSQL.")
DATABASES["default"]["CONN_MAX_AGE"] = 600
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

REDIS_URL = env("REDIS_URL", default="") or SERVERS.get("REDIS_URL", "redis://127.0.0.1:6379/0")
if urlsplit(REDIS_URL).scheme not in ("redis", "rediss"):
    raise ImproperlyConfigured("REDIS_URL must begin with redis:// or rediss://.")
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "config.cache.ForgivingRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "rapport-cache",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1, "retry_on_timeout": False},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_AGE = 14 * 24 * 3600

MEDIA_ROOT = VAR_DIR / "media"
MEDIA_URL = "/media/"
# The largest file of a customer that is fetched and kept.
MEDIA_BYTES = whole_number("MEDIA_MEGABYTES", default=50, least=1) * 1024 * 1024
# Files that people send may be kept in a bucket; without a name they are on disk like everything else.
S3_BUCKET = env("S3_BUCKET", default="")
S3: dict[str, Any] = {
    "bucket_name": S3_BUCKET,
    "endpoint_url": env("S3_ENDPOINT", default="") or None,
    "region_name": env("S3_REGION", default="") or None,
    "access_key": env("S3_KEY", default="") or None,
    "secret_key": env("S3_SECRET", default="") or None,
    "default_acl": None,
    "file_overwrite": False,
    "querystring_auth": True,
}
FILE_UPLOAD_PERMISSIONS = 0o640
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024

# Static files: our own, and the browser libraries that are fetched at set-up

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "config.staticfiles.BrowserLibraries",
]
NODE_MODULES = BASE_DIR / "node_modules"
BROWSER_FILES = [
    "@tabler/core/dist/css/tabler.min.css*",
    "@tabler/core/dist/js/tabler.min.js*",
    "@tabler/icons-webfont/dist/tabler-icons.min.css*",
    "@tabler/icons-webfont/dist/fonts/tabler-icons.*",
    "@fontsource-variable/inter/files/inter-*-wght-normal.woff2",
    "echarts/dist/echarts.min.js",
]
STATIC_COLLECTED = not DEBUG and (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
WHITENOISE_AUTOREFRESH = DEBUG
COLLECTED_STORAGE = "config.staticfiles.HashedStaticFiles"
STORAGES: dict[str, Any] = {
    "default": {
        "BACKEND": "core.storage.SplitStorage",
        "OPTIONS": {"folders": ("attachments", "thumbnails"), "options": S3} if S3_BUCKET else {},
    },
    "staticfiles": {
        "BACKEND": COLLECTED_STORAGE
        if STATIC_COLLECTED or env.bool("COLLECTING_STATIC", default=False)
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Who may come in

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ALLAUTH_TRUSTED_PROXY_COUNT = PROXIES
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# A letter to an address that nobody has here would tell strangers about this installation.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Rapport"

# What a browser may do

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
if HTTPS:
    SECURE_HSTS_SECONDS = whole_number("HSTS_SECONDS", default=30 * 24 * 3600)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# REST API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.APIKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.rendering.JSONAnswer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsing.JSONBody"],
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.Schema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "DEFAULT_THROTTLE_CLASSES": [
        "accounts.throttling.AnonymousThrottle",
        "accounts.throttling.KeyThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anonymous": rate("API_RATE_ANONYMOUS", default="60/min"),
        "key": rate("API_RATE", default="1200/min"),
    },
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "NUM_PROXIES": PROXIES,
}
DRF_STANDARDIZED_ERRORS = {"EXCEPTION_HANDLER_CLASS": "core.api.errors.Handler"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rapport API",
    "DESCRIPTION": (
        "Customers, interactions, orders, conversations, segments and personas, in and out. "
        "Send a key as `Authorization: Bearer rk_…`; make one in Settings, API keys."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    # Parts are opened by a click: all calls at once keep a browser busy for many seconds.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "docExpansion": "none"},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "TAGS": [
        {"name": name}
        for name in (
            "me",
            "customers",
            "identities",
            "orders",
            "channel accounts",
            "interactions",
            "conversations",
            "segments",
            "personas",
            "jobs",
            "events",
        )
    ],
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": "crm.models.OrderStatus.choices",
        "ConversationStatus": "engagement.models.Status.choices",
        "CustomerKind": "crm.models.CustomerKind.choices",
        "JourneyStage": "crm.models.Stage.choices",
        "CustomFieldType": "crm.models.FieldType.choices",
        "InteractionKind": "engagement.channels.base.Kind",
        "PushedKind": "engagement.serializers.KINDS",
        "OverlapKind": "personas.serializers.OVERLAP_KINDS",
        "NodeKind": "personas.serializers.NODE_KINDS",
        "SegmentKind": "personas.models.SegmentKind.choices",
        "PersonaPart": "personas.models.NotePart.choices",
        "JobState": "core.models.JobState.choices",
        "PushStatus": "core.api.pushing.STATUSES",
    },
}

# Platforms

# Where a platform is, when it is not where its connector expects it: name=https://proxy.example.com,...
CHANNEL_URLS = {name: url.rstrip("/") for name, url in env.dict("CHANNEL_URLS", default={}).items()}
for _name, _url in CHANNEL_URLS.items():
    if urlsplit(_url).scheme not in ("http", "https") or not urlsplit(_url).hostname:
        raise ImproperlyConfigured(
            f"CHANNEL_URLS: {_name} must be an address like https://host, not {_url!r}."
        )
# The operator's own apps: CHANNEL_APP_META_ID, CHANNEL_APP_META_SECRET and the like, by app and part.
CHANNEL_APPS: dict[str, dict[str, str]] = {}
for _variable, _value in os.environ.items():
    if _value and (_part := re.fullmatch(r"CHANNEL_APP_([A-Z0-9]+)_([A-Z0-9_]+)", _variable)):
        CHANNEL_APPS.setdefault(_part[1].lower(), {})[_part[2].lower()] = _value

# Our own notices by e-mail; without EMAIL_URL they are files in var/mail

EMAIL_URL = env("EMAIL_URL", default="")
if EMAIL_URL:
    _email = environ.Env.email_url_config(EMAIL_URL)
    EMAIL_BACKEND = _email["EMAIL_BACKEND"]
    EMAIL_HOST = _email["EMAIL_HOST"] or "localhost"
    EMAIL_PORT = _email["EMAIL_PORT"] or 25
    EMAIL_HOST_USER = _email["EMAIL_HOST_USER"] or ""
    EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(VAR_DIR / "mail")
EMAIL_TIMEOUT = 10
EMAIL_SUBJECT_PREFIX = ""
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env("FROM_EMAIL", default=f"Rapport <rapport@{_public.hostname}>")

# Work in the background. A task that was taken and not finished comes again; one that kills its
# worker too; nothing is kept in Redis that PostgreSQL does not know.

TASK_TIME_LIMIT = 120
LONG_TASK_TIME_LIMIT = 900
LONGEST_TASK_TIME_LIMIT = 3600
# So long after the last sign of life the process that runs a job counts as dead, and another takes it up.
JOB_LEASE_SECONDS = whole_number("RAPPORT_JOB_LEASE_SECONDS", default=90, least=3)
# How many workers at most are asked to help with one step of a job.
JOB_HELPERS = whole_number("RAPPORT_JOB_HELPERS", default=7, least=0)
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = TASK_TIME_LIMIT
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 2 * LONGEST_TASK_TIME_LIMIT,
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "max_retries": 0,
    "global_keyprefix": "rapport:",
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TIMEZONE = "UTC"
# A sweep that found no worker for its turn is not worth a second one.
CELERY_BEAT_SCHEDULE = {
    name: {"task": name, "schedule": 10.0, "options": {"queue": queue, "expires": 10}}
    for name, queue in {
        "core.tasks.worker_heartbeat": "default",
        "core.tasks.sweep_jobs": "default",
        "engagement.tasks.sweep_outbox": "outbound",
        "engagement.tasks.sweep_pulls": "pulls",
        "engagement.tasks.sweep_raw_events": "inbound",
        "engagement.tasks.sweep_files": "pulls",
        "engagement.tasks.sweep_accounts": "default",
        "crm.tasks.sweep_retention": "nightly",
        "personas.tasks.sweep_nightly": "nightly",
        "analytics.tasks.sweep_rollups": "default",
    }.items()
}

LOGGING = logging_settings(level=env("LOG_LEVEL", default="INFO"), form=env("LOG_FORMAT", default="console"))
