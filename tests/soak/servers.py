# SPDX-License-Identifier: MIT
"""The servers that tests/soak/run keeps busy: how to start, load, watch and stop each."""

import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.request

START_SECONDS = 20
STOP_SECONDS = 60
CLIENT_SECONDS = 600


class SoakError(Exception):
    """The server or a client did what it should not."""


def process_cpu_seconds(pid):
    """User and system time of a process and of the children that it has waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def process_rss_bytes(pid):
    """Without pages of files: those are shared, and come and go with the system's memory."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
            return int(re.search(r"^RssAnon:\s+(\d+) kB$", stream.read(), re.M)[1]) << 10
    except (FileNotFoundError, ProcessLookupError, TypeError):
        return 0


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as stream:
            return [int(child) for child in stream.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Server:
    """What they share. `folder` is the server's own; its processes may be those of another user."""

    name = None
    NEEDS = ()

    def __init__(self, folder, preload, mode, options):
        self.folder = folder
        self.trace = folder + "/trace"
        self.stats = folder + "/stats"
        self.requests = 0
        self.process = None
        self.client_seconds = 0.0
        self.random = random.Random(1)
        self.lock = threading.Lock()
        self.environment = {
            "PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": folder,
            "LD_PRELOAD": preload, "GLEANER_MODE": mode,
            "GLEANER_OPTIONS": f"gctrace=1:trace_file={self.trace}:stats_file={self.stats}:{options}",
        }
        os.mkdir(folder)
        for path in (self.trace, self.stats):
            with open(path, "wb"):
                os.chmod(path, 0o666)

    def launch(self, command):
        with open(self.folder + "/output", "wb") as output:
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, start_new_session=True)

    def wait_until(self, is_ready):
        give_up = time.monotonic() + START_SECONDS
        while not is_ready():
            self.check_alive()
            if time.monotonic() > give_up:
                raise SoakError(f"{self.name} does not answer after {START_SECONDS} s")
            time.sleep(0.05)

    def client(self, command):
        """Runs a client, without the library; returns what it printed."""
        done = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output = done.communicate(timeout=CLIENT_SECONDS)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            done.kill()
            raise SoakError(f"{command[0]} had no answer for {CLIENT_SECONDS} s") from None
        if done.returncode != 0:
            raise SoakError(f"{' '.join(command)} ended with {done.returncode}:\n{output[-1000:]}")
        return output

    def check_alive(self):
        if self.process.poll() is not None:
            raise SoakError(f"{self.name} ended with {self.process.returncode}")

    def processes(self):
        return [self.process.pid]

    def rss_bytes(self):
        return sum(map(process_rss_bytes, self.processes()))

    def cpu_seconds(self):
        """Of the server. Clients of both servers are ours: each counts half of theirs."""
        clients = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = resource.getrusage(resource.RUSAGE_SELF)
        return (sum(map(process_cpu_seconds, self.processes()))
                + (clients.ru_utime + clients.ru_stime + own.ru_utime + own.ru_stime) / 2)

    def collections(self):
        with open(self.trace, "rb") as stream:
            return sum(line.startswith(b"gleaner: gc ") for line in stream)

    def wait_for_end(self):
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise SoakError(f"{self.name} did not end") from None
        if status != 0:
            raise SoakError(f"{self.name} ended with {status}")

    def kill(self):
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()

    def complaints(self):
        """What the server's own output, and the library's trace, say of errors."""
        found = []
        for path, pattern in self.bad_lines():
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8", errors="replace") as stream:
                lines = [line.rstrip() for line in stream if re.search(pattern, line)]
            found += [f"{os.path.basename(path)}: {line}" for line in lines[:10]]
        with open(self.stats, encoding="utf-8") as stream:
            if not stream.read():
                found.append("no statistics were written at exit")
        return found

    def bad_lines(self):
        return [(self.trace, r"^(?!gleaner: gc \d)"), (self.folder + "/output", r"gleaner:")]


