# SPDX-License-Identifier: MIT
"""Servers: how to start one, what to ask of it, how to end it. Only the server is measured."""
import os
import subprocess
import time

from . import inputs


class Failed(Exception):
    """The server did not do what it was asked."""


class Redis:
    """redis-benchmark with a fixed number of requests, then a fixed list of commands.

    redis-benchmark chooses its keys at random, so what is compared between peers is the digest of
    the data set that the fixed commands make.
    """
    NEEDS = ("redis-server", "redis-cli", "redis-benchmark")
    LOAD = "set,get,incr,lpush,lpop,sadd,hset,zadd,lrange_100"

    def __init__(self, size, runner):
        self.size = size
        self.socket = os.path.join(runner.scratch, "redis.sock")
        self.commands = inputs.make(runner.inputs, "redis", size)

    def argv(self):
        return ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "",
                "--appendonly", "no", "--enable-debug-command", "local", "--loglevel", "warning"]

    def call(self, deadline, command, source=subprocess.DEVNULL):
        try:
            return subprocess.run(command, stdin=source, capture_output=True,
                                  timeout=max(1, deadline - time.monotonic()))
        except OSError as error:
            raise Failed("%s: %s" % (command[0], error.strerror)) from error

    def cli(self, deadline, *words):
        return self.call(deadline, ["redis-cli", "-s", self.socket, *words]).stdout.strip()

    def drive(self, deadline):
        start = time.monotonic()
        while self.cli(deadline, "PING") != b"PONG":
            if time.monotonic() - start > 20:
                raise Failed("redis-server does not answer")
            time.sleep(0.02)
        load = self.call(deadline, ["redis-benchmark", "-s", self.socket, "-n", str(self.size // 4),
                                    "-r", "20000", "-c", "20", "-P", "8", "-q", "-t", self.LOAD])
        if load.returncode != 0:
            raise Failed("redis-benchmark failed")
        self.cli(deadline, "FLUSHALL", "SYNC")
        with open(self.commands, "rb") as source:
            piped = self.call(deadline, ["redis-cli", "-s", self.socket, "--pipe"], source)
        if b"errors: 0" not in piped.stdout:
            raise Failed("redis-cli --pipe: " + piped.stdout.decode("utf-8", "replace").strip())
        text = self.cli(deadline, "DBSIZE") + b" " + self.cli(deadline, "DEBUG", "DIGEST")
        self.cli(deadline, "SHUTDOWN", "NOSAVE")
        return text


DRIVERS = {"redis": Redis}


def make(command, runner):
    name, size = command.split()
    return DRIVERS[name](int(size), runner)
