/* Tests of what HTTP's fields say: dates, codings, ranges, conditions, media types. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "loop/http/accept.h"
#include "loop/http/condition.h"
#include "loop/http/date.h"
#include "loop/http/media_type.h"
#include "loop/http/range.h"
#include "support/support.h"

/* ---- Dates ----------------------------------------------------------------------------------- */

#define EXAMPLE ((time_t)784111777)  /* RFC 9110's */
#define NOW     ((time_t)1700000000) /* November 2023 */

static void test_what_is_no_date(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "now",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:-1:37 GMT",
        "Sun, 06 Abc 1994 08:49:37 GMT",
        "Abc, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06-Nov-94 08:49 GMT",
        "Sun Nov  6 08:49:37",
        "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        time_t t = 1;
        if (yk__http_date_parse(none[i], NOW, &t))
            fail_msg("'%s' was read as %ld", none[i], (long)t);
        assert_int_equal(t, 1);
    }
}

static void test_a_date_has_three_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        time_t t = 0;
        assert_true(yk__http_date_parse(forms[i], NOW, &t));
        assert_int_equal(t, EXAMPLE);
    }
}

static void test_a_year_of_two_digits_is_near(void **state)
{
    (void)state;
    time_t t;
    assert_true(yk__http_date_parse("Monday, 06-Nov-73 08:49:37 GMT", NOW, &t));
    assert_int_equal(t, 3277183777);
    assert_true(yk__http_date_parse("Monday, 06-Nov-74 08:49:37 GMT", NOW, &t));
    assert_int_equal(t, 152959777);
}

