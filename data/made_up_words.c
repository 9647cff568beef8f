/* data/made_up_words.c - n-grams in the order of their bytes, without holding them.
 *
 * To have n words with a prefix, in order: perhaps the prefix is one of them; the others are dealt
 * out to its next letters, in the letters' byte order and by their weights, and each letter does
 * the same with its share. That is a walk over a tree of prefixes of which only the present path
 * is in memory, and it makes exactly n words, sorted and all different.
 *
 * A word may be tagged (run_VERB), and may begin longer n-grams, whose further words come from a
 * small sorted list. A space sorts before every byte of a word, so an n-gram's continuations stand
 * right behind it; a tag's '_' sorts in the middle of the letters, so tagged forms come up there.
 */
#include "data/made_up.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* ---- letters ---- */

/* What the next letter depends on. */
typedef enum script {
    START,
    DIGITS,
    CAPITAL,
    VOWEL,
    CONSONANT,
    GREEK,
    CYRILLIC,
    HEBREW,
    ARABIC,
    CHINESE,
    SCRIPTS
} script;

typedef struct letter {
    char bytes[4];
    uint8_t size;
    uint8_t after; /* the script that it leads to */
    uint16_t weight[SCRIPTS];
} letter;

#define LETTERS_MAX 256

typedef struct alphabet {
    letter letters[LETTERS_MAX]; /* by their bytes */
    unsigned count;
    unsigned before_tag; /* letters that sort before '_' */
    uint32_t total[SCRIPTS];
} alphabet;

static letter *add_letter(alphabet *a, uint32_t code, script after)
{
    letter *l = &a->letters[a->count++];
    *l = (letter){ .after = (uint8_t)after };
    if (code < 0x80) {
        l->bytes[l->size++] = (char)code;
    } else if (code < 0x800) {
        l->bytes[l->size++] = (char)(0xc0 | code >> 6);
        l->bytes[l->size++] = (char)(0x80 | (code & 0x3f));
    } else {
        l->bytes[l->size++] = (char)(0xe0 | code >> 12);
        l->bytes[l->size++] = (char)(0x80 | (code >> 6 & 0x3f));
        l->bytes[l->size++] = (char)(0x80 | (code & 0x3f));
    }
    if (code < '_')
        a->before_tag = a->count;
    return l;
}

/* Frequencies of English letters in text, per mille. */
static const uint16_t english[26] = { 82, 15, 28, 43, 127, 22, 20, 61, 70, 2,  8, 40, 24,
                                      67, 75, 19, 1,  60,  63, 91, 28, 10, 24, 2, 20, 1 };

static void add_latin(alphabet *a)
{
    add_letter(a, '\'', CONSONANT)->weight[CONSONANT] = 2;
    letter *l = add_letter(a, '-', CONSONANT);
    l->weight[VOWEL] = l->weight[CONSONANT] = 4;
    add_letter(a, '.', CONSONANT)->weight[CONSONANT] = 3;
    for (int i = 0; i < 10; i++) {
        l = add_letter(a, (uint32_t)('0' + i), DIGITS);
        l->weight[START] = 6;
        l->weight[DIGITS] = 60;
        l->weight[CONSONANT] = 1;
    }
    for (int i = 0; i < 26; i++) {
        l = add_letter(a, (uint32_t)('A' + i), CAPITAL);
        l->weight[START] = (uint16_t)(10 + english[i] / 5);
        l->weight[CAPITAL] = (uint16_t)(1 + english[i] / 8);
    }
    for (int i = 0; i < 26; i++) {
        bool vowel = strchr("aeiouy", 'a' + i);
        l = add_letter(a, (uint32_t)('a' + i), vowel ? VOWEL : CONSONANT);
        l->weight[START] = (uint16_t)(10 + english[i] / 2);
        l->weight[CAPITAL] = (uint16_t)(english[i] * (vowel ? 3 : 1));
        l->weight[CONSONANT] = (uint16_t)(english[i] * (vowel ? 5 : 1));
        l->weight[VOWEL] = (uint16_t)(english[i] * (vowel ? 1 : 4));
    }
    static const uint16_t accented[] = { 0xe0, 0xe4, 0xe7, 0xe8, 0xe9, 0xf1, 0xf6, 0xfc };
    for (int i = 0; i < 8; i++) {
        l = add_letter(a, accented[i], VOWEL);
        l->weight[CONSONANT] = 12;
        l->weight[START] = 2;
    }
}

