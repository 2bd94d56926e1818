"""Connections as a stranger treats them: bytes on sockets, and no model behind the door."""

import asyncio
import contextlib
import re

import pytest

from serving.exchange import Reply
from serving.wire import Limits, Wire

LIMITS = Limits(
    body_bytes=1000, request_seconds=0.2, reply_seconds=0.2, idle_seconds=0.4, connections=3
)
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


class Echo:
    """A door that answers with what it was asked, after ``pause`` seconds."""

    def __init__(self, *, pause=0.0, body=None):
        self.pause, self.body, self.asked, self.refused = pause, body, [], []

    def __call__(self, request, respond):
        request.id = f"r{len(self.asked)}"
        self.asked.append(request)
        text = f"{request.method} {request.path} ".encode() + request.body
        reply = Reply(200, text if self.body is None else self.body)
        asyncio.get_running_loop().call_later(self.pause, respond, reply)


@contextlib.asynccontextmanager
async def listening(door, limits=LIMITS):
    wire = Wire(door, limits, refused=door.refused.append)
    server = await asyncio.get_running_loop().create_server(wire.connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def sweep():
        while True:
            await asyncio.sleep(0.05)
            wire.sweep()

    sweeping = asyncio.create_task(sweep())
    try:
        yield wire, port
    finally:
        sweeping.cancel()
        server.close()
        wire.abort()
        await asyncio.sleep(0)


async def talk(port, *pieces, pause=0.0):
    """What comes back to these bytes until the other side ends it, or has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause)
    found = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while piece := await asyncio.wait_for(reader.read(65536), 1.0):
            found += piece
    writer.close()
    return found


async def until(fact):
    while not fact():
        await asyncio.sleep(0.01)


def run(work):
    return asyncio.run(asyncio.wait_for(work, 30))


def conversation(*pieces, door=None, pause=0.0):
    async def held():
        async with listening(door or Echo()) as (_, port):
            return await talk(port, *pieces, pause=pause)

    return run(held())


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answer)]


def test_a_request_is_read_whole_however_it_is_cut():
    request = b"POST /b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    pieces = [request[place : place + 1] for place in range(len(request))]
    assert conversation(*pieces).endswith(b"\r\n\r\nPOST /b hello")


def test_chunks_are_one_body():
    head = b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert conversation(head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n").endswith(b"POST /b abcde")


def test_pipelined_requests_are_answered_in_their_order():
    asked = [f"GET /{place} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for place in range(50)]
    answer = conversation(b"".join(asked), door=Echo(pause=0.001))
    assert [answer.find(b"GET /%d " % place) > 0 for place in range(50)] == [True] * 50
    assert statuses(answer) == [200] * 50
    assert answer.index(b"GET /7 ") < answer.index(b"GET /8 ")


def test_head_tells_the_length_alone():
    answer = conversation(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"content-length: 8" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "last", [b"GET /a HTTP/1.0\r\n\r\n", GET[:-2] + b"Connection: close\r\n\r\n"]
)
def test_who_asks_for_the_end_gets_it(last):
    async def held():
        async with listening(Echo()) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(last)
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return answer

    assert b"connection: close" in run(held())


REFUSED = {
    "no HTTP": (b"\x16\x03\x01\x02\x00", 400),
    "two lengths": (b"POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "length and chunks": (
        b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a long target": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: 1\r\n" % n for n in range(200)), 431),
    "large headers": (b"GET / HTTP/1.1\r\nh: " + b"a" * 20000 + b"\r\n\r\n", 431),
    "a long body": (b"POST /a HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
    "endless chunks": (
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"64\r\n"
        + b"a" * 100
        + b"\r\n"
        + 10 * (b"64\r\n" + b"a" * 100 + b"\r\n"),
        413,
    ),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_too_much_or_no_http_is_refused_and_ended(sent, status):
    door = Echo()
    answer = conversation(sent, GET, door=door)
    assert statuses(answer) == [status]
    assert b"application/problem+json" in answer
    assert (door.asked, door.refused) == ([], [status])


@pytest.mark.parametrize(
    "begun", [b"GET /a HT", GET[:-2] + b"X: y", b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"]
)
def test_a_slow_sender_is_ended(begun):
    async def held():
        async with listening(Echo()) as (wire, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begun)
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return answer, len(wire.open)

    answer, left = run(held())
    assert statuses(answer) == [408]
    assert left == 0


def test_bytes_now_and_then_do_not_buy_time():
    async def held():
        async with listening(Echo()) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answer = asyncio.create_task(reader.readline())
            writer.write(b"GET /")
            while not answer.done():  # a byte every 0.05 s, for longer than request_seconds
                writer.write(b"a")
                await asyncio.wait([answer], timeout=0.05)
            writer.close()
            return answer.result()

    assert statuses(run(held())) == [408]


def test_who_says_nothing_is_ended():
    async def held():
        async with listening(Echo()) as (wire, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            return len(wire.open)

    assert run(held()) == 0


def test_who_takes_no_reply_is_ended():
    async def held():
        async with listening(Echo(body=b"a" * 50_000_000)) as (wire, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.transport.pause_reading()
            writer.write(GET)
            await until(lambda: wire.open)
            await until(lambda: not wire.open)  # else the test runs out of time
            writer.transport.abort()
            return wire.open

    assert run(held()) == set()


def test_more_connections_than_allowed_are_turned_away():
    async def held():
        async with listening(Echo(pause=0.3)) as (_, port):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for _, writer in held:
                writer.write(GET)
            answer = await talk(port, GET)
            kept = [statuses(await reader.read(1000)) for reader, _ in held]
            for _, writer in held:
                writer.close()
            return statuses(answer), kept

    assert run(held()) == ([503], [[200]] * 3)


def test_closing_answers_what_was_begun_and_ends_the_rest():
    async def held():
        async with listening(Echo(pause=0.2)) as (wire, port):
            idle = await asyncio.open_connection("127.0.0.1", port)
            busy = await asyncio.open_connection("127.0.0.1", port)
            busy[1].write(GET)
            await asyncio.sleep(0.1)
            wire.close()
            found = [await asyncio.wait_for(reader.read(), 5) for reader, _ in (idle, busy)]
            for _, writer in (idle, busy):
                writer.close()
            return found, len(wire.open)

    (idle, busy), left = run(held())
    assert idle == b""
    assert statuses(busy) == [200]
    assert b"connection: close" in busy
    assert left == 0
