"""W1 to W3: the watched table beside an identical plain one, and one that the release before watches."""

import statistics

from bench import spread
from postgres import Session, Writers, of, sql
from stage import run

ROWS = 2000
# Of one row, by what gives its title and its number.
UPDATE = "UPDATE public.approach_challenges SET title = {} WHERE id = md5({}::text)::uuid"
RANDOM_ROW = f"""\\set row random(1, 1000)
\\set word random(1, 1000000000)
{UPDATE.format("'Title ' || :word", ":row")};
"""


class Tables:
    """One table in one database for each release, with one replica that serves it, and a plain one; on one server."""

    def __init__(self, bench, *settings):
        stage, self.bench = bench.stage, bench
        server, self.postgres = stage.cluster(*settings)
        self.script = stage.file("random_row.sql", RANDOM_ROW.encode())
        self.urls, self.replicas = {}, []
        for name, binary in {"plain": bench.releases["this"], **bench.releases}.items():
            sql(server, f"CREATE DATABASE {name}")
            url = self.urls[name] = of(server, name)
            run([binary, "migrate", "up", "--database-url", url])
            if name == "plain":
                # The table stays as it is, with its indexes, but for the triggers.
                sql(url, "DROP SCHEMA challenges_catalog CASCADE")
            stage.grow(url, ROWS)
            sql(url, "VACUUM ANALYZE public.approach_challenges")
            if name != "plain":
                self.replicas.append(stage.product(url, binary=binary))

    def each(self, measure):
        """What `measure` gives for every table, in turn; the first round warms up and does not count."""
        rounds = [{name: measure(url) for name, url in self.urls.items()} for _ in range(self.bench.pairs + 1)]
        return {name: [turn[name] for turn in rounds[1:]] for name in self.urls}

    def end(self):
        for process in [*self.replicas, self.postgres]:
            process.end()


def add(bench, row, what, bar, cells, figures):
    """One line, from what is to be told of each release, and of the plain table."""
    told = " / ".join(figures[name] for name in ("plain", "this", "before") if name in figures)
    bench.add(row, what, bar, cells["this"], cells.get("before", ""), told)


def ratios(bench, figures):
    return {name: spread([a / b for a, b in zip(figures[name], figures["plain"])]) for name in bench.releases}


def medians(figures, text):
    return {name: text.format(statistics.median(all)).replace(",", " ") for name, all in figures.items()}


def single_rows(bench, tables):
    """W1: single-row UPDATEs of random rows."""
    for clients, bar in ((1, "≥ 0.6"), (8, "≥ 0.5"), (32, "≥ 0.5")):
        rates = tables.each(lambda url: Writers(url, tables.script).write(clients, bench.seconds).rate)
        what = f"single-row UPDATEs a second vs plain, clients: {clients}"
        add(bench, "W1", what, bar, ratios(bench, rates), medians(rates, "{:,.0f}"))


def bulk(bench, tables):
    """W2: one statement that changes every row."""
    sessions = {url: Session(bench.stage, url) for url in tables.urls.values()}

    def change(url):
        sql(url, "VACUUM public.approach_challenges")
        return sessions[url].ms("UPDATE public.approach_challenges SET title = 'Bulk ' || gen_random_uuid()")

    turns = [tables.each(change) for _ in range(2)]
    took = {name: turns[0][name] + turns[1][name] for name in tables.urls}
    what = f"time of one UPDATE of {ROWS} rows vs plain"
    add(bench, "W2", what, "≤ 2.5", ratios(bench, took), medians(took, "{:.0f} ms"))
    for session in sessions.values():
        session.end()


def failures(bench, tables):
    """W3: strict isolation, different random rows."""
    for isolation in ("serializable", "repeatable read"):
        failed = tables.each(lambda url: Writers(url, tables.script, isolation).write(6, bench.seconds).failed * 100)
        cells = {name: spread(failed[name]) + " %" for name in bench.releases}
        what = f"{isolation}, 6 clients: transactions that fail"
        add(bench, "W3", what, "as plain", cells, medians(failed, "{:.2f} %"))