static void add_script(alphabet *a, uint32_t first, uint32_t count, script s, uint16_t weight)
{
    for (uint32_t i = 0; i < count; i++) {
        letter *l = add_letter(a, first + i, s);
        l->weight[START] = weight;
        l->weight[s] = (uint16_t)(5 + i * 7 % 23);
    }
}

static void make_alphabet(alphabet *a)
{
    memset(a, 0, sizeof *a);
    add_latin(a);
    add_script(a, 0x3b1, 25, GREEK, 2);
    add_script(a, 0x430, 32, CYRILLIC, 2);
    add_script(a, 0x5d0, 27, HEBREW, 1);
    add_script(a, 0x627, 20, ARABIC, 1);
    add_script(a, 0x4e00, 60, CHINESE, 1);
    for (unsigned i = 0; i < a->count; i++)
        for (int s = 0; s < SCRIPTS; s++)
            a->total[s] += a->letters[i].weight[s];
}

static const letter *pick_letter(const alphabet *a, script s, yk__chance *chance)
{
    uint32_t at = (uint32_t)yk__below(chance, a->total[s]);
    const letter *l = a->letters;
    while (at >= l->weight[s])
        at -= l++->weight[s];
    return l;
}

/* ---- the walk ---- */

#define WORD_MAX 48 /* bytes; longer prefixes end as a word */
#define FURTHER  1024

typedef struct further_word {
    char bytes[WORD_MAX + 8];
    size_t size;
} further_word;

typedef struct walk {
    const yk__made_up_words_job *job;
    yk__chance chance; /* of the words' letters */
    yk__chance own;    /* of the present word's forms and continuations: a word that is not wanted
                          leaves the others as they are */
    uint64_t word;     /* first words so far */
    alphabet alphabet;
    char path[YK__NGRAM_MAX];
    further_word further[FURTHER];
    unsigned further_count;
    bool listing; /* making `further` */
} walk;

/* In byte order. A tag that is often given stands here more than once in `often`. */
static const char *const tags[12] = { ".",    "ADJ", "ADP",  "ADV", "CONJ", "DET",
                                      "NOUN", "NUM", "PRON", "PRT", "VERB", "X" };
static const uint8_t often[16] = { 6, 6, 6, 6, 6, 6, 10, 10, 10, 1, 1, 1, 3, 11, 2, 5 };

/* Which forms of a word there are: bit 0 the word itself, bit 1 + i with tag i. As in the dataset,
 * somewhat more than half of the forms are tagged. */
static unsigned forms_of_word(yk__chance *chance)
{
    uint64_t r = yk__random(chance);
    unsigned tag = 2u << often[r >> 8 & 15];
    if ((r & 0xff) < 100)
        return 1;
    if ((r & 0xff) < 216)
        return tag;
    if ((r & 0xff) < 218)
        return 1 | 2u << (r >> 8) % 12;
    return 1 | tag | 2u << often[r >> 12 & 15];
}

static int take(walk *w, size_t length)
{
    if (!w->listing)
        return w->job->take(w->job->arg, w->path, length);
    if (w->further_count < FURTHER && length <= WORD_MAX + 8) {
        further_word *f = &w->further[w->further_count++];
        memcpy(f->bytes, w->path, length);
        f->size = length;
    }
    return 0;
}

/* How many n-grams of `words` + 1 words go on from one of `words`: on average what makes 88, 6, 3,
 * 2 and 1 per cent of the n-grams have 1 to 5 words. */
static uint64_t continuations(walk *w, int words)
{
    static const uint32_t mean[] = { 0, 65536 * 6 / 88, 65536 * 3 / 6, 65536 * 2 / 3,
                                     65536 * 1 / 2 };
    if (w->listing || words >= w->job->max_words)
        return 0;
    uint64_t drawn = mean[words] * (yk__exponential(&w->own) * 45426 >> 16) >> 16;
    return (drawn + (yk__random(&w->own) & 0xffff)) >> 16;
}

/* An n-gram in w->path, and those that go on from it. */
static int ngram(walk *w, size_t length, int words)
{
    int err = take(w, length);
    uint64_t count = continuations(w, words), listed = w->further_count;
    count = count < listed ? count : listed;
    for (uint64_t i = 0; i < count && !err; i++) {
        /* one out of each of `count` stretches of the list: sorted, and none twice */
        uint64_t first = i * listed / count, behind = (i + 1) * listed / count;
        const further_word *f = &w->further[first + yk__below(&w->own, behind - first)];
        if (length + 1 + f->size > sizeof w->path)
            break;
        w->path[length] = ' ';
        memcpy(w->path + length + 1, f->bytes, f->size);
        err = ngram(w, length + 1 + f->size, words + 1);
    }
    return err;
}

