"""The catalogue of findings: what each is called, why it matters, what to do.

The texts are plain English with ``%(name)s`` for what a finding fills in, so that a page can
translate them when it shows them.
"""

from __future__ import annotations

from dataclasses import replace

from signal_tracer.findings.kinds import Kind

# Over a trace

SWALLOWED_EXCEPTION = Kind(
    "swallowed-exception",
    "error",
    "An exception was swallowed",
    "%(receiver)s raised %(error)s, and %(method)s() swallowed it.",
    "The sender goes on as if the receiver had done its work, and only the log knows better.",
    "Handle in %(receiver)s what can fail at %(place)s, and retry what must not be lost in a task "
    "(Celery, Django's tasks). Or let the sender look through what %(method)s() returns.",
    is_loss=True,
)
SWALLOWED_REFUSAL = replace(
    SWALLOWED_EXCEPTION,
    title="A receiver cannot take what was sent",
    message="%(receiver)s could not be called (%(error)s), and %(method)s() swallowed that.",
    why="Django calls a receiver by keyword arguments alone: signal, sender and all that was sent.",
    advice="Let it take what it uses and **kwargs: def %(name)s(sender, **kwargs). Give a default "
    "to what is not always sent (%(place)s).",
)
HANDLED_EXCEPTION = replace(
    SWALLOWED_EXCEPTION,
    is_loss=False,
    title="A receiver caught an exception itself",
    message="%(receiver)s caught %(error)s itself at %(place)s, and went on.",
    advice="If that is how it should be, hide it: IGNORE_FINDINGS = "
    '["swallowed-exception:%(receiver)s"]. If not, catch less at %(place)s, or say there with '
    "logger.exception() what happened.",
)
SWALLOWED_SYNC_IN_LOOP = replace(
    SWALLOWED_EXCEPTION,
    why="Django refuses to ask the database while an event loop runs in the same thread: an async "
    "receiver has to await it.",
    advice="At %(place)s, await the form for async code (acreate(), aget(), asave(), async for), "
    "or sync_to_async(); or make %(receiver)s a plain def.",
)
LOST_ON_ROLLBACK = Kind(
    "lost-on-rollback",
    "error",
    "A receiver ran for what was rolled back",
    "%(receiver)s ran for %(signal)s from %(sender)s inside atomic(), and that was rolled back on "
    "%(aliases)s. What it did elsewhere (mail, cache, another service) was not.",
    "Inside a transaction a receiver runs before anyone knows whether the rows will stay.",
    "In %(receiver)s, leave such work to %(on_commit)s. Or send the signal after the "
    "transaction: it was sent at %(place)s.",
)
NOTE_OF_FAILURE_LOST = replace(
    LOST_ON_ROLLBACK,
    slug="failure-note-lost",
    level="warning",
    title="What a receiver wrote about a failure was rolled back with it",
    message="%(receiver)s wrote for %(signal)s inside atomic(), and that was rolled back on "
    "%(aliases)s: its rows are gone.",
    why="The failure that it is told of may end the transaction as well (ATOMIC_REQUESTS puts one "
    "around each view), and the note goes with what it is about.",
    advice="Let %(receiver)s write where no rollback reaches: to the log, to a cache, in a task, "
    "or over an alias of its own for the same database.",
)
RAISED_HALF_WAY = Kind(
    "left-half-done",
    "error",
    "A receiver raised, and left the work half done",
    "%(receiver)s raised, and ended %(signal)s from %(sender)s (%(error)s): what receivers did "
    "before stays, and the rest did not happen.%(not_run)s",
    "send() lets an exception through at once, past the receivers after it, to save() and to "
    "whoever called it. Outside of atomic() nothing takes back what was done until then.",
    "Handle in %(receiver)s what can fail at %(place)s, or send with send_robust() and look "
    "through what it returns. To keep all or nothing, send within %(atomic)s at %(sent_from)s.",
)
RAISED_AFTER_SAVE = replace(
    RAISED_HALF_WAY,
    is_loss=True,
    title="A receiver raised after the row was written",
    message="%(receiver)s raised after %(rows)s was written, %(where)s (%(error)s): the row stays, "
    "and what save() and %(sent_from)s were to do next did not happen.%(not_run)s",
    advice="Handle in %(receiver)s what can fail at %(place)s; what may fail on its own belongs "
    "after the commit, in %(on_commit)s. To keep all or nothing, save within %(atomic)s at "
    "%(sent_from)s.",
)
RAISED_INTO_DJANGO = replace(
    RAISED_HALF_WAY,
    slug="receiver-raised",
    level="warning",
    title="A receiver raised, and what had sent the signal died of it",
    message="%(receiver)s raised while %(signal)s was sent from %(sender)s (%(error)s): the "
    "exception went on to %(sent_from)s, and what was to follow there did not happen.",
    advice="Handle in %(receiver)s what can fail at %(place)s: nobody who calls Django expects a "
    "receiver to end it.",
)
SENT_WANTING = replace(
    RAISED_INTO_DJANGO,
    title="A signal of Django's was sent by hand, and a receiver cannot take it",
    message="%(receiver)s could not be called with what %(sent_from)s sends as %(signal)s "
    "(%(error)s), and the exception went on to that line.",
    why="Receivers are written for what Django sends. A send() of one's own has to send all of it.",
    advice="At %(sent_from)s, send what Django sends with %(signal)s. Or let %(receiver)s "
    "(%(place)s) take **kwargs, and give a default to what is not always sent.",
)
RAISED_IN_RECURSION = replace(
    RAISED_AFTER_SAVE,
    why="It saves what it was called for, is called for that again, and so on until Python stops "
    "it: the first row is written by then.",
    advice="In %(receiver)s, change the row by filter(pk=...).update(), which sends nothing; or "
    "set the fields in pre_save; or return early by created or update_fields.",
)
RAISED_IN_BROKEN_TRANSACTION = replace(
    RAISED_INTO_DJANGO,
    title="A receiver caught an error of the database, and its transaction was broken",
    message="%(receiver)s could ask nothing of the database during %(signal)s from %(sender)s: an "
    "error of an earlier query was caught inside the same atomic().",
    why="After an error the database takes no more queries until the block of atomic() ends, "
    "whoever caught it. All of that block is rolled back.",
    advice="Look at what ran before %(place)s in that transaction, receivers as well, for an "
    "except around a query. Put an atomic() of its own inside that try: with transaction.atomic(): "
    "... is undone alone.",
)
RAISED_FOR_NEW_ROW = replace(
    RAISED_INTO_DJANGO,
    title="A receiver looked for a row before it was written",
    message="%(receiver)s raised during %(signal)s from %(sender)s (%(error)s): it looked for the "
    "row itself, and a new one is not in the database yet.",
    why="pre_save is sent before Django goes to the database, for new rows as well: none can be "
    "saved.",
    advice="In %(receiver)s, return early if instance._state.adding, before %(place)s.",
)
RAISED_FOR_ROW_GONE = replace(
    RAISED_INTO_DJANGO,
    title="A receiver looked for a row after it was deleted",
    message="%(receiver)s raised during %(signal)s from %(sender)s (%(error)s): it looked for the "
    "row itself, and that is deleted by then.",
    why="post_delete is sent when the row is gone, and the exception ends the deletion.",
    advice="At %(place)s, use the values that instance still has; or look in pre_delete.",
)
RAISED_AND_UNDONE = replace(
    RAISED_HALF_WAY,
    slug="raised-and-undone",
    level="info",
    title="A receiver raised, and its transaction was rolled back",
    message="%(receiver)s raised while %(signal)s was sent from %(sender)s (%(error)s): all that "
    "was written in that transaction on %(aliases)s was rolled back with it.%(not_run)s",
    why="The row that the signal was about is undone as well. What was done elsewhere (mail, "
    "cache, another service) is not.",
    advice="If the row should stay all the same, handle in %(receiver)s what can fail at "
    "%(place)s, or leave that to %(on_commit)s.",
)
RAISED_AND_OPEN = replace(
    RAISED_AND_UNDONE,
    title="A receiver raised inside a transaction",
    message="%(receiver)s raised while %(signal)s was sent from %(sender)s (%(error)s). Its "
    "transaction on %(in_atomic)s was still open: what was written is kept only if that is "
    "committed.%(not_run)s",
)
RAISED_BEFORE = replace(
    RAISED_AND_UNDONE,
    title="A receiver raised before the row was touched",
    message="%(receiver)s raised during %(signal)s from %(sender)s (%(error)s): nothing of that "
    "row was written or deleted.%(not_run)s",
    why="The signal is sent before Django goes to the database. What receivers before it did "
    "stays.",
    advice="If it is there to refuse, that works, and clean() or a constraint says it better. If "
    "not, handle in %(receiver)s what can fail at %(place)s.",
)
RAISED_IN_REVERSE = replace(
    RAISED_INTO_DJANGO,
    title="A receiver of m2m_changed raised when the other side was changed",
    message="%(receiver)s raised when the relation was changed from its other side (%(error)s): "
    "with reverse=True the instance is %(instance)s, and pk_set has keys of %(model)s.",
    why="m2m_changed is sent for both sides of a relation. instance is whatever object add(), "
    "remove(), set() or clear() was called on.",
    advice="Let %(receiver)s look at reverse before it uses instance (%(place)s): if it is true, "
    "the objects with the field are those in pk_set.",
)
RAISED_BY_CLEAR = replace(
    RAISED_IN_REVERSE,
    title="A receiver of m2m_changed raised when the relation was cleared",
    message="%(receiver)s raised when the relation was cleared (%(error)s): pk_set is None for "
    "%(action)s.",
    why="clear() does not say what it removes: its pk_set is None.",
    advice="Let %(receiver)s return early, or read the rows in pre_clear, where pk_set is None "
    "(%(place)s).",
)
BEFORE_COMMIT = Kind(
    "before-commit",
    "warning",
    "A receiver handed work over before the commit",
    "%(receiver)s %(did)s at %(place)s during %(signal)s from %(senders)s, inside atomic() on "
    "%(in_atomic)s: before the commit.",
    "Who gets the work may begin before the commit, and not find the row or find the old one. And "
    "a rollback takes nothing of it back.",
    "In %(receiver)s, hand it over with %(on_commit)s.",
)
BEFORE_COMMIT_OF_DELETION = replace(BEFORE_COMMIT, slug="work-in-transaction", level="info")
MAY_BE_BEFORE_COMMIT = replace(
    BEFORE_COMMIT_OF_DELETION,
    title="A receiver may hand work over before the commit",
    message="%(receiver)s hears %(signal)s and calls %(called)s without on_commit().",
    advice="In %(receiver)s (%(place)s), call %(called)s in transaction.on_commit(..., "
    "using=using): outside of a transaction that runs at once.",
)
WAITS_FOR_TEST = Kind(
    "waits-for-test",
    "info",
    "An on_commit() callback waits for a commit that a test never makes",
    "%(receiver)s registered %(callback)s with on_commit(), and it did not run: TestCase puts a "
    "transaction around each test, and rolls it back.",
    "on_commit() waits for the outermost transaction, and that is the test's own.",
    "Run it in the test: with self.captureOnCommitCallbacks(%(execute)s): around what "
    "saves. Or use TransactionTestCase, or @pytest.mark.django_db(transaction=True), which commit.",
)
CALLBACK_RAISED = Kind(
    "callback-raised",
    "error",
    "An on_commit() callback raised",
    "%(callback)s, which %(receiver)s registered with on_commit(), raised after the commit: what "
    "was saved stays.%(not_run)s",
    "What a callback raises takes nothing back. It ends the callbacks after it, which Django "
    "forgets, and goes on to whoever left atomic(), as if nothing had been saved.",
    "Handle in %(callback)s what can fail, and leave what must not be lost to a task that is tried "
    "again. With on_commit(..., robust=True) Django logs the exception, and runs the others.",
    is_loss=True,
)
CALLBACK_LOGGED = replace(
    CALLBACK_RAISED,
    message="%(callback)s, which %(receiver)s registered with on_commit(..., robust=True), raised "
    "after the commit: Django logged it and went on with the others, and what was saved stays.",
    why="Only the log of django.db.backends.base knows: whoever saved goes on as if the callback "
    "had done its work.",
    advice="Handle in %(callback)s what can fail, and leave what must not be lost to a task that "
    "is tried again (Celery, Django's tasks).",
)
OTHER_DATABASE = Kind(
    "other-database",
    "warning",
    "A receiver asked another database than the row's",
    "%(receiver)s ran for a row of %(sender)s on %(using)s, and read the same table on "
    "%(aliases)s: %(sql)s",
    "The row as it was just written is on one database only: the other has it later, or never.",
    "In %(receiver)s (%(place)s), pass on the using that the signal sends: "
    "%(sender_name)s.objects.using(using).",
)
ON_COMMIT_ELSEWHERE = replace(
    OTHER_DATABASE,
    title="An on_commit() callback waits for another database",
    message="%(receiver)s ran for a row of %(sender)s on %(using)s, and registered %(callback)s "
    "with on_commit() on %(aliases)s: it %(outcome)s.",
    why="on_commit() waits for the transaction of one database, of the default one unless it is "
    "told which. It knows nothing of a commit or a rollback of the row's.",
    advice="In %(receiver)s (%(place)s), register it with transaction.on_commit(..., using=using).",
)
M2M_TOO_EARLY = Kind(
    "m2m-too-early",
    "warning",
    "A receiver read a relation before it was set",
    "%(receiver)s read %(through)s during %(signal)s for %(instance)s, and its rows were changed "
    "only afterwards.",
    "A many-to-many relation is written after its object, which needs a key first: forms, the "
    "admin and serializers save() it and then set() the relation.",
    "Do in a receiver of m2m_changed (sender=%(through)s, action post_add) what %(receiver)s "
    "(%(place)s) does with the relation.",
)
FIELD_LEFT_OUT = Kind(
    "field-left-out",
    "warning",
    "A receiver changed a field that was not saved",
    "%(receivers)s changed %(fields)s of %(instance)s in pre_save, and save(update_fields=...) at "
    "%(sent_from)s did not write it.",
    "With update_fields Django writes those fields alone, whatever else was changed. The instance "
    "in memory has it, and the database never gets it.",
    "Name %(fields)s in the update_fields at %(sent_from)s; or set it in save(), which can add to "
    "update_fields, as a receiver cannot.",
)
FIELD_DEFERRED = replace(
    FIELD_LEFT_OUT,
    title="A receiver changed a deferred field, and that was not saved",
    message="%(receivers)s changed %(fields)s of %(instance)s in pre_save, and the save at "
    "%(sent_from)s did not write it: it was deferred.",
    why="Of an instance that only() or defer() left fields out of, save() writes those that were "
    "loaded, and which these are is settled before pre_save. The instance in memory has it, and "
    "the database never gets it.",
    advice="Load %(fields)s with what is saved at %(sent_from)s: name it in only(), or leave it "
    "out of defer(). Or set it in save(), before super().save(), which then takes it for loaded.",
)
FIELD_NOT_IN_DEFAULTS = replace(
    FIELD_LEFT_OUT,
    message="%(receivers)s changed %(fields)s of %(instance)s in pre_save, and update_or_create() "
    "at %(sent_from)s did not write it.",
    why="update_or_create() saves a row that is there with update_fields: the fields of defaults "
    "are written alone, whatever else was changed. The instance in memory has it, and the database "
    "never gets it.",
    advice="Give %(fields)s in the defaults at %(sent_from)s; or set it in save(), which can add "
    "to update_fields, as a receiver cannot.",
)
BULK_BYPASS = Kind(
    "bulk-bypass",
    "warning",
    "A bulk operation went past receivers",
    "%(operation)s changed %(rows)s without sending %(signals)s, so %(receivers)s did not run.",
    "Django sends no save and delete signals for bulk operations: what receivers keep in step "
    "(an index, a cache, an audit log) now lacks these rows.",
    "After %(place)s, do once for all rows what %(receivers)s would have done for each; a function "
    "that takes many objects serves both. Or %(one_by_one)s each object, if there are few.",
)
BULK_BYPASS_OF_OTHERS = replace(
    BULK_BYPASS,
    slug="minor-bypass",
    level="info",
    title="Bulk operations went past receivers of every model, or of packages",
    message="%(operations)s changed rows without sending what %(receivers)s would have heard.",
    why="Django sends no save and delete signals for bulk operations. A receiver that is connected "
    "to every model, or a package's where a package did the operation, seldom lacks them.",
    advice="Nothing, unless %(receivers)s should have had these rows: then save() them one by one, "
    "or ask what to call in the documentation of who wrote it.",
)
SET_ON_DELETE = Kind(
    "set-on-delete",
    "warning",
    "A deletion changed rows of another model past receivers",
    "Deleting %(origin)s changed %(field)s in %(rows)s by on_delete=%(method)s without sending "
    "%(signals)s, so %(receivers)s did not run.",
    "on_delete changes the rows that point to what is deleted with one UPDATE, and sends no save "
    "signals for them.",
    "In a receiver of pre_delete of %(origin)s, do for its rows of %(model)s what %(receivers)s "
    "would have done; or save() them without it before %(place)s deletes it.",
)
M2M_BY_HAND = Kind(
    "m2m-by-hand",
    "warning",
    "Rows between two models changed without m2m_changed",
    "%(operation)s changed %(rows)s of the many-to-many relation without sending m2m_changed, so "
    "%(receivers)s did not run.",
    "m2m_changed is sent by the manager of the field alone: by add(), remove(), set() and clear(). "
    "A row of the through model that is saved or deleted itself sends only what any row does.",
    "At %(place)s, use add() (with through_defaults), remove(), set() or clear() of the field. Or "
    "connect what %(receivers)s does to post_save and post_delete of %(model)s as well.",
)
M2M_WITH_OBJECT = replace(
    M2M_BY_HAND,
    slug="m2m-with-object",
    level="info",
    title="An object was deleted together with its many-to-many rows",
    message="Deleting %(origin)s deleted %(rows)s of %(model)s with it, without sending "
    "m2m_changed, so %(receivers)s did not run.",
    why="The rows between two models go with either of them, and m2m_changed is sent by the "
    "manager of the field alone.",
    advice="If %(receivers)s should know, clear() the relation before %(place)s deletes, or do its "
    "work in a receiver of pre_delete of %(origin)s, while the rows are still there.",
)
SQL_BYPASS = Kind(
    "sql-bypass",
    "warning",
    "SQL changed rows past receivers",
    "%(method)s in SQL changed %(rows)s of %(model)s without sending %(signals)s, so %(receivers)s "
    "did not run.",
    "Django does not look into the SQL that a cursor is given, and sends no signals for it.",
    "After %(place)s, do for the rows what %(receivers)s would have done; or change them through "
    "the model, with save() or delete().",
)
CONNECTED_TO_PARENT = Kind(
    "near-miss",
    "warning",
    "A receiver waits for another sender",
    "%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to "
    "%(connected_to)s, a parent class of it.",
    "Django compares the sender by identity: parents, children and proxies are other senders, and "
    "so are a class and its instance.",
    "Connect %(receiver)s (%(place)s) with sender=%(sender)s as well; or to all senders, asking "
    "issubclass(sender, %(connected_name)s) in it.",
)
CONNECTED_TO_PROXY = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to the "
    "proxy %(connected_to)s.",
    advice="Connect %(receiver)s (%(place)s) with sender=%(sender)s as well: a row of "
    "%(sender_name)s is never saved as %(connected_name)s, unless your code does so.",
)
CONNECTED_TO_CONCRETE = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from the proxy %(sender)s: it is connected "
    "to %(connected_to)s.",
    advice="Connect %(receiver)s (%(place)s) with sender=%(sender)s as well, one @receiver line "
    "for each; or save the row as a %(connected_name)s.",
)
CONNECTED_TO_CLASS = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from the instance %(sender)s: it is "
    "connected to the class %(connected_to)s.",
    advice="Send the class, and the instance as a keyword argument: "
    "sender=%(connected_name)s, instance=...",
)
CONNECTED_TO_INSTANCE = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from the class %(sender)s: it is connected "
    "to the instance %(connected_to)s.",
    advice="Connect %(receiver)s (%(place)s) with sender=%(sender)s, and tell instances apart in "
    "it by a keyword argument.",
)
CONNECTED_TO_MODEL = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to the "
    "model %(connected_to)s, which never sends it.",
    advice="Connect %(receiver)s (%(place)s) with the table between the two models: "
    "sender=%(connected_name)s.<field>.through.",
)
CONNECTED_TO_OTHER_PROXY = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to "
    "%(connected_to)s, another proxy of the same model.",
    advice="Connect %(receiver)s (%(place)s) with sender=%(sender)s as well; or to all senders, "
    "asking sender._meta.concrete_model in it.",
)
CONNECTED_TO_REAL_MODEL = replace(
    CONNECTED_TO_PARENT,
    title="A migration saved without a receiver",
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to the model "
    "%(connected_to)s, and a migration works with classes of its own.",
    why="apps.get_model() of a migration makes classes from what the models were when it was "
    "written. To a signal they are other senders, and they have no methods of the model either.",
    advice="If the rows of the migration need what %(receiver)s (%(place)s) does, do it in the "
    "migration, with the models that it is given. The receiver itself expects today's fields.",
)
CONNECTED_TO_STAND_IN = replace(
    CONNECTED_TO_REAL_MODEL,
    title="A receiver waits for a migration's class",
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to "
    "%(connected_to)s, a class that nothing but that migration works with.",
    advice="Connect %(receiver)s (%(place)s) with the model that is imported: sender=%(sender)s.",
)
CONNECTED_TO_NAMESAKE = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to "
    "%(connected_to)s, another class of the same name from the same file.",
    why="A module that is imported under two names, or again, makes each of its classes twice. "
    "Django compares the sender by identity, so that the two are different senders.",
    advice="Import %(sender)s by one dotted path everywhere, also where %(receiver)s (%(place)s) "
    "is connected, and look through sys.path for a folder that stands inside a package.",
)
CONNECTED_TO_OTHER_OBJECT = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to another "
    "object that is %(connected_to)s too.",
    why="Django compares the sender by identity: what was loaded or made again is another sender, "
    "though it is equal.",
    advice="Connect %(receiver)s (%(place)s) with the very object that sends: an AppConfig as "
    "apps.get_app_config() returns it. For rows, send the class, and the row as an argument.",
)
CONNECTED_TO_TEXT = replace(
    CONNECTED_TO_PARENT,
    message="%(receiver)s did not run for %(signal)s from %(sender)s: it is connected to the "
    "string %(connected_to)s.",
    why="Only the signals of Django's models look up a model by its label. Any other Signal "
    "compares the sender by identity, and a string is never the class.",
    advice="Connect %(receiver)s (%(place)s) with the class itself: sender=%(sender_name)s.",
)
CONNECTED_TO_OTHER = replace(
    CONNECTED_TO_PARENT,
    slug="unheard-sender",
    level="info",
    title="Nobody heard a signal, and somebody waits for another sender",
    message="Nobody heard %(signal)s from %(sender)s: %(receiver)s is connected to "
    "%(connected_to)s.",
    why="Django compares the sender by identity. What a package's documentation connects to is not "
    "always what it sends with.",
    advice="If %(receiver)s (%(place)s) should have run, connect it with sender=%(sender)s, or to "
    "all senders. If not, ignore this.",
)
CALLED_TWICE = Kind(
    "called-twice",
    "warning",
    "A receiver ran more than once in a dispatch",
    "%(receiver)s ran %(times)d times in one %(signal)s from %(sender)s.",
    "The same code is connected more than once: its module was imported under two names, "
    "connect() ran again, or it is connected both to any sender and to this one.",
    "Connect %(receiver)s (%(place)s) once: to any sender or to %(sender)s, from one import path. "
    "With a dispatch_uid, a connect() that runs again does nothing.",
)
REPEATED_SAVE = Kind(
    "repeated-save",
    "warning",
    "The same instance was saved again",
    "%(instance)s was saved %(times)d times, at %(places)s, and each time %(receivers)s ran.",
    "Each save() is a query, and runs every receiver again: mails are sent twice, caches are "
    "filled twice.",
    "Set all that changes first, and save() once. Where two places must save, let the receiver "
    "look at created or update_fields.",
)
SLOW_RECEIVER = Kind(
    "slow-receiver",
    "warning",
    "A receiver was slow",
    "%(receiver)s took %(own_time)s of its own; the limit is %(limit)s.",
    "Whoever sent the signal waited for it.",
    "Leave the slow part of %(receiver)s (%(place)s) to a task (Celery, Django's tasks) that "
    "transaction.on_commit() starts.",
)
SLOW_IN_QUERIES = replace(
    SLOW_RECEIVER,
    message="%(receiver)s took %(own_time)s of its own, and %(query_time)s of that in "
    "%(queries)s; the limit is %(limit)s.",
    advice="Make the queries of %(receiver)s (%(place)s) fewer or faster: select_related(), an "
    "index, one query in place of a loop.",
)
QUERY_IN_LOOP = Kind(
    "query-in-loop",
    "warning",
    "A receiver ran a query in a loop",
    "%(receiver)s ran the same query %(times)d times in one call: %(sql)s",
    "Each costs a round trip to the database, and there are more with every row.",
    "In %(receiver)s (%(place)s), fetch before the loop what it needs: select_related(), "
    "prefetch_related(), in_bulk() or filter(pk__in=...).",
)
FAST_DELETE_LOST = Kind(
    "fast-delete-lost",
    "warning",
    "Rows were loaded to be deleted, because a receiver hears every model",
    "%(receivers)s hears deletions of every model, so Django loads the rows first: %(rows)s of "
    "%(model)s at %(place)s, deleted without the fast way of one statement.",
    "Django deletes with one statement where nobody listens and nothing cascades. A receiver of "
    "any sender ends that for every model: each row is loaded, and each sends its signals.",
    "Connect %(receivers)s (%(defined)s) with a sender, once for each model that it is for.",
)
ONCE_AN_APP = Kind(
    "once-an-app",
    "warning",
    "A receiver did the same for every app",
    "%(receiver)s ran %(times)d times for %(signal)s, once for each app, with the same "
    "%(queries)s.",
    "pre_migrate and post_migrate are sent once for each app that has models, with its AppConfig "
    "as the sender.",
    "Connect %(receiver)s (%(place)s) in AppConfig.ready() with sender=self, so that it runs once: "
    "after its own app, and before those that stand below it in INSTALLED_APPS.",
)
WRITE_IN_LOOP = replace(
    QUERY_IN_LOOP,
    advice="In %(receiver)s (%(place)s), collect what the loop changes and write it at once: "
    "bulk_create(), bulk_update() or update(), unless receivers wait for its rows.",
)
QUERY_IN_EVERY_CALL = replace(
    QUERY_IN_LOOP,
    title="A receiver ran the same query in call after call",
    message="%(receiver)s ran the same query %(times)d times in %(calls)d calls: %(sql)s",
    advice="The loop is around the dispatches. Keep in %(receiver)s (%(place)s) what does not "
    "change, or do its work once for all after the loop.",
)
RECURSION = Kind(
    "recursion",
    "warning",
    "A receiver ran inside itself",
    "%(receiver)s ran again before it had ended, %(levels)d levels deep, because of the "
    "%(signal)s sent at %(place)s.",
    "It ends only because something stops it; a change in the data may take that away.",
    "Let the receiver return early where it has done its work, or have %(place)s call what is to "
    "be done by name, and not send %(signal)s again.",
)
RECURSION_WITHOUT_END = replace(
    RECURSION,
    title="A receiver ran inside itself without end",
    message="%(receiver)s ran again before it had ended, and so on until Python stopped that with "
    "RecursionError, because of the %(signal)s sent at %(place)s.",
    why="Nothing in it comes to an end: each call leads to the next one.",
)
_RECURSION_OF_SAVE = replace(
    RECURSION,
    advice="At %(place)s, change rows by filter(pk=...).update(), which sends nothing; or let the "
    "receiver return early by created or update_fields.",
)
_RECURSION_OF_INIT = replace(
    RECURSION,
    why="The signal is sent for each instance that is made or loaded, and so for those that the "
    "receiver makes or loads itself.",
    advice="At %(place)s, load no instances of the model: ask for what is needed with values() or "
    "values_list(), or do the work later, in a property.",
)
RECURSION_OF_DEFERRED = replace(
    _RECURSION_OF_INIT,
    title="A receiver loads a deferred field of each instance",
    message="%(receiver)s ran again before it had ended, %(levels)d levels deep: it reads a "
    "deferred field of the instance that %(signal)s is sent for, and so loads that row again.",
    why="only() and defer() leave fields out. Reading one runs a query and makes another instance, "
    "for which the signal is sent too: a query for each row, and for two such fields no end.",
    advice="In %(receiver)s (%(defined)s), read no field that may be deferred: ask "
    "instance.get_deferred_fields() first, or look into instance.__dict__.",
)
_RECURSION_OF_DELETE = replace(
    RECURSION,
    advice="At %(place)s, delete no more rows of the model by hand: let on_delete take them along, "
    "or collect them first and delete() them from outside.",
)
_RECURSION_OF_M2M = replace(
    RECURSION,
    advice="At %(place)s, do not change the relation again: change what is to be added or removed "
    "before, in the pk_set of a pre_ action, or return early by action and pk_set.",
)
# By the signal of Django's models that was sent again.
RECURSIONS = {
    "pre_init": _RECURSION_OF_INIT,
    "post_init": _RECURSION_OF_INIT,
    "pre_save": _RECURSION_OF_SAVE,
    "post_save": _RECURSION_OF_SAVE,
    "pre_delete": _RECURSION_OF_DELETE,
    "post_delete": _RECURSION_OF_DELETE,
    "m2m_changed": _RECURSION_OF_M2M,
}
DEEP_NESTING = Kind(
    "deep-nesting",
    "warning",
    "Dispatches are nested deep",
    "Dispatches are nested %(levels)d deep: %(signals)s.",
    "Nobody who reads the first sender can see what follows from it, and every level is part of "
    "the same request and transaction.",
    "Let one function call the steps by name, in order. At the latest where %(signal)s is sent "
    "(%(place)s): call what must happen, or start a task with transaction.on_commit().",
)
CONNECTED_LATE = Kind(
    "connected-late",
    "warning",
    "A receiver was connected while the trace ran",
    "%(receiver)s was connected to %(signal)s at %(place)s, while the trace ran.",
    "What was sent before did not reach it, and each process learns of it at another moment.",
    "Connect it at start-up, in a module that AppConfig.ready() imports, with a dispatch_uid: "
    "connect() at %(place)s may run again, and connect it again.",
)
CONNECTED_BY_IMPORT = replace(
    CONNECTED_LATE,
    title="A receiver was connected by an import while the trace ran",
    message="%(receiver)s was connected to %(signal)s at %(place)s when %(file)s was first "
    "imported, while the trace ran.",
    why="What was sent before did not reach it, and a process that never imports the module, such "
    "as a command or a worker, never has it.",
    advice="Move %(receiver)s and its connect() into a module that AppConfig.ready() imports, such "
    "as receivers.py.",
)
UID_TAKEN = Kind(
    "uid-taken",
    "warning",
    "A connect() did nothing: its dispatch_uid is taken",
    "connect() of %(receiver)s to %(signal)s at %(place)s did nothing: %(holder)s is connected "
    "with dispatch_uid=%(uid)s already.",
    "A dispatch_uid belongs to one receiver of a signal and sender. connect() says nothing when "
    "it finds it taken, and the second receiver never runs.",
    "Give each receiver a dispatch_uid of its own, such as its dotted name.",
)
CONNECTED_AGAIN = Kind(
    "connected-again",
    "info",
    "A connect() did nothing: it is connected already",
    "connect() of %(receiver)s to %(signal)s at %(place)s did nothing: it is connected already.",
    "To connect again what is connected changes nothing, and before Django 6.1 each time costs "
    "memory that is never given back.",
    "Connect %(receiver)s once, at start-up, in a module that AppConfig.ready() imports, and not "
    "in every request or task.",
)
RECEIVERS_GROW = Kind(
    "connected-late",
    "warning",
    "A receiver is connected anew each time",
    "%(receiver)s was connected to %(signal)s at %(place)s, and %(twins)s: there are more with "
    "every call, and each of them runs.",
    "A function that is made inside another one, or a method of a new object, is another receiver "
    "each time: connect() cannot know it again.",
    "Connect at start-up, in a module that AppConfig.ready() imports, a function of a module; or "
    "give connect() at %(place)s a dispatch_uid; or disconnect() in a finally.",
)
LEFT_DISCONNECTED = Kind(
    "left-disconnected",
    "warning",
    "A receiver was disconnected for good",
    "%(receiver)s was disconnected from %(signal)s at %(place)s, and not connected again by the "
    "end of the trace.",
    "It is disconnected for the whole process: other requests and threads lack it from then on, "
    "and other processes have it still.",
    "Connect it again in a finally, if it is meant for a while. To keep it from running in this "
    "thread or task alone, let it look at a context variable; in a test, use mute().",
)
DISCONNECTED_MEANWHILE = Kind(
    "disconnected-for-a-while",
    "info",
    "A receiver was disconnected for a while",
    "%(receiver)s was disconnected from %(signal)s at %(place)s, and connected again at "
    "%(again)s: meanwhile no thread of the process had it.",
    "disconnect() is for the whole process. What other requests save in the meantime goes past "
    "the receiver, and two that do this at once may leave it disconnected.",
    "Let %(receiver)s look at a context variable, or use mute(), which keeps it from running in "
    "this context alone.",
)
DISCONNECTED_IN_REQUEST = replace(
    DISCONNECTED_MEANWHILE,
    slug="disconnected-in-request",
    level="warning",
    title="A request disconnected a receiver for all others",
)
NOT_DISCONNECTED = Kind(
    "nothing-disconnected",
    "warning",
    "A disconnect() found nothing to disconnect",
    "disconnect() of %(receiver)s from %(signal)s at %(place)s returned False: nothing "
    "was connected so.",
    "A disconnect() that finds nothing says so only in what it returns, and the receiver "
    "goes on being called.",
    "Give disconnect() at %(place)s the very receiver, sender and dispatch_uid that "
    "connect() was given.",
)
NOT_DISCONNECTED_SO = replace(
    NOT_DISCONNECTED,
    message="disconnect() of %(receiver)s from %(signal)s at %(place)s returned False: it is "
    "connected with %(connected_as)s.",
)
WRITE_PER_DISPATCH = Kind(
    "writes-in-receiver",
    "info",
    "A receiver wrote in each of many dispatches",
    "%(receiver)s wrote to the database in each of %(times)d dispatches from %(sent_from)s: "
    "%(writes)s.",
    "The loop is around the dispatches, so that each round costs a write of its own.",
    "Let whoever runs the loop at %(sent_from)s call, once after it, a function that writes for "
    "all rows together.",
)
WRITE_ELSEWHERE = replace(
    WRITE_PER_DISPATCH,
    title="A receiver wrote to another database",
    message="%(receiver)s ran for a row on %(using)s and wrote to %(aliases)s: %(writes)s.",
    why="The two databases are not committed together: one may keep what the other undoes.",
    advice="If the rows belong together, write with using=%(using)s in %(receiver)s (%(place)s). "
    "If not, write after the commit, by transaction.on_commit(..., using=...).",
)
WRITE_ELSEWHERE_IN_MIGRATE = replace(
    WRITE_ELSEWHERE,
    title="A receiver wrote to another database than the one that is migrated",
    message="%(receiver)s ran for %(signal)s of %(using)s and wrote to %(aliases)s: %(writes)s.",
    why="migrate works on one database at a time, and the signal says which by using. The tables "
    "of another one may not be there yet, and the rows may be there already.",
    advice="In %(receiver)s (%(place)s), write where the signal says: objects.using(using), "
    "save(using=using).",
)
WRITE_OF_THE_ROW = replace(
    WRITE_PER_DISPATCH,
    title="A receiver wrote to the table of the row that was just saved",
    message="%(receiver)s ran after %(instance)s was saved, and updated a row of the same table by "
    "its key: %(writes)s.",
    why="If it is the same row, it is written twice, and the instance in memory is not what the "
    "database holds.",
    advice="Set the fields before the row is written: in pre_save, or in save(). What needs the "
    "key of a new row has to wait for post_save.",
)
SEND_REFUSED = Kind(
    "send-in-event-loop",
    "error",
    "Django refused to run async receivers",
    "%(signal)s was sent with %(method)s() while an event loop ran: Django raised RuntimeError, "
    "and %(receivers)s did not run.",
    "A sync send runs its async receivers in an event loop of its own, which cannot start in a "
    "thread where one is running.",
    "await %(async_method)s() at %(place)s; from sync code that async code calls, go through "
    "sync_to_async().",
)
SEND_OF_OTHERS_REFUSED = replace(
    SEND_REFUSED,
    advice="Django and packages send their signals themselves: make %(receivers)s a plain "
    "function, or run the code at %(place)s in sync_to_async().",
)
ASYNC_BRIDGE = Kind(
    "async-bridge",
    "info",
    "An async receiver ran under a sync send",
    "%(receiver)s is async, and %(signal)s was sent with %(method)s().",
    "The thread waits while it runs in an event loop: in that of the async code outside, where "
    "sync_to_async() led here (asave(), a sync view under ASGI), else in one that is started for "
    "each such dispatch.",
    "From async code, await %(async_method)s() at %(place)s. Otherwise make the receiver a plain "
    "function.",
)
ASYNC_BRIDGE_OF_OTHERS = replace(
    ASYNC_BRIDGE,
    advice="Django and packages send their signals themselves: make %(receiver)s a plain function, "
    "or let one start a task (Celery, Django's tasks) that does the async work.",
)

