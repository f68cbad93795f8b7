"""W5: as many small transactions as the machine can do, and one with a million rows: what a poll takes meanwhile, and what stays."""

import threading
import time

from postgres import Session, Writers, sql
from watched import add

MILLION = 1_000_000
MANY_ROWS = f"""INSERT INTO public.approach_challenges (id, difficulty, title)
SELECT md5('many ' || n)::uuid, 'advanced', 'One of many' FROM generate_series(1, {MILLION}) AS n"""
# What a poll does first, and what can take long: the rest of it reads a page.
NUMBER = "SELECT challenges_catalog.number(2000)"
LEFT = """SELECT (SELECT count(*) FROM challenges_catalog.commit_log) || ' in the log, '
    || (SELECT count(*) FROM challenges_catalog.changed_challenges) || ' in the queue'"""


class Polls(threading.Thread):
    """Numbers every 50 ms, as a replica that is in a hurry, and keeps what each time took."""

    def __init__(self, stage, url):
        super().__init__(daemon=True)
        self.session, self.took, self.is_over = Session(stage, url), [], False
        self.start()

    def run(self):
        while not self.is_over:
            self.took.append(self.session.ms(NUMBER))
            time.sleep(0.05)

    def end(self):
        self.is_over = True
        self.join()
        self.session.end()
        self.took.sort()
        part = lambda of: self.took[min(int(len(self.took) * of), len(self.took) - 1)]
        return f"p50 {part(0.5):.0f}, p99 {part(0.99):.0f}, slowest {self.took[-1]:.0f} ms"


def left(url):
    """What is left once a replica has pruned, for which it has time enough."""
    deadline = time.monotonic() + 200
    while " 0 in the queue" not in sql(url, LEFT) and time.monotonic() < deadline:
        time.sleep(1)
    return sql(url, LEFT)


def rows(bench, tables, seconds):
    url, stage = tables.urls["this"], bench.stage
    polls = Polls(stage, url)
    written = Writers(url, tables.script).write(8, seconds)
    took, beside = polls.end(), sql(url, LEFT)
    count = f"{written.commits:,}".replace(",", " ")
    what = f"{count} small transactions in {seconds} s, 8 clients: numbering"
    add(bench, "W5", what, "≤ 50 ms", {"this": took}, {"this": f"{beside}; later {left(url)}"})
    polls = Polls(stage, url)
    session = Session(stage, url)
    session.send(MANY_ROWS)
    if not session.answered(600):
        raise SystemExit("a million rows took more than ten minutes")
    time.sleep(2)
    resident = tables.replicas[0].resident_mib()
    add(
        bench, "W5", "one transaction of a million rows: numbering", "", {"this": polls.end()},
        {"this": f"the replica takes {resident:.0f} MiB; {sql(url, LEFT)}; later {left(url)}"},
    )
    session.end()