class Redis(Server):
    """redis-server: mixed commands with pipelines, keys that expire, scripts, background saves."""

    name = "redis"
    NEEDS = ("/usr/bin/redis-server", "/usr/bin/redis-benchmark", "/usr/bin/redis-cli")
    MIXES = ("set,get,incr", "lpush,rpush,lpop,rpop", "sadd,spop", "hset", "zadd,zpopmin",
             "mset", "ping,set,get")

    def start(self):
        self.socket_path = self.folder + "/socket"
        self.launch([self.NEEDS[0], "--port", "0", "--unixsocket", self.socket_path, "--dir",
                     self.folder, "--save", "", "--logfile", self.folder + "/log",
                     "--daemonize", "no", "--crash-log-enabled", "no",
                     "--activedefrag", "no", "--hz", "20"])
        self.wait_until(lambda: os.path.exists(self.socket_path))
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(60)
        self.connection.connect(self.socket_path)
        self.input = self.connection.makefile("rb")
        self.model = {}

    def read_reply(self):
        line = self.input.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-" or not line:
            raise SoakError(f"redis answered {line!r}")
        if kind == b"$":
            return None if int(rest) < 0 else self.input.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read_reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def ask(self, *commands):
        """Sends commands in one pipeline; returns the replies."""
        parts = []
        for command in commands:
            words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
            parts.append(b"*%d\r\n" % len(words))
            parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.connection.sendall(b"".join(parts))
        self.requests += len(commands)
        return [self.read_reply() for _ in commands]

    def check_values(self):
        """Values of many sizes that are changed now and then, and must be what was stored."""
        for _ in range(10):
            keys = [f"model:{self.random.randrange(2000)}" for _ in range(50)]
            for key, got in zip(keys, self.ask(*[("GET", key) for key in keys])):
                if got != self.model.get(key):
                    raise SoakError(f"redis has {got!r:.80} as {key}, not "
                                    f"{self.model.get(key)!r:.80}")
            for key in keys:
                size = int(2 ** self.random.uniform(0, 13))
                self.model[key] = b"%d:" % self.random.getrandbits(40) + b"v" * size
            self.ask(*[("SET", key, self.model[key]) for key in keys])

    def expire_some(self):
        """Keys that nobody deletes: they expire, most of them unseen."""
        self.ask(*[("SET", f"short:{self.random.getrandbits(40)}", b"x" * 200, "PX",
                    self.random.randrange(20, 20000)) for _ in range(1000)])
        self.ask(*[("EVAL", "local n = 0 for i = 1, 300 do local t = {} for k = 1, 10 do t[k] = "
                    "redis.call('get', 'model:' .. i) end n = n + #t end return n", 0)])

    def background_save(self):
        self.ask(("BGSAVE",))
        give_up = time.monotonic() + 120
        while b"rdb_bgsave_in_progress:1" in self.ask(("INFO", "persistence"))[0]:
            if time.monotonic() > give_up:
                raise SoakError("a background save does not end")
            time.sleep(0.1)
        if b"rdb_last_bgsave_status:ok" not in self.ask(("INFO", "persistence"))[0]:
            raise SoakError("a background save failed")

    def round(self, number):
        mix = self.MIXES[number % len(self.MIXES)]
        n = 8000
        output = self.client([self.NEEDS[1], "-s", self.socket_path, "-q", "-c", "20", "-P", "16",
                              "-r", "20000", "-d", str(self.random.choice((30, 100, 1500))),
                              "-n", str(n), "-t", mix])
        if re.search(r"error|closed|timeout", output, re.IGNORECASE):
            raise SoakError(f"redis-benchmark says: {output[-500:]}")
        self.requests += n * len(mix.split(","))
        self.check_values()
        self.expire_some()
        self.ask(("LTRIM", "mylist", 0, 2000))
        if number % 20 == 19:
            self.background_save()
        if number % 50 == 49:
            self.ask(("FLUSHALL", "ASYNC"))
            self.model = {}

    def stop(self):
        self.check_alive()
        self.client([self.NEEDS[2], "-s", self.socket_path, "shutdown", "nosave"])
        self.wait_for_end()

    def bad_lines(self):
        return super().bad_lines() + [(self.folder + "/log", r"crash|BUG REPORT|assert|error")]


NGINX_CONFIGURATION = """
daemon off;
worker_processes 2;
pid {folder}/pid;
error_log {folder}/errors notice;
events {{ worker_connections 128; }}
http {{
    access_log {folder}/access;
    default_type text/plain;
    gzip on; gzip_min_length 100; gzip_types *;
    client_body_temp_path {folder}/temporary; proxy_temp_path {folder}/temporary;
    fastcgi_temp_path {folder}/temporary; uwsgi_temp_path {folder}/temporary;
    scgi_temp_path {folder}/temporary;
    keepalive_requests 500;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        location /list/ {{ alias {folder}/files/; autoindex on; }}
        location /pages/ {{ alias {folder}/files/; ssi on; ssi_types *; }}
        location ~ ^/again/(.*)$ {{ proxy_pass http://127.0.0.1:{port}/$1; }}
        location = /words {{ return 200 "$request_uri $args $http_user_agent\\n"; }}
    }}
}}
"""


