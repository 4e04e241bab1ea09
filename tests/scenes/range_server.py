"""Serve a folder on 127.0.0.1 with byte ranges, as object stores do. Usage: range_server.py FOLDER

Prints the port, then the bytes of every part that was asked for. A process of its own: GDAL keeps the lock of
Python while it opens a file, so a thread of the process that reads could not answer.
"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class RangeHandler(SimpleHTTPRequestHandler):
    """Files, whole or in parts."""

    def log_message(self, *args):
        """Keep quiet."""

    def do_GET(self):
        """Answer with the part that is asked for."""
        span = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if span is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, _, last = span.removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        sys.stdout.write(f"{len(part)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=sys.argv[1]))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
