// Posting through wasi:http: the agent pools connections, speaks TLS and checks the grant.
#include <stdlib.h>
#include <string.h>

#include "convert.h"

typedef wasi_http_types_error_code_t error_code;
typedef wasi_http_types_own_outgoing_request_t outgoing_request;
typedef wasi_http_types_own_outgoing_body_t outgoing_body;
typedef wasi_http_types_own_future_incoming_response_t future_response;
typedef wasi_http_types_own_incoming_response_t incoming_response;
typedef wasi_io_streams_own_output_stream_t output_stream;

/// How much of an answer is read at once, in bytes.
enum { READ_MAX = 64 << 10 };

static bool failed(const saker_target *target, const error_code *error) {
    switch (error->tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED:
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED:
        return saker_denied(SAKER_CONNECT, saker_target_address(target));
    case WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR:
        if (error->val.internal_error.is_some) {
            return saker_unavailable("%s", saker_from_string(error->val.internal_error.val));
        }
        return saker_unavailable("an error in the agent");
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT:
        return saker_unavailable("no answer in time");
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED:
        return saker_unavailable("too many connections at the same time");
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR:
        return saker_unavailable("the answer is no HTTP");
    default:
        return saker_unavailable("no answer: error %d of wasi:http", error->tag);
    }
}

static bool add_field(wasi_http_types_own_fields_t fields, const char *name, const char *value) {
    bindings_string_t field = saker_to_string(name);
    bindings_list_u8_t bytes = {.ptr = (uint8_t *)value, .len = strlen(value)};
    wasi_http_types_header_error_t error;
    return wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &field, &bytes, &error) ||
           saker_failed("header %s: not allowed", name);
}

static bool make_fields(const saker_header *headers, size_t length, wasi_http_types_own_fields_t *fields) {
    *fields = wasi_http_types_constructor_fields();
    bool is_whole = add_field(*fields, "content-length", saker_format("%zu", length));
    for (; is_whole && headers->name; headers++) {
        is_whole = add_field(*fields, headers->name, headers->value);
    }
    if (!is_whole) {
        wasi_http_types_fields_drop_own(*fields);
    }
    return is_whole;
}

static bool make_request(const saker_target *target, const saker_header *headers, bool has_body, size_t length,
                         outgoing_request *request) {
    wasi_http_types_own_fields_t fields;
    if (!make_fields(headers, length, &fields)) {
        return false;
    }
    *request = wasi_http_types_constructor_outgoing_request(fields);
    wasi_http_types_borrow_outgoing_request_t to = wasi_http_types_borrow_outgoing_request(*request);
    wasi_http_types_method_t method = {
        .tag = has_body ? WASI_HTTP_TYPES_METHOD_POST : WASI_HTTP_TYPES_METHOD_GET,
    };
    wasi_http_types_scheme_t scheme = {
        .tag = target->tls ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP,
    };
    if (target->socket) {
        scheme.tag = WASI_HTTP_TYPES_SCHEME_OTHER;
        scheme.val.other = saker_to_string("http+unix");
    }
    bindings_string_t authority = saker_to_string(target->authority), path = saker_to_string(target->path);
    bool is_whole = wasi_http_types_method_outgoing_request_set_method(to, &method) &&
                    wasi_http_types_method_outgoing_request_set_scheme(to, &scheme) &&
                    wasi_http_types_method_outgoing_request_set_authority(to, &authority) &&
                    wasi_http_types_method_outgoing_request_set_path_with_query(to, &path);
    if (!is_whole) {
        wasi_http_types_outgoing_request_drop_own(*request);
        return saker_failed("the address is not valid");
    }
    return true;
}

static bool broken(const wasi_io_streams_stream_error_t *error) {
    if (error->tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) {
        return saker_unavailable("the connection was closed while sending");
    }
    bindings_string_t words;
    wasi_io_error_own_error_t why = error->val.last_operation_failed;
    wasi_io_error_method_error_to_debug_string(wasi_io_error_borrow_error(why), &words);
    wasi_io_error_error_drop_own(why);
    return saker_unavailable("%s", saker_from_string(words));
}

static void wait_for(wasi_io_poll_own_pollable_t event) {
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(event));
    wasi_io_poll_pollable_drop_own(event);
}

static bool send_all(output_stream stream, const uint8_t *bytes, size_t length) {
    wasi_io_streams_borrow_output_stream_t to = wasi_io_streams_borrow_output_stream(stream);
    wasi_io_streams_stream_error_t error;
    while (length) {
        uint64_t room;
        if (!wasi_io_streams_method_output_stream_check_write(to, &room, &error)) {
            return broken(&error);
        }
        if (room == 0) {
            wait_for(wasi_io_streams_method_output_stream_subscribe(to));
            continue;
        }
        size_t now = length < room ? length : (size_t)room;
        bindings_list_u8_t piece = {.ptr = (uint8_t *)bytes, .len = now};
        if (!wasi_io_streams_method_output_stream_write(to, &piece, &error)) {
            return broken(&error);
        }
        bytes += now;
        length -= now;
    }
    return wasi_io_streams_method_output_stream_flush(to, &error) || broken(&error);
}

