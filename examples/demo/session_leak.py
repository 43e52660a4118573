# SPDX-License-Identifier: MIT
"""Reads SSLSocket.session many times, over a TLS connection inside this process.

An ordinary Python program that knows nothing of Gleaner. Each read of `.session` makes the ssl
module of CPython before 3.13 duplicate an SSL_SESSION that it never frees (CPython pull request
124800): memory that nothing references any more. Between the reads the connection is used, so
that damage to live memory would show in the output, which is the same in every run.

Arguments: certificate, key, number of reads, number of marks, and two descriptors. At each mark
the number of reads so far goes to the first descriptor, and the program waits for a byte from the
second: so its memory can be measured at exactly this point.
"""

import hashlib
import os
import socket
import ssl
import sys
import threading


def echo(server_end, certificate, key):
    """The other side of the connection: sends everything back."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with context.wrap_socket(server_end, server_side=True) as connection:
        while data := connection.recv(4096):
            connection.sendall(data)


def converse(connection, number):
    """Sends a message, returns the answer."""
    message = b"%d " % number * 100
    connection.sendall(message)
    answer = b""
    while len(answer) < len(message):
        answer += connection.recv(4096)
    return answer


def mark(reads, report, resume):
    os.write(report, b"%d\n" % reads)
    if not os.read(resume, 1):
        raise SystemExit("nobody measures any more")


def main():
    certificate, key = sys.argv[1:3]
    reads, marks, report, resume = map(int, sys.argv[3:])
    client_end, server_end = socket.socketpair()
    server = threading.Thread(target=echo, args=(server_end, certificate, key))
    server.start()
    context = ssl.create_default_context(cafile=certificate)
    digest = hashlib.sha256()
    same = 0
    with context.wrap_socket(client_end, server_hostname="localhost") as connection:
        digest.update(converse(connection, 0))
        first = connection.session.id
        mark(0, report, resume)
        for number in range(1, reads + 1):
            same += connection.session.id == first
            if number % 100 == 0:
                digest.update(converse(connection, number))
            if number % (reads // marks) == 0:
                mark(number, report, resume)
        print(f"{connection.version()}: {reads} sessions read, {same} of them equal the first")
    server.join()
    print("echoed data:", digest.hexdigest())


main()
