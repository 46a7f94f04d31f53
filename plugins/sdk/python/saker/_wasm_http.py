"""One request through `wasi:http`. Only inside a component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports import wasi_http_types as wasi
from wit_world.imports.streams import InputStream, StreamError_Closed

from . import http
from .description import connect
from .errors import Denied, PluginError, Unavailable

if TYPE_CHECKING:
    from .http import Response, Target

_METHODS = {"GET": wasi.Method_Get(), "POST": wasi.Method_Post()}
# How much of a response's body is read at once, in bytes.
_READ_MAX = 64 << 10


def send(target: Target, method: str, headers: Mapping[str, str], body: bytes) -> Response:
    request = _request(target, method, {**headers, "content-length": str(len(body))})
    outgoing = request.body()
    try:
        future = outgoing_handler.handle(request, None)
    except Err as error:
        raise _failed(target, error.value) from None
    # A server may answer before it has read everything, and then close: its answer counts, not the broken pipe.
    try:
        _write(outgoing, body)
    except Err:
        pass
    with future.subscribe() as answered:
        answered.block()
    match future.get():
        case Ok(Ok(response)):
            return _response(target, response)
        case Ok(Err(code)):
            raise _failed(target, code)
        case _:
            raise Unavailable(f"{target.address}: no answer")


def _request(target: Target, method: str, headers: Mapping[str, str]) -> wasi.OutgoingRequest:
    fields = wasi.Fields()
    for name, value in headers.items():
        try:
            fields.append(name, value.encode())
        except Err:
            raise ValueError(f"{name}: not usable as the name or the value of a header") from None
    request = wasi.OutgoingRequest(fields)
    try:
        request.set_method(_METHODS[method])
        request.set_scheme(_scheme(target))
        request.set_authority(target.authority)
        request.set_path_with_query(target.path)
    except Err:
        raise Unavailable(f"{target.address}: the address is not valid") from None
    return request


def _scheme(target: Target) -> wasi.Scheme:
    if target.socket is not None:
        return wasi.Scheme_Other("http+unix")
    return wasi.Scheme_Https() if target.tls else wasi.Scheme_Http()


def _write(outgoing: wasi.OutgoingBody, body: bytes) -> None:
    rest = memoryview(body)
    with outgoing.write() as stream:
        while rest:
            room = stream.check_write()
            if room == 0:
                with stream.subscribe() as ready:
                    ready.block()
                continue
            stream.write(bytes(rest[:room]))
            rest = rest[room:]
        stream.flush()
    wasi.OutgoingBody.finish(outgoing, None)


def _response(target: Target, response: wasi.IncomingResponse) -> Response:
    with response, response.headers() as headers:
        retry_after = b"".join(headers.get("retry-after")[:1]).decode("latin-1").strip()
        # The other form, a date, is seldom seen; without a time the agent's own pauses hold.
        retry_after_s = int(retry_after) if retry_after.isdecimal() else None
        with response.consume() as body, body.stream() as stream:
            return http.Response(response.status(), _read(target, stream), retry_after_s)


def _read(target: Target, stream: InputStream) -> bytes:
    body = bytearray()
    while True:
        try:
            body += stream.blocking_read(_READ_MAX)
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return bytes(body)
            reason = error.value.value.to_debug_string().partition("\n")[0]
            raise Unavailable(f"{target.address}: {reason}") from None


def _failed(target: Target, code: wasi.ErrorCode) -> PluginError:
    if isinstance(code, (wasi.ErrorCode_HttpRequestDenied, wasi.ErrorCode_DestinationIpProhibited)):
        return Denied(connect(target.address))
    if isinstance(code, wasi.ErrorCode_InternalError) and code.value:
        return Unavailable(code.value)
    return Unavailable(f"{target.address}: {type(code).__name__.removeprefix('ErrorCode_')}")
