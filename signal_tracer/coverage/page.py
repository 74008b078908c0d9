"""Signal coverage becomes one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape

from signal_tracer.coverage.result import CoveredReceiver, SignalCoverage
from signal_tracer.signal_map import ANY
from signal_tracer.wording import printable

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8d4cc, #45423d);
  --soft: light-dark(#6a655c, #a8a297); --never: light-dark(#b3261e, #ff8a80);
  --ran: light-dark(#1b6e3c, #7bd69a); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h2 small, p, .soft { color: var(--soft); font-weight: normal; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: normal; }
code { font: 13px/1.5 ui-monospace, monospace; }
td.outcome { white-space: nowrap; } .never { color: var(--never); font-weight: 600; }
.ran { color: var(--ran); }
"""


def page(coverage: SignalCoverage) -> str:
    """The page: per app, those that never ran first."""
    sections = [_section(app, receivers) for app, receivers in coverage.by_app().items()]
    problem = f"<p><strong>{_text(coverage.problem)}</strong></p>" if coverage.problem else ""
    summary = (
        f"{coverage.ran:,} of {coverage.total:,} receivers ran: {coverage.percent:g}%"
        if coverage.receivers
        else "No receivers of the project were found."
    )
    found = "".join(f"<p>{_text(each)}</p>" for each in coverage.found())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Signal coverage: {coverage.percent:g}%</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Signal coverage</h1>
{problem}
<p><strong>{summary}</strong></p>
{found}
{"".join(sections)}
</body>
</html>
"""


def _text(given: str) -> str:
    """Other people's text, of which neither the browser nor its reader makes anything else."""
    return escape(printable(given))


def _section(app: str, receivers: list[CoveredReceiver]) -> str:
    ran = sum(each.outcome == "ran" for each in receivers)
    rows = "".join(map(_row, sorted(receivers, key=lambda each: each.outcome)))
    return f"""<section>
<h2>{_text(app)} <small>{ran:,} of {len(receivers):,}</small></h2>
<table>
<thead><tr><th>Ran?</th><th>Receiver</th><th>Signal and sender</th></tr></thead>
<tbody>{rows}</tbody>
</table>
</section>
"""


def _row(receiver: CoveredReceiver) -> str:
    said = {"never": "never", "ran": "ran", "not watched": "not watched"}[receiver.outcome]
    kind = receiver.outcome.replace(" ", "-")
    sender = receiver.sender or ANY
    mark = ' <span class="soft">async</span>' if receiver.is_async else ""
    return (
        f'<tr><td class="outcome {kind}">{said}</td>'
        f"<td><code>{_text(receiver.receiver)}</code>{mark}<br>"
        f'<code class="soft">{_text(receiver.place)}</code></td>'
        f"<td><code>{_text(receiver.signal)}</code><br>"
        f'<span class="soft">{_text(sender)}</span></td></tr>'
    )
