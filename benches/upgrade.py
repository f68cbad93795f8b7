"""Migrates a database of the release before while its fleet, this one and other programs use it, and proves that nothing
is lost, no write fails and no answer is wrong; `make check-upgrade` runs it.

Writers own rows and count up in their titles, so each answer tells how many of their commits it has. It has to have all
that had been committed before it was asked for, less the age that it tells itself; and none that had not been sent.
"""

import argparse
import json
import pathlib
import random
import subprocess
import tempfile
import threading
import time

from postgres import Session, sql
from stage import ALL_CORES, PRODUCT, ROOT, Stage, run

# The commit before numbers were given after the commit.
BEFORE = "94b50ce"
ROWS_OF_A_WRITER = 10
TABLE = "public.approach_challenges"
COMES_AND_GOES = (
    f"INSERT INTO {TABLE} (id, difficulty, title) VALUES ({{}}, 'advanced', 'Comes and goes')",
    f"DELETE FROM {TABLE} WHERE id = {{}}",
)
ISOLATIONS = ("read committed", "repeatable read", "serializable")


def build(commit, folder):
    """The program as it was at a commit of this repository."""
    run(["git", "-C", ROOT, "worktree", "add", "--detach", folder, commit])
    try:
        target = ROOT / "target/before"
        run(["cargo", "build", "--release", "--locked", "--manifest-path", folder / "Cargo.toml", "--target-dir", target])
    finally:
        run(["git", "-C", ROOT, "worktree", "remove", "--force", folder])
    return target / "release/challenges-catalog"


class Row:
    """What one writer did to one row."""

    def __init__(self, id):
        self.id = id
        self.sent = [0.0]  # When the commit that counts to its place was sent, and when it was answered.
        self.done = [0.0]

    def update(self):
        return f"UPDATE {TABLE} SET title = 'Count {len(self.sent)}' WHERE id = '{self.id}'"


class Part(threading.Thread):
    """Does its work again and again until the end, and keeps what went wrong."""

    def __init__(self, ended, work):
        super().__init__(daemon=True)
        self.ended, self.work, self.problems = ended, work, []
        self.start()

    def run(self):
        while not self.ended.is_set():
            try:
                self.work(self.problems)
            except BaseException as problem:
                self.problems.append(f"{problem!r}")
                return


class Writer:
    """One session; each transaction changes one to three of its rows, and some of it may be taken back before."""

    def __init__(self, stage, url, number, ids):
        self.session, self.number = Session(stage, url), number
        self.rows = [Row(id) for id in ids]
        self.chance = random.Random(number)
        self.slowest, self.refused = 0.0, 0
        isolation = ISOLATIONS[number % len(ISOLATIONS)]
        self.is_read_committed = isolation == ISOLATIONS[0]
        self.session.must(f"SET default_transaction_isolation = '{isolation}'")

    def write(self, problems):
        rows = self.chance.sample(self.rows, self.chance.randint(1, 3))
        updates = [row.update() for row in rows]
        if self.chance.random() < 0.1:
            updates += [part.format(f"md5('comes and goes {self.number}')::uuid") for part in COMES_AND_GOES]
        if self.is_read_committed and self.chance.random() < 0.2:
            updates += ["SAVEPOINT s", f"UPDATE {TABLE} SET title = 'Never' WHERE id = '{rows[0].id}'", "ROLLBACK TO s"]
        if self.is_read_committed and self.chance.random() < 0.1:
            updates.append("UPDATE public.feature_flags SET description = gen_random_uuid() WHERE name = 'of_others'")
        statements = "; ".join(updates if len(updates) == 1 else ["BEGIN", *updates, "COMMIT"])
        began = time.monotonic()
        for row in rows:
            row.sent.append(began)
        answer = self.session.tell(statements)
        ended = time.monotonic()
        if "could not serialize" in answer and not self.is_read_committed:
            # At these isolations every writer has to expect it, and tries again.
            self.refused += 1
            self.session.tell("ROLLBACK")
            for row in rows:
                row.sent.pop()
            return
        if "ERROR" in answer:
            raise SystemExit(f"a write failed: {answer}")
        for row in rows:
            row.done.append(ended)
        self.slowest = max(self.slowest, ended - began)
        time.sleep(self.chance.uniform(0, 0.02))


