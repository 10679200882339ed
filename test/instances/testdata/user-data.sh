#!/bin/bash
# The user data of the tests. BEHAVIOUR is "healthy", "slow", or how the instance fails.
echo "user data of a BEHAVIOUR instance"
[[ BEHAVIOUR != exiting ]] || exit 1
[[ BEHAVIOUR != slow ]] || sleep 65
exec python3 - <<'PROGRAM'
import http.server
import json
import os
import threading
import time

with open(os.environ["INSTANCE_CONFIG"]) as file:
    config = json.load(file)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/close":
            self.close_connection = True
            return
        if self.path == "/slow":
            time.sleep(1.5)
        if self.path == "/hang":
            time.sleep(10)
        is_failing = self.path == "/health" and "BEHAVIOUR" == "failing"
        body = json.dumps({"instance": config["instanceId"], "behaviour": "BEHAVIOUR", "pid": os.getpid()}).encode()
        self.send_response(500 if is_failing else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


for port in config["publish"].values():
    server = http.server.ThreadingHTTPServer((config["address"], port), Handler)
    threading.Thread(target=server.serve_forever).start()
PROGRAM
