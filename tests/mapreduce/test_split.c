/* Tests of scanning a split: words and fields, against byte-by-byte loops. */
#include "mapreduce/helper.h"

#include "mapreduce/split_state.h"

static yk_split split_of(const char *text, size_t len)
{
    static const yk__map_arg arg;
    return (yk_split){ .begin = text,
                       .end = text + len,
                       .next = text,
                       .counted_to = text,
                       .are_lines = true,
                       .until_look = UINT32_MAX,
                       .arg = &arg };
}

/* A copy of exactly that size, so that reading past it shows under a sanitizer. */
static char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    return copy;
}

static unsigned seed = 7;

static unsigned chance(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

static size_t make_text(char *to, size_t size, const char *letters, unsigned n)
{
    size_t len = chance((unsigned)size);
    for (size_t i = 0; i < len; i++)
        to[i] = letters[chance(chance(4) ? 3 : n)];
    return len;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void check_words(const char *text, size_t len)
{
    yk_split split = split_of(text, len);
    yk_str word;
    for (size_t i = 0;;) {
        while (i < len && is_blank(text[i]))
            i++;
        size_t begin = i;
        while (i < len && !is_blank(text[i]))
            i++;
        assert_int_equal(yk_split_next_word(&split, &word), i > begin);
        if (i == begin)
            break;
        assert_ptr_equal(word.at, text + begin);
        assert_int_equal(word.len, i - begin);
    }
    assert_false(yk_split_next_word(&split, &word));
}

static void test_words_of_any_text(void **state)
{
    (void)state;
    char text[200];
    for (int round = 0; round < 20000; round++) {
        size_t len = make_text(text, sizeof text, "ab \t\n\v\f\r\b\x0e\x1f\xa0\xff\x89!", 15);
        char *exact = exact_copy(text, len);
        check_words(exact, len);
        free(exact);
    }
}

static void check_fields(const char *text, size_t len, size_t max)
{
    yk_split split = split_of(text, len);
    yk_str field[8];
    for (size_t i = 0; i < len; i++) {
        char separator = chance(8) ? '\t' : "a\n"[chance(2)];
        size_t n = yk_split_next_fields(&split, separator, field, max), at = 0;
        for (size_t begin = i;; i++) {
            if (i < len && text[i] != separator && text[i] != '\n')
                continue;
            if (at < max) {
                assert_ptr_equal(field[at].at, text + begin);
                assert_int_equal(field[at].len, i - begin);
            }
            at++;
            begin = i + 1;
            if (i >= len || text[i] == '\n')
                break;
        }
        assert_int_equal(n, at);
    }
    assert_int_equal(yk_split_next_fields(&split, '\t', field, max), 0);
}

static void test_fields_of_any_text(void **state)
{
    (void)state;
    static char text[20000];
    for (int round = 0; round < 20000; round++) {
        size_t len =
            make_text(text, round % 63 ? 400 : sizeof text,
                      round % 2 ? "abc\t\n\r " : "ab\t\tcdefgh \n\r", 7 + 5 * (round % 2 == 0));
        char *exact = exact_copy(text, len);
        check_fields(exact, len, (size_t)chance(8));
        free(exact);
    }
}

/* The line of a bad record that begins at p, or of one before it. */
static void check_line_of_bad(yk_split *split, const char *text, const char *p)
{
    yk__map_head head = { 0 };
    split->head = &head;
    while (p > text && (p[-1] != '\n' || chance(3)))
        p--;
    assert_int_equal(yk_split_bad_record(split, p, 0, "bad"), YK_EFORMAT);
    assert_int_equal(head.flaw.line, yk_count_lines(text, p));
    assert_int_equal(head.flaw.offset, p - text);
}

/* The last one may lack its LF. */
static uint64_t lines_before(const char *text, const char *at, const char *end)
{
    return yk_count_lines(text, at) + (at == end && at > text && at[-1] != '\n');
}

/* Of what is handed out, the lines before it are known at any time, whoever hands it out. */
static void check_count(const char *text, size_t len)
{
    yk_split split = split_of(text, len);
    yk_str got, field[3];
    for (const char *p; (p = split.next) < text + len;) {
        yk_split before = split;
        bool begins = p == text || p[-1] == '\n';
        unsigned what = chance(9);
        if (what == 0 && !yk_split_next_word(&split, &got))
            break;
        if (what > 0 && what < 5)
            assert_true(yk_split_next_record(&split, &got));
        if (what >= 5)
            assert_true(yk_split_next_fields(&split, '\t', field, 3) > 0);
        if (!begins || chance(3))
            continue;
        const yk_split *of[] = { &before, &split };
        for (int i = 0; i < (what > 0 ? 2 : 1); i++) {
            yk_split copy = *of[i];
            yk__split_count_to(&copy, p);
            assert_int_equal(copy.records, lines_before(text, copy.counted_to, text + len));
            assert_true(copy.counted_to >= p);
            copy = *of[i];
            check_line_of_bad(&copy, text, p);
        }
    }
    for (unsigned asks = 1 + chance(3); asks > 0; asks--)
        chance(2) ? (void)yk_split_next_fields(&split, '\t', field, 3)
                  : (void)yk_split_next_record(&split, &got);
    yk__split_count_to(&split, text + len);
    assert_int_equal(split.records, lines_before(text, text + len, text + len));
}

static void test_lines_are_counted_by_the_way(void **state)
{
    (void)state;
    char text[400];
    for (int round = 0; round < 20000; round++) {
        size_t len = make_text(text, sizeof text, "abc\t\n\r ", 7);
        char *exact = exact_copy(text, len);
        check_count(exact, len);
        free(exact);
    }
}

static void test_last_line_may_lack_its_end(void **state)
{
    (void)state;
    yk_str field[3];
    yk_split split = split_of("a\t\n\n\tb", 6);
    assert_int_equal(yk_split_next_fields(&split, '\t', field, 3), 2);
    assert_int_equal(field[1].len, 0);
    assert_int_equal(yk_split_next_fields(&split, '\t', field, 3), 1);
    assert_int_equal(field[0].len, 0);
    assert_int_equal(yk_split_next_fields(&split, '\t', field, 3), 2);
    assert_memory_equal(field[1].at, "b", 1);
    assert_int_equal(yk_split_next_fields(&split, '\t', field, 3), 0);
}

static const char *terminated(const char *text, size_t len)
{
    static char copy[32];
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(yk_str_u64((yk_str){ "", 0 }), 0);
    assert_int_equal(yk_str_u64((yk_str){ "-1", 2 }), 0);
    assert_int_equal(yk_str_u64((yk_str){ "1234", 3 }), 123);
    assert_int_equal(yk_str_u64((yk_str){ "12x", 3 }), 12);
    for (size_t len = 1; len <= 12; len++) {
        char *digits = exact_copy("912345678901", len);
        assert_true(yk_str_u64((yk_str){ digits, len }) ==
                    strtoull(terminated(digits, len), NULL, 10));
        for (size_t bad = 0; bad < len; bad++) {
            static const char other[] = "/:\t-\0a\xb0\xff";
            for (size_t i = 0; i < sizeof other - 1; i++) {
                char kept = digits[bad];
                digits[bad] = other[i];
                assert_true(yk_str_u64((yk_str){ digits, len }) ==
                            strtoull(terminated("912345678901", bad), NULL, 10));
                digits[bad] = kept;
            }
        }
        free(digits);
    }
    assert_true(yk_str_u64((yk_str){ "1844674407370955161", 19 }) == 1844674407370955161u);
    assert_true(yk_str_u64((yk_str){ "18446744073709551614", 20 }) == UINT64_MAX - 1);
    assert_true(yk_str_u64((yk_str){ "00000000000000000000000000012", 29 }) == 12);
    assert_int_equal(yk_str_u64((yk_str){ "18446744073709551615", 20 }), UINT64_MAX);
    assert_int_equal(yk_str_u64((yk_str){ "18446744073709551616", 20 }), UINT64_MAX);
    assert_int_equal(yk_str_u64((yk_str){ "99999999999999999999", 20 }), UINT64_MAX);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_any_text),
        cmocka_unit_test(test_fields_of_any_text),
        cmocka_unit_test(test_lines_are_counted_by_the_way),
        cmocka_unit_test(test_last_line_may_lack_its_end),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests_name("mapreduce/split", tests, NULL, NULL);
}