class Reader:
    """Asks one replica for a row of anybody."""

    def __init__(self, replica, rows, client):
        self.replica, self.rows, self.client = replica, rows, client
        self.answers, self.stale = 0, 0

    def read(self, problems):
        row = random.choice(self.rows)
        addr = f"127.0.0.1:{self.replica.port}"
        called = time.monotonic()
        asked = subprocess.run([self.client, "get", row.id, "--addr", addr, "--output", "json"], capture_output=True, text=True)
        returned = time.monotonic()
        if asked.returncode:
            problems.append(f"a read failed: {asked.stderr}")
            time.sleep(0.2)
            return
        answer = json.loads(asked.stdout)
        freshness = answer["freshness"]
        bound = float(freshness["staleness_bound"].removesuffix("s"))
        count = int(answer["challenge"]["title"].removeprefix("Count "))
        self.answers += 1
        self.stale += freshness["stale"]
        due = sum(1 for at in list(row.done) if at <= called - bound) - 1
        sent = sum(1 for at in list(row.sent) if at <= returned) - 1
        if not due <= count <= sent:
            problems.append(f"an answer of {count}, {due} were committed and {sent} sent: {freshness}")
        if bound > 2 and not freshness["stale"]:
            problems.append(f"called fresh at an age of {bound} s")


TIP = """INSERT INTO challenges_catalog.challenge_tips (key, challenge, content, locale, persona, edition, epoch, text, sha256,
    provider, model, stop, input_tokens, output_tokens, is_estimated, created_at, expires_at)
SELECT sha256(id::text::bytea), id, sha256('content'), 'en', 'coach', '1', 1, 'A tip', sha256('A tip'), 'p', 'm', 'end', 1, 1, false,
    now(), now() + interval '10 days'
FROM public.approach_challenges;
INSERT INTO challenges_catalog.shown_tips (challenge, key, content, text, created_at, expires_at)
SELECT challenge, key, content, text, created_at, expires_at FROM challenges_catalog.challenge_tips"""
FLAGS = """INSERT INTO public.feature_flags (name, enabled) VALUES ('near_cache', true), ('of_others', true);
INSERT INTO challenges_catalog.runtime_settings (name, environment, value) VALUES ('cache_ttl_seconds', 'all', 60)"""
# All that has to be there afterwards as it was: but for what writers change.
KEPT = """SELECT md5(concat_ws(' ',
    (SELECT string_agg(concat_ws('|', id, challenge, operation, log_id, row), ' ' ORDER BY id)
        FROM challenges_catalog.challenge_revisions WHERE id <= {last}),
    (SELECT string_agg(concat_ws('|', log_id, role, editor, seq, committed_at), ' ' ORDER BY log_id)
        FROM challenges_catalog.edits WHERE seq <= {head}),
    (SELECT string_agg(t::text, ' ' ORDER BY key) FROM challenges_catalog.challenge_tips AS t),
    (SELECT string_agg(t::text, ' ' ORDER BY challenge) FROM challenges_catalog.shown_tips AS t),
    (SELECT string_agg(f::text, ' ' ORDER BY name) FROM public.feature_flags AS f WHERE name <> 'of_others'),
    (SELECT string_agg(s::text, ' ' ORDER BY name) FROM challenges_catalog.runtime_settings AS s),
    (SELECT page_token_key::text FROM challenges_catalog.state),
    challenges_catalog.database()))"""

# What became of challenges since, taken into the history or not.
NOTED = """(
    SELECT id, challenge, operation, xid, log_id FROM challenges_catalog.challenge_revisions
    UNION ALL
    SELECT id, challenge, operation, xid, id FROM challenges_catalog.changed_challenges
) AS r"""
NUMBER = "SELECT challenges_catalog.number(2000)"
PRUNE = "SELECT challenges_catalog.prune(interval '1 hour', 2000)"


