"""The catalogues: whole, compiled, and no business of the site's own words."""

import importlib.util
import re
from pathlib import Path

import polib
import pytest
from django.utils import translation
from pages import CHECKOUT, said, trace_of

from signal_tracer.panel.language import CONTEXT

ROOT = Path(__file__).parents[2]
CATALOGUES = sorted((ROOT / "signal_tracer" / "locale").glob("*/LC_MESSAGES/django.po"))


def entries(path):
    read = polib.mofile if path.suffix == ".mo" else polib.pofile
    return {
        (each.msgid, each.msgid_plural): each.msgstr or tuple(sorted(each.msgstr_plural.items()))
        for each in read(path)
        if each.msgid
    }


def test_there_is_one_language_of_each_direction():
    assert [path.parts[-3] for path in CATALOGUES] == ["de", "fa"]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_everything_is_translated_and_compiled(path):
    catalogue = polib.pofile(path)

    assert catalogue.percent_translated() == 100
    assert catalogue.fuzzy_entries() == []
    assert {each.msgctxt for each in catalogue} == {CONTEXT}
    assert entries(path) == entries(path.with_suffix(".mo"))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_what_is_filled_in_is_filled_in_in_every_language(path):
    def blanks(text):
        return set(re.findall(r"%\(\w+\)[sd]|\{\w+\}|</?bdi>", text))

    lost = [
        (each.msgid, translated)
        for each in polib.pofile(path)
        for translated in (each.msgstr, *each.msgstr_plural.values())
        # "One dispatch" may become "1 dispatch".
        if translated
        and blanks(translated) != blanks(each.msgid_plural or each.msgid)
        and blanks(translated) != blanks(each.msgid)
    ]
    assert lost == []


@pytest.mark.gettext
@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_the_catalogues_hold_what_the_panel_and_the_findings_say(path, tmp_path):
    spec = importlib.util.spec_from_file_location("messages", ROOT / "docs" / "make_messages.py")
    messages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(messages)

    said_now = entries(messages.extract(tmp_path)).keys()
    assert sorted(said_now ^ entries(path).keys()) == [], "run: python docs/make_messages.py"


@pytest.mark.parametrize(
    ("language", "head", "finding"),
    [
        (
            "de",
            "2 Versände · 3 Receiver-Aufrufe · 31,0 ms in Receivern, 31 % von 100 ms",
            "shop.receivers.send_receipt löste SMTPException: refused aus, und",
        ),
        (
            "fa",
            "2 ارسال · 3 فراخوانی گیرنده · 31.0 ms در گیرنده‌ها، 31 % از 100 ms",
            "استثنایی بلعیده شد · shop.receivers.send_receipt خطای SMTPException: refused داد",
        ),
    ],
)
def test_the_panel_speaks_the_language_of_the_page(stored, language, head, finding):
    panel = stored(trace_of(CHECKOUT))
    with translation.override(language):
        html = panel.content

    # In a text from right to left, names and times are kept together by marks.
    text = re.sub("[\u2066\u2069]", "", said(html))
    assert head in text
    assert finding in text


def test_the_sites_own_words_are_not_ours_to_translate():
    with translation.override("de"):
        assert translation.gettext("Receiver call") == "Receiver call"
        assert translation.gettext("Own time") == "Own time"
        assert translation.pgettext(CONTEXT, "Own time") == "Eigenzeit"