# Over the signal map

MISSING_RECEIVER = Kind(
    "missing-receiver",
    "error",
    "A receiver in the source is not connected",
    "%(receiver)s (%(place)s) is not connected to %(signal)s for %(heard)s, as the source has it: "
    "%(because)s.",
    "A connection is made by code that runs. Where it did not run, or was undone without a word, "
    "the signal is sent and nothing happens.",
    "%(mend)s.",
)
MISSING_IN_TRACE = replace(
    MISSING_RECEIVER,
    title="A signal went unheard by a receiver in the source",
    message="%(signal)s from %(sender)s was sent, and %(receiver)s (%(place)s) did not run: the "
    "source connects it, and this process does not have the connection.",
    advice="manage.py signal_map --missing says why, and which line would mend it.",
)
UNCALLED_CONNECT = Kind(
    "uncalled-connect",
    "warning",
    "A receiver would be connected by a function that nobody calls",
    "%(receiver)s (%(place)s) is not connected to %(signal)s for %(heard)s, as the source has it: "
    "%(because)s.",
    "A connection is made by code that runs. Where it did not run, the signal is sent and nothing "
    "happens.",
    "%(mend)s.",
)
PERHAPS_MISSING = replace(
    MISSING_RECEIVER,
    slug="perhaps-missing",
    level="info",
    title="A receiver in the source is not connected so far",
    why="The source says when it would be: under a condition, or when a module is imported that "
    "some processes never import. That may be meant.",
)
UNCALLABLE_RECEIVER = Kind(
    "uncallable-receiver",
    "error",
    "A receiver cannot take what its signal sends",
    "%(receiver)s cannot be called by %(signal)s: %(because)s.",
    "Django calls a receiver by keyword arguments alone: signal, sender and all that was sent. One "
    "that does not take them raises TypeError each time; with DEBUG = True alone, connect() asks "
    "whether it takes **kwargs.",
    "Let it take what it uses and **kwargs (%(place)s): def %(name)s(sender, **kwargs). Give a "
    "default to what is not always sent.",
)
FRAGILE_RECEIVER = Kind(
    "fragile-receiver",
    "error",
    "A receiver lives only while DEBUG = True",
    "%(receiver)s is connected to %(signal)s weakly, and nothing keeps it alive but a cache that "
    "Django fills with DEBUG = True.",
    "Django holds receivers weakly. With DEBUG = True connect() inspects the receiver, and the "
    "cache of that inspection happens to keep it alive. With DEBUG = False it is collected as "
    "garbage at once: in production it never runs, without a word.",
    "Keep a reference to it where it is defined (%(place)s): at the level of the module, or in an "
    "object that lives as long. Or connect it with weak=False.",
)
DEAD_RECEIVER = Kind(
    "dead-receiver",
    "error",
    "A receiver is gone",
    "What was connected to %(signal)s for %(heard)s (%(uid)s) was collected as garbage: "
    "%(receiver)s.",
    "Django holds receivers weakly, so that one to which nothing else refers is disconnected "
    "without a word.",
    "Find the connect() call of %(signal)s for %(heard)s (%(uid)s), and keep a reference to "
    "what it connects; or connect it with weak=False.",
)
LEFT_OUT_RECEIVER = Kind(
    "left-out-receiver",
    "error",
    "Django's cache leaves a receiver out",
    "%(receiver)s is connected to %(signal)s, and is not called for %(senders)s: Django's cache of "
    "who hears that was filled while the receivers were others.",
    "connect() and disconnect() empty the cache. Whoever gives the signal another list of "
    "receivers, to mute it for a while, does not, and what was looked up in between stays.",
    "After each change of %(signal)s.receivers by hand, call its sender_receivers_cache.clear(). "
    "Or disconnect() %(receiver)s (%(place)s) and connect() it again.",
)
NEVER_CALLED = Kind(
    "never-called",
    "error",
    "A receiver can never be called",
    "%(receiver)s is connected to %(signal)s for %(sender)s, which never sends it: %(because)s.",
    "connect() accepts any sender, also one that nothing will ever be sent with.",
    "Where %(receiver)s (%(place)s) is connected, %(instead)s.",
)
DUPLICATE_RECEIVER = Kind(
    "duplicate-receiver",
    "warning",
    "A receiver is connected twice",
    "%(receiver)s is connected to %(signal)s twice, and runs twice for %(heard)s.",
    "Django tells receivers apart by the function object, the sender and the dispatch_uid: a "
    "module imported under two names has each function twice, and a receiver of any sender hears "
    "each one.",
    "Give both connect() calls of %(receiver)s (%(place)s) the same dispatch_uid and sender, or "
    "remove one, and import its module under one name.",
)
SIGNAL_TWICE = Kind(
    "signal-twice",
    "warning",
    "A signal is there twice",
    "%(signal)s and %(other)s are two signals of one line: %(receivers)s waits for the first, and "
    "never hears what is sent as the second.",
    "A module that is imported under two names is run twice, and all that it makes is there twice.",
    "Import it by one name everywhere: from %(module)s import %(name)s (%(place)s).",
)
ROBUST_CRASH = Kind(
    "robust-crash",
    "warning",
    "A receiver that send_robust() cannot name",
    "%(receiver)s is a %(what)s without a __qualname__: if it raises while %(signal)s is sent with "
    "send_robust(), Django raises AttributeError in its place.",
    "send_robust() logs a receiver's exception under the receiver's __qualname__. One that has "
    "none ends the dispatch, and the receivers after it do not run.",
    "Connect a function that calls it (%(place)s), or give it a name with "
    "functools.update_wrapper().",
)
RECEIVER_IN_MODELS = Kind(
    "receiver-in-models",
    "info",
    "A receiver stands among the models",
    "%(receiver)s is defined in %(module)s.",
    "A module of models that knows what should follow from a change imports what it should not "
    "know, and ends in circular imports.",
    "Move it (%(place)s) to signals.py or receivers.py of its app, and import that in "
    "AppConfig.ready().",
)
CONNECTED_OUTSIDE_READY = Kind(
    "connected-outside-ready",
    "info",
    "A receiver is not connected by AppConfig.ready()",
    "%(receiver)s is defined in %(module)s, which no AppConfig.ready() of the project is seen to "
    "import.",
    "It is connected when something happens to import its module: in one process early, in "
    "another late or never.",
    "Import %(module)s in the ready() of its app's AppConfig (defined at %(place)s). If it is "
    "imported there in a way that cannot be read from the source, ignore this.",
)
CONNECTED_AMONG_VIEWS = replace(
    CONNECTED_OUTSIDE_READY,
    title="A receiver stands among what serves requests",
    message="%(receiver)s is defined in %(module)s, which is imported when the URLconf is.",
    why="A server connects it with its first request; a command, a worker and a shell never do.",
    advice="Move %(receiver)s (%(place)s) out of %(module)s into receivers.py or signals.py of its "
    "app, and import that in the ready() of its AppConfig.",
)
BULK_CALL = Kind(
    "bulk-call",
    "info",
    "A bulk operation in the source skips receivers",
    "%(operation)s at %(place)s skips %(skipped)s.",
    "Django sends no save signals for bulk operations, and calls no save() or delete() of the "
    "model. What those keep in step (an index, a cache, a total) lacks these rows.",
    "Nothing, if %(skipped)s need not know. Otherwise do there once for all rows what they would "
    "have done for each, or save each object.",
)
IGNORES_RAW = Kind(
    "ignores-raw",
    "info",
    "A receiver runs on fixtures too",
    "%(receiver)s hears %(signal)s and never looks at raw.",
    "loaddata sends it with raw=True, while other rows of the fixture are not there yet; what the "
    "receiver writes may be in the fixture as well.",
    "Let it begin with: if raw: return (%(place)s). Or ignore this, if it may run then.",
)
KEY_IS_NEVER_NONE = Kind(
    "key-never-none",
    "warning",
    "A receiver never takes a row for new",
    "%(receiver)s asks for %(asked)s in pre_save of %(heard)s, and the key of %(model)s has a "
    "default: it is never None, and a new row is never known.",
    "A key with a default, as most UUIDs have, is there from the moment the object is made.",
    "In %(receiver)s (%(place)s), ask instance._state.adding, or use created in post_save.",
)
NEVER_NEW_AFTER = replace(
    KEY_IS_NEVER_NONE,
    message="%(receiver)s asks for %(asked)s in post_save of %(heard)s, when the row is there: "
    "none is new any more.",
    why="By then the row has its key, and its _state.adding is False.",
    advice="In %(receiver)s (%(place)s), ask created, which post_save sends.",
)
CREATED_BEFORE_IT = replace(
    KEY_IS_NEVER_NONE,
    message="%(receiver)s asks for created in pre_save of %(heard)s, and only post_save sends it: "
    "a new row is never known.",
    why="A default, or kwargs.get(), hides that it is not sent.",
    advice="In %(receiver)s (%(place)s), ask instance._state.adding, or hear post_save.",
)
GONE_AFTER_DELETE = Kind(
    "gone-after-delete",
    "warning",
    "A receiver reads what a deletion has taken",
    "%(receiver)s reads %(asked)s in post_delete of %(heard)s, and finds nothing: its rows went "
    "first.",
    "Django deletes the rows between two models, and changes or deletes what points to a row, "
    "before the row itself; post_delete comes last.",
    "Read %(asked)s in a receiver of pre_delete, and keep on the instance what %(receiver)s "
    "(%(place)s) needs of it.",
)
KEY_GONE_AT_COMMIT = replace(
    GONE_AFTER_DELETE,
    message="%(receiver)s registers a callback in post_delete of %(heard)s that asks for "
    "%(asked)s when it runs: after the commit that may be None.",
    why="At its end delete() sets the key of the object to None. A callback comes later wherever "
    "delete() is called inside atomic(), as with ATOMIC_REQUESTS and in the admin.",
    advice="In %(receiver)s (%(place)s), take the key at once: key = %(asked)s, and use that in "
    "the callback; or functools.partial(..., %(asked)s).",
)
IGNORES_REVERSE = Kind(
    "ignores-reverse",
    "info",
    "A receiver of m2m_changed never looks at reverse",
    "%(receiver)s hears %(signal)s for %(heard)s, uses instance, and never looks at reverse.",
    "The relation can be changed from both sides: with reverse=True the instance is one of the "
    "other model, and pk_set has the keys of the model with the field.",
    "Let %(receiver)s (%(place)s) look at reverse before it uses instance. Or ignore this, if "
    "nobody ever changes the relation from its other side.",
)
IGNORES_ACTION = Kind(
    "ignores-action",
    "info",
    "A receiver of m2m_changed never looks at action",
    "%(receiver)s hears %(signal)s for %(heard)s and never looks at action: it runs before and "
    "after each change.",
    "m2m_changed is sent twice for each change, as pre_ and as post_: in the first the rows are "
    "not there yet.",
    "Let %(receiver)s (%(place)s) return unless action is one that it is for, such as post_add.",
)
NEEDS_PK_SET = Kind(
    "needs-pk-set",
    "info",
    "A receiver of m2m_changed cannot stand clear()",
    "%(receiver)s hears %(signal)s for %(heard)s and goes over pk_set, which is None when the "
    "relation is cleared.",
    "clear(), and set(clear=True), do not say what they remove: pk_set is None in pre_clear and "
    "post_clear.",
    "Let %(receiver)s (%(place)s) return early unless pk_set, or look at action first.",
)
CATCH_ALL_RECEIVER = Kind(
    "catch-all-receiver",
    "info",
    "A receiver hears every model",
    "%(receiver)s is connected to %(signal)s for any sender.",
    "It runs for every model of every app, sessions, migrations and log entries included.",
    "Connect it (%(place)s) with a sender, once for each model it is for.",
)
CATCH_ALL_DELETION = replace(
    CATCH_ALL_RECEIVER,
    title="A receiver hears the deletions of every model",
    why="While it is connected, Django deletes nothing the fast way, with one statement: it loads "
    "the rows of any model first and sends the signals for each, those of sessions included.",
)
SET_ON_DELETE_MAPPED = replace(
    SET_ON_DELETE,
    slug="changed-by-deletion",
    level="info",
    message="%(receiver)s hears %(signal)s of %(sender)s, and not of its rows that a deletion of "
    "%(origins)s changes: %(fields)s.",
    advice="If %(receiver)s (%(place)s) should know, do it in a receiver of pre_delete of "
    "%(origins)s.",
)
EVERY_APP_RECEIVER = replace(
    ONCE_AN_APP,
    slug="every-app-receiver",
    level="info",
    title="A receiver runs once for every app",
    message="%(receiver)s is connected to %(signal)s for any sender, and runs once for every app: "
    "it never looks at which.",
)
DATABASE_CASCADE = Kind(
    "database-cascade",
    "warning",
    "The database deletes rows past receivers",
    "Deleting %(origin)s has the database delete the rows of %(model)s that point to it, if there "
    "are any (%(field)s, on_delete=%(method)s). It cascades without %(signals)s, so %(receivers)s "
    "did not run.",
    "What the database deletes by itself Django never sees: no signal is sent, and no file, cache "
    "or index is cleaned up.",
    "If %(receivers)s must run, let %(field)s have on_delete=CASCADE: Django then loads the rows "
    "and sends the signals. Or do it for all rows in a receiver of pre_delete of %(origin)s.",
)
DATABASE_UPDATE = replace(
    DATABASE_CASCADE,
    title="The database changes rows past receivers",
    message="Deleting %(origin)s has the database change the rows of %(model)s that point to it, "
    "if there are any (%(field)s, on_delete=%(method)s). It does so without %(signals)s, so "
    "%(receivers)s did not run.",
    advice="If %(receivers)s must run, save() the rows without %(origin)s before %(place)s deletes "
    "it. No on_delete sends the signals of a save.",
)
DATABASE_CASCADE_MAPPED = replace(
    DATABASE_CASCADE,
    message="%(receiver)s does not run for the rows of %(sender)s that the database deletes: they "
    "cascade with %(origins)s, by %(fields)s, and no %(signal)s is sent.",
    advice="If %(receiver)s (%(place)s) must run, use on_delete=CASCADE: Django then loads the "
    "rows and sends the signals. Or do it for all rows in a receiver of pre_delete of %(origins)s.",
)
LEFT_TO_DATABASE = replace(
    DATABASE_CASCADE_MAPPED,
    slug="left-to-database",
    level="info",
    title="A deletion is left to the database",
    message="If the database cascades from %(origins)s to %(sender)s, %(receiver)s does not run "
    "for those rows: Django does nothing, by %(fields)s, and sends no %(signal)s.",
)
SOFT_DELETE = Kind(
    "soft-delete",
    "warning",
    "A delete() did not delete, and receivers of deletions did not run",
    "%(model)s.delete() marked %(rows)s and deleted nothing: it sends no %(signals)s, so "
    "%(receivers)s did not run.",
    "Signals of a deletion are sent by Django's own delete() alone. One that is overridden without "
    "super() sends none, while that of a queryset and a cascade still do.",
    "In delete() (%(place)s), call what %(receivers)s does, or send a signal of your own for it; "
    "or let a receiver of post_save look at the mark.",
)
SOFT_DELETE_MAPPED = replace(
    SOFT_DELETE,
    message="%(sender)s.delete() is overridden without super(), and deletes nothing: %(receiver)s "
    "does not run for it, as %(signal)s is sent by Django's own delete() alone.",
    advice="In delete() (%(place)s), call what %(receiver)s does, or send a signal of your own for "
    "it; or let a receiver of post_save look at the mark.",
)
LOST_SENDER = Kind(
    "lost-sender",
    "warning",
    "The sender of a connection cannot be found",
    "%(receiver)s is connected to %(signal)s for a sender that is not among what is alive: it is "
    "gone, or a text or a number.",
    "Django compares senders by identity. For one that is gone the receiver never runs, and before "
    "Django 6.0 it runs for whatever takes the place of it in memory.",
    "Connect %(receiver)s (%(place)s) with a class, or with an object that lives as long as it.",
)
HOT_SIGNAL = Kind(
    "hot-signal",
    "info",
    "A receiver runs for every instance",
    "%(receiver)s is connected to %(signal)s for %(heard)s.",
    "It runs for each row that a query loads, in the hottest loop that a project has.",
    "Do the work where it is needed: in a property, a manager or the constructor's caller, not at "
    "%(place)s.",
)
UNDOCUMENTED_RECEIVER = Kind(
    "undocumented-receiver",
    "info",
    "A receiver without a docstring",
    "%(receiver)s, which hears %(signal)s, has no docstring.",
    "Nobody calls a receiver by name, so that only its own words say what it is for.",
    "Say in one line what it does and why (%(place)s).",
)
UNHEARD_SIGNAL = Kind(
    "unheard-signal",
    "info",
    "Nobody listens to a signal",
    "%(signal)s has no receivers.",
    "Sending it does nothing. Perhaps the module that should connect one was not imported.",
    "Connect a receiver, or remove the signal (%(place)s) if it is not for other packages.",
)

