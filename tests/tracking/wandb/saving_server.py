"""A local host that takes the dashboards that are saved to Weights & Biases."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.tracking.wandb.offline_client import clean_client

KEY = "0123456789" * 4


class _Server(BaseHTTPRequestHandler):
    """Answers what the libraries ask before they save, and keeps what is saved. Knows one project."""

    saved: dict[str, dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self._answer(json.loads(body)) if self.path == "/graphql" else {}
        written = json.dumps({"data": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        query, given = asked["query"], asked.get("variables") or {}
        if "upsertView" in query:
            self.saved[given["type"]] = given
            project = {"id": "1", "name": given["projectName"], "entityName": given["entityName"]}
            view = {"id": "Vmlldzox", "type": given["type"], "project": project, "description": ""}
            view |= {name: given[name] for name in ("name", "displayName", "spec")}
            return {"upsertView": {"view": view | dict.fromkeys(("createdAt", "updatedAt", "user")), "inserted": True}}
        if "internalId" in query:
            there = given["projectName"] == "segmentation-attacks"
            return {"project": {"id": "1", "internalId": "UHJvamVjdDox"} if there else None}
        if "GetProjects" in query:
            node = {"id": "1", "name": "segmentation-attacks", "entityName": given["entity"], "isBenchmark": False}
            edges = [{"node": node | {"createdAt": "2026-01-01T00:00:00Z", "user": None}, "cursor": "a"}]
            return {"models": {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}}
        return {"viewer": {"id": "1", "entity": "team", "username": "me", "flags": "{}", "teams": {"edges": []}}}

    def log_message(self, *_: Any) -> None:
        """Nothing on the console."""


@contextmanager
def saving_server(home: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """A host on which the client saves; yields what it has saved, by type."""
    handler = type("Server", (_Server,), {"saved": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        with clean_client(home, WANDB_API_KEY=KEY, WANDB_BASE_URL=f"http://127.0.0.1:{listening.server_port}"):
            yield handler.saved
        listening.shutdown()