static void test_every_date_comes_back(void **state)
{
    (void)state;
    char text[YK__HTTP_DATE];
    yk__http_date_format(EXAMPLE, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    for (time_t t = -62167219200; t < 253402300799; t += 86400l * 365 * 7 + 12347) {
        time_t back;
        yk__http_date_format(t, text);
        assert_true(yk__http_date_parse(text, NOW, &back));
        assert_int_equal(back, t);
    }
    yk__http_date_format(INT64_MAX, text);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    yk__http_date_format(INT64_MIN, text);
    assert_string_equal(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}

/* ---- Accept-Encoding ------------------------------------------------------------------------- */

#define BOTH (1u << YK__GZIP | 1u << YK__ZSTD)

static void test_the_coding_that_the_client_likes_best(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        unsigned offered;
        yk__coding chosen;
    } cases[] = {
        /* What is not to be sent compressed. */
        { NULL, BOTH, YK__IDENTITY },
        { "", BOTH, YK__IDENTITY },
        { "br", BOTH, YK__IDENTITY },
        { "gzip;q=0", BOTH, YK__IDENTITY },
        { "gzip;q=0.000, zstd;q=0", BOTH, YK__IDENTITY },
        { "*;q=0", BOTH, YK__IDENTITY },
        { "identity;q=0", BOTH, YK__IDENTITY },
        { "gzip", 1u << YK__ZSTD, YK__IDENTITY },
        { "gzip, identity;q=0", 0, YK__IDENTITY },
        { "gzip;q=2", BOTH, YK__IDENTITY },
        { "gzip;q=1.001", BOTH, YK__IDENTITY },
        { "gzip;q=0.1234", BOTH, YK__IDENTITY },
        { "gzip;q=", BOTH, YK__IDENTITY },
        { "gzip;level=9", BOTH, YK__IDENTITY },
        { "gzipped", BOTH, YK__IDENTITY },
        { "identity, gzip;q=0.5", BOTH, YK__IDENTITY },
        /* What is. */
        { "gzip", BOTH, YK__GZIP },
        { "GZip", BOTH, YK__GZIP },
        { "x-gzip", BOTH, YK__GZIP },
        { "zstd", BOTH, YK__ZSTD },
        { "gzip, zstd", BOTH, YK__ZSTD },
        { "gzip, deflate, br, zstd", BOTH, YK__ZSTD },
        { "gzip;q=1.0, zstd;q=0.999", BOTH, YK__GZIP },
        { "zstd ; q=0.2 ,\tgzip ; q=0.3", BOTH, YK__GZIP },
        { ",, gzip ,", BOTH, YK__GZIP },
        { "*", BOTH, YK__ZSTD },
        { "*, zstd;q=0", BOTH, YK__GZIP },
        { "gzip;q=0.001", BOTH, YK__GZIP },
        { "gzip, identity", BOTH, YK__GZIP },
        { "identity;q=0.5, gzip;q=0.5", BOTH, YK__GZIP },
        { "gzip, zstd", 1u << YK__GZIP, YK__GZIP },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        yk__coding got = yk__coding_choose(cases[i].accept, cases[i].offered);
        if (got != cases[i].chosen)
            fail_msg("'%s' of %u: %s", cases[i].accept, cases[i].offered, yk__coding_names[got]);
    }
}

/* ---- Range ----------------------------------------------------------------------------------- */

static void assert_ranges(const char *value, uint64_t size, const char *expected)
{
    yk__range r[YK__RANGES];
    char text[512];
    int n = yk__range_parse(value, size, r);
    int len = n < 0 ? snprintf(text, sizeof text, "%d", n) : 0;
    text[len] = '\0';
    for (int i = 0; i < n; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%llu-%llu", i ? "," : "",
                        (unsigned long long)r[i].first, (unsigned long long)r[i].last);
    if (strcmp(text, expected) != 0)
        fail_msg("'%s' of %llu: '%s' and not '%s'", value, (unsigned long long)size, text,
                 expected);
}

static void test_ranges_that_are_none(void **state)
{
    (void)state;
    static const char *const none[] = {
        NULL,         "",          "bytes",     "bytes=",        "bytes= ,",    "lines=1-2",
        "bytes=1",    "bytes=a-",  "bytes=-",   "bytes=5-4",     "bytes=1-2-3", "bytes=0-1,x",
        "bytes=-1-2", "bytes=--1", "bytes 0-1", "bytes=0-1;2-3", "bytes=0 -1",  "bytes=+0-1",
    };
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_ranges(none[i], 1000, "");
}

static void test_ranges_that_lie_outside(void **state)
{
    (void)state;
    assert_ranges("bytes=1000-", 1000, "-416");
    assert_ranges("bytes=1000-2000, 5000-", 1000, "-416");
    assert_ranges("bytes=-0", 1000, "-416");
    assert_ranges("bytes=0-", 0, "-416");
    assert_ranges("bytes=-5", 0, "-416");
    assert_ranges("bytes=99999999999999999999999-", 1000, "-416");
    assert_ranges("bytes=18446744073709551615-", 1000, "-416");
}

static void test_ranges(void **state)
{
    (void)state;
    assert_ranges("bytes=0-0", 1000, "0-0");
    assert_ranges("Bytes=0-499", 1000, "0-499");
    assert_ranges("bytes=500-", 1000, "500-999");
    assert_ranges("bytes=-500", 1000, "500-999");
    assert_ranges("bytes=-5000", 1000, "0-999");
    assert_ranges("bytes=0-99999999999999999999999", 1000, "0-999");
    assert_ranges("bytes=0-0,-1", 1000, "0-0,999-999");
    assert_ranges("bytes=500-600 , 100-200", 1000, "500-600,100-200");
    assert_ranges("bytes=2000-,0-9", 1000, "0-9");
}

static void test_who_asks_for_parts_again_and_again_gets_all(void **state)
{
    (void)state;
    assert_ranges("bytes=0-,0-,0-", 1000, "");
    assert_ranges("bytes=0-599,400-999", 1000, "");
    assert_ranges("bytes=0-0,0-0", 1000, "0-0,0-0");
    char many[256] = "bytes=";
    for (int i = 0; i < YK__RANGES; i++)
        strcat(many, "1-1,");
    yk__range r[YK__RANGES];
    assert_int_equal(yk__range_parse(many, 1000, r), YK__RANGES);
    strcat(many, "1-1");
    assert_ranges(many, 1000, "");
}

/* ---- Conditions ------------------------------------------------------------------------------ */

static void test_lists_of_tags(void **state)
{
    (void)state;
    static const struct {
        const char *list, *tag;
        bool weakly, strongly;
    } cases[] = {
        { "", "\"a\"", false, false },
        { "a", "\"a\"", false, false },
        { "\"a", "\"a\"", false, false },
        { "\"A\"", "\"a\"", false, false },
        { "\"b\", \"c\"", "\"a\"", false, false },
        { "\"x, \"a\" y\"", "\"a\"", false, false },
        { "W/\"a\"", "\"a\"", true, false },
        { "\"a\"", "W/\"a\"", true, false },
        { "W/\"a\"", "W/\"a\"", true, false },
        { "\"b\" ,, W/\"c\",\"a\"", "\"a\"", true, true },
        { "\"a,b\"", "\"a,b\"", true, true },
        { "\"\"", "\"\"", true, true },
        { "*", "\"a\"", true, true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool weakly = yk__etag_in_list(cases[i].list, cases[i].tag, true);
        bool strongly = yk__etag_in_list(cases[i].list, cases[i].tag, false);
        if (weakly != cases[i].weakly || strongly != cases[i].strongly)
            fail_msg("%s in %s: %d %d", cases[i].tag, cases[i].list, weakly, strongly);
    }
}

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static void test_conditions_in_their_order(void **state)
{
    (void)state;
    static const struct {
        yk__conditions c;
        int status, status_of_a_post;
    } cases[] = {
        { { .if_match = "\"b\"" }, 412, 412 },
        { { .if_match = "W/\"a\"" }, 412, 412 },
        { { .if_match = "\"b\"", .if_unmodified_since = AFTER }, 412, 412 },
        { { .if_unmodified_since = BEFORE }, 412, 412 },
        { { .if_none_match = "\"a\"" }, 304, 412 },
        { { .if_none_match = "W/\"a\"" }, 304, 412 },
        { { .if_none_match = "*" }, 304, 412 },
        { { .if_none_match = "\"a\"", .if_modified_since = BEFORE }, 304, 412 },
        { { .if_modified_since = SAME }, 304, 0 },
        { { .if_modified_since = AFTER }, 304, 0 },
        { { .if_match = "\"a\"", .if_none_match = "\"a\"" }, 304, 412 },
        { { .if_match = "\"b\"", .if_none_match = "\"a\"" }, 412, 412 },
        { { .if_unmodified_since = SAME, .if_modified_since = SAME }, 304, 0 },
        { { .if_match = NULL }, 0, 0 },
        { { .if_match = "\"b\", \"a\"" }, 0, 0 },
        { { .if_match = "*" }, 0, 0 },
        { { .if_match = "\"a\"", .if_unmodified_since = BEFORE }, 0, 0 },
        { { .if_unmodified_since = SAME }, 0, 0 },
        { { .if_unmodified_since = "never" }, 0, 0 },
        { { .if_none_match = "\"b\"" }, 0, 0 },
        { { .if_none_match = "\"b\"", .if_modified_since = AFTER }, 0, 0 },
        { { .if_modified_since = BEFORE }, 0, 0 },
        { { .if_modified_since = "tomorrow" }, 0, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        yk__conditions c = cases[i].c;
        int post = yk__conditions_check(&c, "\"a\"", EXAMPLE, NOW);
        c.reads = true;
        int get = yk__conditions_check(&c, "\"a\"", EXAMPLE, NOW);
        if (get != cases[i].status || post != cases[i].status_of_a_post)
            fail_msg("case %zu: %d, of a POST %d", i, get, post);
    }
}

static void test_a_range_of_what_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *if_range;
        bool allowed;
    } cases[] = {
        { "\"b\"", false }, { "W/\"a\"", false }, { BEFORE, false },
        { AFTER, false },   { "a", false },       { "", false },
        { "\"a\"", true },  { SAME, true },       { NULL, true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        yk__conditions c = { .if_range = cases[i].if_range };
        if (yk__conditions_allow_range(&c, "\"a\"", EXAMPLE, NOW) != cases[i].allowed)
            fail_msg("If-Range: %s", cases[i].if_range);
    }
}

/* ---- Media types ----------------------------------------------------------------------------- */

static void test_media_types(void **state)
{
    (void)state;
    static const struct {
        const char *path, *type;
        bool compresses;
    } cases[] = {
        { "", "application/octet-stream", false },
        { "README", "application/octet-stream", false },
        { "a.html/b", "application/octet-stream", false },
        { "a.", "application/octet-stream", false },
        { "a.html.x", "application/octet-stream", false },
        { "a.html", "text/html; charset=utf-8", true },
        { "/x.y/INDEX.HTML", "text/html; charset=utf-8", true },
        { "a.7z", "application/x-7z-compressed", false },
        { "a.zst", "application/zstd", false },
        { "a.js", "text/javascript; charset=utf-8", true },
        { "a.json", "application/json", true },
        { "a.svg", "image/svg+xml", true },
        { "a.png", "image/png", false },
        { "a.wasm", "application/wasm", true },
        { "a.woff2", "font/woff2", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *type = yk__media_type(cases[i].path);
        assert_string_equal(type, cases[i].type);
        assert_int_equal(yk__media_type_compresses(type), cases[i].compresses);
    }
    assert_true(yk__media_type_compresses("application/problem+JSON; x=y"));
    assert_false(yk__media_type_compresses("text/event-stream"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_date),
        TEST(test_a_date_has_three_forms),
        TEST(test_a_year_of_two_digits_is_near),
        TEST(test_every_date_comes_back),
        TEST(test_the_coding_that_the_client_likes_best),
        TEST(test_ranges_that_are_none),
        TEST(test_ranges_that_lie_outside),
        TEST(test_ranges),
        TEST(test_who_asks_for_parts_again_and_again_gets_all),
        TEST(test_lists_of_tags),
        TEST(test_conditions_in_their_order),
        TEST(test_a_range_of_what_it_was),
        TEST(test_media_types),
    };
    return RUN_TESTS("http_fields", tests);
}
