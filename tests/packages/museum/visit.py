"""Visits the museum, each request in a trace, and prints every finding of every request as JSON.

    python visit.py             the same each time: no receiver is slow, as the limit is an hour
    python visit.py --slow 10   those as well that took 10 ms or more this time
    python visit.py --slow default   those that are slow where nobody has set a limit

The same pages are asked for in the same order, and the database is new.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

import django
import reporter
from bs4 import BeautifulSoup
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.test.utils import override_settings
from PIL import Image

SITE = Path(__file__).parent
PACKAGES = re.compile(r".*[/\\](?:site|dist)-packages[/\\]")


class Visitor:
    """A browser: keeps cookies, and sends a form with what it was given in it."""

    def __init__(self, requests: list[dict[str, Any]]) -> None:
        self._client = Client()
        self._requests = requests

    def get(self, path: str, status: int = 200, **headers: str) -> Any:
        return self._ask(status, "GET", path, headers=headers or None)

    def post(self, path: str, data: Any = None, status: int = 302, **more: Any) -> Any:
        """Without looking at the form."""
        return self._ask(status, "POST", path, data=data or {}, **more)

    def ask(self, method: str, path: str, status: int, **more: Any) -> Any:
        return self._ask(status, method, path, **more)

    def fill(self, path: str, status: int = 302, to: str = "", **values: Any) -> Any:
        """Asks for a page, and sends its form; ``None`` as a value leaves a field out."""
        fields = {**fields_of(self.get(path).content), **values}
        return self.post(
            to or path, {name: each for name, each in fields.items() if each is not None}, status
        )

    def _ask(self, status: int, method: str, path: str, **more: Any) -> Any:
        before = len(reporter.traces)
        response = getattr(self._client, method.lower())(path, **more)
        if response.status_code != status:
            sys.exit(f"{method} {path} gave {response.status_code}: {errors_of(response.content)}")
        [trace] = reporter.traces[before:]
        self._requests.append({"request": f"{method} {path}", "trace": trace})
        return response


def fields_of(page: bytes) -> dict[str, Any]:
    """What a browser would send of the form that has the most fields."""
    soup = BeautifulSoup(page, "html.parser")
    forms = soup.find_all("form", method=re.compile("post", re.IGNORECASE))
    fields: dict[str, Any] = {}
    form = max(forms, key=lambda each: len(each.find_all(["input", "select", "textarea"])))
    for each in form.find_all(["input", "select", "textarea"]):
        name, kind = each.get("name"), each.get("type")
        if not name or kind in ("file", "submit", "button") or each.has_attr("disabled"):
            continue
        if kind in ("checkbox", "radio"):
            if each.has_attr("checked"):
                fields.setdefault(name, []).append(each.get("value", "on"))
        elif each.name == "select":
            chosen = [option["value"] for option in each.find_all("option", selected=True)]
            options = each.find_all("option")
            if not chosen and options and not each.has_attr("multiple"):
                chosen = [options[0].get("value", "")]
            if chosen:
                fields[name] = chosen
        elif each.name == "textarea":
            fields[name] = each.text.removeprefix("\n")
        else:
            fields[name] = each.get("value", "")
    return fields


def links_of(page: bytes, selector: str) -> list[str]:
    return [each["href"] for each in BeautifulSoup(page, "html.parser").select(selector)]


def errors_of(page: bytes) -> list[str]:
    soup = BeautifulSoup(page, "html.parser")
    found = soup.select(".errorlist, .error-message, .errornote, .exception_value, [role=alert]")
    return [" ".join(each.text.split()) for each in found] or [page[:300].decode()]


def picture(name: str, color: str = "navy") -> SimpleUploadedFile:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), color).save(file, "JPEG")
    return SimpleUploadedFile(name, file.getvalue(), "image/jpeg")


def prepare() -> None:
    from collection.models import Artist, Department, Tour
    from django.contrib.auth.models import Permission, User
    from rest_framework.authtoken.models import Token

    User.objects.create_superuser("director", "director@museum.example", "secret")
    for name in ("ada", "ben", "cleo", "dan", "eva"):
        User.objects.create_user(name, f"{name}@museum.example", "secret", is_staff=True)
    device = User.objects.create_user("device", "device@museum.example", "secret")
    device.user_permissions.set(Permission.objects.filter(content_type__app_label="collection"))
    Token.objects.create(user=device, key="token-of-the-device")
    for name in ("Europe", "Asia"):
        Department.objects.create(name=name)
    for name in ("Artemisia", "Hokusai"):
        Artist.objects.create(name=name)
    Tour.objects.create(name="By night", seats=4)


def visit(visitor: Any) -> None:
    """All that people do here. Keys count from one in the new database; user 1 is guardian's."""
    stranger(visitor())
    director = visitor()
    office(director)
    borrower(visitor())
    loans(director)
    device(visitor())
    pages(director)
    files(director)
    closing(director)


