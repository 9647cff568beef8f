/* A server that hashes passwords: each line that a client sends is one, and is answered by a salt
 * and its scrypt hash. A hash takes some 50 ms and 16 MiB, on purpose. It is computed on a thread,
 * so the loop keeps time meanwhile: a task that ticks every millisecond says how late it ever was.
 *
 *   hash_server [PORT]          7000 unless given; 0: any. Ctrl-C ends it, with the ticks so far
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/yoke.h>

enum { SALT = 16, HASH = 32, LINE = 256 };

/* ---- Hashing, on a thread -------------------------------------------------------------------- */

static int hash(yk_job *job)
{
    unsigned char bytes[SALT + HASH];
    size_t len = yk_job_arg_len(job) - 1; /* it ends with a NUL */
    if (RAND_bytes(bytes, SALT) != 1 || EVP_PBE_scrypt(yk_job_arg(job), len, bytes, SALT, 1 << 14,
                                                       8, 1, 0, bytes + SALT, HASH) != 1)
        return yk_job_fail(job, UV_EIO, "scrypt failed");
    return yk_job_return(job, bytes, sizeof bytes);
}

/* ---- A client, in a task of its own ---------------------------------------------------------- */

static char *in_hex(char *out, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out += sprintf(out, "%02x", bytes[i]);
    return out;
}

static int answer(yk_stream *client, yk_executor *pool, const char *password, size_t len)
{
    unsigned char bytes[SALT + HASH];
    char text[2 * sizeof bytes + 8], *end;
    yk_future *f = yk_submit(pool, hash, password, len + 1);
    int err = yk_await_into(f, bytes, sizeof bytes); /* until then other clients are served */
    yk_future_unref(f);
    if (err)
        return err;
    end = in_hex(text, bytes, SALT);
    *end++ = ' ';
    end = in_hex(end, bytes + SALT, HASH);
    *end++ = '\n';
    return yk_stream_write(client, text, (size_t)(end - text), yk_after_ms(10000));
}

static int serve(yk_stream *client, void *pool)
{
    char line[LINE];
    size_t len;
    int err;
    while ((err = yk_stream_read_line(client, line, sizeof line, &len, yk_after_ms(60000))) == 0)
        if ((err = answer(client, pool, line, len)) != 0)
            break;
    if (err == YK_ETOOBIG)
        yk_stream_write(client, "too long\n", 9, yk_after_ms(1000));
    return err;
}

/* ---- The ticker ------------------------------------------------------------------------------ */

enum { MOST = 1000 }; /* later than so many times 10 microseconds counts as that */

static unsigned late[MOST + 1], ticks;

static int tick(void *unused)
{
    (void)unused;
    uint64_t next = yk_now();
    for (;;) {
        next += 1000000;
        int err = yk_sleep_until(next);
        if (err)
            return err;
        uint64_t by = (yk_now() - next) / 10000;
        late[by < MOST ? by : MOST]++;
        ticks++;
    }
}

static unsigned late_by(double share)
{
    unsigned n = 0, i = 0;
    while (i < MOST && (n += late[i]) < share * ticks)
        i++;
    return i * 10;
}

/* ---- The program ----------------------------------------------------------------------------- */

static int listen_and_serve(yk_executor *pool, uint16_t port)
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
    yk_server *server = yk_server_start(listener, serve, pool);
    err = server ? yk_sleep_until(YK_FOREVER) : UV_ENOMEM; /* until Ctrl-C */
    yk_server_stop(server, yk_after_ms(2000));
    yk_listener_close(listener);
    return err;
}

static int app(void *unused)
{
    (void)unused;
    char **argv;
    int argc = yk_args(&argv);
    yk_executor *pool = yk_thread_pool(.workers = YK_PER_CORE);
    yk_future *ticker = yk_task_start(tick, NULL);
    int err = listen_and_serve(pool, (uint16_t)(argc > 1 ? atoi(argv[1]) : 7000));
    yk_future_cancel(ticker);
    yk_await(ticker);
    yk_future_unref(ticker);
    if (ticks > 0)
        printf("%u ticks; late by %u us (half of them), %u us (99 of 100)\n", ticks, late_by(0.5),
               late_by(0.99));
    yk_executor_close(pool);
    return err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
