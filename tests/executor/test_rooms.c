/* Rooms for large results, as the parent grants them to one worker: how many, how large, and that
 * none is lost. */
#include "support/backends.h"

#include <string.h>
#include <unistd.h>

#include "executor/rooms.h"

enum { SIZE = 64 << 10 };

struct grants {
    yk__channel *ch;
    yk__rooms rooms;
    size_t used_before;
};

static void open_grants(struct grants *g)
{
    int fd;
    *g = (struct grants){ .used_before = yk_arena_used() };
    assert_int_equal(yk__channel_new(&g->ch, &fd), 0);
    close(fd);
}

static void close_grants(struct grants *g)
{
    yk__rooms_free(&g->rooms);
    yk__channel_unmap(g->ch);
    assert_int_equal(yk_arena_used(), g->used_before);
}

static uint32_t ahead(const struct grants *g)
{
    return g->rooms.granted - g->rooms.used;
}

/* What the worker sees is what the parent has noted. */
static void check_shared(const struct grants *g)
{
    assert_int_equal(atomic_load(&g->ch->down.granted), g->rooms.granted);
    for (uint32_t n = g->rooms.used; n != g->rooms.granted; n++) {
        const yk__room *room = &g->ch->down.rooms[n % YK__ROOMS];
        assert_true(yk_arena_contains(room->at));
        assert_ptr_equal(room->at, g->rooms.of[n % YK__ROOMS].at);
        assert_int_equal(room->size, g->rooms.of[n % YK__ROOMS].size);
    }
}

/* A result has used the next room. */
static void use(struct grants *g)
{
    uint64_t size;
    void *room = yk__rooms_take(&g->rooms, &size);
    assert_non_null(room);
    yk_arena_free(room);
    yk__rooms_refill(&g->rooms, g->ch, size);
    check_shared(g);
}

static void test_E20_a_worker_that_has_to_ask_gets_more_rooms_ahead(void **state)
{
    (void)state;
    struct grants g;
    open_grants(&g);
    assert_false(yk__rooms_has(&g.rooms, 1)); /* a hostile worker may say that it has used one */
    yk__rooms_ask(&g.rooms, g.ch, SIZE);
    assert_int_equal(ahead(&g), 1);
    assert_true(yk__rooms_has(&g.rooms, SIZE));
    assert_false(yk__rooms_has(&g.rooms, SIZE + 1));
    for (int i = 0; i < 40; i++)
        use(&g);
    assert_int_equal(ahead(&g), 1); /* nobody has asked */
    for (uint32_t want = 2; want <= YK__ROOMS; want *= 2) {
        yk__rooms_ask(&g.rooms, g.ch, SIZE); /* though there is one by now: it came late */
        check_shared(&g);
        assert_int_equal(ahead(&g), want);
    }
    for (int i = 0; i < 100; i++) {
        yk__rooms_ask(&g.rooms, g.ch, SIZE);
        use(&g);
        assert_int_equal(ahead(&g), YK__ROOMS);
    }
    close_grants(&g);
}

static void test_E20_rooms_ahead_do_not_hold_much_memory(void **state)
{
    (void)state;
    struct grants g;
    open_grants(&g);
    for (int i = 0; i < 8; i++)
        yk__rooms_ask(&g.rooms, g.ch, SIZE);
    while (g.rooms.used < 3 * YK__ROOMS) { /* until all of them are larger */
        yk__rooms_ask(&g.rooms, g.ch, 8 * SIZE);
        use(&g);
    }
    assert_true(ahead(&g) > 1);
    assert_true(ahead(&g) * 8 * (uint64_t)SIZE <= YK__ROOMS_AHEAD);
    yk__rooms_ask(&g.rooms, g.ch, YK__ROOM_AHEAD + 1);
    assert_true(yk__rooms_has(&g.rooms, YK__ROOM_AHEAD + 1)); /* in the place of the next one */
    check_shared(&g);
    while (ahead(&g) > 0) {
        uint64_t size;
        yk_arena_free(yk__rooms_take(&g.rooms, &size));
    }
    yk__rooms_refill(&g.rooms, g.ch, YK__ROOM_AHEAD + 1);
    assert_int_equal(ahead(&g), 0); /* so large a one is granted when it is asked for */
    close_grants(&g);
}

static void test_E20_no_memory_for_a_room_is_said_and_mended(void **state)
{
    (void)state;
    struct grants g;
    open_grants(&g);
    yk__rooms_ask(&g.rooms, g.ch, (uint64_t)1 << 62);
    assert_int_equal(ahead(&g), 1);
    assert_null(g.ch->down.rooms[0].at);
    assert_false(yk__rooms_has(&g.rooms, 0));
    yk__rooms_ask(&g.rooms, g.ch, SIZE);
    assert_int_equal(ahead(&g), 1);
    assert_true(yk__rooms_has(&g.rooms, SIZE));
    check_shared(&g);
    close_grants(&g);
}

/* Each result has a room of its own, whichever are kept and for how long. */
static void rooms_are_apart(const backend *b)
{
    enum { N = 60 };
    static unsigned char arg[3 * SIZE];
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[N];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            size_t len = (size_t)SIZE / 2 + (size_t)(i * 7919) % (sizeof arg - SIZE);
            memset(arg, i + round, len);
            f[i] = backend_submit(b, ex, job_echo, arg, len);
        }
        for (int i = N - 1; i >= 0; i--) {
            size_t len;
            assert_int_equal(yk_await(f[i]), 0);
            const unsigned char *result = yk_future_result(f[i], &len);
            assert_int_equal(len, (size_t)SIZE / 2 + (size_t)(i * 7919) % (sizeof arg - SIZE));
            for (size_t k = 0; k < len; k += 512)
                assert_int_equal(result[k], (unsigned char)(i + round));
            assert_int_equal(result[len - 1], (unsigned char)(i + round));
        }
        for (int i = 0; i < N; i++)
            yk_future_unref(f[i]);
    }
    backend_close(ex);
}

static void test_E20_results_that_are_kept_do_not_share_room(void **state)
{
    (void)state;
    on_processes(rooms_are_apart);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E20_a_worker_that_has_to_ask_gets_more_rooms_ahead),
        TEST(test_E20_rooms_ahead_do_not_hold_much_memory),
        TEST(test_E20_no_memory_for_a_room_is_said_and_mended),
        TEST(test_E20_results_that_are_kept_do_not_share_room),
    };
    return RUN_TESTS("rooms", tests);
}
