"""Starts and ends what a measurement needs: servers on one core, everything else on the other."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRODUCT = ROOT / "target/release/challenges-catalog"
LIMITS = ROOT / "target/release/limits"
SERVER_CORE, LOAD_CORE = "0", "1"
ALL_CORES = ",".join(map(str, sorted(os.sched_getaffinity(0))))


class Process:
    """A running program; its log is shown when it does not start."""

    def __init__(self, argv, core, port=None, env=None, user=None, ends_by=signal.SIGKILL):
        self.log = tempfile.TemporaryFile()
        self.ends_by = ends_by
        self.port = port
        self.started = time.monotonic()
        self.child = subprocess.Popen(
            ["taskset", "-c", core, *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, **(env or {})},
            user=user,
            cwd="/",
        )
        if port:
            self.wait_until(lambda: can_connect(port))

    def wait_until(self, ready, seconds=30):
        deadline = time.monotonic() + seconds
        while not ready():
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise SystemExit(f"{self.child.args} did not start:\n{self.log.read().decode()}")
            time.sleep(0.002)

    def cpu_seconds(self):
        """What its threads used so far, to the nanosecond."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.child.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def end(self):
        self.child.send_signal(self.ends_by)
        self.child.wait()


def can_connect(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Tls:
    """The pair of a server, the authority that callers trust, and their tokens: `name` has the token of that name."""

    def __init__(self, folder, more):
        run([LIMITS, "pair", folder])
        self.folder, self.authority = folder, folder / "ca.pem"
        access = folder / "access.toml"
        access.write_text(self.entry("caller") + more)
        access.chmod(0o600)
        self.settings = {
            "CATALOG_TLS_CERT": str(folder / "server.pem"),
            "CATALOG_TLS_KEY": str(folder / "server.key"),
            "CATALOG_ACCESS_FILE": str(access),
        }

    @staticmethod
    def entry(name, more=""):
        """A viewer in the access file, whose token is made of its name."""
        digest = hashlib.sha256(Tls.token(name).encode()).hexdigest()
        return f'[[token]]\nname = "{name}"\nsha256 = "{digest}"\nrole = "viewer"\n{more}\n'

    @staticmethod
    def token(name):
        return f"token-of-{name}-for-measurements"

    def caller(self, name="caller"):
        """What tells the load generator whom to trust, and who it is."""
        return {"LIMITS_CA": str(self.authority), "LIMITS_TOKEN": self.token(name)}


class Stage:
    """One folder and the processes of one run; all end with it, also when it is interrupted."""

    def __init__(self, server_core=SERVER_CORE, load_core=LOAD_CORE):
        self.server_core, self.load_core = server_core, load_core
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="catalog-bench-"))
        self.folder.chmod(0o755)
        self.processes = []

    def __enter__(self):
        for interruption in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(interruption, lambda number, _: sys.exit(128 + number))
        return self

    def __exit__(self, *_):
        for interruption in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(interruption, signal.SIG_IGN)
        for process in reversed(self.processes):
            if process.child.poll() is None:
                process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, argv, core, **options):
        process = Process(argv, core, **options)
        self.processes.append(process)
        return process

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def tls(self, more=""):
        """A pair and a token, with `more` in the access file."""
        return Tls(self.folder, more)

    def product(self, database, env=None, ready=True, binary=PRODUCT, port=None):
        """The product as it comes: nothing is switched off for the measurement."""
        port = port or free_port()
        settings = {"DATABASE_URL": database, "CATALOG_GRPC_ADDR": f"127.0.0.1:{port}", **(env or {})}
        server = self.start([binary, "serve"], self.server_core, env=settings)
        server.port, server.health_port = port, port
        if ready:
            self.until_serving(server, binary)
        return server

    def secure(self, tls, database, env=None, port=None):
        """The product with TLS and an access file; it tells its health and its metrics in plain text elsewhere."""
        health_port, ops_port = free_port(), free_port()
        plain = {"CATALOG_HEALTH_ADDR": f"127.0.0.1:{health_port}", "CATALOG_OPS_ADDR": f"127.0.0.1:{ops_port}"}
        server = self.product(database, {**tls.settings, **plain, **(env or {})}, ready=False, port=port)
        server.health_port, server.ops_port = health_port, ops_port
        self.until_serving(server)
        return server

    def until_serving(self, server, binary=PRODUCT):
        server.wait_until(lambda: serving(server.health_port, binary))

    def free(self, argv, core):
        """A server at a port of its own."""
        port = free_port()
        return self.start(argv(port), core, port=port)

    def limit(self, kind, *arguments):
        return self.free(lambda port: [LIMITS, kind, f"127.0.0.1:{port}", *arguments], self.server_core)

    def redis(self):
        port = free_port()
        argv = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.start(argv, self.load_core, port=port)
        return f"redis://127.0.0.1:{port}"

    def postgres(self, *settings):
        return self.cluster(*settings)[0]

    def cluster(self, *settings):
        """PostgreSQL as it comes, but for `settings` such as `max_connections=400`: its URL and its process."""
        port = free_port()
        data = self.folder / f"postgres{port}"
        data.mkdir()
        user = None
        if os.getuid() == 0:  # PostgreSQL refuses to run as root.
            user = "nobody"
            shutil.chown(data, user)
        made = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [find("initdb"), *made, "-D", data], check=True, user=user, cwd="/", stdout=subprocess.DEVNULL
        )
        settings = ["listen_addresses=127.0.0.1", "max_connections=100", "unix_socket_directories=", *settings]
        argv = [find("postgres"), "-D", data, "-p", port, *(x for s in settings for x in ("-c", s))]
        # The postmaster takes its children along when it quits at once, not when it is killed.
        server = self.start(argv, self.load_core, port=port, user=user, ends_by=signal.SIGQUIT)
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        server.wait_until(lambda: subprocess.run([client("pg_isready"), "-q", "-d", url]).returncode == 0)
        return url, server

    def seed(self, database, rows, binary=PRODUCT):
        """Makes the catalog `rows` long, out of the seeds that the product comes with, cut to 11 KiB for 50."""
        seeds = json.loads((ROOT / "seeds/challenges.json").read_text())
        challenges = []
        for number in range(rows):
            like = seeds[number % len(seeds)]
            new = {} if number < len(seeds) else {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
                "title": f"{like['title']} {number}",
            }
            short = {"description": like["description"][:70], "tips": like["tips"][:20]}
            challenges.append({**like, **new, **short})
        file = self.file("seeds.json", json.dumps(challenges).encode())
        run([binary, "migrate", "up", "--database-url", database])
        run([binary, "seed", "--file", file, "--database-url", database])

    def grow(self, database, rows):
        """Adds `rows` more, and gives their ids."""
        text = "INSERT INTO public.approach_challenges (id, difficulty, title, description) SELECT md5(n::text)::uuid, "
        text += f"'beginner', 'Challenge ' || n, repeat('What to do. ', 6) FROM generate_series(1, {rows}) AS n"
        run([client("psql"), "--quiet", database, "-c", text])
        return [str(uuid.UUID(hashlib.md5(str(n).encode()).hexdigest())) for n in range(1, rows + 1)]


def find(program):
    """On PATH, or the newest where Debian puts it; resolved, because it looks for its libraries."""
    places = [shutil.which(program), *sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))[::-1]]
    found = next((place for place in places if place), None)
    if not found:
        raise SystemExit(f"{program} is missing; run `make tools`")
    return pathlib.Path(found).resolve()


def client(program):
    """One of PostgreSQL's, of the server's release. Not that on PATH: Debian's is a wrapper that goes by its name."""
    return find("initdb").parent / program


def serving(port, binary=PRODUCT):
    asked = [binary, "health", "--addr", f"http://127.0.0.1:{port}"]
    return can_connect(port) and subprocess.run(asked, capture_output=True).returncode == 0


def run(argv, env=None):
    done = subprocess.run([str(x) for x in argv], capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode:
        raise SystemExit(f"{argv}: {done.stdout}{done.stderr}")
    return done.stdout
