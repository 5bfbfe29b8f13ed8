"""A client of the live connection in Python: `websockets`, as its documentation shows it.

Usage: websockets_client.py ws://host:port KEY. Submits one streamed job, follows it to its end, and prints what it saw
as one line of JSON. Exits with 1 where something is not as documented.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

NOVA = "amazon.nova-lite-v1:0"


async def refused(url, **options):
    """The HTTP status that the handshake is refused with."""
    try:
        async with connect(url, **options):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


async def stream(socket, prompt):
    """Submits a job and adds its text up; gives the text, the job of the end, and the types of all frames."""
    job = {"model": NOVA, "stream": True, "input": {"messages": [{"role": "user", "content": [{"text": prompt}]}]}}
    await socket.send(json.dumps({"type": "submit", "ref": "one", "job": job}))
    text, attempt, seq, types = "", 0, -1, []
    async for message in socket:
        frame = json.loads(message)
        types.append(frame["type"])
        if "seq" in frame:
            assert frame["seq"] > seq, f"seq {frame['seq']} after {seq}"
            seq = frame["seq"]
        if frame["type"] == "job.delta":
            if frame["attempt"] != attempt:
                text, attempt = "", frame["attempt"]
            # Offsets count UTF-16 units; this text is ASCII, where they are characters.
            assert frame["offset"] <= len(text), "a gap"
            text = text[: frame["offset"]] + frame["text"]
        if frame["type"] == "job.finished":
            return text, frame["job"], types
    raise AssertionError("the connection ended before the job")


async def main(url, key):
    wrong = await refused(f"{url}/v1/ws", additional_headers={"Authorization": "Bearer wrong"})
    none = await refused(f"{url}/v1/ws")
    # As a browser has to do it: the key is a second subprotocol, and is not given back.
    protocols = ["penstock.v1", f"bearer.{key}"]
    async with connect(f"{url}/v1/ws", subprotocols=protocols, compression=None) as socket:
        subprotocol = socket.subprotocol
    headers = {"Authorization": f"Bearer {key}"}
    async with connect(f"{url}/v1/ws", additional_headers=headers, subprotocols=["penstock.v1"]) as socket:
        text, job, types = await stream(socket, "[tokens=200] asked from Python")
        await socket.send(b"binary")
        try:
            await socket.recv()
            code = None
        except ConnectionClosed as closed:
            code = closed.rcvd.code
    seen = {"wrong": wrong, "none": none, "subprotocol": subprotocol, "text": text, "job": job, "types": types, "code": code}
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], sys.argv[2]))