class Nginx(Server):
    """nginx: a master and workers, which are replaced by reloads; files, gzip, proxy, includes."""

    name = "nginx"
    NEEDS = ("/usr/sbin/nginx", "/usr/bin/ab")
    SIZES = (10, 1000, 20000, 300000)

    def start(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.contents = {}
        os.mkdir(self.folder + "/files")
        os.chmod(self.folder, 0o777)  # the workers make their temporary folder
        for size in self.SIZES:
            self.contents[f"f{size}"] = bytes(self.random.choice(b"abcdefgh \n") for _ in range(size))
        for name, content in self.contents.items():
            with open(f"{self.folder}/files/{name}", "wb") as stream:
                stream.write(content)
        with open(self.folder + "/files/page", "w", encoding="utf-8") as stream:
            stream.write('<!--#include virtual="/f1000" -->|<!--#include virtual="/f10" -->')
        with open(self.folder + "/conf", "w", encoding="utf-8") as stream:
            stream.write(NGINX_CONFIGURATION.format(folder=self.folder, port=self.port))
        self.reaped_seconds = 0.0
        self.launch([self.NEEDS[0], "-p", self.folder, "-c", self.folder + "/conf"])
        self.wait_until(lambda: self.is_answering() and len(children_of(self.process.pid)) == 2)

    def is_answering(self):
        try:
            return self.fetch("f10") == self.contents["f10"]
        except OSError:
            return False

    def processes(self):
        return [self.process.pid] + children_of(self.process.pid)

    def fetch(self, path):
        self.requests += 1
        with urllib.request.urlopen(f"{self.address}/{path}", timeout=60) as answer:
            return answer.read()

    def check_contents(self):
        for name, content in self.contents.items():
            for path in (name, "again/" + name):
                if self.fetch(path) != content:
                    raise SoakError(f"nginx gave something else for {path}")
        wanted = self.contents["f1000"] + b"|" + self.contents["f10"]
        if self.fetch("pages/page") != wanted:
            raise SoakError("nginx gave something else for pages/page")
        if b"f20000" not in self.fetch("list/"):
            raise SoakError("nginx gave a list without f20000")

    def bench(self, path, n, *options):
        output = self.client([self.NEEDS[1], "-q", "-l", "-s", "60", "-n", str(n), "-c", "10",
                              *options, f"{self.address}/{path}"])
        complete = re.search(r"^Complete requests: +(\d+)$", output, re.M)
        failed = re.search(r"^Failed requests: +(\d+)$", output, re.M)
        if (not complete or int(complete[1]) != n or not failed or int(failed[1]) != 0
                or "Non-2xx" in output):
            raise SoakError(f"ab says:\n{output[-1500:]}")
        self.requests += n

    def reload(self):
        before = set(children_of(self.process.pid))
        os.kill(self.process.pid, signal.SIGHUP)
        give_up = time.monotonic() + STOP_SECONDS
        while before & set(children_of(self.process.pid)):
            if time.monotonic() > give_up:
                raise SoakError("a worker of nginx did not end after a reload")
            time.sleep(0.1)

    def round(self, number):
        compressed = ("-H", "Accept-Encoding: gzip")
        self.bench("f1000", 1500)
        self.bench("words?" + "a=b&" * 30, 1500, "-k")
        self.bench("f20000", 300, *compressed)
        self.bench("again/f20000", 300, *compressed)
        self.bench("list/", 300, "-k")
        self.bench("pages/page", 300)
        self.check_contents()
        if number % 5 == 4:
            self.reload()
        if number % 50 == 49:
            os.truncate(self.folder + "/access", 0)

    def stop(self):
        self.check_alive()
        os.kill(self.process.pid, signal.SIGQUIT)
        self.wait_for_end()

    def bad_lines(self):
        return super().bad_lines() + [(self.folder + "/errors", r"\[(error|crit|alert|emerg)\]")]
