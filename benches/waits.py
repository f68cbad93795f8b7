"""W4: what a transaction that is left lying does to writers of other rows, and deadlocks that a plain table does not know."""

import statistics
import time

from postgres import Session, sql
from watched import UPDATE, add

# A COMMIT that takes longer waits for somebody.
PATIENCE_SECONDS = 3
# What another program may have: a deferred trigger that counts its rows.
COUNTER = """
CREATE TABLE IF NOT EXISTS counter AS SELECT 0 AS total;
CREATE TABLE IF NOT EXISTS counted (id integer);
CREATE OR REPLACE FUNCTION count_one() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN UPDATE counter SET total = total + 1; RETURN NULL; END';
DROP TRIGGER IF EXISTS counts ON counted;
CREATE CONSTRAINT TRIGGER counts AFTER INSERT ON counted DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION count_one();
"""


def title(row):
    return UPDATE.format("'Title ' || gen_random_uuid()", row)


def left_lying(bench, tables, what, hold, release):
    took = {name: beside(bench, url, hold, release) for name, url in tables.urls.items()}
    alone = {name: beside(bench, url, "ROLLBACK", "SELECT") for name, url in tables.urls.items()}
    cells = {name: f"**{ms:.1f} ms**" if ms else f"**waits**, > {PATIENCE_SECONDS} s" for name, ms in took.items()}
    figures = {name: f"{cells[name].replace('*', '')}, alone {alone[name]:.1f} ms" for name in cells}
    add(bench, "W4", f"COMMIT beside a transaction left {what}", "no wait", cells, figures)


def beside(bench, url, hold, release):
    """The median of a COMMIT of another row, in milliseconds; nothing where it waits as long as it may."""
    holder, writer = Session(bench.stage, url), Session(bench.stage, url)
    holder.must(f"BEGIN; {title(1)}; {hold}")
    took = []
    for row in range(2, 2 + 4 * bench.pairs):
        writer.must(f"BEGIN; {title(row)}")
        began = time.monotonic()
        writer.send("COMMIT")
        waits = not writer.answered(PATIENCE_SECONDS)
        took.append((time.monotonic() - began) * 1000)
        if waits:
            break
    holder.must(release)
    if not writer.answered(60):
        raise SystemExit("a COMMIT waits, and nobody is left to wait for")
    holder.end(), writer.end()
    return None if waits else statistics.median(took)


def deadlocks(bench, tables):
    for url in tables.urls.values():
        sql(url, COUNTER)
    patterns = {
        "SET CONSTRAINTS ALL IMMEDIATE, then a row of one that commits": (
            (f"SET CONSTRAINTS ALL IMMEDIATE; {title(1)}", title(2)),
            ("second", "COMMIT"),
            ("first", title(2)),
        ),
        "a deferred trigger of theirs that counts, and one that counted before": (
            (f"{title(1)}; INSERT INTO counted VALUES (1)", f"UPDATE counter SET total = total + 1; {title(2)}"),
            ("first", "COMMIT"),
            ("second", "COMMIT"),
        ),
    }
    for what, steps in patterns.items():
        ended = {name: sum(meet(bench, url, *steps) for _ in range(bench.pairs)) for name, url in tables.urls.items()}
        cells = {name: f"**{count}** of {bench.pairs}" for name, count in ended.items()}
        figures = {name: str(count) for name, count in ended.items()}
        add(bench, "W4", f"deadlocks: {what}", "as plain", cells, figures)


def meet(bench, url, begin, *steps):
    """Whether two transactions, which begin so and then take these steps, end in a deadlock."""
    sessions = {name: Session(bench.stage, url) for name in ("first", "second")}
    for session, statements in zip(sessions.values(), begin):
        session.must(f"BEGIN; {statements}")
    for name, statement in steps:
        sessions[name].send(statement)
        # Nothing can be told from its waiting: with a plain table one of these waits too.
        sessions[name].answered(0.3)
    if not all(session.answered(30) for session in sessions.values()):
        raise SystemExit("two transactions wait for each other, and nobody ends it")
    heard = "".join(session.heard for session in sessions.values())
    for session in sessions.values():
        session.end()
    return "deadlock detected" in heard