# Over a graph

SIGNAL_CYCLE = Kind(
    "signal-cycle",
    "warning",
    "Receivers lead in a circle",
    "%(way)s.",
    "Each of these was seen, and whoever begins anywhere comes round to it. Only what the "
    "receivers look at on the way keeps them from going on for ever, and nobody who changes one of "
    "them sees the others.",
    "Let one of %(receivers)s change its row without a signal, by filter(pk=...).update(); or do "
    "both in a function that is called once, at %(place)s.",
)
LONG_CHAIN = Kind(
    "long-chain",
    "info",
    "One thing sets off many receivers, one below the other",
    "%(length)d receivers run one below the other: %(way)s.",
    "Each hears only what the one before it sent. What the last of them does, or that it failed, "
    "no line of the first says.",
    "See the whole of it with signal_map --graph FILE --chain. Where a receiver of these does "
    "little more than send on, call the next step from the one before (%(place)s).",
)
SINGLE_LISTENER = Kind(
    "single-listener",
    "info",
    "A function call would do in place of a signal",
    "%(signal)s is sent at one place (%(sent_from)s) and heard by %(receiver)s alone, in the same "
    "app.",
    "A signal is for those whom the sender does not know. Between one sender and one receiver of "
    "one app it hides a call from whoever reads it, and from the editor.",
    "At %(sent_from)s call %(receiver)s, and remove the signal (%(place)s); keep it if it is "
    "there for others to listen to.",
)


def kinds() -> list[Kind]:
    """Every kind of the catalogue, in its order; those that share a slug differ in their words."""
    return [each for each in globals().values() if isinstance(each, Kind)]


def slugs() -> list[str]:
    """Every slug of the catalogue, once."""
    return list(dict.fromkeys(kind.slug for kind in kinds()))
