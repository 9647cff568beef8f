/* WebSockets on a stream.
 *
 * Two things may go on at once: one task receives, others send. Between two waits each sees a whole
 * state. Frames reach the stream under the lock `writing`, each in one piece, so that one who gives
 * up a wait leaves no half of a frame.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../executor/error.h"
#include "../stream_internal.h"
#include "websocket_internal.h"

#define MOST_MESSAGE    ((size_t)1 << 20)
#define SILENCE_MS      30000
#define LEAVE_MS        5000
#define PIECE           4096               /* as much as libwslay takes */
#define LARGE           ((size_t)64 << 10) /* a buffer that is not kept */
#define LARGEST_CONTROL (2 + 125)
#define CONTROL         512 /* bytes of libwslay's */

/* Before each message in `in`, which are aligned for it. */
typedef struct header {
    size_t len;
    yk_ws_kind kind;
} header;

static header *header_at(const yk_ws *ws, size_t at)
{
    return (header *)(ws->in + at);
}

static size_t aligned(size_t n)
{
    return (n + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1);
}

/* ---- What libwslay says ---------------------------------------------------------------------- */

static bool make_room(yk_ws *ws, size_t more)
{
    size_t cap = ws->in_cap ? ws->in_cap : 512;
    while (cap < ws->in_len + more)
        cap *= 2;
    char *in = cap > ws->in_cap ? realloc(ws->in, cap) : ws->in;
    if (!in)
        return false;
    ws->in = in;
    ws->in_cap = cap;
    return true;
}

/* Tells the client why, and hears no more of it. */
static void refuse(yk_ws *ws, int err, int code)
{
    if (ws->broken)
        return;
    ws->broken = err;
    wslay_event_queue_close(ws->wslay, (uint16_t)code, NULL, 0);
    wslay_event_shutdown_read(ws->wslay);
}

static void begin_message(yk_ws *ws, yk_ws_kind kind)
{
    ws->in_len = ws->growing = aligned(ws->in_len);
    if (!make_room(ws, sizeof(header) + 1)) {
        refuse(ws, UV_ENOMEM, WSLAY_CODE_INTERNAL_SERVER_ERROR);
        return;
    }
    *header_at(ws, ws->growing) = (header){ .kind = kind };
    ws->in_len += sizeof(header);
    ws->open = true;
}

static void on_frame(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
    yk_ws *ws = arg;
    (void)wslay;
    ws->in_message = !wslay_is_ctrl_frame(frame->opcode);
    if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1)
        refuse(ws, YK_EFORMAT, WSLAY_CODE_PROTOCOL_ERROR);
    if (!ws->in_message || ws->broken)
        return;
    if (frame->opcode != WSLAY_CONTINUATION_FRAME)
        begin_message(ws, frame->opcode == WSLAY_TEXT_FRAME ? YK_WS_TEXT : YK_WS_BINARY);
    if (!ws->broken && frame->payload_length > ws->most_message - header_at(ws, ws->growing)->len)
        refuse(ws, YK_ETOOBIG, WSLAY_CODE_MESSAGE_TOO_BIG);
}

static void on_chunk(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
    yk_ws *ws = arg;
    (void)wslay;
    if (!ws->in_message || ws->broken || chunk->data_length == 0)
        return;
    if (!make_room(ws, chunk->data_length + 1)) {
        refuse(ws, UV_ENOMEM, WSLAY_CODE_INTERNAL_SERVER_ERROR);
        return;
    }
    memcpy(ws->in + ws->in_len, chunk->data, chunk->data_length);
    ws->in_len += chunk->data_length;
    header_at(ws, ws->growing)->len += chunk->data_length;
}

static void on_message(wslay_event_context_ptr wslay,
                       const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
    yk_ws *ws = arg;
    (void)wslay;
    if (ws->broken)
        return;
    if (message->opcode == WSLAY_CONNECTION_CLOSE) {
        ws->broken = YK_END;
        if (message->msg_length > 2)
            memcpy(ws->reason, message->msg + 2, message->msg_length - 2);
    } else if (ws->in_message) {
        ws->in[ws->in_len++] = '\0';
        ws->open = false;
        ws->whole++;
    }
}

