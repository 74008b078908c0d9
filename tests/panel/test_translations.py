"""The catalogues: whole, compiled, and no business of the site's own words."""

import importlib.util
import re
from pathlib import Path

import polib
import pytest
from django.utils import translation
from pages import CHECKOUT, said, trace_of

from signal_tracer.panel.words import CONTEXT
from signal_tracer.records import Bypass, Dispatch, Location, Query, ReceiverCall, Skipped

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


QUERIES = [
    Query("UPDATE shop_order SET packed = 1", "logs", duration=0.00547, is_write=True),
    Query("DELETE FROM shop_basket", "logs", duration=0.001, is_write=True),
    Query("", "logs", duration=0.001, is_write=True),
    Query("SELECT 1", duration=0.001),
]
SKIPPED = [Skipped("signals.post_save", f"shop.{name}") for name in ("count", "index", "log")]
OF_NUMBERS = {
    "dispatches": [
        Dispatch(
            "shop.signals.paid",
            method="send_robust",
            kwargs={"using": "default"},
            receiver_calls=[
                ReceiverCall("shop.pack", own_time=0.0152, queries=QUERIES),
                ReceiverCall(
                    "shop.load", queries=[Query(f"SELECT {n}") for n in (1, 2, 3) for _ in range(5)]
                ),
                ReceiverCall("shop.lose", outcome="swallowed"),
            ],
        )
    ],
    "bypasses": [
        Bypass("bulk_create", "shop.Line", 1500, skipped=SKIPPED),
        Bypass("bulk_create", "shop.Line", None, skipped=SKIPPED),
        Bypass("update", "shop.Line", 1, skipped=SKIPPED[:1]),
        Bypass("update", "shop.Order", None, skipped=SKIPPED[:1]),
    ],
}


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            [
                (
                    "shop.pack took 15.2 ms of its own, and 8.47 ms of that in 4 queries; the "
                    "limit is 10.0 ms. → Make the queries of shop.pack (a line not recorded) fewer"
                ),
                "shop.load ran the same query 5 times in one call: SELECT 1; and 2 more like it →",
                (
                    "shop.pack ran for a row on default and wrote to logs: UPDATE shop_order, "
                    "DELETE FROM shop_basket and an empty statement. →"
                ),
                (
                    "shop.Line.bulk_create() changed at least 1500 rows without sending post_save, "
                    "so shop.count, shop.index and shop.log did not run. →"
                ),
                "shop.Line.update() changed 1 row without",
                "shop.Order.update() changed rows without",
                "shop.lose raised an exception, and send_robust() swallowed it. →",
            ],
        ),
        (
            "de",
            [
                (
                    "shop.pack brauchte 15,2 ms Eigenzeit, davon 8,47 ms in 4 Abfragen; die Grenze "
                    "ist 10,0 ms. → Machen Sie die Abfragen von shop.pack (unbekannter Zeile)"
                ),
                (
                    "shop.load führte dieselbe Abfrage 5 Mal in einem Aufruf aus: SELECT 1; und 2 "
                    "weitere dieser Art →"
                ),
                (
                    "shop.pack lief für eine Zeile auf default und schrieb auf logs: UPDATE "
                    "shop_order, DELETE FROM shop_basket und eine leere Anweisung. →"
                ),
                (
                    "shop.Line.bulk_create() änderte mindestens 1500 Zeilen, ohne post_save zu "
                    "senden; nicht gelaufen: shop.count, shop.index und shop.log. →"
                ),
                "shop.Line.update() änderte 1 Zeile, ohne",
                "shop.Order.update() änderte Zeilen, ohne",
                "shop.lose löste eine Ausnahme aus, und send_robust() verschluckte es. →",
            ],
        ),
        (
            "fa",
            [
                (
                    "shop.pack به خودی خود 15.2 ms زمان برد، 8.47 ms از آن در 4 پرس‌وجو؛ مرز 10.0 "
                    "ms است. →"
                ),
                "SELECT 1؛ و 2 پرس‌وجوی دیگر مانند آن →",
                (
                    "shop.pack برای ردیفی در default اجرا شد و در logs نوشت: UPDATE shop_order، "
                    "DELETE FROM shop_basket و دستوری خالی. →"
                ),
                (
                    "shop.Line.bulk_create() بدون فرستادن post_save به اندازهٔ دست‌کم 1500 ردیف "
                    "تغییر داد، پس shop.count، shop.index و shop.log اجرا نشد. →"
                ),
                "shop.Line.update() بدون فرستادن post_save به اندازهٔ 1 ردیف تغییر",
                "shop.Order.update() بدون فرستادن post_save به اندازهٔ چند ردیف تغییر",
                "shop.lose خطای نامعلوم داد و",
            ],
        ),
    ],
)
def test_the_numbers_and_lists_of_a_finding_are_words_of_the_same_language(
    stored, language, sentences
):
    panel = stored(trace_of(*OF_NUMBERS["dispatches"], bypasses=OF_NUMBERS["bypasses"]))
    with translation.override(language):
        html = panel.content

    text = re.sub("[\u2066\u2069]", "", said(html))
    assert [sentence for sentence in sentences if sentence not in text] == [], text


@pytest.mark.parametrize(("language", "and_"), [("en", "and"), ("de", "und"), ("fa", "و")])
def test_a_hostile_name_in_a_list_of_names_is_text(stored, language, and_):
    hostile = "<script>alert(1)</script>\u202e%(x)s"
    skipped = [Skipped("post_save", hostile), Skipped("post_save", "shop.log")]
    bypass = Bypass("bulk_create", hostile, 2, sent_from=Location(hostile, 1, "f"), skipped=skipped)
    call = ReceiverCall("a.b", queries=[Query(f"INSERT INTO {hostile}", is_write=True)] * 5)
    panel = stored(trace_of(Dispatch("a.c", receiver_calls=[call]), bypasses=[bypass]))
    with translation.override(language):
        html = panel.content

    assert "<script" not in html
    assert "\u202e" not in html
    seen = "<script>alert(1)</script>\\u202e%(x)s"
    assert f"{seen} {and_} shop.log" in re.sub("[\u2066\u2069]", "", said(html))
