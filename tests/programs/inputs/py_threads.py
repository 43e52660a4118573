# SPDX-License-Identifier: MIT
"""Hundreds of short-lived threads, a pool, queues, and work that runs without Python's lock."""

import concurrent.futures
import hashlib
import queue
import threading
import zlib


def pack(number):
    """Compression and hashing release the interpreter lock: real parallel mallocs."""
    data = b"".join(b"%d;" % (i * number) for i in range(9000))
    packed = zlib.compress(data, 6)
    assert zlib.decompress(packed) == data
    return number, len(packed), hashlib.sha256(data).hexdigest()


with concurrent.futures.ThreadPoolExecutor(6) as pool:
    results = sorted(pool.map(pack, range(1, 90)))
print("packed", sum(size for _, size, _ in results), results[-1][2])

totals = []
lock = threading.Lock()


def short_life(number):
    local = {str(i): [i] * (number % 7) for i in range(400)}
    with lock:
        totals.append(sum(len(value) for value in local.values()))


for batch in range(20):
    threads = [threading.Thread(target=short_life, args=(batch * 15 + i,)) for i in range(15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("threads", len(totals), sum(totals))

work, done = queue.Queue(50), queue.Queue()


def consumer():
    while (item := work.get()) is not None:
        done.put((item[0], sum(item[1])))


consumers = [threading.Thread(target=consumer) for _ in range(3)]
for thread in consumers:
    thread.start()
for number in range(2500):
    work.put((number, list(range(number % 300))))
for _ in consumers:
    work.put(None)
for thread in consumers:
    thread.join()
print("queue", sum(total * number for number, total in (done.get() for _ in range(2500))))