static ssize_t give_piece(wslay_event_context_ptr wslay, uint8_t *out, size_t len, int flags,
                          void *arg)
{
    yk_ws *ws = arg;
    (void)flags;
    if (ws->piece_len == 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    len = len < ws->piece_len ? len : ws->piece_len;
    memcpy(out, ws->piece, len);
    ws->piece += len;
    ws->piece_len -= len;
    return (ssize_t)len;
}

/* Frames are taken whole. */
static ssize_t take_control(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t len,
                            int flags, void *arg)
{
    yk_ws *ws = arg;
    size_t needed = flags & WSLAY_MSG_MORE ? LARGEST_CONTROL : len;
    if (CONTROL - ws->control_len < needed) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(ws->control + ws->control_len, bytes, len);
    ws->control_len += len;
    return (ssize_t)len;
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = give_piece,
    .send_callback = take_control,
    .on_frame_recv_start_callback = on_frame,
    .on_frame_recv_chunk_callback = on_chunk,
    .on_msg_recv_callback = on_message,
};

/* ---- Sending --------------------------------------------------------------------------------- */

/* Frames of libwslay's, as many as fit. For who holds the lock. False: there are none. The last
 * one, a goodbye, waits until the messages before it have been received and, perhaps, answered. */
static bool gather_control(yk_ws *ws)
{
    static const char protocol_error[] = { '\x88', 2, 1002 >> 8, (char)(1002 & 255) };
    if (ws->broken && !ws->leaving)
        return false;
    wslay_event_send(ws->wslay);
    if (ws->complaint) {
        memcpy(ws->control + ws->control_len, protocol_error, sizeof protocol_error);
        ws->control_len += sizeof protocol_error;
        ws->complaint = false;
    }
    return ws->control_len > 0;
}

static int flush_control(yk_ws *ws, uint64_t deadline)
{
    if (ws->control_len == 0 && !ws->complaint && !wslay_event_want_write(ws->wslay))
        return 0;
    int err = yk_lock_acquire(&ws->writing, deadline);
    if (err)
        return err;
    while (!err && gather_control(ws)) {
        err = yk_stream_write(ws->stream, ws->control, ws->control_len, deadline);
        if (!err)
            ws->control_len = 0;
    }
    yk_lock_release(&ws->writing);
    return err;
}

static size_t frame_head(uint8_t head[10], yk_ws_kind kind, size_t len)
{
    size_t more = len < 126 ? 0 : len < 65536 ? 2 : 8;
    head[0] = (uint8_t)(0x80 | kind);
    head[1] = (uint8_t)(more == 0 ? len : more == 2 ? 126 : 127);
    for (size_t i = 0; i < more; i++)
        head[2 + i] = (uint8_t)(len >> 8 * (more - 1 - i));
    return 2 + more;
}

/* Under the lock. */
static int write_message(yk_ws *ws, yk_ws_kind kind, const void *data, size_t len,
                         uint64_t deadline)
{
    uint8_t head[10];
    size_t head_len = frame_head(head, kind, len);
    gather_control(ws);
    if (ws->leaving)
        return YK_ECLOSED;
    struct iovec pieces[] = { { ws->control, ws->control_len },
                              { head, head_len },
                              { (void *)data, len } };
    int err = yk_stream_writev(ws->stream, pieces, 3, deadline);
    if (!err)
        ws->control_len = 0;
    return err;
}

int yk_ws_send(yk_ws *ws, yk_ws_kind kind, const void *data, size_t len, uint64_t deadline)
{
    if (kind != YK_WS_TEXT && kind != YK_WS_BINARY)
        return UV_EINVAL;
    if (ws->leaving)
        return YK_ECLOSED;
    int err = yk_lock_acquire(&ws->writing, deadline);
    if (err)
        return err;
    err = write_message(ws, kind, data, len, deadline);
    yk_lock_release(&ws->writing);
    return err;
}

size_t yk_ws_unsent(const yk_ws *ws)
{
    return yk_stream_unsent(ws->stream);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void be_patient(yk_ws *ws)
{
    ws->patience = ws->silence_ms == UINT64_MAX ? YK_FOREVER : yk_after_ms(ws->silence_ms);
}

/* What libwslay has found wrong itself: it has told the client so. But to a frame that is none at
 * all it would answer a goodbye that says nothing. */
static void look_for_errors(yk_ws *ws, int result)
{
    if (result == WSLAY_ERR_NOMEM)
        refuse(ws, UV_ENOMEM, WSLAY_CODE_INTERNAL_SERVER_ERROR);
    if (ws->broken || wslay_event_get_read_enabled(ws->wslay))
        return;
    if (result) {
        wslay_event_shutdown_write(ws->wslay);
        ws->complaint = true;
    }
    ws->broken = YK_EFORMAT;
}

static void feed(yk_ws *ws, const char *piece, size_t len)
{
    ws->piece = piece;
    ws->piece_len = len;
    look_for_errors(ws, wslay_event_recv(ws->wslay));
    ws->piece_len = 0;
}

/* A deadline of ours has passed, and not the caller's. */
static int lose_patience(yk_ws *ws)
{
    if (ws->pinged)
        return UV_ECONNABORTED;
    ws->pinged = true;
    be_patient(ws);
    struct wslay_event_msg ping = { .opcode = WSLAY_PING };
    return wslay_event_queue_msg(ws->wslay, &ping) == WSLAY_ERR_NOMEM ? UV_ENOMEM : 0;
}

static int read_piece(yk_ws *ws, uint64_t deadline)
{
    uint64_t until = deadline < ws->patience ? deadline : ws->patience;
    size_t len;
    int err = yk_stream_readable(ws->stream) ? 0 : yk__stream_more(ws->stream, until);
    if (err)
        return err;
    const char *bytes = yk__stream_bytes(ws->stream, &len);
    if (len == 0)
        return 0;
    if (len > PIECE)
        len = PIECE;
    ws->pinged = false;
    be_patient(ws);
    feed(ws, bytes, len);
    yk__stream_drop(ws->stream, len);
    return 0;
}

/* One step towards a message. */
static int go_on(yk_ws *ws, uint64_t deadline)
{
    uint64_t until = deadline < ws->patience ? deadline : ws->patience;
    ws->leaving |= ws->broken != 0;
    int err = flush_control(ws, until);
    if (err == UV_ETIMEDOUT && until < deadline)
        return UV_ECONNABORTED; /* it takes nothing */
    if (!err && ws->broken)
        return ws->broken;
    if (!err)
        err = read_piece(ws, deadline);
    if (err == UV_ETIMEDOUT && ws->patience < deadline)
        return lose_patience(ws);
    if (err == YK_END || err == YK_ECLOSED)
        return ws->leaving ? YK_END : err == YK_END ? YK_ETRUNCATED : err;
    return err;
}

/* Forgets what was handed out; what is coming stays. */
static void make_space(yk_ws *ws)
{
    size_t left = ws->open ? ws->in_len - ws->growing : 0;
    if (ws->next > 0 && left > 0)
        memmove(ws->in, ws->in + ws->growing, left);
    ws->next = ws->growing = 0;
    ws->in_len = left;
    if (left == 0 && ws->in_cap > LARGE) {
        free(ws->in);
        ws->in = NULL;
        ws->in_cap = 0;
    }
}

int yk_ws_receive(yk_ws *ws, yk_ws_message *m, uint64_t deadline)
{
    if (ws->whole == 0)
        make_space(ws);
    while (ws->whole == 0) {
        int err = go_on(ws, deadline);
        if (err)
            return err;
    }
    header *h = header_at(ws, aligned(ws->next));
    *m = (yk_ws_message){ .kind = h->kind, .data = (char *)(h + 1), .len = h->len };
    ws->next = (size_t)(m->data + h->len + 1 - ws->in);
    ws->whole--;
    return 0;
}

/* ---- The end --------------------------------------------------------------------------------- */

static bool may_be_said(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) ||
           (code >= 3000 && code <= 4999);
}

static void give_up(void *arg)
{
    yk_stream_abort(((yk_ws *)arg)->stream);
}

int yk_ws_close(yk_ws *ws, int code, const char *reason)
{
    size_t len = reason ? strlen(reason) : 0;
    if (!may_be_said(code) || len > 123)
        return UV_EINVAL;
    if (ws->leaving || ws->broken)
        return YK_ECLOSED;
    int err = yk_call_later_ms(LEAVE_MS, give_up, ws, &ws->give_up);
    if (err)
        return err;
    if (wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)reason, len))
        return UV_ENOMEM;
    ws->leaving = true;
    flush_control(ws, 0); /* else whoever receives sends it */
    return 0;
}

