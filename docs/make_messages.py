"""Brings the catalogues up to date: ``python docs/make_messages.py``, then translate, then again.

Collects the texts of the panel, of facts, of differences and of the findings over a trace, merges
them into each ``signal_tracer/locale/*/LC_MESSAGES/django.po`` and compiles that. Needs the GNU
gettext tools.
"""

import inspect
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation.template import templatize

PACKAGE = Path(__file__).resolve().parent.parent / "signal_tracer"
CONTEXT = "signal_tracer"  # as in signal_tracer/panel/words.py
sys.path.insert(0, str(PACKAGE.parent))
PLURALS = {"de": "n != 1", "fa": "n > 1"}
# In a template the context is written out, in Python the functions add it.
KEYWORDS = (
    *("gettext", "gettext_noop", "gettext_lazy", "counted:1,2"),
    *("pgettext:1c,2", "npgettext:1c,2,3"),
    *("Phrase", "Sentence", "Count:2,3"),  # of signal_tracer/phrases.py
    *("Fact", "Mark", "tally:2,3"),  # of signal_tracer/showing/facts.py
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        template = extract(Path(folder))
        for language in PLURALS:
            catalogue = PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po"
            update(catalogue, template, language)
            run("msgfmt", "--check", f"--output-file={catalogue.with_suffix('.mo')}", catalogue)


def extract(folder: Path) -> Path:
    """A catalogue of all that is to be translated, empty, in ``folder``."""
    sources = []
    for wing in ("panel", "findings", "showing"):
        for file in sorted((PACKAGE / wing).glob("*.py")):
            sources.append(write(folder, f"{wing}_{file.name}", file.read_text()))
    difference = (PACKAGE / "difference.py").read_text()
    sources.append(write(folder, "difference.py", difference))
    for file in sorted((PACKAGE / "templates").rglob("*.html")):
        sources.append(write(folder, f"{file.stem}.html.py", templatize(file.read_text())))
    texts = "\n".join(f"gettext_noop({text!r})" for text in texts_of_findings())
    sources.append(write(folder, "texts_of_findings.py", texts))
    template = folder / "django.pot"
    run(
        *("xgettext", "--language=Python", "--from-code=UTF-8", "--no-location", "--no-wrap"),
        *("--omit-header", f"--output={template}", *(f"--keyword={each}" for each in KEYWORDS)),
        *sources,
    )
    text = template.read_text()
    text = re.sub(rf'^msgctxt "{CONTEXT}"\n', "", text, flags=re.MULTILINE)
    template.write_text(re.sub(r"^(?=msgid )", f'msgctxt "{CONTEXT}"\n', text, flags=re.MULTILINE))
    run("msguniq", "--no-wrap", f"--output-file={template}", template)
    return template


def texts_of_findings() -> Iterator[str]:
    """The texts of the kinds that a rule over a trace may find, each once.

    Those are the kinds which the rule's module names, by themselves or as one of several.
    """
    from signal_tracer.findings import RULES_OVER_A_TRACE, catalogue
    from signal_tracer.findings.kinds import Kind

    rules = {inspect.getsource(sys.modules[rule.__module__]) for rule in RULES_OVER_A_TRACE}
    named = set(re.findall(r"\w+", " ".join(rules)))
    found = [each for name, each in vars(catalogue).items() if name in named]
    several = [kind for each in found if isinstance(each, dict) for kind in each.values()]
    kinds = [each for each in (*found, *several) if isinstance(each, Kind)]
    texts = [text for kind in kinds for text in (kind.title, kind.message, kind.why, kind.advice)]
    return iter(dict.fromkeys(filter(None, texts)))


def update(catalogue: Path, template: Path, language: str) -> None:
    if not catalogue.exists():
        catalogue.parent.mkdir(parents=True, exist_ok=True)
        catalogue.write_text(HEADER.format(language=language, plural=PLURALS[language]))
    run(
        *("msgmerge", "--quiet", "--update", "--backup=none", "--no-fuzzy-matching", "--no-wrap"),
        *(catalogue, template),
    )
    run("msgattrib", "--no-obsolete", "--no-wrap", f"--output-file={catalogue}", catalogue)


HEADER = """msgid ""
msgstr ""
"Project-Id-Version: signal_tracer\\n"
"PO-Revision-Date: 2026-01-01 00:00+0000\\n"
"Last-Translator: signal_tracer contributors\\n"
"Language-Team: signal_tracer contributors\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=({plural});\\n"
"""


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


def run(*command: object) -> None:
    subprocess.run(list(map(str, command)), check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})


if __name__ == "__main__":
    main()
