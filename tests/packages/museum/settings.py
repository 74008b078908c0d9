"""A museum: a project of many packages, with an app of its own that has faults of its own."""

import tempfile
from pathlib import Path

SECRET_KEY = "only-for-tests-and-long-enough-to-sign-with"
DEBUG = True
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = Path(tempfile.gettempdir()) / "museum-media"  # visit.py has a new one each time
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Slow on purpose, the usual one would take most of the time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_REDIRECT_URL = "/items/"

SIGNAL_TRACER = {
    "ENABLED": True,
    "REPORTERS": ["reporter.keep"],
    # What is slow differs from run to run: visit.py --slow asks for that.
    "SLOW_RECEIVER_MS": 3_600_000,
}

INSTALLED_APPS = [
    "signal_tracer",
    "collection",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "auditlog",
    "axes",
    "easy_thumbnails",
    "filer",
    "guardian",
    "haystack",
    "imagekit",
    "import_export",
    "mptt",
    "polymorphic",
    "rest_framework",
    "rest_framework.authtoken",
    "reversion",
    "simple_history",
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_cleanup",  # Its documentation wants it last.
]

MIDDLEWARE = [
    "signal_tracer.middleware.SignalTracerMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "auditlog.middleware.AuditlogMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "reversion.middleware.RevisionMiddleware",
    "wagtail.contrib.redirects.middleware.RedirectMiddleware",
    "axes.middleware.AxesMiddleware",
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# allauth
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_RATE_LIMITS = False

# axes
AXES_FAILURE_LIMIT = 5
AXES_VERBOSE = False

# easy-thumbnails
THUMBNAIL_ALIASES = {"collection": {"small": {"size": (60, 60)}}}
THUMBNAIL_PROCESSORS = (
    "easy_thumbnails.processors.colorspace",
    "easy_thumbnails.processors.autocrop",
    "filer.thumbnail_processors.scale_and_crop_with_subject_location",
    "easy_thumbnails.processors.filters",
)

# haystack
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
HAYSTACK_SIGNAL_PROCESSOR = "haystack.signals.RealtimeSignalProcessor"

# REST framework
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}

# wagtail and taggit
WAGTAIL_SITE_NAME = "Museum"
WAGTAILADMIN_BASE_URL = "http://museum.example"
TAGGIT_CASE_INSENSITIVE = True