int yk_ws_close_code(const yk_ws *ws, const char **reason)
{
    if (reason)
        *reason = ws->reason;
    return wslay_event_get_status_code_received(ws->wslay);
}

void yk_ws_drop(yk_ws *ws)
{
    yk_stream_abort(ws->stream);
}

const char *yk_ws_protocol(const yk_ws *ws)
{
    return ws->protocol;
}

/* A client that is still sending when the connection is closed would be told of that by a reset,
 * and never see what we said. */
static void listen_a_little(yk_ws *ws)
{
    char dropped[PIECE];
    size_t n, most = (size_t)1 << 20;
    uint64_t deadline = yk_after_ms(LEAVE_MS);
    if (yk_stream_end_writing(ws->stream))
        return;
    while (most > 0 && yk_stream_read_some(ws->stream, dropped, sizeof dropped, &n, deadline) == 0)
        most -= n < most ? n : most;
}

static void say_goodbye(yk_ws *ws, int result)
{
    yk_ws_message m;
    yk_ws_close(ws,
                result >= 0 || result == YK_END ? 1000
                : result == YK_ECANCELED        ? 1001
                                                : 1011,
                NULL);
    uint64_t deadline = yk_after_ms(LEAVE_MS);
    int err;
    do
        err = yk_ws_receive(ws, &m, deadline);
    while (err == 0);
    if (err == YK_EFORMAT || err == YK_ETOOBIG)
        listen_a_little(ws);
}