def stranger(web: Visitor) -> None:
    web.get("/")
    web.get("/items/")
    web.get("/search/?q=mill")
    web.get("/nowhere/", 404)
    web.fill("/accounts/login/", 200, login="ada", password="wrong")
    web.post("/api/token/", {"username": "device", "password": "wrong"}, 400)


def office(web: Visitor) -> None:
    """The admin, where items are entered and changed."""
    web.fill("/admin/login/", username="director", password="secret", next="/admin/")
    web.get("/admin/")
    web.fill("/admin/collection/artist/add/", name="Rembrandt", born="1606")
    web.fill("/admin/collection/artist/3/change/", name="Rembrandt van Rijn")
    web.fill("/admin/collection/department/add/", name="Netherlands", parent="1")
    web.fill("/admin/collection/department/3/change/", parent="2")
    web.post(  # dragged with the mouse
        "/admin/collection/department/",
        {"cmd": "move_node", "position": "last-child", "cut_item": "3", "pasted_on": "1"},
        200,
        headers={"X-Requested-With": "XMLHttpRequest"},
    )
    web.fill(
        "/admin/collection/painting/add/",
        title="The Mill",
        department="3",
        artists=["3"],
        picture=picture("mill.jpg"),
        value="90000",
        tags="wind, river",
        **{"reports-0-text": "A crack"},
    )
    web.fill(
        "/admin/collection/painting/1/change/",
        artists=["1", "3"],
        technique="oil",
        tags="wind, landscape",
        picture=picture("mill-again.jpg", "olive"),
        **{
            "reports-0-text": "A small crack",
            "reports-1-text": "Dust",
            "reports-1-is_urgent": "on",
        },
    )
    web.fill("/admin/collection/masterpiece/1/change/", technique="oil on canvas")
    for title in ("The Wave", "The Night"):
        web.fill("/admin/collection/painting/add/", title=title, department="2", artists=["2"])
    web.fill("/admin/collection/sculpture/add/", title="The Cat", department="1", material="bronze")
    web.fill("/admin/collection/sculpture/4/change/", material="stone")
    web.get("/admin/collection/painting/")
    web.fill(
        "/admin/collection/painting/",
        **{"form-0-value": "500", "form-1-value": "600", "_save": "Save"},
    )
    chosen = {"_selected_action": ["1", "2"], "index": "0"}
    web.post("/admin/collection/painting/", {"action": "mark_checked", **chosen})
    web.post("/admin/collection/painting/", {"action": "check_each", **chosen})
    web.post("/admin/collection/item/", {"action": "mark_checked", **chosen})
    web.fill("/admin/collection/item/2/change/", title="The Great Wave")
    web.get("/admin/collection/painting/1/history/")
    web.fill("/admin/collection/painting/1/history/2/", title="The Mill again")
    page = web.get("/admin/collection/sculpture/4/history/")
    web.fill(links_of(page.content, "#change-history a")[-1])
    web.fill(
        "/admin/collection/painting/1/permissions/",
        user="ada",
        submit_manage_user="1",
        to="/admin/collection/painting/1/permissions/",
    )
    web.fill(
        "/admin/collection/painting/1/permissions/user-manage/3/", permissions=["change_painting"]
    )
    artists = SimpleUploadedFile(
        "artists.csv", b"id,name,born\n1,Gentileschi,1593\n,Vermeer,1632\n"
    )
    page = web.fill("/admin/collection/artist/import/", 200, format="0", import_file=artists)
    web.post("/admin/collection/artist/process_import/", fields_of(page.content))
    web.fill("/admin/collection/artist/export/", 200, format="0")
    web.fill("/admin/auth/group/add/", name="Curators", permissions=["1", "2"])
    web.fill(
        "/admin/auth/user/add/", username="fay", password1="Rijks-1885", password2="Rijks-1885"
    )
    web.fill("/admin/auth/user/9/change/", groups=["3"], first_name="Fay", is_staff="on")
    web.fill("/admin/auth/user/9/password/", password1="Rijks-1886", password2="Rijks-1886")
    web.fill("/admin/collection/report/add/", item="1", text="Woodworm", is_urgent="on")
    web.get("/admin/auditlog/logentry/")
    web.get("/admin/axes/accessattempt/")


