/* A chat: a server that hands every line to everybody else, and a terminal client that shows what
 * comes while its user types.
 *
 *   chat serve [PORT]                 7001 unless given; 0: any
 *   chat join NAME [PORT [HOST]]      Ctrl-C or Ctrl-D leaves
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/yoke.h>

enum { LINE = 500, WAITING = 100 };

/* ---- The server ------------------------------------------------------------------------------ */

/* Everybody has a queue of lines to be sent: who reads slowly holds up nobody else, and loses lines
 * when so many wait. */
typedef struct member {
    struct member *next;
    char name[32];
    yk_queue *lines;
} member;

static member *members;

static void tell_all(const member *but, const char *format, const char *name, const char *text)
{
    char line[LINE + 50];
    snprintf(line, sizeof line, format, name, text);
    for (member *m = members; m; m = m->next) {
        char *copy = m == but ? NULL : strdup(line);
        if (copy && yk_queue_put(m->lines, &copy, 0) != 0)
            free(copy);
    }
}

static int send_lines(yk_stream *s, member *me)
{
    char *line;
    int err;
    while ((err = yk_queue_get(me->lines, &line, YK_FOREVER)) == 0) {
        err = yk_stream_write(s, line, strlen(line), yk_after_ms(10000));
        free(line);
        if (err)
            break;
    }
    return err;
}

struct pair {
    yk_stream *stream;
    member *me;
};

static int send_in_task(void *arg)
{
    struct pair *p = arg;
    return send_lines(p->stream, p->me);
}

static int hear_lines(yk_stream *s, member *me)
{
    char line[LINE];
    int err;
    while ((err = yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER)) == 0)
        tell_all(me, "%s: %s\n", me->name, line);
    return err;
}

static int be_there(yk_stream *s, member *me)
{
    struct pair p = { s, me };
    me->next = members;
    members = me;
    tell_all(me, "* %s is here%s\n", me->name, "");
    yk_scope *scope = yk_scope_begin();
    yk_scope_start(scope, send_in_task, &p);
    int err = hear_lines(s, me);
    yk_scope_cancel(scope);
    err = yk_scope_end(scope, err);
    member **at = &members;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    tell_all(me, "* %s has left%s\n", me->name, "");
    return err;
}

static int serve_member(yk_stream *s, void *unused)
{
    (void)unused;
    member me = { 0 };
    int err = yk_stream_read_line(s, me.name, sizeof me.name, NULL, yk_after_ms(10000));
    if (err)
        return err;
    me.lines = yk_queue_new(.item_size = sizeof(char *), .capacity = WAITING);
    if (!me.lines)
        return UV_ENOMEM;
    err = be_there(s, &me);
    char *left;
    while (yk_queue_get(me.lines, &left, 0) == 0)
        free(left);
    yk_queue_free(me.lines);
    return err;
}

static int serve(uint16_t port)
{
    yk_listener *listener;
    char address[YK_ADDRESS_MAX];
    int err = yk_listen(&listener, "127.0.0.1", port);
    if (err)
        return err;
    yk_listener_address(listener, address, sizeof address);
    printf("listening on %s\n", address);
    fflush(stdout);
    yk_server *server = yk_server_start(listener, serve_member, NULL);
    err = server ? yk_sleep_until(YK_FOREVER) : UV_ENOMEM;
    yk_server_stop(server, yk_now());
    yk_listener_close(listener);
    return err;
}

/* ---- The client ------------------------------------------------------------------------------ */

static struct {
    yk_stream *server, *keys;
    char typed[LINE]; /* and not sent yet */
    size_t len;
} client;

static void show_typed(void)
{
    printf("\r\033[K> %.*s", (int)client.len, client.typed);
    fflush(stdout);
}

/* What comes stands above the line that is being typed. */
static int show_lines(void *unused)
{
    (void)unused;
    char line[LINE + 50];
    int err;
    while ((err = yk_stream_read_line(client.server, line, sizeof line, NULL, YK_FOREVER)) == 0) {
        printf("\r\033[K%s\r\n", line);
        show_typed();
    }
    printf("\r\033[Kthe server has gone\r\n");
    return err;
}

static int send_typed(void)
{
    client.typed[client.len++] = '\n';
    int err = yk_stream_write(client.server, client.typed, client.len, yk_after_ms(10000));
    printf("\r\n");
    client.len = 0;
    return err;
}

static int hear_keys(void)
{
    char key;
    size_t len;
    int err = 0;
    show_typed();
    while (!err && (err = yk_stream_read_some(client.keys, &key, 1, &len, YK_FOREVER)) == 0) {
        if (key == 3 || key == 4)
            return 0;
        if (key == '\r' || key == '\n')
            err = send_typed();
        else if (key == 127)
            client.len -= client.len > 0;
        else if (client.len < sizeof client.typed - 1)
            client.typed[client.len++] = key;
        show_typed();
    }
    return err == YK_END ? 0 : err;
}

static int talk(const char *name)
{
    char hello[40];
    int len = snprintf(hello, sizeof hello, "%.30s\n", name);
    int err = yk_stream_write(client.server, hello, (size_t)len, yk_after_ms(5000));
    if (err)
        return err;
    yk_scope *scope = yk_scope_begin();
    yk_scope_start(scope, show_lines, NULL);
    err = hear_keys();
    yk_scope_cancel(scope);
    err = yk_scope_end(scope, err);
    printf("\r\033[K");
    return err;
}

static int join(const char *name, uint16_t port, const char *host)
{
    int err = yk_connect(&client.server, host, port, yk_after_ms(5000));
    if (err) {
        fprintf(stderr, "cannot reach %s, port %d: %s\n", host, port, yk_strerror(err));
        return 1;
    }
    err = yk_stream_stdin(&client.keys);
    if (!err && yk_stream_is_terminal(client.keys))
        err = yk_terminal_set_raw(client.keys, true);
    if (!err)
        err = talk(name);
    if (yk_stream_is_terminal(client.keys))
        yk_terminal_set_raw(client.keys, false);
    yk_stream_close(client.keys);
    yk_stream_close(client.server);
    return err == YK_ECANCELED ? 0 : err ? 1 : 0;
}

static int app(void *unused)
{
    (void)unused;
    char **argv;
    int argc = yk_args(&argv);
    if (argc >= 2 && argc <= 3 && strcmp(argv[1], "serve") == 0)
        return serve((uint16_t)(argc > 2 ? atoi(argv[2]) : 7001));
    if (argc >= 3 && argc <= 5 && strcmp(argv[1], "join") == 0)
        return join(argv[2], (uint16_t)(argc > 3 ? atoi(argv[3]) : 7001),
                    argc > 4 ? argv[4] : "localhost");
    fprintf(stderr, "usage: %s serve [PORT]\n       %s join NAME [PORT [HOST]]\n", argv[0],
            argv[0]);
    return 2;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
