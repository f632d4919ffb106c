"""What of other packages' insides is overridden or used here: an upgrade that changes one of these fails here first.

uvicorn's and Daphne's protocol classes are theirs to change in any release, as are names with ``_`` of Django, WhiteNoise and
drf-spectacular. After an upgrade, read what became of the names that fail, mend the code that has them, then the table.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import daphne.server
import pytest
import uvicorn
import websockets.server
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.handlers.asgi import ASGIHandler
from django.db.backends.sqlite3 import _functions
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.backends.sqlite3.features import DatabaseFeatures
from django.db.backends.sqlite3.operations import DatabaseOperations
from django.db.models import BigIntegerField, BooleanField, OneToOneField, TextField
from django.db.models.lookups import Exact
from django.db.utils import DatabaseErrorWrapper
from drf_spectacular import views
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.renderers import TemplateHTMLRenderer
from twisted.internet import reactor
from twisted.web import http
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.streams import StreamReader
from whitenoise.middleware import WhiteNoiseMiddleware

import brokerweb.faces.http.django
import brokerweb.faces.http.static_files
import brokerweb.faces.rest.documents
import brokerweb.servers.daphne.flow
import brokerweb.servers.daphne.http
import brokerweb.servers.daphne.server
import brokerweb.servers.daphne.websocket
import brokerweb.servers.uvicorn.http
import brokerweb.servers.uvicorn.server
import brokerweb.servers.uvicorn.websocket
import brokerweb.storage.django_sqlite.base
import brokerweb.storage.fields

OURS: list[ModuleType] = [
    brokerweb.servers.uvicorn.http,
    brokerweb.servers.uvicorn.server,
    brokerweb.servers.uvicorn.websocket,
    brokerweb.servers.daphne.flow,
    brokerweb.servers.daphne.http,
    brokerweb.servers.daphne.server,
    brokerweb.servers.daphne.websocket,
    brokerweb.storage.django_sqlite.base,
    brokerweb.storage.fields,
    brokerweb.faces.http.django,
    brokerweb.faces.http.static_files,
    brokerweb.faces.rest.documents,
]

# Each method with its parameters, as whoever calls or overrides it counts on.
METHODS: dict[Any, dict[str, str]] = {
    HttpToolsProtocol: {
        "connection_made": "self, transport",
        "connection_lost": "self, exc",
        "data_received": "self, data",
        "on_message_begin": "self",
        "on_header": "self, name, value",
        "on_headers_complete": "self",
        "on_body": "self, body",
        "on_message_complete": "self",
        "on_response_complete": "self",
        "send_400_response": "self, msg",
        "_get_upgrade": "self",
        "_unset_keepalive_if_required": "self",
        "handle_websocket_upgrade": "self",
        "_unsupported_upgrade_warning": "self",
    },
    WebSocketsSansIOProtocol: {
        "connection_lost": "self, exc",
        "data_received": "self, data",
        "handle_close": "self, event",
        "handle_connect": "self, event",
        "handle_events": "self",
        "handle_parser_exception": "self",
        "handle_ping": "self",
        "keepalive_timeout": "self",
        "on_task_complete": "self, task",
        "send": "self, message",
        "send_receive_event_to_app": "self",
        "shutdown": "self",
        "stop_keepalive": "self",
    },
    websockets.server.ServerProtocol: {
        "data_to_send": "self",
        "parse": "self",
        "receive_data": "self, data",
        "send_close": "self, code=None, reason=''",
    },
    StreamReader: {"at_eof": "self"},
    uvicorn.Server: {
        "run": "self, sockets=None",
        "startup": "self, sockets=None",
        "shutdown": "self, sockets=None",
        "capture_signals": "self",
    },
    http.HTTPChannel: {
        "resetTimeout": "self",
        "setTimeout": "self, period",
        "_finishRequestBody": "self, data",
        "_send100Continue": "self",
        "allHeadersReceived": "self",
        "checkPersistence": "self, request, version",
        "clearLineBuffer": "self",
        "lineLengthExceeded": "self, line",
        "lineReceived": "self, line",
        "rawDataReceived": "self, data",
        "dataReceived": "self, data",
        "requestDone": "self, request",
        "loseConnection": "self",
        "forceAbortClient": "self",
        "_respondToBadRequestAndDisconnect": "self",
    },
    WebRequest: {
        "__init__": "self, *args, **kwargs",
        "gotLength": "self, length",
        "handleContentChunk": "self, data",
        "requestReceived": "self, command, path, version",
        "process": "self",
        "handle_reply": "self, message",
        "basic_error": "self, status, status_text, body",
        "connectionLost": "self, reason",
        "registerProducer": "self, producer, streaming",
        "unregisterProducer": "self",
    },
    HTTPFactory: {"buildProtocol": "self, addr", "log": "self, request"},
    http.HTTPFactory: {"buildProtocol": "self, addr"},
    WebSocketFactory: {"setProtocolOptions": "self, versions=None, webStatus=None, utf8validateIncoming=None"},
    WebSocketProtocol: {
        "connectionMade": "self",
        "connectionLost": "self, reason=",
        "_dataReceived": "self, data",
        "dataReceived": "self, data",
        "dropConnection": "self, abort=False",
        "failHandshake": "self, reason, code=400, responseHeaders=None",
        "onAutoPingTimeout": "self",
        "onClose": "self, wasClean, code, reason",
        "onMessage": "self, payload, isBinary",
        "processData": "self",
        "sendData": "self, data, sync=False, chopsize=None",
        "handle_reply": "self, message",
        "sendCloseFrame": "self, code=None, reasonUtf8=None, isReply=False",
        "_closeConnection": "self, abort=False",
    },
    daphne.server.Server: {
        "__init__": "self, application, endpoints=None, signal_handlers=True",
        "run": "self",
        "create_application": "self, protocol, scope",
        "protocol_disconnected": "self, protocol",
        "application_checker": "self",
        "timeout_checker": "self",
    },
    DatabaseWrapper: {
        "__init__": "self, settings_dict, alias='default'",
        "get_connection_params": "self",
        "get_new_connection": "self, conn_params",
        "create_cursor": "self, name=None",
        "get_autocommit": "self",
        "run_and_clear_commit_hooks": "self",
        "_start_transaction_under_autocommit": "self",
        "_commit": "self",
        "_rollback": "self",
        "_close": "self",
    },
    DatabaseErrorWrapper: {"__init__": "self, wrapper", "__exit__": "self, exc_type, exc_value, traceback"},
    DatabaseOperations: {"_quote_params_for_last_executed_query": "self, params"},
    _functions: {"register": "connection"},
    BigIntegerField: {"get_prep_value": "self, value", "to_python": "self, value"},
    TextField: {"get_prep_value": "self, value", "to_python": "self, value"},
    OneToOneField: {"db_type": "self, connection"},
    Exact: {"as_sql": "self, compiler, connection", "process_lhs": "self, compiler, connection, lhs=None"},
    ASGIHandler: {
        "__call__": "self, scope, receive, send",
        "__init__": "self",
        "handle": "self, scope, receive, send",
        "make_view_atomic": "self, view",
        "create_request": "self, scope, body_file",
        "run_get_response": "self, request",
        "send_response": "self, response, send",
    },
    WhiteNoiseMiddleware: {
        "__init__": "self, get_response=None, settings=",
        "__call__": "self, request",
        "find_file": "self, url",
        "serve": "static_file, request",
        "immutable_file_test": "self, path, url",
    },
    StaticFilesStorage: {"url": "self, name"},
    TemplateHTMLRenderer: {"render": "self, data, accepted_media_type=None, renderer_context=None"},
    SpectacularSwaggerSplitView: {"_swagger_ui_resource": "filename", "_swagger_ui_favicon": "", "handle_exception": "self, exc"},
    views: {"_get_sidecar_url": "filepath"},
}

# What else is read, set or replaced: of the class, or set by its methods.
ATTRIBUTES: dict[Any, str] = {
    HttpToolsProtocol: "loop transport scope parser url headers flow cycle pipeline",
    FlowControl: "read_paused",
    WebSocketsSansIOProtocol: (
        "loop transport conn queue close_sent close_timer curr_msg_data_type disconnected frames handshake_complete read_paused"
        " scope writable"
    ),
    websockets.server.ServerProtocol: "parser_exc close_sent close_rcvd current_size events parser reader state",
    StreamReader: "buffer eof",
    uvicorn.Server: "servers should_exit",
    http.HTTPChannel: (
        "MAX_LENGTH abortTimeout totalHeadersSize persistent requestFactory transport _buffer _busyReceiving _handlingRequest"
        " _path length line_mode maxHeaders requests"
    ),
    WebRequest: "channel content finished producer requestHeaders request_start _parsePOSTFormSubmission",
    HTTPFactory: "protocol timeOut",
    WebSocketFactory: "protocol",
    WebSocketProtocol: (
        "STATE_CLOSED STATE_CONNECTING STATE_OPEN send_queue state trafficStats transport application_queue last_ping muted"
        " server wasClean"
        " wasNotCleanReason autoPingPending autoPingPendingCall autoPingTimeoutCall current_frame data inside_message"
    ),
    daphne.server.Server: "connections http_factory ws_factory",
    type(reactor): "_asyncioEventloop",
    DatabaseFeatures: "max_query_params supports_json_field",
    DatabaseWrapper: (
        "Database creation_class features_class ops_class alias autocommit closed_in_transaction connection in_atomic_block"
        " init_commands ensure_connection needs_rollback queries_logged run_on_commit settings_dict transaction_mode"
        " wrap_database_errors"
    ),
    DatabaseErrorWrapper: "wrapper",
    BigIntegerField: "default_validators validators _validators",
    BooleanField: "class_lookups",
    Exact: "rhs",
    WhiteNoiseMiddleware: "autorefresh files get_response static_prefix",
    SpectacularSwaggerSplitView: "renderer_classes request template_name url_name",
}


def name_of(where: Any) -> str:
    return where.__name__ if inspect.ismodule(where) else f"{where.__module__}.{where.__qualname__}"


def parameters(function: Any) -> str:
    """Names with their defaults; of a default that is an object, that there is one."""

    def one(parameter: inspect.Parameter) -> str:
        if parameter.default is inspect.Parameter.empty:
            return str(parameter.replace(annotation=inspect.Parameter.empty))
        plain = isinstance(parameter.default, str | int | None)
        return f"{parameter.name}={parameter.default!r}" if plain else f"{parameter.name}="

    return ", ".join(map(one, inspect.signature(function).parameters.values()))


@pytest.mark.parametrize(
    ("where", "name", "wanted"),
    [
        pytest.param(where, name, text, id=f"{name_of(where)}.{name}")
        for where in METHODS
        for name, text in METHODS[where].items()
    ],
)
def test_a_method_has_the_parameters_that_are_counted_on(where: Any, name: str, wanted: str) -> None:
    found = getattr(where, name, None)
    assert found is not None, f"{name_of(where)} has no {name} any more"
    now = parameters(found)
    assert now == wanted or (name in LONG and now.startswith(f"{wanted}, ")), f"{name_of(where)}.{name} takes ({now}) now"


LONG = ("__init__", "setProtocolOptions")  # more parameters follow, each given by name


@pytest.mark.parametrize(
    ("where", "name"),
    [pytest.param(where, name, id=f"{name_of(where)}.{name}") for where in ATTRIBUTES for name in ATTRIBUTES[where].split()],
)
def test_an_attribute_is_there(where: Any, name: str) -> None:
    assert hasattr(where, name) or name in assigned(where), f"{name_of(where)} has no {name} any more"


def assigned(where: Any) -> set[str]:
    """The attributes that methods of the class, or of what it inherits from, set."""
    sources = "\n".join(map(source, where.__mro__))
    return set(re.findall(r"\bself\.(\w+)(?::[^=\n]+)?(?:, self\.\w+)* = ", sources))


def source(of: type) -> str:
    """Its text; none of what is written in C or made while the program runs."""
    try:
        return inspect.getsource(of)
    except (OSError, TypeError):
        return ""


PASSED_BY = ("brokerweb.", "builtins", "pysqlite3.", "sqlcipher3.")  # the drivers have a documented interface alone


def subclasses() -> Iterator[tuple[type, type]]:
    """Our classes with the foreign class that each is built on."""
    for module in OURS:
        for ours in vars(module).values():
            if inspect.isclass(ours) and ours.__module__ == module.__name__:
                foreign = [base for base in ours.__mro__ if not base.__module__.startswith(PASSED_BY)]
                yield from ((ours, base) for base in foreign[:1])


def words(ours: type) -> set[str]:
    """What the class defines, and what its methods ask of ``self`` and ``super()``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(ours)))
    asked = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return set(vars(ours)) | {node.attr for node in asked if ast.unparse(node.value) in ("self", "super()", "wrapper")}


@pytest.mark.parametrize(("ours", "base"), [pytest.param(*pair, id=name_of(pair[0])) for pair in subclasses()])
def test_the_tables_name_all_that_is_overridden_or_used(ours: type, base: type) -> None:
    theirs = {name for name in words(ours) if not name.startswith("__") or name in ("__init__", "__call__")}
    theirs &= set(dir(base)) | assigned(base)
    listed = {
        name for where in (*METHODS, *ATTRIBUTES) if inspect.isclass(where) and issubclass(ours, where) for name in named(where)
    }
    assert sorted(name for name in theirs - listed if getattr(object, name, None) is None) == []


def named(where: Any) -> set[str]:
    return {*METHODS.get(where, ()), *ATTRIBUTES.get(where, "").split()}
