"""One process: the gateway, and a worker in a thread of its own, so that settling a batch stalls no call."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lanewise.app import Engine, keys
from lanewise.errors import BadSettings, LanewiseError
from lanewise.gateway import admin, files, metrics
from lanewise.gateway.batches import Batches
from lanewise.gateway.dialect import dialect_of, error_body
from lanewise.gateway.keys import KeyRing
from lanewise.gateway.listening import MOST_HEAD, Guarded
from lanewise.gateway.message_batches import MessageBatches
from lanewise.gateway.ordering import Orders
from lanewise.gateway.others import Watched
from lanewise.gateway.passing import Passing
from lanewise.gateway.routes import Parts, Receive, Scope, Send
from lanewise.gateway.tracing import tracing
from lanewise.gateway.watch import Watch
from lanewise.gateway.who import OPEN, Who

logger: Final = logging.getLogger("lanewise.gateway")
_DRAIN_SECONDS: Final = 30  # calls under way at the end are heard out for so long
_LEAVE_SECONDS: Final = 40.0  # a worker's own patience, and a little
_AGAIN_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.1
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)
_KEEP_ALIVE_SECONDS: Final = (
    75  # longer than clients keep a connection: they close it, and lose no call
)


def anybody(headers: Mapping[bytes, bytes]) -> Who | None:
    """Who asks where there are no keys: any program of this machine, but no page in a browser.

    >>> anybody({}) is OPEN, anybody({b"origin": b"https://example.org"})
    (True, None)
    """
    return None if b"origin" in headers else OPEN


class Gateway:
    """The ASGI application: hot paths straight to their handlers, everything else to an ordinary app."""

    def __init__(self, parts: Parts, *, provider: str | None = None) -> None:
        """`provider`: see `Passing`."""
        self._parts = parts
        self.passing = Passing(parts, provider=provider)
        self._orders = Orders(parts, provider=provider)
        self._hot = self.passing.hot()
        self.leaving = False  # whether it takes no more calls soon, and others are to be asked
        self.routes = [
            *admin.routes(parts),
            *self.passing.background.routes(),
            *files.routes(parts),
            *Batches(self._orders).routes(),
            *MessageBatches(self._orders).routes(),
            *self.passing.routes(),
            *metrics.routes(parts, self.passing),
            Route("/healthz", _healthy, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
        ]
        self._app: ASGIApp = Starlette(
            routes=self.routes,
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _refuse, Exception: _fail},
        )
        self._others = Watched(self._app, parts)  # type: ignore[arg-type]  # as below

    @property
    def handover_seconds(self) -> float:
        """How long it serves on when it is told to end."""
        return self._parts.engine.settings.handover_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            handler = self._hot.get((scope["method"], scope["path"]))
            await (handler or self._others)(scope, receive, send)
            return
        await self._app(scope, receive, send)  # type: ignore[arg-type]  # a mapping, to those who only read

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self.passing.running(), self._ordering():
            gc.collect()
            gc.freeze()  # what lives as long as the process is not looked through again
            yield

    @asynccontextmanager
    async def _ordering(self) -> AsyncIterator[None]:
        """What was ordered becomes runs, from before a restart as well."""
        self._orders.resume()
        try:
            yield
        finally:
            await self._orders.close()

    async def _ready(self, _: Request) -> Response:
        """Whether the home can be read, there is an upstream, and calls are taken for some time yet."""
        if self.leaving:
            return PlainTextResponse("this gateway is about to end\n", 503)
        try:
            await asyncio.to_thread(self._parts.engine.store.paused)
        except LanewiseError:
            return PlainTextResponse("the home cannot be read\n", 503)
        if not self.passing.served:
            return PlainTextResponse("no upstream: no provider has a credential here\n", 503)
        return PlainTextResponse("ready\n")


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(
        request, error.status_code, f"{request.method} {request.url.path} is not served here"
    )


async def _fail(request: Request, error: Exception) -> Response:
    logger.error("%s failed", request.url.path, exc_info=error)
    return _told(request, 500, "something went wrong in the gateway; its log says more")


def _told(request: Request, status: int, message: str) -> Response:
    dialect = dialect_of(request.url.path, versioned="anthropic-version" in request.headers)
    return Response(error_body(dialect, status, message), status, media_type="application/json")


# -- the process ----------------------------------------------------------------------------------
def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address.

    >>> (
    ...     is_loopback("localhost"),
    ...     is_loopback("::1"),
    ...     is_loopback("0.0.0.0"),
    ...     is_loopback("example.org"),
    ... )
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `BadSettings` where that is not to be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        raise BadSettings(
            f"listening on {host} port {port} failed ({error.strerror}); choose with --host and --port"
        ) from error


@contextmanager
def open_parts(engine: Engine, host: str) -> Iterator[Parts]:
    """A gateway, open while no key was ever made. Raises `BadSettings` where others could reach that."""
    with closing(keys.apart(engine.settings, engine.clock.now())) as store:
        ring = KeyRing(store, engine.clock)
        if ring.open and not is_loopback(host):
            raise BadSettings(
                f"--host {host} can be reached from other machines, and there are no keys: anybody could "
                "spend your money. Create one (lanewise keys create), or listen on 127.0.0.1"
            )

        def identify(headers: Mapping[bytes, bytes]) -> Who | None:
            who = ring(headers)
            return anybody(headers) if who is OPEN else who

        traced = tracing(engine.environ)
        try:
            yield Parts(engine, identify, ring, Watch(tracing=traced))
        finally:
            if traced is not None:
                traced.close()


class _Server(uvicorn.Server):
    """Ends when a signal says so; uvicorn's own would then raise it again, and the worker could not leave."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, handover_seconds: float) -> None:
        super().__init__(config)
        self._gateway, self._handover_seconds = gateway, handover_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so, hand over, and hear out what is under way; those who wait are told to call again."""
        self._gateway.leaving = True
        loop = asyncio.get_running_loop()
        until = loop.time() + self._handover_seconds
        while loop.time() < until and not self.force_exit:  # noqa: ASYNC110 - uvicorn sets a flag
            await asyncio.sleep(_LOOK_SECONDS)
        self._gateway.passing.background.let_go()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed signals while this lasts: the first ends it in order, a second interrupt at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {name: signal.signal(name, self.handle_exit) for name in _ENDING}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


def server(gateway: Gateway) -> uvicorn.Server:
    """A server for it, on uvloop where that runs."""
    # a client that goes away is no error worth a traceback
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        gateway,
        http=Guarded,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        date_header=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MOST_HEAD,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    return _Server(config, gateway, gateway.handover_seconds)


def serve(
    engine: Engine, sock: socket.socket, parts: Parts, *, provider: str | None, work: bool
) -> None:
    """Serve until interrupted; calls under way are heard out, the ledger is written, the worker leaves."""
    gateway = Gateway(parts, provider=provider)
    _allow_connections()
    with working(engine) if work else _idle():
        server(gateway).run(sockets=[sock])


def _allow_connections() -> None:
    """As many files open as the system grants: thousands of callers wait, and shells grant 1,024 at first."""
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS says that there is no limit, and has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _idle() -> Iterator[None]:
    yield


@contextmanager
def working(engine: Engine) -> Iterator[None]:
    """A worker in a thread, with a connection to the home of its own."""
    stopping = threading.Event()
    thread = threading.Thread(
        target=_work, args=(engine, stopping), name="lanewise-worker", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_LEAVE_SECONDS)


def _work(engine: Engine, stopping: threading.Event) -> None:
    """What stops a worker stops no call: it begins anew a little later."""
    while not stopping.is_set():
        try:
            with Engine(
                engine.settings,
                clock=engine.clock,
                environ=engine.environ,
                traffic=engine.traffic,
            ) as own:
                asyncio.run(own.worker().run(until=stopping.is_set))
        except Exception:
            logger.exception("the worker stopped; it begins anew in %.0f s", _AGAIN_SECONDS)
            stopping.wait(_AGAIN_SECONDS)


class RunningGateway:
    """A gateway that serves from a thread: for tests and for embedding. Close it."""

    def __init__(self, parts: Parts, *, provider: str | None = None) -> None:
        """Serves when this returns, on a free port of the loopback address."""
        sock = listen("127.0.0.1", 0)
        self.gateway = Gateway(parts, provider=provider)
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        self._server, self._socket = server(self.gateway), sock
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [sock]},
            daemon=True,
            name="lanewise-gateway",
        )
        self._thread.start()

    def close(self) -> None:
        """Stop, as at the end of a process: the ledger is written."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
