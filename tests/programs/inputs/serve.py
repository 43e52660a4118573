# SPDX-License-Identifier: MIT
"""Serves the folder argv[1] on a free port of this machine, whose address goes to the file argv[2]."""

import functools
import http.server
import os
import sys


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Without a log."""

    def log_message(self, *_arguments):
        pass


handler = functools.partial(Quiet, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
with open(sys.argv[2] + ".new", "w", encoding="utf-8") as stream:
    stream.write(f"http://127.0.0.1:{server.server_port}")
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
