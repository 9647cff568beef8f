/* One front service that asks three back services at once and answers with what they say: with a
 * time limit for each try, tries that wait longer and longer, and a circuit breaker, so that a back
 * service that is dead or slow costs the others nothing.
 *
 *   gateway back NAME [PORT]                        answers each line with "NAME of LINE"
 *   gateway front PORT BACK BACK BACK               PORT 0: any; BACK: the port of a back service
 *
 * Both print their address. Ctrl-C ends them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/yoke.h>

enum { LINE = 200, BACKS = 3, TRIES = 3, TRY_MS = 200, OPENS_AFTER = 3, STAYS_OPEN_MS = 500 };

/* Serves lines until Ctrl-C. */
static int serve_on(uint16_t port, yk_connection_fn serve, void *arg)
{
    yk_listener *listener;
    char address[YK_ADDRESS_MAX];
    int err = yk_listen(&listener, "127.0.0.1", port);
    if (err) {
        fprintf(stderr, "cannot listen on port %d: %s\n", port, yk_strerror(err));
        return err;
    }
    yk_listener_address(listener, address, sizeof address);
    printf("listening on %s\n", address);
    fflush(stdout);
    yk_server *server = yk_server_start(listener, serve, arg);
    err = server ? yk_sleep_until(YK_FOREVER) : UV_ENOMEM;
    yk_server_stop(server, yk_after_ms(1000));
    yk_listener_close(listener);
    return err;
}

/* ---- A back service -------------------------------------------------------------------------- */

static int answer_with_name(yk_stream *s, void *name)
{
    char line[LINE], answer[2 * LINE];
    int err;
    while ((err = yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER)) == 0) {
        int len = snprintf(answer, sizeof answer, "%.60s of %s\n", (const char *)name, line);
        if ((err = yk_stream_write(s, answer, (size_t)len, yk_after_ms(1000))) != 0)
            break;
    }
    return err;
}

/* ---- Asking one ------------------------------------------------------------------------------ */

/* Open (failures >= OPENS_AFTER): nobody is sent there before `until`; then one at a time may try.
 */
static struct back {
    uint16_t port;
    unsigned failures; /* in a row */
    uint64_t until;
} backs[BACKS];

struct question {
    struct back *back;
    const char *line;
    char answer[LINE];
};

static int try_once(void *arg)
{
    struct question *q = arg;
    yk_stream *s;
    int err = yk_connect(&s, "127.0.0.1", q->back->port, YK_FOREVER);
    if (err)
        return err;
    err = yk_stream_write(s, q->line, strlen(q->line), YK_FOREVER);
    if (!err)
        err = yk_stream_write(s, "\n", 1, YK_FOREVER);
    if (!err)
        err = yk_stream_read_line(s, q->answer, sizeof q->answer, NULL, YK_FOREVER);
    yk_stream_close(s);
    return err;
}

static bool is_open(struct back *b)
{
    if (b->failures < OPENS_AFTER)
        return false;
    if (yk_now() < b->until)
        return true;
    b->until = yk_after_ms(STAYS_OPEN_MS); /* this one tries, the others do not */
    return false;
}

static void note(struct back *b, int err)
{
    b->failures = err ? b->failures + 1 : 0;
    if (b->failures == OPENS_AFTER)
        b->until = yk_after_ms(STAYS_OPEN_MS);
}

/* Never fails: an answer that could not be had says so. */
static int ask(void *arg)
{
    struct question *q = arg;
    uint64_t pause_ms = 10;
    int err = YK_ECLOSED;
    for (int i = 0; i < TRIES && !is_open(q->back); i++, pause_ms *= 2) {
        if (i > 0 && (err = yk_sleep_ms(pause_ms + (uint64_t)rand() % pause_ms)) != 0)
            return err;
        err = yk_with_timeout(try_once, q, yk_after_ms(TRY_MS));
        if (err == YK_ECANCELED)
            return err;
        note(q->back, err);
        if (!err)
            return 0;
    }
    snprintf(q->answer, sizeof q->answer, "nothing: %s",
             err == YK_ECLOSED ? "not asked" : yk_strerror(err));
    return 0;
}

/* ---- The front service ----------------------------------------------------------------------- */

/* All three at once: the slowest says how long it takes. */
static int ask_all(yk_stream *client, const char *line)
{
    struct question questions[BACKS];
    yk_task_fn fns[BACKS];
    void *args[BACKS];
    char text[(LINE + 2) * BACKS];
    int len = 0;
    for (int i = 0; i < BACKS; i++) {
        questions[i] = (struct question){ .back = &backs[i], .line = line };
        fns[i] = ask;
        args[i] = &questions[i];
    }
    int err = yk_gather(fns, args, BACKS);
    if (err)
        return err;
    for (int i = 0; i < BACKS; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%s", questions[i].answer,
                        i + 1 < BACKS ? "; " : "\n");
    return yk_stream_write(client, text, (size_t)len, yk_after_ms(1000));
}

static int answer_from_backs(yk_stream *client, void *unused)
{
    (void)unused;
    char line[LINE];
    int err;
    while ((err = yk_stream_read_line(client, line, sizeof line, NULL, YK_FOREVER)) == 0)
        if ((err = ask_all(client, line)) != 0)
            break;
    return err;
}

static int app(void *unused)
{
    (void)unused;
    char **argv;
    int argc = yk_args(&argv);
    if (argc >= 3 && strcmp(argv[1], "back") == 0)
        return serve_on((uint16_t)(argc > 3 ? atoi(argv[3]) : 0), answer_with_name, argv[2]);
    if (argc == 3 + BACKS && strcmp(argv[1], "front") == 0) {
        for (int i = 0; i < BACKS; i++)
            backs[i].port = (uint16_t)atoi(argv[3 + i]);
        return serve_on((uint16_t)atoi(argv[2]), answer_from_backs, NULL);
    }
    fprintf(stderr, "usage: %s back NAME [PORT]\n       %s front PORT BACK BACK BACK\n", argv[0],
            argv[0]);
    return 2;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
