# SPDX-License-Identifier: MIT
"""Starts processes in every way that Python has: subprocess, fork, fork of a threaded program,
multiprocessing. The children allocate too."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading

ballast = [{"number": i, "text": str(i) * 40} for i in range(20000)]

lines = "\n".join(str(entry["number"] * 7919 % 20011) for entry in ballast)
ordered = subprocess.run(["/usr/bin/sort", "-n"], input=lines, text=True, check=True,
                         capture_output=True).stdout.split()
print("sort", ordered[:3], ordered[-3:])

child = "import json,sys; print(sum(len(x['text']) for x in json.load(sys.stdin)))"
print("json", subprocess.check_output([sys.executable, "-c", child],
                                      input=json.dumps(ballast), text=True).strip())
for _ in range(25):
    subprocess.run(["/bin/true"], check=True)
failed = subprocess.run(["/bin/sh", "-c", "echo to stderr >&2; exit 7"], check=False)
print("status", failed.returncode)


def square(number):
    return sum(len(str([number] * i)) for i in range(200)) + len(ballast)


def forked(number):
    """A child that allocates after a plain fork, and answers through a pipe."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        copies = [dict(entry) for entry in ballast[:8000]]
        os.write(writer, b"%d" % (sum(entry["number"] for entry in copies) + number))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = int(stream.read())
    assert os.waitpid(pid, 0)[1] == 0
    return answer


stop = threading.Event()


def churn():
    while not stop.is_set():
        [str(i) * 50 for i in range(500)]


threads = [threading.Thread(target=churn) for _ in range(2)]
for thread in threads:
    thread.start()
print("fork", [forked(number) for number in range(8)])
stop.set()
for thread in threads:
    thread.join()

with multiprocessing.get_context("fork").Pool(2) as pool:
    print("pool", sum(pool.map(square, range(120), chunksize=10)))