static bool send_body(const saker_target *target, outgoing_body body, const void *bytes, size_t length) {
    output_stream stream;
    if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream)) {
        wasi_http_types_outgoing_body_drop_own(body);
        return saker_failed("the body cannot be written");
    }
    bool is_sent = send_all(stream, bytes, length);
    wasi_io_streams_output_stream_drop_own(stream);
    if (!is_sent) {
        wasi_http_types_outgoing_body_drop_own(body);
        return false;
    }
    error_code error;
    return wasi_http_types_static_outgoing_body_finish(body, NULL, &error) || failed(target, &error);
}

/// Whether what was sent is not sent again after this status: then the answer has to have come whole.
static bool is_final(unsigned status) {
    return status < 300 || status == 400 || status == 409 || status == 415 || status == 422;
}

/// Reads the body to its end, so that the connection can be used again, and keeps only the beginning. Says why it broke
/// off, if it did.
static const char *read_body(wasi_io_streams_own_input_stream_t stream, size_t most, const char **broke_off) {
    saker_text text = {0};
    saker_append(&text, "%s", "");
    bindings_list_u8_t piece;
    wasi_io_streams_stream_error_t error;
    wasi_io_streams_borrow_input_stream_t from = wasi_io_streams_borrow_input_stream(stream);
    while (wasi_io_streams_method_input_stream_blocking_read(from, READ_MAX, &piece, &error)) {
        size_t room = most - text.length;
        size_t kept = piece.len < room ? piece.len : room;
        saker_append(&text, "%.*s", (int)kept, saker_from_string((bindings_string_t){piece.ptr, piece.len}));
    }
    if (error.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED) {
        bindings_string_t words;
        wasi_io_error_own_error_t why = error.val.last_operation_failed;
        wasi_io_error_method_error_to_debug_string(wasi_io_error_borrow_error(why), &words);
        wasi_io_error_error_drop_own(why);
        *broke_off = saker_from_string(words);
    }
    return text.bytes;
}

static uint32_t retry_after_s(wasi_http_types_borrow_incoming_response_t response) {
    wasi_http_types_own_fields_t fields = wasi_http_types_method_incoming_response_headers(response);
    bindings_string_t name = saker_to_string("retry-after");
    bindings_list_list_u8_t values;
    wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(fields), &name, &values);
    wasi_http_types_fields_drop_own(fields);
    const char *text = values.len ? saker_from_string((bindings_string_t){values.ptr[0].ptr, values.ptr[0].len}) : "";
    // A date is the other form, and is passed over: the agent has its own pace.
    bool is_number = *text && !text[strspn(text, "0123456789")];
    return is_number ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static bool read_answer(incoming_response response, size_t most, saker_answer *answer) {
    const char *broke_off = NULL;
    wasi_http_types_borrow_incoming_response_t from = wasi_http_types_borrow_incoming_response(response);
    *answer = (saker_answer){
        .status = wasi_http_types_method_incoming_response_status(from),
        .retry_after_s = retry_after_s(from),
        .body = "",
    };
    wasi_http_types_own_incoming_body_t body;
    wasi_io_streams_own_input_stream_t stream;
    if (wasi_http_types_method_incoming_response_consume(from, &body)) {
        if (wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream)) {
            answer->body = read_body(stream, most, &broke_off);
            wasi_io_streams_input_stream_drop_own(stream);
        }
        wasi_http_types_incoming_body_drop_own(body);
    }
    wasi_http_types_incoming_response_drop_own(response);
    if (broke_off && is_final(answer->status)) {
        return saker_unavailable("%u: the answer broke off: %s", (unsigned)answer->status, broke_off);
    }
    return true;
}

/// Waits for the answer. `is_sent` says whether the request has gone out whole: if not, the error is known.
static bool receive(const saker_target *target, future_response future, bool is_sent, size_t most,
                    saker_answer *answer) {
    wasi_http_types_borrow_future_incoming_response_t from = wasi_http_types_borrow_future_incoming_response(future);
    wasi_http_types_result_result_own_incoming_response_error_code_void_t got;
    wait_for(wasi_http_types_method_future_incoming_response_subscribe(from));
    bool is_there = wasi_http_types_method_future_incoming_response_get(from, &got) && !got.is_err;
    wasi_http_types_future_incoming_response_drop_own(future);
    if (!is_there) {
        return is_sent ? saker_unavailable("no answer") : false;
    }
    if (got.val.ok.is_err) {
        return failed(target, &got.val.ok.val.err);
    }
    return read_answer(got.val.ok.val.ok, most, answer);
}

bool saker_host_send(const saker_target *target, const saker_header *headers, const void *bytes, size_t length,
                     size_t most, saker_answer *answer) {
    outgoing_request request;
    outgoing_body body;
    future_response future;
    error_code error;
    if (!make_request(target, headers, bytes != NULL, length, &request)) {
        return false;
    }
    if (!wasi_http_types_method_outgoing_request_body(wasi_http_types_borrow_outgoing_request(request), &body)) {
        wasi_http_types_outgoing_request_drop_own(request);
        return saker_failed("the request has no body");
    }
    // The agent's deadline around the whole call is what ends a wait: no shorter one here.
    if (!wasi_http_outgoing_handler_handle(request, NULL, &future, &error)) {
        wasi_http_types_outgoing_body_drop_own(body);
        return failed(target, &error);
    }
    // A server may answer before it has read everything, and then close: its answer counts, not the broken pipe.
    bool is_sent = send_body(target, body, bytes, length);
    return receive(target, future, is_sent, most, answer);
}
