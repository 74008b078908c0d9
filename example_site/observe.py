"""The example site as in production: its spans and metrics go to a collector.

    python example_site/observe.py                                     ours, which draws them here
    python example_site/observe.py --endpoint http://localhost:4318    Jaeger, Grafana, any other

Fills the shop if it is empty, places one order by a real request, shows what arrived, and serves
the site until Control-C (``--once``: not). What it sets up is what a project sets up: an SDK, an
exporter, the instrumentation of Django, and our reporter in SIGNAL_TRACER["REPORTERS"].
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from contextlib import suppress
from http.cookiejar import CookieJar
from socketserver import ThreadingMixIn
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from small_collector import HOST, Arrived, SmallCollector, draw, draw_metrics


def set_up_opentelemetry(endpoint: str) -> tuple[TracerProvider, MeterProvider]:
    """As a project does, before Django loads its middleware; under gunicorn in ``post_fork``."""
    resource = Resource.create({"service.name": "example-shop"})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(spans)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics"))
    figures = MeterProvider([reader], resource)
    metrics.set_meter_provider(figures)
    DjangoInstrumentor().instrument()
    return spans, figures


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Says nothing of each request: the console is for the spans."""


def place_an_order(site: str) -> None:
    """Press the button of the page "Checkout", as a browser does."""
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    with browser.open(f"{site}/checkout/") as page:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    assert token, "the page has no form"
    filled = urlencode({"csrfmiddlewaretoken": token[1]}).encode()
    with browser.open(f"{site}/checkout/", filled) as answer:
        assert answer.status == 200


def main() -> None:
    parser = argparse.ArgumentParser(description="The example site with OpenTelemetry.")
    parser.add_argument("--endpoint", help="of a collector, such as http://localhost:4318")
    parser.add_argument("--port", type=int, default=8000, help="where the site is served")
    parser.add_argument("--once", action="store_true", help="one order, and the end")
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["SIGNAL_TRACER_OPENTELEMETRY"] = "1"
    arrived: list[Arrived] = []
    latest: list[Metric] = []
    ours = SmallCollector(arrived.extend, latest.extend)
    endpoint = (options.endpoint or ours.start().url).rstrip("/")
    spans, figures = set_up_opentelemetry(endpoint)

    import django
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    django.setup()
    call_command("prepare_demo")
    try:
        server = make_server(
            HOST, options.port, StaticFilesHandler(get_wsgi_application()), Server, Quiet
        )
    except (OSError, OverflowError) as error:
        sys.exit(f"Port {options.port} on {HOST} cannot be used ({error}). Choose another: --port")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = f"http://{HOST}:{server.server_port}"

    print(f"An order is placed at {site}, and what happens is sent to {endpoint} ...", flush=True)
    place_an_order(site)
    spans.force_flush()
    figures.force_flush()
    if options.endpoint is None:
        print(f"\n{draw(arrived)}\n\nThe metrics that are not 0:\n{draw_metrics(latest)}")
        ours.on_spans = lambda spans: print(f"\n{draw(spans)}", flush=True)
    if not options.once:
        print(f"\nOpen {site}/ and press a button. Stop with Control-C.", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    server.shutdown()


if __name__ == "__main__":
    main()