class Upgrade:
    def __init__(self, stage, before, after, writers, seconds):
        self.stage, self.before, self.after, self.seconds = stage, before, after, seconds
        self.url = stage.postgres()
        self.env = {"REDIS_URL": stage.redis()}
        run([before, "migrate", "up", "--database-url", self.url])
        ids = stage.grow(self.url, writers * ROWS_OF_A_WRITER)
        sql(self.url, "UPDATE public.approach_challenges SET title = 'Count 0'")
        sql(self.url, f"{TIP}; {FLAGS}")
        self.last = sql(self.url, "SELECT max(id) FROM challenges_catalog.challenge_revisions")
        self.head = sql(self.url, "SELECT max(seq) FROM challenges_catalog.commit_log")
        self.kept = sql(self.url, KEPT.format(last=self.last, head=self.head))
        parts = [ids[n::writers] for n in range(writers)]
        self.writers = [Writer(stage, self.url, n, part) for n, part in enumerate(parts)]
        self.rows = [row for writer in self.writers for row in writer.rows]
        self.readers, self.parts = [], []

    def fleet(self, binary):
        """Two replicas, and who reads there; gives what ends them."""
        replicas = [self.stage.product(self.url, self.env, binary=binary) for _ in range(2)]
        readers = [Reader(replica, self.rows, self.before) for replica in replicas]
        ended = threading.Event()
        parts = [Part(ended, reader.read) for reader in readers]
        self.readers += readers
        self.parts += parts

        def end():
            ended.set()
            for part in parts:
                part.join()
            for replica in replicas:
                replica.child.terminate()
                replica.child.wait()

        return end

    def run(self):
        end_old = self.fleet(self.before)
        ended = threading.Event()
        writing = [Part(ended, writer.write) for writer in self.writers]
        self.parts += writing
        time.sleep(self.seconds)
        for writer in self.writers:
            writer.slowest_before, writer.slowest = writer.slowest, 0.0
            writer.refused_before, writer.refused = writer.refused, 0
        began = time.monotonic()
        self.told = run([self.after, "migrate", "up", "--database-url", self.url])
        self.migrated = time.monotonic() - began
        time.sleep(self.seconds)
        end_new = self.fleet(self.after)
        time.sleep(self.seconds)
        end_old()
        time.sleep(self.seconds)
        ended.set()
        for part in writing:
            part.join()
        time.sleep(2)
        end_new()

    def problems(self):
        found = [problem for part in self.parts for problem in part.problems]
        if sql(self.url, KEPT.format(last=self.last, head=self.head)) != self.kept:
            found.append("history, tips, flags, settings or the name of the history are not what they were")
        titles = dict(line.split("|") for line in sql(self.url, "SELECT id, title FROM public.approach_challenges").splitlines())
        while sql(self.url, NUMBER) == "f":
            pass
        while sql(self.url, PRUNE) == "t":
            pass
        count = f"SELECT challenge, count(*) FROM {NOTED} WHERE operation = 'updated' AND id > {self.last} GROUP BY challenge"
        revisions = dict(line.split("|") for line in sql(self.url, count).splitlines())
        for row in self.rows:
            commits = len(row.done) - 1
            if titles[row.id] != f"Count {commits}":
                found.append(f"{row.id}: {commits} commits, and its title is {titles[row.id]}")
            if int(revisions.get(row.id, 0)) != commits:
                found.append(f"{row.id}: {commits} commits, and {revisions.get(row.id)} revisions")
        lost = f"SELECT r.id, r.operation, r.xid, r.log_id FROM {NOTED} WHERE NOT EXISTS (SELECT FROM challenges_catalog.edits AS e"
        lost = f"{lost} WHERE (r.xid IS NULL AND e.log_id = r.log_id) OR (e.xid = r.xid AND r.log_id BETWEEN e.log_id AND e.last_id))"
        found += [f"a revision without a commit: {row}" for row in sql(self.url, lost).splitlines()]
        return found

    def print(self, found):
        commits = sum(len(row.done) - 1 for row in self.rows)
        answers, stale = sum(r.answers for r in self.readers), sum(r.stale for r in self.readers)
        slowest = [max(of(writer) for writer in self.writers) * 1000 for of in (lambda w: w.slowest_before, lambda w: w.slowest)]
        refused = [sum(of(writer) for writer in self.writers) for of in (lambda w: w.refused_before, lambda w: w.refused)]
        print(self.told.strip())
        print(f"migrate up took {self.migrated:.1f} s")
        print(f"{commits} changes of rows committed, the slowest transaction {slowest[0]:.0f} ms before, {slowest[1]:.0f} ms since")
        print(f"{refused[0]} serialization failures at strict isolation before, {refused[1]} since")
        print(f"{answers} answers, {stale} of them marked stale")
        for problem in found[:20]:
            print(f"PROBLEM: {problem}")
        print(f"{len(found)} problems")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", type=pathlib.Path, default=PRODUCT, help="the program that migrates")
    options.add_argument("--before", type=pathlib.Path, help="a build of the release before; made from git when it is left out")
    options.add_argument("--commit", default=BEFORE, help="what it is made from")
    options.add_argument("--writers", type=int, default=8)
    options.add_argument("--seconds", type=int, default=10, help="how long each of four phases takes")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stage(ALL_CORES, ALL_CORES) as stage:
        before = given.before or build(given.commit, pathlib.Path(folder) / "before")
        upgrade = Upgrade(stage, before.resolve(), given.server.resolve(), given.writers, given.seconds)
        upgrade.run()
        found = upgrade.problems()
        upgrade.print(found)
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
