# SPDX-License-Identifier: MIT
"""Six clients at once: each stores, changes and deletes keys of its own and checks every answer."""

import random
import socket
import sys
import threading


class Client(threading.Thread):
    """One connection; `summary` is what it has seen, the same in each run."""

    def __init__(self, number):
        super().__init__()
        self.number = number
        self.random = random.Random(number)
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(sys.argv[1])
        self.input = self.connection.makefile("rb")
        self.model = {}
        self.wrong = 0
        self.summary = 0

    def ask(self, request, n_lines=1):
        self.connection.sendall(request)
        return [self.input.readline() for _ in range(n_lines)]

    def store(self, key):
        value = b"v%d" % self.random.getrandbits(30) * self.random.randrange(1, 200)
        answer = self.ask(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        self.wrong += answer != [b"STORED\r\n"]
        self.model[key] = value

    def check(self, keys):
        self.connection.sendall(b"get " + b" ".join(keys) + b"\r\n")
        found = {}
        while (line := self.input.readline()) != b"END\r\n":
            _, key, _, size = line.split()
            found[key] = self.input.read(int(size) + 2)[:-2]
        # What was evicted is not there; what is there is right.
        self.wrong += sum(value != self.model.get(key) for key, value in found.items())
        self.summary += len(found) > 0

    def run(self):
        keys = [b"key:%d:%d" % (self.number, i) for i in range(200)]
        for step in range(1500):
            key = keys[self.random.randrange(len(keys))]
            if step % 3 != 2:
                self.store(key)
            elif step % 2:
                self.check(self.random.sample(keys, 20))
            else:
                self.ask(b"delete %s\r\n" % key)
                self.model.pop(key, None)
            if step % 100 == 50:
                self.ask(b"set short:%d 0 -1 3\r\nabc\r\n" % step)
                self.wrong += self.ask(b"get short:%d\r\n" % step) != [b"END\r\n"]
        self.connection.close()


clients = [Client(number) for number in range(6)]
for client in clients:
    client.start()
for client in clients:
    client.join()
for client in clients:
    print("client", client.number, client.wrong, client.summary, len(client.model))