/* The tagged forms of the word in w->path. */
static int tagged_forms(walk *w, size_t length, unsigned forms)
{
    int err = 0;
    for (int i = 0; i < 12 && !err; i++) {
        if (!(forms & 2u << i))
            continue;
        size_t size = strlen(tags[i]);
        w->path[length] = '_';
        memcpy(w->path + length + 1, tags[i], size);
        err = ngram(w, length + 1 + size, 1);
    }
    return err;
}

/* Is the next word wanted? Its forms, 0 if not, or negative. */
static int next_word(walk *w)
{
    int wanted = w->listing ? 1 : w->job->wanted(w->job->arg, w->word, w->job->words);
    w->own.state = w->job->seed ^ ++w->word << 32;
    return wanted > 0 ? (int)forms_of_word(&w->own) : wanted;
}

/* The only word with this prefix: some letters more, and that is it. */
static int last_word(walk *w, size_t length, script s)
{
    size_t size = 3 + (yk__exponential(&w->chance) >> 15) + yk__below(&w->chance, 5);
    if (s == DIGITS)
        size = 4;
    while (length < size && length < WORD_MAX) {
        const letter *l = pick_letter(&w->alphabet, s, &w->chance);
        memcpy(w->path + length, l->bytes, l->size);
        length += l->size;
        s = l->after;
    }
    int forms = next_word(w);
    int err = forms < 0 ? forms : 0;
    if (forms > 0 && forms & 1)
        err = ngram(w, length, 1);
    return err || forms <= 0 ? err : tagged_forms(w, length, (unsigned)forms);
}

static int words_from(walk *w, size_t length, script s, uint64_t count);

/* Deals `count` words out to the letters from `first` to before `last`. `*at` runs through the
 * weights with a random beginning, so that shares are rounded up or down by chance. */
static int deal(walk *w, size_t length, script s, uint64_t count, unsigned first, unsigned last,
                uint64_t *weight, uint64_t offset)
{
    uint64_t total = w->alphabet.total[s];
    int err = 0;
    for (unsigned i = first; i < last && !err; i++) {
        const letter *l = &w->alphabet.letters[i];
        uint64_t from = (uint64_t)(((unsigned __int128)*weight * count + offset) / total);
        *weight += l->weight[s];
        uint64_t to = (uint64_t)(((unsigned __int128)*weight * count + offset) / total);
        if (to == from)
            continue;
        memcpy(w->path + length, l->bytes, l->size);
        err = words_from(w, length + l->size, (script)l->after, to - from);
    }
    return err;
}

/* `count` words, all that begin with the first `length` bytes of w->path. */
static int words_from(walk *w, size_t length, script s, uint64_t count)
{
    if (count == 1 || length >= WORD_MAX) {
        w->word += count - 1;
        return last_word(w, length, s);
    }
    int forms = 0, err = 0;
    if (length > 0 && yk__below(&w->chance, 4) > 0) { /* the prefix is a word */
        forms = next_word(w);
        count--;
        if (forms < 0)
            return forms;
        if (forms & 1)
            err = ngram(w, length, 1);
    }
    uint64_t offset = yk__below(&w->chance, w->alphabet.total[s]), weight = 0;
    unsigned middle = w->alphabet.before_tag;
    if (!err)
        err = deal(w, length, s, count, 0, middle, &weight, offset);
    if (!err)
        err = tagged_forms(w, length, (unsigned)forms);
    if (!err)
        err = deal(w, length, s, count, middle, w->alphabet.count, &weight, offset);
    return err;
}

int yk__made_up_words(const yk__made_up_words_job *job)
{
    walk *w = calloc(1, sizeof *w);
    if (!w)
        return UV_ENOMEM;
    make_alphabet(&w->alphabet);
    w->job = job;
    w->chance.state = job->seed * 2 + 1;
    w->listing = true;
    int err = words_from(w, 0, START, FURTHER * 6 / 10);
    w->listing = false;
    w->word = 0;
    w->chance.state = job->seed;
    if (!err)
        err = words_from(w, 0, START, job->words);
    free(w);
    return err;
}

/* Words of Hangul syllables (U+AC00 to U+D7A3), which sort behind all letters above. */
size_t yk__last_words(char out[YK__NGRAM_MAX], uint64_t i)
{
    for (int k = 2; k >= 0; k--) {
        uint32_t code = 0xac00 + (uint32_t)(i % 11172);
        i /= 11172;
        out[3 * k] = (char)(0xe0 | code >> 12);
        out[3 * k + 1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[3 * k + 2] = (char)(0x80 | (code & 0x3f));
    }
    return 9;
}
