"""Measures what other programs' writers pay for the triggers on their table, and how soon replicas know what they wrote;
`make bench-writers` runs it.

The watched table takes turns with an identical plain one on the same server and, if a build of the release before is given,
with one that that release watches. PostgreSQL is as it comes, so fsync is on; nothing is pinned to a core.
"""

import argparse
import datetime
import pathlib

import fleets
import floods
import waits
import watched
from bench import Bench
from stage import ALL_CORES, PRODUCT, Stage

HEAD = ("#", "what", "bar", "this release", "release before", "figures: plain / this / before")


def rows(bench, only):
    """W1 to W5."""
    if {"W1", "W2", "W3", "W4"} & only:
        tables = watched.Tables(bench)
        if "W1" in only:
            watched.single_rows(bench, tables)
        if "W2" in only:
            watched.bulk(bench, tables)
        if "W3" in only:
            watched.failures(bench, tables)
        if "W4" in only:
            at_once = "SET CONSTRAINTS ALL IMMEDIATE"
            waits.left_lying(bench, tables, f"open after {at_once}", at_once, "ROLLBACK")
            waits.deadlocks(bench, tables)
        tables.end()
    if "W5" in only:
        tables = watched.Tables(bench)
        floods.rows(bench, tables, 10 if bench.seconds == 1 else 60)
        tables.end()
    if "W4" in only:
        tables = watched.Tables(bench, "max_prepared_transactions=10")
        waits.left_lying(bench, tables, "prepared", "PREPARE TRANSACTION 'left'", "ROLLBACK PREPARED 'left'")
        tables.end()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", type=pathlib.Path, default=PRODUCT, help="the program that is measured")
    options.add_argument("--before", type=pathlib.Path, help="a build of the release before, measured in the same run")
    options.add_argument("--quick", action="store_true", help="3 turns of 1 s instead of 5 of 4 s")
    options.add_argument("--long", action="store_true", help="C2 too: 50 replicas")
    options.add_argument("--only", default="W1,W2,W3,W4,W5,F1,F2,C1", help="rows, such as W1,F1")
    options.add_argument("--no-save", action="store_true", help="print only")
    given = options.parse_args()
    only = {*given.only.split(","), *(["C2"] if given.long else [])}
    with Stage(ALL_CORES, ALL_CORES) as stage:
        bench = Bench(stage, *((3, 1) if given.quick else (5, 4)))
        bench.releases = {"this": given.server.resolve(), **({"before": given.before.resolve()} if given.before else {})}
        bench.head(HEAD)
        rows(bench, only)
        fleets.rows(bench, only)
    if not given.no_save:
        bench.save(f"writers-{datetime.date.today()}.md")


if __name__ == "__main__":
    main()
