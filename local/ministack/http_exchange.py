"""HTTP/1.1 requests of the load balancers to their targets."""

import asyncio

import h11

CHUNK = 65536  # bytes


class Exchange:
    """A request and its response, on a connection that is not reused.

    status is the status code of the response, and headers its header fields, as (name, value) pairs in lower case.
    """

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self._state = h11.Connection(h11.CLIENT)
        self.status, self.headers = None, []

    @classmethod
    async def open(cls, address, method, target, headers, body=b"", *, connect_timeout, response_timeout):
        """Send a request to (host, port), and wait for the header of the response.

        The timeouts are seconds. Raises TimeoutError, OSError (no connection), or h11.ProtocolError (the response is
        not HTTP, or the target closed the connection).
        """
        async with asyncio.timeout(connect_timeout):
            reader, writer = await asyncio.open_connection(*address)
        exchange = cls(reader, writer)
        try:
            async with asyncio.timeout(response_timeout):
                await exchange._send(method, target, headers, body)
                await exchange._receive_header()
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _send(self, method, target, headers, body):
        request = h11.Request(method=method, target=target, headers=headers)
        self._writer.write(self._state.send(request))
        if body:
            self._writer.write(self._state.send(h11.Data(body)))
        self._writer.write(self._state.send(h11.EndOfMessage()))
        await self._writer.drain()

    async def _receive_header(self):
        while not isinstance(response := await self._next_event(), h11.Response):
            if not isinstance(response, h11.InformationalResponse):
                raise h11.RemoteProtocolError("the target closed the connection without a response")
        self.status = response.status_code
        self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]

    async def _next_event(self):
        while (event := self._state.next_event()) is h11.NEED_DATA:
            self._state.receive_data(await self._reader.read(CHUNK))
        return event

    async def body(self, timeout):
        """Yield the parts of the response body. Raises TimeoutError if a part does not arrive within timeout seconds,
        and h11.RemoteProtocolError or OSError if the body is incomplete."""
        while True:
            async with asyncio.timeout(timeout):
                event = await self._next_event()
            if not isinstance(event, h11.Data):
                return
            yield bytes(event.data)

    def close(self):
        self._writer.close()
