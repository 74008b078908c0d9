"""The example site for ASGI: ``uvicorn --app-dir example_site config.asgi:application``."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# runserver serves the static files by itself, an ASGI server does not.
application = ASGIStaticFilesHandler(get_asgi_application())
