"""Specifies opening a store: what server is refused. (What a Store refuses: test_store.py.)"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from textmill.errors import RunError
from textmill.tracking.opening import check_version


@pytest.mark.parametrize(("version", "is_refused"), [("2.22.1", True), ("3.1.0", False)])
def test_a_server_of_another_major_version_is_refused(version: str, is_refused: bool) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(version.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            uri = f"http://127.0.0.1:{server.server_port}"
            if is_refused:
                with pytest.raises(RunError, match=f"{uri} runs MLflow {version}, .* same major"):
                    check_version(uri)
            else:
                check_version(uri)
        finally:
            server.shutdown()