def borrower(web: Visitor) -> None:
    """Somebody who signs up, looks at things, and wants some of them."""
    web.fill(
        "/accounts/signup/",
        username="gil",
        email="gil@visitors.example",
        password1="Louvre-1793",
        password2="Louvre-1793",
    )
    web.post("/accounts/logout/")
    web.fill("/accounts/login/", login="gil", password="Louvre-1793")
    web.get("/items/")
    web.get("/items/1/")
    web.get("/items/1/")
    web.get("/search/?q=mill")
    web.post("/items/1/borrow/")
    web.post("/items/4/borrow/")
    web.post("/tours/1/book/", {"seats": "2"})
    web.post("/tours/1/book/", {"seats": "9"}, 409)
    web.fill("/accounts/email/", email="gil@home.example", action_add="1")
    web.fill(
        "/accounts/password/change/",
        oldpassword="Louvre-1793",
        password1="Prado-1819",
        password2="Prado-1819",
    )
    web.fill("/accounts/password/reset/", email="gil@visitors.example")
    web.fill(
        "/paintings/add/", title="My own", department="2", picture=picture("own.jpg"), tags="mine"
    )
    web.fill("/paintings/5/change/", title="My own one", tags="mine, yours", artists=["1"])
    web.fill("/sculptures/add/", title="My cat", department="2", material="clay", tags="mine")


def loans(web: Visitor) -> None:
    """Approved, overdue, and back."""
    chosen = {"_selected_action": ["1", "2"], "index": "0"}
    web.post("/admin/collection/loan/", {"action": "approve", **chosen})
    web.post("/loans/mark-overdue/")
    web.post("/loans/start-counting/")
    web.post("/loans/1/give-back/")
    web.post("/loans/return-all/")
    web.post("/items/1/import-reports/", {"lines": "A scratch\nA stain"})
    web.post("/loans/stop-telling/")


def device(web: Visitor) -> None:
    """A program with a token."""
    web.post("/api/token/", {"username": "device", "password": "secret"}, 200)
    asked: Any = {
        "content_type": "application/json",
        "headers": {"Authorization": "Token token-of-the-device"},
    }
    web.ask("GET", "/api/paintings/", 200, headers=asked["headers"])
    painting = {"title": "The Pearl", "department": 2, "artists": [1]}
    web.post("/api/paintings/", painting, 201, **asked)
    web.ask("PATCH", "/api/paintings/7/", 200, data={"artists": [1, 2], "value": 10}, **asked)
    web.ask("DELETE", "/api/paintings/7/", 204, **asked)
    bequest = [{"title": f"Etching {number}", "department": 2} for number in range(30)]
    web.post("/api/paintings/many/", bequest, 201, **asked)
    web.post("/api/artists/", {"name": "Frida"}, 201, **asked)
    web.ask("PUT", "/api/artists/5/", 200, data={"name": "Frida Kahlo", "born": 1907}, **asked)
    web.ask("DELETE", "/api/artists/5/", 204, **asked)
    web.post("/api/reports/", {"item": 1, "text": "Damp"}, 201, **asked)
    many = [{"item": 1, "text": f"Humidity {number}"} for number in range(12)]
    web.post("/api/reports/many/", many, 201, **asked)
    web.ask("DELETE", "/api/reports/1/", 204, **asked)


