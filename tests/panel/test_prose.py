"""Pieces of the documentation as HTML: what of Markdown is known, and that all else is text."""

import re

from signal_tracer.findings.about import about
from signal_tracer.findings.catalogue import slugs
from signal_tracer.panel.prose import prose


def shown(markdown):
    return prose(markdown).removeprefix('<div lang="en" dir="ltr">').removesuffix("</div>")


def test_paragraphs_lists_code_and_emphasis_are_known():
    assert shown("### slug\n\n*Info.* A `b*c*` **d**\n\n- one\n- `two`\n") == (
        "<p><em>Info.</em> A <code>b*c*</code> <strong>d</strong></p>"
        "<ul><li>one</li><li><code>two</code></li></ul>"
    )


def test_code_in_a_fence_stays_as_it_is():
    assert shown("a\n\n```python\nif x < 1:\n\n    *y*\n```\n\nb") == (
        "<p>a</p><pre>if x &lt; 1:\n\n    *y*</pre><p>b</p>"
    )


def test_a_link_is_its_text_because_its_page_is_not_here():
    assert shown("see [`mute()`](testing.md#x) and [that](y)") == (
        "<p>see <code>mute()</code> and that</p>"
    )


def test_html_is_text():
    assert shown("<script>`<b>`</script> & *<i>*") == (
        "<p>&lt;script&gt;<code>&lt;b&gt;</code>&lt;/script&gt; &amp; <em>&lt;i&gt;</em></p>"
    )


def test_nothing_of_markdown_is_left_in_what_is_said_of_any_finding():
    fenced = re.compile("<(pre|code)>.*?</(pre|code)>", re.DOTALL)
    pages = {slug: fenced.sub("", prose(about(slug))) for slug in slugs()}

    left = {slug for slug, page in pages.items() if any(each in page for each in ("`", "**", "]("))}
    assert left == set()
