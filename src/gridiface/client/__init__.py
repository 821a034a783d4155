"""A client of the operator's REST API for notebooks and integrations: `Client` blocks, `AsyncClient` is for asyncio.

    from gridiface.client import Client

    with Client("http://127.0.0.1:8080", token="gridiface_...") as grid:
        answer = grid.send({"set_w": 20_000}, group="fleet", duration_s=900, preview=True)
        print(answer["verdict"], answer["feasible_W"])

Powers in W, + delivered to the grid; times in seconds since 1970 UTC. See docs/operator/client.md.
"""

from gridiface.client.aio import AsyncClient
from gridiface.client.blocking import Client
from gridiface.client.errors import ApiError, ClientError, NotReached
from gridiface.client.events import StreamEvent

__all__ = ["ApiError", "AsyncClient", "Client", "ClientError", "NotReached", "StreamEvent"]
