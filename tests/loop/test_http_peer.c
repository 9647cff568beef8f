/* tests/loop/test_http_peer.c - what yoke takes, libhttp-parser reads in the same way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "loop/http_reading.h"
#include "loop/http_requests.h"

#define REQUESTS 20000

/* ---- failure --------------------------------------------------------------------------------- */

/* What the peer takes and yoke does not, so that the comparison is seen to look at what it must. */
static void test_the_peer_is_laxer(void **s)
{
    static const char *const laxer[] = {
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
        "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    (void)s;
    for (size_t i = 0; i < sizeof laxer / sizeof *laxer; i++) {
        reading yoke = read_as_yoke(laxer[i], strlen(laxer[i]), SIZE_MAX);
        reading peer = read_as_peer(laxer[i], strlen(laxer[i]), "GET");
        if (yoke.end >= 0 || peer.end != (long)strlen(laxer[i]))
            fail_msg("%ld, %ld: %s", yoke.end, peer.end, laxer[i]);
        free_reading(&yoke);
        free_reading(&peer);
    }
}

/* ---- success --------------------------------------------------------------------------------- */

static void test_what_yoke_takes_the_peer_reads_in_the_same_way(void **s)
{
    unsigned all_taken = 0, wrong = 0;
    (void)s;
    chance_from(1);
    for (unsigned i = 0; i < REQUESTS; i++) {
        size_t len;
        unsigned taken;
        char *bytes = make_requests(1 + below(3), &len);
        char *difference = difference_to_peer(bytes, len, &taken);
        if (difference)
            fail_msg("request %u:\n%s\n%s", i, bytes, difference);
        all_taken += taken;
        wrong += taken == 0;
        free(bytes);
    }
    print_message("%u messages taken of %u connections, %u refused at once\n", all_taken, REQUESTS,
                  wrong);
    assert_true(all_taken > REQUESTS / 4 && wrong > REQUESTS / 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_peer_is_laxer),
        cmocka_unit_test(test_what_yoke_takes_the_peer_reads_in_the_same_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