def pages(web: Visitor) -> None:
    """wagtail: exhibitions, pictures, documents, people."""
    web.get("/cms/")
    web.get("/cms/pages/2/")
    add = "/cms/pages/add/collection/exhibition/2/"
    rich = '{"blocks": [{"key": "a", "text": "Come", "type": "unstyled", "depth": 0, '
    rich += '"inlineStyleRanges": [], "entityRanges": []}], "entityMap": {}}'
    web.fill(add, title="Light", slug="light", intro="Of light", body=rich)
    publish = {"action-publish": "1"}
    web.fill("/cms/pages/3/edit/", body=rich, **publish)
    web.get("/light/")
    web.fill("/cms/pages/3/edit/", title="Light and shadow", slug="shadow", body=rich, **publish)
    web.fill(add, title="Sea", slug="sea", body=rich, **publish)
    web.fill("/cms/pages/4/copy/", new_title="Sea again", new_slug="sea-again")
    web.fill("/cms/pages/4/edit/", body=rich, go_live_at="2999-01-01 00:00", **publish)
    web.post("/cms/pages/5/move/3/confirm/")
    web.post("/cms/pages/4/unpublish/")
    web.get("/cms/pages/3/history/")
    web.post(
        "/cms/bulk/wagtailcore/page/publish/?id=4&id=5&next=/cms/", {"include_descendants": ""}
    )
    web.post("/cms/pages/5/delete/")
    web.get("/cms/pages/search/?q=light")
    web.post(
        "/cms/images/multiple/add/",
        {"files[]": picture("poster.jpg"), "title": "Poster", "collection": "1"},
        200,
    )
    web.get("/cms/images/")
    web.fill("/cms/images/1/", title="The poster", tags="poster", file=picture("new.jpg", "red"))
    web.post("/cms/images/1/delete/")
    plan = SimpleUploadedFile("plan.txt", b"up the stairs")
    web.post(
        "/cms/documents/multiple/add/", {"files[]": plan, "title": "Plan", "collection": "1"}, 200
    )
    web.fill("/cms/documents/edit/1/", title="The plan", tags="plan")
    web.fill("/cms/collections/add/", name="Posters", parent="1")
    web.fill("/cms/snippets/collection/artist/add/", name="Monet", born="1840")
    web.fill("/cms/snippets/collection/artist/edit/6/", name="Claude Monet")
    web.post("/cms/snippets/collection/artist/delete/6/")
    web.fill(
        "/cms/redirects/add/",
        old_path="/old",
        site="1",
        redirect_link="http://museum.example/light/",
    )
    web.get("/old", 301)


def files(web: Visitor) -> None:
    """django-filer."""
    web.post("/admin/filer/folder/make_folder/", {"name": "Press", "_popup": "1"}, 200)
    web.post("/admin/filer/clipboard/operations/upload/1/", {"file": picture("press.jpg")}, 200)
    web.get("/admin/filer/folder/1/list/")
    web.fill("/admin/filer/image/1/change/", name="For the press", author="ada")
    web.fill("/admin/filer/image/1/delete/")
    web.fill("/admin/filer/folder/1/delete/")


def closing(web: Visitor) -> None:
    """What is deleted in the admin, with all that hangs on it."""
    web.fill("/admin/collection/painting/3/delete/")
    delete = {"action": "delete_selected", "post": "yes"}
    web.post("/admin/collection/item/", {**delete, "_selected_action": ["2", "6"]})
    web.post("/items/5/delete/")
    web.post("/admin/collection/report/", {**delete, "_selected_action": ["2", "3"]})
    web.fill("/admin/collection/artist/1/delete/")
    web.fill("/admin/collection/department/3/delete/")
    web.fill("/admin/auth/user/9/delete/")
    web.fill("/admin/auth/group/3/delete/")
    web.post("/admin/axes/accessattempt/", {**delete, "_selected_action": ["1"]})
    web.post("/admin/logout/", status=200)


def requests_of_a_visit() -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as media, override_settings(MEDIA_ROOT=media):
        visit(lambda: Visitor(requests))
    return requests


def place_of(location: Any) -> str | None:
    """``package/file.py function``, without the paths of this machine and without a line."""
    if location is None:
        return None
    file = PACKAGES.sub("", location.file)
    if file == location.file and Path(file).is_relative_to(SITE):
        file = str(Path(file).relative_to(SITE))
    return f"{Path(file).as_posix()} {location.function}"


def owner_of(finding: Any) -> str | None:
    owner = getattr(finding, "owner", None)
    return None if owner is None else str(owner)


def described(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "request": each["request"],
            "slug": finding.slug,
            "names": list(finding.names),
            "level": finding.level,
            "owner": owner_of(finding),
            "message": PACKAGES.sub("", finding.message.replace(f"{SITE}{os.sep}", "")),
            "place": place_of(finding.location),
            "count": finding.count,
        }
        for each in requests
        for finding in each["trace"].findings()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slow", metavar="MS", help="SLOW_RECEIVER_MS, or 'default'")
    options = parser.parse_args()
    django.setup()
    if options.slow == "default":
        del settings.SIGNAL_TRACER["SLOW_RECEIVER_MS"]
    elif options.slow is not None:
        settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "SLOW_RECEIVER_MS": float(options.slow)}
    call_command("migrate", verbosity=0)
    prepare()
    requests = requests_of_a_visit()
    print(
        json.dumps(
            {
                "django": django.__version__,
                "requests": [each["request"] for each in requests],
                "findings": described(requests),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