/* ---- The beginning --------------------------------------------------------------------------- */

static void set_limits(yk_ws *ws, const yk_ws_options *o)
{
    ws->most_message = o->most_message ? o->most_message : MOST_MESSAGE;
    ws->silence_ms = o->silence_ms ? o->silence_ms : SILENCE_MS;
    wslay_event_config_set_no_buffering(ws->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(ws->wslay, UINT64_MAX); /* we count whole messages */
    if (o->most_unsent)
        yk_stream_set_limits(ws->stream, 0, o->most_unsent);
    be_patient(ws);
}

yk_ws *yk__ws_new(yk_stream *stream, const char *protocol, const yk_ws_options *options)
{
    static const yk_ws_options defaults;
    yk_ws *ws = calloc(1, sizeof *ws);
    if (!ws)
        return NULL;
    ws->stream = stream;
    ws->protocol = protocol;
    if (wslay_event_context_server_init(&ws->wslay, &callbacks, ws)) {
        free(ws);
        return NULL;
    }
    set_limits(ws, options ? options : &defaults);
    return ws;
}

void yk__ws_free(yk_ws *ws)
{
    yk_call_cancel(ws->give_up);
    wslay_event_context_free(ws->wslay);
    free(ws->in);
    free(ws);
}

int yk__ws_serve(yk_ws *ws, yk_ws_fn fn, void *arg)
{
    int result = fn(ws, arg);
    say_goodbye(ws, result);
    yk__ws_free(ws);
    return result;
}
