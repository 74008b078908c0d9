"""Only the project's: what only packages heard is put together, in one row a package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from signal_tracer.records import Bypass, Contents, Dispatch, OnCommit, Owner, ReceiverCall
from signal_tracer.showing.facts import InPackage, Record
from signal_tracer.showing.rows import Row

FOLDED = ("dispatch", "bypass")  # The receivers of one stay together.


def project_only(rows: Sequence[Row], contents: Contents, slow_after: float) -> list[Row]:
    """``rows`` of ``contents`` with all dispatches that only packages hear in one row a package.

    That row stands where the first of them did. So it is with bulk operations of packages which
    skipped receivers of packages. What went wrong stays, whoever's it is, with all that it is
    nested in. A row that stays keeps its number; those of packages are numbered on from there.
    """
    elsewhere = _elsewhere(rows, contents)
    numbers = count(len(rows))

    def fold(nested: Iterable[Row], above: Row | None) -> list[Row]:
        shown: list[Row | _Package] = []
        packages: dict[str, _Package] = {}
        for row in nested:
            if row.kind not in FOLDED or row.number not in elsewhere:
                shown.append(replace(row, rows=[], above=above))
                continue
            for name, record in _done_by_packages(row, contents):
                if name not in packages:
                    packages[name] = _Package(name)
                    shown.append(packages[name])
                packages[name].add(record)
        return [
            each if isinstance(each, Row) else each.row(above, slow_after, next(numbers))
            for each in shown
        ]

    kept: list[Row] = []
    # A loop in place of a recursion: receivers may nest deeper than Python lets us recurse.
    waiting = fold((row for row in rows if not row.depth), None)[::-1]
    while waiting:
        row = waiting.pop()
        kept.append(row)
        if row.kind != "package":
            row.rows = fold(rows[row.number].rows, row)
            waiting += row.rows[::-1]
    return kept


@dataclass(slots=True)
class _Package:
    """What was done in one package, as it is gathered."""

    name: str
    calls: list[ReceiverCall] = field(default_factory=list)
    dispatches: int = 0
    bypasses: list[Bypass] = field(default_factory=list)

    def add(self, record: Record) -> None:
        if isinstance(record, ReceiverCall):
            self.calls.append(record)
        elif isinstance(record, Bypass):
            self.bypasses.append(record)
        else:
            self.dispatches += 1

    def row(self, above: Row | None, slow_after: float, number: int) -> Row:
        record = InPackage(self.name, tuple(self.calls), self.dispatches, tuple(self.bypasses))
        return Row.of([record], record.started_at, above, slow_after, number)


def _elsewhere(rows: Sequence[Row], contents: Contents) -> set[int]:
    """The numbers of rows in which, and in all below which, nothing is the project's or wrong."""
    found: set[int] = set()
    for row in reversed(rows):  # what is nested comes before what it is nested in
        if all(each.number in found for each in row.rows) and _is_elsewhere(row, contents):
            found.add(row.number)
    return found


def _is_elsewhere(row: Row, contents: Contents) -> bool:
    if row.went_wrong or "RUNNING" in row.marks:
        return False
    if isinstance(row.record, Dispatch):  # whose it is, its receivers say
        return bool(row.record.receiver_calls) and row.record.unwatched is None
    owner = _owner_of(row.record, contents)
    return owner is not None and owner.kind != "project"


def _owner_of(record: Record, contents: Contents) -> Owner | None:
    if isinstance(record, Bypass):
        return contents.owner_of(record.through or record.sent_from)
    if isinstance(record, OnCommit):
        return contents.owner_of(record.defined_at, record.callback)
    name = getattr(record, "receiver", "")
    return contents.owner_of(getattr(record, "defined_at", None), name)


def _done_by_packages(row: Row, contents: Contents) -> Iterator[tuple[str, Record]]:
    """Every call and bypass in ``row``, and each dispatch once for each package that heard it."""
    waiting = [row]
    for each in waiting:  # which grows as it is read
        waiting += each.rows
        for record in each.records:
            if isinstance(record, Dispatch):
                owners = {_owner_of(call, contents) for call in record.receiver_calls}
                yield from ((owner.name, record) for owner in owners if owner is not None)
            elif isinstance(record, ReceiverCall | Bypass):
                owner = _owner_of(record, contents)
                if owner is not None:
                    yield owner.name, record
