"""The application behind a gateway that signs people in."""

import http.server
import json
import threading


class Application(http.server.BaseHTTPRequestHandler):
    """What it says to the gateway."""

    def redirect(self, url):
        self.send_response(302)
        self.send_header("Location", url)
        self.end_headers()

    def answer(self, said):
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(application):
    """Serves an application, and returns its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
